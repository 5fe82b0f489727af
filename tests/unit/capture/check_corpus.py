#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Imports every capture of a corpus and reads it back; the packets must be as
many as tshark counts (column packets_tshark of its MANIFEST.tsv).

check_corpus.py CAPTURE_TOOL; the corpus is $AFTERTAP_CORPUS, or ../shared/corpus
beside the source tree.  Skipped when there is none.
"""
import csv
import os
import re
import subprocess
import sys
import tempfile

TOOL = os.path.abspath(sys.argv[1])
CORPUS = os.environ.get("AFTERTAP_CORPUS") or os.path.normpath(os.path.join(
    os.path.dirname(os.path.abspath(__file__)),
    "../../../../shared/corpus"))
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# tshark counts custom blocks as if they were packets.
CUSTOM_BLOCKS = {
    "pcapngtest__output_be_basic_test017.pcapng": 4,
    "pcapngtest__output_be_basic_test018.pcapng": 4,
    "pcapngtest__output_be_difficult_test202.pcapng": 3,
    "pcapngtest__output_le_basic_test018.pcapng": 4,
    "pcapngtest__output_le_difficult_test202.pcapng": 3,
}


def main():
    manifest = os.path.join(CORPUS, "MANIFEST.tsv")
    if not os.path.exists(manifest):
        print(f"skipped: no {manifest}")
        sys.exit(77)
    with open(manifest, encoding="utf-8") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    files = [os.path.join(CORPUS, row["file"]) for row in rows]
    with tempfile.TemporaryDirectory(dir=SCRATCH) as home:
        done = subprocess.run([TOOL, "each", home, *files],
                              capture_output=True, text=True, timeout=280)
    if done.returncode:
        sys.exit(done.stderr)
    counts = dict(re.findall(r"^(\S+): (\d+) packets", done.stdout, re.M))
    refused = dict(re.findall(
        r"^unsupported: packet \d+ of (\S+) has link type (\S+)", done.stdout,
        re.M))
    wrong = []
    for row, file in zip(rows, files):
        expected = int(row["packets_tshark"] or 0) - CUSTOM_BLOCKS.get(
            os.path.basename(file), 0)
        if file not in refused and int(counts.get(file, -1)) != expected:
            wrong.append(f"{row['file']}: {counts.get(file)}, not {expected}")
    print(f"{len(counts)} captures as tshark counts them, {len(refused)} "
          f"refused for {sorted(set(refused.values()))}")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
