#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""aftertap serve over its real standard input and output: nothing but protocol
comes out, nothing blocks anything else, and nothing is left when the client
goes.  With a second program (tests/support/mcp_test_server.c) also what only
tools made for that purpose do: print, not listen, answer with megabytes.

usage: test_stdio.py AFTERTAP [MCP_TEST_SERVER]
"""
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
import tty

import support
import traffic

AFTERTAP = os.path.abspath(sys.argv[1])
FAKE = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
PATIENCE = 60       # seconds until a hanging server is killed
SOON = 5            # seconds in which a server must be gone; it needs 0.02
MESSAGE_LIMIT = 4 << 20
CALLS = 10_000
ENDLESS = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
           " SELECT max(x) FROM c")

check = support.Failures()


def request(number, method, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method,
            "params": params}


def call(number, tool, **arguments):
    return request(number, "tools/call", name=tool, arguments=arguments)


def cancel(number):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": number}}


INITIALIZE = request(
    "init", "initialize", protocolVersion="2025-11-25", capabilities={},
    clientInfo={"name": "test", "version": "1"})
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def lines(*messages):
    return b"".join(json.dumps(m).encode() + b"\n" for m in messages)


def is_protocol(line):
    """Whether a line of output is one message and nothing else."""
    try:
        message = json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n") and isinstance(message, dict) \
        and message.get("jsonrpc") == "2.0"


class Server:
    """A running server; killed when it hangs, so that no test does."""

    def __init__(self, command, shake=True):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.watchdog = threading.Timer(PATIENCE, self.process.kill)
        self.watchdog.start()
        if shake:
            self.send(INITIALIZE, INITIALIZED)
            self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, *messages):
        self.write(lines(*messages))

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the server ended, or was killed for hanging")
        return json.loads(line)

    def ask(self, message):
        self.send(message)
        return self.read()

    def structured(self, message):
        return self.ask(message)["result"]["structuredContent"]

    def leave(self):
        """Closes the server's input; exit status and seconds it took."""
        start = time.monotonic()
        self.process.stdin.close()
        status = self.process.wait()
        return status, time.monotonic() - start


def gone(what, status, seconds):
    check.check(f"{what}: exit status", status, 0)
    check.that(f"{what}: gone soon", seconds < SOON,
               f"after {seconds * 1000:.0f} ms")


def jobs(home):
    """Dissections of this home that run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"aftertap-dissect") and \
                f"--home={home}".encode() in words:
            found.append(int(pid))
    return found


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_piped_requests(serve):
    """printf … | aftertap serve: what is quick is answered, however busy the
    machine is."""
    wanted = lines(INITIALIZE, INITIALIZED, request(1, "tools/list"),
                   request(2, "resources/list"), call(3, "list_databases"))
    wanted += b'{"jsonrpc":"2.0","id":4,"method":"ping"}'
    done = subprocess.run(serve, timeout=PATIENCE, capture_output=True,
                          input=wanted)
    output = done.stdout.splitlines(keepends=True)
    answered = {json.loads(line)["id"] for line in output}
    check.check("piped: exit status", done.returncode, 0)
    check.that("piped: nothing but protocol", all(map(is_protocol, output)))
    check.check("piped: answers", answered, {1, 2, 3, 4, "init"})


def test_hostile_input(serve):
    with Server(serve) as server:
        for piece in lines(request(1, "ping")):
            server.write(bytes([piece]))
        check.check("byte by byte", server.read()["result"], {})
        server.write(b'{"jsonrpc":"2.0","id":2,"method":"ping"}\r\n')
        check.check("carriage return", server.read()["id"], 2)
        server.write(b"x" * (3 * MESSAGE_LIMIT) + b"\n")
        refusal = server.read()
        check.check("oversized line", refusal["error"]["code"], -32600)
        check.that("oversized line: no id", "id" not in refusal)
        for what, data in (("invalid UTF-8", b'{"a":"\xff\xfe"}\n'),
                           ("NUL", b'{"a":\0}\n'), ("no JSON", b"hello\n"),
                           ("a bracket too many", b"[" * 100 + b"\n")):
            server.write(data)
            check.check(what, server.read()["error"]["code"], -32700)
        server.write(b"\n\r\n \t\n")
        check.check("still there", server.ask(request(9, "ping"))["id"], 9)
        server.write(b'{"jsonrpc":"2.0","id":10,')
        gone("half a line", *server.leave())


def test_many_calls(serve):
    """All are sent without waiting for any answer."""
    ids = range(1, CALLS + 1)
    with Server(serve) as server:
        writer = threading.Thread(target=server.send, args=[
            call(number, "list_captures") for number in ids])
        writer.start()
        answers = [server.read() for _ in ids]
        writer.join()
        check.check("pipelined: answered",
                    sorted(answer["id"] for answer in answers), list(ids))
        check.check("pipelined: failed",
                    [a for a in answers
                     if a.get("result", {"isError": 1}).get("isError")], [])
        gone("pipelined", *server.leave())


def test_slow_query(serve, db):
    with Server(serve) as server:
        server.send(*(call(f"slow-{i}", "query_sql", db=db, sql=ENDLESS)
                      for i in range(3)))
        check.check("beside slow queries: ping",
                    server.ask(request(1, "ping"))["id"], 1)
        count = server.ask(call(2, "query_sql", db=db,
                                sql="SELECT count(*) FROM api_calls"))
        check.check("beside slow queries: a quick one", count["id"], 2)
        server.send(*(cancel(f"slow-{i}") for i in range(3)))
        check.check("cancelled: no answer",
                    [server.ask(call(i, "list_databases"))["id"]
                     for i in range(3, 20)], list(range(3, 20)))
        server.send(call("last", "query_sql", db=db, sql=ENDLESS))
        server.ask(request(20, "ping"))
        gone("end of input during a query", *server.leave())


def test_signals(serve, db):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with Server(serve) as server:
            server.send(call("last", "query_sql", db=db, sql=ENDLESS))
            server.ask(request(1, "ping"))
            start = time.monotonic()
            server.process.send_signal(number)
            gone(number.name, server.process.wait(),
                 time.monotonic() - start)


def test_vanished_reader(serve):
    with Server(serve) as server:
        server.process.stdout.close()
        server.send(request(1, "ping"))
        start = time.monotonic()
        gone("nobody reads", server.process.wait(),
             time.monotonic() - start)


def test_odd_descriptors(serve, directory):
    for what, words in (("no input", "<&-"), ("/dev/null", "</dev/null"),
                        ("no error output", "2>&- </dev/null"),
                        ("a closed output", ">&- </dev/null")):
        done = subprocess.run(["sh", "-c", f'exec "$@" {words}', "sh",
                               *serve], timeout=PATIENCE, capture_output=True)
        expected = 1 if what == "a closed output" else 0
        check.check(f"{what}: exit status", done.returncode, expected)
        check.check(f"{what}: output", done.stdout, b"")
    path = os.path.join(directory, "requests")
    with open(path, "wb") as file:
        file.write(lines(INITIALIZE, INITIALIZED, request(1, "ping")))
    with open(path, "rb") as source, open(path + ".out", "wb") as target:
        subprocess.run(serve, stdin=source, stdout=target, timeout=PATIENCE)
    with open(path + ".out", "rb") as file:
        check.check("files: answers",
                    [json.loads(line)["id"] for line in file], ["init", 1])


def converse(what, descriptor):
    """A ping over something that is no pipe."""
    os.write(descriptor, lines(INITIALIZE, INITIALIZED, request(1, "ping")))
    text = b""
    while text.count(b"\n") < 2:
        text += os.read(descriptor, 65536)
    check.check(f"{what}: answers",
                [json.loads(line)["id"] for line in text.splitlines()],
                ["init", 1])


def test_sockets_and_terminals(serve):
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        peer = listener.accept()[0]
    for what, mine, yours in (("socket pair", ours, theirs),
                              ("TCP", client, peer)):
        with mine, subprocess.Popen(serve, stdin=yours, stdout=yours,
                                    stderr=subprocess.DEVNULL) as process:
            yours.close()
            converse(what, mine.fileno())
            mine.shutdown(socket.SHUT_WR)
            check.check(f"{what}: exit status", process.wait(PATIENCE), 0)
    master, slave = pty.openpty()
    tty.setraw(slave)
    with subprocess.Popen(serve, stdin=slave, stdout=slave,
                          stderr=subprocess.DEVNULL) as process:
        os.close(slave)
        converse("terminal", master)
        os.close(master)
        check.check("terminal: exit status", process.wait(PATIENCE), 0)


def start_job(server, name):
    """A dissection that takes minutes, at one percent of a processor."""
    server.structured(call("job", "start_snapshot_dissection", snapshot="s",
                           name=name, cpu_percent=1))


def test_jobs(serve, home):
    with Server(serve) as server:
        start_job(server, "left")
        check.that("a job runs", until(lambda: jobs(home)))
        gone("with a job", *server.leave())
        check.that("the job ends with the server",
                   until(lambda: not jobs(home)), jobs(home))
    with Server(serve) as server:
        start_job(server, "orphan")
        check.that("another job runs", until(lambda: jobs(home)))
        server.process.kill()
        server.process.wait()
        check.that("the job ends with a killed server",
                   until(lambda: not jobs(home)), jobs(home))
    with Server(serve + ["--jobs-outlive"]) as server:
        start_job(server, "kept")
        gone("with a job that outlives", *server.leave())
        time.sleep(0.5)
        check.that("a job may outlive the server", jobs(home))
    with Server(serve) as server:
        server.ask(call(1, "stop_snapshot_dissection", snapshot="s",
                        name="kept"))
        check.that("and be stopped by the next one",
                   until(lambda: not jobs(home)), jobs(home))


def test_noise(fake):
    process = subprocess.Popen([fake], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(lines(INITIALIZE, INITIALIZED, call(1, "noise"),
                              request(2, "ping")))
    process.stdin.flush()
    output = [process.stdout.readline() for _ in range(3)]
    rest, errors = process.communicate(timeout=PATIENCE)
    check.that("a tool that prints: nothing but protocol",
               all(map(is_protocol, output)) and rest == b"", output)
    check.that("a tool that prints: to standard error",
               b"a library prints" in errors and b"raw" in errors)


def test_tools_that_do_not_end(fake):
    for tool in ("deaf", "slow", "poll"):
        with Server([fake]) as server:
            server.send(*(call(i, tool, ms=600_000) for i in range(40)))
            check.check(f"beside 40 × {tool}: ping",
                        server.ask(request("p", "ping"))["id"], "p")
            gone(f"40 × {tool}", *server.leave())


def test_progress(fake):
    """Four calls report at once; each token's values rise, and stop with the
    answer."""
    tokens, last, late = ["a", "b", "c", "d"], {}, []
    with Server([fake]) as server:
        for token in tokens:
            message = call(token, "steps", count=5)
            message["params"]["_meta"] = {"progressToken": token}
            server.send(message)
        answered = set()
        while len(answered) < len(tokens):
            message = server.read()
            if "id" in message:
                answered.add(message["id"])
                continue
            params = message["params"]
            token, value = params["progressToken"], params["progress"]
            if token in answered or value <= last.get(token, 0):
                late.append(message)
            last[token] = value
        check.check("progress: last values", last, dict.fromkeys(tokens, 5))
        check.check("progress: late or falling", late, [])
        gone("progress", *server.leave())


def test_large_answers(fake, directory):
    size, count = 7_000_000, 6
    wanted = lines(INITIALIZE, INITIALIZED,
                   *(call(i, "big", bytes=size) for i in range(count)))
    with Server([fake]) as server:
        server.send(*(call(i, "big", bytes=size) for i in range(count)))
        time.sleep(0.5)
        sizes = [len(server.read()["result"]["content"][0]["text"])
                 for _ in range(count)]
        check.check("a slow reader gets all", sizes, [size] * count)
        gone("a slow reader", *server.leave())
    path = os.path.join(directory, "large")
    with open(path, "wb") as target:
        process = subprocess.Popen([fake], stdin=subprocess.PIPE,
                                   stdout=target)
        process.stdin.write(wanted)
        process.stdin.flush()
        check.that("large answers to a file",
                   until(lambda: os.path.getsize(path) > size * count))
        process.stdin.write(lines(request("after", "ping")))
        process.stdin.flush()
        check.that("and it goes on",
                   until(lambda: open(path, "rb").read().count(b"\n")
                         == count + 2))
        process.stdin.close()
        check.check("large answers to a file: exit status",
                    process.wait(PATIENCE), 0)


def main():
    with support.workspace() as directory:
        home = os.path.join(directory, "home")
        aftertap = support.Aftertap(AFTERTAP, home)
        pcap = os.path.join(directory, "traffic.pcap")
        traffic.write_pcap(pcap, traffic.http_packets(40, 500))
        db = aftertap.dissected(pcap, "s")
        serve = [AFTERTAP, "--home", home, "serve"]
        test_piped_requests(serve)
        test_hostile_input(serve)
        test_many_calls(serve)
        test_slow_query(serve, db)
        test_signals(serve, db)
        test_vanished_reader(serve)
        test_odd_descriptors(serve, directory)
        test_sockets_and_terminals(serve)
        test_jobs(serve, home)
        if FAKE:
            test_noise(FAKE)
            test_tools_that_do_not_end(FAKE)
            test_progress(FAKE)
            test_large_answers(FAKE, directory)
    check.exit()


main()
