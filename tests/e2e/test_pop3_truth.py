#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""poplib against dovecot, recorded with tcpdump: every mail that was fetched is
the one of its number, commands are those that tshark counts, nothing of a
password is shown; behind STLS the same, with the client's keys; also with
packets lost, swapped and doubled.

usage: test_pop3_truth.py AFTERTAP
"""
import collections
import os
import poplib
import ssl
import sys

import dovecot
from dovecot import SECRET, USER, mail
from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7410"  # not POP3's own
MAILS = 120


def fetch(one, numbers):
    one.stat()
    one.list()
    one.uidl()
    for number in numbers:
        one.retr(number)
        one.list(number)
        one.top(number, 0)


def refused(call, *words):
    try:
        call(*words)
    except poplib.error_proto:
        pass


def workload(keys):
    one = poplib.POP3("127.0.0.1", int(PORT))
    one.capa()
    refused(one._shortcmd, "AUTH PLAIN AGFsaWNlAHdyb25n")
    refused(one._shortcmd, "NONSENSE")
    one.user(USER)
    one.pass_(SECRET)
    fetch(one, range(1, MAILS + 1))
    refused(one.retr, 9999)
    one.noop()
    one.rset()
    one.quit()
    context = ssl._create_unverified_context()
    context.keylog_filename = keys
    two = poplib.POP3("127.0.0.1", int(PORT))
    two.stls(context)
    two.user(USER)
    two.pass_(SECRET)
    fetch(two, range(1, 6))
    two.quit()


def record(directory):
    pcap, keys = (os.path.join(directory, n) for n in ("pop3.pcap", "keys"))
    with Namespace("at-pop3") as space:
        dovecot.start(space, directory, "pop3", PORT, MAILS)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(sys.executable, os.path.abspath(__file__), "workload", keys,
                  stderr=None)
        space.stop(recorder)
    return pcap, keys


def wrong(aftertap, db, condition="1"):
    """Mails that are not of the number that was asked for; and how many."""
    rows = [row[1:] for row in aftertap.rows(
        db, "path, body_text(id, 'response')", "protocol = 'pop3' AND method ="
        " 'RETR' AND status_text = 'OK' AND complete AND " + condition)]
    return [r for r in rows if r[1] != mail(int(r[0]))][:2], len(rows)


def check(failures, aftertap, db, pcap):
    failures.check("mails that are others", wrong(aftertap, db), ([], MAILS))
    ours = collections.Counter(row[1] for row in aftertap.rows(
        db, "method", "protocol = 'pop3' AND has_request"))
    theirs = collections.Counter()
    for row in tshark_fields(pcap, "pop.request.command",
                             ["pop.request.command"], "-d",
                             f"tcp.port=={PORT},pop"):
        theirs.update(row[0].split("|"))
    ours["NONSENSE"] = ours.pop("UNKNOWN")
    failures.check("commands as tshark counts them", dict(ours), dict(theirs))
    failures.check("passwords shown", aftertap.run(
        "--db", db, "sql", "SELECT summary, header(id, 'request', 'password')"
        " FROM api_calls WHERE method IN ('PASS', 'AUTH')"
    ).stdout.count(SECRET), 0)
    with open(aftertap.database(db), "rb") as file:
        failures.that("nothing of what AUTH proves",
                      b"AGFsaWNl" not in file.read())
    failures.check("errors", sorted(row[1] for row in aftertap.rows(
        db, "method", "protocol = 'pop3' AND is_error")),
        ["AUTH", "RETR", "UNKNOWN"])
    failures.check("calls of other protocols", aftertap.json(
        "--db", db, "sql", "SELECT DISTINCT protocol FROM api_calls WHERE"
        " protocol NOT IN ('pop3', 'tls')")["rows"], [])


def main(binary):
    need_root()
    need("dovecot", "tcpdump", "ip", "ethtool", "tshark", "openssl")
    failures = Failures()
    with workspace() as directory:
        pcap, keys = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, pcap)
        db = aftertap.dissected(pcap, "keys", "--tls-keylog", keys)
        failures.check("mails with those behind STLS", wrong(aftertap, db),
                       ([], MAILS + 5))
        no_wrong_pairs(failures, aftertap, pcap)
        for variant, path in impaired_captures(pcap, directory, PORT):
            db = aftertap.dissected(path, variant[:-5])
            bad, count = wrong(aftertap, db, "NOT uncertain AND has_request")
            failures.that(f"{variant}: mails", count > MAILS / 2 or variant in
                          ("client_only.pcap", "server_only.pcap",
                           "snap200.pcap", "midstream.pcap"), count)
            failures.check(f"{variant}: mails that are others", bad, [])
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["workload"]:
        workload(sys.argv[2])
    else:
        main(*sys.argv[1:])
