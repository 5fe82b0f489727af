# SPDX-License-Identifier: Apache-2.0
"""Packets of capture files as Python reads them, written from the formats'
specifications alone, so that it can check what our C code wrote."""
import struct

ETHERNET, RAW = 1, 101
VLAN_TYPES = (0x8100, 0x88a8)


def _pcap(data):
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") \
        else ">"
    link = struct.unpack(order + "I", data[20:24])[0] & 0xffff
    at = 24
    while at + 16 <= len(data):
        captured, length = struct.unpack(order + "II", data[at + 8:at + 16])
        yield link, length, data[at + 16:at + 16 + captured]
        at += 16 + captured


def _pcapng(data):
    at, order, links = 0, "<", []
    while at + 12 <= len(data):
        kind = data[at:at + 4]
        if kind == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        number, size = struct.unpack(order + "II", data[at:at + 8])
        if number == 1:
            links.append(struct.unpack(order + "H", data[at + 8:at + 10])[0])
        if number == 6:
            interface, _, _, captured, length = struct.unpack(
                order + "IIIII", data[at + 8:at + 28])
            yield links[interface], length, data[at + 28:at + 28 + captured]
        at += size


def packets(path):
    """(link type, length on the wire, bytes) of each packet of a file."""
    with open(path, "rb") as file:
        data = file.read()
    return _pcapng(data) if data[:4] == b"\x0a\x0d\x0d\x0a" else _pcap(data)


def ip_packet(link, data):
    """The IP packet in a frame, without padding; None where there is none."""
    if link == ETHERNET:
        at = 12
        while int.from_bytes(data[at:at + 2], "big") in VLAN_TYPES:
            at += 4
        if data[at:at + 2] not in (b"\x08\x00", b"\x86\xdd"):
            return None
        data = data[at + 2:]
    elif link != RAW:
        raise ValueError(f"link type {link}")
    if not data:
        return None
    if data[0] >> 4 == 4:
        size = int.from_bytes(data[2:4], "big")
    else:
        size = 40 + int.from_bytes(data[4:6], "big")
    # A super-packet over 64 KiB says 0.
    return data[:size] if size not in (0, 40) else data


def tcp_segment(packet):
    """(addresses and ports, sequence number, payload) of a TCP packet."""
    if packet[0] >> 4 == 4:
        at, addresses = packet[0] % 16 * 4, packet[12:20]
    else:
        at, addresses = 40, packet[8:40]
    data = at + (packet[at + 12] >> 4) * 4
    return (addresses + packet[at:at + 4],
            int.from_bytes(packet[at + 4:at + 8], "big"), packet[data:])


FIN, SYN, RST = 1, 2, 4


def tcp_flags(packet):
    at = packet[0] % 16 * 4 if packet[0] >> 4 == 4 else 40
    return packet[at + 13]


def tcp_ports(packet):
    """(source, destination) of an unfragmented IP packet, else None."""
    at, protocol = (packet[0] % 16 * 4, packet[9]) if packet[0] >> 4 == 4 \
        else (40, packet[6])
    if protocol != 6:
        return None
    return struct.unpack("!HH", packet[at:at + 4])
