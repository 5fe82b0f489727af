#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""grpc_calls.py PORT LOG: a gRPC server and a client of it, with messages that
are bytes; each call is a line of JSON in LOG as the client knows it."""
import concurrent.futures
import hashlib
import json
import sys

import grpc

METHODS = ("Echo", "Fail", "Slow", "Count", "Sum", "Chat")


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        name = details.method.split("/")[-1]
        kind = {"Count": grpc.unary_stream_rpc_method_handler,
                "Sum": grpc.stream_unary_rpc_method_handler,
                "Chat": grpc.stream_stream_rpc_method_handler}.get(
                    name, grpc.unary_unary_rpc_method_handler)
        return kind(getattr(self, name)) if name in METHODS else None

    @staticmethod
    def Echo(request, _):
        return request

    @staticmethod
    def Fail(request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing: ä %d" %
                      len(request))

    @staticmethod
    def Slow(request, context):
        import time
        while context.is_active():  # until its deadline has passed
            time.sleep(0.05)
        return request

    @staticmethod
    def Count(request, _):
        for number in range(5):
            yield request + b"%d" % number

    @staticmethod
    def Sum(requests, _):
        return b"".join(requests)

    @staticmethod
    def Chat(requests, _):
        for request in requests:
            yield request * 2


def frames(messages):
    return b"".join(b"\0" + len(m).to_bytes(4, "big") + m for m in messages)


def call(channel, name, number, log):
    method = f"/test.Things/{name}"
    body = b"%s %d " % (name.encode(), number) * (1 + number % 300)
    stream = name in ("Sum", "Chat")
    sent = [body, b"x", body] if stream else [body]
    got, status, text = [], 0, ""
    kind = {"Count": channel.unary_stream, "Sum": channel.stream_unary,
            "Chat": channel.stream_stream}.get(name, channel.unary_unary)
    compression = (grpc.Compression.Gzip if number % 3 == 0
                   else grpc.Compression.NoCompression)
    try:
        answer = kind(method)(iter(sent) if stream else sent[0],
                              timeout=2 if name == "Slow" else 60,
                              compression=compression)
        got = list(answer) if name in ("Count", "Chat") else [answer]
    except grpc.RpcError as error:
        status, text = error.code().value[0], error.details()
    log.write(json.dumps({
        "method": method[1:], "status": status, "error": text,
        "request": hashlib.sha256(frames(sent)).hexdigest(),
        "response": hashlib.sha256(frames(got)).hexdigest(),
    }) + "\n")


def main(port, path):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16),
                         handlers=(Handler(),),
                         compression=grpc.Compression.Gzip)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    with open(path, "w") as log, \
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for number in range(40):
            for name in ("Echo", "Fail", "Count", "Sum", "Chat", "Missing"):
                call(channel, name, number, log)
        call(channel, "Slow", 1, log)
    server.stop(1).wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
