#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Imports every container variant and compares times, lengths and bytes of all
packets: what was built, what tshark reads in the original, what tshark reads
in our segments, and what our reader gives.

check_variants.py CAPTURE_TOOL
"""
import glob
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
import capture_builder as builder  # noqa: E402

TOOL = os.path.abspath(sys.argv[1])
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def tshark(path):
    """(ns, captured, length, md5) of each packet, in file order."""
    lines = run("tshark", "-n", "-r", path, "-o",
                "frame.generate_md5_hash:TRUE", "-Y", "frame.cap_len >= 0",
                "-T", "fields", "-e", "frame.time_epoch", "-e",
                "frame.cap_len", "-e", "frame.len", "-e", "frame.md5_hash",
                "-e", "frame.interface_name").splitlines()
    out = []
    for line in lines:
        time, captured, length, md5, _ = line.split("\t")
        if not time:  # a simple packet block has none
            time = "0.0"
        seconds, fraction = time.split(".")
        out.append((int(seconds) * 10**9 + int(fraction.ljust(9, "0")),
                    int(captured), int(length), md5))
    return out


def ours(home, snapshot):
    out = []
    for line in run(TOOL, "packets", home, snapshot).splitlines():
        ns, captured, length, _, _, *data = line.split(" ")
        data = bytes.fromhex("".join(data))
        out.append((int(ns), int(captured), int(length),
                    hashlib.md5(data).hexdigest()))
    return out


def packed(path, data):
    """The same bytes compressed in every way we read; names of the files."""
    half = len(data) // 2 + 1
    with open(path + ".gz", "wb") as f:  # two members
        f.write(gzip.compress(data[:half]) + gzip.compress(data[half:]))
    yield path + ".gz"
    for program, suffix in (("zstd", ".zst"), ("lz4", ".lz4")):
        if not shutil.which(program):
            continue
        with open(path + suffix, "wb") as f:  # two frames
            for part in (data[:half], data[half:]):
                subprocess.run([program, "-q", "-c"], input=part, stdout=f,
                               check=True)
        yield path + suffix


def check(name, data, directory):
    path = os.path.join(directory, name)
    home = os.path.join(directory, "home")
    with open(path, "wb") as f:
        f.write(data)
    run(TOOL, "import", home, "plain", path)
    run(TOOL, "snapshot", home, "plain")
    original = tshark(path)
    everything = name.startswith("everything")
    if everything:  # tshark counts custom blocks, and gives no SPB time
        original = [p for p in original if p[0] != 0]
    segments = []
    for segment in sorted(glob.glob(
            home + "/captures/plain/segments/*.pcapng.zst")):
        segments += tshark(segment)
    read = ours(home, "plain")
    if everything:
        assert len(read) == 12, len(read)
        simple = read.pop(9)
        assert simple[0] == read[8][0], "simple packets: the time before"
        segments = [p for p in segments if p[1:] != simple[1:] and p[0]]
    assert len(original) > 0
    assert original == segments, f"{name}: segments differ"
    assert original == read, f"{name}: the reader differs"
    for file in packed(path, data):
        run(TOOL, "import", home, "packed", file)
        run(TOOL, "delete", home, "plain")
        run(TOOL, "snapshot", home, "plain", str(-2**63), str(2**63 - 1),
            "packed")
        again = ours(home, "plain")
        if everything:
            again.pop(9)
        assert again == original, f"{file}: differs from the plain file"
        shutil.rmtree(home + "/captures/packed")
    print(f"{name}: {len(original)} packets")


def main():
    for program in ("tshark", "editcap"):
        if not shutil.which(program):
            print(f"skipped: no {program}")
            sys.exit(77)
    for name, data in builder.variants():
        with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
            check(name, data, directory)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
        source = os.path.join(directory, "source.pcapng")
        with open(source, "wb") as f:
            f.write(builder.pcapng(builder.packets(9, unit_ns=1000)))
        for kind in ("pcap", "nsecpcap", "modpcap", "pcapng"):
            path = os.path.join(directory, kind)
            run("editcap", "-F", kind, source, path)
            with open(path, "rb") as f, tempfile.TemporaryDirectory(
                    dir=SCRATCH) as inner:
                check("editcap_" + kind, f.read(), inner)


if __name__ == "__main__":
    main()
