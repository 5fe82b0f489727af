#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Full disks, kill -9 at random moments and races: what was not reported done
is not there, what was is whole, and nothing half made is left.

check_failures.py CAPTURE_TOOL
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
import capture_builder as builder  # noqa: E402

TOOL = os.path.abspath(sys.argv[1])
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def tool(*arguments, **options):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True,
                          **options)


def entries(*path):
    """Names in a directory, hidden ones too; none when it is not there."""
    try:
        return os.listdir(os.path.join(*path))
    except FileNotFoundError:
        return []


def capture_file(path, megabytes):
    """Incompressible packets; returns how many."""
    source = random.Random(1)
    packets = [builder.Packet(1_700_000_000_000_000_000 + n * 1000,
                              builder.linked(1, builder.udp(
                                  source.randbytes(8000))))
               for n in range(megabytes * 125)]
    with open(path, "wb") as f:
        f.write(builder.pcap(packets, nano=True))
    return len(packets)


def mount(path, size):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none",
                    path], check=True)


def full_disk(directory):
    file = os.path.join(directory, "big.pcap")
    home = os.path.join(directory, "small")
    capture_file(file, 12)
    mount(home, "4m")
    done = tool("import", home, "a", file)
    assert done.returncode == 1 and done.stderr.startswith("nospace:"), done
    assert entries(home, "captures") == [], entries(home, "captures")
    # Snapshots on another file system are copied, when they fit.
    home = os.path.join(directory, "split")
    assert tool("import", home, "a", file).returncode == 0
    mount(os.path.join(home, "snapshots"), "4m")
    done = tool("snapshot", home, "s")
    assert done.returncode == 1 and done.stderr.startswith("nospace:"), done
    assert entries(home, "snapshots") == [], entries(home, "snapshots")
    subprocess.run(["mount", "-o", "remount,size=32m", "none",
                    os.path.join(home, "snapshots")], check=True)
    assert tool("snapshot", home, "s").returncode == 0
    assert tool("verify", home, "s").returncode == 0
    out = os.path.join(directory, "small")
    done = tool("export", home, "s", "pcapng", os.path.join(out, "x.pcapng"))
    assert done.returncode == 1 and done.stderr.startswith("nospace:"), done
    assert entries(out) == ["captures"], entries(out)
    print("full disks: clear errors, nothing left")


def killed(directory):
    file = os.path.join(directory, "big.pcap")
    home = os.path.join(directory, "home")
    packets = capture_file(file, 24)
    source = random.Random(2)
    started = time.monotonic()
    assert tool("import", home, "whole", file).returncode == 0
    duration = time.monotonic() - started
    environment = dict(os.environ, SEGMENT_BYTES="2000000")
    whole = 0
    for n in range(30):
        child = subprocess.Popen([TOOL, "import", home, f"k{n}", file],
                                 env=environment, stdout=subprocess.DEVNULL)
        time.sleep(source.random() * duration * 1.3)
        child.send_signal(signal.SIGKILL)
        reported = child.wait() == 0
        there = f"k{n}" in entries(home, "captures")
        assert there or not reported, "reported done and not there"
        if there:  # renamed before the signal came: then it is whole
            whole += 1
            with open(os.path.join(home, "captures", f"k{n}",
                                   "capture.json")) as f:
                assert json.load(f)["packets"] == packets
    snapshots = 0
    for n in range(30):
        child = subprocess.Popen([TOOL, "snapshot", home, f"s{n}"],
                                 stdout=subprocess.DEVNULL)
        time.sleep(source.random() * 0.02)
        child.send_signal(signal.SIGKILL)
        reported = child.wait() == 0
        there = f"s{n}" in entries(home, "snapshots")
        assert there or not reported, "reported done and not there"
        if there:
            snapshots += 1
            assert tool("verify", home, f"s{n}").returncode == 0
    assert tool("import", home, "last", file).returncode == 0
    assert tool("snapshot", home, "last").returncode == 0
    for place in ("captures", "snapshots"):
        left = [name for name in entries(home, place) if name[0] == "."]
        assert left == [], left
    print(f"killed 60 times: {whole} captures and {snapshots} snapshots were "
          "done, all whole, nothing left")


def races(directory):
    file = os.path.join(directory, "big.pcap")
    home = os.path.join(directory, "home")
    capture_file(file, 2)

    def all_at_once(names, *command):
        children = [subprocess.Popen([TOOL, *command[:2], name, *command[2:]],
                                     stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True)
                    for name in names]
        errors = [child.communicate()[1] for child in children]
        codes = [child.returncode for child in children]
        assert all("exists" in e for e, code in zip(errors, codes) if code)
        return codes.count(0)

    assert all_at_once(["same"] * 8, "import", home, file) == 1
    assert all_at_once(["same"] * 8, "snapshot", home) == 1
    assert all_at_once([f"s{n}" for n in range(8)], "snapshot", home) == 8
    assert sorted(entries(home, "captures")) == ["same"]
    assert len(entries(home, "snapshots")) == 9
    print("races: one wins, the others are told")


def main():
    if "--inside" not in sys.argv:
        # Mounts need a namespace of their own; not every machine gives one.
        probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True)
        command = [sys.executable, *sys.argv, "--inside"]
        if probe.returncode == 0:
            os.execvp("unshare", ["unshare", "-rm", *command, "--mounts"])
        os.execv(sys.executable, command)
    for check in (full_disk, killed, races):
        if check is full_disk and "--mounts" not in sys.argv:
            print("full disks: skipped, no mount namespace")
            continue
        with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
            try:
                check(directory)
            finally:
                subprocess.run(f"chmod -R u+w {directory}; umount "
                               f"{directory}/small {directory}/split/snapshots",
                               shell=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
