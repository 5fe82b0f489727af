/* SPDX-License-Identifier: Apache-2.0 */
/* delete_snapshot_dissection: one result database, for good. */
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "server/tools/answer.h"
#include "server/tools/db.h"
#include "server/tools/tools_list.h"

struct delete_dissection {
	const char *snapshot, *name;
};

static const struct arg arguments[] = {
	ARG(TEXT, struct delete_dissection, snapshot),
	ARG(TEXT, struct delete_dissection, name),
	{ 0 },
};

/* The lock file goes last: while it is held here nobody can start a job of
 * that name. */
static int
remove_files(const struct db_files *files, struct error *e)
{
	const char *const paths[] = { files->database, files->partial,
				      files->status, files->unwritten,
				      files->log, files->lock };
	int lock = file_lock(files->lock, NULL);
	int rc = 0;

	if (lock < 0)
		return error_set(e, ERR_BUSY,
				 "the dissection is running; "
				 "stop_snapshot_dissection stops it");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (unlink(paths[i]) != 0 && errno != ENOENT && rc == 0)
			rc = error_set_errno(e, errno, "cannot remove %s",
					     paths[i]);
	close(lock);
	return rc;
}

static int
run(struct tool_call *call, struct tool_result *out, struct error *e)
{
	struct delete_dissection args = { 0 };
	struct db_files files;
	json_t *status = NULL;
	int rc;

	rc = args_bind(arguments, call->arguments, call->now_ns, &args, e);
	if (rc == 0)
		rc = db_status(call->config->home, args.snapshot, args.name,
			       &status, e);
	json_decref(status);
	if (rc < 0)
		return rc;
	files = db_files(call->config->home, args.snapshot, args.name);
	rc = remove_files(&files, e);
	db_files_free(&files);
	if (rc < 0)
		return rc;
	out->structured = json_object();
	json_object_set_new(out->structured, "success", json_true());
	json_object_set_new(out->structured, "snapshot",
			    json_string(args.snapshot));
	json_object_set_new(out->structured, "name", json_string(args.name));
	answer_summary(out->structured,
		       "Dissection %s/%s is deleted; the snapshot stays.",
		       args.snapshot, args.name);
	return TOOL_DONE;
}

const struct tool tool_delete_snapshot_dissection = {
	.name = "delete_snapshot_dissection",
	.effects = TOOL_DESTROYS,
	.arguments = arguments,
	.run = run,
};
