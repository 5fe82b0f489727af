/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records TLS secrets alone, for the tests of capture/keys:
 *
 *   key_recorder SECRETS    until standard input ends; prints "ready" when it
 *                           has attached, and keys_describe at the end
 *   key_recorder probe      prints keys_probe
 *   key_recorder hooks FILE prints what is found in a program or library
 *
 * Exit status 77: it may not, or cannot, here.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/keys/key_hooks.h"
#include "capture/keys/keys.h"

static int
recorder_hooks(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct key_hooks hooks;

	if (fd < 0)
		return 1;
	hooks = key_hooks_find(fd, path, true);
	if (key_hooks_unasked(&hooks, true))
		hooks.why = key_hooks_why(fd);
	close(fd);
	printf("%s|%s", hooks.name ? hooks.name : "", hooks.why ? hooks.why
								: "");
	for (uint32_t i = 0; i < hooks.count; i++)
		printf("|%" PRIx64, hooks.places[i].offset);
	printf("\n");
	return 0;
}

static int
recorder_run(const char *path)
{
	struct keys_options options = { .path = path };
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct error e = { .code = 0 };
	struct keys *keys;
	json_t *what;
	int status = keys_open(&options, &keys, &e);

	if (status < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 77;
	}
	fds[0].fd = STDIN_FILENO;
	fds[1].fd = keys_descriptor(keys);
	printf("ready\n");
	fflush(stdout);
	while (!fds[0].revents) {
		poll(fds, 2, 1000);
		if (keys_dispatch(keys, &e) < 0)
			fprintf(stderr, "%s\n", e.text);
	}
	what = keys_describe(keys);
	keys_close(keys);
	json_dumpf(what, stdout, JSON_INDENT(1));
	printf("\n");
	json_decref(what);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "hooks") == 0)
		return recorder_hooks(argv[2]);
	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "probe") == 0) {
		json_t *list = keys_probe();

		json_dumpf(list, stdout, JSON_INDENT(1));
		json_decref(list);
		return 0;
	}
	return recorder_run(argv[1]);
}
