/* SPDX-License-Identifier: Apache-2.0 */
/* An identity.log that somebody has had his hands on: the recorder continues
 * it, compacts it, and the sealer looks up in it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "capture/identity/identity_log.h"
#include "capture/identity/identity_table.h"
#include "tests/fuzz/fuzz.h"

static const char *
write_input(const uint8_t *data, size_t size)
{
	static char path[64];
	static char made;

	if (!made) {
		snprintf(path, sizeof(path), "/dev/shm/fuzz-identity-%d.log",
			 (int)getpid());
		made = 1;
	}
	assert(file_write_atomic(path, bytes_make(data, size), 0600, NULL) ==
	       0);
	return path;
}

/* Looks for every port that the input has in it. */
static void
look_up(const struct identity_table *t, const uint8_t *data, size_t size)
{
	const struct identity_socket *found[2];

	for (size_t i = 0; i + 16 <= size && i < 512; i++) {
		struct identity_end end = { .ip_protocol = i & 1 ? 6 : 17,
					    .either = (i & 2) != 0 };
		size_t count;

		memcpy(&end.cookie, data + i, 8);
		memcpy(&end.local_port, data + i, 2);
		memcpy(&end.remote_port, data + i + 2, 2);
		memcpy(end.local, data + i, 16);
		count = identity_table_find(t, (int64_t)i, &end, found);
		assert(count <= 2);
		while (count--)
			(void)identity_table_process(t, found[count]->process);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = write_input(data, size);
	struct identity_table_counts before, after;
	struct identity_table *t;
	struct identity_log *log;

	assert(identity_table_load(path, &t, NULL) == 0);
	identity_table_counts(t, &before);
	look_up(t, data, size);
	identity_table_free(t);
	assert(identity_log_open(path, &log, NULL) == 0);
	assert(identity_log_compact(log, INT64_MIN, NULL) == 0);
	identity_log_close(log);
	assert(identity_table_load(path, &t, NULL) == 0);
	identity_table_counts(t, &after);
	assert(!after.damaged);
	assert(after.processes == before.processes);
	assert(after.sockets == before.sockets);
	identity_table_free(t);
	unlink(path);
	return 0;
}
