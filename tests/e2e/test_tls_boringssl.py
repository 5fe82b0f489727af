#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS secrets of BoringSSL: static, with its symbols, in workerd as npm has it,
and shared, as Debian has it (android-libboringssl), as server and as client.

The other side is always an OpenSSL of which the recorder learns nothing, static
and without symbols, and tells its own key log: what the recorder takes of
BoringSSL is what that log has, and tshark shows the HTTP.

usage: test_tls_boringssl.py AFTERTAP

AFTERTAP_WORKERD names a workerd; else npm is asked for one, of June 2026: that
of November does TLS by rustls.
"""
import json
import os
import re
import subprocess
import sys

import recording
import support
from support import Namespace

WORKERD = "@cloudflare/workerd-linux-64@1.20260608.1"
VERSIONS = ("TLSv1.2", "TLSv1.3")
# Kind of server and TLS version: port.
PORTS = {("workerd", "TLSv1.2"): 18471, ("workerd", "TLSv1.3"): 18472,
         ("shared", "TLSv1.2"): 18473, ("shared", "TLSv1.3"): 18474,
         ("openssl", "TLSv1.2"): 18475, ("openssl", "TLSv1.3"): 18476,
         ("stripped", ""): 18477}
# Connections one after the other, all but the first by resumption.
REQUESTS = 3

WORKER = """
addEventListener('fetch', event => event.respondWith(
  new Response('said ' + new URL(event.request.url).pathname)));
"""
CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (serviceWorkerScript = embed "worker.js",
               compatibilityDate = "2024-01-01"))],
  sockets = [%s]);
"""
SOCKET = """
  (name = "at%d", address = "127.0.0.1:%d", service = "main",
   https = (options = (), tlsOptions = (keypair = (
     privateKey = embed "key.pem", certificateChain = embed "cert.pem"))))"""
LINE = re.compile(rb"(?:CLIENT_RANDOM|(?:CLIENT|SERVER)_(?:HANDSHAKE_)?TRAFFIC_"
                  rb"SECRET(?:_0)?) [0-9a-f]{64} [0-9a-f]+")


class Stage:
    """The programs, in a directory and a network namespace of their own."""

    def __init__(self, directory, net):
        self.directory, self.net = directory, net
        self.keylog = self.path("keylog")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-keyout",
             self.path("key.pem"), "-out", self.path("cert.pem")],
            check=True, capture_output=True)
        self.openssl = self.compile(
            "peer_openssl", "-Wl,-Bstatic", "-lssl", "-lcrypto",
            "-Wl,-Bdynamic", "-ldl", "-lpthread", "-s")
        if not self.openssl:
            support.skip("no static OpenSSL to build the other side with")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def compile(self, name, *options):
        source = os.path.join(support.ROOT, "tests/support/tls_peer.c")
        done = subprocess.run(
            ["cc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-o", self.path(name),
             source, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr)
            return None
        return self.path(name)

    def shared(self):
        """A peer with Debian's BoringSSL, or None."""
        libraries = "/usr/lib/x86_64-linux-gnu/android"
        if not os.path.isdir("/usr/include/android/openssl"):
            print("not checked without android-libboringssl-dev: a shared "
                  "BoringSSL")
            return None
        peer = self.compile("peer_boringssl", "-isystem",
                            "/usr/include/android", "-L" + libraries,
                            "-Wl,-rpath," + libraries, "-lssl", "-lcrypto")
        if not peer:
            raise SystemExit("tls_peer does not build with BoringSSL")
        return peer

    def workerd(self):
        """A workerd that has BoringSSL and its symbols, or None."""
        program = os.environ.get("AFTERTAP_WORKERD")
        if not program:
            if not support.npm_install(self.directory, WORKERD):
                return None
            program = self.path("node_modules/@cloudflare/workerd-linux-64/"
                                "bin/workerd")
        symbols = subprocess.run(["nm", program], check=True,
                                 capture_output=True, text=True).stdout
        if " SSL_do_handshake\n" not in symbols:
            print("not checked, it does TLS otherwise:", program)
            return None
        return program

    def serve(self, kind, version, program):
        port = PORTS[kind, version]
        if kind in ("shared", "openssl"):
            self.net.start(program, "server", str(port), version,
                           self.path("cert.pem"), self.path("key.pem"),
                           self.keylog if kind == "openssl" else "-")
        else:
            self.write("worker.js", WORKER)
            self.net.start(program, "serve", self.write(
                f"{kind}{version}.capnp", CONFIG % SOCKET % (port, port)))
        support.wait_for(f"a server at port {port}", lambda: self.net.run(
            "ss", "-Hltn", f"sport = :{port}", stdout=subprocess.PIPE).stdout)

    def ask(self, kind, version, program, check):
        """Connections to one server; the paths that were asked for."""
        keylog = "-" if kind == "openssl" else self.keylog
        paths = [f"/{kind}/{version}/{i}" for i in range(REQUESTS)]
        done = self.net.run(program, "client", str(PORTS[kind, version]),
                            version, keylog, *paths, stdout=subprocess.PIPE,
                            check=False, timeout=60)
        check.check(f"{kind}, {version}", done.stdout.decode().splitlines(),
                    [("resumed" if i else "new") + " said " + path
                     for i, path in enumerate(paths)])
        return paths


def check_doctor(aftertap, expected, check):
    """(name of a process, result, text) is what doctor says of it."""
    rows = [row for row in json.loads(aftertap.run(
        "--json", "doctor", check=False).stdout) if row["check"] == "tls keys"]
    for name, result, text in expected:
        said = [row for row in rows if row["text"].startswith(name + " (")]
        check.that(f"doctor on {name}", any(
            row["result"] == result and text in row["text"] for row in said),
            said)
    check.check("doctor on the other side", [
        row for row in rows if "peer_openssl" in row["text"]], [])


def check_secrets(stage, aftertap, wanted, names, check):
    """What was taken is what the other side told, from whom it should be."""
    full = stage.path("full.pcapng")
    aftertap.run("snapshots", "create", "b", "--captures", "b")
    told = aftertap.json("export", "b", full, "--include-secrets")
    check.check("handshakes, and those with secrets",
                [told["tls_handshakes"], told["tls_handshakes_with_secrets"]],
                [len(wanted)] * 2)
    with open(stage.keylog, "rb") as file:
        expected = set(LINE.findall(file.read()))
    with open(full, "rb") as file:
        taken = set(LINE.findall(file.read()))
    # One secret of TLS 1.2, four of TLS 1.3.
    check.check("secrets that the other side tells of", len(expected),
                len(wanted) // 2 * (1 + 4))
    check.check("of them not taken", sorted(expected - taken), [])
    check.check("others", sorted(taken - expected), [])
    with open(os.path.join(aftertap.home, "captures/b/secrets.keys"),
              "rb") as file:
        secrets = file.read()
    check.check("whose secrets these are",
                [name for name in ("peer_openssl", "peer_boringssl", "workerd")
                 if name.encode() in secrets], names)
    rows = support.tshark_fields(full, "http.request", ["http.request.uri"])
    check.check("requests that tshark shows", sorted(row[0] for row in rows),
                sorted(wanted))
    rows = support.tshark_fields(full, "http.response", ["http.response.code"])
    check.check("answers that tshark shows", [row[0] for row in rows],
                ["200"] * len(wanted))


def start_servers(stage, workerd, shared):
    for version in VERSIONS:
        if workerd:
            stage.serve("workerd", version, workerd)
        if shared:
            stage.serve("shared", version, shared)
            stage.serve("openssl", version, stage.openssl)
    if workerd:
        stripped = stage.path("bare_workerd")
        subprocess.run(["strip", "-o", stripped, workerd], check=True)
        stage.serve("stripped", "", stripped)


def record(stage, aftertap, workerd, shared, check):
    """The paths that were asked for meanwhile."""
    ports = " or ".join(f"port {port}" for port in PORTS.values())
    child = recording.Recorder(aftertap, "b", "--tls-keys", "--filter",
                               f"tcp and ({ports})")
    wanted = []
    for version in VERSIONS:
        if workerd:
            wanted += stage.ask("workerd", version, stage.openssl, check)
        if shared:
            wanted += stage.ask("shared", version, stage.openssl, check)
            wanted += stage.ask("openssl", version, shared, check)
    keys = child.status()["keys"]
    files = keys["files"]
    for path in filter(None, (workerd, shared and "libcrypto.so.0")):
        check.that(f"the status has {path}", any(
            file["path"].endswith(path) and "BoringSSL" in file["hook"]
            for file in files), files)
    if workerd:
        child.wait_for(lambda: any(
            file["path"].endswith("/bare_workerd") and
            "symbols are gone" in file["why"]
            for file in child.status()["keys"]["not_covered"]),
            "the status has the one without symbols")
    check.check("the recorder ends well", child.stop(), 0)
    return wanted


def main():
    aftertap = support.Aftertap(sys.argv[1], "")
    recording.need_recording(aftertap)
    support.need("openssl", "tshark", "ss", "ip", "cc", "nm", "strip")
    check = support.Failures()
    with support.workspace() as directory, Namespace("at-boring") as net:
        aftertap.home = os.path.join(directory, "home")
        stage = Stage(directory, net)
        workerd, shared = stage.workerd(), stage.shared()
        if not workerd and not shared:
            support.skip("no BoringSSL can be had")
        start_servers(stage, workerd, shared)
        expected = []
        if shared:
            expected.append(("peer_boringssl", "ok", "BoringSSL HKDF_expand"))
        if workerd:
            expected += [("workerd", "ok", "BoringSSL HKDF_expand"),
                         ("bare_workerd", "note",
                          "static BoringSSL whose symbols are gone")]
        check_doctor(aftertap, expected, check)
        wanted = record(stage, aftertap, workerd, shared, check)
        names = [name for name, there in (("peer_boringssl", shared),
                                          ("workerd", workerd)) if there]
        check_secrets(stage, aftertap, wanted, names, check)
    check.exit()


if __name__ == "__main__":
    main()
