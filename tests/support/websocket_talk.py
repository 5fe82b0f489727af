#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""WebSocket between the client and the server of python3-websockets.

usage: websocket_talk.py PORT LOG [CERTIFICATE KEY KEYLOG]

Each path, which has a server of its own, agrees upon other things.  LOG gets one JSON object for
every message that a side understood: who sent it, its kind, the SHA-256 of
what was in it, and the code when it closed.
"""
import asyncio
import hashlib
import json
import random
import ssl
import sys

import websockets
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory)

TEXT = ('{"type":"update","item":%d,"name":"café %d","tags":["a","b"],'
        '"note":"%s"}')
KINDS = {
    "/plain": None,
    "/takeover": {},
    "/forgetting": {"server_no_context_takeover": True,
                    "client_no_context_takeover": True},
    "/server-forgets": {"server_no_context_takeover": True},
    "/small": {"server_max_window_bits": 9, "client_max_window_bits": 9},
}
CLOSES = [(1000, ""), (1000, "done"), (1001, "leaving"), (1011, "it broke"),
          (4321, "mine"), (1008, "no")]


class Talk:
    def __init__(self, log):
        self.log = log

    def note(self, path, sender, method, data, code=None):
        data = data.encode() if isinstance(data, str) else bytes(data)
        self.log.write(json.dumps({
            "path": path, "sender": sender, "method": method, "code": code,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest()}) + "\n")

    def understood(self, path, sender, message):
        method = "text" if isinstance(message, str) else "binary"
        self.note(path, sender, method, message)

    async def ping(self, socket, path, sender, data):
        await (await socket.ping(data))
        other = "server" if sender == "client" else "client"
        self.note(path, sender, "ping", data)
        self.note(path, other, "pong", data)

    async def serve(self, socket, path=None):
        path = path or socket.path
        number = 0
        try:
            async for message in socket:
                self.understood(path, "client", message)
                number += 1
                if number % 7 == 0:
                    await self.ping(socket, path, "server", b"s%d" % number)
                await socket.send(answer(message, number))
        except websockets.ConnectionClosedError:
            pass  # a code that is no success
        self.note(path, "client", "close", socket.close_reason,
                  socket.close_code)


def answer(message, number):
    """Something else than what was asked, of the same kind; every third in
    fragments."""
    said = message[: len(message) // 2] + message[-20:]
    if not isinstance(said, str):
        said = said[::-1]
    if number % 3 or len(said) < 3:
        return said
    third = len(said) // 3
    return [said[:third], said[third:2 * third], said[2 * third:]]


def messages(seed):
    chance = random.Random(seed)
    for number in range(24):
        size = chance.choice([0, 1, 20, 125, 126, 400, 4000, 65535, 90000])
        if number % 4 == 3:
            yield chance.randbytes(size)
        else:
            filler = "".join(chance.choice("abcdefgh ") for _ in range(size))
            yield TEXT % (number, seed, filler)


async def talk(all_, url, path, seed, code, reason, secure):
    offer = KINDS[path]
    extensions = None if offer is None else [ClientPerMessageDeflateFactory(
        client_max_window_bits=offer.get("client_max_window_bits", True))]
    async with websockets.connect(
            url + path, compression=None, extensions=extensions,
            ping_interval=None, ssl=secure, max_size=None) as socket:
        for number, message in enumerate(messages(seed)):
            if number % 5 == 2:
                await all_.ping(socket, path, "client", b"c%d" % number)
            await socket.send(message)
            all_.understood(path, "server", await socket.recv())
        await socket.close(code, reason)
        all_.note(path, "server", "close", socket.close_reason,
                  socket.close_code)


async def main(port, log, *tls):
    secure = [None, None]
    if tls:
        secure[0] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure[0].load_cert_chain(tls[0], tls[1])
        secure[1] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        secure[1].check_hostname = False
        secure[1].verify_mode = ssl.CERT_NONE
        secure[1].keylog_filename = tls[2]
    url = ("wss" if tls else "ws") + "://127.0.0.1:" + port
    with open(log, "w", encoding="utf-8") as file:
        all_ = Talk(file)
        for path, offer in KINDS.items():
            extensions = None if offer is None else [
                ServerPerMessageDeflateFactory(**offer)]
            server = await websockets.serve(
                all_.serve, "127.0.0.1", int(port), compression=None,
                extensions=extensions, ping_interval=None, ssl=secure[0],
                max_size=None)
            for seed, (code, reason) in enumerate(CLOSES):
                await talk(all_, url, path, seed, code, reason, secure[1])
            server.close()
            await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
