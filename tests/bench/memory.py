#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peak memory of all processes of import and of dissect together.

usage: memory.py AFTERTAP DIRECTORY CAPTURE …

For every capture a line with its size, the peak of the sum of proportional set
sizes (shared pages count once) of the command and everything below it, and how
long it took.  DIRECTORY, on the disk to be measured, holds the home meanwhile.
"""
import os
import shutil
import subprocess
import sys
import time

INTERVAL = 0.02


def children(pid):
    """The process and all below it."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children",
                      encoding="ascii") as file:
                for child in file.read().split():
                    found += children(int(child))
    except OSError:
        pass
    return found


def proportional_size(pid):
    """In KiB; 0 when the process has gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def peak(command):
    """(KiB at the most, KiB of the largest process, seconds, status)."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = largest = 0
    while process.poll() is None:
        sizes = [proportional_size(pid) for pid in children(process.pid)]
        most = max(most, sum(sizes))
        largest = max(largest, max(sizes))
        time.sleep(INTERVAL)
    return most, largest, time.monotonic() - start, process.returncode


def measure(aftertap, home, capture):
    words = [aftertap, "--home", home, "--quiet"]
    shutil.rmtree(home, ignore_errors=True)
    steps = [("import", ["import", "--name", "c", capture]),
             ("snapshot", ["snapshots", "create", "s", "--captures", "c"]),
             ("dissect", ["dissect", "s", "--name", "d"])]
    print(f"{os.path.basename(capture)}: {os.path.getsize(capture) / 1e6:.0f}"
          " MB")
    for title, more in steps:
        most, largest, seconds, status = peak(words + more)
        print(f"  {title:9} {most / 1024:7.1f} MiB in all, {largest / 1024:7.1f}"
              f" MiB the largest process, {seconds:6.1f} s, exit {status}",
              flush=True)
    database = os.path.join(home, "snapshots/s/dissections/d.sqlite")
    if os.path.exists(database):
        print(f"  database  {os.path.getsize(database) / 1e6:.0f} MB",
              flush=True)
    shutil.rmtree(home, ignore_errors=True)


def main():
    aftertap, directory = sys.argv[1:3]
    for capture in sys.argv[3:]:
        measure(aftertap, os.path.join(directory, "memory-home"), capture)


if __name__ == "__main__":
    main()
