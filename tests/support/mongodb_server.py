#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that speaks enough of MongoDB's wire protocol for its drivers:
greetings, also streamed ones that do not end, writes that it counts, and cursors whose contents
follow from what is asked.  BSON is python3-bson's.

usage: mongodb_server.py PORT
"""
import datetime
import itertools
import socketserver
import struct
import sys
import time
import zlib

import bson
from bson.codec_options import CodecOptions

OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG = 1, 2004, 2012, 2013
MORE_TO_COME, EXHAUST = 2, 1 << 16
BATCH = 20
TOPOLOGY = {"processId": bson.ObjectId(), "counter": bson.Int64(0)}


def compressor(number):
    """Both ways of one."""
    if number == 1:
        import snappy
        return snappy.compress, snappy.decompress
    if number == 2:
        return zlib.compress, zlib.decompress
    import zstandard
    return (zstandard.ZstdCompressor().compress,
            zstandard.ZstdDecompressor().decompress)


def document(number):
    """Number `number` of any collection."""
    return {"_id": number, "text": f"document {number}", "half": number / 2,
            "large": bson.Int64(2 ** 40 + number), "bytes": bytes([number % 256]),
            "long": "x" * (number * 7 if number % 50 else 200_000)}


class Connection(socketserver.BaseRequestHandler):
    numbers = itertools.count(1)

    def setup(self):
        self.file = self.request.makefile("rb")

    def message(self):
        head = self.file.read(16)
        if len(head) < 16:
            return None
        size, number, _, operation = struct.unpack("<IIII", head)
        body, codec = self.file.read(size - 16), 0
        if operation == OP_COMPRESSED:
            operation, _, codec = struct.unpack("<IIB", body[:9])
            body = compressor(codec)[1](body[9:]) if codec else body[9:]
        return number, operation, codec, body

    def send(self, answers, operation, codec, body):
        if codec:
            body = struct.pack("<IIB", operation, len(body), codec) + \
                compressor(codec)[0](body)
            operation = OP_COMPRESSED
        number = next(self.numbers)
        self.request.sendall(struct.pack("<IIII", len(body) + 16, number,
                                         answers, operation) + body)
        return number

    def handle(self):
        try:
            self.talk()
        except OSError:
            pass  # a driver left while it was told something

    def talk(self):
        while True:
            message = self.message()
            if message is None:
                return
            number, operation, codec, body = message
            if operation == OP_QUERY:
                start = body.index(0, 4) + 9
                answer = self.answer(bson.BSON(body[start:]).decode(), {})
                self.send(number, OP_REPLY, codec,
                          struct.pack("<IqII", 8, 0, 0, 1)
                          + bson.BSON.encode(answer))
                continue
            flags, command, sequences = self.sections(body)
            answer = self.answer(command, sequences)
            if flags & MORE_TO_COME:
                continue
            while flags & EXHAUST and "topologyVersion" in command:
                number = self.send(number, OP_MSG, codec, struct.pack(
                    "<IB", MORE_TO_COME, 0) + bson.BSON.encode(answer))
                time.sleep(0.2)
            self.send(number, OP_MSG, codec,
                      struct.pack("<IB", 0, 0) + bson.BSON.encode(answer))

    @staticmethod
    def sections(body):
        flags, at, command, sequences = struct.unpack("<I", body[:4])[0], 4, \
            None, {}
        while at < len(body) - (4 if flags & 1 else 0):
            kind, size = struct.unpack("<BI", body[at:at + 5])
            part = body[at + 1:at + 1 + size]
            at += 1 + size
            if kind == 0:
                command = bson.BSON(part).decode(CodecOptions())
            else:
                end = part.index(0, 4)
                sequences[part[4:end].decode()] = bson.decode_all(
                    part[end + 1:])
        return flags, command, sequences

    def answer(self, command, sequences):
        name = next(iter(command))
        do = getattr(self, "do_" + name.lower(), None)
        if not do:
            return {"ok": 0.0, "errmsg": f"no such command: '{name}'",
                    "code": 59, "codeName": "CommandNotFound"}
        return {**do(command, sequences), "ok": 1.0}

    def do_hello(self, command, _):
        wanted = command.get("compression", [])
        return {"helloOk": True, "ismaster": True, "isWritablePrimary": True,
                "topologyVersion": TOPOLOGY, "maxBsonObjectSize": 16777216,
                "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000,
                "localTime": datetime.datetime.utcnow(),
                "logicalSessionTimeoutMinutes": 30, "connectionId": 1,
                "minWireVersion": 0, "maxWireVersion": 13, "readOnly": False,
                "compression": wanted}

    do_ismaster = do_hello

    def do_ping(self, *_):
        return {}

    do_endsessions = do_ping

    @staticmethod
    def do_insert(command, sequences):
        documents = sequences.get("documents") or command["documents"]
        broken = [d for d in documents if d["_id"] == -1]
        out = {"n": len(documents) - len(broken)}
        if broken:
            out["writeErrors"] = [{
                "index": documents.index(broken[0]), "code": 11000,
                "errmsg": "E11000 duplicate key error"}]
        return out

    @staticmethod
    def do_update(command, sequences):
        updates = sequences.get("updates") or command["updates"]
        return {"n": len(updates), "nModified": len(updates)}

    @staticmethod
    def do_delete(command, sequences):
        return {"n": len(sequences.get("deletes") or command["deletes"])}

    def cursor(self, command, name, start, count, batch):
        space = f"{command['$db']}.{command.get('collection', name)}"
        left = count - BATCH
        return {"cursor": {
            batch: [document(start + i) for i in range(min(count, BATCH))],
            "id": bson.Int64((start + BATCH) << 16 | left if left > 0 else 0),
            "ns": space}}

    def do_find(self, command, _):
        asked = command.get("filter", {})
        return self.cursor(command, command["find"], asked.get("start", 0),
                           asked.get("count", 1), "firstBatch")

    def do_getmore(self, command, _):
        number = command["getMore"]
        return self.cursor(command, command["collection"], number >> 16,
                           number & 65535, "nextBatch")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Connection) as listener:
        listener.serve_forever()
