/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before a window of a running capture is frozen: what its recorder has not
 * sealed yet is closed and sealed, so that the snapshot has all up to now.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include "capture/losses.h"
#include "capture/packet_reader.h"

/*
 * Asks the recorder of a live capture (as capture_load gives it) whose sealed
 * segments end inside the window, and waits for it, bounded.  What stays out
 * for whatever reason is appended to `missing`: {"capture","why","bytes"}.
 */
void snapshot_live_seal(const char *home, const json_t *capture,
			struct packet_window window,
			const atomic_bool *cancelled, json_t *missing);

/* The quota removed a part of the window, which has a beginning (one without
 * asks for what there is); `*part` is it. */
bool snapshot_live_evicted(const json_t *capture, struct packet_window window,
			   struct loss *part);

/* Adds what a capture and its index entries say was lost inside the window. */
void snapshot_live_losses(const json_t *capture, const json_t *segments,
			  struct packet_window window, struct losses *losses);
