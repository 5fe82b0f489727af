/* SPDX-License-Identifier: Apache-2.0 */
/* The program `aftertap-capture`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/text.h"
#include "capture/home.h"
#include "capture/identity/identity.h"
#include "capture/keys/keys.h"
#include "capture/recorder/sealer.h"
#include "capture/recorder/session.h"
#include "capture/source/source.h"

enum { STATUS_DONE, STATUS_FAILED, STATUS_USAGE };

/* What works here, for `aftertap doctor`. */
static int
probe(void)
{
	json_t *checks = source_probe();
	json_t *identity = identity_probe(), *keys = keys_probe();
	json_t *all;
	int status;

	json_array_extend(checks, identity);
	json_array_extend(checks, keys);
	json_decref(identity);
	json_decref(keys);
	all = json_pack("{s:o}", "checks", checks);
	status = json_dumpf(all, stdout, JSON_INDENT(2));
	json_decref(all);
	putchar('\n');
	return status == 0 ? STATUS_DONE : STATUS_FAILED;
}

/* seal --directory D --number N [--urgent|--discard]: what the recorder runs, not
 * people. */
static int
seal(int argc, char **argv)
{
	enum sealer_task task = SEALER_IDLE;
	uint64_t number;

	if (argc == 7 && strcmp(argv[6], "--urgent") == 0)
		task = SEALER_URGENT;
	if (argc == 7 && strcmp(argv[6], "--discard") == 0)
		task = SEALER_DISCARD;
	if (argc != (task == SEALER_IDLE ? 6 : 7) || strcmp(argv[2], "--directory") != 0 ||
	    strcmp(argv[4], "--number") != 0 ||
	    !text_u64(bytes_of(argv[5]), &number) || number == 0 ||
	    number > UINT32_MAX) {
		fputs("aftertap-capture: seal is run by the recorder itself\n",
		      stderr);
		return STATUS_USAGE;
	}
	return sealer_main(argv[3], (uint32_t)number, task);
}

static int
record(const struct record_options *options)
{
	char program[4096], *home;
	ssize_t size = readlink("/proc/self/exe", program,
				sizeof(program) - 1);
	struct error error = { 0 };
	int status;

	if (size <= 0) {
		fputs("aftertap-capture: /proc is not mounted\n", stderr);
		return STATUS_FAILED;
	}
	program[size] = '\0';
	home = home_open(options->home, &error);
	if (!home) {
		fprintf(stderr, "aftertap-capture: %s\n", error.text);
		return STATUS_FAILED;
	}
	status = session_run(options, home, program);
	free(home);
	return status;
}

int
main(int argc, char **argv)
{
	struct record_options options;
	struct error error = { 0 };
	int status = STATUS_USAGE;

	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return probe();
	if (argc > 1 && strcmp(argv[1], "seal") == 0)
		return seal(argc, argv);
	if (record_options_parse(argc, argv, &options, &error) < 0) {
		fprintf(stderr, "aftertap-capture: %s\n", error.text);
	} else if (options.help) {
		fputs(record_usage, stdout);
		status = STATUS_DONE;
	} else if (options.version) {
		puts("aftertap-capture " AFTERTAP_VERSION);
		status = STATUS_DONE;
	} else {
		status = record(&options);
	}
	record_options_free(&options);
	return status;
}
