#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real servers under load, recorded by aftertap-capture and by tcpdump at
once: the same packets byte for byte, no loss, the calls of the servers' own
logs, and the right process at both ends of every connection.

usage: test_capture_truth.py AFTERTAP CAPTURE [--requests N]

nginx, redis and postgres, on loopback (IPv4 and IPv6) and between two network
namespaces.  What is expected comes from the servers' logs and from /proc.
"""
import argparse
import atexit
import collections
import contextlib
import hashlib
import os
import pwd
import signal
import subprocess
import sys
import time

import support

sys.path.insert(0, os.path.join(support.ROOT, "tests", "support"))
import capture_packets  # noqa: E402

WEB, REDIS, POSTGRES = 18541, 18542, 18543
HERE = ("127.0.0.1", "::1")
# A network of this run's own: another's may be left behind by a kill.
NETWORK = os.getpid() % 250 + 1
NEAR_END = (f"10.213.{NETWORK}.1", f"fd13:{NETWORK}::1")
FAR = (f"10.213.{NETWORK}.2", f"fd13:{NETWORK}::2")

CLIENT = """
import http.client, os, sys
host, port, count, name = sys.argv[1:5]
for turn in range(int(count)):
    connection = http.client.HTTPConnection(host, int(port))
    path = "/%s/%d" % (name, turn)
    connection.request("GET", path)
    connection.getresponse().read()
    print(os.getpid(), path, flush=True)
    connection.close()
"""


class Server:
    """A child that is ended by process id, at the latest when we end."""

    def __init__(self, *command, **more):
        more.setdefault("stdout", subprocess.DEVNULL)
        more.setdefault("stderr", subprocess.DEVNULL)
        self.process = subprocess.Popen(command, **more)
        atexit.register(self.stop, signal.SIGINT)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(180)


def wait_for(what, condition, seconds=20):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            raise SystemExit(f"{what} did not happen")
        time.sleep(0.05)


def listening(port, namespace=None):
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    listed = subprocess.run([*inside, "ss", "-Hltn", f"sport = :{port}"],
                            capture_output=True, text=True).stdout
    return f":{port}" in listed


@contextlib.contextmanager
def pair(name):
    """A network namespace joined to the machine's own by a veth."""
    host = f"{name[:10]}h"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = ["ip", "-n", name]
        subprocess.run(["ip", "link", "add", host, "type", "veth", "peer",
                        "name", "eth0", "netns", name], check=True)
        for command in (
                ["ip", "addr", "add", NEAR_END[0] + "/24", "dev", host],
                ["ip", "addr", "add", NEAR_END[1] + "/64", "dev", host,
                 "nodad"],
                ["ip", "link", "set", host, "up"],
                [*inside, "addr", "add", FAR[0] + "/24", "dev", "eth0"],
                [*inside, "addr", "add", FAR[1] + "/64", "dev", "eth0",
                 "nodad"],
                [*inside, "link", "set", "eth0", "up"],
                [*inside, "link", "set", "lo", "up"]):
            subprocess.run(command, check=True)
        yield host
    finally:
        subprocess.run(["ip", "netns", "delete", name])


def start_nginx(folder, namespace=None):
    os.makedirs(folder)
    log = os.path.join(folder, "access.log")
    configuration = os.path.join(folder, "nginx.conf")
    with open(configuration, "w", encoding="utf-8") as file:
        file.write(f"""
pid {folder}/pid; error_log {folder}/error.log; worker_processes 2;
daemon off; events {{ worker_connections 1024; }}
http {{
  log_format truth '$pid $remote_addr $remote_port $status $request_method '
                   '$request_uri';
  access_log {log} truth;
  keepalive_requests 100000;
  server {{
    listen {WEB} reuseport; listen [::]:{WEB} reuseport;
    location / {{ return 200 "hello, $request_uri\\n"; }}
    location /missing/ {{ return 404 "no\\n"; }}
  }}
}}""")
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    server = Server(*inside, "nginx", "-c", configuration, "-e",
                    f"{folder}/error.log")
    wait_for("nginx", lambda: listening(WEB, namespace))
    return server, log


def postgres_program(name):
    folder = "/usr/lib/postgresql"
    for version in sorted(os.listdir(folder), reverse=True) \
            if os.path.isdir(folder) else ():
        path = os.path.join(folder, version, "bin", name)
        if os.path.exists(path):
            return path
    return support.skip("not installed: postgresql")


def start_postgres(folder):
    user = pwd.getpwnam("postgres")
    os.makedirs(folder)
    os.chown(folder, user.pw_uid, user.pw_gid)
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres",
               "--clear-groups"]
    data, log = os.path.join(folder, "data"), os.path.join(folder, "log")
    subprocess.run([*as_user, postgres_program("initdb"), "-D", data, "-A",
                    "trust", "--no-sync"], check=True,
                   stdout=subprocess.DEVNULL)
    server = Server(
        *as_user, postgres_program("postgres"), "-D", data, "-p",
        str(POSTGRES), "-k", folder, "-c", "log_connections=on", "-c",
        "log_line_prefix=%p %r ", "-c", "listen_addresses=127.0.0.1,::1",
        stderr=open(log, "w", encoding="utf-8"))
    wait_for("postgres", lambda: listening(POSTGRES))
    return server, log


def load(folder, requests, address):
    """HTTP by processes of known ids, and by wrk; what was asked for by the
    former, and their ids.  A port says less: others get it later."""
    script = os.path.join(folder, "client.py")
    with open(script, "w", encoding="utf-8") as file:
        file.write(CLIENT)
    known = {}
    clients = [subprocess.Popen(
        [sys.executable, script, address, str(WEB), str(requests // 20),
         name], stdout=subprocess.PIPE, text=True)
        for name in ("ok", "missing")]
    for client in clients:
        for line in client.stdout:
            pid, path = line.split()
            known[address, path] = int(pid)
        client.wait()
    where = f"[{address}]" if ":" in address else address
    subprocess.run(["wrk", "-t1", "-c4", "-d1s",
                    f"http://{where}:{WEB}/wrk"],
                   check=True, stdout=subprocess.DEVNULL)
    return known


def ip_packets(path, ports):
    """The TCP packets of these ports in a file, from the IP header on, by
    their hash; and those that are larger than a device takes."""
    found, large = {}, []
    for link, length, data in capture_packets.packets(path):
        packet = capture_packets.ip_packet(link, data)
        ends = packet and capture_packets.tcp_ports(packet)
        if not ends or not set(ends) & set(ports):
            continue
        if length <= 65535 + 14:
            found[hashlib.sha256(packet).digest()] = packet
        else:
            large.append(capture_packets.tcp_segment(packet))
    return found, large


def is_part(packet, large):
    """A sender makes two segments at least of much data, which on loopback is
    more than the device takes: we see them as one packet, tcpdump in parts."""
    flow, sequence, payload = capture_packets.tcp_segment(packet)
    for other, start, whole in large:
        at = (sequence - start) % 2**32
        if other == flow and whole[at:at + len(payload)] == payload != b"":
            return True
    return False


def is_last_word(packet, closed):
    """A bare segment of a connection that was closed: it can be the kernel's
    own for no socket, to no socket, which cgroup hooks do not see
    (docs/capture.md, cgroup)."""
    _, _, payload = capture_packets.tcp_segment(packet)
    flags = capture_packets.tcp_flags(packet)
    return not payload and connection_of(packet) in closed and \
        not flags & (capture_packets.FIN | capture_packets.SYN)


def connection_of(packet):
    flow = capture_packets.tcp_segment(packet)[0]
    size = 4 if packet[0] >> 4 == 4 else 16
    return frozenset([(flow[:size], flow[-4:-2]),
                      (flow[size:2 * size], flow[-2:])])


def closed_connections(packets):
    return {connection_of(packet) for packet in packets
            if capture_packets.tcp_flags(packet) &
            (capture_packets.FIN | capture_packets.RST)}


class Recorder:
    """aftertap-capture, recording when this returns."""

    def __init__(self, program, home, name, *options):
        self.log = open(os.path.join(home, name + ".log"), "w+",
                        encoding="utf-8")
        self.server = Server(program, "--home", home, "--name", name,
                             *options, stderr=self.log, stdout=self.log)
        wait_for("recording", lambda: "recording" in self.said() or
                 self.server.process.poll() is not None)
        if self.server.process.poll() is not None:
            raise SystemExit(f"aftertap-capture: {self.said()}")

    def said(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        return self.server.stop(signal.SIGINT)


def tcpdump(path, interface, ports, namespace=None):
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    expression = " or ".join(f"tcp port {port}" for port in ports)
    log = open(path + ".log", "w+", encoding="utf-8")
    server = Server(*inside, "tcpdump", "-i", interface, "-B", "65536", "-s",
                    "0", "-Z", "root", "-w", path, expression, stderr=log)
    wait_for("tcpdump", lambda: "listening on" in open(
        log.name, encoding="utf-8").read())
    return server


def check_packets(failures, ours, large, theirs, lost):
    """What tcpdump saw once, we saw at egress, at ingress, or at both; what
    tcpdump itself lost it cannot speak of."""
    lacking = [theirs[key] for key in theirs.keys() - ours.keys()]
    closed = closed_connections(ours.values()) if lacking else ()
    failures.that("tcpdump recorded something", len(theirs) > 1000,
                  len(theirs))
    failures.check("packets that tcpdump has and we have not",
                   [packet[:120].hex() for packet in lacking
                    if not is_part(packet, large) and
                    not is_last_word(packet, closed)], [])
    beyond = [ours[key][:120].hex() for key in ours.keys() - theirs.keys()]
    failures.that("packets that we have and tcpdump has not",
                  len(beyond) <= lost,
                  f"{len(beyond)}, lost by tcpdump {lost}: {beyond[:3]}")


def check_http(failures, tool, db, server, log, known):
    """Calls and processes against nginx's log (worker pid, client's port)."""
    said, workers = collections.Counter(), {}
    with open(log, encoding="utf-8") as file:
        for line in file:
            pid, peer, port, status, method, uri = line.split()
            said[method, uri, int(status)] += 1
            workers[peer, int(port), uri] = int(pid)
    rows = list(tool.rows(
        db, "method, path, status, src_port, src_pid, dst_pid, src_process,"
        " dst_process, src_ip, dst_ip", f"protocol = 'http'"
        f" AND dst_port = {WEB} AND dst_ip IN ({server})"))
    failures.check("calls equal nginx's log",
                   collections.Counter((r[1], r[2], r[3]) for r in rows), said)
    failures.check("calls whose server process is not the logged worker",
                   sum(r[6] != workers.get((r[9], r[4], r[2]))
                       for r in rows), 0)
    failures.check("servers' names", {r[8] for r in rows}, {"nginx"})
    ours = [r for r in rows if (r[10], r[2]) in known]
    failures.check("clients of known pid", len(ours), len(known))
    failures.check("calls whose client process is not the known one",
                   sum(r[5] != known[r[10], r[2]] for r in ours), 0)
    failures.check("clients' names", {r[7] for r in rows} -
                   {"python3", os.path.basename(sys.executable)}, {"wrk"})


def connections(tool, db, port):
    return tool.json("--db", db, "sql",
                     "SELECT src_port, src_pid, dst_pid, src_process,"
                     f" dst_process FROM connections WHERE dst_port = {port}",
                     "--limit", "1000")["rows"]


def check_redis(failures, tool, db, server_pid, client_pid):
    rows = connections(tool, db, REDIS)
    failures.that("connections to redis", len(rows) >= 4, len(rows))
    failures.check("their server", {(r[2], r[4]) for r in rows},
                   {(server_pid, "redis-server")})
    failures.check("their client", {(r[1], r[3]) for r in rows},
                   {(client_pid, "redis-benchmark")})


def check_postgres(failures, tool, db, log, client_pids):
    """Every backend says its pid and the port it was called from."""
    backends = {}
    with open(log, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if "connection authorized" in line:
                port = words[1].rpartition("(")[2].rstrip(")")
                backends[int(port)] = int(words[0])
    rows = [r for r in connections(tool, db, POSTGRES) if r[0] in backends]
    failures.that("connections to postgres", len(rows) >= 4, len(rows))
    failures.check("connections whose server is not the logged backend",
                   [r for r in rows if r[2] != backends[r[0]]], [])
    failures.check("their clients", {(r[1], r[3]) for r in rows},
                   {(pid, "pgbench") for pid in client_pids})


def run_client(*command):
    """Its pid, when it has ended well."""
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    _, complaint = client.communicate(timeout=120)
    if client.returncode:
        raise SystemExit(f"{command[0]} failed: {complaint}")
    return client.pid


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("aftertap")
    parser.add_argument("capture")
    parser.add_argument("--requests", type=int, default=400)
    options = parser.parse_args()
    support.need("nginx", "wrk", "redis-server", "redis-benchmark", "tcpdump",
                 "ip", "ss", "setpriv")
    support.need_root()
    with support.workspace() as folder, pair(f"truth{os.getpid()}") as host:
        os.chmod(folder, 0o755)
        run(options, folder, f"truth{os.getpid()}", host)


def start_recorders(options, folder, namespace, host):
    ports = (WEB, REDIS, POSTGRES)
    loopback, veth = files_of(folder)
    return [
        Recorder(options.capture, folder, "node"),
        tcpdump(loopback, "lo", ports),
        tcpdump(veth, host, ports),
    ]


def run(options, folder, namespace, host):
    failures = support.Failures()
    tool = support.Aftertap(options.aftertap, folder)
    # Redis and one nginx are older than the recorder.
    near, near_log = start_nginx(os.path.join(folder, "near"))
    redis = Server("redis-server", "--port", str(REDIS), "--save", "",
                   "--bind", "127.0.0.1", "::1")
    wait_for("redis", lambda: listening(REDIS))
    recorders = start_recorders(options, folder, namespace, host)
    far, far_log = start_nginx(os.path.join(folder, "far"), namespace)
    postgres, postgres_log = start_postgres(os.path.join(folder, "pg"))
    known = {"near": {}, "far": {}}
    for address in HERE:
        known["near"].update(load(folder, options.requests, address))
    for address in FAR:
        known["far"].update(load(folder, options.requests, address))
    benchmark = run_client("redis-benchmark", "-p", str(REDIS), "-c", "4",
                           "-n", "20000", "-t", "set,get")
    user = ["-h", "127.0.0.1", "-p", str(POSTGRES), "-U", "postgres",
            "postgres"]
    clients = [run_client(postgres_program("pgbench"), "-i", "-q", *user)]
    clients.append(run_client(postgres_program("pgbench"), "-n", "-c", "4",
                              "-t", "300", *user))
    lost = sum(support.stop_tcpdump(recorder.process, path + ".log")
               for recorder, path in zip(recorders[1:], files_of(folder)))
    failures.check("the recorder's exit status", recorders[0].stop(), 0)
    for server in (near, far, redis, postgres):
        server.stop(signal.SIGINT if server is postgres else signal.SIGTERM)
    check_all(failures, tool, folder, (near_log, far_log, postgres_log),
              known, (redis.process.pid, benchmark, clients), lost)
    failures.exit()


def files_of(folder):
    """What tcpdump writes: loopback, and the way into the namespace."""
    return [os.path.join(folder, name) for name in ("lo.pcap", "veth.pcap")]


def check_all(failures, tool, folder, logs, known, pids, lost):
    capture = tool.json("tool", "list_captures")["captures"][0]
    failures.check("lost packets", capture["drops"], 0)
    tool.run("snapshots", "create", "all")
    tool.run("dissect", "all", "--name", "d")
    exported = os.path.join(folder, "all.pcapng")
    tool.run("export", "all", exported)
    ports = (WEB, REDIS, POSTGRES)
    theirs = {}
    for path in files_of(folder):
        theirs |= ip_packets(path, ports)[0]
    check_packets(failures, *ip_packets(exported, ports), theirs, lost)
    quoted = [", ".join(f"'{a}'" for a in where) for where in (HERE, FAR)]
    check_http(failures, tool, "all/d", quoted[0], logs[0], known["near"])
    check_http(failures, tool, "all/d", quoted[1], logs[1], known["far"])
    check_redis(failures, tool, "all/d", pids[0], pids[1])
    check_postgres(failures, tool, "all/d", logs[2], pids[2])


if __name__ == "__main__":
    main()
