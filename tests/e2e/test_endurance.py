#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A recorder that runs on while everything around it changes: rotation, quota
eviction, snapshots, network namespaces that come and go, short-lived
processes.  Every snapshot must be complete to the packet, every packet
accounted for, nothing may leak.

usage: test_endurance.py AFTERTAP CAPTURE [--minutes M] [--processes N]
                         [--burners N]

All load runs in a control group of its own, which is what is recorded, so
that the sums are exact whatever else the machine does.  The truth for
snapshots is a beacon: numbered datagrams, each with the time before and after
it was sent.
"""
import argparse
import glob
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import support

sys.path.insert(0, os.path.join(support.ROOT, "tests", "support"))
import capture_packets  # noqa: E402

BEACON, BULK, WEB = 18651, 18652, 18653
# Datagrams of bulk that fill the quota twice, however slow the machine is.
QUOTA_MIB, BULK_BYTES = 48, 24000
ENOUGH = 2 * (QUOTA_MIB << 20) // BULK_BYTES
# Raw files, from which on bulk waits: how fast this machine seals is not the
# question, and what the quota takes before it is sealed is lost.
MANY_RAW = 5
MAGIC = b"aftertap beacon "

BEACON_PROGRAM = """
import os, socket, struct, sys, time
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
beacon, bulk, end = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
inlets = []
for port in (beacon, bulk):
    inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inlet.bind(("127.0.0.1", port))
    inlets.append(inlet)
outlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
log = open(sys.argv[5], "w")
number, filled, enough, size = 0, 0, int(sys.argv[6]), int(sys.argv[7])
raw, many = sys.argv[8], int(sys.argv[9])
while time.time() < end or filled < enough:
    before = time.time_ns()
    outlet.sendto(b"aftertap beacon " + struct.pack("!Q", number),
                  ("127.0.0.1", beacon))
    log.write("%d %d %d\\n" % (number, before, time.time_ns()))
    log.flush()
    number += 1
    if sum(name.endswith(".raw") for name in os.listdir(raw)) < many:
        outlet.sendto(os.urandom(size), ("127.0.0.1", bulk))
        filled += 1
    time.sleep(0.005)
"""


class Group:
    """A control group; everything in it is what is recorded."""

    def __enter__(self):
        root = [line.split()[1] for line in open("/proc/mounts",
                                                 encoding="ascii")
                if line.split()[2] == "cgroup2"]
        if not root:
            support.skip("no cgroup2 file system is mounted")
        self.path = os.path.join(root[0], f"aftertap-endurance-{os.getpid()}")
        try:
            os.mkdir(self.path)
        except OSError as error:
            support.skip(f"no control group can be made: {error}")
        return self

    def __exit__(self, *_):
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)

    def command(self, *words):
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"',
                self.path, *words]

    def run(self, *words):
        return subprocess.run(self.command(*words), timeout=60,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)


class Worker(threading.Thread):
    """Does one thing again and again until the time is over."""

    def __init__(self, work, end, pause):
        super().__init__(daemon=True)
        self.work, self.end, self.pause, self.turns = work, end, pause, 0
        self.problem = None
        self.start()

    def run(self):
        try:
            while time.time() < self.end:
                self.work(self.turns)
                self.turns += 1
                time.sleep(self.pause)
        except Exception as problem:  # told by the main thread
            self.problem = problem


def churn(group):
    """A namespace with its own interfaces and a little traffic, gone again."""
    def turn(number):
        name = f"endure{os.getpid()}-{number % 4}"
        address = f"10.219.{number % 4}."
        link = f"en{os.getpid() % 10000}x{number % 4}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        try:
            for command in (
                    ["ip", "link", "add", link, "type", "veth", "peer",
                     "name", "eth0", "netns", name],
                    ["ip", "addr", "add", address + "1/24", "dev", link],
                    ["ip", "link", "set", link, "up"],
                    ["ip", "-n", name, "addr", "add", address + "2/24", "dev",
                     "eth0"],
                    ["ip", "-n", name, "link", "set", "eth0", "up"]):
                subprocess.run(command, check=True)
            group.run("ip", "netns", "exec", name, "ping", "-c", "2", "-i",
                      "0.2", "-W", "2", address + "1")
        finally:
            subprocess.run(["ip", "netns", "delete", name])
    return turn


def processes(group):
    def turn(_):
        group.run("curl", "-s", "-o", "/dev/null",
                  f"http://127.0.0.1:{WEB}/")
    return turn


class Snapshots:
    """Takes them while it records; what each must hold is checked later."""

    def __init__(self, tool):
        self.tool, self.windows, self.problems = tool, [], []

    def turn(self, number):
        now = time.time_ns()
        window = (now - 3_000_000_000, now - 200_000_000)
        name = f"s{number}"
        done = self.tool.run(
            "snapshots", "create", name, "--from", str(window[0] // 1000000),
            "--to", str(window[1] // 1000000), check=False)
        if done.returncode:
            self.problems.append(done.stderr.strip())
            return
        self.windows.append((name, window[0] // 1000000 * 1000000,
                             window[1] // 1000000 * 1000000))


def beacons_in(path):
    found = set()
    for link, _, data in capture_packets.packets(path):
        packet = capture_packets.ip_packet(link, data)
        at = packet.find(MAGIC) if packet else -1
        if at >= 0:
            found.add(struct.unpack("!Q", packet[at + len(MAGIC):
                                                 at + len(MAGIC) + 8])[0])
    return found


def check_snapshots(failures, tool, folder, snapshots, log):
    sent = [tuple(map(int, line.split())) for line in open(
        log, encoding="ascii")]
    checked = lacking = beyond = 0
    for name, start, end in snapshots.windows:
        path = os.path.join(folder, name + ".pcapng")
        tool.run("export", name, path)
        found = beacons_in(path)
        os.unlink(path)
        inside = {n for n, before, after in sent
                  if before >= start and after < end}
        perhaps = {n for n, before, after in sent
                   if after >= start and before < end}
        checked += len(inside)
        lacking += len(inside - found)
        beyond += len(found - perhaps)
    failures.check("snapshots that could not be made", snapshots.problems, [])
    failures.that("numbered packets in the snapshots' windows", checked > 100,
                  checked)
    failures.check("of these, missing from their snapshot", lacking, 0)
    failures.check("packets from outside of the window", beyond, 0)


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


class Watch:
    """The recorder's descriptors, threads and memory over time."""

    def __init__(self, pid):
        self.pid, self.samples = pid, []

    def turn(self, _):
        self.samples.append((open_files(self.pid), len(os.listdir(
            f"/proc/{self.pid}/task")), memory(self.pid)))

    def check(self, failures):
        third = max(1, len(self.samples) // 3)
        early, late = self.samples[:third], self.samples[-third:]
        for at, what, slack in ((0, "descriptors", 8), (1, "threads", 2),
                                (2, "KiB of memory", 4096)):
            first = max(sample[at] for sample in early)
            last = max(sample[at] for sample in late)
            failures.that(f"{what} do not grow", last <= first + slack,
                          f"{first}, at the end {last}")


def attached(group):
    """The programs on the control group, as the kernel lists them."""
    return subprocess.run(["bpftool", "cgroup", "show", group.path],
                          capture_output=True, text=True).stdout


def check_sums(failures, tool, counts):
    capture = tool.json("tool", "list_captures", "name=endure")["captures"][0]
    evicted = capture.get("evicted", {}).get("packets", 0)
    failures.that("the quota made room", evicted > 0, evicted)
    failures.check("seen = captured + filtered + lost",
                   counts["captured_packets"] + counts["filtered_packets"] +
                   counts["lost_ring"] + counts["lost_errors"],
                   counts["seen_packets"])
    failures.check("captured = kept + evicted", capture["packets"] + evicted,
                   counts["captured_packets"])
    failures.check("lost", capture["drops"], 0)
    failures.check("lost, with what was evicted", capture["lost_packets"], 0)


def record(options, folder, group):
    log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
    # Under ASan what is freed is of use again only past its quarantine.
    environment = dict(os.environ, ASAN_OPTIONS=os.environ.get(
        "ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
    recorder = subprocess.Popen(
        [options.capture, "--home", folder, "--name", "endure", "--cgroup",
         group.path, "--quota", f"{QUOTA_MIB}MiB", "--segment-size", "4MiB",
         "--segment-time", "4s"], stdout=log, stderr=log, env=environment)
    deadline = time.time() + 20
    while "recording" not in open(log.name, encoding="utf-8").read():
        if recorder.poll() is not None or time.time() > deadline:
            support.skip("recording by control group does not work here: " +
                         open(log.name, encoding="utf-8").read()[-300:])
        time.sleep(0.05)
    return recorder


def run(options, folder, group):
    failures = support.Failures()
    tool = support.Aftertap(options.aftertap, folder)
    recorder = record(options, folder, group)
    web = subprocess.Popen(group.command(
        sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(WEB),
        "--directory", "/usr/share/common-licenses"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + options.minutes * 60
    beacon_log = os.path.join(folder, "beacon.log")
    beacon = subprocess.Popen([sys.executable, "-c", BEACON_PROGRAM,
                               group.path, str(BEACON), str(BULK), str(end),
                               beacon_log, str(ENOUGH), str(BULK_BYTES),
                               os.path.join(folder, "captures", "endure",
                                            "raw"), str(MANY_RAW)])
    time.sleep(4)
    before = attached(group)
    snapshots, watch = Snapshots(tool), Watch(recorder.pid)
    pause = max(0.0, options.minutes * 60 / options.processes - 0.02)
    workers = {
        "namespaces": Worker(churn(group), end, 0.2),
        "processes": Worker(processes(group), end, pause),
        "snapshots": Worker(snapshots.turn, end, max(3, options.minutes)),
        "watch": Worker(watch.turn, end, 1),
    }
    for worker in workers.values():
        worker.join()
    beacon.wait()
    web.terminate()
    web.wait()
    time.sleep(1.5)
    status = tool.json("tool", "get_capture_status", "name=endure")
    recorder.send_signal(signal.SIGINT)
    failures.check("the recorder's exit status", recorder.wait(60), 0)
    for name, worker in workers.items():
        failures.check(f"{name}: problems in {worker.turns} turns",
                       worker.problem, None)
    check_snapshots(failures, tool, folder, snapshots, beacon_log)
    watch.check(failures)
    check_sums(failures, tool, status["counts"])
    failures.check("raw segments left", glob.glob(os.path.join(
        folder, "captures", "endure", "raw", "*.raw")), [])
    failures.that("programs were on the control group",
                  "cgroup" in before, before)
    failures.check("and are gone", attached(group), "")
    failures.exit()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("aftertap")
    parser.add_argument("capture")
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--processes", type=int, default=60)
    parser.add_argument("--burners", type=int, default=0,
                        help="processes that only take CPU time meanwhile")
    options = parser.parse_args()
    support.need("ip", "ping", "curl", "bpftool")
    support.need_root()
    with support.workspace() as folder, Group() as group:
        burners = [subprocess.Popen([sys.executable, "-c", "while 1: pass"])
                   for _ in range(options.burners)]
        try:
            run(options, folder, group)
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()


if __name__ == "__main__":
    main()
