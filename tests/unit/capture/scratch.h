/* SPDX-License-Identifier: Apache-2.0 */
/* A home in a temporary directory, and small capture files to put there. */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "capture/packet_reader.h"

/* 2023-11-14T22:13:20Z, where the hand-made captures begin. */
#define SCRATCH_EPOCH INT64_C(1700000000)
#define SCRATCH_NS (SCRATCH_EPOCH * INT64_C(1000000000))

/* cmocka fixtures: *state becomes the home's path (char *). */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Writes `data` to "<home>/<name>"; returns the path, to be freed. */
char *scratch_file(const char *home, const char *name, struct bytes data);

/* A block of pcapng, little endian; its body is a multiple of 4 bytes. */
void scratch_block(struct buf *out, uint32_t type, struct bytes body);

/* The header of a classic capture, microseconds, little endian. */
void scratch_pcap(struct buf *out, uint32_t link_type);

/* A record with `size` bytes that all are `fill`, at epoch + milliseconds. */
void scratch_packet(struct buf *out, int64_t ms, size_t size, uint8_t fill);

/* Writes a capture of `count` packets of 100 bytes, one every `step_ms`, the
 * first at epoch + `from_ms`, filled with 0, 1, 2 …; returns the path. */
char *scratch_capture(const char *home, const char *name, int count,
		      int64_t from_ms, int64_t step_ms);

/* Imports one file under `name` or fails the test; the capture. */
json_t *scratch_import(const char *home, const char *name, const char *file);

/* Imports a scratch_capture and forgets the file. */
void scratch_import_packets(const char *home, const char *name, int count,
			    int64_t from_ms, int64_t step_ms);

/* Number of entries of a directory of the home, hidden ones too; 0: absent. */
int scratch_entries(const char *home, const char *directory);

json_int_t scratch_integer(const json_t *object, const char *key);
const char *scratch_string(const json_t *object, const char *key);
