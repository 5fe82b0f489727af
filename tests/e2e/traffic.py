# SPDX-License-Identifier: Apache-2.0
"""Recorded traffic made up on the spot, so that every count is known."""
import struct

SECOND = 1_000_000_000
START = 1_795_442_400 * SECOND  # 2026-11-23T14:00:00Z


def frame(source, target, sport, dport, seq, ack, flags, payload=b""):
    """One Ethernet frame with IPv4 and TCP; checksums are left out, as
    offload leaves them."""
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff,
                      ack & 0xffffffff, 5 << 4, flags, 65535, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0x4000,
                     64, 6, 0, source, target)
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip + tcp + payload


class Connection:
    """A client of one server, with sequence numbers kept."""

    def __init__(self, number, port=8080):
        self.client = bytes([10, 1, number >> 8, number & 255])
        self.server = bytes([10, 2, 0, 1])
        self.sport, self.dport = 20000 + number, port
        self.sequence = [1000 * number, 5000 * number]

    def packet(self, side, flags, payload=b""):
        ends = [(self.client, self.sport), (self.server, self.dport)]
        (source, sport), (target, dport) = ends[side], ends[1 - side]
        out = frame(source, target, sport, dport, self.sequence[side],
                    self.sequence[1 - side], flags, payload)
        self.sequence[side] += len(payload) + (1 if flags & 3 else 0)
        return out

    def open(self):
        return [self.packet(0, 2), self.packet(1, 18), self.packet(0, 16)]

    def close(self):
        return [self.packet(0, 17), self.packet(1, 17), self.packet(0, 16)]

    def exchange(self, number):
        body = b'{"number":%d,"text":"%s"}' % (number, b"x" * (number % 400))
        request = (b"GET /item/%d?c=%d HTTP/1.1\r\nHost: api.test\r\n"
                   b"User-Agent: made-up\r\n\r\n" % (number % 1000,
                                                     self.sport))
        response = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"X-Number: %d\r\nContent-Length: %d\r\n\r\n%s"
                    % (number, len(body), body))
        return [self.packet(0, 24, request), self.packet(1, 24, response)]


def http_packets(connections, exchanges):
    """Rounds of one exchange on each connection."""
    clients = [Connection(i) for i in range(connections)]
    for client in clients:
        yield from client.open()
    for round_number in range(exchanges):
        for client in clients:
            yield from client.exchange(round_number)
    for client in clients:
        yield from client.close()


def write_pcap(path, packets, interval_ns=100_000):
    """A nanosecond pcap; returns the time after the last packet."""
    now = START
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
        for data in packets:
            out.write(struct.pack("<IIII", now // SECOND, now % SECOND,
                                  len(data), len(data)))
            out.write(data)
            now += interval_ns
    return now
