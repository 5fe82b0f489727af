#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of import, snapshots create and dissect: what was
reported done is there and whole, what was not is not half there, the same name
can be used again, and no process or hidden file stays.

usage: test_kill.py AFTERTAP [KILLS]
"""
import os
import random
import sqlite3
import subprocess
import sys
import time

import support
import traffic

CONNECTIONS, EXCHANGES = 60, 150
CALLS = CONNECTIONS * EXCHANGES
PACKETS = 2 * CALLS + 6 * CONNECTIONS
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 30

check = support.Failures()
chance = random.Random(1)


def visible(path):
    """Names in a directory; none when it does not exist."""
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def processes(home):
    """Processes that were told of this home, zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if home.encode() in words:
            found.append(int(pid))
    return found


def none_left(home):
    for _ in range(300):
        if not processes(home):
            return True
        time.sleep(0.01)
    return False


class Victim:
    """A command that is killed, unless it is faster."""

    def __init__(self, aftertap, *words):
        self.command = [aftertap.binary, "--home", aftertap.home, "--quiet",
                        *words]
        self.home = aftertap.home

    def seconds(self):
        """How long it takes when it is left alone."""
        start = time.monotonic()
        subprocess.run(self.command, check=True, capture_output=True)
        return time.monotonic() - start

    def run(self, seconds):
        """Kills it after up to `seconds`; whether it said it was done."""
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.random() * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        done = process.wait() == 0
        if not none_left(self.home):
            check.that("no process is left", False,
                       f"{self.command[4:]}: {processes(self.home)}")
        return done


def import_is_killed(aftertap, pcap):
    seconds = Victim(aftertap, "import", "--name", "timed", pcap).seconds()
    folder = os.path.join(aftertap.home, "captures")
    done = 0
    for i in range(KILLS):
        name = f"c{i}"
        reported = Victim(aftertap, "import", "--name", name, pcap).run(
            seconds)
        done += reported
        listed = {c["name"]: c["packets"] for c in
                  aftertap.tool("list_captures")["captures"]}
        if reported or name in listed:
            check.that("an import reported done is whole",
                       listed.get(name) == PACKETS, str(listed))
        else:
            aftertap.run("import", "--name", name, pcap)
        if sorted(listed.keys() | {name}) != visible(folder):
            check.that("captures/ holds captures alone", False,
                       str(visible(folder)))
    print(f"{KILLS} imports killed within {seconds:.3f} s, {done} were done")


def snapshot_is_killed(aftertap):
    words = ["snapshots", "create"]
    more = ["--captures", "timed"]
    seconds = Victim(aftertap, *words, "timed", *more).seconds()
    folder = os.path.join(aftertap.home, "snapshots")
    done = 0
    for i in range(KILLS):
        name = f"s{i}"
        reported = Victim(aftertap, *words, name, *more).run(seconds)
        done += reported
        listed = {s["name"] for s in
                  aftertap.tool("list_snapshots")["snapshots"]}
        if reported:
            check.that("a snapshot reported done is listed", name in listed)
        if name not in listed:
            aftertap.run(*words, name, *more)
        if sorted(listed | {name}) != visible(folder):
            check.that("snapshots/ holds snapshots alone", False,
                       str(visible(folder)))
        verified = aftertap.run("snapshots", "verify", name, check=False)
        if verified.returncode:
            check.that("every snapshot verifies", False, verified.stderr)
    print(f"{KILLS} snapshots killed within {seconds:.3f} s, {done} were done")


def is_whole(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return (db.execute("SELECT count(*) FROM calls").fetchone()[0] == CALLS
                and db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
                and db.execute("SELECT value FROM meta WHERE key = 'state'")
                .fetchone()[0] == '"completed"')


def dissect_is_killed(aftertap):
    seconds = Victim(aftertap, "dissect", "timed", "--name", "timed").seconds()
    folder = os.path.join(aftertap.home, "snapshots/timed/dissections")
    done = 0
    for i in range(KILLS):
        name = f"d{i}"
        reported = Victim(aftertap, "dissect", "timed", "--name", name).run(
            seconds)
        done += reported
        database = aftertap.database("timed/" + name)
        listed = {d["db"]: d["status"] for d in
                  aftertap.tool("list_databases")["databases"]}
        state = listed.get("timed/" + name)
        there = os.path.exists(database)
        # What was renamed is done, even if its last word was not written.
        check.that("a dissection is done or seen as failed",
                   state == "completed" if there else
                   state in ("failed", None),
                   f"{state}, database: {there}, reported: {reported}")
        if not there:
            aftertap.run("dissect", "timed", "--name", name)
        check.that("its database is whole", is_whole(database))
        left = [f for f in visible(folder) if f.startswith(name + ".")]
        # A status that was being written is replaced by the next, or deleted
        # with the dissection.
        check.that("nothing of the killed run stays",
                   set(left) <= {name + ".sqlite", name + ".json",
                                 name + ".json.new", name + ".lock"},
                   str(left))
    print(f"{KILLS} dissections killed within {seconds:.3f} s, "
          f"{done} were done")


def main():
    with support.workspace() as directory:
        pcap = os.path.join(directory, "made-up.pcap")
        traffic.write_pcap(pcap, traffic.http_packets(CONNECTIONS, EXCHANGES))
        aftertap = support.Aftertap(sys.argv[1],
                                    os.path.join(directory, "home"))
        import_is_killed(aftertap, pcap)
        snapshot_is_killed(aftertap)
        dissect_is_killed(aftertap)
        check.that("nothing is left running", none_left(aftertap.home))
    check.exit()


main()
