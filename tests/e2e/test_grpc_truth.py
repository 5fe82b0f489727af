#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gRPC of grpcio, unary and streams, compressed and not: every call that
aftertap reports equals what the client knows of it.

usage: test_grpc_truth.py AFTERTAP
"""
import collections
import json
import os
import subprocess

import sys

from support import (Aftertap, Failures, Namespace, ROOT, need, need_root,
                     skip, workspace)

PYTHON = "/usr/bin/python3"  # that Debian's grpcio is for


def record(space, directory):
    pcap = os.path.join(directory, "grpc.pcap")
    log = os.path.join(directory, "calls.jsonl")
    recorder = space.record(pcap, "tcp port 18405")
    space.run(PYTHON, os.path.join(ROOT, "tests", "support", "grpc_calls.py"),
              "18405", log, timeout=180)
    space.stop(recorder)
    with open(log) as file:
        return pcap, [json.loads(line) for line in file]


def main(binary):
    need_root()
    need("tcpdump", PYTHON)
    if subprocess.run([PYTHON, "-c", "import grpc"],
                      capture_output=True).returncode:
        skip("python3-grpcio is not installed")
    failures = Failures()
    with workspace() as directory, Namespace("at-h2-grpc") as space:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        pcap, truth = record(space, directory)
        db = aftertap.dissected(pcap, "grpc")
        slow = [t for t in truth if t["method"].endswith("Slow")]
        expected = collections.Counter(
            (t["method"], t["status"], t["error"] if t["status"] else "",
             t["request"], t["response"]) for t in truth if t not in slow)
        ours = collections.Counter()
        for _, method, status, error, request, response in aftertap.rows(
                db, "method, status, coalesce(error, ''),"
                " body_sha256(id, 'request'), body_sha256(id, 'response')",
                "protocol = 'grpc' AND method NOT LIKE '%Slow'"):
            ours[(method, status, error, request, response)] += 1
        failures.check("calls that the client does not know",
                       list((ours - expected).items())[:3], [])
        failures.check("calls of the client that are missing",
                       list((expected - ours).items())[:3], [])
        failures.check("calls", sum(ours.values()), 240)
        rows = list(aftertap.rows(
            db, "error, is_error, header(id, 'request', 'grpc-timeout')"
            " IS NOT NULL", "method LIKE '%Slow'"))
        # Both ends watch the clock: the server's answer or the client's
        # reset comes first.
        failures.that("the call whose deadline passed is a failure",
                      len(rows) == 1 and rows[0][2:] == [1, 1] and
                      rows[0][1] in ("stream reset by the client: CANCEL",
                                     "Deadline Exceeded"), rows)
        failures.check("other protocols", list(aftertap.rows(
            db, "protocol", "protocol != 'grpc'")), [])
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
