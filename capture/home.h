/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where state lives: $AFTERTAP_HOME, else $XDG_DATA_HOME/aftertap, else
 * ~/.local/share/aftertap; /var/lib/aftertap for root running as a system
 * service ($STATE_DIRECTORY set by systemd).
 *
 *   captures/<capture>/capture.json          what it is and where it came from
 *   captures/<capture>/segments/000001.pcapng.zst   sealed, mode 0444
 *   captures/<capture>/segments/000001.json  its index entry: present = sealed
 *   captures/<capture>/job.{json,lock}       status while an import runs
 *   snapshots/<snapshot>/manifest.json       present = complete and immutable
 *   snapshots/<snapshot>/segments/…          hard links to sealed segments
 *   snapshots/<snapshot>/dissections/<name>.sqlite        complete result
 *   snapshots/<snapshot>/dissections/<name>.sqlite.part   running
 *   snapshots/<snapshot>/dissections/<name>.{json,lock}   job status
 *   exports/…                                exported files
 *
 * Several processes may use one home at once: everything becomes visible by
 * rename, and a running job is known by the lock it holds.
 */
#pragma once

#include "base/err.h"

/* The home directory as a new string (free(3)), created when missing. */
char *home_open(const char *override_path, struct error *e);

/* "<home>/a/b/c" from path components up to a NULL; free(3).
 * home_path(home, "captures", name, NULL) */
char *home_path(const char *home, ...) __attribute__((sentinel));
