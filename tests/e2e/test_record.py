#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recording real traffic of loopback: kill -9, a full disk, a quota, snapshots
meanwhile, restarts, several recorders, and tools over MCP.

usage: test_record.py AFTERTAP [KILLS [PART…]]
"""
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import time

import recording
import support
from recording import Recorder, Sender

KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 30
PORT = 28000 + os.getpid() % 1500
FLUSH = 1.0  # seconds; the recorder is told so

check = support.Failures()
chance = random.Random(3)


def expression(port=PORT):
    return f"udp dst port {port}"


def recorder(aftertap, name, *options, port=PORT, **more):
    return Recorder(aftertap, name, "--filter", expression(port), *options,
                    **more)


def losses(aftertap, name):
    capture = aftertap.json("captures", "list", name)["captures"][0]
    return {loss["cause"]: loss for loss in capture["losses"]}


def told_gaps(aftertap, snapshot):
    """(from, to) of the times in which nobody recorded, in ns, as everybody
    reads them who asks a dissection."""
    path = os.path.join(aftertap.home, "snapshots", snapshot, "manifest.json")
    with open(path, encoding="utf-8") as file:
        told = json.load(file).get("losses", [])
    return [(loss["from_ns"], loss["to_ns"]) for loss in told
            if loss["cause"] == "recorder_down"]


def gaps_of_segments(aftertap, name):
    """The same as each segment tells it, not joined with its neighbours."""
    gaps = []
    for path in glob.glob(os.path.join(aftertap.home, "captures", name,
                                       "segments", "*.json")):
        with open(path, encoding="utf-8") as file:
            told = json.load(file).get("losses", [])
        gaps += [(loss["from_ns"], loss["to_ns"]) for loss in told
                 if loss["cause"] == "recorder_down"]
    return gaps


def untold(sender, begin, end, seen, gaps):
    """Datagrams sent while we recorded (begin to end, monotonic) that are not
    in the capture and in no gap, nor in the flush interval before one."""
    wall = time.time() - time.monotonic()
    allowed = [(a / 1e9 - wall - FLUSH, b / 1e9 - wall) for a, b in gaps]
    return [number for number, at in enumerate(sender.sent)
            if begin <= at <= end and number not in seen and
            not any(a <= at <= b for a, b in allowed)]


def kills(aftertap, workspace):
    """kill -9 at any moment, also while it starts: what is lost is told as a
    gap, but for the flush interval before it, and nothing sealed changes.  A
    gap begins with the last sign of life, up to a second before its kill, so
    some run for longer.  Gaps less than 2 s apart are told as one where the
    whole capture is asked, so it is what each segment says that counts."""
    sender = Sender(PORT, rate=1000)
    sender.start()
    begin, killed = None, []
    for number in range(KILLS):
        early = number % 3 == 2
        child = recorder(aftertap, "k", "--flush-interval", f"{FLUSH}s",
                         "--segment-size", "1MiB", wait=not early)
        begin = begin or time.monotonic()
        time.sleep(chance.uniform(0, 1) if early else
                   chance.uniform(4, 5) if number % 10 == 0 else
                   chance.uniform(0.3, 0.8))
        killed.append(time.time())
        child.kill()
        if number == 0:
            state = aftertap.json("captures", "list", "k")["captures"][0]
            check.check("killed is said", state["state"], "failed")
    last = recorder(aftertap, "k")
    time.sleep(0.5)
    end = time.monotonic()
    sender.stop()
    packets = recording.snapshot_packets(aftertap, "k1", workspace, "k")
    check.check("the recorder ends well", last.stop(), 0)
    seen = set(recording.numbers(packets, PORT))
    gaps = gaps_of_segments(aftertap, "k")
    missing = untold(sender, begin, end, seen, gaps)
    everywhere = told_gaps(aftertap, "k1")
    check.that("the snapshot tells of every gap", gaps and all(
        any(a <= start and end_ns <= b for a, b in everywhere)
        for start, end_ns in gaps))
    wall = time.time() - time.monotonic()
    check.check(f"lost in {KILLS} kills and not told", len(missing), 0)
    for number in missing[:1000:100]:
        print("  sent at", sender.sent[number] + wall)
    print("  gaps told:", [(a / 1e9, b / 1e9) for a, b in gaps],
          "kills:", killed)
    check.that("a gap for each that recorded",
               len(gaps) >= KILLS - KILLS // 3 - 1, len(gaps))
    check.that("not a packet came from nowhere",
               all(number < len(sender.sent) for number in seen))
    again = recording.snapshot_packets(aftertap, "k2", workspace, "k")
    check.that("what was sealed stays", packets == again[:len(packets)])


def lost_description(aftertap, workspace):
    """A start that fails leaves segments alone, whatever capture.json says."""
    sender = Sender(PORT)
    sender.start()
    child = recorder(aftertap, "d")
    time.sleep(0.5)
    sender.stop()
    check.check("the recorder ends well", child.stop(), 0)
    capture = os.path.join(aftertap.home, "captures", "d")
    before = sorted(os.listdir(os.path.join(capture, "segments")))
    with open(os.path.join(capture, "capture.json"), "w") as file:
        file.write("{")
    failed = subprocess.run(
        [os.path.join(os.path.dirname(aftertap.binary), "aftertap-capture"),
         "--home", aftertap.home, "--name", "d", "--filter", "("],
        capture_output=True, check=False)
    check.check("the filter is refused", failed.returncode, 1)
    check.that("there are segments", before)
    check.check("and they stay", sorted(os.listdir(
        os.path.join(capture, "segments"))), before)


def quota(aftertap, workspace):
    """The oldest goes; what a snapshot holds stays."""
    sender = Sender(PORT, size=1400, rate=800)
    sender.start()
    child = recorder(aftertap, "q", "--quota", "16MiB", "--segment-size",
                     "2MiB")
    child.wait_for(lambda: child.status().get("segments", 0) > 1, "it seals")
    before = recording.snapshot_packets(aftertap, "q1", workspace, "q")
    child.wait_for(lambda: "evicted" in aftertap.json(
        "captures", "list", "q")["captures"][0], "it evicts")
    child.wait_for(lambda: child.status()["disk"]["used_bytes"]
                   <= (16 + 4) << 20, "it keeps the quota, and a segment")
    sender.stop()
    check.check("it ends well", child.stop(), 0)
    after = recording.exported(aftertap, "q1", workspace)
    check.that("the snapshot has what it had",
               before == after and len(before) > 1000, len(before))
    check.check("and its checksums", aftertap.json(
        "snapshots", "verify", "q1")["verified"], True)
    left = recording.snapshot_packets(aftertap, "q2", workspace, "q")
    check.that("the capture begins later", left[0][0] > before[0][0])
    numbers = recording.numbers(left, PORT)
    check.that("without a hole", sorted(set(numbers)) == list(
        range(min(numbers), max(numbers) + 1)))
    # A machine that cannot seal as fast loses the oldest unsealed, and says so.
    check.that("no loss but by the quota",
               set(losses(aftertap, "q")) <= {"quota"})


def full_disk(aftertap, workspace):
    """Writing stops, packets are counted, recording goes on by itself."""
    disk = os.path.join(workspace, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk],
                   check=True)
    try:
        full_disk_on(support.Aftertap(aftertap.binary,
                                      os.path.join(disk, "home")),
                     disk, workspace)
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def full_disk_on(aftertap, disk, workspace):
    child = recorder(aftertap, "f", "--segment-size", "4MiB",
                     log=os.path.join(workspace, "full.log"))
    sender = Sender(PORT, size=1200, rate=2000)
    sender.start()
    time.sleep(1)
    filler = os.path.join(disk, "filler")
    room = os.statvfs(disk)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0,
                           max(room.f_bavail * room.f_frsize - (6 << 20), 1))
    child.wait_for(lambda: child.status()["disk"]["state"] == "full",
                   "the disk is full")
    time.sleep(1)
    os.unlink(filler)
    child.wait_for(lambda: child.status()["disk"]["state"] == "ok",
                   "there is room again")
    time.sleep(1)
    sender.stop()
    time.sleep(0.5)
    status = child.status()
    check.check("it ends well", child.stop(), 0)
    lost = losses(aftertap, "f").get("disk_full", {}).get("packets", 0)
    check.check("losses by cause", sorted(losses(aftertap, "f")),
                ["disk_full"])
    check.check("status says the same", status["disk"]["lost_packets"], lost)
    packets = recording.snapshot_packets(aftertap, "f1", workspace, "f")
    seen = recording.numbers(packets, PORT)
    check.that("packets were lost", lost > 0, lost)
    check.check("recorded and lost are all that the kernel saw",
                len(packets) + lost, status["counts"]["seen_packets"])
    check.that("before and after are there",
               0 in seen and len(sender.sent) - 1 in seen)
    log = child.log()
    check.that("the log says so", "disk is full" in log and
               "room again" in log)


def beside_tcpdump(aftertap, workspace):
    """A snapshot while it records has all that tcpdump has."""
    path = os.path.join(workspace, "tcpdump.pcap")
    with open(path + ".log", "w+") as log:
        dump = subprocess.Popen(
            ["tcpdump", "-i", "lo", "-s", "0", "-U", "-Z", "root", "-B",
             "65536", "--time-stamp-precision", "nano", "-w", path,
             expression()], stderr=log)
    support.wait_for("tcpdump listens",
                     lambda: "listening" in open(path + ".log").read())
    child = recorder(aftertap, "t")
    sender = Sender(PORT, rate=5000)
    sender.start()
    time.sleep(3)
    during = recording.snapshot_packets(aftertap, "t1", workspace, "t")
    sender.stop()
    packets = recording.snapshot_packets(aftertap, "t2", workspace, "t")
    if support.stop_tcpdump(dump, path + ".log"):
        support.skip("tcpdump itself lost packets: the machine is too busy")
    check.check("it ends well", child.stop(), 0)
    theirs = {recording.ip_of(1, frame)
              for _, _, frame in recording.pcap_packets(path)}
    ours = {recording.ip_of(link, frame) for _, link, frame in packets}
    # Both copies of loopback are one packet; ids tell packets apart.
    check.check("the same packets", (len(ours - theirs), len(theirs - ours)),
                (0, 0))
    check.check("none lost", len(ours), len(sender.sent))
    numbers = recording.numbers(during, PORT)
    check.that("a snapshot meanwhile has no hole", sorted(set(numbers)) ==
               list(range(max(numbers) + 1)), len(set(numbers)))
    check.check("no losses", losses(aftertap, "t"), {})


def several(aftertap, workspace):
    """Each capture has its recorder, and one only."""
    one = recorder(aftertap, "a")
    two = recorder(aftertap, "b", port=PORT + 1)
    third = Recorder(aftertap, "a", wait=False)
    check.check("a second one is refused", third.child.wait(30), 1)
    check.that("in words", "recorded already" in third.log(), third.log())
    refused = aftertap.run("captures", "delete", "a", check=False)
    check.that("nor is it deleted", refused.returncode == 1 and
               "being recorded" in refused.stderr, refused.stderr)
    first, second = Sender(PORT, rate=500), Sender(PORT + 1, rate=500)
    first.start(), second.start()
    time.sleep(1)
    first.stop(), second.stop()
    check.check("the first ends well", one.stop(), 0)
    check.check("the second ends well", two.stop(), 0)
    for name, sender, port in (("a", first, PORT), ("b", second, PORT + 1)):
        packets = recording.snapshot_packets(aftertap, "several-" + name,
                                             workspace, name)
        check.check(f"{name} has its own", sorted(set(recording.numbers(
            packets, port))), list(range(len(sender.sent))))
    check.check("deleted now", aftertap.run("captures", "delete",
                                            "a").returncode, 0)


class Server:
    """`aftertap serve` as an agent has it."""

    def __init__(self, aftertap, *options):
        self.child = subprocess.Popen(
            [aftertap.binary, "--home", aftertap.home, "serve", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL)
        self.number = 0
        self.ask("initialize", protocolVersion="2025-06-18", capabilities={},
                 clientInfo={"name": "test", "version": "1"})
        self.send({"method": "notifications/initialized"})

    def send(self, message):
        self.child.stdin.write(json.dumps({"jsonrpc": "2.0", **message})
                               + "\n")
        self.child.stdin.flush()

    def ask(self, method, /, **params):
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while True:
            answer = json.loads(self.child.stdout.readline())
            if answer.get("id") == self.number:
                return answer["result"]

    def tool(self, tool, /, **arguments):
        return self.ask("tools/call", name=tool, arguments=arguments)

    def close(self):
        self.child.stdin.close()
        self.child.wait(20)


def over_mcp(aftertap, workspace):
    """start, status and stop by an agent; only where it may."""
    server = Server(aftertap)
    answer = server.tool("start_capture", name="m")
    check.that("not without permission", answer.get("isError") and
               "--allow-capture" in answer["content"][0]["text"],
               answer["content"][0]["text"])
    server.close()
    server = Server(aftertap, "--allow-capture")
    answer = server.tool("start_capture", name="m", filter="udp port")
    check.that("a bad filter is said", answer.get("isError"),
               answer["content"][0]["text"])
    answer = server.tool("start_capture", name="m", filter=expression())
    check.check("it records", answer["structuredContent"]["state"],
                "recording")
    server.close()
    sender = Sender(PORT, rate=500)
    sender.start()
    time.sleep(1)
    sender.stop()
    server = Server(aftertap, "--allow-capture")
    status = server.tool("get_capture_status", name="m")
    check.that("it outlives the server, and counts",
               status["structuredContent"]["counts"]["seen_packets"] >=
               len(sender.sent))
    stopped = server.tool("stop_capture", name="m")
    check.check("stopped", stopped["structuredContent"]["state"], "stopped")
    again = server.tool("stop_capture", name="m")
    check.check("twice is no error", again.get("isError", False), False)
    server.close()
    packets = recording.snapshot_packets(aftertap, "m1", workspace, "m")
    check.check("all is there", sorted(set(recording.numbers(packets, PORT))),
                list(range(len(sender.sent))))


def main():
    aftertap = support.Aftertap(sys.argv[1], "")
    recording.need_recording(aftertap)
    support.need("tcpdump")
    wanted = sys.argv[3:]
    for part in (over_mcp, several, beside_tcpdump, quota, full_disk,
                 lost_description, kills):
        if wanted and part.__name__ not in wanted:
            continue
        with support.workspace() as workspace:
            print(f"== {part.__name__}: {part.__doc__}")
            aftertap.home = os.path.join(workspace, "home")
            part(aftertap, workspace)
            shutil.rmtree(aftertap.home, ignore_errors=True)
    check.exit()


if __name__ == "__main__":
    main()
