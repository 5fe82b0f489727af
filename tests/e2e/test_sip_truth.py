#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sipp calls sipp, over UDP and over TCP, recorded with tcpdump: every INVITE
is a call with its provisional answers, every BYE has its answer; requests and
answers are those that tshark counts, and sipp's own count of calls, also with
packets lost, swapped and doubled.

usage: test_sip_truth.py AFTERTAP
"""
import collections
import os
import re
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

CALLS = 100
PORTS = {"u1": "7460", "t1": "7462"}  # not SIP's own


def record(directory, transport):
    port = PORTS[transport]
    pcap = os.path.join(directory, f"sip-{transport}.pcap")
    with Namespace("at-sip") as space:
        space.start("sipp", "-sn", "uas", "-t", transport, "-i", "127.0.0.1",
                    "-p", port, cwd=directory)
        (space.wait_port if transport == "t1" else space.wait_udp)(port)
        recorder = space.record(pcap, f"port {port}")
        space.run("sipp", "-sn", "uac", "-t", transport, "-i", "127.0.0.1",
                  "-p", str(int(port) + 100), "-m", str(CALLS), "-r", "100",
                  "-d", "20", "-s", "bob", "127.0.0.1:" + port, cwd=directory)
        space.stop(recorder)
    return pcap


def check(failures, aftertap, db, pcap, transport):
    ours, codes = collections.Counter(), collections.Counter()
    for _, status, interim, has_response, method, has_request in aftertap.rows(
            db, "status, header(id, 'response', ':interim'), has_response,"
            " method, has_request", "protocol = 'sip'"):
        ours[method] += has_request
        if has_response:
            codes[status] += 1
        codes.update(int(c) for c in re.findall(r"(?:^|, )(\d{3})\b",
                                                interim or ""))
    theirs, their_codes = collections.Counter(), collections.Counter()
    options = ("-d", f"{'udp' if transport == 'u1' else 'tcp'}.port=="
               f"{PORTS[transport]},sip")
    for row in tshark_fields(pcap, "sip.Method", ["sip.Method"], *options):
        theirs.update(row[0].split("|"))
    for row in tshark_fields(pcap, "sip.Status-Code", ["sip.Status-Code"],
                             *options):
        their_codes.update(int(code) for code in row[0].split("|"))
    what = f"{transport}: "
    failures.check(what + "requests as tshark counts them", dict(ours),
                   dict(theirs))
    failures.check(what + "answers as tshark counts them", dict(codes),
                   dict(their_codes))
    failures.check(what + "calls as sipp was told", ours["INVITE"], CALLS)
    failures.check(what + "answered calls", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE protocol ="
        " 'sip' AND method IN ('INVITE', 'BYE') AND status = 200 AND"
        " has_request AND complete")["rows"][0][0], 2 * CALLS)
    failures.check(what + "media that were offered", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE"
        " header(id, 'request', 'media') LIKE 'audio % RTP/AVP 0 at 127.0.0.1'"
    )["rows"][0][0], CALLS)
    failures.check(what + "calls of other protocols", aftertap.json(
        "--db", db, "sql", "SELECT DISTINCT protocol FROM api_calls WHERE"
        " protocol != 'sip'")["rows"], [])


def impaired(failures, aftertap, pcap, directory, transport):
    """Both halves have one Call-ID and one CSeq, or are no pair."""
    home = os.path.join(directory, transport)
    os.mkdir(home)
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, home, PORTS[transport]):
        db = aftertap.dissected(path, f"{transport}-{variant[:-5]}")
        pairs = [row[1:] for row in aftertap.rows(
            db, "header(id, 'request', 'Call-ID') || header(id, 'request',"
            " 'CSeq'), header(id, 'response', 'Call-ID') || header(id,"
            " 'response', 'CSeq')", "protocol = 'sip' AND has_request AND"
            " has_response AND method != 'ACK'")]
        failures.that(f"{transport} {variant}: pairs", len(pairs) > CALLS or
                      variant in ("client_only.pcap", "server_only.pcap",
                                  "snap200.pcap", "midstream.pcap",
                                  "drop5pct.pcap"), len(pairs))
        failures.check(f"{transport} {variant}: wrong pairs",
                       [p for p in pairs if p[0] != p[1]][:3], [])


def main(binary):
    need_root()
    need("sipp", "tcpdump", "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        for transport in PORTS:
            pcap = record(directory, transport)
            db = aftertap.dissected(pcap, transport)
            check(failures, aftertap, db, pcap, transport)
            impaired(failures, aftertap, pcap, directory, transport)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
