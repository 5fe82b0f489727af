#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client, a router with a narrow link and a server, as network namespaces:
pings, unreachable hosts and ports, packets that are too big or live too short.
Calls are what ping counted and what tshark sees; errors belong to the
connections whose packets caused them.

usage: test_icmp_truth.py AFTERTAP
"""
import collections
import os
import re
import socket
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, tshark_fields, wait_for, workspace)

COUNT = 40
SERVER, SERVER6 = "10.78.1.2", "fd78:1::2"
ROUTER = "10.78.0.1"
# What ping is asked, and how many answers it must count.
PINGS = [
    (("-4", SERVER, "-c", COUNT, "-s", 100), COUNT),
    (("-6", SERVER6, "-c", COUNT, "-s", 100), COUNT),
    (("-4", SERVER, "-c", 3, "-t", 1, "-W", 0.5), 0),
    (("-6", SERVER6, "-c", 3, "-t", 1, "-W", 0.5), 0),
    (("-4", SERVER, "-c", 2, "-M", "do", "-s", 1350, "-W", 0.5), 0),
    (("-6", SERVER6, "-c", 2, "-M", "do", "-s", 1350, "-W", 0.5), None),
    (("-4", "10.78.1.77", "-c", 2, "-W", 4, "-i", 0.2), 0),
    (("-4", "10.99.0.1", "-c", 2, "-W", 0.5), 0),
]


def link(one, two, name, addresses):
    """A pair of interfaces between two namespaces, with addresses."""
    subprocess.run(["ip", "link", "add", name, "netns", one.name, "type",
                    "veth", "peer", "name", name, "netns", two.name],
                   check=True)
    for space, own in zip((one, two), addresses):
        for address in own:
            space.run("ip", "address", "add", address, "dev", name, *(
                ["nodad"] if ":" in address else []))
        space.run("ip", "link", "set", name, "up")
        space.run("ethtool", "-K", name, "tso", "off", "gso", "off", "gro",
                  "off", check=False)


def connect(client, router, server):
    link(client, router, "near", (("10.78.0.2/24", "fd78::2/64"),
                                  (ROUTER + "/24", "fd78::1/64")))
    link(router, server, "far", (("10.78.1.1/24", "fd78:1::1/64"),
                                 (SERVER + "/24", SERVER6 + "/64")))
    router.run("sysctl", "-w", "net.ipv4.ip_forward=1",
               "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0",
               "net.ipv6.icmp.ratelimit=0")
    server.run("sysctl", "-w", "net.ipv4.icmp_ratelimit=0",
               "net.ipv6.icmp.ratelimit=0")
    router.run("ip", "link", "set", "far", "mtu", "1280")
    for space, four, six in ((client, ROUTER, "fd78::1"),
                             (server, "10.78.1.1", "fd78:1::1")):
        space.run("ip", "route", "add", "default", "via", four)
        space.run("ip", "-6", "route", "add", "default", "via", six)


def talk():
    """What meets closed ports, and a path that is narrower than its ends."""
    for family, address in ((socket.AF_INET, SERVER),
                            (socket.AF_INET6, SERVER6)):
        for port in range(7500, 7510):
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.sendto(b"nobody listens", (address, port))
    with socket.create_connection((SERVER, 7511)) as one:
        one.sendall(b"x" * 20000)
        one.shutdown(socket.SHUT_WR)
        one.recv(1)


def serve():
    with socket.create_server(("", 7511)) as listener:
        one, _ = listener.accept()
        while one.recv(65536):
            pass
        one.close()


def record(directory, failures):
    pcap = os.path.join(directory, "icmp.pcap")
    with Namespace("at-icmp-c") as client, Namespace("at-icmp-r") as router, \
            Namespace("at-icmp-s") as server:
        connect(client, router, server)
        recorder = client.record(pcap, "ip or ip6", "near")
        own = os.path.abspath(__file__)
        server.start(sys.executable, own, "workload", "serve")
        wait_for("the server listens", lambda: b":7511" in server.run(
            "ss", "-ltn", stdout=subprocess.PIPE).stdout)
        client.run(sys.executable, own, "workload", "talk", stderr=None)
        for words, answers in PINGS:
            words = [str(word) for word in words]
            said = client.run("ping", "-n", *([] if "-i" in words else [
                "-i", "0.002"]), *words, check=False,
                stdout=subprocess.PIPE).stdout.decode()
            got = re.search(r"(\d+) received", said)
            if answers is not None:
                failures.check("ping " + " ".join(words), got and int(
                    got.group(1)), answers)
        client.stop(recorder)
    return pcap


def seen_by_tshark(pcap):
    """Messages by version, type and code, without what they quote; and how
    many echoes were answered."""
    counts, answered = collections.Counter(), 0
    for version, protocol in (("4", "icmp"), ("6", "icmpv6")):
        for kind, code, to in tshark_fields(pcap, protocol, [
                f"{protocol}.type", f"{protocol}.code", f"{protocol}.resp_to"]):
            counts[version, int(kind.split("|")[0]),
                   int(code.split("|")[0])] += 1
            answered += bool(to)
    return counts, answered


COLUMNS = ("version, header(id, 'request', 'type'),"
           " header(id, 'request', 'code'), header(id, 'response', 'type'),"
           " header(id, 'response', 'code')")


def seen_by_us(aftertap, db):
    counts = collections.Counter()
    for _, version, *both in aftertap.rows(db, COLUMNS, "protocol = 'icmp'"):
        for kind, code in (both[:2], both[2:]):
            if kind is not None:
                counts[version, int(kind), int(code)] += 1
    return counts


def errors(failures, aftertap, db):
    """Each belongs to the connection whose packet caused it."""
    rows = aftertap.json(
        "--db", db, "sql",
        "SELECT a.status_text, k.transport, k.dst_ip, k.dst_port, a.src_ip,"
        " a.dst_ip, a.path FROM api_calls a JOIN connections k ON"
        " k.id = a.connection_id WHERE a.protocol = 'icmp' AND a.is_error",
        "--limit", "1000")["rows"]
    ports = sorted(row[3] for row in rows if row[0] == "port unreachable")
    failures.check("closed ports", ports, sorted(2 * list(range(7500, 7510))))
    failures.check("they are of the datagrams' connections", {
        row[1] for row in rows if row[0] == "port unreachable"}, {"udp"})
    narrow = [row for row in rows if row[0] == "fragmentation needed" and
              row[1] == "tcp"]
    failures.that("the TCP connection has what the router said of it",
                  narrow and all(row[2:6] == [SERVER, 7511, "10.78.0.2", ROUTER]
                                 for row in narrow), narrow[:2])
    failures.that("errors name the flow", all(
        re.match(r"(tcp|udp|icmp|icmpv6) \S+ > \S+$", row[6])
        for row in rows), len(rows))
    failures.check("echoes that lived too short", sum(
        row[1].startswith("icmp") and row[0].endswith("exceeded in transit")
        for row in rows), 6)


def wrong_pairs(aftertap, db):
    """Echoes whose halves are not of one number, or do not carry the same."""
    return [row for row in aftertap.rows(
        db, "header(id, 'request', 'identifier'),"
        " header(id, 'request', 'sequence'),"
        " header(id, 'response', 'identifier'),"
        " header(id, 'response', 'sequence'), body_text(id, 'request') ="
        " body_text(id, 'response')",
        "protocol = 'icmp' AND method = 'Echo' AND has_request AND"
        " has_response") if row[1:3] != row[3:5] or not row[5]]


def paired(aftertap, db):
    return aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE protocol ="
        " 'icmp' AND method = 'Echo' AND has_request AND has_response"
    )["rows"][0][0]


def impaired(failures, aftertap, pcap, directory):
    for variant, path in impaired_captures(pcap, directory):
        if os.path.getsize(path) == 24:
            continue  # of one side of a port, which nothing here has
        db = aftertap.dissected(path, variant[:-5])
        failures.check(f"{variant}: wrong pairs", wrong_pairs(aftertap, db),
                       [])
        duplicates = aftertap.json(
            "--db", db, "sql", "SELECT sum(duplicate_packets) FROM"
            " connections")["rows"][0][0]
        theirs, _ = seen_by_tshark(path)
        ours = seen_by_us(aftertap, db)
        failures.that(f"{variant}: messages", 0 <= sum(theirs.values()) - sum(
            ours.values()) <= duplicates, (sum(ours.values()), sum(
                theirs.values()), duplicates))


def main(binary, *words):
    if binary == "workload":
        {"talk": talk, "serve": serve}[words[0]]()
        return
    need_root()
    need("ping", "tcpdump", "ip", "ethtool", "tshark", "sysctl", "ss")
    failures = Failures()
    with workspace() as directory:
        pcap = record(directory, failures)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        theirs, answered = seen_by_tshark(pcap)
        failures.check("messages by version, type and code",
                       seen_by_us(aftertap, db), theirs)
        failures.check("echoes answered", paired(aftertap, db), answered)
        failures.check("wrong pairs", wrong_pairs(aftertap, db), [])
        errors(failures, aftertap, db)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
