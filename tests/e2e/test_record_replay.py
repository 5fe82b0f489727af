#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recording a capture file, which needs no privilege: every packet of it comes
out of the snapshot as it went in.

usage: test_record_replay.py AFTERTAP
"""
import os
import random
import struct
import subprocess
import sys

import recording
import support

check = support.Failures()
PACKETS = 20000
START = 1_700_000_000 * 10**9


def write_pcap(path, seed):
    chance = random.Random(seed)
    at, packets = START, []
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
        for _ in range(PACKETS):
            at += chance.randrange(1, 2_000_000)
            frame = chance.randbytes(chance.choice([60, 64, 66, 1514, 9014,
                                                    65535]) if
                                     chance.random() < .02 else
                                     chance.randrange(60, 400))
            packets.append((at, 1, frame))
            file.write(struct.pack("<IIII", at // 10**9, at % 10**9,
                                   len(frame), len(frame)) + frame)
    return packets


def refuses(aftertap, words, text):
    done = subprocess.run([recording.program(aftertap), "--home",
                           aftertap.home, *words], capture_output=True,
                          text=True)
    check.that(f"refused: {' '.join(words)}",
               done.returncode != 0 and text in done.stderr, done.stderr[-200:])


def recovers(aftertap, workspace, pcap, expected):
    """What was written before kill -9 is kept, although the header of its
    segment has never been brought up to date."""
    child = recording.Recorder(aftertap, "k", "--replay", pcap,
                               "--replay-speed", "1", "--flush-interval",
                               "60s", "--segment-size", "1GiB")
    raw = os.path.join(aftertap.home, "captures", "k", "raw", "000001.raw")
    child.wait_for(lambda: os.path.exists(raw) and
                   os.path.getsize(raw) > 100_000, "something is written")
    child.kill()
    again = os.path.join(workspace, "none.pcap")
    with open(again, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
    aftertap.run("capture", "--name", "k", "--replay", again)
    packets = recording.snapshot_packets(aftertap, "sk", workspace, "k")
    frames = [frame for _, _, frame in packets]
    check.that("what was written is recovered", len(frames) > 100,
               len(frames))
    check.that("and all of it as it was", frames ==
               [frame for _, _, frame in expected[:len(frames)]])


def main():
    with support.workspace() as workspace:
        aftertap = support.Aftertap(sys.argv[1],
                                    os.path.join(workspace, "home"))
        if not os.path.exists(recording.program(aftertap)):
            support.skip("aftertap-capture was not built")
        pcap = os.path.join(workspace, "in.pcap")
        expected = write_pcap(pcap, 1)
        done = aftertap.run("capture", "--name", "r", "--replay", pcap,
                            "--segment-size", "1MiB")
        check.check("exit status", done.returncode, 0)
        packets = recording.snapshot_packets(aftertap, "s", workspace, "r")
        check.check("packets", len(packets), len(expected))
        check.that("all as they were", packets == expected)
        capture = aftertap.json("captures", "list", "r")["captures"][0]
        check.check("state", capture["state"], "stopped")
        check.that("several segments", capture["segments"] > 3,
                   capture["segments"])
        check.check("nothing is left to seal", "unsealed" in capture, False)
        # The same capture goes on, behind what it has.
        aftertap.run("capture", "--name", "r", "--replay", pcap)
        packets = recording.snapshot_packets(aftertap, "s2", workspace, "r")
        check.check("twice as many", len(packets), 2 * len(expected))
        causes = {loss["cause"] for loss in
                  aftertap.json("captures", "list", "r")["captures"][0]
                  ["losses"]}
        check.check("the time between is a gap", causes, {"recorder_down"})
        recovers(aftertap, workspace, pcap, expected)
        refuses(aftertap, ["--replay", pcap + "x"], "in.pcapx")
        refuses(aftertap, ["--replay", pcap, "--interface", "lo"],
                "--interface")
        refuses(aftertap, ["--quota", "10"], "--quota 10")
        refuses(aftertap, ["--filter"], "--filter")
        refuses(aftertap, ["--name", "../x", "--replay", pcap], "not a name")
        aftertap.run("import", "--name", "i", pcap)
        refuses(aftertap, ["--name", "i", "--replay", pcap], "import")
        check.exit()


if __name__ == "__main__":
    main()
