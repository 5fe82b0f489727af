/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and libraries of strangers, as a whole file; all that is looked
 * for in them. */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "capture/keys/key_hooks.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_MAX_BYTES (1u << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_hooks hooks;
	int fd;

	if (size > SIZE_MAX_BYTES)
		return 0;
	fd = memfd_create("program", MFD_CLOEXEC);
	assert(fd >= 0);
	assert(file_write_all(fd, data, size) == 0);
	hooks = key_hooks_find(fd, "/usr/bin/program", true);
	if (key_hooks_unasked(&hooks, true))
		hooks.why = key_hooks_why(fd);
	assert(hooks.count <= KEY_HOOKS_MAX);
	/* Where code is probed lies within the file. */
	for (uint32_t i = 0; i < hooks.count; i++)
		assert(hooks.places[i].offset < size);
	close(fd);
	return 0;
}
