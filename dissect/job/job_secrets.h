/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS secrets that a run is given before it begins. */
#pragma once

#include "capture/secrets.h"
#include "capture/snapshot.h"
#include "dissect/job/job_options.h"

/*
 * Adds those that the snapshot has of its captures and those of the key log
 * that was named; none when decryption was declined.  What of the snapshot may
 * not be read is left out; a key log that cannot be is an error.
 */
int job_secrets_load(const struct job_options *options,
		     const struct snapshot *snapshot,
		     struct secret_list *list, struct error *e);
