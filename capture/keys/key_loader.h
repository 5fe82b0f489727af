/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF side of the keys: loaded as far as this kernel goes, and its rings. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/keys/key_hooks.h"
#include "capture/keys/probe_link.h"

struct key_probes;  /* the skeleton */
struct ring_buffer; /* libbpf's */

struct key_loader_settings {
	uint32_t ring_bytes;
	void *context;
	/* As ring_buffer_sample_fn: struct key_event, struct key_program. */
	int (*on_secret)(void *context, void *data, size_t size);
	int (*on_program)(void *context, void *data, size_t size);
};

struct key_loader {
	struct key_probes *skeleton;
	struct ring_buffer *rings;
	enum probe_method method;
	int programs[KEY_PROGRAM_COUNT]; /* descriptors, for probe_link */
	int known_files;                 /* descriptor of the map */
	json_t *degraded; /* [{"feature","why"}]; NULL before it is open */
};

/* Fills `*loader`; DENIED, UNSUPPORTED.  Close it in any case. */
int key_loader_open(struct key_loader *loader,
		    const struct key_loader_settings *settings,
		    struct error *e);

/* Calls back for all that is in the rings. */
void key_loader_consume(struct key_loader *loader);

/* An epoll descriptor: readable as keys_descriptor says. */
int key_loader_descriptor(const struct key_loader *loader);

/* Secrets, and programs started, for which there was no room. */
uint64_t key_loader_lost(const struct key_loader *loader);
uint64_t key_loader_missed(const struct key_loader *loader);

/* Detaches and frees; harmless on one that is zeroed. */
void key_loader_close(struct key_loader *loader);
