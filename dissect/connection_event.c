/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/connection_event.h"

#define SWAP_SIDES(array)                                      \
	do {                                                   \
		__typeof__((array)[0]) swap_kept = (array)[0]; \
		(array)[0] = (array)[1];                       \
		(array)[1] = swap_kept;                        \
	} while (0)

void
connection_event_reverse(struct connection_event *event)
{
	struct tcp_facts *f = &event->tcp;
	struct endpoint client = event->client;

	event->client = event->server;
	event->server = client;
	SWAP_SIDES(event->packets);
	SWAP_SIDES(event->wire_bytes);
	SWAP_SIDES(event->first_bytes);
	SWAP_SIDES(f->window_scale);
	SWAP_SIDES(f->window_sum);
	SWAP_SIDES(f->retransmissions);
	SWAP_SIDES(f->fast_retransmissions);
	SWAP_SIDES(f->out_of_order);
	SWAP_SIDES(f->dup_acks);
	SWAP_SIDES(f->zero_windows);
	SWAP_SIDES(f->windows_full);
	SWAP_SIDES(f->keepalives);
	SWAP_SIDES(f->resets);
	SWAP_SIDES(f->fins);
	SWAP_SIDES(f->holes);
	SWAP_SIDES(f->missing_bytes);
	SWAP_SIDES(f->overlaps_differing);
	SWAP_SIDES(f->payload_bytes);
}
