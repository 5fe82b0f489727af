#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/3 of ngtcp2's client and server with the secrets that they log: every
call that aftertap finds is one that the client says it made, with the status
that it got and the file that the server has; streams are those of tshark's own
decryption.  With key updates, three ciphers, 0-RTT, a changed version, losses on
the network, datagrams that the kernel takes apart, a client that moves; and
with packets lost from the capture no wrong pair.

usage: test_http3_truth.py AFTERTAP
"""
import collections
import hashlib
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, tshark_fields, workspace)

PLAIN, WHOLE, PREFERS = "7371", "7372", "7373"
HOST = "localhost"  # what the client calls an address
FILES = 12


class Peers:
    """Servers in a namespace, and clients of which it is known what they
    asked and got."""

    def __init__(self, space, directory):
        self.space, self.directory = space, directory
        self.calls = []  # (port, method, path, status)
        self.keys = os.path.join(directory, "keys.log")
        self.environment = dict(os.environ, SSLKEYLOGFILE=self.keys)
        self.hashes = {}
        www = os.path.join(directory, "www")
        os.mkdir(www)
        for number in range(FILES):
            data = b"".join(b"%d line %d\n" % (number, line)
                            for line in range(1 << number))
            with open(f"{www}/f{number}.txt", "wb") as file:
                file.write(data)
            self.hashes[f"/f{number}.txt"] = hashlib.sha256(data).hexdigest()

    def file(self, number):
        return f"{self.directory}/www/f{number}.txt"

    def serve(self, port, *options):
        key, cert = [os.path.join(self.directory, name)
                     for name in ("key.pem", "cert.pem")]
        if not os.path.exists(key):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                 "-keyout", key, "-out", cert, "-subj", "/CN=example.org",
                 "-days", "2"], check=True, stderr=subprocess.DEVNULL)
        self.space.start("gtlsserver", "-q", "-d", self.directory + "/www",
                         *options, "127.0.0.1", port, key, cert)
        self.space.wait_udp(port)

    def ask(self, port, paths, *options, sure=True):
        """A connection that asks for the paths; `sure`: all are answered."""
        done = self.space.run(
            "gtlsclient", "--no-quic-dump", "--timeout=30s",
            "--exit-on-all-streams-close", *options, "127.0.0.1", port,
            *(f"https://{HOST}{path}" for path in paths), check=False,
            timeout=90, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        text = done.stdout.decode(errors="replace")
        asked, stream = {}, None
        for line in text.splitlines():
            begins = re.match(r"http: stream (0x[0-9a-f]+) submit", line)
            field = re.match(r"\[(:method|:path): (.*)\]", line)
            status = re.match(
                r"http: stream (0x[0-9a-f]+) \[:status: (\d+)\]", line)
            if begins:
                stream = begins.group(1)
                asked[stream] = {}
            elif field and stream:
                asked[stream][field.group(1)] = field.group(2)
            elif status:
                asked[status.group(1)]["status"] = int(status.group(2))
        for call in asked.values():
            if not sure and "status" not in call:
                continue
            self.calls.append((int(port), call[":method"], call[":path"],
                               call.get("status")))
        if sure and len(asked) < len(paths):
            raise SystemExit(f"gtlsclient asked {len(asked)} times:\n{text}")


def talk(peers):
    paths = list(peers.hashes)
    peers.ask(WHOLE, paths, "-n", "60")
    peers.ask(PLAIN, paths, "-n", "60")
    peers.ask(PLAIN, paths[:3] + ["/none?a=b", "/none/too"])
    peers.ask(WHOLE, paths[:2], "-m", "HEAD")
    for port, number in ((PLAIN, 2), (WHOLE, 9)):
        peers.ask(port, paths[4:5], "-d", peers.file(number))
    for port, cipher in ((WHOLE, "CHACHA20-POLY1305"),
                         (PLAIN, "AES-256-GCM")):
        peers.ask(port, paths, "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:"
                  "-CIPHER-ALL:+" + cipher)
        peers.ask(port, paths, "--key-update=1ms", "--delay-stream=10ms")
    for _ in range(2):  # the first gets what the next resumes with
        peers.ask(PLAIN, paths[3:6], *(
            f"--{name}-file={peers.directory}/{name}"
            for name in ("session", "tp")))
    peers.ask(PREFERS, paths, "--version=v1", "--other-versions=v2draft,v1")


def trouble(peers):
    """What packets are lost on the network for: all is sent again."""
    paths = list(peers.hashes)
    peers.ask(PLAIN, paths, "--tx-loss=0.1")
    peers.ask(PLAIN, paths, "--rx-loss=0.1")


def record(peers, name, what, *more):
    pcap = os.path.join(peers.directory, name)
    before = len(peers.calls)
    recorder = peers.space.record(pcap, "udp")
    what(peers, *more)
    peers.space.stop(recorder)
    return pcap, peers.calls[before:]


def calls_of(aftertap, db, condition="1"):
    """Calls of HTTP/3: port, method, path with query, status, hashes."""
    for row in aftertap.rows(
            db, "dst_port, method, path, coalesce(query, ''), status,"
            " complete, body_sha256(id, 'response'),"
            " body_sha256(id, 'request'), tls_cipher, tls_name, version",
            f"protocol = 'http' AND ({condition})"):
        (_, port, method, path, query, status, complete, got, sent, cipher,
         sni, version) = row
        yield ((port, method, path + ("?" + query if query else ""), status),
               complete, got, sent, (cipher, sni, version))


def check(failures, aftertap, peers, name, pcap, truth):
    db = aftertap.dissected(pcap, name, "--tls-keylog", peers.keys)
    ours, wrong, marks = collections.Counter(), [], collections.Counter()
    posted = {peers.hashes["/f2.txt"], peers.hashes["/f9.txt"]}
    for call, complete, got, sent, told in calls_of(aftertap, db):
        ours[call] += 1
        marks[told] += 1
        _, method, path, status = call
        right = complete and (status != 200 or method == "HEAD" or
                              got == peers.hashes[path])
        if method == "POST":
            right = right and sent in posted
        if not right:
            wrong.append((call, complete, got))
    truth = collections.Counter(truth)
    failures.check(f"{name}: calls that the clients did not make",
                   list((ours - truth).items())[:4], [])
    failures.check(f"{name}: calls that are missing",
                   list((truth - ours).items())[:4], [])
    failures.check(f"{name}: wrong or incomplete among {sum(ours.values())}",
                   wrong[:4], [])
    failures.check(f"{name}: versions and names", {
        (sni, version) for _, sni, version in marks}, {(HOST, "3")})
    other = list(aftertap.rows(
        db, "protocol", "protocol NOT IN ('http', 'quic')"))
    failures.check(f"{name}: other protocols", other, [])
    unread = aftertap.json("--db", db, "calls")["coverage"].get(
        "tls_unread_names", [])
    failures.check(f"{name}: connections without keys", unread, [])
    return db, {cipher for cipher, _, _ in marks}


def check_tshark(failures, aftertap, db, peers, pcap):
    """Streams of the server that leaves no work to the kernel, as tshark
    decrypts them; it knows no QPACK."""
    rows = tshark_fields(
        pcap, f"quic.stream.stream_id && udp.dstport == {WHOLE}",
        ["udp.srcport", "quic.stream.stream_id"],
        "-o", "tls.keylog_file:" + peers.keys, "-d",
        f"udp.port=={WHOLE},quic")
    streams = collections.Counter()
    for port, each in {(row[0], stream) for row in rows
                       for stream in row[1].split("|")}:
        streams[int(port)] += int(each) % 4 == 0
    ours = collections.Counter()
    for row in aftertap.rows(db, "src_port", "protocol = 'http' AND "
                             f"dst_port = {WHOLE}"):
        ours[row[1]] += 1
    failures.check("calls of each connection, as tshark has streams", ours,
                   streams)
    failures.that("tshark has seen enough", sum(streams.values()) > 80,
                  sum(streams.values()))


def check_keys(failures, aftertap, peers, pcap):
    """Of one connection the secrets are missing."""
    with open(peers.keys, encoding="ascii") as file:
        lines = file.readlines()
    random = next(line for line in lines if line[0] != "#").split()[1]
    with open(peers.keys + ".less", "w", encoding="ascii") as file:
        file.writelines(line for line in lines if random not in line)
    db = aftertap.dissected(pcap, "less", "--tls-keylog",
                            peers.keys + ".less")
    coverage = aftertap.json("--db", db, "calls")["coverage"]
    failures.check("names without keys", [
        (each["name"], each["handshakes"])
        for each in coverage["tls_unread_names"]], [(HOST, 1)])
    db = aftertap.dissected(pcap, "none")
    failures.check("calls without any keys",
                   list(calls_of(aftertap, db)), [])


def number_of(text):
    """Which file the text is of: what most of its whole lines say."""
    lines = re.findall(r"^(\d+) line \d+$", text or "", re.M)
    return collections.Counter(lines).most_common(1)[0][0] if lines else None


def check_impaired(failures, aftertap, peers, pcap, truth):
    few = ("client_only", "server_only", "snap200", "midstream")
    statuses = {(method, path): status for _, method, path, status in truth}
    for variant, path in impaired_captures(pcap, peers.directory, PLAIN):
        name = variant[:-5]
        db = aftertap.dissected(path, "h3" + name, "--tls-keylog",
                                peers.keys)
        pairs, wrong, whole = 0, [], 0
        for row in aftertap.rows(
                db, "method, path, status, complete,"
                " body_sha256(id, 'response'), body_text(id, 'response'),"
                " coalesce(query, '')",
                "protocol = 'http' AND has_request AND has_response"):
            _, method, path, status, complete, digest, body, query = row
            full = path + ("?" + query if query else "") if path else None
            pairs += 1
            whole += bool(complete)
            number = number_of(body)
            expected = f"/f{number}.txt"
            if (status == 200 and path and number and path != expected) or (
                    path and status is not None and
                    statuses.get((method, full)) != status) or (
                    complete and status == 200 and method != "HEAD" and
                    digest != peers.hashes[path]):
                wrong.append(row[:4])
        failures.check(f"{name}: wrong among {pairs} pairs, {whole} of them "
                       "whole", wrong[:3], [])
        failures.that(f"{name}: pairs are found", name in few or
                      pairs > len(truth) / 8, pairs)


def moving(peers):
    """A client that goes on from other ports, which are connections of their
    own to who sees the packets."""
    for option in ((), ("--nat-rebinding",)):
        peers.ask(PLAIN, list(peers.hashes), "--change-local-addr=20ms",
                  "--delay-stream=60ms", *option, sure=False)


def check_moving(failures, aftertap, peers, pcap, truth):
    db = aftertap.dissected(pcap, "moving", "--tls-keylog", peers.keys)
    known = {call[:3] for call in truth}
    wrong = [call for call, complete, got, *_ in calls_of(aftertap, db)
             if call[:3] not in known or
             (complete and got != peers.hashes[call[2]])]
    failures.check("a client that moves: wrong calls", wrong, [])


def main(binary):
    need_root()
    need("gtlsserver", "gtlsclient", "openssl", "ss", "tcpdump", "ip",
         "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory, Namespace("at-h3") as space:
        peers = Peers(space, directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        peers.serve(PLAIN)
        peers.serve(WHOLE, "--max-gso-dgrams=1", "--send-trailers")
        peers.serve(PREFERS, "--preferred-versions=v2draft,v1",
                    "--other-versions=v2draft,v1")
        pcap, truth = record(peers, "h3.pcap", talk)
        db, ciphers = check(failures, aftertap, peers, "h3", pcap, truth)
        failures.check("ciphers", ciphers, {
            "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256"})
        check_tshark(failures, aftertap, db, peers, pcap)
        check_keys(failures, aftertap, peers, pcap)
        check_impaired(failures, aftertap, peers, pcap, truth)
        lossy, more = record(peers, "lossy.pcap", trouble)
        check(failures, aftertap, peers, "lossy", lossy, more)
        moved, more = record(peers, "moved.pcap", moving)
        check_moving(failures, aftertap, peers, moved, more)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
