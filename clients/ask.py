#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The smallest MCP client: calls one tool and prints its text.

It starts `aftertap serve` and speaks with it on standard input and output, or
uses a running `aftertap serve --http` with the token of $AFTERTAP_TOKEN.

usage: ask.py [--server "aftertap serve …" | --url URL] TOOL [key=value …]
"""
import http.client
import json
import os
import shlex
import subprocess
import sys
import urllib.parse

REVISION = "2025-11-25"


class Client:
    """One MCP session; how messages travel is for those below to say."""

    def __init__(self):
        self.next_id = 0
        self.request("initialize", {
            "protocolVersion": REVISION, "capabilities": {},
            "clientInfo": {"name": "ask.py", "version": "1"}})
        self.notify("notifications/initialized")

    def exchange(self, message):
        """Sends one message; gives those that come back."""
        raise NotImplementedError

    def notify(self, method):
        for _ in self.exchange({"jsonrpc": "2.0", "method": method}):
            pass

    def request(self, method, params):
        self.next_id += 1
        for reply in self.exchange({"jsonrpc": "2.0", "id": self.next_id,
                                    "method": method, "params": params}):
            if reply.get("id") != self.next_id:
                continue  # a log message, progress
            if "error" in reply:
                raise SystemExit("error: " + reply["error"]["message"])
            return reply["result"]
        raise SystemExit("the server gave no answer")

    def call(self, tool, **arguments):
        return self.request("tools/call",
                            {"name": tool, "arguments": arguments})


class StdioClient(Client):
    """Over a child's standard input and output, a message a line."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        super().__init__()

    def exchange(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        if "id" in message:
            yield from map(json.loads, self.process.stdout)

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


class HttpClient(Client):
    """Over Streamable HTTP: a POST a message; the answer is one JSON text or a
    stream of events."""

    def __init__(self, url, token=None):
        self.url = urllib.parse.urlsplit(url)
        kind = (http.client.HTTPSConnection if self.url.scheme == "https"
                else http.client.HTTPConnection)
        self.connection = kind(self.url.netloc, timeout=60)
        self.headers = {"Content-Type": "application/json",
                        "Accept": "application/json, text/event-stream"}
        if token:
            self.headers["Authorization"] = "Bearer " + token
        super().__init__()
        self.headers["MCP-Protocol-Version"] = REVISION

    def send(self, method, body=None):
        target = urllib.parse.urlunsplit(
            ("", "", self.url.path or "/", self.url.query, ""))
        self.connection.request(method, target, body, self.headers)
        answer = self.connection.getresponse()
        session = answer.getheader("Mcp-Session-Id")
        if session:
            self.headers["Mcp-Session-Id"] = session
        return answer

    def exchange(self, message):
        answer = self.send("POST", json.dumps(message).encode())
        if answer.status >= 400:
            raise SystemExit(f"HTTP {answer.status}: "
                             f"{answer.read().decode(errors='replace')}")
        if "text/event-stream" in answer.getheader("Content-Type", ""):
            yield from events(answer)
        body = answer.read()
        if body.strip():
            yield json.loads(body)

    def close(self):
        self.send("DELETE").read()
        self.connection.close()
        return 0


def events(stream):
    """The messages of a text/event-stream."""
    data = []
    for line in stream:
        line = line.decode().rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text, data = "\n".join(data), []
            if text:
                yield json.loads(text)


def connect(argv):
    """(client, words that are left) of a command line."""
    if argv[:1] == ["--url"]:
        return (HttpClient(argv[1], os.environ.get("AFTERTAP_TOKEN")),
                argv[2:])
    if argv[:1] == ["--server"]:
        return StdioClient(shlex.split(argv[1])), argv[2:]
    return StdioClient(["aftertap", "serve"]), argv


def parse_value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def main(argv):
    if len(argv) in (0, 2) and argv[:1] in ([], ["--url"], ["--server"]):
        raise SystemExit(__doc__)
    client, words = connect(argv)
    arguments = dict(word.split("=", 1) for word in words[1:])
    result = client.call(words[0], **{key: parse_value(value)
                                      for key, value in arguments.items()})
    for block in result["content"]:
        print(block.get("text", block))
    client.close()
    sys.exit(1 if result.get("isError") else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
