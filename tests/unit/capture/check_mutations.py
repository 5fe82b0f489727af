#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Imports damaged captures (mutate_captures.py), makes a snapshot of what could
be had and reads that: no crash, no hang, and every packet that was imported
comes back.

check_mutations.py CAPTURE_TOOL; $AFTERTAP_MUTATIONS says how many (1000) and
$AFTERTAP_SEED which (1).
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
import mutate_captures  # noqa: E402

TOOL = os.path.abspath(sys.argv[1])
COUNT = int(os.environ.get("AFTERTAP_MUTATIONS", "1000"))
SEED = int(os.environ.get("AFTERTAP_SEED", "1"))
BATCH = 500
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(batch, number):
    with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
        files = []
        for data in batch:
            files.append(os.path.join(directory, f"{len(files):05}.cap"))
            with open(files[-1], "wb") as f:
                f.write(data)
        home = os.path.join(directory, "home")
        done = subprocess.run([TOOL, "each", home, *files],
                              capture_output=True, timeout=240)
        lines = done.stdout.decode(errors="replace").splitlines()
        if done.returncode:
            sys.exit(f"seed {SEED}, after {number + len(lines)} files: " +
                     done.stderr.decode(errors="replace"))
        left = os.listdir(home + "/captures") if os.path.exists(home) else []
        assert left == [], left
        return sum(" packets, " in line for line in lines)


def main():
    batch, done, read = [], 0, 0
    for data in mutate_captures.mutants(COUNT, SEED):
        batch.append(data)
        if len(batch) == BATCH:
            read += run(batch, done)
            done += len(batch)
            batch = []
    if batch:
        read += run(batch, done)
        done += len(batch)
    print(f"{done} damaged captures: {read} gave packets or were empty, "
          f"{done - read} were refused")


if __name__ == "__main__":
    main()
