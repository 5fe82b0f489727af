#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small captures of conversations: conversations.py OUTDIR.

One file for each thing that the engine and the dissectors know: HTTP in its
framings, DNS over UDP and TCP, every tunnel, fragments, disorder, and the
containers around them.  They are the corpus of fuzz_pipeline and what
mutate_captures.py damages.
"""
import gzip
import os
import struct
import sys

import capture_builder

START = 1_700_000_000_000_000_000
CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
CLIENT6 = bytes.fromhex("20010db8000000000000000000000001")
SERVER6 = bytes.fromhex("20010db8000000000000000000000002")
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16


def ipv4(payload, protocol, source=CLIENT, target=SERVER, ident=1, fragment=0):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident,
                       fragment, 64, protocol, 0, source, target) + payload


def ipv6(payload, protocol, source=CLIENT6, target=SERVER6):
    return struct.pack(">IHBB16s16s", 6 << 28, len(payload), protocol, 64,
                       source, target) + payload


def ethernet(payload, kind=0x800):
    return bytes.fromhex("020000000002020000000001") + struct.pack(
        ">H", kind) + payload


def udp(payload, source=40000, target=53):
    return struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload


def tcp(source, target, seq, ack, flags, payload=b"", options=b""):
    return struct.pack(">HHIIBBHHH", source, target, seq & 0xffffffff,
                       ack & 0xffffffff, (5 + len(options) // 4) << 4, flags,
                       65535, 0, 0) + options + payload


def over_ipv4(segment, side):
    ends = (CLIENT, SERVER) if side == 0 else (SERVER, CLIENT)
    return ethernet(ipv4(segment, 6, *ends))


def over_ipv6(segment, side):
    ends = (CLIENT6, SERVER6) if side == 0 else (SERVER6, CLIENT6)
    return ethernet(ipv6(segment, 6, *ends), 0x86dd)


class Connection:
    """TCP segments with the sequence numbers kept."""

    def __init__(self, wrap=over_ipv4, ports=(40000, 80), start=(1000, 9000)):
        self.wrap, self.ports, self.next = wrap, ports, list(start)

    def segment(self, side, flags, payload=b"", options=b""):
        ports = self.ports if side == 0 else self.ports[::-1]
        out = self.wrap(tcp(*ports, self.next[side], self.next[1 - side],
                            flags, payload, options), side)
        self.next[side] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return out

    def open(self):
        options = bytes.fromhex("020405b40402080a000000010000000001030307")
        return [self.segment(0, SYN, options=options),
                self.segment(1, SYN | ACK, options=options),
                self.segment(0, ACK)]

    def say(self, side, data, size=1400):
        return [self.segment(side, PUSH | ACK, data[at:at + size])
                for at in range(0, len(data), size)]

    def close(self):
        return [self.segment(0, FIN | ACK), self.segment(1, FIN | ACK),
                self.segment(0, ACK)]


def request(method="GET", target="/a?b=c", headers=b"", body=b""):
    return (f"{method} {target} HTTP/1.1\r\nHost: api.test\r\n".encode() +
            headers + b"\r\n" + body)


def response(status="200 OK", headers=b"", body=b"", length=True):
    if length:
        headers += b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status.encode() + b"\r\n" + headers + b"\r\n" + body


def chunked(*chunks, trailer=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + (
        b"0\r\n" + trailer + b"\r\n")


def conversation(*said, size=1400, **more):
    """A whole connection in which each (side, bytes) is said in turn."""
    c = Connection(**more)
    packets = c.open()
    for side, data in said:
        packets += c.say(side, data, size)
    return packets + c.close()


CHUNKED = b"Transfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"


def http_framings():
    body = b'{"name":"value","list":[1,2,3]}' * 8
    yield "http_keep_alive", conversation(
        (0, request()), (1, response(body=b"one")),
        (0, request("POST", "/b", JSON + b"Content-Length: 4\r\n", b"null")),
        (1, response("404 Not Found", JSON, b"{}")))
    yield "http_chunked", conversation(
        (0, request("PUT", "/c", CHUNKED, chunked(b"abc", b"defg"))),
        (1, response(headers=CHUNKED + b"Trailer: X-Sum\r\n", length=False,
                     body=chunked(b"x" * 300, b"y", trailer=b"X-Sum: 1\r\n"))))
    yield "http_gzip", conversation(
        (0, request(headers=b"Accept-Encoding: gzip\r\n")),
        (1, response(headers=JSON + b"Content-Encoding: gzip\r\n",
                     body=gzip.compress(body, mtime=0))))
    yield "http_gzip_chunked", conversation(
        (0, request()),
        (1, response(headers=CHUNKED + b"Content-Encoding: gzip\r\n",
                     length=False, body=chunked(gzip.compress(
                         b"z" * 9000, mtime=0)))))
    yield "http_pipelined", conversation(
        (0, request(target="/1") + request("HEAD", "/2") +
         request(target="/3")),
        (1, response(body=b"1") + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
         b"\r\n" + response("304 Not Modified", length=False)))
    yield "http_continue", conversation(
        (0, request("POST", "/e", b"Expect: 100-continue\r\n"
                    b"Content-Length: 5\r\n")),
        (1, b"HTTP/1.1 100 Continue\r\n\r\n"), (0, b"hello"),
        (1, response("201 Created", b"Location: /e/1\r\n")))
    yield "http_connect", conversation(
        (0, b"CONNECT other.test:443 HTTP/1.1\r\nHost: other.test\r\n\r\n"),
        (1, b"HTTP/1.1 200 Connection established\r\n\r\n"),
        (0, b"\x16\x03\x01\0\5hello"), (1, b"\x16\x03\3\0\2ok"))
    yield "http_upgrade", conversation(
        (0, request(headers=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")),
        (1, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n"), (1, b"\x81\5hello"))
    yield "http_to_end", conversation(
        (0, b"GET /old HTTP/1.0\r\n\r\n"),
        (1, b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>all"))
    yield "http_odd", conversation(
        (0, b"GET http://a.test/%00\x80?q=\xff HTTP/1.1\r\nHost:a.test\r\n"
            b"Cookie: a=b; c=d\r\nX-Folded: one\r\n two\r\n\r\n"),
        (1, b"HTTP/1.1 500\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
            b"\r\nab"))
    yield "http_bytewise", conversation(
        (0, request()), (1, response(body=b"1")), size=9)


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")
                    if p) + b"\0"


def query(text="www.test", kind=1, ident=1, edns=b""):
    return struct.pack(">6H", ident, 0x100, 1, 0, 0, 1 if edns else 0) + (
        name(text) + struct.pack(">HH", kind, 1) + edns)


def record(owner, kind, data, ttl=60):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def answer(*records, text="www.test", kind=1, ident=1, code=0):
    return struct.pack(">6H", ident, 0x8180 | code, 1, len(records), 0, 0) + (
        name(text) + struct.pack(">HH", kind, 1) + b"".join(records))


HERE = b"\xc0\x0c"  # the question's name
RECORDS = (
    record(HERE, 5, name("cdn.test")), record(name("cdn.test"), 1, CLIENT),
    record(HERE, 28, CLIENT6), record(HERE, 15, b"\0\12\4mail" + HERE),
    record(HERE, 16, b"\5v=spf\0"), record(HERE, 33, b"\0\1\0\2\1\xbb" + HERE),
    record(HERE, 6, HERE + HERE + struct.pack(">5I", 1, 2, 3, 4, 5)),
    record(HERE, 2, HERE), record(HERE, 12, name("ptr.test")),
    record(HERE, 257, b"\0\5issueca.test"), record(HERE, 65, b"\0\1\0\0\1\0\3"
                                                   b"\2h2"),
    record(HERE, 43, b"\0\1\10\2" + b"d" * 32), record(HERE, 999, b"???"))
EDNS = b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 12) + (
    b"\0\12\0\10cookies!")


def dns_packet(side, message, port=53):
    if side == 0:
        return ethernet(ipv4(udp(message, 40000, port), 17))
    return ethernet(ipv4(udp(message, port, 40000), 17, SERVER, CLIENT))


def dns_messages():
    yield "dns_every_type", [dns_packet(0, query(kind=255, edns=EDNS)),
                             dns_packet(1, answer(*RECORDS, kind=255))]
    yield "dns_errors", [
        dns_packet(0, query(ident=1)), dns_packet(0, query(ident=2)),
        dns_packet(0, query(ident=2)), dns_packet(1, answer(ident=2, code=3)),
        dns_packet(1, answer(ident=7)), dns_packet(1, query()[:20])]
    loop = struct.pack(">6H", 1, 0x8180, 1, 1, 0, 0)
    yield "dns_loop", [
        dns_packet(1, loop + b"\xc0\x0c\0\1\0\1" + record(HERE, 1, CLIENT)),
        dns_packet(1, loop + b"\1a\xc0\x0e\0\1\0\1" + b"\xc0\xff"),
        dns_packet(1, loop + b"\x3f" + b"a" * 63 + b"\x80")]
    yield "dns_multicast", [
        ethernet(ipv4(udp(query("printer.local", 12, 0), 5353, 5353), 17,
                      target=bytes([224, 0, 0, 251]))),
        ethernet(ipv4(udp(answer(record(HERE, 12, name("p.local")), ident=0,
                                 text="printer.local", kind=12), 5353, 5353),
                      17, SERVER, bytes([224, 0, 0, 251])))]

    def framed(message):
        return struct.pack(">H", len(message)) + message

    yield "dns_tcp", conversation(
        (0, framed(query(ident=1)) + framed(query(ident=2))),
        (1, framed(answer(*RECORDS, ident=2)) + framed(answer(ident=1))),
        ports=(40000, 53), size=100)


def tunnels():
    inner = dns_packet(0, query())[14:]
    frame = dns_packet(0, query())
    outer = {"source": CLIENT[:3] + b"\x09", "target": SERVER[:3] + b"\x08"}
    vxlan = udp(b"\x08\0\0\0\0\0\x2a\0" + frame, 50000, 4789)
    geneve = udp(b"\1\0\x65\x58\0\0\x2a\0\1\2\3\0" + frame, 50000, 6081)
    v6 = ipv6(udp(query()), 17)
    yield "tunnels", [
        ethernet(b"\0\5\x08\0" + inner, 0x8100),
        ethernet(b"\0\5\x81\0\0\6\x08\0" + inner, 0x88a8),
        ethernet(struct.pack(">II", 16 << 12, 17 << 12 | 1 << 8) + inner,
                 0x8847),
        ethernet(b"\x11\0\0\1" + struct.pack(">H", len(inner) + 2) + b"\0\x21" +
                 inner, 0x8864),
        ethernet(ipv4(vxlan, 17, **outer)), ethernet(ipv4(geneve, 17, **outer)),
        ethernet(ipv4(b"\0\0\x08\0" + inner, 47, **outer)),
        ethernet(ipv4(b"\x30\0\x65\x58\0\0\0\1\0\0\0\2" + frame, 47, **outer)),
        ethernet(ipv4(inner, 4, **outer)), ethernet(ipv4(v6, 41, **outer)),
        ethernet(ipv6(inner, 4), 0x86dd), ethernet(v6, 0x86dd),
        ethernet(ipv4(struct.pack(">HHIIBBHIHHI", 1, 2, 3, 4, 0, 3, 20, 1, 2,
                                  3, 4) + b"data", 132)),
        ethernet(ipv4(b"\3\1\0\0\0\0\0\0" + inner, 1)),
        ethernet(ipv6(b"\1\4\0\0\0\0\0\0" + v6, 58), 0x86dd),
        ethernet(b"\xaa\xaa\3\0\0\0\x08\0" + inner, 8 + len(inner))]


def extension(following, data=b"\1\4\0\0\0\0"):
    return bytes([following, 0]) + data


def fragment6(following, offset, more, ident=7):
    return struct.pack(">BBHI", following, 0, offset | more, ident)


def fragments():
    datagram = udp(answer(*RECORDS), 53, 40000)
    pieces = [(0, datagram[:96]), (96, datagram[96:192]), (192, datagram[192:])]
    more = [0x2000, 0x2000, 0]
    v4 = [ethernet(ipv4(piece, 17, SERVER, CLIENT, 5, at // 8 | flag))
          for (at, piece), flag in zip(pieces, more)]
    v6 = [ethernet(ipv6(extension(60) + extension(44) +
                        fragment6(17, at, 1 if flag else 0) + piece, 0,
                        SERVER6, CLIENT6), 0x86dd)
          for (at, piece), flag in zip(pieces, more)]
    overlap = ethernet(ipv4(b"?" * 96, 17, SERVER, CLIENT, 5, 6 | 0x2000))
    atomic = ethernet(ipv6(fragment6(17, 0, 0) + datagram, 44), 0x86dd)
    yield "fragments", v4 + v6
    yield "fragments_disorder", v4[::-1] + [v6[2], v6[0], v6[0], v6[1]]
    yield "fragments_hostile", [v4[0], overlap, v4[2], atomic,
                                ethernet(ipv4(b"x", 17, fragment=0x3fff)),
                                v6[1], v6[2]]


def disorder():
    c = Connection()
    start = c.open()
    asked = c.say(0, request() + request(target="/2"), 30)
    told = c.say(1, response(body=b"b" * 200) + response(body=b"c"), 60)
    ends = c.close()
    yield "tcp_swapped", start + asked[::-1] + told[1::-1] + told[2:] + ends
    yield "tcp_lost", start + asked + told[:2] + told[3:] + ends
    yield "tcp_repeated", start + asked * 2 + told + told[:3] + ends
    yield "tcp_midway", asked[1:] + told
    yield "tcp_one_side", start[:1] + asked + ends[:1]
    c = Connection(start=(0xffffffe0, 0xfffffff8))
    packets = c.open() + c.say(0, request())
    c.next[0] -= 10
    packets += c.say(0, b"different!more")  # over what was said before
    packets += c.say(1, response(body=b"d"))
    packets += [c.segment(1, RST), c.segment(0, ACK)]
    c = Connection(start=(5, 6))  # the ports again
    packets += c.open() + c.say(0, request()) + c.say(1, response())
    yield "tcp_wrap_overlap_reuse", packets


def zstd_stored(data):
    """A zstd frame of raw blocks (RFC 8878, 3.1.1)."""
    out = b"\x28\xb5\x2f\xfd\x00\x58"
    blocks = [data[at:at + 1000] for at in range(0, len(data), 1000)]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        out += struct.pack("<I", last | len(block) << 3)[:3] + block
    return out


def conversations():
    """(name, bytes) of each capture file."""
    files = []
    for part in (http_framings, dns_messages, tunnels, fragments, disorder):
        for title, frames in part():
            files.append((title, [
                capture_builder.Packet(START + i * 1_000_000, data)
                for i, data in enumerate(frames)]))
    for title, packets in files:
        yield title + ".pcap", capture_builder.pcap(packets, nano=True)
    packets = files[0][1] + dict(files)["dns_every_type"]
    yield "mixed.pcapng", capture_builder.pcapng(packets, tsresol=9)
    yield "mixed_be.pcapng", capture_builder.pcapng(packets, big=True)
    yield "mixed.pcapng.zst", zstd_stored(capture_builder.pcapng(packets))
    yield "mixed.pcap.gz", gzip.compress(capture_builder.pcap(packets),
                                         mtime=0)
    yield "http_ipv6.pcap", capture_builder.pcap([
        capture_builder.Packet(START + i, data) for i, data in enumerate(
            conversation((0, request()), (1, response(body=b"6")),
                         wrap=over_ipv6))])
    yield "http_raw.pcap", capture_builder.pcap(
        [capture_builder.Packet(p.ns, p.data[14:]) for p in files[0][1]],
        link_type=capture_builder.RAW)


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for title, data in conversations():
        with open(os.path.join(sys.argv[1], title), "wb") as out:
            out.write(data)


if __name__ == "__main__":
    main()
