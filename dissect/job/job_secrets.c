/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/job/job_secrets.h"

#include "capture/key_log.h"
#include "capture/snapshot_secrets.h"

int
job_secrets_load(const struct job_options *options,
		 const struct snapshot *snapshot, struct secret_list *list,
		 struct error *e)
{
	struct error unread;

	if (options->no_decrypt)
		return 0;
	/* Somebody else's snapshot dissects without its secrets, too. */
	(void)snapshot_secrets_load(snapshot->path, snapshot->manifest, list,
				    &unread);
	if (!options->key_log)
		return 0;
	return key_log_visit_file(options->key_log, 0, secrets_list_add, list,
				  e);
}
