#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged captures through everything a parser does: no crash, no hang, and,
where the program is built with ASan, no leak.

usage: malformed_captures.py FUZZ_PIPELINE COUNT [SEED]

The program is fuzz_pipeline with replay_main.c.  What it fails on is kept in
the working directory as malformed-<number>.cap.
"""
import os
import select
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "support"))
import mutate_captures  # noqa: E402

SECONDS_EACH = 20
AHEAD = 32  # inputs on their way, so that neither side waits for the other


class Replay:
    """The program, one damaged file after another on its stdin."""

    def __init__(self, program):
        limits = "max_allocation_size_mb=256:" + os.environ.get(
            "ASAN_OPTIONS", "")
        self.process = subprocess.Popen(
            [program, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=dict(os.environ, ASAN_OPTIONS=limits))
        self.waiting = []

    def send(self, number, data):
        self.waiting.append((number, data))
        self.process.stdin.write(struct.pack("=I", len(data)) + data)
        self.process.stdin.flush()

    def done(self):
        """Whether the oldest input came through."""
        out = self.process.stdout
        if not select.select([out], [], [], SECONDS_EACH)[0]:
            self.process.kill()
            return False
        if not os.read(out.fileno(), 1):
            return False
        self.waiting.pop(0)
        return True

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)


def keep(number, data, why):
    path = f"malformed-{number}.cap"
    with open(path, "wb") as out:
        out.write(data)
    print(f"FAIL {path}: {why}")


def run(program, mutants):
    """Returns the number of failures."""
    failures, replay, again = 0, Replay(program), []
    while True:
        following = again.pop(0) if again else next(mutants, None)
        if following and len(replay.waiting) < AHEAD:
            try:
                replay.send(*following)
                continue
            except BrokenPipeError:
                pass
        if following:
            again.insert(0, following)
        elif not replay.waiting:
            break
        if not replay.done():
            failures += 1
            again = replay.waiting[1:] + again
            keep(*replay.waiting[0], "crash or hang")
            replay = Replay(program)
    status = replay.end()
    if status:
        print(f"FAIL exit status {status} at the end (a leak?)")
    return failures + (status != 0)


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    failures = run(program, enumerate(mutate_captures.mutants(count, seed)))
    print(f"{count} damaged captures, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
