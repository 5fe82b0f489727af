#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Large captures for measurements of memory.

usage: grow.py repeat INPUT.pcap OUT.pcap TIMES
       grow.py udp|tcp|paths|HOSTILE OUT.pcap COUNT

repeat: the packets of a little-endian pcap of Ethernet and IPv4 again and
again, each time later and with other client ports, as new connections.
udp, tcp: COUNT flows of one packet each.  paths: COUNT exchanges of HTTP, each
with a host and a path of its own.  HOSTILE, what costs most where something is
searched or kept: fragments (first ones alone), reversed (one byte each, the
last first), trickle (a head that never ends), queries (of one DNS client, not
answered), chunks (of one byte), requests (pipelined, not answered).
"""
import os
import struct
import sys

RECORD = struct.Struct("<IIII")
SERVER_PORTS = range(0, 10000)
START = 1_700_000_000


def shift_ports(data, by):
    """Another client port in a TCP or UDP frame; servers keep theirs."""
    if len(data) < 38 or data[12:14] != b"\x08\0" or data[23] not in (6, 17):
        return data
    at = 14 + (data[14] & 15) * 4
    for end in (at, at + 2):
        port = int.from_bytes(data[end:end + 2], "big")
        if port not in SERVER_PORTS:
            data[end:end + 2] = (10000 + (port - 10000 + by) % 55536).to_bytes(
                2, "big")
    return data


def repeat(source, target, times):
    with open(source, "rb") as file:
        data = memoryview(file.read())
    first = RECORD.unpack_from(data, 24)[0]
    with open(target, "wb", buffering=1 << 20) as out:
        out.write(data[:24])
        span = 0
        for turn in range(times):
            at = 24
            while at + RECORD.size <= len(data):
                seconds, fraction, captured, length = RECORD.unpack_from(
                    data, at)
                at += RECORD.size
                frame = bytearray(data[at:at + captured])
                at += captured
                span = max(span, seconds - first + 1)
                out.write(RECORD.pack(seconds + turn * span, fraction,
                                      captured, length))
                out.write(shift_ports(frame, turn * 7))


class Writer:
    def __init__(self, path):
        self.out = open(path, "wb", buffering=1 << 20)
        self.out.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144,
                                   1))
        self.count = 0

    def packet(self, protocol, ends, segment):
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 0,
                         0x4000, 64, protocol, 0, *ends)
        self.frame(ip + segment)

    def frame(self, ip):
        frame = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip
        self.out.write(RECORD.pack(START + self.count // 100_000,
                                   self.count % 100_000 * 10_000, len(frame),
                                   len(frame)) + frame)
        self.count += 1


def client(number):
    """An address and a port for each number."""
    return (struct.pack(">I", 0x0a000000 + number // 50_000),
            10_000 + number % 50_000)


SERVER = b"\x0a\xff\0\1"


def flows(path, count, protocol):
    writer = Writer(path)
    for number in range(count):
        address, port = client(number)
        if protocol == 17:
            segment = struct.pack(">HHHH", port, 9999, 12, 0) + b"ping"
        else:
            segment = struct.pack(">HHIIBBHHH", port, 80, number, 0, 5 << 4, 2,
                                  65535, 0, 0)
        writer.packet(protocol, (address, SERVER), segment)


def paths(path, count):
    writer = Writer(path)
    per_connection = 50
    for number in range(count):
        address, port = client(number // per_connection)
        turn = number % per_connection
        asked = (b"GET /%032x/%08d HTTP/1.1\r\nHost: h%08d.test\r\n\r\n" %
                 (number * 0x9e3779b97f4a7c15, number, number))
        told = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        if turn == 0:
            sequence = [1000, 5000]
        for side, data in enumerate((asked, told)):
            ends = ((address, SERVER), (SERVER, address))[side]
            ports = ((port, 80), (80, port))[side]
            writer.packet(6, ends, struct.pack(
                ">HHIIBBHHH", *ports, sequence[side], sequence[1 - side],
                5 << 4, 24, 65535, 0, 0) + data)
            sequence[side] += len(data)


def segment(writer, side, sequence, data):
    """Of the one connection between two hosts."""
    ends = ((b"\x0a\0\0\1", SERVER), (SERVER, b"\x0a\0\0\1"))[side]
    ports = ((10000, 80), (80, 10000))[side]
    writer.packet(6, ends, struct.pack(
        ">HHIIBBHHH", *ports, sequence & 0xffffffff, 1, 5 << 4, 24, 65535, 0,
        0) + data)


def fragments(writer, count):
    for number in range(count):
        address, _ = client(number)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1420, number & 0xffff,
                         0x2000, 64, 17, 0, address, SERVER)
        writer.frame(ip + bytes(1400))


def reversed_bytes(writer, count):
    segment(writer, 0, 1, b"GET / HTTP/1.1\r\n")
    for number in range(count, 0, -1):
        segment(writer, 0, 20 + number, b"x")


def trickle(writer, count):
    segment(writer, 0, 1, b"GET / HTTP/1.1\r\n")
    for number in range(count):
        segment(writer, 0, 17 + 2 * number, b"\r\n" if number % 9 == 8 else b"a:")


def queries(writer, count):
    for number in range(count):
        message = struct.pack(">6H", number & 0xffff, 0x100, 1, 0, 0, 0) + (
            b"\x08%08d\4test\0\0\1\0\1" % number)
        writer.packet(17, (b"\x0a\0\0\1", SERVER), struct.pack(
            ">HHHH", 10000, 53, 8 + len(message), 0) + message)


def chunks(writer, count):
    head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    segment(writer, 0, 1, head)
    for number in range(count // 200):
        segment(writer, 0, 1 + len(head) + number * 1200,
                b"1\r\nx\r\n" * 200)


def requests(writer, count):
    text = b"GET / HTTP/1.1\r\n\r\n"
    for number in range(count // 50):
        segment(writer, 0, 1 + number * 50 * len(text), text * 50)


HOSTILE = {"fragments": fragments, "reversed": reversed_bytes,
           "trickle": trickle, "queries": queries, "chunks": chunks,
           "requests": requests}


def main():
    kind, words = sys.argv[1], sys.argv[2:]
    if kind == "repeat":
        repeat(words[0], words[1], int(words[2]))
    elif kind == "paths":
        paths(words[0], int(words[1]))
    elif kind in HOSTILE:
        HOSTILE[kind](Writer(words[0]), int(words[1]))
    else:
        flows(words[0], int(words[1]), {"udp": 17, "tcp": 6}[kind])
    print(os.path.getsize(words[1] if kind == "repeat" else words[0]), "bytes")


if __name__ == "__main__":
    main()
