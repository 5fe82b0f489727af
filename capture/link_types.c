/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/link_types.h"

#include <net/if_arp.h>
#include <stdio.h>

struct link_type_entry {
	uint16_t type;
	bool supported;
	const char *name;
};

const char link_types_supported[] =
	"Ethernet (1), raw IP (101), IPv4 (228), IPv6 (229), BSD loopback "
	"(0 and 108), Linux cooked v1 (113) and v2 (276)";

/* Names follow the LINKTYPE_ constants; the second part is what people send
 * us by mistake, so that the error can name it. */
static const struct link_type_entry entries[] = {
	{ LINK_TYPE_NULL, true, "null" },
	{ LINK_TYPE_ETHERNET, true, "ethernet" },
	{ LINK_TYPE_RAW_BSD, true, "raw" },
	{ LINK_TYPE_RAW_OPENBSD, true, "raw" },
	{ LINK_TYPE_RAW, true, "raw" },
	{ LINK_TYPE_LOOP, true, "loop" },
	{ LINK_TYPE_LINUX_SLL, true, "linux_sll" },
	{ LINK_TYPE_IPV4, true, "ipv4" },
	{ LINK_TYPE_IPV6, true, "ipv6" },
	{ LINK_TYPE_LINUX_SLL2, true, "linux_sll2" },
	{ 6, false, "ieee802_5" },
	{ 7, false, "arcnet_bsd" },
	{ 8, false, "slip" },
	{ 9, false, "ppp" },
	{ 10, false, "fddi" },
	{ 50, false, "ppp_hdlc" },
	{ 51, false, "ppp_ether" },
	{ 100, false, "atm_rfc1483" },
	{ 104, false, "c_hdlc" },
	{ 105, false, "ieee802_11" },
	{ 107, false, "frelay" },
	{ 117, false, "pflog" },
	{ 119, false, "ieee802_11_prism" },
	{ 122, false, "ip_over_fc" },
	{ 127, false, "ieee802_11_radiotap" },
	{ 149, false, "user2" },
	{ 163, false, "ieee802_11_avs" },
	{ 187, false, "bluetooth_hci_h4" },
	{ 189, false, "usb_linux" },
	{ 192, false, "ppi" },
	{ 195, false, "ieee802_15_4_withfcs" },
	{ 201, false, "bluetooth_hci_h4_with_phdr" },
	{ 220, false, "usb_linux_mmapped" },
	{ 227, false, "can_socketcan" },
	{ 230, false, "ieee802_15_4_nofcs" },
	{ 231, false, "dbus" },
	{ 239, false, "nflog" },
	{ 249, false, "usbpcap" },
	{ 251, false, "bluetooth_le_ll" },
	{ 252, false, "wireshark_upper_pdu" },
	{ 253, false, "netlink" },
	{ 254, false, "bluetooth_linux_monitor" },
	{ 258, false, "pktap" },
	{ 271, false, "vsock" },
};

static const struct link_type_entry *
link_type_find(uint16_t type)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i].type == type)
			return &entries[i];
	return NULL;
}

bool
link_type_supported(uint16_t type)
{
	const struct link_type_entry *entry = link_type_find(type);

	return entry && entry->supported;
}

const char *
link_type_name(uint16_t type, char out[LINK_TYPE_TEXT])
{
	const struct link_type_entry *entry = link_type_find(type);

	if (entry)
		snprintf(out, LINK_TYPE_TEXT, "%s", entry->name);
	else
		snprintf(out, LINK_TYPE_TEXT, "linktype_%u", type);
	return out;
}

uint16_t
link_type_normal(uint16_t type)
{
	if (type == LINK_TYPE_RAW_BSD || type == LINK_TYPE_RAW_OPENBSD)
		return LINK_TYPE_RAW;
	return type;
}

int
link_type_of_hardware(uint16_t hardware)
{
	switch (hardware) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return LINK_TYPE_ETHERNET;
	case ARPHRD_NONE: /* tun, WireGuard */
	case ARPHRD_RAWIP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		return LINK_TYPE_RAW;
	default:
		return -1;
	}
}
