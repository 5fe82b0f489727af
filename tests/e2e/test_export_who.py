#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An export keeps who was there: two captures with identity blocks that use
the same process ids are exported as one file, imported again and dissected
with the same processes; a part keeps those it needs only.

usage: test_export_who.py AFTERTAP
"""
import os
import struct
import sys

from support import ROOT, Aftertap, Failures, need, tshark_fields, workspace
from test_cli import REQUEST, RESPONSE, tcp_packet

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from capture_builder import Packet, Pcapng  # noqa: E402

START = 1_700_000_000 * 10**9
MS = 10**6
CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
CUSTOM = 0xbad
NOBODY = (b"sshd", b"cron")


def text(value):
    return struct.pack("<H", len(value)) + value


def head(kind):
    return struct.pack("<I8sHH", 32473, b"aftertap", kind, 1)


def process(number, pid, name):
    """As docs/captures.md describes the block."""
    return head(1) + struct.pack(
        "<QIIIqqQQB", number, pid, 1, 1000, START - 10**9, 0, 77, 4026532000,
        1) + b"".join(map(text, (name, b"/usr/bin/" + name, b"/x.slice", b"",
                                 b"", b"", b"", b"", b"")))


def mapped(address):
    return bytes(10) + b"\xff\xff" + address


def connected(owner, local, remote):
    return head(2) + struct.pack(
        "<QQIBBB16s16sHHQqqQ", owner << 32 | local[1], owner, 0, 6, 0, 1,
        mapped(local[0]), mapped(remote[0]), local[1], remote[1], 4026532000,
        START - MS, 0, 0)


def exchange(begin_ms, port):
    """One request and its answer on a connection of its own."""
    asked, told = 101 + len(REQUEST), 501 + len(RESPONSE)
    steps = [(True, 100, 0, 2, b""), (False, 500, 101, 18, b""),
             (True, 101, 501, 24, REQUEST), (False, 501, asked, 24, RESPONSE),
             (True, asked, told, 17, b""), (False, told, asked + 1, 17, b""),
             (True, asked + 1, told + 1, 16, b"")]
    for i, (there, seq, ack, flags, payload) in enumerate(steps):
        ends = (CLIENT, SERVER, (port, 8080))
        if not there:
            ends = (SERVER, CLIENT, (8080, port))
        yield Packet(START + (begin_ms + i) * MS,
                     tcp_packet(*ends, seq, ack, flags, payload))


def write_capture(path, begin_ms, port, client, server, other):
    """A recording of one connection; ids 1 and 2 are used by each of them."""
    pcapng = Pcapng().section().interface(
        tsresol=9, name="eth0",
        options=Pcapng().option(3, b"netns:4026532000"))
    for body in (process(1, 101 + begin_ms, client),
                 process(2, 102 + begin_ms, server), process(3, 103, other),
                 connected(1, (CLIENT, port), (SERVER, 8080)),
                 connected(2, (SERVER, 8080), (CLIENT, port)),
                 connected(3, (CLIENT, 22), (SERVER, 50022))):
        pcapng.block(CUSTOM, body)
    for packet in exchange(begin_ms, port):
        pcapng.enhanced(packet, 10**9)
    with open(path, "wb") as file:
        file.write(pcapng.bytes())


def identities(path):
    """Ids of processes to names, and owners of sockets, in the file."""
    with open(path, "rb") as file:
        data = file.read()
    names, owners, at = {}, [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        body = data[at + 8:at + size - 4]
        at += size
        if kind != CUSTOM:
            continue
        if struct.unpack_from("<H", body, 12)[0] == 1:
            number, = struct.unpack_from("<Q", body, 16)
            length, = struct.unpack_from("<H", body, 16 + 53)
            names[number] = body[16 + 55:16 + 55 + length]
        else:
            owners.append(struct.unpack_from("<Q", body, 24)[0])
    return names, owners


def whose(aftertap, db):
    return sorted(row[1:] for row in aftertap.rows(
        db, "src_port, src_process, src_pid, dst_process, dst_pid"))


BOTH = [[40001, "curl", 101, "nginx", 102],
        [40002, "wget", 201, "python3", 202]]


def check_whole(failures, aftertap, directory):
    out = os.path.join(directory, "whole.pcapng")
    aftertap.run("export", "both", out)
    failures.check("tshark counts the packets", len(tshark_fields(
        out, "tcp", ["frame.number"])), 14)
    names, owners = identities(out)
    failures.check("processes in the file", sorted(names.values()),
                   sorted([b"curl", b"nginx", b"wget", b"python3", *NOBODY]))
    failures.check("each owns its socket", sorted(owners), sorted(names))
    with open(out, "rb") as file:
        failures.check("interfaces keep their namespace",
                       file.read().count(b"netns:4026532000"), 2)
    failures.check("the same processes after export and import",
                   whose(aftertap, aftertap.dissected(out, "again")), BOTH)


def check_part(failures, aftertap, directory, how, *words):
    out = os.path.join(directory, how.replace(" ", "-") + ".pcapng")
    aftertap.run("export", "both", out, *words)
    names, owners = identities(out)
    failures.check(f"{how}: packets", len(tshark_fields(
        out, "tcp", ["frame.number"])), 7)
    failures.check(f"{how}: processes", sorted(names.values()),
                   [b"python3", b"wget"])
    failures.check(f"{how}: sockets' owners", sorted(owners), sorted(names))
    db = aftertap.dissected(out, "part-" + how.replace(" ", "-"))
    failures.check(f"{how}: after import", whose(aftertap, db), BOTH[1:])


def check_pcap(failures, aftertap, directory):
    out = os.path.join(directory, "plain.pcap")
    aftertap.run("export", "both", out, "--format", "pcap")
    with open(out, "rb") as file:
        data = file.read()
    failures.check("pcap: packets", len(tshark_fields(
        out, "tcp", ["frame.number"])), 14)
    failures.that("pcap: nobody", b"curl" not in data)


def main(binary):
    need("tshark")
    failures = Failures()
    with workspace() as directory:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        for capture, given in (
                ("one", (0, 40001, b"curl", b"nginx", NOBODY[0])),
                ("two", (100, 40002, b"wget", b"python3", NOBODY[1]))):
            path = os.path.join(directory, capture + ".pcapng")
            write_capture(path, *given)
            aftertap.run("import", "--name", capture, path)
        aftertap.run("snapshots", "create", "both", "--captures", "one",
                     "--captures", "two")
        aftertap.run("dissect", "both", "--name", "d")
        failures.check("before", whose(aftertap, "both/d"), BOTH)
        check_whole(failures, aftertap, directory)
        check_part(failures, aftertap, directory, "by port", "--ports",
                   "40002")
        check_part(failures, aftertap, directory, "by time", "--from",
                   "2023-11-14T22:13:20.100Z")
        check_part(failures, aftertap, directory, "by call", "--calls",
                   str([row[0] for row in aftertap.rows(
                       "both/d", "src_port", "src_port = 40002")][0]))
        check_pcap(failures, aftertap, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
