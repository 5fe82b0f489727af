#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Impaired variants of a classic little-endian pcap file.

usage: impair.py [--port SERVER] INPUT.pcap OUTDIR [VARIANT …]

What a capture suffers in the field: packets lost one by one and in bursts,
swapped, delayed or doubled, a start in mid-stream, one direction only, a short
snap length.  Every variant is determined by its name, so that two runs agree.
"""
import os
import random
import struct
import sys

RECORD = struct.Struct("<IIII")


class Packet:
    __slots__ = ("seconds", "fraction", "length", "data")

    def __init__(self, seconds, fraction, length, data):
        self.seconds, self.fraction = seconds, fraction
        self.length, self.data = length, data

    def at(self, other):
        """This packet at the other's time."""
        return Packet(other.seconds, other.fraction, self.length, self.data)

    def cut(self, size):
        return Packet(self.seconds, self.fraction, self.length,
                      self.data[:size])


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    packets, at = [], 24
    while at + RECORD.size <= len(data):
        seconds, fraction, captured, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        packets.append(Packet(seconds, fraction, length,
                              data[at:at + captured]))
        at += captured
    return data[:24], packets


def write(path, header, packets):
    with open(path, "wb") as file:
        file.write(header)
        for p in packets:
            file.write(RECORD.pack(p.seconds, p.fraction, len(p.data),
                                   p.length) + p.data)


def lossless(packets, _random):
    return packets


def drop(share):
    def variant(packets, rng):
        return [p for p in packets if rng.random() >= share]
    return variant


def bursts(packets, rng):
    kept, skip = [], 0
    for p in packets:
        if not skip and rng.random() < 0.0005:
            skip = 20
        if skip:
            skip -= 1
        else:
            kept.append(p)
    return kept


def midstream(packets, _random):
    return packets[len(packets) * 3 // 10:]


def swap(packets, rng):
    out = list(packets)
    for i in range(len(out) - 1):
        if rng.random() < 0.02:
            first, second = out[i], out[i + 1]
            out[i], out[i + 1] = second.at(first), first.at(second)
    return out


def delay(packets, rng):
    out, i = list(packets), 0
    while i < len(out) - 6:
        if rng.random() < 0.01:
            out.insert(i + 5, out.pop(i))
            i += 5
        i += 1
    return out


def double(packets, rng):
    out = []
    for p in packets:
        out.extend([p] * (2 if rng.random() < 0.02 else 1))
    return out


def destination_port(packet):
    """Of an Ethernet, IPv4, TCP packet."""
    header = (packet.data[14] & 15) * 4
    return struct.unpack_from(">H", packet.data, 14 + header + 2)[0]


def client_only(packets, _random):
    return [p for p in packets if destination_port(p) == server_port]


def server_only(packets, _random):
    return [p for p in packets if destination_port(p) != server_port]


def snap200(packets, _random):
    return [p.cut(200) for p in packets]


server_port = 8080

VARIANTS = {
    "lossless": lossless,
    "drop0.01pct": drop(0.0001), "drop0.1pct": drop(0.001),
    "drop1pct": drop(0.01), "drop5pct": drop(0.05),
    "bursts": bursts, "midstream": midstream, "swap": swap, "delay": delay,
    "double": double, "client_only": client_only, "server_only": server_only,
    "snap200": snap200,
}


def make(source, directory, names):
    header, packets = read(source)
    for name in names:
        variant = VARIANTS[name](packets, random.Random(name))
        write(os.path.join(directory, name + ".pcap"), header, variant)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--port"]:
        server_port = int(sys.argv[2])
        del sys.argv[1:3]
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    make(sys.argv[1], sys.argv[2], sys.argv[3:] or list(VARIANTS))
