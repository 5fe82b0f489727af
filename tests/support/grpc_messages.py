#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""grpc_messages.py PORT LOG DESCRIPTORS: calls of shop.Cart (shop.proto) with
messages that are made at random; each message is a line of JSON in LOG: the
method, the side, its number in the call, its bytes (hex)."""
import concurrent.futures
import json
import random
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

STREAM = 4


def order_type(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(
        pool.FindMessageTypeByName("shop.Order"))


def fill(order, dice, depth=0):
    """Values of every field, and of every size of varint."""
    word = lambda: "".join(dice.choice("abc xyz\u00e4\u20ac\n\"\\")
                           for _ in range(dice.randrange(20)))
    integer = lambda bits: dice.randrange(
        -(1 << dice.randrange(bits)), 1 << dice.randrange(bits))
    order.who = word()
    order.balance, order.change = integer(63), integer(31)
    order.price, order.weight = dice.uniform(-1e9, 1e9), dice.random()
    for _ in range(dice.randrange(3)):
        item = order.items.add(name=word(), count=integer(31),
                               size=dice.choice((0, 2, 7)))
        item.marks.extend(integer(31) for _ in range(dice.randrange(5)))
    order.token = dice.randbytes(dice.randrange(40))
    order.paid = dice.random() < 0.5
    order.a, order.b = abs(integer(31)), integer(63)
    for _ in range(dice.randrange(3)):
        order.stock[word()] = abs(integer(31))
    order.deltas.extend(integer(63) for _ in range(dice.randrange(4)))
    order.size = dice.choice((0, 2, 9))
    order.tags.extend(word() for _ in range(dice.randrange(3)))
    order.big, order.c = abs(integer(63)) * 2, integer(31)
    order.d = abs(integer(63))
    order.readings.extend(dice.uniform(-1, 1)
                          for _ in range(dice.randrange(3)))
    order.late = word()
    if depth < 3 and dice.random() < 0.6:
        fill(order.before, dice, depth + 1)
    return order


def main(port, path, descriptors):
    order = order_type(descriptors)
    served = random.Random(2)
    raw = {}

    def add(request, _):
        return fill(order(), served).SerializeToString(deterministic=True)

    def watch(request, _):
        for _ in range(STREAM):
            yield fill(order(), served).SerializeToString(deterministic=True)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1),
                         compression=grpc.Compression.Gzip)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "shop.Cart", {"Add": grpc.unary_unary_rpc_method_handler(add),
                      "Watch": grpc.unary_stream_rpc_method_handler(watch)}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    dice = random.Random(1)
    with open(path, "w") as log, \
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for number in range(60):
            name = "Watch" if number % 4 == 0 else "Add"
            request = fill(order(), dice).SerializeToString(deterministic=True)
            kind = (channel.unary_stream if name == "Watch" else
                    channel.unary_unary)
            answer = kind(f"/shop.Cart/{name}")(request, timeout=20)
            got = list(answer) if name == "Watch" else [answer]
            log.write(json.dumps({"method": "shop.Cart/" + name,
                                  "request": [request.hex()],
                                  "response": [m.hex() for m in got]}) + "\n")
    server.stop(1).wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
