#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""reflection_calls.py LOG DESCRIPTORS STEP…: calls of shop.Cart (shop.proto)
with messages that are made at random, and questions for types, each step on a
connection of its own:
  PORT:calls=N  N calls     PORT:v1=SYMBOL, PORT:v1alpha=SYMBOL  a question
Each call is a line of JSON in LOG as in grpc_messages.py, with its port."""
import json
import random
import sys

import grpc

from grpc_messages import fill, order_type


def ask(channel, version, symbol):
    """ServerReflectionRequest.file_containing_symbol"""
    question = b"\x22" + bytes([len(symbol)]) + symbol.encode()
    method = (f"/grpc.reflection.{version}.ServerReflection"
              "/ServerReflectionInfo")
    answers = list(channel.stream_stream(method)(iter([question]), timeout=20))
    assert len(answers) == 1 and len(answers[0]) > 50, answers


def calls(channel, port, count, order, dice, log):
    for number in range(count):
        name = "Watch" if number % 4 == 0 else "Add"
        request = fill(order(), dice).SerializeToString(deterministic=True)
        kind = (channel.unary_stream if name == "Watch" else
                channel.unary_unary)
        answer = kind(f"/shop.Cart/{name}")(
            request, timeout=20,
            compression=(grpc.Compression.Gzip if number % 3 else
                         grpc.Compression.NoCompression))
        got = list(answer) if name == "Watch" else [answer]
        log.write(json.dumps({"method": "shop.Cart/" + name, "port": port,
                              "request": [request.hex()],
                              "response": [m.hex() for m in got]}) + "\n")


def main(path, descriptors, *steps):
    order, dice = order_type(descriptors), random.Random(3)
    with open(path, "w", encoding="utf-8") as log:
        for number, step in enumerate(steps):
            port, what = step.split(":")
            what, value = what.split("=")
            # Channels of the same options share their connection.
            with grpc.insecure_channel(f"127.0.0.1:{port}", (
                    ("grpc.use_local_subchannel_pool", 1),
                    ("step", number))) as channel:
                if what == "calls":
                    calls(channel, int(port), int(value), order, dice, log)
                else:
                    ask(channel, what, value)


if __name__ == "__main__":
    main(*sys.argv[1:])
