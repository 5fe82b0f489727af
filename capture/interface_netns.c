/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/interface_netns.h"

#define NETNS_PREFIX "netns:"
#define PLAINTEXT_WORD " plaintext "

/* The number at the front of a text, ended by it or by a blank; 0: none. */
static uint64_t
netns_number(struct bytes text)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < text.size && text.data[i] != ' '; i++) {
		unsigned digit = text.data[i] - (unsigned)'0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	return value;
}

/* The description behind its prefix; false: it has another one, or none. */
static bool
netns_description(struct bytes options, bool big_endian, struct bytes *text)
{
	struct bytes prefix = bytes_of(NETNS_PREFIX);
	struct pcapng_option option;

	while (pcapng_option_next(&options, big_endian, &option)) {
		*text = bytes_from(option.value, prefix.size);
		if (option.code == PCAPNG_INTERFACE_DESCRIPTION &&
		    bytes_equal(bytes_first(option.value, prefix.size), prefix))
			return true;
	}
	return false;
}

uint64_t
interface_netns(struct bytes options, bool big_endian)
{
	struct bytes text;

	return netns_description(options, big_endian, &text)
		       ? netns_number(text)
		       : 0;
}

bool
interface_is_plaintext(struct bytes options, bool big_endian)
{
	struct bytes word = bytes_of(PLAINTEXT_WORD), text;

	if (!netns_description(options, big_endian, &text))
		return false;
	while (text.size > 0 && text.data[0] != ' ')
		text = bytes_from(text, 1);
	return bytes_equal(bytes_first(text, word.size), word);
}
