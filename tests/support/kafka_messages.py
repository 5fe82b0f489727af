# SPDX-License-Identifier: Apache-2.0
"""Messages of Kafka, written from its protocol guide for tests: requests,
answers, batches of records, in the older and in the flexible encoding.
"""
import gzip
import struct
import zlib


def crc32c(data):
    """Castagnoli's, bit by bit: tests have little data."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def signed(value):
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def be(size, value):
    return value.to_bytes(size, "big", signed=True)


class Encoder:
    """Of one version: strings, arrays and tags are as it has them."""

    def __init__(self, flexible):
        self.flexible = flexible

    def size(self, value, width):
        return varint(value + 1) if self.flexible else be(width, value)

    def string(self, text):
        if text is None:
            return self.size(-1, 2)
        data = text.encode()
        return self.size(len(data), 2) + data

    def bytes(self, data):
        if data is None:
            return self.size(-1, 4)
        return self.size(len(data), 4) + data

    def array(self, items):
        if items is None:
            return self.size(-1, 4)
        return self.size(len(items), 4) + b"".join(items)

    def struct(self, *parts):
        return b"".join(parts) + (b"\0" if self.flexible else b"")


def request(key, version, correlation, body, flexible=False, client="tester"):
    head = struct.pack(">hhi", key, version, correlation)
    name = be(2, -1) if client is None else \
        be(2, len(client)) + client.encode()
    data = head + name + (b"\0" if flexible else b"") + body
    return be(4, len(data)) + data


def response(correlation, body, flexible=False):
    data = be(4, correlation) + (b"\0" if flexible else b"") + body
    return be(4, len(data)) + data


def record(delta, key, value, headers=(), time_delta=0):
    def data(item):
        return signed(-1) if item is None else signed(len(item)) + item
    body = b"\0" + signed(time_delta) + signed(delta) + data(key) + data(value)
    body += signed(len(headers)) + b"".join(
        data(name) + data(item) for name, item in headers)
    return signed(len(body)) + body


CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(offset, records, codec="none", pack=None, attributes=0,
          timestamp=1700000000000):
    """Format 2; records are (key, value) or (key, value, headers)."""
    data = b"".join(record(i, *r) for i, r in enumerate(records))
    if codec == "gzip":
        data = gzip.compress(data, mtime=0)
    elif pack:
        data = pack(data)
    tail = struct.pack(">hiqqqhii", attributes | CODECS[codec],
                       len(records) - 1, timestamp, timestamp, -1, -1, -1,
                       len(records)) + data
    body = be(4, 0) + b"\2" + struct.pack(">I", crc32c(tail)) + tail
    return be(8, offset) + be(4, len(body)) + body


def message(offset, key, value, magic=1, attributes=0,
            timestamp=1700000000000):
    """Formats 0 and 1."""
    def data(item):
        return be(4, -1) if item is None else be(4, len(item)) + item
    tail = bytes([magic, attributes])
    if magic:
        tail += be(8, timestamp)
    tail += data(key) + data(value)
    body = struct.pack(">I", zlib.crc32(tail)) + tail
    return be(8, offset) + be(4, len(body)) + body


def produce(version, correlation, topics, acks=-1, **more):
    """topics: {name: {partition: batches}}"""
    e = Encoder(version >= 9)
    body = e.string(None) if version >= 3 else b""
    body += be(2, acks) + be(4, 1500) + e.array([
        e.struct(e.string(name), e.array([
            e.struct(be(4, number), e.bytes(data))
            for number, data in partitions.items()]))
        for name, partitions in topics.items()])
    return request(0, version, correlation, e.struct(body), e.flexible, **more)


def produced(version, correlation, topics):
    """topics: {name: {partition: (error, offset, message)}}"""
    e = Encoder(version >= 9)

    def partition(number, error, offset, text):
        parts = [be(4, number), be(2, error), be(8, offset)]
        if version >= 2:
            parts.append(be(8, -1))
        if version >= 5:
            parts.append(be(8, 0))
        if version >= 8:
            parts += [e.array([]), e.string(text)]
        return e.struct(*parts)
    body = e.array([e.struct(e.string(name), e.array([
        partition(number, *result) for number, result in partitions.items()]))
        for name, partitions in topics.items()])
    if version >= 1:
        body += be(4, 0)
    return response(correlation, e.struct(body), e.flexible)


def fetch(version, correlation, topics, **more):
    """topics: {name: {partition: offset}}"""
    e = Encoder(version >= 12)

    def partition(number, offset):
        parts = [be(4, number)]
        if version >= 9:
            parts.append(be(4, -1))
        parts.append(be(8, offset))
        if version >= 12:
            parts.append(be(4, -1))
        if version >= 5:
            parts.append(be(8, -1))
        return e.struct(*parts, be(4, 1 << 20))
    body = be(4, -1) + be(4, 500) + be(4, 1)
    if version >= 3:
        body += be(4, 50 << 20)
    if version >= 4:
        body += b"\0"
    if version >= 7:
        body += be(4, 0) + be(4, -1)
    body += e.array([e.struct(e.string(name), e.array([
        partition(*item) for item in partitions.items()]))
        for name, partitions in topics.items()])
    if version >= 7:
        body += e.array([])
    if version >= 11:
        body += e.string("")
    return request(1, version, correlation, e.struct(body), e.flexible, **more)


def fetched(version, correlation, topics, error=0):
    """topics: {name: {partition: (error, high watermark, records)}}"""
    e = Encoder(version >= 12)

    def partition(number, code, high, data):
        parts = [be(4, number), be(2, code), be(8, high)]
        if version >= 4:
            parts.append(be(8, high))
        if version >= 5:
            parts.append(be(8, 0))
        if version >= 4:
            parts.append(e.array(None))
        if version >= 11:
            parts.append(be(4, -1))
        return e.struct(*parts, e.bytes(data))
    body = be(4, 0) if version >= 1 else b""
    if version >= 7:
        body += be(2, error) + be(4, 0)
    body += e.array([e.struct(e.string(name), e.array([
        partition(number, *item) for number, item in partitions.items()]))
        for name, partitions in topics.items()])
    return response(correlation, e.struct(body), e.flexible)


def metadata(version, correlation, names, **more):
    e = Encoder(version >= 9)
    topic = (bytes(16),) if version >= 10 else ()
    body = e.array([e.struct(*topic, e.string(name)) for name in names])
    if version >= 4:
        body += b"\1"
    if 8 <= version <= 10:
        body += b"\0"
    if version >= 8:
        body += b"\0"
    return request(3, version, correlation, e.struct(body), e.flexible, **more)


def described(version, correlation, host, port, topics):
    """The answer to metadata; topics: {name: (error, partitions)}"""
    e = Encoder(version >= 9)

    def partition(number):
        parts = [be(2, 0), be(4, number), be(4, 1)]
        if version >= 7:
            parts.append(be(4, 0))
        parts += [e.array([be(4, 1)]), e.array([be(4, 1)])]
        if version >= 5:
            parts.append(e.array([]))
        return e.struct(*parts)

    def topic(name, error, partitions):
        parts = [be(2, error), e.string(name)]
        if version >= 10:
            parts.append(bytes(range(16)))
        if version >= 1:
            parts.append(b"\0")
        parts.append(e.array([partition(i) for i in range(partitions)]))
        if version >= 8:
            parts.append(be(4, -2147483648))
        return e.struct(*parts)
    body = be(4, 0) if version >= 3 else b""
    broker = [be(4, 1), e.string(host), be(4, port)]
    if version >= 1:
        broker.append(e.string(None))
    body += e.array([e.struct(*broker)])
    if version >= 2:
        body += e.string("test-cluster")
    if version >= 1:
        body += be(4, 1)
    body += e.array([topic(name, *item) for name, item in topics.items()])
    if 8 <= version <= 10:
        body += be(4, -2147483648)
    return response(correlation, e.struct(body), e.flexible)


def api_versions(version, correlation, **more):
    e = Encoder(version >= 3)
    body = e.string("tester") + e.string("1.0") if version >= 3 else b""
    return request(18, version, correlation, e.struct(body), e.flexible, **more)


def supported(version, correlation, apis, error=0):
    """apis: (key, lowest, highest); its head is never flexible."""
    e = Encoder(version >= 3)
    body = be(2, error) + e.array([
        e.struct(be(2, key), be(2, low), be(2, high))
        for key, low, high in apis])
    if version >= 1:
        body += be(4, 0)
    return response(correlation, e.struct(body))
