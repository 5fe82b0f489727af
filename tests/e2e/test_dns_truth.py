#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dig asks dnsmasq, tcpdump records: every call equals what dig was asked to
ask and what dnsmasq is configured to answer; names are learned for addresses.

usage: test_dns_truth.py AFTERTAP
"""
import collections
import os
import sys

from support import (Aftertap, Failures, Namespace, need, need_root,
                     tshark_fields, workspace)

CONFIG = """
no-resolv
no-hosts
port=5353
listen-address=127.0.0.1
bind-interfaces
address=/nowhere.test/
host-record=web.test,10.9.0.1,fd00::1
cname=www.test,web.test
mx-host=web.test,mail.test,10
txt-record=web.test,"v=spf1 -all","second; part"
srv-host=_http._tcp.web.test,web.test,80,10,5
"""

# Question, transport, rcode, a piece of the answer as dig would print it.
QUESTIONS = [
    ("web.test", "A", "+notcp", "NOERROR", "10.9.0.1"),
    ("web.test", "AAAA", "+notcp", "NOERROR", "fd00::1"),
    ("www.test", "A", "+notcp", "NOERROR", "web.test"),
    ("web.test", "MX", "+notcp", "NOERROR", "10 mail.test"),
    ("web.test", "TXT", "+notcp", "NOERROR", "v=spf1 -all"),
    ("_http._tcp.web.test", "SRV", "+notcp", "NOERROR", "10 5 80 web.test"),
    ("missing.nowhere.test", "A", "+notcp", "NXDOMAIN", None),
    ("web.test", "A", "+tcp", "NOERROR", "10.9.0.1"),
    ("other.example", "A", "+notcp", "REFUSED", None),
]
ROUNDS = 50


def ask(space):
    for _ in range(ROUNDS):
        for name, kind, transport, _, _ in QUESTIONS:
            space.run("dig", "@127.0.0.1", "-p", "5353", "+tries=1",
                      "+time=60", transport, name, kind, check=False)


def record(directory):
    config = os.path.join(directory, "dnsmasq.conf")
    with open(config, "w") as file:
        file.write(CONFIG)
    pcap = os.path.join(directory, "dns.pcap")
    with Namespace("at-dns") as space:
        space.start("dnsmasq", "--keep-in-foreground", "-C", config,
                    "--pid-file=" + os.path.join(directory, "dnsmasq.pid"),
                    "--user=root")
        space.wait_udp(5353)
        recorder = space.record(pcap, "port 5353")
        ask(space)
        space.stop(recorder)
    return pcap


def main(binary):
    need_root()
    need("dnsmasq", "dig", "tcpdump", "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "dns")
        rows = [row[1:] for row in aftertap.rows(
            db, "path, method, status_text, transport,"
            " coalesce(header(id, 'response', 'answer'), '')",
            "protocol = 'dns'")]
        failures.check("number of calls", len(rows), ROUNDS * len(QUESTIONS))
        ours = collections.Counter(
            (name.rstrip("."), kind, code,
             "+tcp" if transport == "tcp" else "+notcp")
            for name, kind, code, transport, _ in rows)
        expected = collections.Counter()
        for name, kind, transport, code, _ in QUESTIONS:
            expected[(name, kind, code, transport)] += ROUNDS
        failures.check("questions and codes", ours, expected)
        for name, kind, _, code, piece in QUESTIONS:
            answers = [r[4] for r in rows if r[0].rstrip(".") == name and
                       r[1] == kind and r[2] == code]
            if piece:
                failures.that(f"answer to {name} {kind} has {piece}",
                              all(piece in a for a in answers), answers[:1])
        theirs = tshark_fields(pcap, "dns.flags.response == 1",
                               ["dns.id"], "-d", "udp.port==5353,dns",
                               "-d", "tcp.port==5353,dns")
        failures.check("responses that tshark sees", len(rows), len(theirs))
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
