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
import struct
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


def blocks(data):
    """(type, body) of each block of a little-endian section."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert data[at + size - 4:at + size] == data[at + 4:at + 8]
        yield kind, data[at + 8:at + size - 4]
        at += size


def check_blocks(big, directory):
    """All that is not packets is in the segment, in place, little endian."""
    path = os.path.join(directory, f"everything_{big}.pcapng")
    home = os.path.join(directory, f"home_{big}")
    with open(path, "wb") as f:
        f.write(builder.everything(big))
    run(TOOL, "import", home, "x", path)
    segment = subprocess.run(
        ["zstd", "-dc", home + "/captures/x/segments/000001.pcapng.zst"],
        stdout=subprocess.PIPE, check=True).stdout
    found = list(blocks(segment))
    kinds = [kind for kind, _ in found]
    assert kinds == ([0x0a0d0d0a, 1, 1, 4, 10, 0xbad, 0x40000bad, 0x777] +
                     [6] * 6 + [5, 1] + [6] * 6), kinds
    # What the builder says when asked for little endian.
    w = builder.Pcapng()
    items = builder.packets(7, 12, unit_ns=1000)
    nano = w.option(9, b"\x09")
    w.interface(name="eth0", snaplen=96, options=w.option(
        8, w.pack("Q", 10**9))).interface(name="eth1")
    w.names().secrets().custom().custom(0x40000bad).block(0x777, b"unknown!")
    w.statistics(0, items[5].ns, 6, 2, 10**9)
    want = list(blocks(w.bytes()))
    for i in range(2):  # the resolution is added at the end
        assert found[1 + i][1] == want[i][1][:-4] + nano + bytes(4), i
    assert [body for _, body in found[3:8]] == [b for _, b in want[2:7]]
    assert found[14][1] == want[7][1], "statistics"
    options = [body[20 + (len(items[n].data) + 3) // 4 * 4:]
               for n, (_, body) in enumerate(found[8:14])]
    plain = (w.option(2, w.pack("I", 1)) + w.option(1, b"hello"))
    assert options == [w.end(plain + (w.option(4, w.pack("Q", 3))
                                      if n == 2 else b""))
                       for n in range(6)], options
    drops = w.end(w.option(4, w.pack("Q", 1)))  # of an obsolete packet block
    assert all(body.endswith(drops) for _, body in found[16:19])
    assert b"a comment" in found[0][1] and b"Linux" in found[0][1]
    print(f"blocks of a {'big' if big else 'little'}-endian file: all kept")


def main():
    for program in ("tshark", "editcap", "zstd"):
        if not shutil.which(program):
            print(f"skipped: no {program}")
            sys.exit(77)
    for big in (False, True):
        with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
            check_blocks(big, directory)
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
