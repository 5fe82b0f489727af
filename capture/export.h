/* SPDX-License-Identifier: Apache-2.0 */
/* Writing packets of a snapshot to one pcap or pcapng file. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "capture/packet_filter.h"
#include "capture/packet_reader.h"

struct export_request {
	const char *snapshot;
	const char *path;    /* written to a temporary name, then renamed */
	bool pcap;           /* classic pcap (ns) instead of pcapng */
	bool include_secrets; /* pcapng: with the TLS secrets its packets need,
			       * and those imported with the capture */
	struct packet_window window;
	/* Addresses ("10.0.0.1", "10.0.0.0/8", "::1") and ports: a packet matches
	 * when one of its ends matches each given list.  NULL/0: any.  What is
	 * inside of tunnels counts as well; see packet_filter.h. */
	const char *const *addresses;
	size_t address_count;
	const uint16_t *ports;
	size_t port_count;
	/* When not empty, only packets of these conversations. */
	const struct export_conversation *conversations;
	size_t conversation_count;
	const atomic_bool *cancelled;
	void (*progress)(void *context, uint64_t bytes_read, uint64_t total);
	void *progress_context;
};

/*
 * {"path","format","packets","bytes","first","last"}: merged in time order,
 * with secrets also "tls_handshakes","tls_handshakes_with_secrets",
 * "imported_secrets"; pcapng keeps the identity blocks that its packets need
 * (export_who.h), and "identities_left_out" counts those that did not fit;
 * "bytes" is the size of the file, which replaces one of that name.  Several
 * link types in one pcap are ERR_UNSUPPORTED (say pcapng), no matching packet
 * ERR_EMPTY, a bad address ERR_INVALID; nothing is left behind on error.
 */
int export_snapshot(const char *home, const struct export_request *request,
		    json_t **result, struct error *e);
