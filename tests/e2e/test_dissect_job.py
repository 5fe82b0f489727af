#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dissection job as a process tree: status, cancelling, and every way in
which one of its processes, or the disk, can give out under it."""
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import support
import traffic

CONNECTIONS, EXCHANGES = 100, 300
CALLS = CONNECTIONS * EXCHANGES
SLOW = ("--cpu-percent", "4")  # long enough to be caught in the act

check = support.Failures()


class Job:
    """One run of aftertap-dissect."""

    def __init__(self, home, name, *options, **more):
        self.folder = os.path.join(home, "snapshots", "s", "dissections")
        self.base = os.path.join(self.folder, name)
        self.process = subprocess.Popen(
            [DISSECT, "--home", home, "--snapshot", "s", "--name", name,
             *options], stderr=subprocess.PIPE, text=True, **more)

    def status(self):
        with open(self.base + ".json", encoding="utf-8") as file:
            return json.load(file)

    def wait(self):
        self.stderr = self.process.communicate(timeout=120)[1]
        return self.process.returncode

    def until(self, condition, what):
        """Waits for a status that fulfils the condition."""
        for _ in range(3000):
            try:
                status = self.status()
                if condition(status):
                    return status
            except FileNotFoundError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"{what}: never happened: {self.process.poll()} "
                         f"{self.process.stderr.read()}")

    def running(self):
        return self.until(lambda s: s["state"] == "running" and
                          s["calls"] > 0, "calls while it runs")

    def parsers(self):
        return [p["pid"] for p in self.running()["parsers"]]

    def database(self):
        return sqlite3.connect(f"file:{self.base}.sqlite?mode=ro", uri=True)

    def one(self, sql):
        with self.database() as db:
            return db.execute(sql).fetchone()[0]

    def meta(self, key):
        return json.loads(self.one(
            f"SELECT value FROM meta WHERE key = '{key}'"))

    def sound(self):
        return self.one("PRAGMA integrity_check") == "ok"


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_soon(pids):
    for _ in range(200):
        if not any(alive(p) for p in pids):
            return True
        time.sleep(0.01)
    return False


def completes(home):
    job = Job(home, "whole", "--parsers", "2")
    check.check("exit status of a whole run", job.wait(), 0)
    status = job.status()
    check.check("state", status["state"], "completed")
    check.check("progress", status["progress"], 100)
    check.check("calls told", status["calls"], CALLS)
    check.check("calls by protocol", status["calls_by_protocol"],
                {"http": CALLS})
    check.check("connections told", status["connections"], CONNECTIONS)
    check.check("packets told", status["packets"], 2 * CALLS + 6 * CONNECTIONS)
    check.check("errors", status["errors"], [])
    check.check("calls stored", job.one("SELECT count(*) FROM calls"), CALLS)
    check.check("meta state", job.meta("state"), "completed")
    check.that("database is sound", job.sound())
    check.that("no part stays", not os.path.exists(job.base + ".sqlite.part"))


def name_is_taken_once(home):
    before = os.stat(os.path.join(home, "snapshots/s/dissections/whole.sqlite"))
    job = Job(home, "whole")
    check.check("exit status for a name taken", job.wait(), 1)
    check.that("and it says so", "exists" in job.stderr, job.stderr.strip())
    after = os.stat(job.base + ".sqlite")
    check.check("the database stays", (after.st_ino, after.st_mtime_ns),
                (before.st_ino, before.st_mtime_ns))
    check.check("and so does its status", job.status()["state"], "completed")
    running = Job(home, "busy", *SLOW)
    running.running()
    check.check("exit status for a name in use", Job(home, "busy").wait(), 1)
    running.process.terminate()
    check.check("exit status of the one cancelled", running.wait(), 3)


def wrong_usage(home):
    for words in (["--frobnicate"], ["--parsers", "0"], ["--nice", "-1"]):
        check.check(f"exit status for {words}", Job(home, "u", *words).wait(),
                    2)
    missing = subprocess.run([DISSECT, "--home", home, "--snapshot", "none",
                              "--name", "n"], capture_output=True, text=True)
    check.check("exit status without a snapshot", missing.returncode, 1)
    check.that("and nothing is made", not os.path.exists(
        os.path.join(home, "snapshots", "none")), missing.stderr.strip())


def is_sandboxed(home):
    job = Job(home, "sandbox", *SLOW, "--parsers", "2")
    for pid in job.parsers():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            facts = dict(line.rstrip("\n").split(":\t", 1) for line in file
                         if ":\t" in line)
        check.check("no capability", int(facts["CapEff"], 16), 0)
        check.check("none to gain", int(facts["CapBnd"], 16), 0)
        check.check("no new privileges", facts["NoNewPrivs"], "1")
        if not SANITIZED:
            check.check("seccomp filter", facts["Seccomp"], "2")
        links = [os.readlink(f"/proc/{pid}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{pid}/fd")]
        check.check("no lock, database or foreign pipe is open",
                    [link for link in links if "dissections" in link], [])
        check.that("few descriptors", len(links) <= 9, str(links))
    check.that("nice", os.getpriority(os.PRIO_PROCESS, job.process.pid) >= 10)
    job.process.terminate()
    job.wait()


def parser_dies(home, number):
    name = signal.Signals(number).name
    job = Job(home, "dies" + name, *SLOW, "--parsers", "2")
    os.kill(job.parsers()[0], number)
    check.check(f"exit status after {name} of a parser", job.wait(), 0)
    check.check("state", job.status()["state"], "completed")
    text = job.one("SELECT text FROM faults")
    check.that("the fault names parser and signal",
               f"parser 1 of 2 was killed by signal {number:d} ({name})"
               in text, text)
    check.check("and the status has it", job.status()["errors"], [text])
    connections = job.one(
        "SELECT count(*) FROM conns WHERE id % 2 = 1")
    check.check("the other shard is whole", job.one(
        "SELECT count(*) FROM calls WHERE conn % 2 = 1"),
        connections * EXCHANGES)
    check.that("it is not everything",
               job.one("SELECT count(*) FROM calls") < CALLS)
    check.that("database is sound", job.sound())


def every_parser_dies(home):
    job = Job(home, "alldie", *SLOW, "--parsers", "2")
    for pid in job.parsers():
        os.kill(pid, signal.SIGSEGV)
    check.check("exit status when all parsers died", job.wait(), 1)
    check.check("state", job.status()["state"], "failed")
    check.check("what was found is marked partial", job.meta("state"),
                "partial")
    check.that("database is sound", job.sound())


def is_cancelled(home, how):
    name = f"cancel-{how}"
    reader, writer = os.pipe()
    job = Job(home, name, *SLOW, f"--lifeline={reader}", pass_fds=[reader])
    os.close(reader)
    pids = job.parsers()
    if how == "lifeline":
        os.close(writer)
    else:
        job.process.send_signal(getattr(signal, how))
        os.close(writer) if how == "SIGINT" else None
    check.check(f"exit status when cancelled by {how}", job.wait(), 3)
    status = job.status()
    check.check("state", status["state"], "cancelled")
    check.that("progress stops short", status["progress"] < 100)
    check.check("no parser fault is told", status["errors"], [])
    check.check("what was found is marked partial", job.meta("state"),
                "partial")
    check.check("calls told are stored", status["calls"],
                job.one("SELECT count(*) FROM calls"))
    check.that("database is sound", job.sound())
    check.that("no parser is left", gone_soon(pids))


def writer_is_killed(home, name, delay):
    job = Job(home, name, *SLOW, "--parsers", "2")
    job.until(lambda s: s["state"] == "running", "running")
    time.sleep(delay)
    pids = [p["pid"] for p in job.status()["parsers"]]
    job.process.kill()
    job.wait()
    check.that(f"parsers die with the writer ({delay:.2f} s)",
               gone_soon(pids))
    check.that("no database claims to be whole",
               not os.path.exists(job.base + ".sqlite"))


def writer_is_killed_at_random(home, aftertap):
    rounds = random.Random(2)
    for _ in range(6):
        writer_is_killed(home, "killed", rounds.random() * 0.6)
    told = aftertap.json("tool", "get_snapshot_dissection_status",
                         "snapshot=s", "name=killed")
    check.check("what status readers see", told["status"], "failed")
    asked = aftertap.run("calls", "--db", "s/killed", check=False)
    check.that("what it left is not asked", asked.returncode != 0,
               asked.stderr.strip())
    again = Job(home, "killed", "--parsers", "2")
    check.check("exit status of the next with that name", again.wait(), 0)
    check.check("calls", again.one("SELECT count(*) FROM calls"), CALLS)


def parsers_are_killed_at_random(home):
    rounds = random.Random(3)
    for i in range(5):
        job = Job(home, f"pk{i}", "--cpu-percent", "20", "--parsers", "3")
        status = job.until(lambda s: s["state"] == "running", "running")
        time.sleep(rounds.random() * 0.4)
        for parser in rounds.sample(status["parsers"], 2):
            try:
                os.kill(parser["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
        check.check(f"exit status with two of three killed ({i})", job.wait(),
                    0)
        check.that("database is sound", job.sound())


def disk_is_full(home):
    folder = os.path.join(home, "snapshots", "s", "dissections")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m",
                              "aftertap-test", folder])
    if mounted.returncode:
        print("note: cannot mount a tmpfs here; disk-full part left out")
        return
    try:
        job = Job(home, "full")
        check.check("exit status on a full disk", job.wait(), 1)
        check.check("state", job.status()["state"], "failed")
        check.that("and it says so", "full" in " ".join(
            job.status()["errors"]), str(job.status()["errors"]))
        check.check("nothing but status and lock stays",
                    sorted(os.listdir(folder)), ["full.json", "full.lock"])
    finally:
        subprocess.run(["umount", folder], check=True)


def two_at_once(home):
    jobs = [Job(home, f"twin{i}", "--parsers", "2") for i in range(2)]
    for job in jobs:
        check.check("exit status of a twin", job.wait(), 0)
        check.check("its calls", job.one("SELECT count(*) FROM calls"), CALLS)


def answers_while_it_runs(home):
    job = Job(home, "live", *SLOW)
    job.running()
    seen = set()
    while job.process.poll() is None:
        try:
            with sqlite3.connect(f"file:{job.base}.sqlite.part?mode=ro",
                                 uri=True) as db:
                seen.add(db.execute("SELECT count(*) FROM calls")
                         .fetchone()[0])
        except sqlite3.OperationalError:
            pass  # renamed, or being committed
        time.sleep(0.02)
    check.check("exit status of a run that was watched", job.wait(), 0)
    check.that("the number of calls was seen to grow",
               len(seen - {0, CALLS}) >= 3, str(sorted(seen))[:100])
    check.check("calls in the end", job.one("SELECT count(*) FROM calls"),
                CALLS)


def keeps_to_its_filters(home):
    cases = [
        (("--port", "20007"), 1),
        (("--address", "10.1.0.0/28"), 16),
        (("--address", "10.1.0.3", "--address", "10.1.0.4"), 2),
        (("--address", "10.2.0.1", "--port", "8080"), CONNECTIONS),
        (("--address", "192.168.0.0/16"), 0),
        (("--protocols", "dns"), 0),
    ]
    for i, (words, connections) in enumerate(cases):
        job = Job(home, f"filter{i}", *words)
        check.check(f"exit status with {words}", job.wait(), 0)
        check.check("calls", job.one("SELECT count(*) FROM calls"),
                    connections * EXCHANGES)
    # Rounds of 2 packets on each connection, 0.1 ms apart, from 14:00:00.03.
    job = Job(home, "window", "--from", "2026-11-23T14:00:00.03Z",
              "--to", "2026-11-23T14:00:00.05Z")
    check.check("exit status with a time range", job.wait(), 0)
    check.check("exactly the first round", job.one(
        "SELECT count(*) FROM calls"), CONNECTIONS)
    check.check("exactly its packets", job.one(
        "SELECT value FROM coverage WHERE counter = 'packets'"),
        2 * CONNECTIONS)


def main():
    with support.workspace() as directory:
        home = os.path.join(directory, "home")
        pcap = os.path.join(directory, "made-up.pcap")
        traffic.write_pcap(pcap, traffic.http_packets(CONNECTIONS, EXCHANGES))
        aftertap = support.Aftertap(sys.argv[1], home)
        aftertap.run("import", "--name", "c", pcap)
        aftertap.run("snapshots", "create", "s", "--captures", "c")
        completes(home)
        name_is_taken_once(home)
        wrong_usage(home)
        is_sandboxed(home)
        for number in (signal.SIGSYS, signal.SIGSEGV, signal.SIGKILL):
            if not (SANITIZED and number == signal.SIGSEGV):  # caught there
                parser_dies(home, number)
        every_parser_dies(home)
        for how in ("SIGTERM", "SIGINT", "lifeline"):
            is_cancelled(home, how)
        writer_is_killed_at_random(home, aftertap)
        parsers_are_killed_at_random(home)
        two_at_once(home)
        answers_while_it_runs(home)
        keeps_to_its_filters(home)
        disk_is_full(home)
    check.exit()


DISSECT = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])),
                       "aftertap-dissect")
with open(DISSECT, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()
main()
