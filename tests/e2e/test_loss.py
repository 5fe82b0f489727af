#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Request/response pairs under capture loss and disorder, against tshark.

usage: test_loss.py AFTERTAP [CAPTURE.pcap]

Every request of the workload carries a unique X-Trace-Id and every response a
unique X-Request-Id, so a wrong pair shows.  On each variant that impair.py
makes, aftertap finds at least as many right pairs as tshark's default does,
and no wrong one.
"""
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, ROOT, need, need_root,
                     tshark_fields, workspace)

TRACE = re.compile(r"X-Trace-Id: (\w+)")
REQUEST = re.compile(r"X-Request-Id: (\w+)")


def found(pattern, text):
    match = pattern.search(text)
    return match.group(1) if match else None


def tshark_pairs(pcap):
    rows = tshark_fields(pcap, "http", [
        "frame.number", "http.request.method", "http.request.line",
        "http.response.code", "http.request_in", "http.response.line"])
    traces, responses = {}, []
    for row in rows:
        frame, method, lines, code, request_in, answer = row + [""] * (
            6 - len(row))
        if method:
            traces[frame] = found(TRACE, lines)
        if code:
            responses.append((request_in.split("|")[0],
                              found(REQUEST, answer)))
    return {(traces.get(frame), identity) for frame, identity in responses
            if frame and identity and traces.get(frame)}


def aftertap_pairs(aftertap, pcap, name):
    """The certain pairs, and the uncertain ones."""
    db = aftertap.dissected(pcap, name)
    certain, uncertain = set(), set()
    for _, trace, identity, doubt in aftertap.rows(
            db, "header(id, 'request', 'x-trace-id'),"
            " header(id, 'response', 'x-request-id'), uncertain",
            "protocol = 'http'"):
        if trace and identity:
            (uncertain if doubt else certain).add((trace, identity))
    return certain, uncertain


def record(directory):
    need_root()
    need("nginx", "wrk", "tcpdump", "ip", "curl", "ethtool")
    os.chmod(directory, 0o755)  # nginx's workers are another user
    script = os.path.join(ROOT, "tests", "bench", "gen_http.sh")
    subprocess.run(["bash", script, "1", directory], check=True,
                   stdout=subprocess.DEVNULL)
    return os.path.join(directory, "http_1.pcap")


def main(binary, pcap=None):
    need("tshark")
    failures = Failures()
    with workspace() as directory:
        pcap = pcap or record(directory)
        impair = os.path.join(ROOT, "tests", "support", "impair.py")
        subprocess.run([sys.executable, impair, pcap, directory], check=True)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        truth = tshark_pairs(os.path.join(directory, "lossless.pcap"))
        failures.that("the workload has pairs", len(truth) > 1000, len(truth))
        for variant in sorted(os.listdir(directory)):
            if not variant.endswith(".pcap") or variant.startswith("http_"):
                continue
            path, name = os.path.join(directory, variant), variant[:-5]
            theirs = tshark_pairs(path)
            certain, uncertain = aftertap_pairs(aftertap, path, name)
            right = len((certain | uncertain) & truth)
            wrong = len(certain - truth)
            doubtful = len(uncertain - truth)
            detail = (f"ours {right} right ({len(uncertain)} uncertain, of "
                      f"these {doubtful} wrong), {wrong} wrong; tshark "
                      f"{len(theirs & truth)} right, "
                      f"{len(theirs - truth)} wrong")
            failures.that(f"{name}: no wrong pair", wrong == 0, detail)
            failures.that(f"{name}: at least tshark's pairs",
                          right >= len(theirs & truth))
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
