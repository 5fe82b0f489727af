#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS of curl and openssl s_client against nginx, decrypted offline: calls are
those of tshark with the same keys and of nginx's log; bodies have the hash of
the file that was served.  Every cipher, resumption, KeyUpdate, a retried hello
and early data; then the same capture with packets lost, swapped, repeated, cut
off at its start, and without keys.

usage: test_tls.py AFTERTAP
"""
import collections
import hashlib
import os
import random
import re
import select
import struct
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, need, need_root,
                     tshark_fields, workspace)

PORT12, PORT13, PORTHRR = 18612, 18613, 18614

CIPHERS12 = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
             "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA",
             "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256",
             "AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256",
             "DHE-RSA-AES128-GCM-SHA256"]
CIPHERS13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
             "TLS_CHACHA20_POLY1305_SHA256"]

NGINX = """
user root;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
daemon off;
events {{ worker_connections 64; }}
http {{
    log_format plain '$server_port $request_method $request_uri $status';
    access_log {dir}/access.log plain;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
    ssl_session_cache shared:a:1m;
    root {dir}/www;
    server {{ listen {p12} ssl; ssl_protocols TLSv1.2;
             ssl_ciphers ALL:@SECLEVEL=0; ssl_dhparam {dir}/dh.pem; }}
    server {{ listen {p13} ssl; ssl_protocols TLSv1.3; ssl_early_data on; }}
    server {{ listen {phrr} ssl; ssl_protocols TLSv1.3;
             ssl_ecdh_curve secp384r1; }}
}}
"""


class Stage:
    def __init__(self, net, directory):
        self.net, self.dir = net, directory
        self.keys = self.path("keys.log")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def prepare(self):
        os.mkdir(self.path("www"))
        for name, size in (("small", 700), ("big", 150000)):
            with open(self.path("www", name), "wb") as file:
                file.write(random.Random(name).randbytes(size))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "2", "-subj", "/CN=test.example", "-addext",
             "subjectAltName=DNS:test.example,IP:127.0.0.1", "-keyout",
             self.path("key.pem"), "-out", self.path("cert.pem")],
            check=True, capture_output=True)
        subprocess.run(["openssl", "dhparam", "-dsaparam", "-out",
                        self.path("dh.pem"), "1024"], check=True,
                       capture_output=True)
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(NGINX.format(dir=self.dir, p12=PORT12, p13=PORT13,
                                    phrr=PORTHRR))
        self.net.start("nginx", "-p", self.dir, "-c", self.path("nginx.conf"))
        self.net.wait_port(PORT13)

    def curl(self, port, *options, paths=("/small", "/big", "/none")):
        urls = []
        for path in paths:
            urls += [f"https://test.example:{port}{path}", "-o", "/dev/null"]
        self.net.run("curl", "-sk", "--http1.1", "--resolve",
                     f"test.example:{port}:127.0.0.1", *options, *urls,
                     env=dict(os.environ, SSLKEYLOGFILE=self.keys),
                     check=False)

    def s_client(self, port, steps, *options):
        """Each of `steps` is said when the one before was answered; K asks
        for a KeyUpdate."""
        child = self.net.start(
            "openssl", "s_client", "-connect", f"127.0.0.1:{port}",
            "-servername", "test.example", "-keylogfile", self.keys,
            *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.hear(child, b"Verify return code")
        for step in steps:
            child.stdin.write(step)
            child.stdin.flush()
            word = b"KEYUPDATE" if step == b"K\n" else b"HTTP/1.1 200"
            self.hear(child, word)
        child.stdin.close()
        child.wait(20)

    @staticmethod
    def hear(child, word):
        """What it prints up to `word`, and what comes with it."""
        heard = b""
        while select.select([child.stdout], [], [],
                            0.3 if word in heard else 20)[0]:
            more = os.read(child.stdout.fileno(), 65536)
            if not more:
                break
            heard += more
        return heard


def get(path, close=False):
    return (f"GET {path} HTTP/1.1\r\nHost: test.example\r\n"
            f"{'Connection: close' + chr(13) + chr(10) if close else ''}"
            "\r\n").encode()


def traffic(stage):
    for cipher in CIPHERS12:
        stage.curl(PORT12, "--tls-max", "1.2", "--ciphers",
                   cipher + ":@SECLEVEL=0")
    for cipher in CIPHERS13:
        stage.curl(PORT13, "--tls13-ciphers", cipher)
    stage.curl(PORTHRR)  # its first key share is for another group
    session = stage.path("session")
    # Without encrypt-then-MAC.
    stage.s_client(PORT12, [get("/small", True)], "-tls1_2", "-no_etm",
                   "-cipher", "ECDHE-RSA-AES256-SHA", "-ign_eof")
    # Resumption: tickets, session ids, PSK with early data.
    for more in (("-tls1_2",), ("-tls1_2", "-no_ticket")):
        stage.s_client(PORT12, [get("/small", True)], *more, "-sess_out",
                       session, "-ign_eof")
        stage.s_client(PORT12, [get("/small", True)], *more, "-sess_in",
                       session, "-ign_eof")
    stage.s_client(PORT13, [get("/small", True)], "-tls1_3", "-sess_out",
                   session, "-ign_eof")
    with open(stage.path("early"), "wb") as file:
        file.write(get("/small?early"))
    stage.s_client(PORT13, [get("/big?late", True)], "-tls1_3", "-sess_in",
                   session, "-early_data", stage.path("early"), "-ign_eof")
    # KeyUpdate, asking the other side for one, too.
    stage.s_client(PORT13, [get("/small?before"), b"K\n",
                            get("/small?between"), b"K\n",
                            get("/big?after")], "-tls1_3")
    stage.net.run("curl", "-s", "--resolve",
                  f"test.example:{PORT13}:127.0.0.1",
                  f"https://test.example:{PORT13}/refused", check=False)


# The capture, changed.

def read_pcap(path):
    with open(path, "rb") as file:
        data = file.read()
    head, packets, at = data[:24], [], 24
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        packets.append(data[at:at + 16 + size])
        at += 16 + size
    return head, packets


def payload(packet):
    ip = 16 + 14
    header = (packet[ip] & 15) * 4
    total = struct.unpack_from(">H", packet, ip + 2)[0]
    return total - header - (packet[ip + header + 12] >> 4) * 4


def changed(source, target, how):
    head, packets = read_pcap(source)
    out, rng = [], random.Random(5)
    for number, packet in enumerate(packets):
        if how == "loss" and payload(packet) > 1000 and rng.random() < 0.05:
            continue
        if how == "late" and number < len(packets) // 3:
            continue
        out.append(packet)
        if how == "repeated" and rng.random() < 0.1:
            out.append(packet)
        if how == "swapped" and len(out) > 1 and rng.random() < 0.1:
            # The time stays with the place, as a capture has it.
            one, two = out[-2], out[-1]
            out[-2:] = [one[:8] + two[8:], two[:8] + one[8:]]
    with open(target, "wb") as file:
        file.write(head + b"".join(out))


HTTP = "protocol = 'http'"


def http_calls(aftertap, db):
    return collections.Counter(
        f"{row[1]} {row[2]} {row[3]} {row[4]}" for row in aftertap.rows(
            db, "dst_port, method, path || CASE query WHEN '' THEN '' ELSE "
                "'?' || query END, status", HTTP))


def tshark_calls(pcap, keys):
    """Requests and statuses in the order of each connection."""
    ports = ",".join(map(str, (PORT12, PORT13, PORTHRR)))
    rows = tshark_fields(
        pcap, "http.request or http.response",
        ["tcp.stream", "tcp.dstport", "http.request.method",
         "http.request.uri", "http.response.code"],
        "-o", f"tls.keylog_file:{keys}", "-o", f"http.tls.port:{ports}",
        "-o", "tcp.reassemble_out_of_order:TRUE")
    waiting, calls = collections.defaultdict(list), collections.Counter()
    for stream, port, method, uri, code in rows:
        for one, path in zip(filter(None, method.split("|")),
                             filter(None, uri.split("|"))):
            waiting[stream].append(f"{port} {one} {path}")
        for status in filter(None, code.split("|")):
            calls[f"{waiting[stream].pop(0)} {status}"] += 1
    return calls


def check_whole(f, stage, aftertap, db, pcap):
    ours = http_calls(aftertap, db)
    with open(stage.path("access.log"), encoding="utf-8") as file:
        logged = collections.Counter(file.read().splitlines())
    f.check("calls are those of nginx's log", ours, logged)
    f.check("calls are those of tshark", ours,
            tshark_calls(pcap, stage.keys))
    check_bodies(f, stage, aftertap, db, "")
    seen = {row[1] for row in aftertap.rows(db, "tls_cipher", HTTP)}
    f.check("ciphers of calls", len(seen), len(CIPHERS12) + len(CIPHERS13) + 1)
    f.check("names", {row[1] for row in aftertap.rows(
        db, "tls_name", HTTP)}, {"test.example"})
    f.check("every session was read", list(aftertap.rows(
        db, "summary", "protocol = 'tls' AND NOT is_error AND "
        "header(id, 'response', 'keys') IS NOT NULL")), [])


def check_bodies(f, stage, aftertap, db, condition,
                 names=("small", "big")):
    rows = list(aftertap.rows(
        db, "path, body_sha256(id, 'response')",
        HTTP + " AND complete AND NOT truncated AND status = 200"
        + condition))
    for name in names:
        with open(stage.path("www", name), "rb") as file:
            expected = hashlib.sha256(file.read()).hexdigest()
        got = [row[2] for row in rows if row[1] == "/" + name]
        f.that(f"/{name} was seen whole", got, len(got))
        f.check(f"bodies of /{name}", set(got), {expected})


def check_handshakes(f, aftertap, db, pcap):
    ours = sorted(aftertap.rows(
        db, "tls_version, host, header(id, 'request', 'ja3'), "
        "header(id, 'response', 'ja3s')", "protocol = 'tls'"))
    ja3 = collections.Counter(row[3] for row in ours)
    theirs = collections.Counter(
        row[0] for row in tshark_fields(
            pcap, "tls.handshake.type == 1", ["tls.handshake.ja3"]))
    # tshark counts the second hello of a retry, we do not.
    retried = len(list(aftertap.rows(
        db, "1", "header(id, 'response', 'retry') IS NOT NULL")))
    f.check("hellos", sum(ja3.values()) + retried, sum(theirs.values()))
    f.check("JA3 values", set(ja3) - set(theirs), set())
    server = set(row[0] for row in tshark_fields(
        pcap, "tls.handshake.type == 2", ["tls.handshake.ja3s"]))
    f.check("JA3S values", {row[4] for row in ours} - server, set())
    f.that("a hello was retried", retried > 0)
    resumed = {row[1] for row in aftertap.rows(
        db, "header(id, 'response', 'resumed')", "protocol = 'tls'")}
    f.check("resumptions", resumed - {None},
            {"ticket", "session id", "psk"})
    f.check("early data", [row[1] for row in aftertap.rows(
        db, "header(id, 'response', 'early_data')",
        "header(id, 'response', 'early_data') IS NOT NULL")], ["accepted"])
    f.check("a refusal", [row[1:] for row in aftertap.rows(
        db, "status, status_text", "protocol = 'tls' AND is_error")],
        [[48, "unknown_ca"]])


def check_certificate(f, stage, aftertap, db):
    got = {tuple(row[1:]) for row in aftertap.rows(
        db, ", ".join(f"header(id, 'response', 'certificate.{name}')"
                      for name in ("subject", "names", "sha256")),
        "header(id, 'response', 'certificate.subject') IS NOT NULL")}
    told = subprocess.run(
        ["openssl", "x509", "-in", stage.path("cert.pem"), "-noout",
         "-fingerprint", "-sha256"], capture_output=True, text=True).stdout
    digest = re.sub(":", "", told.split("=")[1]).strip().lower()
    f.check("certificate", got, {("CN=test.example",
                                  "test.example, 127.0.0.1", digest)})


def check_changed(f, stage, aftertap, pcap, whole):
    for how in ("repeated", "swapped", "loss", "late"):
        target = stage.path(how + ".pcap")
        changed(pcap, target, how)
        db = aftertap.dissected(target, how, "--tls-keylog", stage.keys)
        calls = http_calls(aftertap, db)
        if how in ("repeated", "swapped"):
            f.check(f"{how}: all calls", calls, whole)
        else:
            # A half may be missing; where both are there, they were said.
            wrong = [call for call in calls if call not in whole and
                     len(call.split()) == 4 and "None" not in call]
            f.check(f"{how}: no call that was not", wrong, [])
            f.that(f"{how}: calls", sum(calls.values()) >
                   sum(whole.values()) // 3, sum(calls.values()))
        if how == "loss":
            # Holes inside have the size of what was lost; not with CBC,
            # whose padding is not known.
            sizes = collections.Counter(row[1] for row in aftertap.rows(
                db, "response_body_wire_size",
                HTTP + " AND NOT complete AND path = '/big' AND status = 200"
                " AND has_request AND tls_cipher NOT LIKE '%CBC%'"))
            f.that("loss: bodies with holes are passed exactly",
                   sizes[150000] * 2 > sum(sizes.values()), sizes)
        check_bodies(f, stage, aftertap, db, "",
                     ("small",) if how == "loss" else ("small", "big"))


def check_export(f, stage, aftertap, pcap):
    """Keys kept at import leave in an export, and decrypt there."""
    aftertap.run("import", "--name", "kept", "--tls-keylog", stage.keys, pcap)
    aftertap.run("snapshots", "create", "kept", "--captures", "kept")
    aftertap.run("dissect", "kept", "--name", "d")
    whole = http_calls(aftertap, "kept/d")
    f.check("keys of the import", whole,
            tshark_calls(pcap, stage.keys))
    target = stage.path("with.pcapng")
    aftertap.run("export", "kept", target, "--include-secrets")
    f.check("tshark reads the export", tshark_calls(target, "/dev/null"),
            whole)
    db = aftertap.dissected(target, "again")
    f.check("so do we", http_calls(aftertap, db), whole)
    aftertap.run("dissect", "kept", "--name", "declined", "--no-decrypt")
    f.check("declined", http_calls(aftertap, "kept/declined"),
            collections.Counter())


def main(binary):
    need("nginx", "curl", "openssl", "tshark", "tcpdump")
    need_root()
    f = Failures()
    with workspace() as directory, Namespace("at-tls") as net:
        stage = Stage(net, directory)
        stage.prepare()
        pcap = stage.path("tls.pcap")
        recorder = net.record(pcap, f"tcp portrange {PORT12}-{PORTHRR}")
        traffic(stage)
        net.stop(recorder)
        aftertap = Aftertap(binary, stage.path("home"))
        os.mkdir(aftertap.home)
        db = aftertap.dissected(pcap, "whole", "--tls-keylog", stage.keys)
        whole = http_calls(aftertap, db)
        check_whole(f, stage, aftertap, db, pcap)
        check_handshakes(f, aftertap, db, pcap)
        check_certificate(f, stage, aftertap, db)
        check_changed(f, stage, aftertap, pcap, whole)
        check_export(f, stage, aftertap, pcap)
        bare = aftertap.dissected(pcap, "bare")
        f.check("without keys", {row[1] for row in aftertap.rows(
            bare, "protocol")}, {"tls"})
    f.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
