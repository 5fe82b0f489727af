#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Much traffic of every kind against `aftertap serve --http`, bounded by
requests and not by time: calls, sessions opened, ended and left, connections
dropped in the middle of a request, calls cancelled, streams resumed.  What is
resident and how many descriptors are open must not grow with it.

usage: test_http_soak.py AFTERTAP [ROUNDS]
"""
import http.client
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

from support import Failures, workspace

ROUNDS = 40  # the first quarter warms up
TOKEN = "a-token-for-one-test-only"
ENDLESS = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
           "SELECT count(*) FROM n")
SESSIONS = 20  # those left without a word make room for new ones
GROWTH_MIB = 4  # of a heap that breathes
# Sanitizers keep what was freed in quarantine.
SANITIZED_GROWTH_MIB = 300


class Server:
    def __init__(self, binary, home):
        self.process = subprocess.Popen(
            [binary, "--home", home, "serve", "--http", "127.0.0.1:0",
             "--no-access-log", "--max-sessions", str(SESSIONS)],
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "AFTERTAP_TOKENS": "admin:" + TOKEN})
        self.port = None
        while not self.port:
            line = self.process.stderr.readline()
            if not line:
                raise SystemExit("aftertap serve --http ended")
            found = re.search(r"url=http://127\.0\.0\.1:(\d+)", line)
            self.port = found and int(found.group(1))

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.process.terminate()
        return self.process.wait(10)


class Session:
    """A legacy session on a connection of its own."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port,
                                                     timeout=60)
        self.headers = {"Authorization": "Bearer " + TOKEN,
                        "Content-Type": "application/json",
                        "Accept": "application/json, text/event-stream"}
        self.number = 0
        answer, _ = self.request("initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "soak", "version": "1"}})
        self.headers["Mcp-Session-Id"] = answer.getheader("Mcp-Session-Id")
        self.headers["MCP-Protocol-Version"] = "2025-11-25"
        self.notify("notifications/initialized")

    def post(self, message):
        self.connection.request("POST", "/mcp", json.dumps(
            {"jsonrpc": "2.0", **message}), self.headers)

    def request(self, method, params):
        self.number += 1
        self.post({"id": self.number, "method": method, "params": params})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def notify(self, method, params=None):
        self.post({"method": method, **({"params": params} if params
                                        else {})})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def call(self, tool, **arguments):
        return self.request("tools/call",
                            {"name": tool, "arguments": arguments})

    def delete(self):
        self.connection.request("DELETE", "/mcp", headers=self.headers)
        self.connection.getresponse().read()

    def close(self):
        self.connection.close()


def calls(server, failures):
    """Some clients ask and leave properly."""
    session = Session(server.port)
    for _ in range(50):
        answer, body = session.call("list_databases")
        if answer.status != 200 or b"databases" not in body:
            failures.that("a call is answered", False, body[:200])
    session.delete()
    session.close()


def leave(server, _):
    """Others leave without a word; their sessions stay for a while, so they
    are few."""
    session = Session(server.port)
    session.call("list_captures")
    session.close()
    session = Session(server.port)
    session.delete()
    session.close()


def drop(server, _):
    """Connections that end anywhere in a request, politely or by reset."""
    text = (f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: 500\r\n"
            "Content-Type: application/json\r\n\r\n{\"jsonrpc\"").encode()
    for i in range(0, len(text), 11):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(text[:i])
        if i % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
        client.close()


def cancel(server, failures):
    """A call that would never end is cancelled from another connection."""
    session, other = Session(server.port), Session(server.port)
    other.headers = session.headers
    session.number += 1
    session.post({"id": session.number, "method": "tools/call", "params": {
        "name": "query_sql", "arguments": {"sql": ENDLESS},
        "_meta": {"progressToken": "t"}}})
    time.sleep(0.01)
    status = other.notify("notifications/cancelled",
                          {"requestId": session.number})
    if status != 202:
        failures.that("a cancellation is accepted", False, status)
    other.delete()
    session.close()
    other.close()


def resume(server, failures):
    """A stream of events is left and taken up again."""
    session = Session(server.port)
    for _ in range(3):
        listener = http.client.HTTPConnection("127.0.0.1", server.port,
                                              timeout=60)
        headers = {**session.headers, "Accept": "text/event-stream"}
        listener.request("GET", "/mcp", headers=headers)
        answer = listener.getresponse()
        if answer.status not in (200, 409):
            failures.that("a stream opens", False, answer.status)
        if answer.status == 200:
            first = answer.fp.readline()
            if first.startswith(b"id:"):
                session.headers["Last-Event-ID"] = first[3:].strip().decode()
        listener.close()
    session.headers.pop("Last-Event-ID", None)
    session.delete()
    session.close()


KINDS = (calls, leave, drop, cancel, resume)


def settle(server):
    """Descriptors and memory once what was dropped is forgotten."""
    before = None
    for _ in range(100):
        now = server.descriptors()
        if now == before:
            break
        before = now
        time.sleep(0.1)
    return server.descriptors(), server.memory()


def main(binary, rounds=ROUNDS):
    failures = Failures()
    rounds = int(rounds)
    with open(binary, "rb") as file:
        sanitized = b"__asan_init" in file.read()
    with workspace() as home:
        server = Server(binary, home)
        for number in range(rounds):
            if number == rounds // 4:
                early = settle(server)
            for kind in KINDS:
                kind(server, failures)
        late = settle(server)
        growth = late[1] - early[1]
        failures.check("descriptors after all that", late[0], early[0])
        failures.that(f"memory: {early[1]:.1f} MiB, then {late[1]:.1f}",
                      growth < (SANITIZED_GROWTH_MIB if sanitized
                                else GROWTH_MIB))
        calls(server, failures)
        failures.check("it ends well", server.end(), 0)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
