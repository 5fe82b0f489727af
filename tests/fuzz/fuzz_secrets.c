/* SPDX-License-Identifier: Apache-2.0 */
/* A file of secrets, and packets in which handshakes are looked for: the input
 * up to its first 0xff 0xff is the file, what follows are packets, each behind
 * its size of two bytes. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reader.h"
#include "capture/link_types.h"
#include "capture/secrets_resolve.h"
#include "tests/fuzz/fuzz.h"

static void
load(struct bytes file, struct secret_list *list)
{
	struct packet_window all = { INT64_MIN, INT64_MAX };
	char path[] = "/dev/shm/aftertap-fuzz-XXXXXX";
	int fd = mkstemp(path);

	assert(fd >= 0);
	assert(file_write_all(fd, file.data, file.size) == 0);
	close(fd);
	secrets_load(path, all, list, NULL);
	/* What a recorder finds it mends, and then can be read. */
	fd = secrets_open(path, NULL);
	if (fd >= 0) {
		assert(secrets_visit(path, all, NULL, NULL, NULL) == 0);
		close(fd);
	}
	unlink(path);
}

static void
scan(struct bytes in, struct tls_hellos *hellos)
{
	struct reader r = reader_make(in);
	int64_t time_ns = 0;

	while (reader_left(&r) > 0) {
		uint16_t size = reader_le16(&r);
		struct bytes packet = reader_take(
			&r, size < reader_left(&r) ? size : reader_left(&r));
		struct packet_record record = {
			.time_ns = time_ns++,
			.data = packet.data,
			.captured = (uint32_t)packet.size,
			.length = (uint32_t)packet.size,
			.link_type = LINK_TYPE_ETHERNET,
		};

		tls_hellos_packet(hellos, &record);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t border[] = { 0xff, 0xff };
	const uint8_t *at = size ? memmem(data, size, border, 2) : NULL;
	size_t first = at ? (size_t)(at - data) : size;
	struct secret_list secrets = { .items = NULL };
	struct tls_hellos *hellos = tls_hellos_new();
	const struct tls_hello *list;
	struct secret_match *matches;
	struct buf out;
	size_t count, matched;

	load(bytes_make(data, first), &secrets);
	if (at)
		scan(bytes_make(at + 2, size - first - 2), hellos);
	list = tls_hellos_list(hellos, &count);
	matched = secrets_resolve(&secrets, list, count, &matches);
	buf_init(&out, 64u << 20);
	secrets_key_log(&out, &secrets, list, matches, matched);
	assert(!out.failed);
	buf_free(&out);
	free(matches);
	secrets_free(&secrets);
	tls_hellos_free(hellos);
	return 0;
}
