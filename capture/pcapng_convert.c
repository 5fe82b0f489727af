/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcapng_convert.h"

#include <stddef.h>

/* Options that are one number, by block. */
static const struct {
	uint32_t block;
	uint16_t code;
	uint8_t size;
} number_options[] = {
	{ PCAPNG_INTERFACE, 8, 8 },       /* if_speed */
	{ PCAPNG_INTERFACE, 10, 4 },      /* if_tzone */
	{ PCAPNG_INTERFACE, 16, 8 },      /* if_txspeed */
	{ PCAPNG_INTERFACE, 17, 8 },      /* if_rxspeed */
	{ PCAPNG_ENHANCED_PACKET, 2, 4 }, /* epb_flags */
	{ PCAPNG_ENHANCED_PACKET, 4, 8 }, /* epb_dropcount */
	{ PCAPNG_ENHANCED_PACKET, 5, 8 }, /* epb_packetid */
	{ PCAPNG_ENHANCED_PACKET, 6, 4 }, /* epb_queue */
	{ PCAPNG_STATISTICS, 4, 8 },      /* isb_ifrecv */
	{ PCAPNG_STATISTICS, 5, 8 },      /* isb_ifdrop */
	{ PCAPNG_STATISTICS, 6, 8 },      /* isb_filteraccept */
	{ PCAPNG_STATISTICS, 7, 8 },      /* isb_osdrop */
	{ PCAPNG_STATISTICS, 8, 8 },      /* isb_usrdeliv */
};

/* Custom options begin with a private enterprise number. */
static bool
pcapng_is_custom_option(uint16_t code)
{
	return code == 2988 || code == 2989 || code == 19372 || code == 19373;
}

/* Bytes at the front of the value that are one number; 0: none. */
static size_t
pcapng_number_size(uint32_t block, uint16_t code, size_t value_size)
{
	if (pcapng_is_custom_option(code))
		return value_size >= 4 ? 4 : 0;
	for (size_t i = 0;
	     i < sizeof(number_options) / sizeof(number_options[0]); i++)
		if (number_options[i].block == block &&
		    number_options[i].code == code)
			return value_size == number_options[i].size ? value_size
								    : 0;
	return 0;
}

static void
pcapng_pad(struct buf *out, size_t size)
{
	static const uint8_t zeroes[4];

	buf_append(out, zeroes, (4 - size % 4) % 4);
}

void
pcapng_put_option(struct buf *out, uint16_t code, struct bytes value)
{
	buf_le16(out, code);
	buf_le16(out, (uint16_t)value.size);
	buf_bytes(out, value);
	pcapng_pad(out, value.size);
}

/* An option whose first `number` bytes change their order. */
static void
pcapng_put_number_option(struct buf *out, const struct pcapng_option *option,
			 size_t number)
{
	uint8_t head[8];

	for (size_t i = 0; i < number; i++)
		head[i] = option->value.data[number - 1 - i];
	buf_le16(out, option->code);
	buf_le16(out, (uint16_t)option->value.size);
	buf_append(out, head, number);
	buf_bytes(out, bytes_from(option->value, number));
	pcapng_pad(out, option->value.size);
}

void
pcapng_convert_options(struct buf *out, uint32_t block, struct bytes options,
		       bool big_endian)
{
	struct pcapng_option option;

	while (pcapng_option_next(&options, big_endian, &option)) {
		size_t number = 0;

		if (block == PCAPNG_INTERFACE &&
		    (option.code == PCAPNG_INTERFACE_TSRESOL ||
		     option.code == PCAPNG_INTERFACE_TSOFFSET))
			continue;
		if (big_endian)
			number = pcapng_number_size(block, option.code,
						    option.value.size);
		if (number > 0)
			pcapng_put_number_option(out, &option, number);
		else
			pcapng_put_option(out, option.code, option.value);
	}
}

/* A time of two 32-bit halves, high first, in either byte order. */
static void
pcapng_convert_time(struct buf *out, const uint8_t *at, bool big_endian,
		    const struct pcapng_interface *interface)
{
	uint64_t stamp = (uint64_t)pcapng_u32(at, big_endian) << 32 |
			 pcapng_u32(at + 4, big_endian);
	uint64_t ns = (uint64_t)pcapng_time_ns(stamp, interface->tsresol,
					       interface->tsoffset);

	buf_le32(out, (uint32_t)(ns >> 32));
	buf_le32(out, (uint32_t)ns);
}

void
pcapng_convert_statistics(struct buf *out, struct bytes body, bool big_endian,
			  const struct pcapng_interface *interface, uint32_t id)
{
	struct bytes options = bytes_from(body, 12);
	struct pcapng_option option;

	buf_le32(out, id);
	pcapng_convert_time(out, body.data + 4, big_endian, interface);
	while (pcapng_option_next(&options, big_endian, &option)) {
		size_t number = pcapng_number_size(
			PCAPNG_STATISTICS, option.code, option.value.size);

		if ((option.code == PCAPNG_STATISTICS_START ||
		     option.code == PCAPNG_STATISTICS_END) &&
		    option.value.size == 8) {
			buf_le16(out, option.code);
			buf_le16(out, 8);
			pcapng_convert_time(out, option.value.data, big_endian,
					    interface);
		} else if (big_endian && number > 0) {
			pcapng_put_number_option(out, &option, number);
		} else {
			pcapng_put_option(out, option.code, option.value);
		}
	}
	if (body.size > 12)
		buf_le32(out, PCAPNG_OPTION_END);
}

/* Name resolution: records of type, length and value, then options. */
static void
pcapng_convert_names(struct buf *out, struct bytes body)
{
	struct pcapng_option record;

	while (pcapng_option_next(&body, true, &record))
		pcapng_put_option(out, record.code, record.value);
	buf_le32(out, 0); /* the end of the records */
	body = bytes_from(body, 4);
	pcapng_convert_options(out, PCAPNG_NAMES, body, true);
	if (body.size > 0)
		buf_le32(out, PCAPNG_OPTION_END);
}

/* Big-endian 32-bit numbers at the front, then bytes as they are. */
static void
pcapng_convert_numbers(struct buf *out, struct bytes body, size_t count)
{
	for (; count > 0 && body.size >= 4; count--) {
		buf_le32(out, pcapng_u32(body.data, true));
		body = bytes_from(body, 4);
	}
	buf_bytes(out, body);
}

void
pcapng_convert_body(struct buf *out, uint32_t block, struct bytes body,
		    bool big_endian)
{
	if (big_endian && block == PCAPNG_NAMES)
		pcapng_convert_names(out, body);
	else if (big_endian && block == PCAPNG_SECRETS) /* type, length */
		pcapng_convert_numbers(out, body, 2);
	else if (big_endian &&
		 (block == PCAPNG_CUSTOM || block == PCAPNG_CUSTOM_PRIVATE))
		pcapng_convert_numbers(out, body, 1); /* enterprise number */
	else
		buf_bytes(out, body);
}

uint64_t
pcapng_option_u64(struct bytes options, bool big_endian, uint16_t code)
{
	struct pcapng_option option;

	while (pcapng_option_next(&options, big_endian, &option))
		if (option.code == code && option.value.size == 8)
			return pcapng_u64(option.value.data, big_endian);
	return 0;
}
