#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes damaged capture files: mutate_captures.py OUTDIR [COUNT] [SEED].

Every file is one of the container variants of capture_builder.py or one of
conversations.py, plain or gzipped, after one to four mutations: bits flipped, cut short, bytes removed,
repeated or exchanged for another file's, and numbers (block lengths, captured
lengths, magic numbers) replaced by lies.  The same seed gives the same files.
"""
import gzip
import os
import random
import struct
import sys

import capture_builder
import conversations

LIES = (0, 1, 3, 4, 7, 11, 12, 16, 0xff, 0xffff, 0x10000, 0xffffff, 0x1000000,
        0x1020000, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff)


def flip(source, data, _):
    out = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 8, 64))):
        out[source.randrange(len(out))] ^= 1 << source.randrange(8)
    return bytes(out)


def cut(source, data, _):
    return data[:source.randrange(len(data))]


def remove(source, data, _):
    at = source.randrange(len(data))
    return data[:at] + data[at + source.randrange(1, 100):]


def repeat(source, data, _):
    at = source.randrange(len(data))
    piece = data[at:at + source.randrange(1, 400)]
    return data[:at] + piece * source.choice((1, 2, 20)) + data[at:]


def lie(source, data, _):
    """A number on a 4-byte boundary, near the start more often than not."""
    out = bytearray(data)
    limit = len(out) if source.random() < 0.5 else min(len(out), 200)
    at = source.randrange(max(limit - 3, 1)) & ~3
    out[at:at + 4] = struct.pack(source.choice("<>") + "I",
                                 source.choice(LIES))
    return bytes(out)


def lie_small(source, data, _):
    """A length a little longer or shorter than it should be."""
    out = bytearray(data)
    at = source.randrange(max(len(out) - 3, 1)) & ~3
    value = struct.unpack_from("<I", out.ljust(at + 4, b"\0"), at)[0]
    out[at:at + 4] = struct.pack("<I", (value + source.randrange(-8, 9)) &
                                 0xffffffff)
    return bytes(out)


def splice(source, data, seeds):
    other = source.choice(source.choice(seeds))
    return (data[:source.randrange(len(data))] +
            other[source.randrange(len(other)):])


MUTATIONS = (flip, flip, cut, remove, repeat, lie, lie, lie_small, splice)


def mutant(source, seeds):
    data = source.choice(source.choice(seeds))
    pack = source.random()
    for _ in range(source.randrange(1, 5)):
        if data:
            data = source.choice(MUTATIONS)(source, data, seeds)
    if pack < 0.1:  # damage inside of an intact wrapping
        data = gzip.compress(data, 1, mtime=0)
    elif pack < 0.2:  # and damage of the wrapping
        data = flip(source, gzip.compress(data, 1, mtime=0), seeds)
    return data


def mutants(count, seed=1):
    source = random.Random(seed)
    seeds = [[data for _, data in files()] for files in (
        capture_builder.variants, conversations.conversations)]
    return (mutant(source, seeds) for _ in range(count))


def main():
    out = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(out, exist_ok=True)
    for number, data in enumerate(mutants(count, seed)):
        with open(os.path.join(out, f"{number:05}.cap"), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
