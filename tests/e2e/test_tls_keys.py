#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS of real programs, recorded with tcpdump while capture/keys takes their
secrets: tshark, given only the export with secrets, shows the HTTP inside.

The same with `aftertap-capture --tls-keys`, packets and secrets by one program.

usage: test_tls_keys.py AFTERTAP KEY_RECORDER [AFTERTAP-CAPTURE]
"""
import concurrent.futures
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

from support import (Aftertap, Failures, Namespace, ROOT, need, need_root,
                     skip, workspace)

PORTS = {"tls12": 18412, "tls13": 18413, "node": 18414, "go": 18415,
         "gnutls12": 18416, "gnutls13": 18417, "deleted": 18418,
         "late": 18419, "contained": 18420}

NOT_AT_START = ("deleted", "late", "contained")

NGINX = """
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
daemon off;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
    server {{ listen {tls12} ssl http2; ssl_protocols TLSv1.2;
             location / {{ return 200 "nginx says $uri\\n"; }} }}
    server {{ listen {tls13} ssl http2; ssl_protocols TLSv1.3;
             location / {{ return 200 "nginx says $uri\\n"; }} }}
}}
"""

NODE_SERVER = """
const https = require('https'), fs = require('fs');
https.createServer({key: fs.readFileSync(process.argv[2]),
                    cert: fs.readFileSync(process.argv[3])},
  (q, a) => a.end('node says ' + q.url + '\\n')).listen(+process.argv[4]);
"""
NODE_CLIENT = """
require('https').get(process.argv[2], {rejectUnauthorized: false},
  a => a.pipe(process.stdout));
"""


class Recorder:
    """key_recorder, from `ready` to the end."""

    def __init__(self, program, path):
        self.child = subprocess.Popen(
            [program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        if self.child.stdout.readline().strip() != "ready":
            reason = self.child.stderr.read().strip()
            if self.child.wait() == 77:
                skip("no uprobes here: " + reason)
            raise SystemExit("key_recorder: " + reason)

    def finish(self):
        out, err = self.child.communicate("", timeout=60)
        if self.child.returncode or err:
            raise SystemExit(f"key_recorder: {self.child.returncode} {err}")
        return json.loads(out)


class Stage:
    """The servers, and clients that talk to them."""

    def __init__(self, net, directory):
        self.net, self.directory = net, directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, *words, **more):
        child = self.net.start(*words, **more)
        return child

    def wait_for(self, port):
        for _ in range(200):
            done = self.net.run("ss", "-Hltn", f"sport = :{port}",
                                stdout=subprocess.PIPE)
            if done.stdout:
                return
            time.sleep(0.05)
        raise SystemExit(f"nothing listens on port {port}")

    def certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-keyout", self.path("key.pem"), "-out",
             self.path("cert.pem")], check=True, capture_output=True)

    def build_go(self):
        program = self.path("tls_keys_go")
        environment = dict(os.environ, GOCACHE=self.path("go-cache"),
                           GO111MODULE="off", CGO_ENABLED="0")
        subprocess.run(["go", "build", "-ldflags", "-s -w", "-o", program,
                        os.path.join(ROOT, "tests/e2e/tls_keys.go")],
                       check=True, env=environment)
        return program

    def servers(self, go):
        key, cert = self.path("key.pem"), self.path("cert.pem")
        self.start("nginx", "-p", self.directory, "-c",
                   self.write("nginx.conf",
                              NGINX.format(dir=self.directory, **PORTS)))
        self.start("node", self.write("server.js", NODE_SERVER), key, cert,
                   str(PORTS["node"]))
        self.start(go, "server", f"127.0.0.1:{PORTS['go']}", cert, key)
        for version, name in (("1.2", "gnutls12"), ("1.3", "gnutls13")):
            self.start("gnutls-serv", "--http", "--quiet", "--port",
                       str(PORTS[name]), "--x509keyfile", key,
                       "--x509certfile", cert, "--priority",
                       f"NORMAL:-VERS-ALL:+VERS-TLS{version}")
        for name, port in PORTS.items():
            if name not in NOT_AT_START:
                self.wait_for(port)

    def deleted_library(self):
        """A server with a library of its own whose file is gone."""
        for name in ("libcrypto.so.3", "libssl.so.3"):
            shutil.copy(os.path.join("/usr/lib/x86_64-linux-gnu", name),
                        self.path(name))
        self.start("env", "LD_LIBRARY_PATH=" + self.directory, "openssl",
                   "s_server", "-quiet", "-www", "-accept",
                   str(PORTS["deleted"]), "-key", self.path("key.pem"),
                   "-cert", self.path("cert.pem"))
        self.wait_for(PORTS["deleted"])
        for name in ("libcrypto.so.3", "libssl.so.3"):
            os.unlink(self.path(name))

    def contained(self):
        """A server in a mount namespace with a root of its own, whose files
        nobody else has."""
        root = self.path("root")
        libraries = re.findall(
            r"(/\S+) \(0x", subprocess.run(
                ["ldd", shutil.which("openssl")], check=True,
                capture_output=True, text=True).stdout)
        for file in [*libraries, self.path("key.pem"), self.path("cert.pem"),
                     shutil.which("openssl")]:
            inside = root + (file if file in libraries else
                             "/" + os.path.basename(file))
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            shutil.copy(file, inside)
        os.makedirs(root + "/old")
        os.makedirs(root + "/etc/ssl")
        self.start(
            "unshare", "--mount", "sh", "-c",
            f"mount --bind {root} {root} && cd {root} && pivot_root . old &&"
            f" exec /openssl s_server -quiet -www -accept"
            f" {PORTS['contained']} -key /key.pem -cert /cert.pem")
        self.wait_for(PORTS["contained"])

    def late_program(self, go):
        """A program that nobody has seen, started after the recorder."""
        program = self.path("late")
        shutil.copy(go, program)
        self.start(program, "server", f"127.0.0.1:{PORTS['late']}",
                   self.path("cert.pem"), self.path("key.pem"))
        self.wait_for(PORTS["late"])

    def get(self, *words, said=None):
        done = self.net.run(*words, stdout=subprocess.PIPE, check=False)
        text = done.stdout.decode(errors="replace")
        if said and said not in text:
            raise SystemExit(f"{' '.join(words)} said {text!r}")
        return text

    def curl(self, port, path, *options):
        return self.get("curl", "-sk", "--max-time", "10", *options,
                        f"https://127.0.0.1:{port}/{path}")


def gnutls_request(stage, port, path):
    stage.net.run("gnutls-cli", "--insecure", "--no-ca-verification", "-p",
                  str(port), "127.0.0.1", check=False,
                  input=f"GET /{path} HTTP/1.0\r\n\r\n".encode())


def s_client(stage, port, path, *options, before=b""):
    """openssl s_client that asks once; `before` are its own commands."""
    request = f"GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    child = subprocess.Popen(
        ["ip", "netns", "exec", stage.net.name, "openssl", "s_client",
         "-connect", f"127.0.0.1:{port}", "-ign_eof" if not before else "-crlf",
         *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    if before:
        time.sleep(0.5)
        child.stdin.write(before)
        child.stdin.flush()
        time.sleep(0.5)
        request = request.replace("\r", "")
    child.stdin.write(request.encode())
    child.stdin.flush()
    if before:
        time.sleep(1)
    try:
        out, _ = child.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
    return out.decode(errors="replace")


def resumption(stage, failures):
    for name, flag in (("tls12", "-tls1_2"), ("tls13", "-tls1_3")):
        session = stage.path("session-" + name)
        s_client(stage, PORTS[name], f"first-{name}", flag, "-sess_out",
                 session)
        out = s_client(stage, PORTS[name], f"resumed-{name}", flag,
                       "-sess_in", session)
        failures.that(f"the {name} session was resumed", "Reused," in out)


def traffic(stage, go, failures):
    """Talks to every server; the paths that a reader must find."""
    for name in ("tls12", "tls13"):
        stage.curl(PORTS[name], f"curl1-{name}", "--http1.1")
        stage.curl(PORTS[name], f"curl2-{name}", "--http2")
    stage.curl(PORTS["node"], "curl-node")
    stage.get("node", stage.write("client.js", NODE_CLIENT),
              f"https://127.0.0.1:{PORTS['node']}/node-node",
              said="/node-node")
    stage.get(go, "client", f"https://127.0.0.1:{PORTS['go']}/go-go",
              said="/go-go")
    stage.curl(PORTS["go"], "curl-go", "--http1.1")
    gnutls_request(stage, PORTS["gnutls12"], "gnutls-12")
    gnutls_request(stage, PORTS["gnutls13"], "gnutls-13")
    resumption(stage, failures)
    s_client(stage, PORTS["tls13"], "after-update", "-tls1_3", before=b"K\n")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: stage.curl(PORTS["tls13"], f"many-{i}"),
                      range(24)))
    return {f"/{p}" for p in (
        "curl1-tls12", "curl2-tls12", "curl1-tls13", "curl2-tls13",
        "curl-node", "node-node", "go-go", "curl-go", "gnutls-12",
        "gnutls-13", "first-tls12", "first-tls13", "resumed-tls12",
        "resumed-tls13", "after-update")} | {
            f"/many-{i}" for i in range(24)}


def seen_by_tshark(path):
    """The paths of requests, and of those that have an answer in their
    connection."""
    done = subprocess.run(
        ["tshark", "-r", path, "-o", "http.desegment_body:FALSE", "-Y",
         "http or http2", "-T", "fields", "-e", "tcp.stream", "-e", "http.request.uri",
         "-e", "http2.headers.path", "-e", "http.response.code",
         "-e", "http2.headers.status"],
        capture_output=True, text=True, check=True)
    paths, answered = {}, set()
    for line in done.stdout.splitlines():
        stream, uri, path2, code, status = (line.split("\t") + [""] * 5)[:5]
        for asked in (uri + "," + path2).split(","):
            if asked:
                paths[asked] = stream
        if "200" in (code + "," + status).split(","):
            answered.add(stream)
    return set(paths), {p for p, s in paths.items() if s in answered}


def record(stage, program, failures):
    """(pcap, secrets, wanted paths, what the recorder says)"""
    stage.certificate()
    go = stage.build_go()
    stage.servers(go)
    stage.deleted_library()
    stage.contained()
    pcap, secrets = stage.path("tls.pcap"), stage.path("secrets.keys")
    dump = stage.start("tcpdump", "-i", "lo", "-U", "-w", pcap, "-B", "8192",
                       "tcp")
    recorder = Recorder(program, secrets)
    check_probe(probe(program), failures)
    time.sleep(1)
    stage.late_program(go)
    wanted = traffic(stage, go, failures)
    stage.get(stage.path("late"), "client",
              f"https://127.0.0.1:{PORTS['late']}/late", said="/late")
    wanted.add("/late")
    s_client(stage, PORTS["deleted"], "deleted")
    wanted.add("/deleted")
    s_client(stage, PORTS["contained"], "contained")
    wanted.add("/contained")
    time.sleep(1)
    dump.send_signal(signal.SIGINT)
    dump.wait(10)
    return pcap, secrets, wanted, recorder.finish()


def probe(program):
    """(name, first process, how many, covered, text) as "doctor" has them."""
    found = []
    for check in json.loads(subprocess.run(
            [program, "probe"], check=True, stdout=subprocess.PIPE).stdout):
        if match := re.match(r"(.*) \((\d+) process(?:es)?, first (\d+)\): ",
                             check["detail"]):
            found.append((match[1], int(match[3]), int(match[2]),
                          check["ok"], check["detail"][match.end():]))
    return found


def check_probe(found, failures):
    """Processes are named, with what tells their secrets."""
    for name, text in (("nginx", "libcrypto.so.3"), ("node", "/node"),
                       ("tls_keys_go", "Go"), ("gnutls-serv", "libgnutls.so")):
        pids = set(map(int, subprocess.run(
            ["pgrep", "-x", name], stdout=subprocess.PIPE,
            check=False).stdout.split()))
        rows = [row for row in found if row[0] == name and row[3]
                and text in row[4]]
        failures.that(f"doctor covers {name} by {text}",
                      sum(row[2] for row in rows) >= 1 and
                      all(row[1] in pids for row in rows), (rows, pids))


def record_live(stage, program, aftertap):
    """aftertap-capture; returns the paths that were asked for meanwhile."""
    os.makedirs(aftertap.home, exist_ok=True)
    live = subprocess.Popen(
        [program, "--home", aftertap.home, "--name", "live", "--tls-keys",
         "--filter", "tcp portrange 18412-18419"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    socket = os.path.join(aftertap.home, "captures", "live", "control.sock")
    for _ in range(600):
        if os.path.exists(socket) or live.poll() is not None:
            break
        time.sleep(0.05)
    time.sleep(1)
    for name in ("tls12", "tls13"):
        stage.curl(PORTS[name], f"live1-{name}", "--http1.1")
        stage.curl(PORTS[name], f"live2-{name}", "--http2")
    stage.curl(PORTS["node"], "live-node")
    stage.curl(PORTS["go"], "live-go", "--http1.1")
    gnutls_request(stage, PORTS["gnutls13"], "live-gnutls")
    time.sleep(2)
    live.send_signal(signal.SIGINT)
    _, told = live.communicate(timeout=60)
    if live.returncode:
        raise SystemExit(f"aftertap-capture: {live.returncode} {told}")
    return {"/live1-tls12", "/live2-tls12", "/live1-tls13", "/live2-tls13",
            "/live-node", "/live-go", "/live-gnutls"}


def check_dissected(aftertap, snapshot, wanted, failures):
    """The same requests as calls, by the secrets that the recorder took."""
    aftertap.run("dissect", snapshot, "--name", "d")
    calls = list(aftertap.rows(
        snapshot + "/d", "path, status, tls_version",
        "protocol = 'http' AND has_request AND has_response AND NOT"
        " uncertain"))
    failures.check(f"{snapshot}: requests that are no calls",
                   sorted(wanted - {call[1] for call in calls}), [])
    failures.check(f"{snapshot}: calls without success, or not of TLS",
                   [call for call in calls if call[2] != 200 or
                    call[3] not in ("1.2", "1.3")], [])


def check_live(stage, aftertap, wanted, failures):
    full = stage.path("live.pcapng")
    secrets = os.path.join(aftertap.home, "captures", "live", "secrets.keys")
    failures.check("mode of the live capture's secrets",
                   stat.S_IMODE(os.stat(secrets).st_mode), 0o600)
    aftertap.run("snapshots", "create", "live", "--captures", "live")
    told = aftertap.json("export", "live", full, "--include-secrets")
    failures.check("live handshakes without secrets",
                   told["tls_handshakes"] - told["tls_handshakes_with_secrets"],
                   0)
    paths, answered = seen_by_tshark(full)
    failures.check("live requests that tshark does not show",
                   sorted(wanted - paths), [])
    failures.check("live requests whose answer it does not show",
                   sorted(wanted - answered), [])
    check_dissected(aftertap, "live", wanted, failures)


def check_files(stage, aftertap, secrets, failures):
    """What is apart stays apart, and is nobody else's to read."""
    with open(secrets, "rb") as file:
        failures.check("the file begins as documented", file.read(16),
                       b"aftertap secrets")
    snapshot = os.path.join(aftertap.home, "snapshots", "tls")
    copy = os.path.join(snapshot, "secrets", "tls.keys")
    for path in (secrets, copy):
        failures.check("mode of " + os.path.basename(path),
                       stat.S_IMODE(os.stat(path).st_mode), 0o600)
    # Deleting the capture does not harm the snapshot.
    shutil.rmtree(os.path.join(aftertap.home, "captures", "tls"))


def check_export(stage, aftertap, wanted, failures):
    plain, full = stage.path("plain.pcapng"), stage.path("full.pcapng")
    some = stage.path("some.pcapng")
    aftertap.run("export", "tls", plain)
    told = aftertap.json("export", "tls", full, "--include-secrets")
    failures.check("tshark without secrets", seen_by_tshark(plain)[0], set())
    paths, answered = seen_by_tshark(full)
    failures.check("requests that tshark does not show",
                   sorted(wanted - paths), [])
    failures.check("requests whose answer it does not show",
                   sorted(wanted - answered), [])
    randoms = subprocess.run(
        ["tshark", "-r", plain, "-Y", "tls.handshake.type == 1", "-T",
         "fields", "-e", "tls.handshake.random"], check=True,
        capture_output=True, text=True).stdout.split()
    failures.check("handshakes, as tshark counts them",
                   told["tls_handshakes"], len(set(randoms)))
    failures.check("handshakes without secrets",
                   told["tls_handshakes"] - told["tls_handshakes_with_secrets"],
                   0)
    aftertap.run("export", "tls", some, "--include-secrets", "--ports",
                 str(PORTS["go"]))
    failures.check("an export of one server shows only it",
                   seen_by_tshark(some)[0] >= {"/go-go", "/curl-go"} and
                   not seen_by_tshark(some)[0] & {"/node-node"}, True)
    lines = subprocess.run(["strings", "-n", "100", some], check=True,
                           capture_output=True, text=True).stdout
    randoms = {line.split()[1] for line in lines.splitlines()
               if re.match(r"[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]+$", line)}
    failures.check("handshakes whose secrets are in it", len(randoms), 2)
    failures.that("a server without --allow-reveal refuses",
                  "--allow-reveal" in refusal(aftertap))


def refusal(aftertap):
    """What a server without permission answers."""
    server = subprocess.Popen(
        [aftertap.binary, "--home", aftertap.home, "serve"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    for number, method, params in (
            (1, "initialize", {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"}}),
            (None, "notifications/initialized", {}),
            (2, "tools/call", {"name": "export_snapshot_pcap", "arguments": {
                "snapshot": "tls", "include_secrets": True}})):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number:
            message["id"] = number
        server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        if number:
            answer = server.stdout.readline()
    server.communicate()
    return answer


def main():
    need_root()
    need("nginx", "curl", "openssl", "node", "go", "gnutls-cli",
         "gnutls-serv", "tcpdump", "tshark", "ip", "ss", "strings")
    failures = Failures()
    with workspace() as directory:
        os.chmod(directory, 0o755)
        with Namespace("at-key") as net:
            stage = Stage(net, directory)
            pcap, secrets, wanted, told = record(stage, sys.argv[2], failures)
            aftertap = Aftertap(sys.argv[1], os.path.join(directory, "home"))
            if len(sys.argv) > 3:
                live = record_live(stage, sys.argv[3], aftertap)
        files = {f["path"]: f for f in told["files"]}
        failures.check("secrets lost", told["lost"], 0)
        failures.that("the deleted library was found by its mapping",
                      files.get(directory + "/libcrypto.so.3",
                                {}).get("deleted"), told["files"])
        inodes = [f for f in told["files"] if f["path"].endswith(
            "x86_64-linux-gnu/libcrypto.so.3")]
        failures.check("libcrypto of the system and of the container",
                       len(inodes), 2)
        aftertap.run("import", "--name", "tls", pcap)
        shutil.copy(secrets, os.path.join(aftertap.home, "captures", "tls",
                                          "secrets.keys"))
        aftertap.run("snapshots", "create", "tls", "--captures", "tls")
        check_files(stage, aftertap, secrets, failures)
        check_export(stage, aftertap, wanted, failures)
        check_dissected(aftertap, "tls", wanted, failures)
        if len(sys.argv) > 3:
            check_live(stage, aftertap, live, failures)
    failures.exit()


if __name__ == "__main__":
    main()
