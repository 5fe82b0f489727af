/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "capture/link_types.h"
#include "capture/losses.h"
#include "capture/pcapng.h"
#include "capture/pcapng_convert.h"
#include "capture/recorder/interfaces.h"
#include "capture/recorder/raw_file.h"
#include "capture/recorder/seal_check.h"
#include "capture/recorder/seal_identity.h"
#include "capture/recorder/seal_plain.h"
#include "capture/segment_writer.h"
#include "capture/source/raw_filter.h"
#include "capture/source/raw_reader.h"

/* Raw segments are bounded, and one makes one sealed segment. */
#define UNBOUNDED ((uint64_t)1 << 60)
/* if_name of what is no interface. */
#define PLAINTEXT_NAME "tls plaintext"

/* A packet's interface as the source tells it. */
struct place {
	uint64_t netns;
	uint64_t ifindex;
};

struct sealing {
	const char *directory;
	uint32_t number;
	char *raw, *sidecar, *plain; /* what goes */
	char *staging;       /* where the segment is made */
	json_t *about;       /* the sidecar; NULL: missing or damaged */
	struct raw_file file;
	struct seal_plain plaintext;
	struct interfaces *interfaces;
	char *interfaces_path;
	struct map *places; /* place → interface number */
	uint32_t link_type; /* of interfaces that nobody described */
	bool monotonic;     /* the packets' times */
	struct raw_filter *filter; /* what the kernel could not run; or NULL */
	struct losses losses;
	struct seal_identity *identity;
	struct segment_writer *writer;
	struct seal_result *result;
	struct seal_sum sum;
};

static char *
seal_path(const char *directory, const char *folder, uint32_t number,
	  const char *suffix)
{
	return alloc_format("%s/%s/%06u%s", directory, folder, number, suffix);
}

static bool
seal_is_plain(const struct raw_packet *packet)
{
	return (packet->ifindex & RAW_PLAINTEXT) != 0;
}

static uint32_t
seal_place_number(struct sealing *s, const struct raw_packet *packet)
{
	struct place place = { packet->netns, packet->ifindex };
	struct interface_key key = { packet->netns, packet->ifindex,
				     s->link_type };
	bool added;
	uint32_t *number = map_put(s->places, &place, &added);

	if (!number)
		return INTERFACES_MAX - 1;
	if (!added)
		return *number;
	if (seal_is_plain(packet))
		key.link_type = LINK_TYPE_RAW;
	*number = interfaces_number(s->interfaces, key);
	if (seal_is_plain(packet))
		interfaces_note(s->interfaces, *number, PLAINTEXT_NAME,
				packet->cgroup);
	return *number;
}

/* The number of the oldest segment that is left. */
static uint32_t
seal_oldest(const struct sealing *s)
{
	char *path = home_path(s->directory, "segments", NULL);
	DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned long oldest = s->number;

	/* Whatever there is for a number, an entry or data alone. */
	while (directory && (entry = readdir(directory)) != NULL) {
		unsigned long number = strtoul(entry->d_name, NULL, 10);

		if (number > 0 && number < oldest)
			oldest = number;
	}
	/* One that cannot be read says nothing. */
	if (!directory)
		oldest = 0;
	else
		closedir(directory);
	free(path);
	return (uint32_t)oldest;
}

/* The interfaces that the source knew, in the registry and by place. */
static void
seal_load_interfaces(struct sealing *s)
{
	json_t *described = json_object_get(s->about, "interfaces"), *item;
	const char *source =
		json_string_value(json_object_get(s->about, "source"));
	size_t at;

	s->interfaces_path = home_path(s->directory, "interfaces.json", NULL);
	s->interfaces = interfaces_load(s->interfaces_path, s->number,
					seal_oldest(s));
	s->places = map_new(sizeof(struct place), sizeof(uint32_t),
			    INTERFACES_MAX);
	s->link_type = source && strcmp(source, "cgroup") != 0
			       ? LINK_TYPE_ETHERNET
			       : LINK_TYPE_RAW;
	interfaces_describe(s->interfaces, described);
	json_array_foreach (described, at, item) {
		struct place place = {
			(uint64_t)json_integer_value(
				json_object_get(item, "netns")),
			(uint64_t)json_integer_value(
				json_object_get(item, "ifindex")),
		};
		struct interface_key key = {
			place.netns, (uint32_t)place.ifindex,
			(uint32_t)json_integer_value(
				json_object_get(item, "link_type")),
		};
		uint32_t *number = map_put(s->places, &place, NULL);

		if (number)
			*number = interfaces_number(s->interfaces, key);
	}
}

static int64_t
seal_time(const struct sealing *s, const struct raw_packet *packet)
{
	if (!s->monotonic || seal_is_plain(packet))
		return packet->time_ns < 0 ? 0 : packet->time_ns;
	return clock_map_utc(&s->file.header.clock, (uint64_t)packet->time_ns);
}

static bool
seal_wants(struct sealing *s, const struct raw_packet *packet)
{
	const struct interface *place;

	if (!s->filter || seal_is_plain(packet))
		return true;
	place = interfaces_at(s->interfaces, seal_place_number(s, packet));
	return raw_filter_matches(s->filter, (uint16_t)place->key.link_type,
				  packet->data, packet->captured,
				  packet->length);
}

typedef int seal_visitor(struct sealing *s, const struct raw_packet *packet,
			 struct error *e);

/* What processes said up to then. */
static int
seal_each_plain(struct sealing *s, int64_t until_ns, seal_visitor *each,
		struct error *e)
{
	struct seal_plain *p = &s->plaintext;
	int status = 0;

	for (; status == 0 && p->has_packet && p->packet.time_ns <= until_ns;
	     seal_plain_next(p))
		status = each(s, &p->packet, e);
	return status;
}

/* Calls `each` for every packet that is wanted; how many were not is left in
 * the result. */
static int
seal_each(struct sealing *s, seal_visitor *each, struct error *e)
{
	struct raw_reader r;
	struct raw_packet packet;
	int status = 0;

	s->result->filtered = 0;
	raw_file_rewind(&s->file);
	raw_reader_init(&r, (enum raw_format)s->file.header.format,
			s->file.records);
	seal_plain_rewind(&s->plaintext);
	while (status == 0 && raw_reader_next(&r, &packet) > 0) {
		raw_file_read_on(&s->file, packet.offset);
		status = seal_each_plain(s, seal_time(s, &packet), each, e);
		if (status < 0)
			break;
		if (seal_wants(s, &packet))
			status = each(s, &packet, e);
		else
			s->result->filtered++;
	}
	raw_reader_free(&r);
	if (status == 0)
		status = seal_each_plain(s, INT64_MAX, each, e);
	return status;
}

/* First pass: which interfaces there are, and whom the packets belong to. */
static int
seal_look(struct sealing *s, const struct raw_packet *packet, struct error *e)
{
	uint32_t number = seal_place_number(s, packet);

	(void)e;
	s->result->packets++;
	seal_identity_want(s->identity, seal_time(s, packet),
			   (uint16_t)interfaces_at(s->interfaces, number)
				   ->key.link_type,
			   packet);
	return 0;
}

/* Second pass. */
static int
seal_write(struct sealing *s, const struct raw_packet *packet, struct error *e)
{
	uint8_t flags[8] = { PCAPNG_PACKET_FLAGS, 0, 4, 0,
			     (uint8_t)packet->direction };
	struct segment_packet out = {
		.time_ns = seal_time(s, packet),
		.data = packet->data,
		.captured = packet->captured,
		.length = packet->length,
		.interface = seal_place_number(s, packet),
	};

	if (packet->direction != RAW_DIRECTION_UNKNOWN)
		out.options = bytes_make(flags, sizeof(flags));
	seal_sum_packet(&s->sum, out.time_ns, out.interface,
			bytes_make(out.data, out.captured));
	return segment_writer_packet(s->writer, &out, e);
}

/* What if_description says; free(3).  That of plaintext begins alike, so that
 * its owners are found alike (capture/interface_netns.h). */
static char *
seal_description(const struct interface *item)
{
	unsigned long long inode = item->inode;

	if (item->key.ifindex & RAW_PLAINTEXT)
		return alloc_format("netns:%llu plaintext of TLS at process "
				    "%u, headers are synthetic", inode,
				    item->key.ifindex & ~RAW_PLAINTEXT);
	return alloc_format("netns:%llu ifindex %u", inode, item->key.ifindex);
}

static int
seal_declare_interfaces(struct sealing *s, struct error *e)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < interfaces_count(s->interfaces);
	     i++) {
		const struct interface *item = interfaces_at(s->interfaces, i);
		char *about = seal_description(item);
		struct buf options;
		uint32_t id;

		buf_init(&options, 256);
		if (item->name[0])
			pcapng_put_option(&options, PCAPNG_INTERFACE_NAME,
					  bytes_of(item->name));
		if (item->inode || item->key.ifindex & RAW_PLAINTEXT)
			pcapng_put_option(&options,
					  PCAPNG_INTERFACE_DESCRIPTION,
					  bytes_of(about));
		status = segment_writer_interface(
			s->writer, (uint16_t)item->key.link_type, 0,
			buf_view(&options), &id, e);
		buf_free(&options);
		free(about);
	}
	return status;
}

static void
seal_option_u64(struct buf *body, uint16_t code, uint64_t value)
{
	uint8_t text[8];

	for (int i = 0; i < 8; i++)
		text[i] = (uint8_t)(value >> 8 * i);
	pcapng_put_option(body, code, bytes_make(text, sizeof(text)));
}

/* Packets lost on an interface. */
struct seal_lost {
	uint64_t kernel; /* by the kernel's hand, */
	uint64_t own;    /* and by the recorder's */
};

/* The interface that a loss was on.  What is of no single one, or of one that
 * is not known, is told on the first. */
static size_t
seal_lost_where(const struct sealing *s, const struct loss *loss)
{
	for (size_t i = 0; loss->interface[0] &&
			   i < interfaces_count(s->interfaces); i++) {
		const struct interface *item = interfaces_at(s->interfaces, i);

		if (strcmp(item->name, loss->interface) == 0 &&
		    (loss->netns == 0 || item->inode == 0 ||
		     item->inode == loss->netns))
			return i;
	}
	return 0;
}

static struct seal_lost *
seal_sum_lost(const struct sealing *s)
{
	struct seal_lost *lost = alloc_zero(interfaces_count(s->interfaces),
					    sizeof(*lost));

	for (size_t i = 0; i < s->losses.count; i++) {
		const struct loss *loss = &s->losses.items[i];
		struct seal_lost *here = &lost[seal_lost_where(s, loss)];

		if (loss->packets == LOSS_PACKETS_UNKNOWN)
			continue;
		if (loss->cause == LOSS_KERNEL)
			here->kernel += loss->packets;
		else
			here->own += loss->packets;
	}
	return lost;
}

static int
seal_put_statistics(struct sealing *s, uint32_t interface,
		    const struct seal_lost *lost, struct error *e)
{
	uint64_t stamp = (uint64_t)s->file.header.flushed_ns;
	struct buf body;
	int status;

	buf_init(&body, 256);
	buf_le32(&body, interface);
	buf_le32(&body, (uint32_t)(stamp >> 32));
	buf_le32(&body, (uint32_t)stamp);
	seal_option_u64(&body, PCAPNG_STATISTICS_IFDROP, lost->own);
	seal_option_u64(&body, PCAPNG_STATISTICS_OSDROP, lost->kernel);
	buf_le32(&body, 0);
	status = segment_writer_block(s->writer, PCAPNG_STATISTICS,
				      buf_view(&body),
				      lost->kernel + lost->own, e);
	buf_free(&body);
	return status;
}

/* Interface statistics, where something was lost. */
static int
seal_statistics(struct sealing *s, struct error *e)
{
	struct seal_lost *lost = seal_sum_lost(s);
	int status = 0;

	for (size_t i = 0; status == 0 && i < interfaces_count(s->interfaces);
	     i++)
		/* Losses without number or packet make a segment too. */
		if (lost[i].kernel + lost[i].own > 0 ||
		    (i == 0 && s->result->packets == 0))
			status = seal_put_statistics(s, (uint32_t)i, &lost[i],
						     e);
	free(lost);
	return status;
}

/* What the index entry says besides its own. */
static void
seal_annotate(struct sealing *s)
{
	static const char *const kept[] = { "clock_steps", "source", "filter" };
	json_t *members = json_object();

	if (s->losses.count > 0)
		json_object_set_new(members, "losses",
				    losses_json(&s->losses));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (json_object_get(s->about, kept[i]))
			json_object_set(members, kept[i],
					json_object_get(s->about, kept[i]));
	segment_writer_annotate(s->writer, members);
	json_decref(members);
}

static int
seal_make(struct sealing *s, struct error *e)
{
	struct segment_settings settings = {
		.directory = s->staging,
		.segment_bytes = UNBOUNDED,
		.segment_ns = INT64_MAX / 2,
		.first_number = s->number,
	};
	const struct interface_key nowhere = { .link_type = s->link_type };
	int status;

	if (interfaces_count(s->interfaces) == 0)
		(void)interfaces_number(s->interfaces, nowhere);
	seal_identity_namespaces(s->identity, s->interfaces);
	s->writer = segment_writer_new(&settings);
	seal_annotate(s);
	status = seal_declare_interfaces(s, e);
	if (status == 0)
		status = seal_identity_write(s->identity, s->writer, e);
	if (status == 0)
		status = seal_each(s, seal_write, e);
	if (status == 0)
		status = seal_statistics(s, e);
	if (status == 0)
		status = segment_writer_finish(s->writer, e);
	return status;
}

/* Moves the segment to where it counts, its index entry last. */
static int
seal_publish(struct sealing *s, struct error *e)
{
	static const char *const suffixes[] = { SEGMENT_SUFFIX, ".json" };
	char *segments = home_path(s->directory, "segments", NULL);
	int status = interfaces_save(s->interfaces, s->interfaces_path, e);

	for (int i = 0; status == 0 && i < 2; i++) {
		char *from = alloc_format("%s/%06u%s", s->staging, s->number,
					  suffixes[i]);
		char *to = seal_path(s->directory, "segments", s->number,
				     suffixes[i]);

		if (rename(from, to) < 0)
			status = error_set_errno(e, errno, "cannot move %s",
						 from);
		else if (file_sync_dir(segments) < 0)
			status = error_set(e, ERR_IO, "cannot sync %s",
					   segments);
		free(from);
		free(to);
	}
	free(segments);
	return status;
}

static void
seal_remove_raw(const struct sealing *s)
{
	/* The sidecar first: without it the raw one is still a segment. */
	(void)unlink(s->sidecar);
	(void)unlink(s->raw);
	(void)unlink(s->plain);
}

/* What kept from being read what had been committed. */
static const char *
seal_missing_why(const struct sealing *s)
{
	return s->file.problem ? s->file.problem : "the file is too short";
}

static void
seal_note_damage(struct sealing *s)
{
	struct seal_result *r = s->result;
	int64_t at = s->file.header.flushed_ns;
	struct loss loss = { .cause = LOSS_DAMAGED,
			     .packets = LOSS_PACKETS_UNKNOWN,
			     .from_ns = at,
			     .to_ns = at };

	r->recovered = s->file.beyond;
	r->missing = s->file.missing;
	if (r->missing == 0)
		return;
	snprintf(r->problem, sizeof(r->problem),
		 "%llu committed bytes could not be read: %s",
		 (unsigned long long)r->missing, seal_missing_why(s));
	losses_add(&s->losses, &loss);
}

static int
seal_run(struct sealing *s, struct error *e)
{
	int status = seal_each(s, seal_look, e);

	if (status < 0)
		return status;
	if (s->result->packets == 0 && s->losses.count == 0) {
		s->result->empty = true;
		seal_remove_raw(s);
		return 0;
	}
	(void)file_remove_tree(s->staging, NULL);
	status = file_make_dirs(s->staging, e);
	if (status == 0)
		status = seal_make(s, e);
	if (status == 0)
		status = seal_check(s->staging, s->number, &s->sum, e);
	if (status == 0)
		status = seal_publish(s, e);
	if (status == 0)
		seal_remove_raw(s);
	(void)file_remove_tree(s->staging, NULL);
	return status;
}

static void
seal_set_paths(struct sealing *s)
{
	s->raw = seal_path(s->directory, "raw", s->number, ".raw");
	s->sidecar = seal_path(s->directory, "raw", s->number, ".json");
	s->plain = seal_path(s->directory, "raw", s->number, ".plain");
	s->staging = seal_path(s->directory, "sealing", s->number, "");
}

/* Without an expression that can be read all packets are kept. */
static void
seal_open_filter(struct sealing *s)
{
	const char *expression = json_string_value(
		json_object_get(s->about, "recorder_filter"));
	struct error error = { 0 };

	if (!expression ||
	    raw_filter_new(expression, &s->filter, &error) == 0)
		return;
	s->filter = NULL;
	snprintf(s->result->problem, sizeof(s->result->problem),
		 "all packets are kept: %.120s", error.text);
}

/* What is known of the packets: their clock, their interfaces, which of them
 * are wanted. */
static void
seal_open_about(struct sealing *s)
{
	if (json_file_read(s->sidecar, &s->about, NULL) < 0)
		s->about = NULL;
	s->monotonic = s->file.header.clock_kind != RAW_CLOCK_UTC;
	seal_open_filter(s);
	seal_load_interfaces(s);
}

static int
seal_open(struct sealing *s, struct error *e)
{
	char *damaged, *log;
	int status = raw_file_open(s->raw, &s->file, e);

	if (status == ERR_CORRUPT || status == ERR_TRUNCATED) {
		damaged = seal_path(s->directory, "raw", s->number, ".damaged");
		(void)rename(s->raw, damaged);
		(void)unlink(s->sidecar);
		free(damaged);
	}
	if (status < 0)
		return status;
	seal_open_about(s);
	losses_parse(json_object_get(s->about, "losses"), &s->losses);
	seal_plain_open(&s->plaintext, s->plain);
	seal_note_damage(s);
	log = home_path(s->directory, "identity.log", NULL);
	s->identity = seal_identity_open(log);
	free(log);
	return 0;
}

static void
seal_close(struct sealing *s)
{
	segment_writer_free(s->writer);
	seal_identity_close(s->identity);
	raw_filter_free(s->filter);
	interfaces_free(s->interfaces);
	map_free(s->places);
	raw_file_close(&s->file);
	seal_plain_close(&s->plaintext);
	json_decref(s->about);
	free(s->interfaces_path);
	free(s->staging);
	free(s->sidecar);
	free(s->raw);
	free(s->plain);
}

/* An entry that cannot be read does not stand for a segment: it is made anew
 * from the raw one. */
static bool
seal_is_done(const char *path)
{
	struct segment_index index;
	json_t *entry;
	bool done;

	if (json_file_read(path, &entry, NULL) < 0)
		return false;
	done = segment_index_parse(entry, &index) == 0;
	json_decref(entry);
	return done;
}

int
seal_segment(const char *directory, uint32_t number,
	     struct seal_result *result, struct error *e)
{
	struct sealing *s = alloc_zero(1, sizeof(*s));
	char *index = seal_path(directory, "segments", number, ".json");
	int status = 0;

	*result = (struct seal_result){ 0 };
	s->directory = directory;
	s->number = number;
	seal_set_paths(s);
	s->result = result;
	if (seal_is_done(index)) {
		result->already = true;
		seal_remove_raw(s);
	} else {
		status = seal_open(s, e);
		if (status == 0)
			status = seal_run(s, e);
	}
	seal_close(s);
	free(s);
	free(index);
	return status;
}

static int
seal_count_one(struct sealing *s, const struct raw_packet *packet,
	       struct error *e)
{
	struct seal_result *r = s->result;
	int64_t at = seal_time(s, packet);

	(void)e;
	if (r->packets == 0 || at < r->first_ns)
		r->first_ns = at;
	if (r->packets == 0 || at > r->last_ns)
		r->last_ns = at;
	r->packets++;
	return 0;
}

int
seal_count(const char *directory, uint32_t number, struct seal_result *result,
	   struct error *e)
{
	struct sealing *s = alloc_zero(1, sizeof(*s));
	int status;

	*result = (struct seal_result){ 0 };
	s->directory = directory;
	s->number = number;
	s->result = result;
	seal_set_paths(s);
	status = raw_file_open(s->raw, &s->file, e);
	if (status == 0) {
		seal_open_about(s);
		status = seal_each(s, seal_count_one, e);
		result->missing = s->file.missing;
		result->counted = status == 0 && s->file.missing == 0;
		if (s->file.missing > 0)
			snprintf(result->problem, sizeof(result->problem),
				 "%s", seal_missing_why(s));
	}
	seal_close(s);
	free(s);
	return status;
}
