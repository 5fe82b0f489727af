/* SPDX-License-Identifier: Apache-2.0 */
/* What one run of aftertap-dissect was asked for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#define JOB_ADDRESSES_MAX 256
#define JOB_PORTS_MAX 256
#define JOB_PARSERS_MAX 32

struct job_address {
	uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;   /* of `ip` that count, 0 … 128 */
};

struct job_options {
	const char *home;       /* NULL: as capture/home.h finds it */
	const char *snapshot;
	const char *name;
	uint64_t protocols;     /* bit per enum protocol */
	int64_t from_ns, to_ns; /* INT64_MIN and INT64_MAX: no limit */
	struct job_address addresses[JOB_ADDRESSES_MAX];
	size_t address_count;
	uint16_t ports[JOB_PORTS_MAX];
	size_t port_count;
	const char *key_log;    /* a key log of TLS, beside what the snapshot
				 * has; NULL: none */
	const char *descriptors; /* a FileDescriptorSet: what messages of gRPC
				  * are called; NULL: none */
	bool no_decrypt;        /* leave what was encrypted as it is */
	uint32_t max_body;      /* bytes of a body kept per half */
	unsigned parsers;
	uint64_t memory_bytes;  /* of all processes together */
	uint64_t cpu_seconds;   /* per process; 0: no limit */
	unsigned cpu_percent;   /* of one CPU, per parser; 0 or 100: no limit */
	int nice;
	int lifeline;           /* descriptor whose end cancels; -1: none */
	bool progress;          /* a line on stderr that is rewritten */
	bool quiet;             /* say nothing but errors */
	bool help, version;
};

/*
 * Reads the command line; strings are borrowed from `argv`.  ERR_INVALID with
 * a sentence that names the option.
 */
int job_options_parse(struct job_options *options, int argc,
		      char *const argv[], struct error *e);

/* How it is called, for --help. */
const char *job_options_usage(void);

/* What a reader of the result wants to know of them (new reference). */
json_t *job_options_json(const struct job_options *options);
