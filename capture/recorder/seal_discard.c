/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_discard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

int
seal_discard(const char *directory, uint32_t number,
	     struct seal_result *result, struct error *e)
{
	char *raw = alloc_format("%s/raw/%06u.raw", directory, number);
	char *sidecar = alloc_format("%s/raw/%06u.json", directory, number);
	char *plain = alloc_format("%s/raw/%06u.plain", directory, number);
	int status = seal_count(directory, number, result, e);

	if (status == ERR_CORRUPT || status == ERR_TRUNCATED)
		snprintf(result->problem, sizeof(result->problem),
			 "no header is whole");
	if (result->counted || result->problem[0]) {
		status = 0;
		(void)unlink(sidecar);
		(void)unlink(plain);
		if (unlink(raw) < 0)
			status = error_set_errno(e, errno, "cannot remove %s",
						 raw);
	}
	free(raw);
	free(sidecar);
	free(plain);
	return status;
}
