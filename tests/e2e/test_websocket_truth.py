#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""WebSocket of python3-websockets, plain, compressed in every way and under
TLS: every message that aftertap reports is one that the other side understood,
and as many as tshark sees; under loss, disorder and a start midway nothing is
reported that was not said.

usage: test_websocket_truth.py AFTERTAP
"""
import collections
import hashlib
import json
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, ROOT, impaired_captures,
                     need, need_root, no_wrong_pairs, skip, tshark_fields,
                     workspace)

PYTHON = "/usr/bin/python3"  # that Debian's websockets is for
MARKED = 0x3f0  # incomplete, truncated or undecoded (dissect/event.h)
NOTHING = hashlib.sha256(b"").hexdigest()
COLUMNS = ("path, has_request, method, status, coalesce(body_sha256(id,"
           " iif(has_request, 'request', 'response')), ''),"
           " request_body_size + response_body_size, host")


def record(space, directory, port, *tls):
    pcap = os.path.join(directory, f"{port}.pcap")
    log = os.path.join(directory, f"{port}.jsonl")
    recorder = space.record(pcap, f"tcp port {port}")
    space.run(PYTHON, os.path.join(ROOT, "tests", "support",
                                   "websocket_talk.py"), str(port), log, *tls,
              timeout=240)
    space.stop(recorder)
    with open(log, encoding="utf-8") as file:
        return pcap, [json.loads(line) for line in file]


def said(truth):
    return collections.Counter(
        (t["path"], t["sender"], t["method"], t["code"], t["size"],
         t["sha256"]) for t in truth)


def reported(aftertap, db, condition="1"):
    found = collections.Counter()
    for _, path, client, method, status, digest, size, _ in aftertap.rows(
            db, COLUMNS, f"protocol = 'websocket' AND {condition}"):
        found[(path, "client" if client else "server", method,
               status if method == "close" else None, size,
               digest or NOTHING)] += 1
    return found


def compare(failures, what, ours, truth):
    failures.check(what + ": messages that nobody understood",
                   list((ours - truth).items())[:3], [])
    failures.check(what + ": messages that are missing",
                   list((truth - ours).items())[:3], [])
    failures.that(what + ": enough", sum(ours.values()) > 1500,
                  sum(ours.values()))


def check_tshark(failures, pcap, truth):
    """Frames that begin a message, by kind."""
    names = {"1": "text", "2": "binary", "8": "close", "9": "ping",
             "10": "pong"}
    seen = collections.Counter()
    for (opcodes,) in tshark_fields(pcap, "websocket", ["websocket.opcode"]):
        seen.update(names[o] for o in opcodes.split("|") if o in names)
    ours = collections.Counter()
    for key, count in truth.items():
        ours[key[2]] += count
    failures.check("messages by kind, as in tshark", ours, seen)


def check_loss(failures, aftertap, pcap, truth, directory):
    known = {(k[2], k[5]) for k in truth}
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory):
        name = variant[:-5]
        db = aftertap.dissected(path, "ws" + name)
        # What is not marked as cut or kept as it was is what was said.
        rows = [(method, digest or NOTHING)
                for _, method, digest in aftertap.rows(
                    db, "method, body_sha256(id, iif(has_request, 'request',"
                    " 'response'))", "protocol = 'websocket' AND id IN"
                    f" (SELECT id FROM calls WHERE flags & {MARKED} = 0)")]
        wrong = collections.Counter(r for r in rows if r not in known)
        others = aftertap.json(
            "--db", db, "sql", "SELECT protocol, count(*) FROM api_calls"
            " WHERE protocol NOT IN ('websocket', 'http') GROUP BY 1")["rows"]
        failures.check(f"{name}: messages that were not said",
                       (list(wrong.items())[:3], others), ([], []))
        # Without a whole handshake there is nothing to begin with.
        few = -1 if name in ("client_only", "snap200") else 900
        failures.that(f"{name}: messages are found", len(rows) > few,
                      len(rows))


def main(binary):
    need_root()
    need("tcpdump", "tshark", "openssl", PYTHON)
    if subprocess.run([PYTHON, "-c", "import websockets"],
                      capture_output=True).returncode:
        skip("python3-websockets is not installed")
    failures = Failures()
    with workspace() as directory, Namespace("at-websocket") as space:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        pcap, truth = record(space, directory, 8080)
        truth = said(truth)
        db = aftertap.dissected(pcap, "clear")
        compare(failures, "clear", reported(aftertap, db), truth)
        failures.check("incomplete or not decompressed", aftertap.json(
            "--db", db, "sql", "SELECT count(*) FROM calls WHERE"
            f" flags & {MARKED}")["rows"], [[0]])
        failures.check("of another protocol", aftertap.json(
            "--db", db, "sql", "SELECT protocol, count(*) FROM api_calls"
            " WHERE protocol != 'websocket' GROUP BY 1")["rows"],
            [["http", 30]])
        failures.check("as the filter tells", len(aftertap.json(
            "--db", db, "calls", "ws && ws_close_code == 1011 && is_error",
            "--limit", "100")["calls"]), 10)
        check_tshark(failures, pcap, truth)
        check_loss(failures, aftertap, pcap, truth, directory)
        key, certificate = directory + "/key.pem", directory + "/cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-keyout", key, "-out", certificate, "-days", "2", "-subj",
             "/CN=localhost"], check=True, capture_output=True)
        keys = directory + "/keys"
        pcap, truth = record(space, directory, 8443, certificate, key, keys)
        db = aftertap.dissected(pcap, "tls", "--tls-keylog", keys)
        compare(failures, "TLS", reported(aftertap, db, "tls"), said(truth))
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
