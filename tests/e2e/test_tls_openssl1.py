#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS secrets of OpenSSL 1.1.1, as Node 16 has it inside: what the recorder
takes is what Node itself tells (its `keylog` event), and tshark shows the HTTP.

Both ends are that program, so that no other library can have told.

usage: test_tls_openssl1.py AFTERTAP

AFTERTAP_NODE16 names such a program; else npm is asked for one.
"""
import glob
import os
import re
import subprocess
import sys

import recording
import support
from support import Namespace

# TLS version: port of its server
PORTS = {"TLSv1.2": 18461, "TLSv1.3": 18462}

SERVER = """
const https = require('https'), fs = require('fs');
const [key, cert, log, ...rest] = process.argv.slice(2);
for (let i = 0; i < rest.length; i += 2) {
  const server = https.createServer({key: fs.readFileSync(key),
    cert: fs.readFileSync(cert), minVersion: rest[i], maxVersion: rest[i]},
    (q, a) => a.end('node says ' + q.url));
  server.on('keylog', line => fs.appendFileSync(log, line));
  server.listen(+rest[i + 1], '127.0.0.1');
}
"""
CLIENT = """
require('https').get(process.argv[2], {rejectUnauthorized: false},
  a => a.pipe(process.stdout));
"""
LINE = re.compile(rb"(?:CLIENT_RANDOM|(?:CLIENT|SERVER)_(?:HANDSHAKE_)?TRAFFIC_"
                  rb"SECRET(?:_0)?) [0-9a-f]{64} [0-9a-f]+")


def node16(directory):
    program = os.environ.get("AFTERTAP_NODE16")
    if not program:
        support.need("npm")
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent",
             "--prefix", directory, "node@16"], capture_output=True,
            text=True, timeout=300, check=False)
        found = glob.glob(directory + "/node_modules/node/bin/node")
        if done.returncode or not found:
            support.skip("npm does not give node@16: " + done.stderr[-300:])
        program = found[0]
    version = subprocess.run([program, "-p", "process.versions.openssl"],
                             capture_output=True, text=True, check=False)
    if not version.stdout.startswith("1.1.1"):
        support.skip(f"{program} has no OpenSSL 1.1.1: {version.stdout}")
    return program


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def start_server(net, node, directory):
    key, cert = directory + "/key.pem", directory + "/cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    words = [str(word) for pair in PORTS.items() for word in pair]
    net.start(node, write(directory, "server.js", SERVER), key, cert,
              directory + "/keylog", *words)
    for port in PORTS.values():
        support.wait_for(f"a server at port {port}", lambda: net.run(
            "ss", "-Hltn", f"sport = :{port}",
            stdout=subprocess.PIPE).stdout)


def requests(net, node, directory, check):
    client = write(directory, "client.js", CLIENT)
    for version, port in PORTS.items():
        for i in range(3):
            done = net.run(node, client,
                           f"https://127.0.0.1:{port}/{version}/{i}",
                           stdout=subprocess.PIPE, check=False)
            check.check(f"{version}, request {i}", done.stdout,
                        f"node says /{version}/{i}".encode())


def main():
    aftertap = support.Aftertap(sys.argv[1], "")
    recording.need_recording(aftertap)
    support.need("openssl", "tshark", "ss", "ip")
    check = support.Failures()
    with support.workspace() as directory, Namespace("at-ssl1") as net:
        aftertap.home = os.path.join(directory, "home")
        node = node16(directory)
        start_server(net, node, directory)
        ports = " or ".join(f"port {port}" for port in PORTS.values())
        child = recording.Recorder(aftertap, "o", "--tls-keys", "--filter",
                                   f"tcp and ({ports})")
        requests(net, node, directory, check)
        check.check("the recorder ends well", child.stop(), 0)
        aftertap.run("snapshots", "create", "o", "--captures", "o")
        full = os.path.join(directory, "full.pcapng")
        aftertap.run("export", "o", full, "--include-secrets")
        with open(directory + "/keylog", "rb") as file:
            told = set(LINE.findall(file.read()))
        with open(full, "rb") as file:
            taken = set(LINE.findall(file.read()))
        check.check("secrets that Node tells of",  len(told), 3 * (1 + 4))
        check.check("of them not taken", sorted(told - taken), [])
        rows = support.tshark_fields(full, "http.request",
                                     ["http.request.uri"])
        check.check("requests that tshark shows",
                    sorted({row[0] for row in rows}),
                    sorted(f"/{v}/{i}" for v in PORTS for i in range(3)))
    check.exit()


if __name__ == "__main__":
    main()
