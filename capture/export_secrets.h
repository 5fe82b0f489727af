/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decryption secrets of an export: those that its packets need and no
 * more, as pcapng blocks in front of the packets (draft-ietf-opsawg-pcapng
 * §4.7, type TLS key log).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/export_file.h"
#include "capture/packet_filter.h"
#include "capture/snapshot.h"

/* Of an export, all borrowed. */
struct export_secrets_request {
	const char *path; /* of the snapshot */
	struct snapshot *snapshot;
	struct packet_window window;
	const struct packet_filter *filter;
	const atomic_bool *cancelled; /* may be NULL */
};

/* What was found on the way. */
struct export_secrets {
	uint64_t handshakes; /* TLS, begun in the packets of the export */
	uint64_t covered;    /* of which there are secrets */
	uint64_t blocks;     /* imported with the capture, written as they are */
	bool cut;            /* there were more than could be looked at */
};

/*
 * Reads the packets of the window that match the filter for their handshakes,
 * and all of the snapshot for secrets that were imported with it; writes what
 * belongs to them.  Errors as packet_reader_next and secrets_load; CANCELLED.
 */
int export_secrets_write(const struct export_secrets_request *request,
			 struct export_file *file,
			 struct export_secrets *found, struct error *e);
