/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small database whose contents are known by heart:
 *
 *  id  time    what                                         status  latency
 *   1  +0 s    GET api.example.test/users?page=2&q=a%20b    200     10 ms
 *   2  +1 s    POST api.example.test/orders                 201     25 ms
 *   3  +2 s    GET api.example.test/users/7                 404      5 ms
 *   4  +3 s    GET shop.example.test/boom                   500    100 ms
 *   5  +4 s    GET shop.example.test/slow                   200   6000 ms
 *   6  +5 s    GET api.example.test/hang                    none   no response
 *   7  +6 s    DNS A example.com                            0        3 ms
 *   8  +7 s    DNS AAAA nope.example.com                    3        4 ms
 *   9  +1.5 s  DELETE api.example.test/users/7, uncertain   204      8 ms
 *  10  +8 s    a response alone                             200     no request
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissect/store/store.h"
#include "dissect/store/store_writer.h"

/* 2026-11-23T14:00:00Z */
#define FIXTURE_START 1795442400000000000LL
#define FIXTURE_SECOND 1000000000LL
#define FIXTURE_CALLS 10

struct fixture {
	char directory[64];
	char path[96], part[112];
	struct store *store; /* open when the test begins */
};

/* cmocka set-up and tear-down; `*state` is the struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* An empty directory and paths only. */
int fixture_setup_empty(void **state);

/* Writes all of the above, without finishing. */
void fixture_write(struct store_writer *w);

/* One plain call: id by order, everything else usual. */
struct call_event fixture_call(int64_t ns, const char *path, int32_t status);

/* Finishes with a coverage of a few losses. */
void fixture_finish(struct fixture *f, struct store_writer *w);

/* "1 2 5": the ids of the calls in a result; free(3). */
char *fixture_ids(json_t *result);

/* The result of a path of members, "latency_ms.p50"; NULL when absent. */
json_t *fixture_get(json_t *object, const char *path);
