#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The smallest MCP client: starts `aftertap serve`, calls one tool, prints text.

usage: ask.py [--server "aftertap serve …"] TOOL [key=value …]
"""
import json
import shlex
import subprocess
import sys


class Client:
    """One MCP session over a child's stdin and stdout."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.next_id = 0
        self.request("initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "ask.py", "version": "1"}})
        self.send({"method": "notifications/initialized"})

    def send(self, message):
        message["jsonrpc"] = "2.0"
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def request(self, method, params):
        self.next_id += 1
        self.send({"id": self.next_id, "method": method, "params": params})
        for line in self.process.stdout:
            reply = json.loads(line)
            if reply.get("id") == self.next_id:
                if "error" in reply:
                    raise SystemExit("error: " + reply["error"]["message"])
                return reply["result"]
        raise SystemExit("the server ended")

    def call(self, tool, arguments):
        return self.request("tools/call",
                            {"name": tool, "arguments": arguments})


def parse_value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def main(argv):
    command = ["aftertap", "serve"]
    if argv[:1] == ["--server"]:
        command, argv = shlex.split(argv[1]), argv[2:]
    if not argv:
        raise SystemExit(__doc__)
    arguments = dict(word.split("=", 1) for word in argv[1:])
    client = Client(command)
    result = client.call(argv[0], {k: parse_value(v)
                                   for k, v in arguments.items()})
    for block in result["content"]:
        print(block.get("text", block))
    sys.exit(1 if result.get("isError") else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
