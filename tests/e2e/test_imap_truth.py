#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""imaplib and curl against dovecot, recorded with tcpdump: every mail that was
fetched is the one of its number, commands are those that tshark counts, nothing
of a password is shown; behind STARTTLS the same, with the client's keys; also
with packets lost, swapped and doubled.

usage: test_imap_truth.py AFTERTAP
"""
import collections
import imaplib
import os
import ssl
import subprocess
import sys

import dovecot
from dovecot import SECRET, USER, mail
from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7443"  # not IMAP's own
MAILS = 120
PROOF = "AGFsaWNlAHdyb25n"  # of AUTHENTICATE, and wrong
LITERALS = ["7", "MAIL", "IS", "AND"]  # words of theirs, to tshark commands
BAD = ["AUTHENTICATE", "SELECT", "UNKNOWN"]


def refused(call, *words):
    try:
        call(*words)
    except imaplib.IMAP4.error:
        pass


def fetch(one, numbers):
    one.select("INBOX")
    for number in numbers:
        one.fetch(str(number), "(UID BODY.PEEK[])")
        one.uid("STORE", str(number), "+FLAGS", "(\\Flagged)")


def idle(one):
    """imaplib has no IDLE; a mail arrives meanwhile."""
    tag = one._new_tag()
    one.send(tag + b" IDLE\r\n")
    one.readline()
    other = imaplib.IMAP4("127.0.0.1", int(PORT))
    other.login(USER, SECRET)
    other.append("INBOX", "", None, mail(1).encode())
    other.logout()
    while b"EXISTS" not in one.readline():
        pass
    one.send(b"DONE\r\n")
    while not one.readline().startswith(tag):
        pass


def workload(keys):
    one = imaplib.IMAP4("127.0.0.1", int(PORT))
    refused(one._simple_command, "AUTHENTICATE", "PLAIN " + PROOF)
    imaplib.Commands["NONSENSE"] = ("NONAUTH", "AUTH", "SELECTED")
    refused(one._simple_command, "NONSENSE", "whatever")
    one.login(USER, SECRET)
    fetch(one, range(1, MAILS + 1))
    one.search(None, "SUBJECT", "{6+}\r\nmail 7")
    one.create("Sent")
    for number in range(1, 21):
        one.append("Sent", "(\\Seen)", None, mail(number).encode())
    refused(one.select, "nowhere")
    one.select("INBOX")
    idle(one)
    one.copy("1:3", "Sent")
    one.list()
    one.close()
    one.logout()
    context = ssl._create_unverified_context()
    context.keylog_filename = keys
    two = imaplib.IMAP4("127.0.0.1", int(PORT))
    two.starttls(context)
    two.login(USER, SECRET)
    fetch(two, range(1, 6))
    two.logout()
    subprocess.run(["curl", "-s", "-u", f"{USER}:{SECRET}", "-o", "/dev/null",
                    f"imap://127.0.0.1:{PORT}/INBOX;MAILINDEX=1"], check=True)


def record(directory):
    pcap, keys = (os.path.join(directory, n) for n in ("imap.pcap", "keys"))
    with Namespace("at-imap") as space:
        dovecot.start(space, directory, "imap", PORT, MAILS)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(sys.executable, os.path.abspath(__file__), "workload", keys,
                  stderr=None)
        space.stop(recorder)
    return pcap, keys


def wrong(aftertap, db, condition="1"):
    """Mails that are not of the number that was asked for; and how many."""
    rows = [row[1:] for row in aftertap.rows(
        db, "query, body_text(id, 'response')", "protocol = 'imap' AND method ="
        " 'FETCH' AND query LIKE '%(UID%' AND status_text = 'OK' AND complete"
        " AND " + condition)]
    bad = []
    for query, body in rows:
        number = query.split()[0]
        text = mail(int(number))
        if not (body.startswith(f"* {number} FETCH (UID ") and body.endswith(
                f"BODY[] {{{len(text)}}}\r\n{text})\r\n")):
            bad.append((query, body))
    return bad[:2], len(rows)


def check(failures, aftertap, db, pcap):
    failures.check("mails that are others", wrong(aftertap, db), ([], MAILS))
    ours = collections.Counter(row[1].split()[-1] for row in aftertap.rows(
        db, "method", "protocol = 'imap' AND has_request"))
    theirs = collections.Counter()
    for row in tshark_fields(pcap, "imap.request.command",
                             ["imap.request.command"], "-d",
                             f"tcp.port=={PORT},imap"):
        theirs.update(word.upper() for word in row[0].split("|"))
    for word in LITERALS:
        theirs.pop(word, None)
    ours["NONSENSE"] = ours.pop("UNKNOWN")
    failures.check("commands as tshark counts them", dict(ours), dict(theirs))
    failures.check("mails that were sent", [row[1:] for row in aftertap.rows(
        db, "path, body_text(id, 'request')", "protocol = 'imap' AND method ="
        " 'APPEND' AND path = 'Sent'")],
        [["Sent", mail(number)] for number in range(1, 21)])
    failures.check("while it waited", [row[1] for row in aftertap.rows(
        db, "body_text(id, 'response')", "protocol = 'imap' AND method ="
        " 'IDLE' AND status_text = 'OK' AND path = 'INBOX'")],
        [f"* {MAILS + 1} EXISTS\r\n* 1 RECENT\r\n"])
    failures.check("errors", sorted(row[1] for row in aftertap.rows(
        db, "method", "protocol = 'imap' AND is_error")), BAD)
    failures.check("calls without request or answer", aftertap.json(
        "--db", db, "sql", "SELECT method, count(*) FROM api_calls WHERE"
        " protocol = 'imap' AND NOT (has_request AND has_response)"
        " GROUP BY 1")["rows"], [["GREETING", 4]])
    secrets(failures, aftertap, db)
    failures.check("calls of other protocols", aftertap.json(
        "--db", db, "sql", "SELECT DISTINCT protocol FROM api_calls WHERE"
        " protocol NOT IN ('imap', 'tls')")["rows"], [])


def secrets(failures, aftertap, db):
    failures.check("passwords shown", aftertap.run(
        "--db", db, "sql", "SELECT summary, query, header(id, 'request',"
        " 'password') FROM api_calls WHERE method IN ('LOGIN', 'AUTHENTICATE')"
    ).stdout.count(SECRET), 0)
    with open(aftertap.database(db), "rb") as file:
        failures.that("nothing of what AUTHENTICATE proves",
                      PROOF.encode() not in file.read())


def main(binary):
    need_root()
    need("dovecot", "curl", "tcpdump", "ip", "ethtool", "tshark", "openssl")
    failures = Failures()
    with workspace() as directory:
        pcap, keys = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, pcap)
        db = aftertap.dissected(pcap, "keys", "--tls-keylog", keys)
        failures.check("mails with those behind STARTTLS", wrong(aftertap, db),
                       ([], MAILS + 5))
        no_wrong_pairs(failures, aftertap, pcap)
        for variant, path in impaired_captures(pcap, directory, PORT):
            db = aftertap.dissected(path, variant[:-5])
            bad, count = wrong(aftertap, db, "NOT uncertain AND has_request")
            failures.that(f"{variant}: mails", count > MAILS / 2 or variant in
                          ("client_only.pcap", "server_only.pcap",
                           "snap200.pcap"), count)
            failures.check(f"{variant}: mails that are others", bad, [])
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["workload"]:
        workload(sys.argv[2])
    else:
        main(*sys.argv[1:])
