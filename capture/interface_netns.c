/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/interface_netns.h"

#define NETNS_PREFIX "netns:"

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

uint64_t
interface_netns(struct bytes options, bool big_endian)
{
	struct bytes prefix = bytes_of(NETNS_PREFIX);
	struct pcapng_option option;

	while (pcapng_option_next(&options, big_endian, &option))
		if (option.code == PCAPNG_INTERFACE_DESCRIPTION &&
		    bytes_equal(bytes_first(option.value, prefix.size), prefix))
			return netns_number(
				bytes_from(option.value, prefix.size));
	return 0;
}
