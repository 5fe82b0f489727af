/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tools/db.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/home.h"
#include "server/jobs/job.h"

#define QUERY_DEADLINE_NS (25 * CLOCK_NS_PER_S)
#define CANDIDATES_SHOWN 8

struct db_files
db_files(const char *home, const char *snapshot, const char *name)
{
	char *base = home_path(home, "snapshots", snapshot, "dissections",
			       name, NULL);
	struct db_files files = {
		.database = alloc_format("%s.sqlite", base),
		.partial = alloc_format("%s.sqlite.part", base),
		.status = alloc_format("%s.json", base),
		.unwritten = alloc_format("%s.json.new", base),
		.lock = alloc_format("%s.lock", base),
		.log = alloc_format("%s.log", base),
	};

	free(base);
	return files;
}

void
db_files_free(struct db_files *files)
{
	free(files->database);
	free(files->partial);
	free(files->status);
	free(files->unwritten);
	free(files->lock);
	free(files->log);
}

bool
db_files_queryable(const struct db_files *files)
{
	/* A job that ends in between renames the part to the database. */
	return file_exists(files->database) ||
	       (file_exists(files->partial) &&
		file_lock_holder(files->lock) != 0) ||
	       file_exists(files->database);
}

int
db_check_name(const char *what, const char *name, struct error *e)
{
	char *shown;

	if (text_is_name(name))
		return 0;
	shown = text_printable(bytes_of(name), 64);
	error_set(e, ERR_INVALID,
		  "\"%s\" cannot name a %s: use 1 to 100 of A-Z a-z 0-9 . _ -, "
		  "not starting with . or -", shown, what);
	free(shown);
	return ERR_INVALID;
}

/* `name` without `suffix`, when it ends in it and the rest is a name. */
static char *
stem(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	char *out;

	if (n <= m || strcmp(name + n - m, suffix) != 0)
		return NULL;
	out = alloc_string_n(name, n - m);
	if (text_is_name(out))
		return out;
	free(out);
	return NULL;
}

static bool
contains(json_t *names, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(names, i, item)
		if (strcmp(json_string_value(item), name) == 0)
			return true;
	return false;
}

json_t *
db_names(const char *home, const char *snapshot)
{
	static const char *const suffixes[] = { ".sqlite", ".sqlite.part",
						".json" };
	char *path = home_path(home, "snapshots", snapshot, "dissections",
			       NULL);
	json_t *names = json_array();
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		for (size_t s = 0; s < 3; s++) {
			char *name = stem(entries[i]->d_name, suffixes[s]);

			if (name && !contains(names, name))
				json_array_append_new(names, json_string(name));
			free(name);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(path);
	return names;
}

json_t *
db_snapshots(const char *home)
{
	char *path = home_path(home, "snapshots", NULL);
	json_t *names = json_array();
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char *manifest = home_path(home, "snapshots", name,
					   "manifest.json", NULL);

		if (text_is_name(name) && file_exists(manifest))
			json_array_append_new(names, json_string(name));
		free(manifest);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(path);
	return names;
}

/* "a, b, c and 4 more" of an array of strings, each after `prefix`. */
static char *
join_names(json_t *names, const char *prefix)
{
	struct buf out;
	json_t *name;
	size_t i;
	char *text;

	buf_init(&out, 2048);
	json_array_foreach(names, i, name) {
		if (i == CANDIDATES_SHOWN) {
			buf_format(&out, " and %zu more",
				   json_array_size(names) - i);
			break;
		}
		buf_format(&out, "%s%s%s", i ? ", " : "", prefix,
			   json_string_value(name));
	}
	text = alloc_string(buf_cstr(&out));
	buf_free(&out);
	return text;
}

/* Why `snapshot` or its dissection `name` (NULL: any) is not there. */
static int
not_found(const char *home, const char *snapshot, const char *name,
	  struct error *e)
{
	json_t *snapshots = db_snapshots(home);
	bool known = contains(snapshots, snapshot);
	json_t *list = known ? db_names(home, snapshot)
			     : json_incref(snapshots);
	char *names = join_names(list, "");

	if (!known && !*names)
		error_set(e, ERR_NOTFOUND,
			  "snapshot \"%s\" does not exist; there is none yet: "
			  "create_snapshot makes one", snapshot);
	else if (!known)
		error_set(e, ERR_NOTFOUND,
			  "snapshot \"%s\" does not exist; there are: %s",
			  snapshot, names);
	else if (!*names)
		error_set(e, ERR_NOTFOUND,
			  "snapshot \"%s\" has no dissection yet; "
			  "start_snapshot_dissection makes one", snapshot);
	else
		error_set(e, ERR_NOTFOUND,
			  "snapshot \"%s\" has no dissection \"%s\"; it has: "
			  "%s", snapshot, name ? name : "", names);
	free(names);
	json_decref(list);
	json_decref(snapshots);
	return ERR_NOTFOUND;
}

static bool
state_is(json_t *object, const char *state)
{
	const char *text = json_string_value(json_object_get(object, "state"));

	return text && strcmp(text, state) == 0;
}

/* A job that was killed between the rename of its result and its last word
 * looks failed; its database knows better. */
static void
believe_database(const struct db_files *files, json_t *status)
{
	struct store *store = NULL;
	json_t *meta;

	if (!state_is(status, "failed") || !file_exists(files->database) ||
	    store_open(files->database, &store, NULL) < 0)
		return;
	meta = store_meta(store);
	if (state_is(meta, "completed")) {
		json_object_set_new(status, "state", json_string("completed"));
		json_object_set_new(status, "progress", json_integer(100));
		json_object_del(status, "errors");
	}
	json_decref(meta);
	store_close(store);
}

static int
status_of_files(const struct db_files *files, json_t **status,
		struct error *e)
{
	if (file_exists(files->status)) {
		int rc = job_status(files->status, files->lock, status, e);

		if (rc == 0)
			believe_database(files, *status);
		return rc;
	}
	if (!file_exists(files->database) && !file_exists(files->partial))
		return ERR_NOTFOUND;
	*status = json_object();
	if (file_exists(files->database)) {
		json_object_set_new(*status, "state", json_string("completed"));
		json_object_set_new(*status, "progress", json_integer(100));
	} else if (file_lock_holder(files->lock) > 0) {
		json_object_set_new(*status, "state", json_string("running"));
	} else {
		json_object_set_new(*status, "state", json_string("failed"));
		json_object_set_new(*status, "errors",
				    json_pack("[s]", "its process is gone; "
						     "the database is partial"));
	}
	return 0;
}

int
db_status(const char *home, const char *snapshot, const char *name,
	  json_t **status, struct error *e)
{
	struct db_files files;
	int rc = db_check_name("snapshot", snapshot, e);

	*status = NULL;
	if (rc == 0)
		rc = db_check_name("dissection", name, e);
	if (rc < 0)
		return rc;
	files = db_files(home, snapshot, name);
	rc = status_of_files(&files, status, e);
	if (rc == ERR_NOTFOUND)
		rc = not_found(home, snapshot, name, e);
	if (rc == 0) {
		if (!json_is_string(json_object_get(*status, "state")))
			json_object_set_new(*status, "state",
					    json_string("failed"));
		json_object_set_new(*status, "snapshot", json_string(snapshot));
		json_object_set_new(*status, "name", json_string(name));
	}
	db_files_free(&files);
	return rc;
}

static bool
is_queryable(const char *home, const char *snapshot, const char *name)
{
	struct db_files files = db_files(home, snapshot, name);
	bool there = db_files_queryable(&files);

	db_files_free(&files);
	return there;
}

/* Addresses of what can be queried in one snapshot, appended to `list`. */
static void
append_queryable(json_t *list, const char *home, const char *snapshot)
{
	json_t *names = db_names(home, snapshot), *name;
	size_t i;

	json_array_foreach(names, i, name)
		if (is_queryable(home, snapshot, json_string_value(name)))
			json_array_append_new(
				list, json_sprintf("%s/%s", snapshot,
						   json_string_value(name)));
	json_decref(names);
}

static json_t *
all_queryable(const char *home)
{
	json_t *snapshots = db_snapshots(home), *snapshot;
	json_t *list = json_array();
	size_t i;

	json_array_foreach(snapshots, i, snapshot)
		append_queryable(list, home, json_string_value(snapshot));
	json_decref(snapshots);
	return list;
}

/* The only address of `list`, or NULL with an error that names them. */
static char *
only_one(json_t *list, const char *none, struct error *e)
{
	char *names;

	if (json_array_size(list) == 1)
		return alloc_string(
			json_string_value(json_array_get(list, 0)));
	names = join_names(list, "");
	if (!*names)
		error_set(e, ERR_NOTFOUND, "%s", none);
	else
		error_set(e, ERR_INVALID,
			  "there are several databases: give db, one of: %s",
			  names);
	free(names);
	return NULL;
}

static void
not_queryable(const char *home, const char *snapshot, const char *name,
	      struct error *e)
{
	struct db_files files = db_files(home, snapshot, name);

	if (file_exists(files.partial))
		error_set(e, ERR_STATE,
			  "dissection \"%s/%s\" was killed before it finished "
			  "and left nothing that can be asked; start another",
			  snapshot, name);
	else
		not_found(home, snapshot, name, e);
	db_files_free(&files);
}

static char *
resolve_address(const char *home, const char *text, const char *slash,
		struct error *e)
{
	char *snapshot = alloc_string_n(text, (size_t)(slash - text));
	const char *name = slash + 1;
	char *address = NULL;

	if (db_check_name("snapshot", snapshot, e) == 0 &&
	    db_check_name("dissection", name, e) == 0) {
		if (is_queryable(home, snapshot, name))
			address = alloc_string(text);
		else
			not_queryable(home, snapshot, name, e);
	}
	free(snapshot);
	return address;
}

static char *
resolve_snapshot(const char *home, const char *snapshot, struct error *e)
{
	char *address = NULL;
	json_t *list;

	if (db_check_name("snapshot", snapshot, e) < 0)
		return NULL;
	list = json_array();
	append_queryable(list, home, snapshot);
	if (json_array_size(list) == 0)
		not_found(home, snapshot, NULL, e);
	else
		address = only_one(list, "", e);
	json_decref(list);
	return address;
}

char *
db_resolve(const struct tool_config *config, const char *text,
	   struct error *e)
{
	const char *slash;
	char *address;
	json_t *list;

	if (!text)
		text = config->default_db;
	if (text) {
		slash = strchr(text, '/');
		return slash ? resolve_address(config->home, text, slash, e)
			     : resolve_snapshot(config->home, text, e);
	}
	list = all_queryable(config->home);
	address = only_one(list,
			   "there is no database yet: "
			   "start_snapshot_dissection makes one from a "
			   "snapshot (list_snapshots)", e);
	json_decref(list);
	return address;
}

static void
interrupt(void *store)
{
	store_interrupt(store);
}

/* The complete database, or else what a running job has so far.  A job that
 * finishes in between renames the one to the other. */
static int
open_files(const struct db_files *files, struct store **store,
	   struct error *e)
{
	int rc = ERR_NOTFOUND;

	for (int attempt = 0; attempt < 2 && rc == ERR_NOTFOUND; attempt++) {
		if (file_exists(files->database))
			rc = store_open(files->database, store, e);
		else
			rc = store_open(files->partial, store, e);
	}
	return rc;
}

int
db_open(struct tool_call *call, const char *text, struct db *db,
	struct error *e)
{
	struct db_files files;
	char *snapshot, *slash;
	int rc;

	memset(db, 0, sizeof(*db));
	db->address = db_resolve(call->config, text, e);
	if (!db->address)
		return e && e->code < 0 ? e->code : ERR_NOTFOUND;
	slash = strchr(db->address, '/');
	snapshot = alloc_string_n(db->address, (size_t)(slash - db->address));
	files = db_files(call->config->home, snapshot, slash + 1);
	rc = open_files(&files, &db->store, e);
	db_files_free(&files);
	free(snapshot);
	if (rc < 0) {
		free(db->address);
		db->address = NULL;
		return rc;
	}
	store_set_deadline(db->store, QUERY_DEADLINE_NS);
	db->call = call;
	if (call->set_interrupt)
		call->set_interrupt(call->context, interrupt, db->store);
	return 0;
}

void
db_close(struct db *db)
{
	if (db->call && db->call->set_interrupt)
		db->call->set_interrupt(db->call->context, NULL, NULL);
	if (db->store)
		store_close(db->store);
	free(db->address);
	memset(db, 0, sizeof(*db));
}
