#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS handshakes of a corpus, counted by an export with secrets and by tshark.

check_tls_hellos.py CAPTURE_TOOL; the corpus as check_corpus.py has it.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

TOOL = os.path.abspath(sys.argv[1])
CORPUS = os.environ.get("AFTERTAP_CORPUS") or os.path.normpath(os.path.join(
    os.path.dirname(os.path.abspath(__file__)),
    "../../../../shared/corpus"))

# What we say where tshark says something else, and why.
DIFFERENT = {
    # ClientHello in the format of SSL 2.
    "suricata-verify__tls_tls-glupteba_input.pcap": 0,
    "zeek__tls_ssl.v3.pcap": 2,
    # A ClientHello cut into TLS records of less than 43 bytes.
    "wireshark__tls-fragmented-handshakes.pcap": 99,
    # Answered in HTTP: tshark does not take the ClientHello for one.
    "zeek__tls_https-to-http.pcap": 1,
    "zeek__tls_ssl-to-http-server.pcap": 1,
}


def by_tshark(path):
    """Distinct randoms of ClientHellos over TCP."""
    fields = subprocess.run(
        ["tshark", "-n", "-r", path, "-Y",
         "tcp && !dtls && tls.handshake.type == 1 && !quic", "-T", "fields",
         "-E", "occurrence=f", "-e", "tcp.stream",
         "-e", "tls.handshake.random"],
        capture_output=True, text=True).stdout
    return len({tuple(line.split("\t")) for line in fields.splitlines()
                if line.strip()})


def by_us(path, home):
    run = [TOOL, "import", home, "c", path]
    if subprocess.run(run, capture_output=True).returncode:
        return None
    if subprocess.run([TOOL, "snapshot", home, "s"],
                      capture_output=True).returncode:
        return None
    done = subprocess.run([TOOL, "export", home, "s", "secrets",
                           os.path.join(home, "out.pcapng")],
                          capture_output=True, text=True)
    if done.returncode:
        return None
    return json.loads(done.stdout)["tls_handshakes"]


def main():
    files = sorted(glob.glob(os.path.join(CORPUS, "tls", "*.pcap*")))
    if not files or not shutil.which("tshark"):
        print("skipped: needs tshark and", CORPUS)
        sys.exit(77)
    wrong = total = 0
    for path in files:
        with tempfile.TemporaryDirectory() as home:
            got = by_us(path, home)
            subprocess.run(["chmod", "-R", "u+w", home], check=True)
        if got is None:
            continue
        expected = by_tshark(path)
        total += expected
        name = os.path.basename(path)
        if got != DIFFERENT.get(name, expected):
            wrong += 1
            print(f"FAIL {name}: {got}, tshark has {expected}")
    print(f"{len(files)} files, {total} handshakes")
    sys.exit(bool(wrong or not total))


if __name__ == "__main__":
    main()
