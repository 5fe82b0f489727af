#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed corpora of fuzz_capture_file and fuzz_pcapng:
fuzz_captures.py tests/fuzz/corpus"""
import gzip
import os
import shutil
import subprocess
import sys

import capture_builder as builder


def small(link_type=builder.ETHERNET):
    return builder.packets(1, 3, link_type, unit_ns=1000)[:3]


def seeds():
    for p in (items := small()):
        p.data = p.data[:80]
    yield "pcap", builder.pcap(items)
    yield "pcap_be_ns", builder.pcap(items, big=True, nano=True)
    yield "kuznetzov", builder.pcap(items, kuznetzov=True)
    yield "pcapng", builder.pcapng(items)
    yield "pcapng_2_20", builder.pcapng(items, True, 0x94, 1000)
    for big in (False, True):
        w = builder.Pcapng(big).section().interface(name="a", snaplen=64)
        w.names().secrets().custom().statistics(0, items[0].ns, 1, 2)
        w.obsolete(items[0], drops=3).simple(items[0])
        items[1].options = w.option(2, w.pack("I", 1)) + w.option(1, b"x")
        w.enhanced(items[1]).section(not big).interface(tsresol=9)
        items[1].options = b""
        w.enhanced(items[2], 10**9)
        yield f"blocks_{'be' if big else 'le'}", w.bytes()


def main():
    for target in ("capture_file", "pcapng"):
        out = os.path.join(sys.argv[1], target)
        os.makedirs(out, exist_ok=True)
        for name, data in seeds():
            if target == "pcapng" and data[:4] != b"\n\r\r\n":
                continue
            files = {name: data}
            if name.startswith("pcapng"):
                files[name + "_gz"] = gzip.compress(data, mtime=0)
                for program in filter(shutil.which, ("zstd", "lz4")):
                    files[f"{name}_{program}"] = subprocess.run(
                        [program, "-q", "-c"], input=data, check=True,
                        stdout=subprocess.PIPE).stdout
            for file, content in files.items():
                with open(os.path.join(out, file), "wb") as f:
                    f.write(content)


if __name__ == "__main__":
    main()
