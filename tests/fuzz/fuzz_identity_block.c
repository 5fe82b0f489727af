/* SPDX-License-Identifier: Apache-2.0 */
/* A custom block from a stranger's segment; what is taken for ours reads the
 * same again after it is written. */
#include <assert.h>
#include <string.h>

#include "capture/identity/identity_block.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity_block block, again;
	struct buf out;

	if (!identity_decode(bytes_make(data, size), &block))
		return 0;
	buf_init(&out, 64 << 10);
	if (block.kind == IDENTITY_PROCESS)
		identity_encode_process(&out, &block.process);
	else
		identity_encode_socket(&out, &block.socket);
	assert(!out.failed && out.size <= size);
	assert(identity_decode(buf_view(&out), &again));
	assert(again.kind == block.kind);
	if (block.kind == IDENTITY_PROCESS) {
		assert(again.process.id == block.process.id);
		assert(bytes_equal(again.process.kubernetes_mechanism,
				   block.process.kubernetes_mechanism));
	} else {
		assert(again.socket.to_ns == block.socket.to_ns);
		assert(memcmp(again.socket.remote, block.socket.remote, 16) ==
		       0);
	}
	buf_free(&out);
	return 0;
}
