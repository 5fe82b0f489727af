# SPDX-License-Identifier: Apache-2.0
"""Builds capture files byte by byte, in every container variant.

Written from the pcap and pcapng drafts, independently of capture/, so that
tests can compare what we read with what was put in.
"""
import random
import struct

ETHERNET, RAW, NULL, LOOP, SLL, SLL2, IPV4, IPV6 = (
    1, 101, 0, 108, 113, 276, 228, 229)


class Packet:
    def __init__(self, ns, data, length=None, interface=0, options=b""):
        self.ns = ns
        self.data = data
        self.length = len(data) if length is None else length
        self.interface = interface
        self.options = options


def udp(payload, source="10.0.0.1", target="10.0.0.2", ports=(40000, 53)):
    """An IPv4 packet with a UDP datagram."""
    def ip(text):
        return bytes(int(part) for part in text.split("."))

    datagram = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17,
                       0) + ip(source) + ip(target) + datagram


def linked(link_type, ip):
    """`ip` behind a link-layer header of that type."""
    if link_type == ETHERNET:
        return bytes(range(12)) + b"\x08\x00" + ip
    if link_type == NULL:
        return struct.pack("<I", 2) + ip
    if link_type == LOOP:
        return struct.pack(">I", 2) + ip
    if link_type == SLL:
        return struct.pack(">HHH8sH", 0, 1, 6, b"\1\2\3\4\5\6", 0x800) + ip
    if link_type == SLL2:
        return struct.pack(">HHIHBB8s", 0x800, 0, 1, 1, 0, 6,
                           b"\1\2\3\4\5\6") + ip
    return ip


def packets(seed=1, count=50, link_type=ETHERNET, step_ns=1_234_567_891,
            unit_ns=1):
    """Packets of many sizes, some cut short, times in whole `unit_ns`."""
    source = random.Random(seed)
    ns = 1_700_000_000_123_456_789
    out = []
    for _ in range(count):
        ns += source.randrange(step_ns)
        data = linked(link_type, udp(source.randbytes(
            source.choice([0, 1, 2, 3, 17, 100, 1400, 9000]))))
        length = len(data)
        if source.random() < 0.2:
            data = data[:source.randrange(34, 64)]
        out.append(Packet(ns // unit_ns * unit_ns, data, max(length, len(data))))
    return out


def pcap(items, big=False, nano=False, kuznetzov=False, link_type=ETHERNET,
         snaplen=262144):
    order = ">" if big else "<"
    magic = (0xa1b2cd34 if kuznetzov else 0xa1b23c4d if nano else 0xa1b2c3d4)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen,
                       link_type)]
    for p in items:
        fraction = p.ns % 10**9 // (1 if nano else 1000)
        out.append(struct.pack(order + "IIII", p.ns // 10**9, fraction,
                               len(p.data), p.length))
        if kuznetzov:
            out.append(struct.pack(order + "IHBB", 1, 0x800, 0, 0))
        out.append(p.data)
    return b"".join(out)


class Pcapng:
    """One section after another; `big` is the byte order of what follows."""

    def __init__(self, big=False):
        self.order = ">" if big else "<"
        self.out = []

    def pack(self, layout, *values):
        return struct.pack(self.order + layout, *values)

    def block(self, kind, body):
        body += b"\0" * (-len(body) % 4)
        size = len(body) + 12
        self.out.append(self.pack("II", kind, size) + body +
                        self.pack("I", size))
        return self

    def option(self, code, value):
        return (self.pack("HH", code, len(value)) + value +
                b"\0" * (-len(value) % 4))

    def end(self, options):
        return options + (self.pack("HH", 0, 0) if options else b"")

    def section(self, big=None, options=b""):
        if big is not None:
            self.order = ">" if big else "<"
        return self.block(0x0a0d0d0a, self.pack("IHHq", 0x1a2b3c4d, 1, 0, -1) +
                          self.end(options))

    def interface(self, link_type=ETHERNET, snaplen=0, tsresol=None,
                  tsoffset=None, name=None, options=b""):
        if name is not None:
            options += self.option(2, name.encode())
        if tsresol is not None:
            options += self.option(9, bytes([tsresol]))
        if tsoffset is not None:
            options += self.option(14, self.pack("q", tsoffset))
        return self.block(1, self.pack("HHI", link_type, 0, snaplen) +
                          self.end(options))

    def _stamp(self, ns, units, offset):
        stamp = (ns - offset * 10**9) * units // 10**9
        return self.pack("II", stamp >> 32, stamp & 0xffffffff)

    def enhanced(self, p, units=10**6, offset=0):
        padding = b"\0" * (-len(p.data) % 4)
        return self.block(6, self.pack("I", p.interface) +
                          self._stamp(p.ns, units, offset) +
                          self.pack("II", len(p.data), p.length) + p.data +
                          padding + self.end(p.options))

    def obsolete(self, p, units=10**6, drops=0xffff):
        padding = b"\0" * (-len(p.data) % 4)
        return self.block(2, self.pack("HH", p.interface, drops) +
                          self._stamp(p.ns, units, 0) +
                          self.pack("II", len(p.data), p.length) + p.data +
                          padding + self.end(p.options))

    def simple(self, p):
        return self.block(3, self.pack("I", p.length) + p.data)

    def statistics(self, interface, ns, received=0, dropped=0, units=10**6):
        options = (self.option(2, self._stamp(ns, units, 0)) +
                   self.option(4, self.pack("Q", received)) +
                   self.option(5, self.pack("Q", dropped)))
        return self.block(5, self.pack("I", interface) +
                          self._stamp(ns, units, 0) + self.end(options))

    def names(self):
        record = b"\x0a\0\0\x02resolver.test\0"
        return self.block(4, self.pack("HH", 1, len(record)) + record +
                          b"\0" * (-len(record) % 4) + self.pack("HH", 0, 0))

    def secrets(self, text=b"CLIENT_RANDOM 00 11\n"):
        return self.block(10, self.pack("II", 0x544c534b, len(text)) + text)

    def custom(self, kind=0xbad):
        return self.block(kind, self.pack("I", 32473) + b"private!")

    def bytes(self):
        return b"".join(self.out)


def pcapng(items, big=False, tsresol=None, tsoffset=None, **interface):
    """One section, one interface, enhanced packets."""
    units = 10**6
    if tsresol is not None:
        units = 2**(tsresol & 127) if tsresol & 128 else 10**tsresol
    w = Pcapng(big).section().interface(tsresol=tsresol, tsoffset=tsoffset,
                                        **interface)
    for p in items:
        w.enhanced(p, units, tsoffset or 0)
    return w.bytes()


def everything(big=False):
    """Two sections, several interfaces, every block type we know of."""
    items = packets(7, 12, unit_ns=1000)
    w = Pcapng(big)
    w.section(options=w.option(1, b"a comment") + w.option(3, b"Linux"))
    w.interface(name="eth0", snaplen=96, options=w.option(
        8, w.pack("Q", 10**9)))
    w.interface(name="eth1", tsresol=9)
    w.names().secrets().custom().custom(0x40000bad).block(0x777, b"unknown!")
    for n, p in enumerate(items[:6]):
        p.interface = n % 2
        p.options = (w.option(2, w.pack("I", 1)) + w.option(1, b"hello") +
                     (w.option(4, w.pack("Q", 3)) if n == 2 else b""))
        w.enhanced(p, 10**9 if n % 2 else 10**6)
    w.statistics(0, items[5].ns, 6, 2)
    w.section(not big)
    w.interface(name="lo", snaplen=65535)
    for p in items[6:9]:
        w.obsolete(p, drops=1)
    p = items[9]
    p.length = len(p.data)
    w.simple(p)
    for p in items[10:]:
        w.enhanced(p)
    return w.bytes()


def variants():
    """(name, bytes) of every container we claim to read, uncompressed."""
    micro, nano = packets(1, unit_ns=1000), packets(2)
    milli, second = packets(3, unit_ns=10**6), packets(4, unit_ns=10**9)
    yield "pcap_le.pcap", pcap(micro)
    yield "pcap_be.pcap", pcap(micro, big=True)
    yield "pcap_ns_le.pcap", pcap(nano, nano=True)
    yield "pcap_ns_be.pcap", pcap(nano, big=True, nano=True)
    yield "pcap_kuznetzov.pcap", pcap(micro, kuznetzov=True)
    for link_type in (RAW, NULL, LOOP, SLL, SLL2, IPV4):
        yield (f"pcap_link{link_type}.pcap",
               pcap(packets(5, 9, link_type, unit_ns=1000),
                    link_type=link_type))
    yield "pcapng_le.pcapng", pcapng(micro)
    yield "pcapng_be.pcapng", pcapng(micro, big=True)
    yield "pcapng_s.pcapng", pcapng(second, tsresol=0)
    yield "pcapng_ms.pcapng", pcapng(milli, tsresol=3)
    yield "pcapng_ns.pcapng", pcapng(nano, tsresol=9)
    yield "pcapng_100ps.pcapng", pcapng(nano, tsresol=10)
    yield "pcapng_2_10.pcapng", pcapng(nano, tsresol=0x80 | 10)
    yield "pcapng_2_30.pcapng", pcapng(nano, tsresol=0x80 | 30)
    yield "pcapng_offset.pcapng", pcapng(nano, tsresol=9, tsoffset=1_600_000_000)
    yield ("pcapng_offset_be.pcapng",
           pcapng(nano, big=True, tsresol=9, tsoffset=1_600_000_000))
    yield "everything_le.pcapng", everything()
    yield "everything_be.pcapng", everything(True)
