/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity module by itself, for tests:
 *   identity_tool watch LOG [root=DIR] [without=FEATURE]… [sockets=N]
 *     says "ready", then obeys lines: "describe", "closed NS", "cpu", "end"
 *   identity_tool dump LOG     the newest entries, one JSON object a line
 *   identity_tool probe
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <arpa/inet.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/map.h"
#include "capture/identity/identity.h"
#include "capture/identity/identity_log.h"

#define FEATURES_MAX 16
#define SERIALS_MAX  ((size_t)4 << 20)

static void
print_json(json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	puts(text);
	fflush(stdout);
	free(text);
	json_decref(value);
}

static json_t *
text_of(struct bytes in)
{
	return json_stringn_nocheck((const char *)in.data, in.size);
}

static json_t *
address_of(const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, address, text, sizeof(text));
	return json_string(text);
}

static json_t *
process_json(const struct identity_process *p)
{
	json_t *o = json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "kind",
		"process", "id", (json_int_t)p->id, "pid", (json_int_t)p->pid,
		"parent", (json_int_t)p->parent, "uid", (json_int_t)p->uid,
		"from", (json_int_t)p->from_ns, "to", (json_int_t)p->to_ns,
		"cgroup", (json_int_t)p->cgroup, "netns",
		(json_int_t)p->netns, "mechanism", (int)p->mechanism);

	json_object_set_new(o, "name", text_of(p->name));
	json_object_set_new(o, "executable", text_of(p->executable));
	json_object_set_new(o, "cgroup_path", text_of(p->cgroup_path));
	json_object_set_new(o, "container", text_of(p->container));
	json_object_set_new(o, "pod", text_of(p->pod));
	json_object_set_new(o, "pod_namespace", text_of(p->pod_namespace));
	json_object_set_new(o, "pod_uid", text_of(p->pod_uid));
	json_object_set_new(o, "pod_container", text_of(p->pod_container));
	json_object_set_new(o, "kubernetes_mechanism",
			    text_of(p->kubernetes_mechanism));
	return o;
}

static json_t *
socket_json(const struct identity_socket *s)
{
	json_t *o = json_pack(
		"{s:s, s:I, s:I, s:I, s:i, s:b, s:i, s:i, s:i, s:I, s:I, s:I, "
		"s:I}",
		"kind", "socket", "cookie", (json_int_t)s->cookie, "process",
		(json_int_t)s->process, "thread", (json_int_t)s->thread,
		"protocol", (int)s->ip_protocol, "listening", s->listening,
		"mechanism", (int)s->mechanism, "local_port",
		(int)s->local_port, "remote_port", (int)s->remote_port,
		"netns", (json_int_t)s->netns, "netns_cookie",
		(json_int_t)s->netns_cookie, "from", (json_int_t)s->from_ns,
		"to", (json_int_t)s->to_ns);

	json_object_set_new(o, "local", address_of(s->local));
	json_object_set_new(o, "remote", address_of(s->remote));
	return o;
}

struct dump_key {
	uint64_t serial, kind;
};

static void
dump_entry(void *context, const struct identity_log_entry *entry)
{
	struct dump_key key;
	json_t **place;

	if (!entry->block)
		return;
	key = (struct dump_key){ entry->serial, entry->block->kind };
	place = map_put(context, &key, NULL);
	if (!place)
		return;
	json_decref(*place);
	*place = entry->block->kind == IDENTITY_PROCESS
			 ? process_json(&entry->block->process)
			 : socket_json(&entry->block->socket);
}

static int
dump(const char *path)
{
	struct map *entries = map_new(sizeof(struct dump_key), sizeof(json_t *),
				      SERIALS_MAX);
	const void *key;
	void *value;
	size_t cursor = 0;
	struct error e;
	int rc = identity_log_read(path, dump_entry, entries, NULL, NULL, &e);

	if (rc < 0)
		fprintf(stderr, "%s\n", e.text);
	while (map_next(entries, &cursor, &key, &value))
		print_json(*(json_t **)value);
	map_free(entries);
	return rc < 0;
}

static double
cpu_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static long
resident_kib(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return used.ru_maxrss;
}

/* False at "end". */
static bool
obey(struct identity *i, const char *line)
{
	struct error e = { .code = 0 };

	if (strncmp(line, "describe", 8) == 0) {
		identity_dispatch(i, &e);
		print_json(identity_describe(i));
	} else if (strncmp(line, "closed", 6) == 0) {
		print_json(json_integer(identity_segment_closed(
			i, strtoll(line + 6, NULL, 10), &e)));
	} else if (strncmp(line, "cpu", 3) == 0) {
		print_json(json_pack("{s:f, s:I}", "cpu", cpu_seconds(),
				     "resident_kib",
				     (json_int_t)resident_kib()));
	} else {
		return false;
	}
	return true;
}

static int
watch(const struct identity_options *options)
{
	struct identity *i;
	struct error e;
	char line[128];
	bool going = true;

	if (identity_open(options, &i, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	setvbuf(stdin, NULL, _IONBF, 0);
	while (going) {
		struct pollfd wait[2] = {
			{ .fd = 0, .events = POLLIN },
			{ .fd = identity_descriptor(i), .events = POLLIN },
		};

		poll(wait, 2, 1000);
		if (wait[0].revents)
			going = fgets(line, sizeof(line), stdin) &&
				obey(i, line);
		else if (identity_dispatch(i, &e) < 0)
			fprintf(stderr, "%s\n", e.text);
	}
	identity_close(i);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *without[FEATURES_MAX];
	struct identity_options options = { .without = without };

	if (argc == 2 && strcmp(argv[1], "probe") == 0) {
		print_json(identity_probe());
		return 0;
	}
	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "dump") == 0)
		return dump(argv[2]);
	options.log_path = argv[2];
	for (int k = 3; k < argc; k++) {
		if (strncmp(argv[k], "root=", 5) == 0)
			options.root = argv[k] + 5;
		else if (strncmp(argv[k], "sockets=", 8) == 0)
			options.socket_limit = strtoul(argv[k] + 8, NULL, 10);
		else if (strncmp(argv[k], "without=", 8) == 0 &&
			 options.without_count < FEATURES_MAX)
			without[options.without_count++] = argv[k] + 8;
		else
			return 2;
	}
	return watch(&options);
}
