/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/record_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

const char record_usage[] =
	"usage: aftertap-capture [options]     record until stopped\n"
	"       aftertap-capture probe         what works here, as JSON\n"
	"\n"
	"what to record\n"
	"  --name NAME            capture to write or to continue (live)\n"
	"  --interface LIST       all, or lo,eth0,…: frames of interfaces\n"
	"                         instead of the packets of all sockets\n"
	"  --netns LIST           only these network namespaces\n"
	"  --cgroup PATH          only sockets of this control group\n"
	"  --filter EXPRESSION    as tcpdump takes it (pcap-filter)\n"
	"  --snaplen BYTES        keep so much of each packet\n"
	"  --tls-keys             keep TLS secrets of processes here as well\n"
	"  --tls-plaintext LIST   keep what these processes (pids) say over TLS,\n"
	"                         as plaintext; slows them down: for sessions\n"
	"                         older than the recorder\n"
	"  --replay FILE          packets of a capture file instead\n"
	"  --replay-speed FACTOR  1: as they came; 0: at once (default)\n"
	"  --plain-source         AF_PACKET, without BPF\n"
	"how much to keep\n"
	"  --quota SIZE           remove the oldest beyond this: 10GiB\n"
	"  --segment-size SIZE    end a segment at (64MiB)\n"
	"  --segment-time TIME    or after (60s)\n"
	"  --flush-interval TIME  lose at most this in a crash (1s)\n"
	"  --ring-size SIZE       memory between kernel and recorder (64MiB)\n"
	"when to stop\n"
	"  --duration TIME        after this\n"
	"  --packets N            after at least N packets\n"
	"others\n"
	"  --home DIR  --quiet  --help  --version\n";

enum option_code {
	OPTION_NAME = 256,
	OPTION_HOME,
	OPTION_INTERFACE,
	OPTION_NETNS,
	OPTION_CGROUP,
	OPTION_FILTER,
	OPTION_SNAPLEN,
	OPTION_KEYS,
	OPTION_PLAINTEXT,
	OPTION_REPLAY,
	OPTION_SPEED,
	OPTION_PLAIN,
	OPTION_QUOTA,
	OPTION_SEGMENT_SIZE,
	OPTION_SEGMENT_TIME,
	OPTION_FLUSH,
	OPTION_RING,
	OPTION_DURATION,
	OPTION_PACKETS,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "home", required_argument, NULL, OPTION_HOME },
	{ "interface", required_argument, NULL, OPTION_INTERFACE },
	{ "netns", required_argument, NULL, OPTION_NETNS },
	{ "cgroup", required_argument, NULL, OPTION_CGROUP },
	{ "filter", required_argument, NULL, OPTION_FILTER },
	{ "snaplen", required_argument, NULL, OPTION_SNAPLEN },
	{ "tls-keys", no_argument, NULL, OPTION_KEYS },
	{ "tls-plaintext", required_argument, NULL, OPTION_PLAINTEXT },
	{ "replay", required_argument, NULL, OPTION_REPLAY },
	{ "replay-speed", required_argument, NULL, OPTION_SPEED },
	{ "plain-source", no_argument, NULL, OPTION_PLAIN },
	{ "quota", required_argument, NULL, OPTION_QUOTA },
	{ "segment-size", required_argument, NULL, OPTION_SEGMENT_SIZE },
	{ "segment-time", required_argument, NULL, OPTION_SEGMENT_TIME },
	{ "flush-interval", required_argument, NULL, OPTION_FLUSH },
	{ "ring-size", required_argument, NULL, OPTION_RING },
	{ "duration", required_argument, NULL, OPTION_DURATION },
	{ "packets", required_argument, NULL, OPTION_PACKETS },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Cuts "a,b,c" into `list`; more lists of one option are joined. */
static int
take_list(const char *text, char **words, const char **list, size_t *count)
{
	char *joined = *words ? alloc_format("%s,%s", *words, text)
			      : alloc_string(text);
	char *rest, *word;

	free(*words);
	*words = joined;
	*count = 0;
	/* The words stay where they are cut. */
	rest = joined;
	while ((word = strsep(&rest, ",")) != NULL) {
		if (*word == '\0')
			continue;
		if (*count == RECORD_LIST_MAX)
			return ERR_LIMIT;
		list[(*count)++] = word;
	}
	return *count > 0 ? 0 : ERR_INVALID;
}

static int
take_size(const char *text, uint64_t least, uint64_t *value)
{
	return text_size(text, value) && *value >= least ? 0 : ERR_INVALID;
}

static int
take_time(const char *text, int64_t least, int64_t most, int64_t *value)
{
	return clock_parse_duration(text, value) && *value >= least &&
			       *value <= most
		       ? 0
		       : ERR_INVALID;
}

static int
take_ring(const char *text, uint64_t *value)
{
	uint64_t asked;

	if (take_size(text, 64 << 10, &asked) < 0 || asked > UINT64_C(1) << 30)
		return ERR_INVALID;
	*value = UINT64_C(1) << 16;
	while (*value < asked)
		*value <<= 1;
	return 0;
}

static int
take_speed(const char *text, double *value)
{
	char *end = NULL;

	if (!text) /* getopt_long gives every option that wants one its value */
		return ERR_INVALID;
	*value = strtod(text, &end);
	return *text && *end == '\0' && *value >= 0 && *value < 1e6
		       ? 0
		       : ERR_INVALID;
}

static int
take_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	return text_u64(bytes_of(text), value) && *value >= least &&
			       *value <= most
		       ? 0
		       : ERR_INVALID;
}

static int
take_processes(struct record_options *o, const char *text)
{
	struct bytes rest = bytes_of(text);

	while (rest.size > 0) {
		const uint8_t *comma = memchr(rest.data, ',', rest.size);
		size_t size = comma ? (size_t)(comma - rest.data) : rest.size;
		uint64_t pid;

		if (!text_u64(bytes_first(rest, size), &pid) || pid == 0 ||
		    pid > INT32_MAX)
			return ERR_INVALID;
		if (o->process_count == RECORD_LIST_MAX)
			return ERR_LIMIT;
		o->processes[o->process_count++] = (uint32_t)pid;
		rest = bytes_from(rest, comma ? size + 1 : size);
	}
	return o->process_count > 0 ? 0 : ERR_INVALID;
}

/* What decides how packets come. */
static int
take_source_option(struct record_options *o, int code, const char *value)
{
	uint64_t number = 0;
	int status = 0;

	switch (code) {
	case OPTION_INTERFACE:
		o->source.interfaces = o->interfaces;
		return take_list(value, &o->words[0], o->interfaces,
				 &o->source.interface_count);
	case OPTION_NETNS:
		o->source.namespaces = o->namespaces;
		return take_list(value, &o->words[1], o->namespaces,
				 &o->source.namespace_count);
	case OPTION_CGROUP:
		o->source.cgroup = value;
		return 0;
	case OPTION_FILTER:
		o->source.filter = value;
		return 0;
	case OPTION_SNAPLEN:
		status = take_number(value, 1, 512 << 10, &number);
		o->source.snaplen = (uint32_t)number;
		return status;
	case OPTION_REPLAY:
		o->source.replay_file = value;
		return 0;
	case OPTION_SPEED:
		return take_speed(value, &o->source.replay_speed);
	case OPTION_PLAIN:
		o->source.avoid |= SOURCE_AVOID_BPF;
		return 0;
	case OPTION_RING:
		return take_ring(value, &o->source.ring_bytes);
	default:
		return ERR_UNSUPPORTED;
	}
}

static int
take_option(struct record_options *o, int code, const char *value)
{
	switch (code) {
	case OPTION_NAME:
		o->name = value;
		return 0;
	case OPTION_HOME:
		o->home = value;
		return 0;
	case OPTION_KEYS:
		o->keys = true;
		return 0;
	case OPTION_PLAINTEXT:
		return take_processes(o, value);
	case OPTION_QUOTA:
		return take_size(value, 4 << 20, &o->quota);
	case OPTION_SEGMENT_SIZE:
		return take_size(value, 1 << 20, &o->segment_bytes);
	case OPTION_SEGMENT_TIME:
		return take_time(value, CLOCK_NS_PER_S, 86400 * CLOCK_NS_PER_S,
				 &o->segment_ns);
	case OPTION_FLUSH:
		return take_time(value, 10 * CLOCK_NS_PER_MS,
				 60 * CLOCK_NS_PER_S, &o->flush_ns);
	case OPTION_DURATION:
		return take_time(value, 1, INT64_MAX / 2, &o->duration_ns);
	case OPTION_PACKETS:
		return take_number(value, 1, UINT64_MAX, &o->packets);
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
		return take_source_option(o, code, value);
	}
}

static bool
option_is_of_program(int code)
{
	return code == OPTION_HOME || code == OPTION_NAME ||
	       code == OPTION_QUIET || code == OPTION_HELP ||
	       code == OPTION_VERSION;
}

/* Options that exclude one another. */
static int
check_options(const struct record_options *o, struct error *e)
{
	const struct source_options *s = &o->source;

	if (s->replay_file &&
	    (s->interfaces || s->namespace_count || s->cgroup || o->keys ||
	     o->process_count))
		return error_set(e, ERR_INVALID,
				 "--replay reads a file: --interface, --netns, "
				 "--cgroup, --tls-keys and --tls-plaintext "
				 "have no meaning with it");
	if (s->replay_speed > 0 && !s->replay_file)
		return error_set(e, ERR_INVALID,
				 "--replay-speed needs --replay FILE");
	if (s->cgroup && s->interfaces)
		return error_set(e, ERR_INVALID,
				 "--cgroup chooses sockets and --interface "
				 "frames: give one of them");
	if (s->cgroup && (s->avoid & SOURCE_AVOID_BPF))
		return error_set(e, ERR_INVALID,
				 "--cgroup needs BPF, which --plain-source "
				 "leaves out");
	return 0;
}

int
record_options_parse(int argc, char **argv, struct record_options *o,
		     struct error *e)
{
	int code, index = 0, status = 0;

	*o = (struct record_options){ .name = "live", .given = json_object() };
	opterr = 0;
	optind = 1;
	while (status == 0) {
		code = getopt_long(argc, argv, ":", long_options, &index);
		if (code < 0)
			break;
		if (code == '?' || code == ':')
			return error_set(e, ERR_INVALID,
					 "\"%s\" is not understood, or needs a "
					 "value; --help lists the options",
					 argv[optind - 1]);
		status = take_option(o, code, optarg);
		if (status < 0)
			error_set(e, status, "--%s %s: that is not a value "
				  "for it; --help says what is",
				  long_options[index].name, optarg);
		else if (!option_is_of_program(code))
			json_object_set_new(o->given, long_options[index].name,
					    optarg ? json_string(optarg)
						   : json_true());
	}
	if (status == 0 && optind < argc)
		status = error_set(e, ERR_INVALID, "\"%s\" is not an option",
				   argv[optind]);
	return status < 0 ? status : check_options(o, e);
}

void
record_options_free(struct record_options *o)
{
	free(o->words[0]);
	free(o->words[1]);
	json_decref(o->given);
	*o = (struct record_options){ 0 };
}
