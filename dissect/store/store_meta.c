/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about the run, and what its answers rest on. */
#include <inttypes.h>
#include <string.h>

#include "dissect/store/store_impl.h"

/* Visits the rows of a statement of two columns, name and value. */
static int
each_row(struct store *s, const char *sql,
	 void (*row)(json_t *object, sqlite3_stmt *statement), json_t *object)
{
	sqlite3_stmt *statement = NULL;
	struct error e;
	int code = store_prepare(s, sql, &statement, &e);

	while (code == 0 && (code = store_step(s, statement, &e)) == 1) {
		row(object, statement);
		code = 0;
	}
	sqlite3_finalize(statement);
	return code;
}

static void
meta_row(json_t *object, sqlite3_stmt *statement)
{
	struct bytes key = store_column_bytes(statement, 0);
	struct bytes text = store_column_bytes(statement, 1);
	json_t *value = json_loadb((const char *)text.data, text.size,
				   JSON_DECODE_ANY, NULL);

	if (value && key.size)
		json_object_setn_new(object, (const char *)key.data, key.size,
				     value);
	else
		json_decref(value);
}

static void
counter_row(json_t *object, sqlite3_stmt *statement)
{
	struct bytes key = store_column_bytes(statement, 0);

	if (key.size)
		json_object_setn_new(
			object, (const char *)key.data, key.size,
			json_integer(sqlite3_column_int64(statement, 1)));
}

static void
fault_row(json_t *list, sqlite3_stmt *statement)
{
	json_t *fault = json_object();

	store_set_column(fault, "kind", statement, 0);
	store_set_column(fault, "text", statement, 1);
	json_array_append_new(list, fault);
}

json_t *
store_meta(struct store *s)
{
	json_t *meta = json_object(), *counters = json_object();
	json_t *faults = json_array();

	if (store_begin(s, NULL) == 0) {
		each_row(s, "SELECT key, value FROM meta", meta_row, meta);
		each_row(s, "SELECT counter, value FROM coverage", counter_row,
			 counters);
		each_row(s, "SELECT kind, text FROM faults ORDER BY id "
			    "LIMIT 100", fault_row, faults);
	}
	json_object_set_new(meta, "coverage", counters);
	json_object_set_new(meta, "faults", faults);
	return meta;
}

/* Counters that an answer mentions only when they are not 0, and the sentence
 * for those who have to judge it; NULL: none needed. */
static const struct {
	const char *counter, *note;
} cautions[] = {
	{ "drops", "packets were dropped while recording: calls may be absent" },
	{ "cut_packets", "packets were cut by the snap length: bodies and calls "
			 "may be incomplete" },
	{ "missing_bytes", "TCP bytes are missing from the capture: calls may "
			   "be absent or incomplete" },
	{ "holes", NULL },
	{ "malformed_packets", "packets could not be decoded" },
	{ "unsupported_packets", "packets are of link or network types that are "
				 "not decoded" },
	{ "fragments_lost", "IP fragments never became a packet" },
	{ "duplicate_packets", NULL },
	{ "unknown_connections", "connections are of protocols that are not "
				 "understood: list_flows shows them" },
	{ "connections_evicted", "connections were given up to stay within "
				 "memory" },
	{ "bytes_given_up", "buffered bytes were given up to stay within "
			    "memory" },
	{ "tls_unread", "TLS handshakes had no key: what followed them is not "
			"decrypted (tls.without_keys; names in "
			"tls_unread_names)" },
	{ "tls_records_lost", "TLS records of sessions with keys could not be "
			      "decrypted" },
	{ "tls_secrets_left_out", "TLS secrets did not fit into memory" },
	{ "bad_messages", "times a message could not be parsed" },
	{ "calls_uncertain", "calls are paired with uncertainty (uncertain, "
			     "reason)" },
	{ "calls_unpaired", "calls have only one half" },
	{ "bodies_truncated", "bodies are kept in part" },
	{ "bodies_undecoded", "bodies are kept as encoded on the wire" },
	{ "identities_left_out", "records of processes and sockets did not fit: "
				 "ends may lack their process" },
	{ "descriptors_left_out", "files of types that servers of gRPC gave did "
				  "not fit: messages may lack names" },
	{ "connections_anonymous", NULL },
};

static void
add_note(json_t *notes, json_int_t count, const char *text)
{
	json_array_append_new(notes, json_sprintf("%" JSON_INTEGER_FORMAT " %s",
						  count, text));
}

/* Where nobody recorded processes, it says nothing that none is known. */
static bool
is_meant(const char *counter, json_t *counters)
{
	return strcmp(counter, "connections_anonymous") != 0 ||
	       json_integer_value(json_object_get(counters, "ends_known")) > 0;
}

static void
add_cautions(json_t *coverage, json_t *meta, json_t *notes)
{
	json_t *counters = json_object_get(meta, "coverage");

	for (size_t i = 0; i < sizeof(cautions) / sizeof(*cautions); i++) {
		const char *name = cautions[i].counter;
		json_t *value = json_object_get(counters, name);
		json_int_t count;

		if (!value)
			value = json_object_get(meta, name);
		count = json_integer_value(value);
		if (count <= 0 || !is_meant(name, counters))
			continue;
		store_set_int(coverage, name, count);
		/* Losses say the same, and why. */
		if (strcmp(name, "drops") == 0 &&
		    json_array_size(json_object_get(meta, "losses")) > 0)
			continue;
		if (cautions[i].note)
			add_note(notes, count, cautions[i].note);
	}
}

/* Losses of one cause, which may have come many times. */
static void
add_loss(json_t *notes, json_t *losses, size_t first)
{
	json_t *sample = json_array_get(losses, first), *loss;
	const char *from = json_string_value(json_object_get(sample, "from"));
	const char *to = json_string_value(json_object_get(sample, "to"));
	json_t *why = json_object_get(sample, "why");
	json_int_t packets = 0;
	size_t i;

	json_array_foreach(losses, i, loss) {
		const char *ends =
			json_string_value(json_object_get(loss, "to"));
		const char *begins =
			json_string_value(json_object_get(loss, "from"));

		if (!json_equal(json_object_get(loss, "why"), why))
			continue;
		if (i < first)
			return; /* told already */
		packets += json_integer_value(json_object_get(loss, "packets"));
		if (from && begins && strcmp(begins, from) < 0)
			from = begins;
		if (to && ends && strcmp(ends, to) > 0)
			to = ends;
	}
	if (!from || !to || !json_is_string(why))
		return;
	json_array_append_new(
		notes,
		packets ? json_sprintf("%" JSON_INTEGER_FORMAT " packets were "
				       "lost while recording (%s), %s to %s",
				       packets, json_string_value(why), from,
				       to)
			: json_sprintf("packets were not recorded (%s), %s to "
				       "%s", json_string_value(why), from, to));
}

/* What the recorder could not record, and what it had not sealed in time. */
static void
add_recording(json_t *meta, json_t *notes)
{
	json_t *losses = json_object_get(meta, "losses");
	json_t *missing = json_object_get(meta, "missing"), *item;
	size_t i;

	json_array_foreach(losses, i, item)
		add_loss(notes, losses, i);
	json_array_foreach(missing, i, item) {
		const char *name =
			json_string_value(json_object_get(item, "capture"));
		const char *why =
			json_string_value(json_object_get(item, "why"));

		if (name && why)
			json_array_append_new(
				notes, json_sprintf("the newest packets of "
						    "capture %s are not "
						    "included: %s", name, why));
	}
}

/* What the state of the run means for an answer. */
static void
add_state(json_t *coverage, json_t *meta, json_t *notes)
{
	const char *state =
		json_string_value(json_object_get(meta, "state"));
	const char *problem =
		json_string_value(json_object_get(meta, "problem"));
	json_t *faults = json_object_get(meta, "faults"), *fault;
	size_t i;

	json_object_set_new(coverage, "state",
			    json_string(state ? state : "unknown"));
	if (!state || strcmp(state, "running") == 0)
		json_array_append_new(
			notes,
			json_string("the dissection has not finished: this is "
				    "what it has written so far, and names of "
				    "addresses come at its end"));
	if (problem)
		json_array_append_new(
			notes, json_sprintf("the dissection is partial: %s",
					    problem));
	json_array_foreach(faults, i, fault) {
		const char *text =
			json_string_value(json_object_get(fault, "text"));

		if (text && i < 5)
			json_array_append_new(notes, json_string(text));
	}
}

json_t *
store_coverage(struct store *s)
{
	json_t *meta = store_meta(s), *coverage = json_object();
	json_t *counters = json_object_get(meta, "coverage");
	json_t *notes = json_array(), *value;

	add_state(coverage, meta, notes);
	if ((value = json_object_get(meta, "first")))
		json_object_set(coverage, "from", value);
	if ((value = json_object_get(meta, "last")))
		json_object_set(coverage, "to", value);
	if ((value = json_object_get(counters, "packets")))
		json_object_set(coverage, "packets", value);
	value = json_object_get(json_object_get(meta, "counts"), "connections");
	if (value)
		json_object_set(coverage, "connections", value);
	add_cautions(coverage, meta, notes);
	value = json_object_get(meta, "tls_unread_names");
	if (value)
		json_object_set(coverage, "tls_unread_names", value);
	add_recording(meta, notes);
	json_object_set_new(coverage, "notes", notes);
	json_decref(meta);
	return coverage;
}
