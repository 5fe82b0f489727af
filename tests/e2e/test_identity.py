#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who is at the ends: the identity module watches real servers and clients.

What is expected comes from elsewhere: nginx writes its worker's pid into the
access log, postgres and redis are asked for theirs, ss(8) is, clients say
their own pid and port.
"""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import support

TOOL = sys.argv[1]
CLIENTS = 20
SHORT = 1000
TRACEPOINT, ITERATOR, PROC = 1, 2, 3

NGINX = """
daemon off; master_process on; worker_processes 2; user root;
pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format owner '$pid $remote_port $server_port $uri';
  access_log {home}/access.log owner;
  keepalive_timeout 60s;
  server {{ listen 127.0.0.1:8471; listen [::1]:8471;
            location / {{ return 200 "ok"; }} }}
}}
"""

UDP_SERVER = """
import os, socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 8474))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(str(os.getpid()).encode(), peer)
"""

UDP_CLIENT = """
import socket, sys
for address in ("127.0.0.1", "::1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.connect((address, 8474))
    s.send(b"?")
    print(s.getsockname()[1], s.recv(100).decode())
"""

KEPT_OPEN = """
import socket, sys
s = socket.create_connection(("127.0.0.1", 8471))
s.sendall(b"GET /kept HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
s.recv(1000)
print(s.getsockname()[1], flush=True)
sys.stdin.readline()
"""

SHORT_LIVED = """
i=0
while [ $i -lt %d ]; do
  bash -c 'exec 3<>/dev/tcp/127.0.0.1/8471
    printf "GET /short/$$ HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3' >/dev/null
  i=$((i+1))
done
"""


class Watch:
    """The tool, watching until stop()."""

    def __init__(self, log, *options, before=()):
        self.log = log
        self.child = subprocess.Popen(
            [*before, TOOL, "watch", log, *options], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.child.stdout.readline() != "ready\n":
            raise SystemExit("the identity module did not start")

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def stop(self):
        self.child.stdin.write("end\n")
        self.child.stdin.flush()
        self.child.wait(20)
        return Log(self.log)


class Log:
    """The newest entries of an identity.log."""

    def __init__(self, path):
        lines = subprocess.run([TOOL, "dump", path], check=True, text=True,
                               capture_output=True).stdout.splitlines()
        entries = [json.loads(line) for line in lines]
        self.processes = {e["id"]: e for e in entries
                          if e["kind"] == "process"}
        self.sockets = [e for e in entries if e["kind"] == "socket"]

    def owners(self, protocol, local, remote, netns):
        """Processes of the sockets with these ports, oldest entry first."""
        found = [s for s in self.sockets
                 if (s["protocol"], s["local_port"], s["remote_port"],
                     s["netns"]) == (protocol, local, remote, netns)]
        found.sort(key=lambda s: s["from"])
        return [(self.processes.get(s["process"], {}), s) for s in found]

    def pids(self, protocol, local, remote, netns, name):
        """Those of this name, one for each connection, in order."""
        return [process["pid"] for process, _ in
                self.owners(protocol, local, remote, netns)
                if process.get("name") == name]

    def owner(self, protocol, local, remote, netns):
        owners = self.owners(protocol, local, remote, netns)
        return owners[-1][0].get("pid") if owners else None


def program(name):
    found = shutil.which(name) or shutil.which(
        name, path=":".join(glob.glob("/usr/lib/postgresql/*/bin") +
                            ["/usr/sbin"]))
    if not found:
        support.skip("not installed: " + name)
    return found


def wait_for(what, truth):
    for _ in range(600):
        if truth():
            return
        time.sleep(0.05)
    raise SystemExit(f"{what} did not happen")


def netns_inode(name):
    return os.stat(f"/run/netns/{name}").st_ino


def start_nginx(ns, home):
    with open(home + "/nginx.conf", "w") as file:
        file.write(NGINX.format(home=home))
    child = ns.start(program("nginx"), "-p", home, "-c", home + "/nginx.conf")
    wait_for("nginx", lambda: ns.run("curl", "-s", "http://[::1]:8471/",
                                     check=False).returncode == 0)
    return child


def start_redis(ns, home):
    child = ns.start(program("redis-server"), "--port", "8472", "--bind",
                     "127.0.0.1", "--save", "", "--dir", home)
    wait_for("redis", lambda: ns.run("redis-cli", "-p", "8472", "ping",
                                     check=False).returncode == 0)
    return child


def start_postgres(ns, home):
    data = home + "/pg"
    os.chmod(home, 0o755)
    os.mkdir(data)
    shutil.chown(data, "postgres", "postgres")
    as_postgres = ["setpriv", "--reuid", "postgres", "--regid", "postgres",
                   "--clear-groups"]
    subprocess.run(as_postgres + [program("initdb"), "-D", data, "-A",
                                  "trust", "--no-sync"], check=True, cwd="/",
                   stdout=subprocess.DEVNULL)
    ns.start(*as_postgres, program("postgres"), "-D", data, "-p", "8473",
             "-c", "listen_addresses=127.0.0.1", "-k", data, cwd="/")
    wait_for("postgres", lambda: ns.run(
        "psql", "-h", "127.0.0.1", "-p", "8473", "-U", "postgres", "-c",
        "select 1", check=False).returncode == 0)


def output(ns, *words):
    """Runs a client to its end; its pid and what it printed."""
    child = ns.start(*words, stdout=subprocess.PIPE, text=True)
    text = child.communicate()[0]
    return child.pid, text.strip()


def access_log(home):
    """{client port: [(worker's pid, uri)]} of what nginx answered: ports are
    used again."""
    answered = {}
    for line in open(home + "/access.log"):
        pid, port, _, uri = line.split()
        answered.setdefault(int(port), []).append((int(pid), uri))
    return answered


def check_nginx(f, log, clients, home, inode):
    answered = access_log(home)
    for port in {port for _, port in clients}:
        f.check(f"client of port {port}", log.pids(6, port, 8471, inode,
                                                   "curl"),
                [pid for pid, other in clients if other == port])
        f.check(f"nginx worker for port {port}",
                log.pids(6, 8471, port, inode, "nginx"),
                [worker for worker, _ in answered[port]])
    process, entry = next(
        owner for owner in log.owners(6, clients[0][1], 8471, inode)
        if owner[0]["pid"] == clients[0][0])
    f.check("the client's name", process["name"], "curl")
    f.check("its executable", process["executable"],
            os.path.realpath(shutil.which("curl")))
    f.check("its namespace", process["netns"], inode)
    f.check("its user", process["uid"], os.geteuid())
    f.check("its parent", process["parent"], os.getpid())
    f.that("it began, connected, and ended in this order",
           process["from"] <= entry["from"] <= process["to"])
    f.that("its socket has ended", entry["to"] > entry["from"])


def run_clients(ns):
    clients = []
    for i in range(CLIENTS):
        address = "[::1]" if i % 2 else "127.0.0.1"
        pid, port = output(ns, "curl", "-s", "-o", "/dev/null", "-w",
                           "%{local_port}", f"http://{address}:8471/{i}")
        clients.append((pid, int(port)))
    return clients


def check_redis(f, watch_log, server, client, inode):
    pid, info = client
    fields = dict(w.split("=", 1) for w in info.split() if "=" in w)
    port = int(fields["addr"].rsplit(":", 1)[1])
    f.check("redis-cli", watch_log.owner(6, port, 8472, inode), pid)
    f.check("redis-server", watch_log.owner(6, 8472, port, inode), server)


def check_postgres(f, log, client, inode):
    pid, text = client
    backend, port = (int(word) for word in text.split("|"))
    f.check("psql", log.owner(6, port, 8473, inode), pid)
    f.check("the backend, not the postmaster",
            log.owner(6, 8473, port, inode), backend)
    process = log.owners(6, 8473, port, inode)[-1][0]
    f.check("its user", process["uid"],
            __import__("pwd").getpwnam("postgres").pw_uid)
    f.check("its executable", process["executable"],
            os.path.realpath(program("postgres")))


def check_udp(f, log, server, client, inode):
    pid, text = client
    for line in text.splitlines():
        port, answered = (int(word) for word in line.split())
        f.check(f"UDP client of port {port}",
                log.owner(17, port, 8474, inode), pid)
        f.check("UDP server", log.owner(17, 8474, 0, inode), answered)
        f.check("… is what it says", answered, server)
    ended = log.owners(17, int(text.split()[0]), 8474, inode)[-1][1]
    f.that("the end of a UDP socket is seen", ended["to"] > 0)


def check_listener(f, log, master, inode):
    listeners = [s for s in log.sockets if s["listening"] and
                 s["local_port"] == 8471 and s["netns"] == inode]
    f.check("listeners, IPv4 and IPv6", len(listeners), 2)
    for s in listeners:
        f.check("the master stands in for a listener",
                log.processes[s["process"]]["pid"], master)


def check_short(f, log, home, inode):
    answered = {}
    for port, requests in access_log(home).items():
        pids = [int(uri.rsplit("/", 1)[1]) for _, uri in requests
                if uri.startswith("/short/")]
        if pids:
            answered[port] = pids
    count = sum(map(len, answered.values()))
    # The shell that connects; it hands the socket to a cat.
    right = sum(len(pids) for port, pids in answered.items()
                if log.pids(6, port, 8471, inode, "bash") == pids)
    f.check("short-lived processes reached nginx", count, SHORT)
    f.check("short-lived processes with the right pid", right, count)
    named = sum(p["name"] == "bash" and p["executable"].endswith("/bash") and
                p["to"] > 0
                for p in log.processes.values()
                if p["pid"] in set(sum(answered.values(), [])))
    f.check("… with name, executable and end", named, count)


def check_loopback(f, home):
    """The recorder's own namespace, against ss(8)."""
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "18475", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = socket.socket()
    wait_for("the server", lambda: client.connect_ex(("127.0.0.1",
                                                      18475)) == 0)
    watch = Watch(home + "/loopback.log")
    client.sendall(b"GET / HTTP/1.1\r\n")  # and no more: it stays open
    time.sleep(1)
    port = client.getsockname()[1]
    lines = subprocess.run(["ss", "-tnpH", f"sport = :{port}", "or",
                            f"dport = :{port}"], text=True, check=True,
                           capture_output=True).stdout.splitlines()
    log = watch.stop()
    inode = os.stat("/proc/self/ns/net").st_ino
    for line in lines:
        words = line.split()
        local, remote = (int(w.rsplit(":", 1)[1]) for w in words[3:5])
        f.check(f"ss, {local} to {remote}",
                log.owner(6, local, remote, inode),
                int(line.split("pid=")[1].split(",")[0]))
    f.check("ss knows both ends", len(lines), 2)
    client.close()
    server.terminate()
    server.wait()


def check_fallback(f, ns, home, kept, inode):
    """No BPF: /proc and sock_diag, at start and for what comes."""
    watch = Watch(home + "/fallback.log", "without=bpf")
    child = ns.start(sys.executable, "-c", KEPT_OPEN, stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, text=True)
    port = int(child.stdout.readline())
    # It looks less often where looking is expensive.
    wait_for("another look", lambda: Log(watch.log).owner(
        6, 8471, port, inode))
    told = watch.ask("describe")
    log = watch.stop()
    f.check("fallback: a connection from before",
            log.owner(6, kept[1], 8471, inode), kept[0])
    f.check("fallback: a later one", log.owner(6, port, 8471, inode),
            child.pid)
    f.check("fallback: its worker", log.owner(6, 8471, port, inode),
            access_log(home)[port][-1][0])
    f.check("fallback: said aloud", [d["feature"] for d in told["degraded"]],
            ["inet_sock_set_state", "bpf"])
    child.stdin.close()
    child.wait(10)


def check_limited(f, home, kept, inode):
    """No BPF and no CAP_SYS_ADMIN: other namespaces cannot be entered, which
    is said, and what was known of them has not ended for that."""
    Watch(home + "/limited.log", "without=bpf").stop()
    watch = Watch(home + "/limited.log", "without=bpf",
                  before=("setpriv", "--bounding-set", "-sys_admin"))
    wait_for("another look", lambda: watch.ask("describe")["counts"]
             ["proc_walks"] > 1)
    told = watch.ask("describe")
    log = watch.stop()
    f.check("limited: said aloud", told["degraded"][-1]["feature"],
            "sockets of other network namespaces")
    owner, entry = log.owners(6, kept[1], 8471, inode)[-1]
    f.check("limited: the connection is still known", (owner["pid"],
                                                       entry["to"]),
            (kept[0], 0))


def check_substitutes(f, ns, home, inode):
    """Each program alone is missing: said by name, the rest goes on."""
    watch = Watch(home + "/substitute.log", "without=sock_recv_length",
                  "without=sock_send_length", "without=iter/task_file")
    clients = run_clients(ns)[:4]
    told = watch.ask("describe")
    log = watch.stop()
    for pid, port in clients:
        f.check("substitute: client", log.owner(6, port, 8471, inode), pid)
        f.check("substitute: worker", log.owner(6, 8471, port, inode),
                access_log(home)[port][-1][0])
    f.check("substitute: degraded", [d["feature"] for d in told["degraded"]],
            ["sock_send_length", "sock_recv_length", "iter/task_file"])
    f.check("substitute: what was open", told["mechanisms"]
            ["existing_sockets"], "/proc and sock_diag")


def check_crash(f, home, master, inode):
    """kill -9, and another session of the same log."""
    before = Log(home + "/identity.log")
    watch = Watch(home + "/identity.log")
    watch.child.kill()
    watch.child.wait()
    after = Watch(home + "/identity.log").stop()
    old = [p["id"] for p in before.processes.values()
           if p["pid"] == master and not p["to"]]
    new = [p["id"] for p in after.processes.values()
           if p["pid"] == master and not p["to"]]
    f.check("the master keeps its id over sessions", new, old)
    check_listener(f, after, master, inode)


def main():
    f = support.Failures()
    support.need_root()
    support.need("curl", "ss", "bash", "setpriv", "psql", "redis-cli")
    with support.workspace() as home, \
            support.Namespace("at-id-e2e") as ns:
        inode = netns_inode(ns.name)
        nginx = start_nginx(ns, home)
        redis = start_redis(ns, home)
        start_postgres(ns, home)
        udp = ns.start(sys.executable, "-c", UDP_SERVER)
        kept = ns.start(sys.executable, "-c", KEPT_OPEN,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        text=True)
        kept_port = int(kept.stdout.readline())
        time.sleep(0.5)

        watch = Watch(home + "/identity.log")
        told = watch.ask("describe")
        if told["mechanisms"]["sockets"] != "BPF tracepoints":
            watch.stop()
            support.skip("no BPF here: " + json.dumps(told["degraded"]))
        clients = run_clients(ns)
        psql = output(ns, "psql", "-h", "127.0.0.1", "-p", "8473", "-U",
                      "postgres", "-Atc",
                      "select pg_backend_pid(), inet_client_port()")
        redis_cli = output(ns, "redis-cli", "-p", "8472", "client", "info")
        udp_client = output(ns, sys.executable, "-c", UDP_CLIENT)
        ns.run("sh", "-c", SHORT_LIVED % SHORT)
        time.sleep(1.2)
        told = watch.ask("describe")
        log = watch.stop()

        f.check("events lost", told["counts"]["lost_events"], 0)
        f.check("degraded", told["degraded"], [])
        check_nginx(f, log, clients, home, inode)
        check_redis(f, log, redis.pid, redis_cli, inode)
        check_postgres(f, log, psql, inode)
        check_udp(f, log, udp.pid, udp_client, inode)
        check_listener(f, log, nginx.pid, inode)
        f.check("a client from before the recorder",
                log.owner(6, kept_port, 8471, inode), kept.pid)
        f.check("… and the worker that has it",
                log.owner(6, 8471, kept_port, inode),
                access_log(home)[kept_port][0][0])
        f.check("… told by", log.owners(6, kept_port, 8471, inode)[-1][1]
                ["mechanism"], ITERATOR)
        check_short(f, log, home, inode)
        check_crash(f, home, nginx.pid, inode)
        check_fallback(f, ns, home, (kept.pid, kept_port), inode)
        check_limited(f, home, (kept.pid, kept_port), inode)
        check_substitutes(f, ns, home, inode)
        check_loopback(f, home)
        kept.stdin.close()
        nginx.send_signal(signal.SIGTERM)
    f.exit()


main()
