#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ssh against sshd, recorded with tcpdump: versions and fingerprints are those
that tshark finds, what was chosen and the host's key are those that the client
tells.  Also with packets lost, swapped and doubled.

usage: test_ssh_truth.py AFTERTAP
"""
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, tshark_fields, workspace)

PORT = "7358"
SERVER = "/usr/sbin/sshd"
WAYS = [[], ["-o", "KexAlgorithms=diffie-hellman-group-exchange-sha256"],
        ["-o", "KexAlgorithms=ecdh-sha2-nistp256", "-c", "aes128-ctr", "-m",
         "hmac-sha2-512"],
        ["-C", "-c", "aes256-gcm@openssh.com"],
        ["-o", "HostKeyAlgorithms=rsa-sha2-512"],
        ["-c", "3des-cbc"]]
TOLD = {"kex": r"kex: algorithm: (\S+)",
        "host-key": r"kex: host key algorithm: (\S+)",
        "cipher-client-to-server": r"kex: client->server cipher: (\S+)",
        "cipher-server-to-client": r"kex: server->client cipher: (\S+)",
        "mac-client-to-server": r"kex: client->server .*MAC: (\S+)",
        "compression-client-to-server":
        r"kex: client->server .*compression: (\S+)",
        "host-key-fingerprint": r"Server host key: \S+ (\S+)",
        "host-key-type": r"Server host key: (\S+)"}


def prepare(directory):
    """Keys, and what sshd is to do."""
    for kind in ("ed25519", "rsa"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f",
                        os.path.join(directory, "host_" + kind)], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    settings = os.path.join(directory, "sshd_config")
    with open(settings, "w") as file:
        file.write(f"""Port {PORT}
ListenAddress 127.0.0.1
HostKey {directory}/host_ed25519
HostKey {directory}/host_rsa
PidFile none
""")
    return settings


def record(directory):
    """The capture, and what the client told each time."""
    pcap, told = os.path.join(directory, "ssh.pcap"), []
    settings = prepare(directory)
    with Namespace("at-ssh") as space:
        space.start(SERVER, "-D", "-f", settings)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        for way in WAYS:
            done = space.run(
                "ssh", "-vv", "-F", "none", "-p", PORT, "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-i", "/dev/null", *way,
                "127.0.0.1", "true", check=False, stderr=subprocess.PIPE)
            told.append(done.stderr.decode())
        space.stop(recorder)
    return pcap, told


def columns():
    return ", ".join(f"header(id, 'response', '{name}')" for name in TOLD)


def check(failures, aftertap, db, pcap, told):
    rows = [row[1:] for row in aftertap.rows(
        db, "status_text, is_error, user_agent,"
        " header(id, 'response', 'software'), error, " + columns())]
    failures.check("connections", len(rows), len(WAYS))
    for way, row, text in zip(WAYS, rows, told):
        name = " ".join(way) or "as usual"
        wanted = []
        for pattern in TOLD.values():
            found = re.search(pattern, text)
            wanted.append(found and re.sub(
                "<implicit>", "implicit", found[1]).rstrip(","))
        if "3des-cbc" in way:
            failures.check(name, row[:2] + row[4:5], [
                "", 1, "no common algorithm: cipher-client-to-server"])
            failures.that("the client says so", "no matching cipher" in text)
            continue
        failures.check(name, row[:2] + row[5:], ["OK", 0] + wanted)
        local = re.search(r"Local version string SSH-2.0-(.*?)\r?\n", text)
        remote = re.search(r"remote software version (\S+)", text)
        failures.check(name + ": software", row[2:4], [local[1], remote[1]])
    prints = {side: [row[0] for row in tshark_fields(
        pcap, field, [field], "-d", f"tcp.port=={PORT},ssh")]
        for side, field in (("request", "ssh.kex.hassh"),
                            ("response", "ssh.kex.hasshserver"))}
    for side, header in (("request", "hassh"), ("response", "hassh-server")):
        failures.check(header, [row[1] for row in aftertap.rows(
            db, f"header(id, '{side}', '{header}')")], prints[side])


def impaired(failures, aftertap, pcap, directory, truth):
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        rows = [row[1:] for row in aftertap.rows(
            db, "protocol, " + columns(), "complete AND NOT is_error")]
        failures.check(f"{variant}: what is wrong", [
            row for row in rows if row not in truth][:2], [])
        some = variant in ("snap200.pcap", "midstream.pcap", "drop5pct.pcap") \
            or "only" in variant
        failures.that(f"{variant}: handshakes", some or len(rows) > 2,
                      len(rows))


def main(binary):
    need_root()
    need(SERVER, "ssh", "ssh-keygen", "tcpdump", "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, told = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, pcap, told)
        truth = [row[1:] for row in aftertap.rows(db, "protocol, " + columns())]
        impaired(failures, aftertap, pcap, directory, truth)
    failures.exit()


main(*sys.argv[1:])
