/* SPDX-License-Identifier: Apache-2.0 */
/* How the memory a run may use is shared out among and inside its parsers. */
#pragma once

#include "dissect/application/application.h"
#include "dissect/engine.h"
#include "dissect/job/parser_setup.h"
#include "dissect/payload.h"

struct parser_limits {
	struct engine_options engine;
	struct payload_options payload;
	struct application_options application;
};

/* `engine.filter` borrows the ports from the setup's options; its addresses
 * are allocated and live as long as the parser. */
struct parser_limits parser_limits(const struct parser_setup *setup);

/* Bytes of address space for RLIMIT_AS: the parser's share of memory, and the
 * room that code and untouched reservations take. */
uint64_t parser_address_space(const struct parser_setup *setup);

/* The same for the process of naming.h, which runs when the parsers are gone. */
uint64_t naming_address_space(const struct job_options *options);

/* Bytes of events that an honest parser cannot exceed, whatever the packets:
 * what a hostile one can make the writer store. */
uint64_t parser_event_limit(const struct parser_setup *setup);
