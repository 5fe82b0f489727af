/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a snapshot: choose the segments that overlap the window, look into
 * those at its edges (nothing else is read), link them, write the manifest,
 * rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/capture.h"
#include "capture/home.h"
#include "capture/json_file.h"
#include "capture/segment_index.h"
#include "capture/snapshot.h"
#include "capture/snapshot_live.h"
#include "capture/snapshot_secrets.h"
#include "capture/staging.h"

/* Segments at the edges are read for exact numbers for so long; a capture
 * whose clock jumps about may have nothing but edges. */
#define SCAN_BUDGET_NS    (2 * CLOCK_NS_PER_S)
#define PACKETS_PER_CHECK 4096
/* How often to begin again because a running recorder evicted a segment. */
#define EVICTION_TRIES 4

/* One segment that may go into the snapshot. */
struct candidate {
	uint32_t capture;           /* index into `captures` */
	struct segment_index index; /* of the whole segment */
	json_t *entry;              /* borrowed from the capture's segments */
};

struct making {
	const char *home;
	const struct snapshot_request *request;
	json_t *captures; /* array: as capture_load */
	json_t *segments; /* array of arrays: as capture_segments */
	json_t *missing;  /* what a running capture could not be got to seal */
	struct candidate *candidates;
	uint32_t count;
	struct segment_index covered; /* all that the captures have */
	struct segment_index inside;  /* what lies in the window */
	bool exact;                   /* `inside` was counted, not estimated */
	bool evicted;                 /* a segment went while we looked */
};

static bool
making_cancelled(const struct making *m)
{
	return m->request->cancelled && atomic_load(m->request->cancelled);
}

static int
making_cancel(struct error *e)
{
	return error_set(e, ERR_CANCELLED, "making the snapshot was cancelled");
}

static bool
making_wants_node(const struct making *m, const json_t *capture)
{
	const char *node = json_string_value(json_object_get(capture, "node"));

	for (size_t i = 0; i < m->request->node_count; i++)
		if (node && strcmp(node, m->request->nodes[i]) == 0)
			return true;
	return m->request->node_count == 0;
}

static int
making_add_capture(struct making *m, const char *name, struct error *e)
{
	json_t *capture, *segments;
	int status = capture_load(m->home, name, &capture, e);

	if (status < 0)
		return status;
	if (making_wants_node(m, capture)) {
		snapshot_live_seal(m->home, capture, m->request->window,
				   m->request->cancelled, m->missing);
		status = capture_segments(m->home, name, &segments, e);
		if (status == 0) {
			json_array_append(m->captures, capture);
			json_array_append_new(m->segments, segments);
		}
	}
	json_decref(capture);
	return status;
}

static bool
making_has_capture(const struct making *m, const char *name)
{
	for (size_t i = 0; i < json_array_size(m->captures); i++) {
		const char *other = json_string_value(json_object_get(
			json_array_get(m->captures, i), "name"));

		if (other && strcmp(other, name) == 0)
			return true;
	}
	return false;
}

/* All captures that have not been deleted meanwhile. */
static int
making_add_all(struct making *m, struct error *e)
{
	json_t *list, *capture;
	size_t i;
	int status = capture_list(m->home, &list, e);

	if (status < 0)
		return status;
	json_array_foreach (list, i, capture) {
		status = making_add_capture(
			m, json_string_value(json_object_get(capture, "name")),
			e);
		if (status < 0 && status != ERR_NOTFOUND)
			break;
	}
	json_decref(list);
	return status == ERR_NOTFOUND ? 0 : status;
}

static int
making_find_captures(struct making *m, struct error *e)
{
	const struct snapshot_request *request = m->request;
	int status = 0;

	if (request->capture_count == 0)
		status = making_add_all(m, e);
	for (size_t i = 0; i < request->capture_count && status == 0; i++)
		if (!making_has_capture(m, request->captures[i]))
			status = making_add_capture(m, request->captures[i], e);
	if (status == 0 && json_array_size(m->captures) == 0)
		status = error_set(e, ERR_EMPTY,
				   request->node_count > 0
					   ? "no capture is of these nodes"
					   : "there is no capture yet; import "
					     "a file or record one first");
	return status;
}

static bool
making_overlaps(const struct making *m, const struct segment_index *index)
{
	return index->packets > 0 &&
	       index->last_ns >= m->request->window.from_ns &&
	       index->first_ns < m->request->window.to_ns;
}

static int
making_find_segments(struct making *m, struct error *e)
{
	size_t i, j, total = 0;
	json_t *segments, *entry;

	json_array_foreach (m->segments, i, segments)
		total += json_array_size(segments);
	m->candidates = alloc_zero(total + 1, sizeof(*m->candidates));
	json_array_foreach (m->segments, i, segments) {
		json_array_foreach (segments, j, entry) {
			struct candidate *c = &m->candidates[m->count];

			*c = (struct candidate){ .capture = (uint32_t)i,
						 .entry = entry };
			if (segment_index_parse(entry, &c->index) < 0)
				return error_set(e, ERR_CORRUPT,
						 "an index entry is damaged");
			segment_index_add(&m->covered, &c->index);
			m->count += making_overlaps(m, &c->index);
		}
	}
	return 0;
}

static const char *
making_capture_name(const struct making *m, const struct candidate *c)
{
	return json_string_value(json_object_get(
		json_array_get(m->captures, c->capture), "name"));
}

static char *
making_segment_path(const struct making *m, const struct candidate *c)
{
	return home_path(
		m->home, "captures", making_capture_name(m, c), "segments",
		json_string_value(json_object_get(c->entry, "file")), NULL);
}

static int
making_open_path(void *context, uint32_t index)
{
	int fd = open(context, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	(void)index;
	return fd < 0 ? ERR_IO : fd;
}

/* Looking at segments is one half of the work, linking them the other. */
static void
making_progress(const struct making *m, uint32_t i, double before)
{
	if (m->request->progress)
		m->request->progress(m->request->progress_context,
				     before + 50.0 * i / m->count);
}

/* Counts a segment's packets inside the window. */
static int
making_scan(const struct making *m, const struct candidate *c,
	    struct segment_index *found)
{
	char *path = making_segment_path(m, c);
	struct packet_segment segment = {
		.first_ns = c->index.first_ns,
		.last_ns = c->index.last_ns,
		.stored_bytes = c->index.stored_bytes,
	};
	struct packet_segment_source source = { path, making_open_path };
	struct packet_reader *r =
		packet_reader_new(&segment, 1, m->request->window, source);
	struct packet_record packet;
	int status = 1;

	while (status > 0) {
		status = packet_reader_next(r, &packet);
		if (status <= 0)
			break;
		segment_index_packet(found, packet.time_ns, packet.captured,
				     packet.length);
		segment_index_link_type(found, packet.link_type);
		if (found->packets % PACKETS_PER_CHECK == 0 &&
		    making_cancelled(m))
			status = ERR_CANCELLED;
	}
	packet_reader_free(r);
	free(path);
	return status;
}

/* What a segment has inside the window; nothing is read when all of it has. */
static int
making_count(struct making *m, const struct candidate *c, int64_t deadline,
	     struct segment_index *found)
{
	struct packet_window window = m->request->window;

	*found = c->index;
	if (c->index.first_ns >= window.from_ns &&
	    c->index.last_ns < window.to_ns)
		return 0;
	if (m->inside.packets > 0 && clock_monotonic_ns() > deadline) {
		m->exact = false;
		if (found->first_ns < window.from_ns)
			found->first_ns = window.from_ns;
		if (found->last_ns >= window.to_ns)
			found->last_ns = window.to_ns - 1;
		return 0;
	}
	*found = (struct segment_index){
		.stored_bytes = c->index.stored_bytes,
		.uncompressed_bytes = c->index.uncompressed_bytes,
		.drops = c->index.drops,
	};
	return making_scan(m, c, found);
}

static int
making_empty(const struct making *m, struct error *e)
{
	char first[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];
	const json_t *capture;
	struct loss evicted;
	bool removed = false;
	size_t i;

	json_array_foreach (m->captures, i, capture)
		removed = removed ||
			  snapshot_live_evicted(capture, m->request->window,
						&evicted);
	if (m->covered.packets == 0)
		return error_set(e, ERR_EMPTY,
				 "the chosen captures hold no packets");
	return error_set(e, ERR_EMPTY,
			 "no packet lies in the window; the chosen captures "
			 "cover %s to %s%s",
			 clock_format(m->covered.first_ns, first),
			 clock_format(m->covered.last_ns, last),
			 removed ? "; what there was before, the quota had "
				   "removed" : "");
}

/* A segment is not there any more: its recorder needed the room, and what is
 * left can still be frozen, or the capture was deleted. */
static int
making_gone(struct making *m, const struct candidate *c, struct error *e)
{
	const char *name = making_capture_name(m, c);
	char *path = home_path(m->home, "captures", name, "capture.json", NULL);

	m->evicted = file_exists(path);
	free(path);
	return error_set(e, ERR_NOTFOUND,
			 m->evicted ? "capture \"%s\" loses its oldest "
				      "segments to its quota faster than they "
				      "can be frozen"
				    : "capture \"%s\" was deleted meanwhile",
			 name);
}

static bool
making_is_there(const struct making *m, const struct candidate *c)
{
	char *path = making_segment_path(m, c);
	bool there = file_exists(path);

	free(path);
	return there;
}

/* Keeps the candidates that have a packet in the window. */
static int
making_count_all(struct making *m, struct error *e)
{
	int64_t deadline = clock_monotonic_ns() + SCAN_BUDGET_NS;
	uint32_t kept = 0;

	m->exact = true;
	for (uint32_t i = 0; i < m->count; i++) {
		struct candidate *c = &m->candidates[i];
		struct segment_index found;
		int status = making_cancelled(m)
				     ? ERR_CANCELLED
				     : making_count(m, c, deadline, &found);

		making_progress(m, i, 0);
		if (status == ERR_CANCELLED)
			return making_cancel(e);
		if (status < 0 && !making_is_there(m, c))
			return making_gone(m, c, e);
		if (status < 0)
			return error_set(e, status,
					 "cannot read segment %u of capture "
					 "\"%s\"",
					 c->index.number,
					 making_capture_name(m, c));
		if (found.packets == 0)
			continue;
		segment_index_add(&m->inside, &found);
		m->candidates[kept++] = *c;
	}
	m->count = kept;
	return kept > 0 ? 0 : making_empty(m, e);
}

/* The entry of the manifest for a candidate; new reference. */
static json_t *
making_entry(const struct making *m, const struct candidate *c)
{
	json_t *capture = json_array_get(m->captures, c->capture);
	json_t *entry = json_copy(c->entry);
	const char *file = json_string_value(json_object_get(c->entry, "file"));
	char *name =
		alloc_format("segments/%s-%s", making_capture_name(m, c), file);

	json_object_set_new(entry, "file", json_string(name));
	json_object_set(entry, "capture", json_object_get(capture, "name"));
	json_object_set(entry, "node", json_object_get(capture, "node"));
	free(name);
	return entry;
}

/* The captures that have a segment in the snapshot; new reference. */
static json_t *
making_captures(const struct making *m)
{
	static const char *const keys[] = { "name", "node", "kind", "source" };
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->count; i++) {
		const json_t *capture;
		json_t *entry;

		/* Candidates come capture by capture. */
		if (i > 0 &&
		    m->candidates[i].capture == m->candidates[i - 1].capture)
			continue;
		capture = json_array_get(m->captures, m->candidates[i].capture);
		entry = json_object();
		for (size_t k = 0; k < 4; k++)
			json_object_set(entry, keys[k],
					json_object_get(capture, keys[k]));
		json_array_append_new(list, entry);
	}
	return list;
}

/* What was lost while the window was recorded, and what is not in it. */
static void
making_set_losses(const struct making *m, json_t *manifest)
{
	struct losses losses = { 0 };
	json_t *capture;
	size_t i;

	json_array_foreach (m->captures, i, capture)
		snapshot_live_losses(capture, json_array_get(m->segments, i),
				     m->request->window, &losses);
	if (losses.count > 0)
		json_object_set_new(manifest, "losses", losses_json(&losses));
	if (json_array_size(m->missing) > 0)
		json_object_set(manifest, "missing", m->missing);
}

static void
making_set_window(const struct making *m, json_t *manifest)
{
	struct packet_window window = m->request->window;

	if (window.from_ns != INT64_MIN) {
		json_object_set_new(manifest, "from",
				    segment_time_json(window.from_ns));
		json_object_set_new(manifest, "from_ns",
				    json_integer(window.from_ns));
	}
	if (window.to_ns != INT64_MAX) {
		json_object_set_new(manifest, "to",
				    segment_time_json(window.to_ns));
		json_object_set_new(manifest, "to_ns",
				    json_integer(window.to_ns));
	}
}

static json_t *
making_manifest(const struct making *m)
{
	json_t *manifest = json_object();
	json_t *segments = json_array();
	int64_t duration = m->inside.last_ns - m->inside.first_ns;

	json_object_set_new(manifest, "format", json_integer(1));
	json_object_set_new(manifest, "name", json_string(m->request->name));
	json_object_set_new(manifest, "created",
			    segment_time_json(clock_wall_ns()));
	making_set_window(m, manifest);
	if (m->request->note) {
		char *note = text_printable(bytes_of(m->request->note), 0);

		json_object_set_new(manifest, "note", json_string(note));
		free(note);
	}
	segment_index_set_totals(manifest, &m->inside);
	making_set_losses(m, manifest);
	json_object_set_new(manifest, "exact", json_boolean(m->exact));
	json_object_set_new(manifest, "duration_ms",
			    json_integer(duration / CLOCK_NS_PER_MS));
	json_object_set_new(manifest, "captures", making_captures(m));
	for (uint32_t i = 0; i < m->count; i++)
		json_array_append_new(segments,
				      making_entry(m, &m->candidates[i]));
	json_object_set_new(manifest, "segments", segments);
	return manifest;
}

/* Links one segment into the staged snapshot. */
static int
making_link(struct making *m, const struct candidate *c,
	    const char *staged, struct error *e)
{
	json_t *entry = making_entry(m, c);
	char *from = making_segment_path(m, c);
	char *to = home_path(staged,
			     json_string_value(json_object_get(entry, "file")),
			     NULL);
	struct stat st;
	int status = file_link_or_copy(from, to, NULL, e);

	if (status == ERR_NOTFOUND)
		status = making_gone(m, c, e);
	if (status == 0 && (lstat(to, &st) < 0 || !S_ISREG(st.st_mode) ||
			    (uint64_t)st.st_size != c->index.stored_bytes))
		status = error_set(e, ERR_CORRUPT,
				   "%s is not the size that its index entry "
				   "says",
				   from);
	json_decref(entry);
	free(from);
	free(to);
	return status;
}

static int
making_link_all(struct making *m, const char *staged, struct error *e)
{
	char *segments = home_path(staged, "segments", NULL);
	int status = file_make_dirs(segments, e);

	for (uint32_t i = 0; i < m->count && status == 0; i++) {
		making_progress(m, i, 50);
		status = making_cancelled(m)
				 ? making_cancel(e)
				 : making_link(m, &m->candidates[i], staged, e);
	}
	if (status == 0 && chmod(segments, 0555) < 0)
		status = error_set_errno(e, errno, "cannot seal %s", segments);
	if (status == 0 && file_sync_dir(segments) < 0)
		status = error_set(e, ERR_IO, "cannot sync %s", segments);
	free(segments);
	return status;
}

/* The secrets of each capture, for the time that its segments cover. */
static int
making_secrets(const struct making *m, const char *staged, json_t *manifest,
	       struct error *e)
{
	json_t *list = json_array();
	int status = 0;

	for (uint32_t i = 0; i < m->count && status == 0;) {
		const struct candidate *first = &m->candidates[i];
		struct packet_window window = { INT64_MAX, INT64_MIN };

		for (; i < m->count &&
		       m->candidates[i].capture == first->capture; i++) {
			const struct segment_index *x =
				&m->candidates[i].index;

			if (x->first_ns < window.from_ns)
				window.from_ns = x->first_ns;
			if (x->last_ns >= window.to_ns)
				window.to_ns = x->last_ns + 1;
		}
		status = snapshot_secrets_add(m->home, staged,
					      making_capture_name(m, first),
					      window, list, e);
	}
	if (json_array_size(list) > 0)
		json_object_set(manifest, "secrets", list);
	json_decref(list);
	return status;
}

static int
making_taken(const char *name, struct error *e)
{
	return error_set(e, ERR_EXISTS,
			 "a snapshot named \"%s\" exists already; choose "
			 "another name or delete it first",
			 name);
}

static int
making_build(struct making *m, const char *final, json_t **manifest,
	     struct error *e)
{
	char *parent = home_path(m->home, "snapshots", NULL);
	char *staged = staging_create(parent, e);
	json_t *object = making_manifest(m);
	char *file = NULL;
	int status = staged ? making_link_all(m, staged, e) : e->code;

	if (status == 0)
		status = making_secrets(m, staged, object, e);
	if (status == 0) {
		file = home_path(staged, "manifest.json", NULL);
		status = json_file_write(file, object, 0444, e);
	}
	if (status == 0)
		status = staging_publish(staged, final, e);
	if (status == ERR_EXISTS)
		status = making_taken(m->request->name, e);
	if (status < 0 && staged)
		staging_discard(staged);
	if (status == 0 && manifest)
		*manifest = json_incref(object);
	json_decref(object);
	free(file);
	free(staged);
	free(parent);
	return status;
}

static int
making_check(const struct making *m, const char *final, struct error *e)
{
	const struct snapshot_request *request = m->request;

	if (request->window.from_ns >= request->window.to_ns)
		return error_set(e, ERR_INVALID,
				 "the window ends before it begins");
	if (file_exists(final))
		return making_taken(request->name, e);
	return 0;
}

/* Makes the snapshot of what there is now. */
static int
making_try(struct making *m, const char *final, json_t **manifest,
	   struct error *e)
{
	int status;

	m->captures = json_array();
	m->segments = json_array();
	json_array_clear(m->missing);
	m->candidates = NULL;
	m->count = 0;
	m->covered = m->inside = (struct segment_index){ 0 };
	m->evicted = false;
	status = making_find_captures(m, e);
	if (status == 0)
		status = making_find_segments(m, e);
	if (status == 0)
		status = making_count_all(m, e);
	if (status == 0)
		status = making_build(m, final, manifest, e);
	free(m->candidates);
	json_decref(m->captures);
	json_decref(m->segments);
	return status;
}

int
snapshot_create(const char *home, const struct snapshot_request *request,
		json_t **manifest, struct error *e)
{
	struct error ignored;
	struct making m = { .home = home, .request = request };
	char *final;
	int status;

	e = e ? e : &ignored;
	if (!request->name || !text_is_name(request->name))
		return error_set(e, ERR_INVALID,
				 "that is not a name for a snapshot: use 1 to "
				 "100 letters, digits, '.', '_' and '-', "
				 "beginning with a letter or digit");
	final = home_path(home, "snapshots", request->name, NULL);
	m.missing = json_array();
	status = making_check(&m, final, e);
	for (int left = EVICTION_TRIES; status == 0 && left > 0; left--) {
		status = making_try(&m, final, manifest, e);
		if (status != ERR_NOTFOUND || !m.evicted)
			break;
		if (left > 1)
			status = 0;
	}
	json_decref(m.missing);
	free(final);
	return status;
}
