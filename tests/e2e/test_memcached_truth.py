#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of the text, meta and binary protocols against memcached, recorded
with tcpdump: every line equals one of the server's own log (-vv), hits and
misses its statistics; values are those of the key that was asked for, also
with packets lost, swapped and doubled.

usage: test_memcached_truth.py AFTERTAP
"""
import collections
import os
import re
import socket
import struct
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7414"  # not memcached's own
KEYS = 500


class Client:
    """Text, by lines."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(PORT)))
        self.file = self.socket.makefile("rb")

    def ask(self, line, data=None, end=None):
        """Sends a command and reads up to a line that begins with `end`."""
        self.socket.sendall(line.encode() + b"\r\n" + (
            b"" if data is None else data + b"\r\n"))
        while True:
            answer = self.file.readline()
            words = answer.split()
            if words[0] == b"VALUE":
                self.file.read(int(words[3]) + 2)
            elif words[0] == b"VA":
                self.file.read(int(words[1]) + 2)
            if end is None or words[0] in end:
                return answer


class Binary:
    """Messages, by operation."""

    HEAD = struct.Struct(">BBHBBHIIQ")

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(PORT)))
        self.file = self.socket.makefile("rb")

    def message(self, operation, key=b"", extras=b"", value=b""):
        return self.HEAD.pack(0x80, operation, len(key), len(extras), 0, 0,
                              len(key) + len(extras) + len(value), 7,
                              0) + extras + key + value

    def read(self):
        head = self.HEAD.unpack(self.file.read(24))
        return head[1], head[2], self.file.read(head[6])

    def ask(self, *words, **more):
        self.socket.sendall(self.message(*words, **more))
        return self.read()


def value_of(key):
    return b"value-of-%s-" % key.encode() + b"x" * (int(key[4:]) % 97 * 31)


def text():
    one = Client()
    for i in range(KEYS):
        one.ask(f"set key:{i} {i} 0 {len(value_of(f'key:{i}'))}",
                value_of(f"key:{i}"))
    for i in range(KEYS):
        one.ask(f"get key:{i}", end=(b"END",))
    for i in range(0, KEYS, 10):
        one.ask("gets " + " ".join(f"key:{k}" for k in range(i, i + 10)),
                end=(b"END",))
    for i in range(50):
        one.ask(f"get none:{i}", end=(b"END",))
    big = os.urandom(150_000).hex().encode()
    one.ask(f"set big 0 0 {len(big)}", big)
    one.ask("get big", end=(b"END",))
    one.ask("add key:1 0 0 1", b"x")
    one.ask("append key:1 0 0 1", b"!")
    one.ask("set n 0 0 2", b"41")
    one.ask("incr n 1")
    one.ask("decr none 1")
    one.ask("incr key:2 1")
    one.ask("touch key:3 1000")
    one.ask("gat 1000 key:3", end=(b"END",))
    one.ask("cas key:3 0 0 1 999999", b"x")
    one.ask("set gone 0 0 1", b"x")
    one.ask("delete gone")
    one.ask("delete gone")
    one.ask("nonsense")
    one.socket.sendall(b"set quiet 0 0 1 noreply\r\nx\r\n")
    one.ask("version")
    one.ask("stats", end=(b"END",))
    one.ask("stats settings", end=(b"END",))


def meta():
    one = Client()
    for i in range(KEYS):
        one.ask(f"mg key:{i} v k f")
    for i in range(0, KEYS, 10):
        one.ask("\r\n".join(f"mg key:{k} v k q" for k in range(i, i + 10)) +
                "\r\nmn", end=(b"MN",))
    one.ask("ms m 5 T60", b"hello")
    one.ask("mg m s t")
    one.ask("mg none v")
    one.ask("md m")
    one.ask("ma n D5 v")


def binary():
    one = Binary()
    for i in range(KEYS):
        one.ask(0x01, b"key:%d" % (10000 + i), struct.pack(">II", i, 0),
                value_of(f"key:{10000 + i}"))
    for i in range(KEYS):
        one.ask(0x0c, b"key:%d" % (10000 + i))
    one.ask(0x00, b"none")
    for i in range(0, KEYS, 10):
        one.socket.sendall(b"".join(
            one.message(0x0d, b"key:%d" % (10000 + k))
            for k in range(i, i + 10)) + one.message(0x0a))
        while one.read()[0] != 0x0a:
            pass
    one.ask(0x05, b"counter", struct.pack(">QQI", 1, 5, 0))
    one.ask(0x05, b"counter", struct.pack(">QQI", 1, 5, 0))
    one.ask(0x05, b"key:10001", struct.pack(">QQI", 1, 5, 0))
    one.ask(0x04, b"key:10001")
    one.ask(0x0b)
    one.socket.sendall(one.message(0x10))
    while one.read()[1]:
        pass


def statistics(space):
    program = ("import socket\ns = socket.create_connection(('127.0.0.1', "
               f"{PORT}))\ns.sendall(b'stats\\r\\n')\nt = b''\n"
               "while not t.endswith(b'END\\r\\n'): t += s.recv(65536)\n"
               "print(t.decode())")
    text = space.run(sys.executable, "-c", program,
                     stdout=subprocess.PIPE).stdout.decode()
    return {line.split()[1]: line.split()[2] for line in text.splitlines()
            if line.startswith("STAT")}


def record(directory):
    pcap = os.path.join(directory, "memcached.pcap")
    log = os.path.join(directory, "memcached.log")
    with Namespace("at-memcached") as space, open(log, "w") as file:
        space.start("memcached", "-vv", "-u", "root", "-l", "127.0.0.1", "-p",
                    PORT, "-U", "0", "-m", "64", stderr=file)
        space.wait_port(PORT)
        before = statistics(space)
        skipped = os.path.getsize(log)
        recorder = space.record(pcap, "tcp port " + PORT)
        for kind in ("text", "meta", "binary"):
            space.run(sys.executable, os.path.abspath(__file__), "workload",
                      kind, stderr=None)
        space.stop(recorder)
        with open(log, errors="replace") as logged:
            logged.seek(skipped)
            lines = logged.read()
        after = statistics(space)
    counted = {name: int(after[name]) - int(before[name]) for name in
               ("get_hits", "get_misses")}
    return pcap, lines, counted


def check(failures, aftertap, db, log, counted):
    """Lines as the server logged them, and what it counted."""
    lines = collections.Counter(
        line.strip() for line in re.findall(
            r"^<\d+ ((?:get|gets|gat|set|add|append|incr|decr|touch|cas|"
            r"delete|nonsense|version|stats|m[gsdan])(?: .*)?)$", log, re.M))
    ours = collections.Counter()
    for _, summary, command in aftertap.rows(
            db, "summary, header(id, 'request', 'command')",
            "protocol = 'memcached' AND status IS NULL"):
        if command is None:
            ours[summary] += 1
    difference = collections.Counter(ours)
    difference.subtract({line: count for line, count in lines.items()
                         if not line.endswith(" q") and line != "mn"})
    failures.that("the server logged lines", sum(lines.values()) > 1000,
                  sum(lines.values()))
    failures.check("lines that differ from the server's log",
                   [c for c in difference.items() if c[1]][:5], [])
    hits = aftertap.json(
        "--db", db, "sql", "SELECT sum(status_text = 'MISS'),"
        " sum(max(1, coalesce(header(id, 'response', 'hits'), 1)) *"
        " (status_text = 'HIT' AND method IN ('GET', 'GETS', 'MG'))),"
        " sum(status_text = 'DELETED'), sum(is_error) FROM api_calls WHERE protocol = 'memcached'"
    )["rows"][0]
    failures.check("values found", hits[1], counted["get_hits"])
    failures.check("not found", hits[0], counted["get_misses"])
    failures.check("deleted", hits[2], 2)
    failures.check("errors", hits[3], 3)
    other = list(aftertap.rows(db, "protocol", "protocol != 'memcached'"))
    failures.check("calls of other protocols", other, [])


def pairs_of(aftertap, db, certain=""):
    """(key, value) of commands that found one."""
    for _, method, path, body in aftertap.rows(
            db, "method, path, body_text(id, 'response')",
            "protocol = 'memcached' AND method IN ('GET', 'MG') AND path LIKE"
            " 'key:%' AND header(id, 'request', 'key') IS NULL AND"
            " header(id, 'request', 'command') IS NULL AND complete" +
            certain):
        yield path, body


def wrong(pairs):
    return [p for p in pairs if p[1].rstrip("!") !=
            value_of(p[0]).decode()][:3]


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        pairs = list(pairs_of(aftertap, db, " AND NOT uncertain"))
        failures.that(f"{variant}: pairs", len(pairs) > KEYS or variant in (
            "client_only.pcap", "server_only.pcap", "snap200.pcap"),
            len(pairs))
        failures.check(f"{variant}: wrong pairs", wrong(pairs), [])


def compare(failures, aftertap, db, pcap):
    """Operations of the binary protocol as tshark counts them."""
    theirs = collections.Counter()
    for row in tshark_fields(pcap, "memcache.magic == 128",
                             ["memcache.opcode"], "-d",
                             f"tcp.port=={PORT},memcache"):
        theirs.update(int(code, 0) for code in row[0].split("|") if code)
    ours = dict(aftertap.json(
        "--db", db, "sql", "SELECT method, count(*) FROM api_calls WHERE"
        " protocol = 'memcached' AND status IS NOT NULL GROUP BY 1")["rows"])
    failures.check("SET as tshark counts it", ours["SET"], theirs[0x01])
    failures.check("GET as tshark counts it", ours["GET"], theirs[0x0c] +
                   theirs[0x00] + theirs[0x0a])
    failures.check("INCR as tshark counts it", ours["INCR"], theirs[0x05])


def main(binary_path, *words):
    if binary_path == "workload":
        {"text": text, "meta": meta, "binary": binary}[words[0]]()
        return
    need_root()
    need("memcached", "tcpdump", "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, log, counted = record(directory)
        aftertap = Aftertap(binary_path, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, log, counted)
        compare(failures, aftertap, db, pcap)
        pairs = list(pairs_of(aftertap, db))
        failures.check("keys asked for", len(pairs), 3 * KEYS)
        failures.check("wrong values", wrong(pairs), [])
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
