/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/amqp_method.h"

#include <stdio.h>

#include "base/text.h"

#define DEPTH_LIMIT 6

static const struct amqp_method methods[] = {
	{ AMQP_METHOD(10, 10), 0, AMQP_NOTICE, "Connection.Start",
	  "oversion-major oversion-minor tserver-properties Smechanisms"
	  " Slocales" },
	{ AMQP_METHOD(10, 11), AMQP_METHOD(10, 30), AMQP_REQUEST,
	  "Connection.Start-Ok",
	  "tclient-properties smechanism Kresponse slocale" },
	{ AMQP_METHOD(10, 20), 0, AMQP_ANSWER, "Connection.Secure",
	  "Kchallenge" },
	{ AMQP_METHOD(10, 21), AMQP_METHOD(10, 30), AMQP_REQUEST,
	  "Connection.Secure-Ok", "Kresponse" },
	{ AMQP_METHOD(10, 30), 0, AMQP_ANSWER, "Connection.Tune",
	  "hchannel-max lframe-max hheartbeat" },
	{ AMQP_METHOD(10, 31), 0, AMQP_NOTICE, "Connection.Tune-Ok",
	  "hchannel-max lframe-max hheartbeat" },
	{ AMQP_METHOD(10, 40), AMQP_METHOD(10, 41), AMQP_REQUEST,
	  "Connection.Open", "Vvirtual-host" },
	{ AMQP_METHOD(10, 41), 0, AMQP_ANSWER, "Connection.Open-Ok", "" },
	{ AMQP_METHOD(10, 50), AMQP_METHOD(10, 51), AMQP_REQUEST,
	  "Connection.Close", "Creply-code Mreply-text hclass-id hmethod-id" },
	{ AMQP_METHOD(10, 51), 0, AMQP_ANSWER, "Connection.Close-Ok", "" },
	{ AMQP_METHOD(10, 60), 0, AMQP_NOTICE, "Connection.Blocked",
	  "sreason" },
	{ AMQP_METHOD(10, 61), 0, AMQP_NOTICE, "Connection.Unblocked", "" },
	{ AMQP_METHOD(10, 70), AMQP_METHOD(10, 71), AMQP_REQUEST,
	  "Connection.Update-Secret", "Knew-secret sreason" },
	{ AMQP_METHOD(10, 71), 0, AMQP_ANSWER, "Connection.Update-Secret-Ok",
	  "" },
	{ AMQP_METHOD(20, 10), AMQP_METHOD(20, 11), AMQP_REQUEST,
	  "Channel.Open", "" },
	{ AMQP_METHOD(20, 11), 0, AMQP_ANSWER, "Channel.Open-Ok", "" },
	{ AMQP_METHOD(20, 20), AMQP_METHOD(20, 21), AMQP_REQUEST,
	  "Channel.Flow", "bactive" },
	{ AMQP_METHOD(20, 21), 0, AMQP_ANSWER, "Channel.Flow-Ok", "bactive" },
	{ AMQP_METHOD(20, 40), AMQP_METHOD(20, 41), AMQP_REQUEST,
	  "Channel.Close", "Creply-code Mreply-text hclass-id hmethod-id" },
	{ AMQP_METHOD(20, 41), 0, AMQP_ANSWER, "Channel.Close-Ok", "" },
	{ AMQP_METHOD(40, 10), AMQP_METHOD(40, 11), AMQP_REQUEST,
	  "Exchange.Declare",
	  "hticket Xexchange stype bpassive bdurable bauto-delete binternal"
	  " nno-wait targuments" },
	{ AMQP_METHOD(40, 11), 0, AMQP_ANSWER, "Exchange.Declare-Ok", "" },
	{ AMQP_METHOD(40, 20), AMQP_METHOD(40, 21), AMQP_REQUEST,
	  "Exchange.Delete", "hticket Xexchange bif-unused nno-wait" },
	{ AMQP_METHOD(40, 21), 0, AMQP_ANSWER, "Exchange.Delete-Ok", "" },
	{ AMQP_METHOD(40, 30), AMQP_METHOD(40, 31), AMQP_REQUEST,
	  "Exchange.Bind",
	  "hticket Qdestination Xsource Rrouting-key nno-wait targuments" },
	{ AMQP_METHOD(40, 31), 0, AMQP_ANSWER, "Exchange.Bind-Ok", "" },
	{ AMQP_METHOD(40, 40), AMQP_METHOD(40, 51), AMQP_REQUEST,
	  "Exchange.Unbind",
	  "hticket Qdestination Xsource Rrouting-key nno-wait targuments" },
	{ AMQP_METHOD(40, 51), 0, AMQP_ANSWER, "Exchange.Unbind-Ok", "" },
	{ AMQP_METHOD(50, 10), AMQP_METHOD(50, 11), AMQP_REQUEST,
	  "Queue.Declare",
	  "hticket Qqueue bpassive bdurable bexclusive bauto-delete nno-wait"
	  " targuments" },
	{ AMQP_METHOD(50, 11), 0, AMQP_ANSWER, "Queue.Declare-Ok",
	  "Qqueue lmessage-count lconsumer-count" },
	{ AMQP_METHOD(50, 20), AMQP_METHOD(50, 21), AMQP_REQUEST,
	  "Queue.Bind",
	  "hticket Qqueue Xexchange Rrouting-key nno-wait targuments" },
	{ AMQP_METHOD(50, 21), 0, AMQP_ANSWER, "Queue.Bind-Ok", "" },
	{ AMQP_METHOD(50, 30), AMQP_METHOD(50, 31), AMQP_REQUEST,
	  "Queue.Purge", "hticket Qqueue nno-wait" },
	{ AMQP_METHOD(50, 31), 0, AMQP_ANSWER, "Queue.Purge-Ok",
	  "lmessage-count" },
	{ AMQP_METHOD(50, 40), AMQP_METHOD(50, 41), AMQP_REQUEST,
	  "Queue.Delete", "hticket Qqueue bif-unused bif-empty nno-wait" },
	{ AMQP_METHOD(50, 41), 0, AMQP_ANSWER, "Queue.Delete-Ok",
	  "lmessage-count" },
	{ AMQP_METHOD(50, 50), AMQP_METHOD(50, 51), AMQP_REQUEST,
	  "Queue.Unbind",
	  "hticket Qqueue Xexchange Rrouting-key targuments" },
	{ AMQP_METHOD(50, 51), 0, AMQP_ANSWER, "Queue.Unbind-Ok", "" },
	{ AMQP_METHOD(60, 10), AMQP_METHOD(60, 11), AMQP_REQUEST, "Basic.Qos",
	  "lprefetch-size hprefetch-count bglobal" },
	{ AMQP_METHOD(60, 11), 0, AMQP_ANSWER, "Basic.Qos-Ok", "" },
	{ AMQP_METHOD(60, 20), AMQP_METHOD(60, 21), AMQP_REQUEST,
	  "Basic.Consume",
	  "hticket Qqueue sconsumer-tag bno-local bno-ack bexclusive nno-wait"
	  " targuments" },
	{ AMQP_METHOD(60, 21), 0, AMQP_ANSWER, "Basic.Consume-Ok",
	  "sconsumer-tag" },
	{ AMQP_METHOD(60, 30), AMQP_METHOD(60, 31), AMQP_REQUEST,
	  "Basic.Cancel", "Qconsumer-tag nno-wait" },
	{ AMQP_METHOD(60, 31), 0, AMQP_ANSWER, "Basic.Cancel-Ok",
	  "sconsumer-tag" },
	{ AMQP_METHOD(60, 40), 0, AMQP_CONTENT, "Basic.Publish",
	  "hticket Xexchange Rrouting-key bmandatory bimmediate" },
	{ AMQP_METHOD(60, 50), 0, AMQP_CONTENT, "Basic.Return",
	  "Creply-code Mreply-text Xexchange Rrouting-key" },
	{ AMQP_METHOD(60, 60), 0, AMQP_CONTENT, "Basic.Deliver",
	  "sconsumer-tag Ldelivery-tag bredelivered Xexchange Rrouting-key" },
	{ AMQP_METHOD(60, 70), AMQP_METHOD(60, 71), AMQP_REQUEST, "Basic.Get",
	  "hticket Qqueue bno-ack" },
	{ AMQP_METHOD(60, 71), 0, AMQP_DELIVERY, "Basic.Get-Ok",
	  "Ldelivery-tag bredelivered Xexchange Rrouting-key"
	  " lmessage-count" },
	{ AMQP_METHOD(60, 72), 0, AMQP_ANSWER, "Basic.Get-Empty", "" },
	{ AMQP_METHOD(60, 80), 0, AMQP_NOTICE, "Basic.Ack",
	  "Ldelivery-tag bmultiple" },
	{ AMQP_METHOD(60, 90), 0, AMQP_NOTICE, "Basic.Reject",
	  "Ldelivery-tag brequeue" },
	{ AMQP_METHOD(60, 100), 0, AMQP_NOTICE, "Basic.Recover-Async",
	  "brequeue" },
	{ AMQP_METHOD(60, 110), AMQP_METHOD(60, 111), AMQP_REQUEST,
	  "Basic.Recover", "brequeue" },
	{ AMQP_METHOD(60, 111), 0, AMQP_ANSWER, "Basic.Recover-Ok", "" },
	{ AMQP_METHOD(60, 120), 0, AMQP_NOTICE, "Basic.Nack",
	  "Ldelivery-tag bmultiple brequeue" },
	{ AMQP_METHOD(85, 10), AMQP_METHOD(85, 11), AMQP_REQUEST,
	  "Confirm.Select", "nno-wait" },
	{ AMQP_METHOD(85, 11), 0, AMQP_ANSWER, "Confirm.Select-Ok", "" },
	{ AMQP_METHOD(90, 10), AMQP_METHOD(90, 11), AMQP_REQUEST, "Tx.Select",
	  "" },
	{ AMQP_METHOD(90, 11), 0, AMQP_ANSWER, "Tx.Select-Ok", "" },
	{ AMQP_METHOD(90, 20), AMQP_METHOD(90, 21), AMQP_REQUEST, "Tx.Commit",
	  "" },
	{ AMQP_METHOD(90, 21), 0, AMQP_ANSWER, "Tx.Commit-Ok", "" },
	{ AMQP_METHOD(90, 30), AMQP_METHOD(90, 31), AMQP_REQUEST,
	  "Tx.Rollback", "" },
	{ AMQP_METHOD(90, 31), 0, AMQP_ANSWER, "Tx.Rollback-Ok", "" },
};

const struct amqp_method *
amqp_method_find(uint32_t id)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (methods[i].id == id)
			return &methods[i];
	return NULL;
}

static bool
list(struct reader *r, bool named, unsigned depth, struct buf *out)
{
	struct reader in = reader_make(reader_take(r, reader_be32(r)));
	const char *comma = "";

	buf_text(out, named ? "{" : "[");
	while (reader_left(&in)) {
		buf_text(out, comma);
		comma = ", ";
		if (named) {
			buf_bytes(out, reader_take(&in, reader_u8(&in)));
			buf_text(out, "=");
		}
		if (!amqp_value(&in, depth + 1, out))
			return false;
	}
	buf_text(out, named ? "}" : "]");
	return !r->failed && !in.failed;
}

static bool
binary(struct reader *r, struct buf *out)
{
	struct bytes in = reader_take(r, reader_be32(r));

	if (text_is_utf8(in))
		buf_bytes(out, in);
	else
		buf_format(out, "(%zu bytes)", in.size);
	return !r->failed;
}

static bool
real(struct reader *r, char type, struct buf *out)
{
	uint32_t single;
	uint64_t wide;
	double value;
	float small;

	if (type == 'd') {
		wide = reader_be64(r);
		memcpy(&value, &wide, sizeof(value));
	} else {
		single = reader_be32(r);
		memcpy(&small, &single, sizeof(small));
		value = (double)small;
	}
	buf_format(out, "%g", value);
	return !r->failed;
}

static bool
integer(struct reader *r, char type, struct buf *out)
{
	switch (type) {
	case 't':
		buf_text(out, reader_u8(r) ? "true" : "false");
		break;
	case 'b':
		buf_format(out, "%d", (int8_t)reader_u8(r));
		break;
	case 'B':
		buf_format(out, "%u", reader_u8(r));
		break;
	case 's':
		buf_format(out, "%d", (int16_t)reader_be16(r));
		break;
	case 'u':
		buf_format(out, "%u", reader_be16(r));
		break;
	case 'I':
		buf_format(out, "%d", (int32_t)reader_be32(r));
		break;
	case 'i':
		buf_format(out, "%u", reader_be32(r));
		break;
	case 'l':
	case 'L':
		buf_format(out, "%lld", (long long)reader_be64(r));
		break;
	case 'T':
		buf_format(out, "%llu", (unsigned long long)reader_be64(r));
		break;
	case 'D': {
		unsigned scale = reader_u8(r);

		buf_format(out, "%de-%u", (int32_t)reader_be32(r), scale);
		break;
	}
	default:
		return false;
	}
	return !r->failed;
}

bool
amqp_value(struct reader *r, unsigned depth, struct buf *out)
{
	char type = (char)reader_u8(r);

	if (r->failed || depth > DEPTH_LIMIT)
		return false;
	switch (type) {
	case 'V':
		buf_text(out, "null");
		return true;
	case 'S':
	case 'x':
		return binary(r, out);
	case 'F':
		return list(r, true, depth, out);
	case 'A':
		return list(r, false, depth, out);
	case 'f':
	case 'd':
		return real(r, type, out);
	default:
		return integer(r, type, out);
	}
}
