/* SPDX-License-Identifier: Apache-2.0 */
/* list_databases: what can be queried, and what is on its way. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "dissect/store/store.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

struct list_databases {
	const char *snapshot;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct list_databases, snapshot),
	{ 0 },
};

static void
take(json_t *to, const char *as, json_t *from, const char *name)
{
	json_t *value = json_object_get(from, name);

	if (value && !json_is_null(value))
		json_object_set(to, as, value);
}

/* What only the database itself knows. */
static void
add_contents(json_t *row, const char *path)
{
	struct store *store;
	struct stat file;
	json_t *meta;

	if (stat(path, &file) == 0)
		json_object_set_new(row, "size_bytes",
				    json_integer(file.st_size));
	if (store_open(path, &store, NULL) < 0)
		return;
	meta = store_meta(store);
	take(row, "entry_count", json_object_get(meta, "counts"), "calls");
	take(row, "first_ts", meta, "first");
	take(row, "last_ts", meta, "last");
	take(row, "created", meta, "created");
	json_decref(meta);
	store_close(store);
}

static json_t *
database_row(const char *home, const char *snapshot, const char *name)
{
	struct db_files files = db_files(home, snapshot, name);
	json_t *row = json_object(), *status = NULL;

	db_status(home, snapshot, name, &status, NULL);
	json_object_set_new(row, "db", json_sprintf("%s/%s", snapshot, name));
	json_object_set_new(row, "type", json_string("dissection"));
	json_object_set_new(row, "snapshot", json_string(snapshot));
	json_object_set_new(row, "name", json_string(name));
	take(row, "status", status, "state");
	take(row, "entry_count", status, "calls");
	if (file_exists(files.database))
		add_contents(row, files.database);
	else if (db_files_queryable(&files))
		take(row, "progress", status, "progress");
	else
		json_object_set_new(row, "queryable", json_false());
	json_decref(status);
	db_files_free(&files);
	return row;
}

static void
append_databases(json_t *rows, const char *home, const char *snapshot)
{
	json_t *names = db_names(home, snapshot), *name;
	size_t i;

	json_array_foreach(names, i, name)
		json_array_append_new(
			rows, database_row(home, snapshot,
					   json_string_value(name)));
	json_decref(names);
}

static int
check_snapshot(const char *home, const char *snapshot, struct error *e)
{
	json_t *snapshots, *known;
	bool there = false;
	size_t i;

	if (db_check_name("snapshot", snapshot, e) < 0)
		return ERR_INVALID;
	snapshots = db_snapshots(home);
	json_array_foreach(snapshots, i, known)
		there = there || strcmp(json_string_value(known), snapshot) == 0;
	json_decref(snapshots);
	if (there)
		return 0;
	return error_set(e, ERR_NOTFOUND,
			 "snapshot \"%s\" does not exist; list_snapshots shows "
			 "those there are", snapshot);
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	const char *home = call->config->home;
	struct list_databases args = { 0 };
	json_t *rows, *snapshots, *snapshot;
	size_t i, total;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0 && args.snapshot)
		rc = check_snapshot(home, args.snapshot, e);
	if (rc < 0)
		return rc;
	rows = json_array();
	snapshots = args.snapshot ? json_pack("[s]", args.snapshot)
				  : db_snapshots(home);
	json_array_foreach(snapshots, i, snapshot)
		append_databases(rows, home, json_string_value(snapshot));
	json_decref(snapshots);
	total = json_array_size(rows);
	out->structured = json_object();
	json_object_set_new(out->structured, "databases", rows);
	json_object_set_new(out->structured, "total",
			    json_integer((json_int_t)total));
	answer_cut_to_fit(call->config, out->structured, "databases");
	if (total == 0)
		answer_summary(out->structured,
			       "No database yet: start_snapshot_dissection "
			       "makes one from a snapshot.");
	return TOOL_DONE;
}

const struct tool tool_list_databases = {
	.name = "list_databases",
	.effects = TOOL_READS,
	.quick = true,
	.arguments = arguments,
	.run = run,
};
