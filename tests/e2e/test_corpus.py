#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every capture of a corpus through the programs: import, snapshot, dissect.
No crash, no fault, every packet accounted for, and the HTTP/1, HTTP/2 and DNS
messages and handshakes of QUIC that tshark counts (column tshark_counts of the
corpus's MANIFEST.tsv).

usage: test_corpus.py AFTERTAP [FOLDER …]; the corpus is $AFTERTAP_CORPUS, or
../shared/corpus beside the source tree.  Skipped when there is none.
"""
import concurrent.futures
import csv
import json
import os
import sqlite3
import subprocess
import sys

from support import ROOT, Aftertap, Failures, skip, workspace

CORPUS = os.environ.get("AFTERTAP_CORPUS") or os.path.normpath(
    os.path.join(ROOT, "../shared/corpus"))
COUNTED = {"http": ("http_req", "http_resp"), "http2": ("h2_req", "h2_resp"),
           "dns": ("dns_query", "dns_resp")}
# Handshakes of TLS, inside of QUIC and not, in this folder.
HANDSHAKES = {"handshake": ("tls_ch", "tls_sh")}
QUIC_FOLDER = "quic/"
SECONDS = 60
KNOWN = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     "corpus_differences.tsv")


class Result:
    """What became of one file."""

    def __init__(self, aftertap, number, row):
        self.file, self.aftertap = row["file"], aftertap
        self.name = f"n{number}"
        self.said = dict(pair.split("=") for pair in
                         row["tshark_counts"].split())
        self.problems, self.refused, self.found = [], None, {}

    def run(self, *words):
        command = [self.aftertap.binary, "--home", self.aftertap.home,
                   "--quiet", *words]
        try:
            done = subprocess.run(command, capture_output=True,
                                  timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.problems.append(f"hangs: {words[0]}")
            return None
        errors = done.stderr.decode(errors="replace")
        if done.returncode not in (0, 1) or "Sanitizer" in errors:
            self.problems.append(f"{words[0]}: exit {done.returncode} "
                                 f"{errors[:2000]}")
        return done.returncode, errors

    def go(self):
        path = os.path.join(CORPUS, self.file)
        done = self.run("import", "--name", self.name, path)
        if not done or done[0]:
            self.refused = done and done[1].strip()
            return self
        if self.said_empty(self.run("snapshots", "create", self.name,
                                    "--captures", self.name)):
            return self
        self.run("snapshots", "verify", self.name)
        self.run("dissect", self.name, "--name", "d")
        try:
            self.look()
        except (OSError, sqlite3.Error) as error:
            self.problems.append(f"no result: {error}")
        return self

    @staticmethod
    def said_empty(done):
        """A capture without packets makes no snapshot, and says so."""
        return done and done[0] == 1 and "no packets" in done[1]

    def look(self):
        database = self.aftertap.database(self.name + "/d")
        status = json.load(open(database[:-len("sqlite")] + "json",
                                encoding="utf-8"))
        if status["state"] != "completed" or status["errors"]:
            self.problems.append(f"{status['state']}: {status['errors']}")
        snapshot = json.load(open(os.path.join(
            os.path.dirname(database), "../manifest.json"), encoding="utf-8"))
        packets = sum(s["packets"] for s in snapshot["segments"])
        if status["packets"] != packets:
            self.problems.append(f"dissected {status['packets']} of {packets}"
                                 " packets")
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
            for row in db.execute(
                    "SELECT iif(protocol = 'http' AND version = '2', 'http2',"
                    " protocol) AS counted, sum(has_request),"
                    " sum(has_response) FROM api_calls GROUP BY counted"):
                self.found[row[0]] = row[1:]
            self.found["handshake"] = db.execute(
                "SELECT count(*), count(nullif(tls_cipher, ''))"
                " FROM api_calls WHERE protocol IN ('quic', 'tls') AND"
                " method = 'HANDSHAKE' AND has_request").fetchone()
            if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                self.problems.append("the database is damaged")

    def differences(self):
        """What tshark counts otherwise: {protocol: ((theirs), (ours))}."""
        out = {}
        counted = COUNTED | (HANDSHAKES if self.file.startswith(QUIC_FOLDER)
                             else {})
        for protocol, keys in counted.items():
            theirs = tuple(int(self.said.get(key, 0)) for key in keys)
            ours = self.found.get(protocol, (0, 0))
            if theirs != ours:
                out[protocol] = (theirs, ours)
        return out


def known_differences():
    """{(file, protocol, tshark's counts, ours): why}."""
    with open(KNOWN, encoding="utf-8") as file:
        return {(row["file"], row["protocol"], row["tshark"], row["ours"]):
                row["reason"] for row in csv.DictReader(file, delimiter="\t")}


def judge(failures, results):
    explained, known = 0, known_differences()
    for result in results:
        for problem in result.problems:
            failures.that(f"{result.file}: {problem}", False)
        if result.refused is not None:
            continue
        for protocol, (theirs, ours) in result.differences().items():
            reason = known.get((result.file, protocol, "%d/%d" % theirs,
                                "%d/%d" % ours))
            explained += reason is not None
            failures.that(f"{result.file}: {protocol} requests, responses: "
                          f"tshark {theirs}, we {ours}", reason, reason or "")
    return explained


def main():
    manifest = os.path.join(CORPUS, "MANIFEST.tsv")
    if not os.path.exists(manifest):
        skip(f"no {manifest}")
    with open(manifest, encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t")
                if row["file"].startswith(tuple(sys.argv[2:]) or "")]
    failures = Failures()
    with workspace() as directory:
        aftertap = Aftertap(sys.argv[1], os.path.join(directory, "home"))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(
                lambda item: Result(aftertap, *item).go(), enumerate(rows)))
        explained = judge(failures, results)
    refused = [r for r in results if r.refused is not None]
    for result in refused:
        print(f"note {result.file}: {result.refused}")
    print(f"{len(results)} captures, {len(refused)} refused, {explained} "
          f"counts differ for known reasons, {failures.count} problems")
    failures.exit()


main()
