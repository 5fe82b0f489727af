/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/detect.h"

_Static_assert(PROTOCOL_COUNT <= 64, "sets of protocols are 64 bits");

static bool
is_candidate(const struct detect_hint *hint, unsigned protocol)
{
	return hint->protocols >> protocol & 1 &&
	       registry_dissector(protocol)->transport & hint->transport;
}

static bool
has_port(const struct dissector *d, const struct detect_hint *hint)
{
	for (const uint16_t *port = d->ports; port && *port; port++)
		if (*port == hint->ports[0] || *port == hint->ports[1])
			return true;
	return false;
}

/* The likeliest of those that may be it: one on its port, or the only one
 * (not for a datagram, which is all there is to judge by). */
static enum protocol
likeliest(const struct detect_hint *hint, uint64_t maybe)
{
	enum protocol only = PROTOCOL_UNKNOWN;
	unsigned count = 0;

	for (unsigned i = 1; i < PROTOCOL_COUNT; i++) {
		if (!(maybe >> i & 1) || registry_dissector(i)->strict)
			continue;
		if (has_port(registry_dissector(i), hint))
			return (enum protocol)i;
		only = (enum protocol)i;
		count++;
	}
	return count == 1 && hint->transport == TRANSPORT_TCP
		       ? only
		       : PROTOCOL_UNKNOWN;
}

struct detect_result
detect_start(const struct detect_hint *hint, struct bytes client,
	     struct bytes server)
{
	uint64_t maybe = 0;

	for (unsigned i = 1; i < PROTOCOL_COUNT; i++) {
		enum verdict verdict;

		if (!is_candidate(hint, i))
			continue;
		verdict = registry_dissector(i)->probe(hint->transport, client,
						       server);
		if (verdict == VERDICT_YES)
			return (struct detect_result){ VERDICT_YES,
						       (enum protocol)i };
		if (verdict == VERDICT_MAYBE)
			maybe |= UINT64_C(1) << i;
	}
	if (maybe && (hint->last || client.size + server.size >= DETECT_ENOUGH)) {
		enum protocol protocol = likeliest(hint, maybe);

		return (struct detect_result){
			protocol ? VERDICT_YES : VERDICT_NO, protocol
		};
	}
	return (struct detect_result){ maybe ? VERDICT_MAYBE : VERDICT_NO,
				       PROTOCOL_UNKNOWN };
}

static enum verdict
probe_resumed(const struct detect_hint *hint, const struct dissector *d,
	      bool from_client, struct bytes in)
{
	struct bytes none = bytes_make(NULL, 0);

	if (hint->known && d->resync)
		return d->resync(from_client ? SIDE_CLIENT : SIDE_SERVER, in);
	return d->probe(hint->transport, from_client ? in : none,
			from_client ? none : in);
}

struct detect_result
detect_resume(const struct detect_hint *hint, bool from_client, struct bytes in)
{
	struct detect_result result = { VERDICT_NO, PROTOCOL_UNKNOWN };

	for (unsigned i = 1; i < PROTOCOL_COUNT; i++) {
		enum verdict verdict;

		if (!is_candidate(hint, i))
			continue;
		verdict = probe_resumed(hint, registry_dissector(i),
					from_client, in);
		if (verdict == VERDICT_YES)
			return (struct detect_result){ VERDICT_YES,
						       (enum protocol)i };
		if (verdict == VERDICT_MAYBE && !hint->last &&
		    in.size < DETECT_ENOUGH)
			result.verdict = VERDICT_MAYBE;
	}
	return result;
}
