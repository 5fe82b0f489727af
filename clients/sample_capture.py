#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small capture for machines where nothing may be recorded: three HTTP
exchanges over TCP, made here, with the frames a network would have carried.

usage: sample_capture.py FILE
"""
import socket
import struct
import sys

CLIENT, SERVER = ("192.0.2.10", 40001), ("192.0.2.80", 80)
START_NS = 1_764_000_000_000_000_000
EXCHANGES = (("/api/user.json", "200 OK", b'{"user":"ada","orders":[1,2,3]}'),
             ("/api/missing", "404 Not Found", b"not here"),
             ("/api/user.json", "200 OK", b'{"user":"ada","orders":[1,2,3]}'))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(source, target, sequence, acknowledged, flags, payload=b""):
    ends = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], sequence,
                      acknowledged, 5 << 4, flags, 65535, 0, 0) + payload
    total = checksum(ends + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack(">H", total) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), sequence & 0xffff,
                     0, 64, 6, 0) + ends
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return b"\2\0\0\0\0\2" + b"\2\0\0\0\0\1" + b"\x08\0" + ip + tcp


def conversation():
    """(side, flags, payload) of one connection; side 0 is the client."""
    yield 0, 0x02, b""
    yield 1, 0x12, b""
    yield 0, 0x10, b""
    for path, status, body in EXCHANGES:
        yield 0, 0x18, (f"GET {path} HTTP/1.1\r\nHost: shop.example\r\n"
                        "Authorization: Bearer secret\r\n\r\n").encode()
        yield 1, 0x18, (f"HTTP/1.1 {status}\r\nContent-Type: application/json"
                        f"\r\nContent-Length: {len(body)}\r\n\r\n"
                        ).encode() + body
        yield 0, 0x10, b""
    yield 0, 0x11, b""
    yield 1, 0x11, b""
    yield 0, 0x10, b""


def main():
    ends, next_byte, at = (CLIENT, SERVER), [1000, 5000], START_NS
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for side, flags, payload in conversation():
            known = next_byte[1 - side] if flags & 0x10 else 0
            data = frame(ends[side], ends[1 - side], next_byte[side], known,
                         flags, payload)
            next_byte[side] += len(payload) + bool(flags & 0x03)
            at += 1_700_000
            file.write(struct.pack("<IIII", at // 10**9, at % 10**9,
                                   len(data), len(data)) + data)


if __name__ == "__main__":
    main()
