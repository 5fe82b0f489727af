#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis-benchmark and a client of its own against redis-server, recorded with
tcpdump: every command is counted as the server's own INFO commandstats counts
it, errors as well; answers carry the value that their request asked for, also
with packets lost, swapped and doubled, and from the middle.

usage: test_redis_truth.py AFTERTAP
"""
import collections
import os
import socket
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, wait_for, workspace)

PORT = "7311"  # not Redis's own
KEYS = 400


class Client:
    """Speaks RESP over a socket inherited from inside the namespace."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(PORT)))
        self.file = self.socket.makefile("rb")

    @staticmethod
    def encode(*words):
        words = [w.encode() if isinstance(w, str) else w for w in words]
        return b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(w), w) for w in words)

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind in b"*>~":
            return [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return [self.read() for _ in range(2 * int(rest))]
        return line

    def ask(self, *words):
        self.socket.sendall(self.encode(*words))
        return self.read()

    def pipeline(self, *commands):
        self.socket.sendall(b"".join(self.encode(*c) for c in commands))
        return [self.read() for _ in commands]


def workload():
    """Runs inside the namespace: values say which key they belong to."""
    one = Client()
    for i in range(KEYS):
        one.ask("SET", f"key:{i}", f"value-of-key:{i}-" + "x" * (i * 7))
    two = Client()
    two.ask("HELLO", "3")
    for i in range(KEYS):
        two.ask("GET", f"key:{i}")
    for start in range(0, KEYS, 20):
        one.pipeline(*[("GET", f"key:{i}") for i in range(start, start + 20)])
    big = os.urandom(300_000).hex()
    one.ask("SET", "key:big", "value-of-key:big-" + big)
    one.ask("GET", "key:big")
    one.ask("RPUSH", "list", *[f"element {i}" for i in range(3000)])
    one.ask("LRANGE", "list", "0", "-1")
    one.ask("INCR", "list")
    one.ask("NOSUCH", "thing")
    one.ask("MULTI")
    one.ask("INCR", "n")
    one.ask("LPOP", "n")
    one.ask("EXEC")
    one.ask("AUTH", "not-the-password")
    one.ask("CONFIG", "GET", "maxmemory")
    subscriber = Client()
    subscriber.ask("SUBSCRIBE", "news")
    for i in range(50):
        one.ask("PUBLISH", "news", f"message {i}")
        subscriber.read()
    typed = socket.create_connection(("127.0.0.1", int(PORT)))
    typed.sendall(b"PING\r\nget key:1\r\n")
    for _ in range(3):  # PONG, and the size and text of a value
        typed.makefile("rb", 0).readline()


def command_stats(space):
    """(calls, failed calls) by command, as the server counts them."""
    text = space.run("redis-cli", "-p", PORT, "INFO", "commandstats",
                     stdout=subprocess.PIPE).stdout.decode()
    stats = {}
    for line in text.splitlines():
        if line.startswith("cmdstat_"):
            name, _, rest = line[8:].partition(":")
            values = dict(v.split("=") for v in rest.split(","))
            stats[name.replace("|", " ").upper()] = (
                int(values["calls"]),
                int(values["failed_calls"]) + int(values["rejected_calls"]))
    return stats


def record(directory):
    pcap = os.path.join(directory, "redis.pcap")
    with Namespace("at-redis") as space:
        space.start("redis-server", "--port", PORT, "--bind", "127.0.0.1",
                    "--save", "", "--dir", directory)
        wait_for("the server answers", lambda: not space.run(
            "redis-cli", "-p", PORT, "PING", check=False).returncode)
        space.run("redis-cli", "-p", PORT, "CONFIG", "RESETSTAT")
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(sys.executable, os.path.abspath(__file__), "workload")
        space.run("redis-benchmark", "-p", PORT, "-n", "2000", "-c", "8",
                  "-t", "set,get,lpush,mset,hset,zadd", "-r", "100")
        space.run("redis-benchmark", "-p", PORT, "-n", "4000", "-P", "16",
                  "-t", "set,get", "-r", "100")
        space.stop(recorder)
        stats = command_stats(space)
    return pcap, stats


def wrong_values(rows):
    """Pairs of a request for a key and an answer with another key's value."""
    return [row for row in rows if row[1] and row[1].startswith("key:") and
            row[2] and not row[2].startswith(f"value-of-{row[1]}-")]


def check_stats(failures, aftertap, db, stats):
    calls, errors = collections.Counter(), collections.Counter()
    for _, method, error in aftertap.rows(
            db, "method, is_error", "protocol = 'redis' AND src_port IS NOT"
            " NULL AND request_size > 0"):
        calls[method] += 1
        errors[method] += error
    # redis-cli's last question is not in its own answer.
    stats.pop("INFO", None)
    # An unknown command is not in the statistics; EXEC succeeds as a command
    # when one inside it failed, which the server counts there instead.
    del calls["NOSUCH"], errors["NOSUCH"]
    failures.check("errors of EXEC", errors.pop("EXEC", 0), 1)
    errors["LPOP"] += 1
    stats.pop("CONFIG RESETSTAT", None)
    names = {"CONFIG": "CONFIG GET"}
    theirs = {names.get(k, k): v for k, v in stats.items()}
    failures.check("calls by command", dict(calls),
                   {k: v[0] + (v[1] if k == "AUTH" and not v[0] else 0)
                    for k, v in theirs.items()})
    failures.check("errors by command",
                   {k: v for k, v in errors.items() if v},
                   {k: v[1] for k, v in theirs.items() if v[1]})


def main(binary):
    need_root()
    need("redis-server", "redis-benchmark", "tcpdump", "ip", "ethtool",
         "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, stats = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check_stats(failures, aftertap, db, stats)
        got = list(aftertap.rows(
            db, "path, body_text(id, 'response'), status_text, host",
            "protocol = 'redis' AND method = 'GET' AND path LIKE 'key:%'"))
        failures.check("questions for keys", len([
            r for r in got if r[1] != "key:__rand_int__" and
            (r[2] or "").startswith("value-of")]), 2 * KEYS + 1 + 1)
        pushed = list(aftertap.rows(
            db, "path, body_text(id, 'response')",
            "protocol = 'redis' AND method = 'MESSAGE'"))
        failures.check("messages", [r[1:] for r in pushed],
                       [["news", f"message {i}"] for i in range(50)])
        other = list(aftertap.rows(db, "protocol", "protocol != 'redis'"))
        failures.check("calls of other protocols", other, [])
        theirs = tshark_fields(pcap, "resp && tcp.dstport == " + PORT,
                               ["frame.number"], "-d",
                               f"tcp.port=={PORT},resp")
        ours = aftertap.json("--db", db, "sql", "SELECT count(*) FROM api_calls"
                             " WHERE request_size > 0")["rows"][0][0]
        failures.that("at least tshark's frames with requests",
                      ours >= len(theirs) > 1000, (ours, len(theirs)))
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        rows = [(row[0], row[1], row[2]) for row in aftertap.rows(
            db, "path, body_text(id, 'response')",
            "protocol = 'redis' AND method = 'GET' AND NOT uncertain AND"
            " status_text = 'OK' AND path LIKE 'key:%' AND"
            " path NOT LIKE 'key:0%' AND complete")]
        wrong = wrong_values([r for r in rows if len(r[1]) < 10])
        # The keys come early; one side or a cut packet has no whole answer.
        failures.that(f"{variant}: pairs", len(rows) > 300 or variant in (
            "midstream.pcap", "snap200.pcap", "client_only.pcap",
            "server_only.pcap"), len(rows))
        calls = aftertap.json("--db", db, "sql", "SELECT count(*) FROM "
                              "api_calls")["rows"][0][0]
        failures.that(f"{variant}: calls", calls > 9000, calls)
        failures.check(f"{variant}: wrong pairs", wrong[:3], [])


if __name__ == "__main__":
    if sys.argv[1:] == ["workload"]:
        workload()
    else:
        main(*sys.argv[1:])
