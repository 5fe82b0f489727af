#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""100,000 requests of wrk to nginx, recorded with tcpdump: every call that
aftertap reports equals a line of nginx's own log, and every file that was
served arrived with the hash it has on disk.

usage: test_http_truth.py AFTERTAP [CAPTURE.pcap ACCESS.log WWW]
"""
import collections
import hashlib
import os
import subprocess
import sys

from support import Aftertap, Failures, ROOT, need, need_root, workspace

ENOUGH = 100_000


def record(directory):
    need_root()
    need("nginx", "wrk", "tcpdump", "ip", "curl", "ethtool")
    script = os.path.join(ROOT, "tests", "bench", "gen_http.sh")
    os.chmod(directory, 0o755)  # nginx's workers are another user
    for seconds in ("4", "8", "16"):
        subprocess.run(["bash", script, seconds, directory], check=True,
                       stdout=subprocess.DEVNULL)
        stem = os.path.join(directory, "http_" + seconds)
        if len(server_log(stem + ".access.log")) >= ENOUGH:
            break
    return stem + ".pcap", stem + ".access.log", os.path.join(directory, "www")


def server_log(path):
    """(method, path, query, status, request bytes, response bytes) of every
    line; both sizes are what went over the wire."""
    calls = []
    with open(path) as file:
        for line in file:
            fields = line.rstrip("\n").split("|")
            path_, _, query = fields[5].partition("?")
            # nginx does not count a body that it discards unread.
            asked = 0 if fields[4] == "POST" else int(fields[8])
            calls.append((fields[4], path_, query, int(fields[6]), asked,
                          int(fields[9])))
    return calls


def reported(aftertap, db):
    """Rows (method, path, query, status, request bytes, response bytes, hash
    of the body, whether the body has the id that the header has)."""
    for row in aftertap.rows(
            db, "method, path, coalesce(query, ''), status,"
            " iif(method = 'POST', 0, request_size), response_size,"
            " body_sha256(id, 'response'),"
            " instr(body_text(id, 'response'),"
            "       header(id, 'response', 'x-request-id')) > 0",
            "protocol = 'http'"):
        yield row[1:]


def file_hashes(www):
    hashes = {}
    for folder, _, names in os.walk(www):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            hashes["/" + os.path.relpath(path, www)] = digest
    return hashes


def main(binary, pcap=None, log=None, www=None):
    failures = Failures()
    with workspace() as directory:
        if not pcap:
            pcap, log, www = record(directory)
        truth = server_log(log)
        failures.that(f"at least {ENOUGH} requests", len(truth) >= ENOUGH,
                      len(truth))
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        hashes = file_hashes(www)
        ours, files, wrong_files, orders, wrong_orders = [], 0, 0, 0, 0
        for row in reported(aftertap, db):
            ours.append(tuple(row[:6]))
            method, path, _, status = row[:4]
            digest, in_body = row[6:]
            if method == "GET" and status == 200:
                files += 1
                wrong_files += digest != hashes[path]
            elif path in ("/api/v1/orders", "/boom"):
                orders += 1
                wrong_orders += not in_body
        failures.check("number of calls", len(ours), len(truth))
        difference = collections.Counter(ours)
        difference.subtract(truth)
        failures.check("calls that differ from the server's log",
                       [c for c in difference.items() if c[1]][:5], [])
        failures.check(f"wrong hashes of {files} files", wrong_files, 0)
        failures.check(f"wrong bodies of {orders} generated answers",
                       wrong_orders, 0)
        counts = aftertap.json("--db", db, "stats", "--group-by",
                               "status_code", "--limit", "100")
        by_status = {g["key"]["status_code"]: g["calls"]
                     for g in counts["groups"]}
        failures.check("statistics by status", by_status,
                       dict(collections.Counter(c[3] for c in truth)))
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
