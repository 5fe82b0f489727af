#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls of tools over stdio and HTTP: aftertap, the same core with a tool that
does nothing, a Node server without SDK, and the official TypeScript SDK, all
in one interleaved run; medians of the rounds.

usage: bench_mcp.py AFTERTAP [--echo PROGRAM] [--packages DIR] [--rounds N]
                    [--calls N] [--seconds N] [--memory]

--echo      mcp_test_server of the same build
--packages  a directory with node_modules of @modelcontextprotocol/sdk
--memory    only a million calls and 10,000 sessions, the memory after each
            and the descriptors left open
"""
import argparse
import http.client
import json
import os
import re
import select
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "mcp")
TICK = os.sysconf("SC_CLK_TCK")
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {},
              "clientInfo": {"name": "bench", "version": "1"}}
WINDOW = 256  # calls under way
SESSIONS = 10_000
MILLION = 1_000_000


def message(method, params, number=1):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method,
                       "params": params}) + "\n"


class Server:
    """A process that is measured."""

    def __init__(self, command, transport):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if transport == "http" else subprocess.DEVNULL)

    def cpu(self):
        """User and system seconds so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            words = file.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICK

    def memory(self):
        """Resident MiB."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.process.terminate()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Stdio(Server):
    def __init__(self, command):
        super().__init__(command, "stdio")
        os.set_blocking(self.process.stdout.fileno(), False)
        self.exchange([message("initialize", INITIALIZE)])
        self.process.stdin.write(
            b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        self.process.stdin.flush()

    def exchange(self, lines):
        """Sends all, never more than WINDOW ahead of the answers."""
        out, back = self.process.stdin.fileno(), self.process.stdout.fileno()
        sent = answered = 0
        step = WINDOW // 4
        while answered < len(lines):
            while sent < len(lines) and sent - answered <= WINDOW - step:
                block = lines[sent:sent + step]
                os.write(out, "".join(block).encode())
                sent += len(block)
            select.select([back], [], [])
            chunk = os.read(back, 1 << 20)
            if not chunk:
                raise SystemExit("the server ended")
            answered += chunk.count(b"\n")

    def calls(self, tool, arguments, count):
        """(calls a second, CPU microseconds a call)."""
        params = {"name": tool, "arguments": arguments}
        lines = [message("tools/call", params, n) for n in range(count)]
        cpu, start = self.cpu(), time.monotonic()
        self.exchange(lines)
        wall = time.monotonic() - start
        return count / wall, (self.cpu() - cpu) / count * 1e6


class Http(Server):
    def __init__(self, command):
        super().__init__(command, "http")
        self.url = None
        while not self.url:
            line = self.process.stderr.readline().decode()
            if not line:
                raise SystemExit(f"{command} ended")
            self.url = re.search(r"url=(http://\S+)", line)
        self.url = self.url.group(1)
        self.session = self.open_session()

    def post(self, body, **headers):
        connection = http.client.HTTPConnection(self.url.split("//")[1])
        connection.request("POST", "/mcp", body, {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream", **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def open_session(self):
        answer = self.post(message("initialize", INITIALIZE))
        session = answer.getheader("Mcp-Session-Id")
        if session:
            self.post(json.dumps({"jsonrpc": "2.0",
                                  "method": "notifications/initialized"}),
                      **{"Mcp-Session-Id": session})
        return session or "-"

    def wrk(self, connections, seconds, tool, arguments):
        """(requests, a second, p50 ms, p99 ms, CPU microseconds each)."""
        cpu = self.cpu()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
             os.path.join(SCRIPTS, "calls.lua"), self.url + "/mcp", "--",
             self.session, "-", tool, arguments],
            capture_output=True, text=True, check=True).stdout
        cpu = self.cpu() - cpu
        requests, micros, p50, p99, wrong = map(int, re.search(
            r"result (\d+) (\d+) (\d+) (\d+) (\d+)", done).groups())
        if wrong:
            raise SystemExit(f"{wrong} of {requests} requests failed: {done}")
        return (requests, requests / micros * 1e6, p50 / 1e3, p99 / 1e3,
                cpu / requests * 1e6)


def contenders(options, home, transport):
    """(name, command, tool, arguments)."""
    serve = [options.aftertap, "--home", home, "serve"]
    if transport == "http":
        serve += ["--http", "127.0.0.1:0", "--no-access-log"]
    listed = [("aftertap, list_databases", serve, "list_databases", {})]
    echo = {"text": "hi"}
    if options.echo:
        address = ["127.0.0.1:0"] if transport == "http" else []
        listed.append(("aftertap's core, echo", [options.echo, *address],
                       "echo", echo))
    if shutil.which("node"):
        listed.append(("Node without SDK", ["node", os.path.join(
            SCRIPTS, "floor.mjs"), transport], "echo", echo))
    if options.packages:
        script = os.path.join(options.packages, "sdk.mjs")
        shutil.copy(os.path.join(SCRIPTS, "sdk.mjs"), script)
        listed.append(("TypeScript SDK v1", ["node", script, transport],
                       "echo", echo))
    return listed


def bench_stdio(options, home):
    rows = {}
    for _ in range(options.rounds):
        for name, command, tool, arguments in contenders(options, home,
                                                         "stdio"):
            server = Stdio(command)
            idle = server.memory()
            server.calls(tool, arguments, 2000)
            rate, cpu = server.calls(tool, arguments, options.calls)
            rows.setdefault(name, []).append(
                (rate, cpu, idle, server.memory()))
            server.end()
    table("stdio, %d calls, %d at once" % (options.calls, WINDOW),
          ("calls/s", "CPU µs/call", "idle MiB", "after MiB"), rows)


def bench_http(options, home):
    rows = {}
    for _ in range(options.rounds):
        for name, command, tool, arguments in contenders(options, home,
                                                         "http"):
            server = Http(command)
            idle = server.memory()
            arguments = json.dumps(arguments)
            server.wrk(8, 1, tool, arguments)
            row = ()
            for connections in (8, 32):
                _, rate, _, p99, cpu = server.wrk(
                    connections, options.seconds, tool, arguments)
                row += (rate, p99, cpu)
            rows.setdefault(name, []).append((*row, idle, server.memory()))
            server.end()
    table("HTTP, wrk -t1 -d%ds" % options.seconds,
          ("c8 calls/s", "p99 ms", "CPU µs", "c32 calls/s", "p99 ms",
           "CPU µs", "idle MiB", "after MiB"), rows)


def bench_memory(options, home):
    """What is resident after a million calls, and 10,000 sessions on top."""
    rows = {}
    for name, command, tool, arguments in contenders(options, home, "http"):
        if not name.startswith("aftertap"):
            continue
        server = Http(command)
        idle, calls = server.memory(), 0
        descriptors = server.descriptors()
        while calls < MILLION:
            calls += server.wrk(32, 10, tool, json.dumps(arguments))[0]
        after_calls = server.memory()
        for _ in range(SESSIONS):
            server.open_session()
        sessions = server.memory()
        deadline = time.monotonic() + 20
        while server.descriptors() > descriptors and \
                time.monotonic() < deadline:
            time.sleep(0.1)
        rows[name] = [(calls, idle, after_calls, sessions,
                       server.descriptors() - descriptors)]
        server.end()
    table("memory over HTTP", ("calls", "idle MiB", "after calls MiB",
                               f"after {SESSIONS} sessions MiB",
                               "descriptors left"), rows)


def table(title, columns, rows):
    print(f"\n{title}; medians of {len(next(iter(rows.values())))}\n")
    print("| | " + " | ".join(columns) + " |")
    print("|-" * (len(columns) + 1) + "|")
    for name, results in rows.items():
        medians = [statistics.median(values) for values in zip(*results)]
        print(f"| {name} | " + " | ".join(
            f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
            for value in medians) + " |", flush=True)


def has_http(binary):
    tried = subprocess.run([binary, "serve", "--http", "nonsense"],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, check=False)
    return "not understood" not in tried.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("aftertap")
    parser.add_argument("--echo")
    parser.add_argument("--packages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        http_too = has_http(options.aftertap) and shutil.which("wrk")
        if not http_too:
            print("HTTP not measured: no wrk, or a program without it")
        if options.memory and http_too:
            bench_memory(options, home)
        if options.memory:
            return
        bench_stdio(options, home)
        if http_too:
            bench_http(options, home)


if __name__ == "__main__":
    main()
