#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: import, snapshot (as links and as copies), dissection
and export say so, exit with 1 and leave nothing half made; what was there
before stays whole.

usage: test_disk_full.py AFTERTAP
"""
import contextlib
import os
import random
import subprocess
import sys

import support
import traffic

check = support.Failures()


@contextlib.contextmanager
def small_disk(path, size):
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}",
                           "aftertap-test", path], capture_output=True)
    if done.returncode:
        support.skip("cannot mount a tmpfs here")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def fill(path, leave):
    """Takes all of a disk but `leave` bytes."""
    disk = os.statvfs(path)
    with open(os.path.join(path, "filler"), "wb") as out:
        out.write(bytes(max(disk.f_bavail * disk.f_frsize - leave, 0)))


def tree(path):
    return sorted(os.path.relpath(os.path.join(folder, name), path)
                  for folder, _, names in os.walk(path) for name in names
                  if name != "filler")


def http(payloads):
    """Exchanges whose bodies compression cannot make smaller."""
    connection = traffic.Connection(1)
    yield from connection.open()
    for payload in payloads:
        yield connection.packet(0, 24, b"GET /r HTTP/1.1\r\nHost: a\r\n\r\n")
        yield connection.packet(1, 24, b"HTTP/1.1 200 OK\r\nContent-Length: "
                                b"%d\r\n\r\n%s" % (len(payload), payload))
    yield from connection.close()


def fails(aftertap, disk, *words):
    """Fails clearly and leaves the tree as it is."""
    before = tree(disk)
    done = aftertap.run(*words, check=False)
    what = " ".join(words[:2])
    check.check(f"exit status of {what}", done.returncode, 1)
    check.that(f"{what} says that the disk is full",
               "full" in done.stderr or "no space left" in
               done.stderr.lower(),
               done.stderr.strip()[:300])
    return before


def main():
    if os.geteuid():
        support.skip("needs root to mount a small disk")
    source = random.Random(1)
    with support.workspace() as directory:
        pcap = os.path.join(directory, "random.pcap")
        traffic.write_pcap(pcap, http(source.randbytes(1300)
                                      for _ in range(6000)))
        small = os.path.join(directory, "small.pcap")
        traffic.write_pcap(small, http(source.randbytes(1300)
                                       for _ in range(100)))
        disk = os.path.join(directory, "disk")
        aftertap = support.Aftertap(sys.argv[1], os.path.join(disk, "home"))
        with small_disk(disk, "12m"):
            aftertap.run("import", "--name", "small", small)
            import_fails(aftertap, disk, pcap)
            snapshot_fails(aftertap, disk)
            dissect_fails(aftertap, disk)
            export_fails(aftertap, disk)
        copies(aftertap, directory, small)
    check.exit()


def import_fails(aftertap, disk, pcap):
    with room(disk, 4 << 20):
        before = fails(aftertap, disk, "import", "--name", "big", pcap)
        check.check("files after a failed import", tree(disk), before)
        listed = aftertap.tool("list_captures")["captures"]
        check.check("captures after it", [c["name"] for c in listed],
                    ["small"])


@contextlib.contextmanager
def room(disk, size):
    """So much is left for a while."""
    fill(disk, size)
    try:
        yield
    finally:
        os.remove(os.path.join(disk, "filler"))


def snapshot_fails(aftertap, disk):
    with room(disk, 0):
        before = fails(aftertap, disk, "snapshots", "create", "s",
                       "--captures", "small")
        check.check("files after a failed snapshot", tree(disk), before)
    aftertap.run("snapshots", "create", "s", "--captures", "small")
    aftertap.run("snapshots", "verify", "s")


def dissect_fails(aftertap, disk):
    for left in (0, 70_000, 200_000):
        with room(disk, left):
            fails(aftertap, disk, "dissect", "s", "--name", "d")
            check.that(f"no database is half made with {left} bytes left",
                       not [f for f in tree(disk) if ".sqlite" in f],
                       str(tree(disk)))
    aftertap.run("dissect", "s", "--name", "d")
    check.check("calls when there is room again", aftertap.json(
        "sql", "SELECT count(*) FROM api_calls")["rows"], [[100]])


def export_fails(aftertap, disk):
    target = os.path.join(disk, "out.pcapng")
    for left in (0, 50_000):
        with room(disk, left):
            before = fails(aftertap, disk, "export", "s", target)
            check.check("files after a failed export", tree(disk), before)
    aftertap.run("export", "s", target)
    size = os.path.getsize(target)
    check.that("the export when there is room again", size > 130_000,
               f"{size} bytes")


def copies(aftertap, directory, small):
    """A snapshot whose segments must be copied: captures/ is a disk of its
    own."""
    home = os.path.join(directory, "home2")
    aftertap = support.Aftertap(aftertap.binary, home)
    with small_disk(os.path.join(home, "captures"), "4m"), \
            small_disk(os.path.join(home, "snapshots"), "4m") as disk:
        aftertap.run("import", "--name", "c", small)
        with room(disk, 60_000):
            before = fails(aftertap, disk, "snapshots", "create", "s",
                           "--captures", "c")
            check.check("files after a failed copy", tree(disk), before)
        aftertap.run("snapshots", "create", "s", "--captures", "c")
        aftertap.run("snapshots", "verify", "s")


main()
