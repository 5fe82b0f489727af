#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of SMTP against exim, recorded with tcpdump: every mail it took is a
call whose response has the queue name that exim's log gives to it, commands and
replies are those that tshark counts, nothing of a password is kept; behind
STARTTLS the same, with the client's keys; also with packets lost, swapped and
doubled.

usage: test_smtp_truth.py AFTERTAP
"""
import collections
import os
import pwd
import re
import smtplib
import socket
import ssl
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7425"  # not SMTP's own
MAILS = 100
SECRET = "open-sesame-7"

CONFIG = """
primary_hostname = mx.test
keep_environment =
spool_directory = {spool}
log_file_path = {spool}/log.%s
pid_file_path =
tls_certificate = {spool}/tls.crt
tls_privatekey = {spool}/tls.key
tls_advertise_hosts = *
chunking_advertise_hosts = *
smtp_accept_max_per_connection = 10000
smtp_accept_queue_per_connection = 0
queue_only
acl_smtp_rcpt = check_rcpt
begin acl
check_rcpt:
  deny local_parts = nobody
       message = nobody lives here
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if eq{{$auth3}}{{{secret}}}}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if eq{{$auth2}}{{{secret}}}}}
"""


def mail(name):
    return (f"Message-ID: <{name}@client.test>\r\nFrom: a@client.test\r\n"
            f"Subject: mail {name}\r\n\r\nbody-of-{name}\r\n..\r\n" +
            "line\r\n" * (len(name) * 40) + ".\r\n").encode()


def polite():
    """One command at a time, as Python's library has it."""
    with smtplib.SMTP("127.0.0.1", int(PORT)) as one:
        one.ehlo("client.test")
        for i in range(MAILS):
            one.sendmail("a@client.test", [f"u{i}@mx.test"],
                         mail(f"polite-{i}"))
        for _ in range(5):
            one.mail("a@client.test")
            one.rcpt("nobody@mx.test")
            one.rset()
        one.docmd("NONSENSE", "x")
        one.verify("somebody")
        one.noop()


class Lines:
    """Whole groups of commands at once."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(PORT)))
        self.file = self.socket.makefile("rb")
        self.replies(1)
        self.ask(b"EHLO client.test\r\n")

    def replies(self, count):
        while count:
            line = self.file.readline()
            if not line:
                raise SystemExit("the server is gone")
            count -= line[3:4] != b"-"
        return line

    def ask(self, data, count=1):
        self.socket.sendall(data)
        return self.replies(count)


def pipelined():
    one = Lines()
    for i in range(MAILS):
        one.ask(f"MAIL FROM:<a@client.test>\r\nRCPT TO:<u{i}@mx.test>\r\n"
                "RCPT TO:<nobody@mx.test>\r\nDATA\r\n".encode(), 4)
        one.ask(mail(f"pipelined-{i}").replace(b"\r\n.", b"\r\n..") +
                b".\r\n")
    one.ask(b"QUIT\r\n")


def chunked():
    one = Lines()
    for i in range(MAILS):
        data = mail(f"chunked-{i}")
        one.ask(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<u@mx.test>\r\n"
                b"BDAT 40\r\n" + data[:40] + b"BDAT %d LAST\r\n" %
                (len(data) - 40) + data[40:], 4)
    one.ask(b"QUIT\r\n")


def authenticated():
    for mechanism in ("PLAIN", "LOGIN"):
        for password in ("wrong-one", SECRET):
            subprocess.run(
                ["swaks", "--server", "127.0.0.1", "--port", PORT, "--to",
                 "u@mx.test", "--from", "a@client.test", "--auth", mechanism,
                 "--auth-user", "alice", "--auth-password", password,
                 "--ehlo", "client.test", "--header",
                 f"Message-Id: <swaks-{mechanism}@client.test>"],
                stdout=subprocess.DEVNULL)


def encrypted(keys):
    context = ssl._create_unverified_context()
    context.keylog_filename = keys
    with smtplib.SMTP("127.0.0.1", int(PORT)) as one:
        one.ehlo("client.test")
        one.starttls(context=context)
        one.ehlo("client.test")
        one.login("alice", SECRET)
        for i in range(20):
            one.sendmail("a@client.test", ["u@mx.test"],
                         mail(f"encrypted-{i}"))


def workload(keys):
    polite()
    pipelined()
    chunked()
    authenticated()
    encrypted(keys)


def record(directory):
    pcap = os.path.join(directory, "smtp.pcap")
    keys = os.path.join(directory, "keys")
    spool = os.path.join(directory, "spool")
    os.mkdir(spool)
    os.chmod(directory, 0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-keyout", spool + "/tls.key", "-out", spool + "/tls.crt",
                    "-subj", "/CN=mx.test", "-days", "2"], check=True,
                   stderr=subprocess.DEVNULL)
    with open(os.path.join(directory, "exim.conf"), "w",
              encoding="utf-8") as file:
        file.write(CONFIG.format(spool=spool, secret=SECRET))
    user = pwd.getpwnam("Debian-exim")
    for path in (spool, *(os.path.join(spool, f) for f in os.listdir(spool))):
        os.chown(path, user.pw_uid, user.pw_gid)
    with Namespace("at-smtp") as space:
        space.start("exim4", "-bdf", "-oX", "127.0.0.1." + PORT, "-C",
                    file.name, "-oP", spool + "/pid")
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(sys.executable, os.path.abspath(__file__), "workload", keys,
                  stderr=None)
        space.stop(recorder)
        with open(spool + "/log.main", encoding="utf-8") as log:
            taken = dict(re.findall(r" (\S+) <= .* id=(\S+)@client.test",
                                    log.read()))
    return pcap, keys, {mail: queue for queue, mail in taken.items()}


def pairs_of(aftertap, db, certain=""):
    """(mail, its name in the queue) of DATA and the last BDAT."""
    for _, name, body, text in aftertap.rows(
            db, "header(id, 'request', 'Message-ID'), body_text(id,"
            " 'request'), status_text || coalesce(body_text(id, 'response'),"
            " '')", "protocol = 'smtp' AND method IN ('DATA', 'BDAT') AND"
            " status = 250 AND complete" + certain):
        said = re.search(r"OK id=(\S+)", text)
        if said:
            # Of chunks the first has the header: the body says it.
            found = re.match(r"<(\S+)@", name or "") or re.search(
                r"body-of-(\S+)", body)
            yield found and found.group(1), said.group(1)


def check(failures, aftertap, db, pcap, taken):
    """Returns commands and replies as counted here and by tshark."""
    pairs = list(pairs_of(aftertap, db))
    clear = {p for p in taken.items() if not p[0].startswith("encrypted")}
    failures.check("mails that the log has otherwise",
                   list(set(pairs) ^ clear)[:3], [])
    failures.check("mails", len(pairs), 3 * MAILS + 2)
    ours, codes = collections.Counter(), collections.Counter()
    for _, status, interim in aftertap.rows(
            db, "status, header(id, 'response', ':interim')",
            "protocol = 'smtp'"):
        codes[status] += 1
        codes.update(int(code) for code in re.findall(
            r"(?:^|, )(\d{3}) ", interim or ""))
    # tshark takes what is in chunks for commands.
    for _, method in aftertap.rows(
            db, "method", "protocol = 'smtp' AND has_request AND connection_id"
            " NOT IN (SELECT connection_id FROM api_calls WHERE method ="
            " 'BDAT')"):
        ours[method] += 1
    theirs, their_codes = collections.Counter(), collections.Counter()
    options = ("-d", f"tcp.port=={PORT},smtp")
    chunked = tshark_fields(pcap, "frame contains \"BDAT\"",
                            ["tcp.stream"])[0][0]
    for row in tshark_fields(pcap, "smtp.req.command && tcp.stream != " +
                             chunked, ["smtp.req.command"], *options):
        theirs.update(row[0].upper().split("|"))
    for row in tshark_fields(pcap, "smtp.response.code",
                             ["smtp.response.code"], *options):
        their_codes.update(int(code) for code in row[0].split("|"))
    return ours, codes, theirs, their_codes


def compare(failures, ours, codes, theirs, their_codes):
    for name in ("EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT",
                 "NOOP", "VRFY", "AUTH"):
        failures.check(f"{name} as tshark counts it", ours[name],
                       theirs[name])
    failures.check("what is no command", ours["UNKNOWN"], 1)
    failures.check("replies as tshark counts them", dict(codes),
                   dict(their_codes))


def no_secrets(failures, aftertap, db):
    with open(aftertap.database(db), "rb") as file:
        content = file.read()
    hidden = [SECRET.encode(), b"AGFsaWNl", b"YWxpY2U="]
    failures.check("secrets in the database",
                   [h for h in hidden if h in content], [])
    failures.check("secrets in rows", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE summary LIKE"
        " '%AGFsaW%' OR path LIKE '%AGFsaW%' OR body_text(id, 'request') LIKE"
        " '%YWxpY2U%'")["rows"][0][0], 0)


def inside(failures, aftertap, pcap, keys, taken):
    db = aftertap.dissected(pcap, "keys", "--tls-keylog", keys)
    mails = dict(p for p in pairs_of(aftertap, db) if p[0] and
                 p[0].startswith("encr"))
    failures.check("mails behind STARTTLS", mails, {
        m: q for m, q in taken.items() if m.startswith("encr")})
    failures.check("STARTTLS, and a handshake behind it", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls a JOIN api_calls b"
        " USING (connection_id) WHERE a.method = 'STARTTLS' AND b.protocol = 'tls'"
    )["rows"][0][0], 1)


def impaired(failures, aftertap, pcap, directory, taken):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        pairs = list(pairs_of(aftertap, db, " AND NOT uncertain"))
        failures.that(f"{variant}: pairs", len(pairs) > MAILS / 2 or variant in (
            "client_only.pcap", "server_only.pcap", "snap200.pcap",
            "midstream.pcap"), len(pairs))
        failures.check(f"{variant}: wrong pairs", [
            p for p in pairs if p[0] and taken.get(p[0]) != p[1]][:3], [])


def main(binary):
    need_root()
    need("exim4", "swaks", "tcpdump", "ip", "ethtool", "tshark", "openssl")
    failures = Failures()
    with workspace() as directory:
        pcap, keys, taken = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        compare(failures, *check(failures, aftertap, db, pcap, taken))
        failures.check("calls of other protocols", aftertap.json(
            "--db", db, "sql", "SELECT DISTINCT protocol FROM api_calls WHERE"
            " protocol NOT IN ('smtp', 'tls')")["rows"], [])
        no_secrets(failures, aftertap, db)
        inside(failures, aftertap, pcap, keys, taken)
        impaired(failures, aftertap, pcap, directory, taken)
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["workload"]:
        workload(sys.argv[2])
    else:
        main(*sys.argv[1:])
