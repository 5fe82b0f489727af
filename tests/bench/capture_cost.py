#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What recording costs: ours, tcpdump and dumpcap against no recorder at all,
interleaved, medians.  Needs root, iperf3, wrk, nginx and a quiet machine.

usage: capture_cost.py [--build DIR] [--rounds N] [--seconds S] [--only LOAD]
                       [--recorders NAME,...]

Loads, all on loopback:
  paced      one TCP stream at 2 Gbit/s (super-packets of 33 kB on average)
  small      12,000 UDP datagrams a second of 100 bytes
  saturated  wrk against nginx, 100 kB a response, as fast as it goes
  requests   the same with 1 kB, so that a disk can keep up
  idle       nothing but what the machine does anyway

In-path cost is what the load's own processes use more than without a recorder;
consumer cost is the recorder's own processes.  What aftertap-capture spends on
compressing closed segments (idle priority, any time later) is a column of its
own, as the peers do no such thing.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PORT = 15201
WEB_PORT = 18431


def cpu_of(pid):
    """CPU seconds of all its threads so far, those that have ended too,
    without its children: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident(pid):
    """Peak resident memory in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def busy():
    """CPU seconds that the whole machine was not idle."""
    with open("/proc/stat", encoding="ascii") as file:
        words = [int(word) for word in file.readline().split()[1:]]
    return (sum(words[:8]) - words[3] - words[4]) / TICK


class Nothing:
    name = "no recorder"
    pid = None

    def __init__(self, _build, folder):
        self.folder = folder

    def start(self):
        pass

    def stop(self):
        return {}


class Recorder(Nothing):
    """A program that records loopback until it is interrupted."""
    seals = False

    def command(self):
        raise NotImplementedError

    def ready(self, log):
        raise NotImplementedError

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "w+",
                        encoding="utf-8")
        self.process = subprocess.Popen(self.command(), stdout=self.log,
                                        stderr=self.log)
        self.pid = self.process.pid
        deadline = time.monotonic() + 10
        while True:
            with open(self.log.name, encoding="utf-8") as file:
                if self.ready(file.read()):
                    break
            if self.process.poll() is not None or \
                    time.monotonic() > deadline:
                with open(self.log.name, encoding="utf-8") as file:
                    raise SystemExit(f"{self.name} failed: {file.read()}")
            time.sleep(0.05)
        self.before = cpu_of(self.pid)

    def stop(self):
        own = cpu_of(self.pid) - self.before
        memory = resident(self.pid)
        self.process.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(self.pid, 0)
        result = {"consumer": own, "memory": memory}
        if self.seals:
            result["sealing"] = usage.ru_utime + usage.ru_stime - own
        with open(self.log.name, encoding="utf-8") as file:
            result["drops"] = self.drops(file.read())
        return result


class Tcpdump(Recorder):
    name = "tcpdump"

    def command(self):
        return ["tcpdump", "-i", "lo", "-n", "-s", "0", "-Z", "root", "-w",
                os.path.join(self.folder, "out.pcap")]

    def ready(self, log):
        return "listening on" in log

    def drops(self, log):
        for line in log.splitlines():
            if "dropped by kernel" in line:
                return int(line.split()[0])
        return -1


class Dumpcap(Recorder):
    name = "dumpcap"

    def command(self):
        return ["dumpcap", "-q", "-i", "lo", "-s", "0", "-w",
                os.path.join(self.folder, "out.pcapng")]

    def ready(self, log):
        return "File:" in log

    def drops(self, log):
        for line in log.splitlines():
            if "dropped" in line and "/" in line:
                return int(line.rpartition(": ")[2].split("/")[1].split()[0])
        return -1


class Aftertap(Recorder):
    name = "aftertap"
    seals = True
    options = ()

    def __init__(self, build, folder):
        super().__init__(build, folder)
        self.build = build
        self.home = os.path.join(folder, "home")

    def command(self):
        return [os.path.join(self.build, "aftertap-capture"), "--home",
                self.home, "--name", "cost", *self.options]

    def ready(self, log):
        status = os.path.join(self.home, "captures", "cost", "control.sock")
        return os.path.exists(status) and "recording" in log

    def drops(self, _log):
        listed = subprocess.run(
            [os.path.join(self.build, "aftertap"), "--home", self.home,
             "--json", "tool", "list_captures"], capture_output=True,
            text=True, check=True)
        return json.loads(listed.stdout)["captures"][0]["drops"]


class AftertapInterface(Aftertap):
    name = "aftertap, --interface lo"
    options = ("--interface", "lo")


class AftertapPlain(Aftertap):
    name = "aftertap, AF_PACKET"
    options = ("--interface", "lo", "--plain-source")


RECORDERS = {"tcpdump": Tcpdump, "dumpcap": Dumpcap, "cgroup": Aftertap,
             "interface": AftertapInterface, "af_packet": AftertapPlain}


def usage_of(process):
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return usage.ru_utime + usage.ru_stime


class Iperf:
    def __init__(self, folder, seconds):
        self.seconds = seconds

    def run(self):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(["iperf3", "-s", "-1", "-p", str(PORT)],
                                  **quiet)
        time.sleep(0.3)
        client = subprocess.Popen(
            ["iperf3", "-c", "127.0.0.1", "-p", str(PORT), "-J", "-t",
             str(self.seconds), *self.options], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        report = json.loads(client.stdout.read())
        load = usage_of(client) + usage_of(server)
        return {"load": load, "amount": self.amount(report["end"])}

    def close(self):
        pass


class Paced(Iperf):
    name, unit = "paced", "GB"
    options = ("-b", "2G")

    @staticmethod
    def amount(end):
        return end["sum_sent"]["bytes"] / 1e9


class Small(Iperf):
    name, unit = "small", "million packets"
    options = ("-u", "-l", "100", "-b", "9.6M")

    @staticmethod
    def amount(end):
        return end["sum"]["packets"] / 1e6


class Saturated:
    name, unit = "saturated", "requests"
    body = 100_000

    def __init__(self, folder, seconds):
        self.seconds = seconds
        with open(os.path.join(folder, "body"), "wb") as file:
            file.write(os.urandom(self.body))
        configuration = os.path.join(folder, "nginx.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(
                f"pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
                "worker_processes 1; daemon off; events {}\n"
                "http { access_log off; keepalive_requests 1000000; "
                f"server {{ listen 127.0.0.1:{WEB_PORT}; root {folder}; }} }}")
        self.server = subprocess.Popen(["nginx", "-c", configuration])
        os.chmod(folder, 0o755)
        time.sleep(0.5)

    def run(self):
        done = subprocess.run(
            ["wrk", "-t1", "-c8", f"-d{self.seconds}s",
             f"http://127.0.0.1:{WEB_PORT}/body"], capture_output=True,
            text=True, check=True)
        rate = [line for line in done.stdout.splitlines()
                if line.startswith("Requests/sec")][0]
        return {"load": 0.0, "amount": float(rate.split()[1])}

    def close(self):
        self.server.terminate()
        self.server.wait()


class Requests(Saturated):
    name, body = "requests", 1_000


class Idle:
    name, unit = "idle", "s"

    def __init__(self, _folder, seconds):
        self.seconds = seconds

    def run(self):
        time.sleep(self.seconds)
        return {"load": 0.0, "amount": self.seconds}

    def close(self):
        pass


LOADS = (Paced, Small, Saturated, Requests, Idle)


def one_run(recorder_type, load, build, scratch):
    folder = tempfile.mkdtemp(prefix="cost-", dir=scratch)
    recorder = recorder_type(build, folder)
    recorder.start()
    machine = busy()
    result = load.run()
    result["machine"] = busy() - machine
    result.update(recorder.stop())
    shutil.rmtree(folder)
    return result


def median(rows, key):
    values = [row[key] for row in rows if key in row]
    return statistics.median(values) if values else 0.0


def print_load(load, results):
    base = median(results[Nothing.name], "load") / \
        max(median(results[Nothing.name], "amount"), 1e-9)
    print(f"\n{load.name}, medians, CPU seconds per {load.unit}:\n")
    print("| | in-path | consumer | both | sealing | drops | peak MiB "
          f"| {load.unit} |\n|-|-|-|-|-|-|-|-|")
    for name, rows in results.items():
        for row in rows:
            row["path"] = row["load"] / row["amount"] - base
            row["own"] = row.get("consumer", 0) / row["amount"]
            row["both"] = row["path"] + row["own"]
            row["seal"] = row.get("sealing", 0) / row["amount"]
        print(f"| {name} | {median(rows, 'path'):.4f} "
              f"| {median(rows, 'own'):.4f} | {median(rows, 'both'):.4f} "
              f"| {median(rows, 'seal'):.4f} "
              f"| {sum(row.get('drops', 0) for row in rows)} "
              f"| {median(rows, 'memory'):.0f} "
              f"| {median(rows, 'amount'):.3f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--only", choices=[load.name for load in LOADS])
    parser.add_argument("--recorders", default="all",
                        help="keys of: " + ", ".join(RECORDERS))
    parser.add_argument("--scratch", default="/var/tmp",
                        help="a folder on a disk, not in memory")
    options = parser.parse_args()
    recorders = [Nothing] + [
        recorder for key, recorder in RECORDERS.items()
        if options.recorders == "all" or key in options.recorders.split(",")]
    for load_type in LOADS:
        if options.only not in (None, load_type.name):
            continue
        folder = tempfile.mkdtemp(prefix="load-", dir=options.scratch)
        load = load_type(folder, options.seconds)
        results = {recorder.name: [] for recorder in recorders}
        for turn in range(options.rounds):
            for at in range(len(recorders)):
                recorder = recorders[(at + turn) % len(recorders)]
                results[recorder.name].append(
                    one_run(recorder, load, options.build, options.scratch))
        load.close()
        shutil.rmtree(folder)
        print_load(load, results)


if __name__ == "__main__":
    main()
