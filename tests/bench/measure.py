#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dissects captures several times, interleaved with the peers that are
installed, and prints medians: CPU of all processes, wall time, and the size of
the result.  The peak of the memory of all processes together is watched in a
round of its own, the first, because watching costs time."""
import argparse
import glob
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time

RECORDED = "/tmp/bench"


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            direct = [int(word) for word in f.read().split()]
    except OSError:
        return []
    return direct + [p for child in direct for p in children_of(child)]


def memory_of(pid):
    """Proportional set size: pages that processes share count once."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class PeakMemory(threading.Thread):
    """Samples the memory of a process and its children."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak = pid, 0
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.02):
            pids = [self.pid, *children_of(self.pid)]
            self.peak = max(self.peak, sum(memory_of(p) for p in pids))


def measure(command, watched):
    """{"cpu", "wall"} of one run of a command, {"memory"} of a watched one."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    memory = PeakMemory(process.pid) if watched else None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if status:
        raise SystemExit(f"{command[0]} failed: {complaint.decode()}")
    if not watched:
        return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall}
    memory.ended.set()
    memory.join()
    return {"memory": memory.peak}


class Aftertap:
    name = "aftertap"

    def __init__(self, build, pcap, folder):
        self.program = os.path.join(build, "aftertap-dissect")
        self.home = os.path.join(folder, "home")
        self.runs = 0
        front = [os.path.join(build, "aftertap"), "--home", self.home]
        subprocess.run([*front, "import", "--name", "c", pcap], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([*front, "snapshots", "create", "s", "--captures",
                        "c"], check=True, stdout=subprocess.DEVNULL)

    def run(self, watched):
        self.runs += 1
        result = measure([self.program, "--home", self.home, "--snapshot",
                          "s", "--name", f"r{self.runs}", "--nice", "0"],
                         watched)
        database = os.path.join(self.home, "snapshots", "s", "dissections",
                                f"r{self.runs}.sqlite")
        result["output"] = os.path.getsize(database)
        with sqlite3.connect(database) as db:
            result["calls"] = db.execute(
                "SELECT count(*) FROM calls").fetchone()[0]
        os.unlink(database)
        return result


class Tshark:
    """Field extraction, without the JSON dissector that few would leave on
    for bodies they do not ask about."""
    name = "tshark"

    def __init__(self, pcap):
        fields = ["frame.number", "frame.time_epoch", "tcp.stream",
                  "http.request.method", "http.request.full_uri",
                  "http.response.code", "http.request_in", "http.time",
                  "http.content_length", "http.content_type"]
        self.command = ["tshark", "-n", "-r", pcap, "--disable-protocol",
                        "json", "-Y", "http", "-T", "fields"]
        for field in fields:
            self.command += ["-e", field]

    def run(self, watched):
        return measure(self.command, watched)


class Suricata:
    name = "suricata"

    def __init__(self, pcap, folder):
        self.folder = os.path.join(folder, "suricata")
        settings = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "suricata.yaml")
        self.command = ["suricata", "-c", settings, "-r", pcap, "-l",
                        self.folder, "--runmode", "single", "-k", "none"]

    def run(self, watched):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        result = measure(self.command, watched)
        result["output"] = os.path.getsize(f"{self.folder}/eve.json")
        return result


def contestants(options, pcap, folder):
    yield Aftertap(options.build, pcap, folder)
    if options.peers and shutil.which("tshark"):
        yield Tshark(pcap)
    if options.peers and shutil.which("suricata"):
        yield Suricata(pcap, folder)


def median(results, key):
    values = [r[key] for r in results if key in r]
    return statistics.median(values) if values else None


def calls(results):
    value = median(results, "calls")
    return "-" if value is None else f"{value:.0f}"


def mib(value):
    return "-" if value is None else f"{value / (1 << 20):.0f}"


def compare(options, pcap):
    size = os.path.getsize(pcap)
    print(f"\n{os.path.basename(pcap)}: {size / 1e6:.0f} MB, medians of "
          f"{options.rounds} interleaved rounds, {os.cpu_count()} CPUs")
    print("| | CPU s | wall s | MB/s | peak MiB | result MiB | of capture | "
          "calls |\n|-|-|-|-|-|-|-|-|")
    with tempfile.TemporaryDirectory(prefix="aftertap-bench-") as folder:
        runners = list(contestants(options, pcap, folder))
        results = {runner.name: [] for runner in runners}
        for turn in range(1 + options.rounds):
            for runner in runners:
                results[runner.name].append(runner.run(watched=turn == 0))
    for name, runs in results.items():
        wall, output = median(runs, "wall"), median(runs, "output")
        part = "-" if output is None else f"{100 * output / size:.1f} %"
        print(f"| {name} | {median(runs, 'cpu'):.2f} | {wall:.2f} | "
              f"{size / 1e6 / wall:.0f} | {mib(median(runs, 'memory'))} | "
              f"{mib(output)} | {part} | {calls(runs)} |",
              flush=True)


def build_release():
    subprocess.run(["cmake", "--preset", "release"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "build/release", "--target",
                    "aftertap", "aftertap-dissect", "bench_store"],
                   check=True, stdout=subprocess.DEVNULL)
    return "build/release"


def ask_a_million(options):
    """Queries on a database of a million synthetic calls."""
    program = os.path.join(options.build, "tests", "bench", "bench_store")
    if not os.path.exists(program):
        return
    print("\nA million calls:", flush=True)
    with tempfile.TemporaryDirectory(prefix="aftertap-bench-") as folder:
        subprocess.run([program, "1000000",
                        os.path.join(folder, "million.sqlite")], check=True)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("pcap", nargs="*")
    options = parser.parse_args()
    if not options.build:
        options.build = build_release()
    if not options.pcap:
        options.pcap = sorted(glob.glob(f"{RECORDED}/http_*.pcap"))
    if not options.pcap:
        subprocess.run(["tests/bench/gen_http.sh"], check=True)
        options.pcap = sorted(glob.glob(f"{RECORDED}/http_*.pcap"))
    for pcap in options.pcap:
        compare(options, pcap)
    ask_a_million(options)


main()
