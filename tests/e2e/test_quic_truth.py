#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client and the server of ngtcp2, recorded with tcpdump: names, versions,
ids, protocols, ciphers and fingerprints are those that tshark finds in its own
decryption, JA4 what follows from the fields that tshark shows.  With Retry,
Version Negotiation and refusals, and with packets lost, swapped and doubled.

usage: test_quic_truth.py AFTERTAP
"""
import hashlib
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, tshark_fields, workspace)

PLAIN, RETRY, PREFERS = "7359", "7360", "7361"
NAMES = ["one.example.org", "two.example.org",
         "a.very.long.name.of.a.server.that.is.not.there.example.org"]
OTHER_VERSIONS = ("0xff00001d", "0x1a2a3a4a")
V2_DRAFT = 0x709a50c4
NUMBERS = {"1": 1, "2-draft": V2_DRAFT, "draft-29": 0xff00001d}


def certificate(directory):
    paths = [os.path.join(directory, name) for name in ("key.pem", "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-keyout", paths[0], "-out", paths[1], "-subj",
                    "/CN=example.org", "-days", "2"], check=True,
                   stderr=subprocess.DEVNULL)
    return paths


def ask(space, port, name, *options):
    space.run("gtlsclient", "-q", "--exit-on-all-streams-close",
              "--timeout=20s", *options, name, port,
              f"https://{name}/index.html", check=False, timeout=60)


def ask_all(space):
    for name in NAMES:
        for port in (PLAIN, RETRY):
            ask(space, port, name, "--version=v1")
            ask(space, port, name, "--version=0xff00001d")
        ask(space, PLAIN, name, "--version=v1",
            "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"
            "+CHACHA20-POLY1305")
        ask(space, PREFERS, name, "--version=v1",
            "--other-versions=v2draft,v1")
        ask(space, PLAIN, name, "--version=0x1a2a3a4a",
            "--preferred-versions=v1", "--other-versions=v1")
    # What the server cannot agree to.
    ask(space, PLAIN, NAMES[0], "--version=v1", "--groups=-GROUP-ALL:"
        "+GROUP-FFDHE2048")


def record(directory):
    pcap = os.path.join(directory, "quic.pcap")
    key, cert = certificate(directory)
    with open(os.path.join(directory, "index.html"), "w",
              encoding="ascii") as file:
        file.write("hello" * 1000)
    with Namespace("at-quic") as space:
        hosts = f"/etc/netns/{space.name}"
        os.makedirs(hosts)
        with open(hosts + "/hosts", "w", encoding="ascii") as file:
            file.write("".join(f"127.0.0.1 {name}\n" for name in NAMES))
        try:
            for port, *more in ((PLAIN,), (RETRY, "-V"), (
                    PREFERS, "--preferred-versions=v2draft,v1",
                    "--other-versions=v2draft,v1")):
                space.start("gtlsserver", "-q", "-d", directory, *more,
                            "127.0.0.1", port, key, cert)
                space.wait_udp(port)
            recorder = space.record(pcap, "udp")
            ask_all(space)
            space.stop(recorder)
        finally:
            os.remove(hosts + "/hosts")
            os.rmdir(hosts)
    return pcap


def numbers(text, base=10):
    """Values of a field, GREASE left out."""
    values = [int(v, 0 if v.startswith("0x") else base)
              for v in text.split("|") if v]
    return [v for v in values if v & 0x0f0f != 0x0a0a or v >> 8 != v & 255]


def ja4(name, alpn, suites, extensions, signatures):
    """FoxIO, technical_details/JA4.md, for TLS 1.3 in QUIC."""
    def digest(text):
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    kinds, first = numbers(extensions), alpn.split("|")[0]
    rest = ",".join(f"{kind:04x}" for kind in sorted(
        kind for kind in kinds if kind not in (0, 16)))
    rest += "_" + ",".join(f"{v:04x}" for v in numbers(signatures))
    ciphers = numbers(suites)
    return (f"q13{'d' if name else 'i'}{len(ciphers):02d}{len(kinds):02d}"
            f"{first[0]}{first[-1]}_"
            + digest(",".join(f"{v:04x}" for v in sorted(ciphers))) + "_"
            + digest(rest))


FIELDS = ["udp.stream", "tls.handshake.type", "quic.version", "quic.dcid",
          "quic.scid", "tls.handshake.extensions_server_name",
          "tls.handshake.extensions_alpn_str", "tls.handshake.ciphersuite",
          "tls.handshake.ja3", "tls.handshake.ja3s",
          "tls.handshake.extension.type",
          "tls.handshake.sig_hash_alg", "quic.long.packet_type"]


def judged(pcap):
    """What tshark says of the handshake of each stream that it could read: the
    ClientHello's and the ServerHello's."""
    asked, answered = {}, {}
    for row in tshark_fields(
            pcap, "tls.handshake.type == 1 || tls.handshake.type == 2",
            FIELDS):
        (stream, kinds, version, dcid, scid, name, alpn, suites, digest,
         server_digest, extensions, signatures, _) = row
        first = [part.split("|")[0] for part in (version, dcid, scid)]
        if kinds.split("|")[0] == "1":
            asked.setdefault(stream, [
                name, int(first[0], 16), first[1], first[2],
                alpn.replace("|", ", "), digest.split("|")[0],
                ja4(name, alpn, suites, extensions, signatures)])
        else:
            answered.setdefault(stream, [
                int(first[0], 16), first[2], int(suites.split("|")[0], 0),
                server_digest.split("|")[0]])
    # tshark does not follow a change to another version: what does not need
    # keys it knows, and the rest must be what the same two agree on else.
    usual = next(iter(answered.values()))[2:]
    for stream, version, scid in tshark_fields(
            pcap, f"quic.version && udp.srcport == {PREFERS}",
            ["udp.stream", "quic.version", "quic.scid"]):
        answered.setdefault(stream, [int(version.split("|")[0], 16),
                                     scid.split("|")[0], *usual])
    return asked, answered


def request(name):
    return f"header(id, 'request', '{name}')"


def response(name):
    return f"header(id, 'response', '{name}')"


def ours(aftertap, db, condition="1"):
    out = []
    suites = {"TLS_AES_128_GCM_SHA256": 0x1301,
              "TLS_AES_256_GCM_SHA384": 0x1302,
              "TLS_CHACHA20_POLY1305_SHA256": 0x1303}
    columns = ", ".join([
        "src_port", "host", "version", request("connection_id.original"),
        request("connection_id.client"), request("alpn"), request("ja3"),
        request("ja4"), response("quic_version"),
        response("connection_id.server"), response("cipher"),
        response("ja3s")])
    for row in aftertap.rows(db, columns, f"protocol = 'quic' AND "
                             f"({condition})"):
        row = row[1:]
        version = NUMBERS.get(row[2], row[2])
        out.append((row[0], [row[1], version, *row[3:8]], row[10] and [
            NUMBERS.get(row[8], version), row[9], suites.get(row[10]),
            row[11]]))
    return out


def ports(pcap):
    """The client's port of each stream."""
    out = {}
    for stream, source in tshark_fields(pcap, "udp",
                                        ["udp.stream", "udp.srcport"]):
        out.setdefault(stream, int(source))
    return out


def count(aftertap, db, condition):
    return len(list(aftertap.rows(db, "id", condition)))


def check(failures, aftertap, db, pcap):
    asked, answered = judged(pcap)
    port = ports(pcap)
    found = ours(aftertap, db, "NOT is_error")
    failures.check("what clients ask", sorted(
        (p, ask) for p, ask, _ in found), sorted(
            (port[stream], ask) for stream, ask in asked.items()
            if stream in answered))
    failures.check("what servers answer", sorted(
        (p, answer) for p, _, answer in found), sorted(
            (port[stream], answer) for stream, answer in answered.items()))
    failures.check("how many", len(found), 7 * len(NAMES))
    failures.check("ciphers", {answer[2] for _, _, answer in found},
                   {0x1301, 0x1303})
    failures.check("versions changed", sum(
        ask[1] != answer[0] for _, ask, answer in found), len(NAMES))
    failures.check("retries", count(aftertap, db, response("retry")
                                    + " = 'Retry'"), len(tshark_fields(
        pcap, "quic.long.packet_type == 3 && "
        f"quic.version != {V2_DRAFT}", ["udp.stream"])))


def check_outcomes(failures, aftertap, db, pcap):
    outcomes = {tuple(row[1:]) for row in aftertap.rows(
        db, "status, status_text, tls_version",
        "protocol = 'quic' AND NOT is_error")}
    failures.check("outcomes", outcomes, {(0, "established", "1.3")})
    refused = tshark_fields(pcap, "quic.cc.error_code && "
                            "quic.long.packet_type == 0",
                            ["udp.stream", "quic.cc.error_code.tls_alert"])
    alerts = [row[1] for row in aftertap.rows(
        db, "status - 256", "protocol = 'quic' AND is_error AND status > 255")]
    failures.check("refusals", alerts,
                   [int(alert.split("|")[0], 0) for _, alert in refused])
    failures.that("there is a refusal", alerts)
    other = list(aftertap.rows(db, "protocol", "protocol != 'quic'"))
    failures.check("calls of other protocols", other, [])
    coverage = aftertap.json("--db", db, "calls")["coverage"]
    failures.check("names without keys", {
        each["name"]: each["handshakes"]
        for each in coverage["tls_unread_names"]}, dict.fromkeys(NAMES, 7))


def check_bytes(failures, aftertap, db, pcap):
    """Bytes of UDP are those of Initial packets, or counted as encrypted."""
    total = sum(int(size) - 8 for (size,) in tshark_fields(
        pcap, "udp", ["udp.length"]))
    rows = aftertap.json("--db", db, "sql", "SELECT sum(undissected_bytes),"
                         " count(*) FROM connections")["rows"]
    clear = sum(row[1] for row in aftertap.rows(db, "request_size"))
    failures.that("what is encrypted is counted", total / 2 < rows[0][0] <
                  total - clear, (total, rows, clear))


def with_any_first(pcap, handshakes):
    """A client that is sent a Retry asks again, with another id for the server:
    who has lost the first Initial packet takes that for the original one."""
    begun = {}
    for stream, source, ids in tshark_fields(
            pcap, "quic.long.packet_type == 0",
            ["udp.stream", "udp.srcport", "quic.dcid"]):
        begun.setdefault(stream, (source, set()))
        if source == begun[stream][0]:
            begun[stream][1].update(ids.split("|"))
    return [([*ask[:2], original, *ask[3:]], answer)
            for stream, ask, answer in handshakes
            for original in begun[stream][1] | {ask[2]}]


def impaired(failures, aftertap, pcap, directory):
    asked, answered = judged(pcap)
    truth = with_any_first(pcap, [(stream, asked[stream], answered[stream])
                                  for stream in answered])
    for variant, path in impaired_captures(pcap, directory, PLAIN):
        db = aftertap.dissected(path, variant[:-5])
        found = ours(aftertap, db, "has_request AND has_response AND "
                     f"host != '' AND {response('ja3s')} != ''")
        failures.check(f"{variant}: what is wrong", [
            pair for _, *pair in found if tuple(pair) not in truth][:2], [])
        some = variant.startswith(("snap200", "midstream", "drop5")) or \
            "only" in variant
        failures.that(f"{variant}: handshakes", some or
                      len(found) > 4 * len(NAMES), len(found))


def main(binary):
    need_root()
    need("gtlsserver", "gtlsclient", "openssl", "ss", "tcpdump", "ip",
         "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, pcap)
        check_outcomes(failures, aftertap, db, pcap)
        check_bytes(failures, aftertap, db, pcap)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
