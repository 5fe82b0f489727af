#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ftplib and curl against vsftpd, recorded with tcpdump: commands and replies
are those that tshark counts and that vsftpd's log has, transfers name the data
connection that there was, also with packets lost, swapped and doubled.

usage: test_ftp_truth.py AFTERTAP
"""
import collections
import ftplib
import io
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7421"  # not FTP's own
FILES = 80
SECRET = "open-sesame-7@x.test"

CONFIG = """
listen=YES
listen_port={port}
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
local_enable=NO
anon_root={root}
no_anon_password=NO
write_enable=YES
anon_upload_enable=NO
port_enable=YES
xferlog_enable=YES
log_ftp_protocol=YES
vsftpd_log_file={log}
secure_chroot_dir={empty}
run_as_launching_user=NO
seccomp_sandbox=NO
"""


def name(i):
    return f"file-{i}.txt"


def session(passive):
    one = ftplib.FTP()
    one.connect("127.0.0.1", int(PORT))
    one.login("anonymous", SECRET)
    one.set_pasv(passive)
    one.sendcmd("FEAT")
    one.pwd()
    for i in range(FILES):
        one.voidcmd("TYPE I")
        one.size(name(i))
        one.retrbinary("RETR " + name(i), lambda data: None)
    for command in ("STOR x", "RETR none", "NLST"):
        try:
            if command[:4] == "STOR":
                one.storbinary(command, io.BytesIO(b"x"))
            else:
                one.retrbinary(command, lambda data: None)
        except ftplib.error_perm:
            pass
    for command in ("NONSENSE x", "CWD nowhere", "SYST"):
        try:
            one.sendcmd(command)
        except ftplib.error_perm:
            pass
    one.quit()


def workload():
    session(True)
    session(False)
    subprocess.run(["curl", "-s", f"ftp://127.0.0.1:{PORT}/" + name(1), "-o",
                    "/dev/null"], check=True)
    subprocess.run(["curl", "-s", "--disable-epsv", f"ftp://127.0.0.1:{PORT}/"],
                   check=True, stdout=subprocess.DEVNULL)


def record(directory):
    pcap = os.path.join(directory, "ftp.pcap")
    root, log = os.path.join(directory, "root"), os.path.join(directory, "log")
    empty = os.path.join(directory, "empty")
    os.chmod(directory, 0o755)
    for made in (root, empty):
        os.mkdir(made, 0o755)
    for i in range(FILES):
        with open(os.path.join(root, name(i)), "w", encoding="utf-8") as file:
            file.write(f"this is {i} " * (i * 7 + 1))
    config = os.path.join(directory, "vsftpd.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(port=PORT, root=root, log=log, empty=empty))
    with Namespace("at-ftp") as space:
        space.start("vsftpd", config)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp")
        space.run(sys.executable, os.path.abspath(__file__), "workload",
                  stderr=None)
        space.stop(recorder)
    with open(log, encoding="utf-8") as file:
        commands = collections.Counter(re.findall(
            r'FTP command: Client "127.0.0.1", "([A-Z]+)', file.read()))
    return pcap, commands


def counts(aftertap, db):
    ours, codes = collections.Counter(), collections.Counter()
    for _, status, interim, method, has_request in aftertap.rows(
            db, "status, header(id, 'response', ':interim'), method,"
            " has_request", "protocol = 'ftp'"):
        ours[method if has_request else None] += 1
        codes[status] += 1
        codes.update(int(c) for c in re.findall(r"(?:^|, )(\d{3})\b",
                                                interim or ""))
    del ours[None]
    return ours, codes


def check(failures, aftertap, db, pcap, log):
    ours, codes = counts(aftertap, db)
    options = ("-d", f"tcp.port=={PORT},ftp")
    theirs, their_codes = collections.Counter(), collections.Counter()
    for row in tshark_fields(pcap, "ftp.request.command",
                             ["ftp.request.command"], *options):
        theirs.update(row[0].upper().split("|"))
    for row in tshark_fields(pcap, "ftp.response.code", ["ftp.response.code"],
                             *options):
        their_codes.update(int(code) for code in row[0].split("|"))
    unknown = ours.pop("UNKNOWN", 0)
    failures.check("what is no command", unknown, theirs.pop("NONSENSE", 0))
    failures.check("commands as tshark counts them", dict(ours), dict(theirs))
    # tshark counts the first and the last line of several.
    failures.check("lists of features", 2 * codes.pop(211),
                   their_codes.pop(211))
    failures.check("replies as tshark counts them", dict(codes),
                   dict(their_codes))
    log.pop("NONSENSE", None)
    failures.check("commands as the server logged them",
                   {k: v for k, v in ours.items() if v != log[k]}, {})
    failures.that("commands", sum(ours.values()) > 8 * FILES,
                  sum(ours.values()))


def data_connections(failures, aftertap, db):
    """Each transfer names an end of a connection that brought something."""
    ends = {f"127.0.0.1:{row[1]}" for row in tshark_ends(aftertap, db)}
    said = [row[1] for row in aftertap.rows(
        db, "header(id, 'request', 'data-endpoint')",
        "protocol = 'ftp' AND method = 'RETR' AND status = 226")]
    failures.check("transfers", len(said), 2 * FILES + 1)
    failures.check("data connections that there were not",
                   [s for s in said if not s or
                    "127.0.0.1:" + s.rsplit(":", 1)[1] not in ends][:3], [])


def tshark_ends(aftertap, db):
    return aftertap.json(
        "--db", db, "sql", "SELECT dst_ip, dst_port FROM connections",
        "--limit", "1000")["rows"]


def pairs_of(aftertap, db):
    return [row[1:] for row in aftertap.rows(
        db, "path, status_text", "protocol = 'ftp' AND method = 'SIZE' AND"
        " status = 213 AND complete AND NOT uncertain")]


def impaired(failures, aftertap, pcap, directory):
    sizes = {name(i): str(len(f"this is {i} ") * (i * 7 + 1))
             for i in range(FILES)}
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        pairs = pairs_of(aftertap, db)
        failures.that(f"{variant}: pairs", len(pairs) > FILES or variant in (
            "client_only.pcap", "server_only.pcap", "midstream.pcap"),
            len(pairs))
        failures.check(f"{variant}: wrong pairs", [
            p for p in pairs if sizes[p[0]] != p[1]][:3], [])


def main(binary):
    need_root()
    need("vsftpd", "curl", "tcpdump", "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, log = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, pcap, log)
        data_connections(failures, aftertap, db)
        failures.check("calls of other protocols", aftertap.json(
            "--db", db, "sql", "SELECT DISTINCT protocol FROM api_calls WHERE"
            f" protocol != 'ftp' AND dst_port = {PORT}")["rows"], [])
        failures.check("passwords shown", aftertap.run(
            "--db", db, "sql", "SELECT header(id, 'request', 'password') FROM"
            " api_calls WHERE method = 'PASS'").stdout.count(SECRET), 0)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:] == ["workload"]:
        workload()
    else:
        main(*sys.argv[1:])
