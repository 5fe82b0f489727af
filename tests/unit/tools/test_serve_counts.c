/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics says of captures. */
#include "server/cli/serve_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "capture/home.h"
#include "tests/unit/capture/scratch.h"

static void
put_capture(const char *home, const char *name, const char *text)
{
	char *folder = home_path(home, "captures", name, NULL);
	char *file = home_path("captures", name, "capture.json", NULL);

	assert_int_equal(file_make_dirs(folder, NULL), 0);
	free(scratch_file(home, file, bytes_of(text)));
	free(file);
	free(folder);
}

/* A segment that told of losses may have been evicted since. */
static void
losses_stay_when_segments_go(void **state)
{
	const struct tool_config config = { .home = *state };
	struct metrics_now now = { 0 };

	put_capture(*state, "recorded",
		    "{\"kind\":\"live\",\"state\":\"stopped\",\"packets\":10,"
		    "\"drops\":2,\"losses\":[{\"cause\":\"quota\","
		    "\"packets\":348,\"from_ns\":1000,\"to_ns\":2000},"
		    "{\"cause\":\"ring_full\",\"packets\":2,"
		    "\"from_ns\":9000000000,\"to_ns\":9000001000}]}");
	put_capture(*state, "imported",
		    "{\"kind\":\"import\",\"state\":\"ready\",\"packets\":5,"
		    "\"drops\":7}");
	serve_counts(&config, &now);
	assert_int_equal(now.captures, 2);
	assert_int_equal(now.captured_packets, 15);
	assert_int_equal(now.dropped_packets, 350 + 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(losses_stay_when_segments_go,
						scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
