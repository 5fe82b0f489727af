/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "dissect/registry.h"

#define DEFAULT_BODY (4u << 20)
#define BODY_MAX (16u << 20)
#define DEFAULT_MEMORY_MIB 256
#define MEMORY_MIN_MIB 96
#define MEMORY_MAX_MIB (1u << 20)
/* The writer's own part, and what one parser needs to be of use. */
#define WRITER_MIB 64
#define PARSER_MIB 48

enum option_id {
	OPTION_HOME = 256,
	OPTION_SNAPSHOT,
	OPTION_NAME,
	OPTION_PROTOCOLS,
	OPTION_FROM,
	OPTION_TO,
	OPTION_ADDRESS,
	OPTION_PORT,
	OPTION_MAX_BODY,
	OPTION_TLS_KEYLOG,
	OPTION_NO_DECRYPT,
	OPTION_DESCRIPTORS,
	OPTION_PARSERS,
	OPTION_MEMORY,
	OPTION_CPU_SECONDS,
	OPTION_CPU_PERCENT,
	OPTION_NICE,
	OPTION_LIFELINE,
	OPTION_PROGRESS,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "home", required_argument, NULL, OPTION_HOME },
	{ "snapshot", required_argument, NULL, OPTION_SNAPSHOT },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "protocols", required_argument, NULL, OPTION_PROTOCOLS },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "to", required_argument, NULL, OPTION_TO },
	{ "address", required_argument, NULL, OPTION_ADDRESS },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "max-body", required_argument, NULL, OPTION_MAX_BODY },
	{ "tls-keylog", required_argument, NULL, OPTION_TLS_KEYLOG },
	{ "descriptors", required_argument, NULL, OPTION_DESCRIPTORS },
	{ "no-decrypt", no_argument, NULL, OPTION_NO_DECRYPT },
	{ "parsers", required_argument, NULL, OPTION_PARSERS },
	{ "memory", required_argument, NULL, OPTION_MEMORY },
	{ "cpu-seconds", required_argument, NULL, OPTION_CPU_SECONDS },
	{ "cpu-percent", required_argument, NULL, OPTION_CPU_PERCENT },
	{ "nice", required_argument, NULL, OPTION_NICE },
	{ "lifeline", required_argument, NULL, OPTION_LIFELINE },
	{ "progress", no_argument, NULL, OPTION_PROGRESS },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

const char *
job_options_usage(void)
{
	return "usage: aftertap-dissect --snapshot SNAPSHOT --name NAME "
	       "[--home DIR]\n"
	       "         [--protocols http,dns] [--from TIME] [--to TIME]\n"
	       "         [--address IP[/BITS]]... [--port N]... "
	       "[--max-body SIZE]\n"
	       "         [--tls-keylog FILE | --no-decrypt] [--descriptors FILE]\n"
	       "         [--parsers N] [--memory MIB] [--cpu-seconds N]\n"
	       "         [--cpu-percent N] [--nice N] [--lifeline FD]\n"
	       "         [--progress | --quiet]\n"
	       "\n"
	       "Dissects a snapshot into a database of calls.  TIME is RFC "
	       "3339, Unix\n"
	       "milliseconds, or relative (-15m).  Exit status: 0 completed, "
	       "1 failed,\n"
	       "2 wrong usage, 3 cancelled.\n";
}

static int
parse_number(const char *option, const char *text, uint64_t low, uint64_t high,
	     uint64_t *value, struct error *e)
{
	if (text_u64(bytes_of(text), value) && *value >= low && *value <= high)
		return 0;
	return error_set(e, ERR_INVALID,
			 "%s must be a number from %llu to %llu, not \"%s\"",
			 option, (unsigned long long)low,
			 (unsigned long long)high, text);
}

static int
unknown_protocol(struct bytes name, struct error *e)
{
	struct buf known;
	int rc;

	buf_init(&known, 4096);
	for (unsigned i = 1; i < PROTOCOL_COUNT; i++) {
		buf_text(&known, known.size ? ", " : "");
		buf_text(&known, registry_dissector(i)->name);
	}
	rc = error_set(e, ERR_INVALID,
		       "there is no dissector \"%.*s\"; there are: %s",
		       (int)(name.size < 40 ? name.size : 40),
		       (const char *)name.data, buf_cstr(&known));
	buf_free(&known);
	return rc;
}

static int
parse_protocols(uint64_t *protocols, const char *text, struct error *e)
{
	*protocols = 0;
	while (*text) {
		size_t size = strcspn(text, ",");
		struct bytes name = bytes_trim(bytes_make(text, size));
		enum protocol protocol = registry_find(name);

		text += size + (text[size] == ',');
		if (name.size == 0)
			continue;
		if (protocol == PROTOCOL_UNKNOWN)
			return unknown_protocol(name, e);
		*protocols |= (uint64_t)1 << protocol;
	}
	if (*protocols == 0)
		return error_set(e, ERR_INVALID, "--protocols names none");
	return 0;
}

static int
parse_time(const char *option, const char *text, int64_t *ns, struct error *e)
{
	if (clock_parse(text, clock_wall_ns(), ns))
		return 0;
	return error_set(e, ERR_INVALID,
			 "%s \"%s\" is not a time: use RFC 3339 "
			 "(2026-11-23T14:02:11Z), Unix milliseconds, or a "
			 "duration before now (-15m)",
			 option, text);
}

/* "10.0.0.1", "10.0.0.0/8", "fd00::/8" */
static bool
read_address(const char *text, struct job_address *address)
{
	char host[INET6_ADDRSTRLEN];
	size_t size = strcspn(text, "/");
	uint64_t bits = 0;
	bool v4;

	if (size >= sizeof(host))
		return false;
	memcpy(host, text, size);
	host[size] = '\0';
	*address = (struct job_address){ .bits = 128 };
	v4 = inet_pton(AF_INET, host, address->ip + 12) == 1;
	if (v4)
		memset(address->ip + 10, 0xff, 2);
	else if (inet_pton(AF_INET6, host, address->ip) != 1)
		return false;
	if (text[size] == '\0')
		return true;
	if (!text_u64(bytes_of(text + size + 1), &bits) ||
	    bits > (v4 ? 32 : 128))
		return false;
	address->bits = (uint8_t)(v4 ? bits + 96 : bits);
	return true;
}

static int
add_address(struct job_options *o, const char *text, struct error *e)
{
	if (o->address_count == JOB_ADDRESSES_MAX)
		return error_set(e, ERR_LIMIT,
				 "more than %d times --address; use a prefix "
				 "(10.0.0.0/8)",
				 JOB_ADDRESSES_MAX);
	if (!read_address(text, &o->addresses[o->address_count]))
		return error_set(e, ERR_INVALID,
				 "--address \"%s\" is neither an IP address "
				 "nor a prefix like 10.0.0.0/8",
				 text);
	o->address_count++;
	return 0;
}

static int
add_port(struct job_options *o, const char *text, struct error *e)
{
	uint64_t port;
	int rc;

	if (o->port_count == JOB_PORTS_MAX)
		return error_set(e, ERR_LIMIT, "more than %d times --port",
				 JOB_PORTS_MAX);
	rc = parse_number("--port", text, 1, UINT16_MAX, &port, e);
	if (rc == 0)
		o->ports[o->port_count++] = (uint16_t)port;
	return rc;
}

static int
parse_max_body(struct job_options *o, const char *text, struct error *e)
{
	uint64_t size;

	if (!text_size(text, &size) || size > BODY_MAX)
		return error_set(e, ERR_INVALID,
				 "--max-body must be a size up to 16MiB, not "
				 "\"%s\"",
				 text);
	o->max_body = (uint32_t)size;
	return 0;
}

static int
parse_nice(struct job_options *o, const char *text, struct error *e)
{
	uint64_t value;
	int rc = parse_number("--nice", text, 0, 19, &value, e);

	o->nice = (int)value;
	return rc;
}

/* The options that are one number in a range. */
static int
parse_limit(struct job_options *o, int option, const char *text,
	    struct error *e)
{
	uint64_t value = 0;
	int rc;

	switch (option) {
	case OPTION_PARSERS:
		rc = parse_number("--parsers", text, 1, JOB_PARSERS_MAX,
				  &value, e);
		o->parsers = (unsigned)value;
		return rc;
	case OPTION_MEMORY:
		rc = parse_number("--memory", text, MEMORY_MIN_MIB,
				  MEMORY_MAX_MIB, &value, e);
		o->memory_bytes = value << 20;
		return rc;
	case OPTION_CPU_SECONDS:
		return parse_number("--cpu-seconds", text, 0, UINT32_MAX,
				    &o->cpu_seconds, e);
	case OPTION_CPU_PERCENT:
		rc = parse_number("--cpu-percent", text, 1, 100, &value, e);
		o->cpu_percent = (unsigned)value;
		return rc;
	case OPTION_NICE:
		return parse_nice(o, text, e);
	default: /* OPTION_LIFELINE */
		rc = parse_number("--lifeline", text, 0, 1 << 20, &value, e);
		o->lifeline = (int)value;
		return rc;
	}
}

static int
parse_option(struct job_options *o, int option, const char *text,
	     struct error *e)
{
	switch (option) {
	case OPTION_HOME:
		o->home = text;
		return 0;
	case OPTION_SNAPSHOT:
		o->snapshot = text;
		return 0;
	case OPTION_NAME:
		o->name = text;
		return 0;
	case OPTION_PROTOCOLS:
		return parse_protocols(&o->protocols, text, e);
	case OPTION_FROM:
		return parse_time("--from", text, &o->from_ns, e);
	case OPTION_TO:
		return parse_time("--to", text, &o->to_ns, e);
	case OPTION_ADDRESS:
		return add_address(o, text, e);
	case OPTION_PORT:
		return add_port(o, text, e);
	case OPTION_MAX_BODY:
		return parse_max_body(o, text, e);
	case OPTION_TLS_KEYLOG:
		o->key_log = text;
		return 0;
	case OPTION_DESCRIPTORS:
		o->descriptors = text;
		return 0;
	case OPTION_NO_DECRYPT:
		o->no_decrypt = true;
		return 0;
	case OPTION_PROGRESS:
		o->progress = true;
		return 0;
	case OPTION_QUIET:
		o->quiet = true;
		return 0;
	case OPTION_HELP:
		o->help = true;
		return 0;
	case OPTION_VERSION:
		o->version = true;
		return 0;
	default:
		return parse_limit(o, option, text, e);
	}
}

/* As many parsers as there are CPUs beside the writer's, and memory for. */
static unsigned
default_parsers(uint64_t memory_bytes)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t mib = memory_bytes >> 20;
	uint64_t fit = mib > WRITER_MIB ? (mib - WRITER_MIB) / PARSER_MIB : 1;
	uint64_t count = cpus > 2 ? (uint64_t)cpus - 1 : 1;

	if (count > fit)
		count = fit;
	if (count > JOB_PARSERS_MAX)
		count = JOB_PARSERS_MAX;
	return count > 0 ? (unsigned)count : 1;
}

static int
check(struct job_options *o, struct error *e)
{
	if (!o->snapshot || !o->name)
		return error_set(e, ERR_INVALID,
				 "--snapshot and --name are needed");
	if (!text_is_name(o->snapshot) || !text_is_name(o->name))
		return error_set(e, ERR_INVALID,
				 "\"%s\" is not a name: use 1 to 100 of "
				 "A-Z a-z 0-9 . _ - and begin with a letter, "
				 "digit or _",
				 text_is_name(o->name) ? o->snapshot :
							 o->name);
	if (o->from_ns >= o->to_ns)
		return error_set(e, ERR_INVALID, "--from is not before --to");
	if (o->parsers == 0)
		o->parsers = default_parsers(o->memory_bytes);
	return 0;
}

int
job_options_parse(struct job_options *options, int argc, char *const argv[],
		  struct error *e)
{
	int option, rc;

	*options = (struct job_options){
		.protocols = UINT64_MAX,
		.from_ns = INT64_MIN,
		.to_ns = INT64_MAX,
		.max_body = DEFAULT_BODY,
		.memory_bytes = (uint64_t)DEFAULT_MEMORY_MIB << 20,
		.nice = 10,
		.lifeline = -1,
	};
	optind = 0; /* glibc: start over, so that tests can call this again */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) !=
	       -1) {
		if (option == '?' || option == ':')
			return error_set(e, ERR_INVALID,
					 option == ':' ?
						 "%s needs a value" :
						 "there is no option %s",
					 argv[optind - 1]);
		rc = parse_option(options, option, optarg, e);
		if (rc < 0)
			return rc;
	}
	if (options->help || options->version)
		return 0;
	if (optind < argc)
		return error_set(e, ERR_INVALID, "\"%s\" is not an option",
				 argv[optind]);
	return check(options, e);
}

static json_t *
protocols_json(uint64_t protocols)
{
	json_t *list = json_array();

	for (unsigned i = 1; i < PROTOCOL_COUNT; i++)
		if (protocols & (uint64_t)1 << i)
			json_array_append_new(
				list, json_string(registry_dissector(i)->name));
	return list;
}

static json_t *
address_json(const struct job_address *address)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0,    0,
					    0, 0, 0, 0, 0xff, 0xff };
	char host[INET6_ADDRSTRLEN];
	bool v4 = address->bits >= 96 &&
		  memcmp(address->ip, mapped, sizeof(mapped)) == 0;

	inet_ntop(v4 ? AF_INET : AF_INET6, address->ip + (v4 ? 12 : 0), host,
		  sizeof(host));
	return json_sprintf("%s/%d", host,
			    v4 ? address->bits - 96 : address->bits);
}

static void
set_time(json_t *object, const char *key, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	if (ns != INT64_MIN && ns != INT64_MAX)
		json_object_set_new(object, key,
				    json_string(clock_format(ns, text)));
}

json_t *
job_options_json(const struct job_options *o)
{
	json_t *out = json_object();
	json_t *list;

	json_object_set_new(out, "protocols", protocols_json(o->protocols));
	set_time(out, "from", o->from_ns);
	set_time(out, "to", o->to_ns);
	if (o->address_count > 0) {
		list = json_array();
		for (size_t i = 0; i < o->address_count; i++)
			json_array_append_new(
				list, address_json(&o->addresses[i]));
		json_object_set_new(out, "addresses", list);
	}
	if (o->port_count > 0) {
		list = json_array();
		for (size_t i = 0; i < o->port_count; i++)
			json_array_append_new(list,
					      json_integer(o->ports[i]));
		json_object_set_new(out, "ports", list);
	}
	json_object_set_new(out, "max_body", json_integer(o->max_body));
	if (o->key_log)
		json_object_set_new(out, "tls_keylog", json_true());
	if (o->descriptors)
		json_object_set_new(out, "descriptors", json_true());
	if (o->no_decrypt)
		json_object_set_new(out, "decrypt", json_false());
	json_object_set_new(out, "parsers", json_integer(o->parsers));
	json_object_set_new(out, "memory_mib",
			    json_integer((json_int_t)(o->memory_bytes >> 20)));
	if (o->cpu_seconds)
		json_object_set_new(out, "cpu_seconds",
				    json_integer((json_int_t)o->cpu_seconds));
	if (o->cpu_percent)
		json_object_set_new(out, "cpu_percent",
				    json_integer(o->cpu_percent));
	json_object_set_new(out, "nice", json_integer(o->nice));
	return out;
}
