#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS sessions older than the recorder: a client and nginx have a session
before `aftertap-capture --tls-plaintext` starts, and go on in it.  What they say
then is in the capture beside the encrypted packets, for tshark and for us.

usage: test_tls_plaintext.py AFTERTAP AFTERTAP-CAPTURE
"""
import os
import signal
import subprocess
import sys
import time

from support import (Aftertap, Failures, Namespace, need, need_root, skip,
                     workspace)

PORTS = {"tls12": 18442, "tls13": 18443, "node": 18444}
SIZES = {"small": 12, "large": 50000}
TOO_LARGE = 400000

NGINX = """
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
daemon off;
user root;
events {{ worker_connections 64; }}
http {{
    access_log {dir}/access.log;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    keepalive_timeout 600; keepalive_requests 10000;
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
    root {dir}/files;
    server {{ listen {tls12} ssl; ssl_protocols TLSv1.2; }}
    server {{ listen {tls13} ssl; ssl_protocols TLSv1.3; }}
}}
"""

NODE = """
const https = require('https'), fs = require('fs');
const server = https.createServer({key: fs.readFileSync(process.argv[2]),
                    cert: fs.readFileSync(process.argv[3])},
  (q, a) => a.end('node says ' + q.url + '\\n'));
server.keepAliveTimeout = 600000;
server.listen(+process.argv[4]);
"""

# Opens its sessions, then asks for "name path" of each line it is given.
CLIENT = """
import http.client, ssl, sys
context = ssl._create_unverified_context()
open_ = {}
for word in sys.argv[1:]:
    name, port = word.split("=")
    open_[name] = http.client.HTTPSConnection("127.0.0.1", int(port),
                                              context=context, timeout=30)
    open_[name].connect()
    open_[name].request("GET", "/before-" + name)
    open_[name].getresponse().read()
print("ready", flush=True)
for line in sys.stdin:
    name, path = line.split()
    open_[name].request("GET", path)
    answer = open_[name].getresponse()
    print(answer.status, len(answer.read()), flush=True)
"""


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Client:
    """The Python client in the namespace, with its sessions open."""

    def __init__(self, net, directory):
        words = [f"{name}={port}" for name, port in PORTS.items()]
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", net.name, sys.executable,
             write(directory, "client.py", CLIENT), *words], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.child.stdout.readline() != "ready\n":
            raise SystemExit("the client did not connect")

    def ask(self, name, path):
        self.child.stdin.write(f"{name} {path}\n")
        self.child.stdin.flush()
        status, size = self.child.stdout.readline().split()
        return int(status), int(size)

    def close(self):
        self.child.communicate("", timeout=30)


def servers(net, directory):
    """nginx and Node; the processes that serve."""
    key, cert = (os.path.join(directory, n) for n in ("key.pem", "cert.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", key, "-out", cert], check=True,
        capture_output=True)
    os.makedirs(directory + "/files")
    for name, size in [*SIZES.items(), ("huge", TOO_LARGE)]:
        with open(f"{directory}/files/{name}", "wb") as file:
            file.write(b"x" * size)
    nginx = net.start("nginx", "-p", directory, "-c",
                      write(directory, "nginx.conf",
                            NGINX.format(dir=directory, **PORTS)))
    node = net.start("node", write(directory, "server.js", NODE), key, cert,
                     str(PORTS["node"]))
    for port in PORTS.values():
        for _ in range(400):
            if net.run("ss", "-Hltn", f"sport = :{port}",
                       stdout=subprocess.PIPE).stdout:
                break
            time.sleep(0.05)
    with open(f"/proc/{nginx.pid}/task/{nginx.pid}/children") as file:
        worker = int(file.read().split()[0])
    return worker, node.pid


def start_recorder(program, home, *options):
    os.makedirs(home, exist_ok=True)
    child = subprocess.Popen(
        [program, "--home", home, "--name", "live", "--filter",
         f"tcp portrange {min(PORTS.values())}-{max(PORTS.values())}",
         *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True)
    socket = os.path.join(home, "captures", "live", "control.sock")
    for _ in range(1200):
        if os.path.exists(socket):
            return child
        if child.poll() is not None:
            break
        time.sleep(0.05)
    told = child.stderr.read()
    if "Linux 6.6" in told or "CAP_BPF" in told:
        skip("no uprobe_multi here: " + told)
    raise SystemExit("aftertap-capture: " + told)


def tshark(*words):
    return subprocess.run(["tshark", *words], check=True, text=True,
                          capture_output=True).stdout


def check_tshark(exported, directory, pids, wanted, failures):
    """What Wireshark shows of the plaintext of some processes alone."""
    plain = os.path.join(directory, "plain.pcapng")
    views = " or ".join(f'frame.interface_description contains "process {p},"'
                        for p in pids)
    tshark("-r", exported, "-Y", views, "-w", plain)
    decode = [w for port in PORTS.values()
              for w in ("-d", f"tcp.port=={port},http")]
    lines = [line.split("\t") for line in tshark(
        "-r", plain, *decode, "-Y", "http", "-T", "fields", "-e",
        "frame.interface_name", "-e", "http.request.uri", "-e",
        "http.response.code").splitlines()]
    failures.check(f"requests that tshark shows of {pids}",
                   sorted(line[1] for line in lines if line[1]),
                   sorted(wanted))
    failures.check("answers that tshark shows",
                   sum(line[2] == "200" for line in lines), len(wanted))
    failures.check("the interface", {line[0] for line in lines},
                   {"tls plaintext"})
    bad = tshark("-r", plain, "-o", "tcp.check_checksum:TRUE", "-o",
                 "ip.check_checksum:TRUE", "-Y",
                 "tcp.checksum.status == 0 or ip.checksum.status == 0 or"
                 " tcp.analysis.flags")
    failures.check("packets that tshark objects to", bad, "")


def check_ours(aftertap, pids, wanted, failures):
    """Every call once as each end saw it, its ends known, and the encrypted
    connections apart."""
    ports = ", ".join(map(str, PORTS.values()))
    aftertap.run("dissect", "s", "--name", "d")
    rows = list(aftertap.rows("s/d", "path || '?' || query, status, src_pid, dst_pid, dst_port",
                              f"dst_port IN ({ports})"))
    failures.check("calls", sorted(r[1] for r in rows), sorted(wanted * 2))
    failures.check("their status", {r[2] for r in rows}, {200})
    failures.check("their ends", {(r[3], r[4], r[5]) for r in rows}, {
        (pids["client"], pids["node" if name == "node" else "worker"], port)
        for name, port in PORTS.items()})
    flows = aftertap.json(
        "--db", "s/d", "sql", "SELECT dst_port, protocol, count(*) FROM"
        f" connections WHERE dst_port IN ({ports}) OR src_port IN ({ports})"
        " GROUP BY 1, 2 ORDER BY 1, 2", "--limit", "100")["rows"]
    failures.check("connections, those of plaintext twice",
                   [f for f in flows if f[1] == "http"],
                   [[port, "http", 2] for port in sorted(PORTS.values())])
    failures.check("the encrypted ones",
                   [f for f in flows if f[1] != "http"],
                   [[port, f[1], 1] for port, f in zip(
                       sorted(PORTS.values()),
                       [f for f in flows if f[1] != "http"])])


def main():
    need_root()
    need("nginx", "openssl", "node", "tshark", "ip", "ss")
    failures = Failures()
    with workspace() as directory:
        os.chmod(directory, 0o755)
        home = os.path.join(directory, "home")
        aftertap = Aftertap(sys.argv[1], home)
        with Namespace("at-plain") as net:
            worker, node = servers(net, directory)
            client = Client(net, directory)
            recorder = start_recorder(
                sys.argv[2], home, "--tls-plaintext", f"{worker},{node}",
                "--tls-plaintext", str(client.child.pid))
            wanted = []
            for i in range(5):
                for name in PORTS:
                    for file, size in SIZES.items():
                        path = f"/{file}?{name}-{i}"
                        failures.check("status", client.ask(name, path)[0],
                                       200)
                        wanted.append(path)
            recorder.send_signal(signal.SIGINT)
            told = recorder.communicate(timeout=120)[1]
            failures.check("the recorder ends", recorder.returncode, 0)
            client.close()
        if recorder.returncode:
            print(told)
        aftertap.run("snapshots", "create", "s", "--captures", "live")
        exported = os.path.join(directory, "all.pcapng")
        aftertap.run("export", "s", exported)
        check_tshark(exported, directory, [worker, node], wanted, failures)
        check_tshark(exported, directory, [client.child.pid], wanted, failures)
        check_ours(aftertap, {"worker": worker, "node": node,
                              "client": client.child.pid}, wanted, failures)
        failures.check("what waits to be sealed", os.listdir(
            os.path.join(home, "captures", "live", "raw")), [])
    failures.exit()


if __name__ == "__main__":
    main()
