#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that speaks enough of Cassandra's native protocol (versions 3 to 5,
lz4 and snappy, segments) for its drivers: what they ask of system tables, one
table whose rows follow from what is asked, and errors that are asked for.
Prints a line of JSON for each request.

usage: cql_server.py PORT VERSION
"""
import hashlib
import json
import socketserver
import struct
import sys
import threading
import uuid
import zlib

TELLING = threading.Lock()  # lines of all connections, one at a time
HOST = uuid.UUID(int=7)
INT, DOUBLE, TEXT, UUID, INET = 0x09, 0x07, 0x0d, 0x0c, 0x10
LIST, MAP, SET = 0x20, 0x21, 0x22
ITEM = [("id", INT), ("name", TEXT), ("score", DOUBLE), ("tags", (LIST, TEXT)),
        ("counts", (MAP, TEXT, INT)), ("uid", UUID)]
LOCAL = [("key", TEXT), ("cluster_name", TEXT), ("data_center", TEXT),
         ("rack", TEXT), ("release_version", TEXT), ("partitioner", TEXT),
         ("host_id", UUID), ("schema_version", UUID), ("rpc_address", INET),
         ("broadcast_address", INET), ("listen_address", INET),
         ("native_protocol_version", TEXT), ("cql_version", TEXT),
         ("tokens", (SET, TEXT))]
ADDRESS = bytes([127, 0, 0, 1])
LOCAL_ROW = ["local", "test", "dc1", "r1", "3.11.0",
             "org.apache.cassandra.dht.Murmur3Partitioner", HOST, HOST,
             ADDRESS, ADDRESS, ADDRESS, "4", "3.4.4", ["0"]]
PREPARED = {}


def string(text):
    return struct.pack(">H", len(text.encode())) + text.encode()


def value(kind, what):
    if what is None:
        return struct.pack(">i", -1)
    if isinstance(kind, tuple):
        if kind[0] == MAP:
            body = struct.pack(">i", len(what)) + b"".join(
                value(kind[1], k) + value(kind[2], v)
                for k, v in what.items())
        else:
            body = struct.pack(">i", len(what)) + b"".join(
                value(kind[1], each) for each in what)
    elif kind == INT:
        body = struct.pack(">i", what)
    elif kind == DOUBLE:
        body = struct.pack(">d", what)
    elif kind == UUID:
        body = what.bytes
    else:
        body = what.encode() if isinstance(what, str) else what
    return struct.pack(">i", len(body)) + body


def option(kind):
    return b"".join(struct.pack(">H", each) for each in (
        kind if isinstance(kind, tuple) else (kind,)))


def metadata(columns, table, skip=False, bound=None):
    head = struct.pack(">ii", 4 if skip else 1, len(columns))
    if bound is not None:
        head += struct.pack(">i", bound)
    if skip:
        return head
    return head + string("shop") + string(table) + b"".join(
        string(name) + option(kind) for name, kind in columns)


def rows(columns, table, content, skip=False):
    return (struct.pack(">i", 2) + metadata(columns, table, skip) +
            struct.pack(">i", len(content)) + b"".join(
                value(kind, each) for row in content
                for (_, kind), each in zip(columns, row)))


def item(number):
    return [number, f"item {number}", number / 2, [f"t{number}", "é"],
            {"a": number, "b": -1} if number % 3 else None,
            uuid.UUID(int=number)]


def error(code, message, more=b""):
    return 0, struct.pack(">I", code) + string(message) + more


def crc24(data):
    crc = 0x875060
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1974F0B
    return (crc & 0xffffff).to_bytes(3, "little")


def crc32(data):
    return zlib.crc32(data, zlib.crc32(b"\xfa\x2d\x55\xca")).to_bytes(
        4, "little")


class Codec:
    """How bodies, or segments of version 5, are compressed."""

    def __init__(self, name):
        self.name = name

    def compress(self, body):
        if self.name == "snappy":
            import snappy
            return snappy.compress(body)
        import lz4.block
        return struct.pack(">I", len(body)) + lz4.block.compress(
            body, store_size=False)

    def expand(self, body):
        if self.name == "snappy":
            import snappy
            return snappy.decompress(body)
        import lz4.block
        return lz4.block.decompress(
            body[4:], uncompressed_size=struct.unpack(">I", body[:4])[0])


class Connection(socketserver.BaseRequestHandler):
    def setup(self):
        self.file = self.request.makefile("rb")
        self.codec, self.framed, self.pending = None, False, b""
        self.highest = int(self.server.version)

    def read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def segment(self):
        """The payload of one."""
        if not self.codec:
            bits = int.from_bytes(self.read(3), "little")
            self.read(3)
            data = self.read(bits & 0x1ffff)
            self.read(4)
            return data
        import lz4.block
        bits = int.from_bytes(self.read(5), "little")
        self.read(3)
        data, size = self.read(bits & 0x1ffff), bits >> 17 & 0x1ffff
        self.read(4)
        return lz4.block.decompress(data, uncompressed_size=size) \
            if size else data

    def take(self, size):
        if not self.framed:
            return self.read(size)
        while len(self.pending) < size:
            self.pending += self.segment()
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def send_segment(self, data, whole):
        if not self.codec:
            head = (len(data) | whole << 17).to_bytes(3, "little")
        else:
            import lz4.block
            size, small = len(data), lz4.block.compress(data, store_size=False)
            if len(small) < size:
                data = small
            else:
                size = 0
            head = (len(data) | size << 17 | whole << 34).to_bytes(5, "little")
        self.request.sendall(head + crc24(head) + data + crc32(data))

    def send(self, version, stream, opcode, body, flags=0):
        if version < 5 and self.codec and body:
            body, flags = self.codec.compress(body), flags | 1
        data = struct.pack(">BBhBi", version | 0x80, flags, stream, opcode,
                           len(body)) + body
        if not self.framed:
            self.request.sendall(data)
        elif len(data) <= 0x1ffff:
            self.send_segment(data, 1)
        else:
            for at in range(0, len(data), 0x1ffff):
                self.send_segment(data[at:at + 0x1ffff], 0)

    def handle(self):
        try:
            while True:
                version, flags, stream, opcode, size = struct.unpack(
                    ">BBhBi", self.take(9))
                body = self.take(size)
                if version > self.highest:
                    self.send(self.highest, stream, *error(
                        0x0a, f"Invalid or unsupported protocol version "
                        f"({version})"))
                    continue
                if flags & 1 and version < 5:
                    body = self.codec.expand(body)
                self.answer(version, stream, opcode, body, flags)
        except (EOFError, ConnectionError):
            pass

    def answer(self, version, stream, opcode, body, flags):
        told = {"opcode": opcode, "version": version, "stream": stream}
        codec = None
        if opcode == 1:
            names = body[2:]
            codec = next((Codec(name) for name in ("lz4", "snappy")
                          if string("COMPRESSION") + string(name) in names),
                         None)
            answer = (3, string("org.apache.cassandra.auth."
                                "PasswordAuthenticator"))
        elif opcode == 5:
            answer = (6, struct.pack(">H", 2) + string("COMPRESSION") +
                      struct.pack(">H", 2) + string("lz4") +
                      string("snappy") + string("CQL_VERSION") +
                      struct.pack(">H", 1) + string("3.4.4"))
        elif opcode == 15:
            answer = (error(0x100, "Provided username and/or password are"
                            " incorrect") if b"wrong" in body else
                      (16, struct.pack(">i", -1)))
        elif opcode == 11:
            answer = (2, b"")
        elif opcode == 13:
            answer = (8, struct.pack(">i", 1))
        else:
            answer = self.statement(version, opcode, body, told)
        with TELLING:
            print(json.dumps(told), flush=True)
        if flags & 2:
            self.send(version, stream, answer[0], HOST.bytes + answer[1], 2)
        else:
            self.send(version, stream, *answer)
        if opcode == 1:
            self.codec, self.framed = codec, version == 5
        if opcode == 11:
            self.send(version, -1, 12, string("STATUS_CHANGE") + string("UP") +
                      b"\x04" + ADDRESS + struct.pack(">i", 9042))

    def statement(self, version, opcode, body, told):
        if opcode == 10:
            size = struct.unpack(">H", body[:2])[0]
            text, values = PREPARED[body[2:2 + size]], body[2 + size:]
            if version == 5:
                values = values[2 + struct.unpack(">H", values[:2])[0]:]
        else:
            size = struct.unpack(">i", body[:4])[0]
            text, values = body[4:4 + size].decode(), body[4 + size:]
        told["text"] = text
        skip = opcode == 10 and bool(values[3 if version < 5 else 6] & 2)
        if opcode == 9:
            return self.prepare(version, text)
        if "system.local" in text:
            return 8, rows(LOCAL, "local", [LOCAL_ROW])
        if "system" in text:
            return 8, rows([("keyspace_name", TEXT)], "none", [])
        if text.startswith("USE"):
            return 8, struct.pack(">i", 3) + string("shop")
        if text.startswith("CREATE"):
            return 8, (struct.pack(">i", 5) + string("CREATED") +
                       string("TABLE") + string("shop") + string("made"))
        if "shop.missing" in text:
            return error(0x2200, "unconfigured table missing")
        if "shop.slow" in text:
            return error(0x1200, "Operation timed out", struct.pack(
                ">HiiB", 6, 1, 2, 0))
        if "shop.down" in text:
            return error(0x1000, "Cannot achieve consistency level",
                         struct.pack(">Hii", 4, 2, 1))
        if not text.startswith("SELECT"):
            return 8, struct.pack(">i", 1)
        number = int(text.rpartition("=")[2]) if opcode == 7 else \
            struct.unpack(">i", values[(3 if version < 5 else 6) + 6:][:4])[0]
        told["id"] = number
        return 8, rows(ITEM, "items", [item(i) for i in range(
            number, number + (4000 if number % 50 == 49 else 2))], skip)

    @staticmethod
    def prepare(version, text):
        key = hashlib.md5(text.encode()).digest()
        PREPARED[key] = text
        bound = ITEM[:text.count("?")]
        short = struct.pack(">H", len(key)) + key
        body = struct.pack(">i", 4) + short
        if version == 5:
            body += short
        body += metadata(bound, "items", bound=0 if version >= 4 else None)
        columns = ITEM if text.startswith("SELECT") else []
        return 8, body + (metadata(columns, "items") if columns
                          else struct.pack(">ii", 4, 0))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Connection) as server:
        server.version = sys.argv[2]
        server.serve_forever()
