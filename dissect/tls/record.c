/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/tls/record.h"

#include "dissect/tls/alert.h"

/* What tells a hello: the record's header, type, length, version. */
#define HELLO_START 11
#define HELLO_MAX   (64u << 10)
/* A record of TLS 1.3 has a type and a tag at least. */
#define DATA_MIN 17

static bool
size_is_likely(uint8_t type, size_t size)
{
	switch (type) {
	case RECORD_CHANGE_CIPHER_SPEC:
		return size == 1;
	case RECORD_ALERT:
		return size == 2 || (size >= DATA_MIN && size <= 512);
	case RECORD_HANDSHAKE:
		return size > 0 && size <= RECORD_BODY_MAX;
	default:
		return size >= DATA_MIN && size <= RECORD_BODY_MAX;
	}
}

enum verdict
record_read(struct bytes in, struct record *out)
{
	size_t size;

	if (in.size > 0 && (in.data[0] < RECORD_CHANGE_CIPHER_SPEC ||
			    in.data[0] > RECORD_DATA))
		return VERDICT_NO;
	if (in.size > 1 && in.data[1] != 3)
		return VERDICT_NO;
	if (in.size > 2 && in.data[2] > 4)
		return VERDICT_NO;
	if (in.size < RECORD_HEADER)
		return VERDICT_MAYBE;
	size = (size_t)in.data[3] << 8 | in.data[4];
	if (!size_is_likely(in.data[0], size))
		return VERDICT_NO;
	*out = (struct record){ in.data[0], RECORD_HEADER + size };
	return VERDICT_YES;
}

static enum verdict
probe_handshake(struct bytes in, bool client)
{
	size_t size;

	if (in.size > 5 && in.data[5] != (client ? 1 : 2))
		return VERDICT_NO;
	if (in.size > 9 && in.data[9] != 3)
		return VERDICT_NO;
	if (in.size < HELLO_START)
		return VERDICT_MAYBE;
	size = (size_t)in.data[6] << 16 | (size_t)in.data[7] << 8 | in.data[8];
	return size > 32 && size <= HELLO_MAX && in.data[10] <= 4 ? VERDICT_YES
								  : VERDICT_NO;
}

static enum verdict
probe_alert(struct bytes in, size_t whole)
{
	if (whole != RECORD_HEADER + 2)
		return VERDICT_MAYBE;
	if (in.size > 5 && in.data[5] != 1 && in.data[5] != 2)
		return VERDICT_NO;
	if (in.size < whole)
		return VERDICT_MAYBE;
	return alert_name(in.data[6]) ? VERDICT_YES : VERDICT_NO;
}

/* Records of data are told by the next one behind them, or by their end that
 * is the end of what was sent. */
static enum verdict
probe_chain(struct bytes in, struct record record)
{
	struct record next;

	if (in.size == record.whole)
		return VERDICT_YES;
	if (in.size < record.whole)
		return VERDICT_MAYBE;
	return record_read(bytes_from(in, record.whole), &next);
}

enum verdict
record_probe(struct bytes in, bool client)
{
	struct record record;
	enum verdict verdict = record_read(in, &record);

	if (verdict != VERDICT_YES)
		return verdict;
	switch (record.type) {
	case RECORD_HANDSHAKE:
		return probe_handshake(in, client);
	case RECORD_ALERT:
		return probe_alert(in, record.whole);
	case RECORD_CHANGE_CIPHER_SPEC:
		if (in.size > RECORD_HEADER && in.data[RECORD_HEADER] != 1)
			return VERDICT_NO;
		return in.size > RECORD_HEADER ? VERDICT_YES : VERDICT_MAYBE;
	default:
		return probe_chain(in, record);
	}
}
