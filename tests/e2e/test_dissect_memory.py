#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The memory of all processes of a dissection together stays below 256 MiB,
with captures made to break that: tens of thousands of connections that each
leave something waiting."""
import os
import subprocess
import sys
import time

import support
import traffic

LIMIT = 256 << 20


def connections(count):
    for i in range(count):
        client = traffic.Connection(i % 30000)
        client.client = bytes([10, 3 + (i >> 16), i >> 8 & 255, i & 255])
        yield client


def opened(count, after=b""):
    """Packets that open connections, and the connections."""
    clients, packets = list(connections(count)), []
    for client in clients:
        packets += client.open()
        if after:
            packets.append(client.packet(0, 24, after))
    return clients, packets


def rounds(clients, packets, count, payload):
    yield from packets
    for number in range(count):
        for client in clients:
            yield client.packet(0, 24, payload(client, number))


def behind_holes():
    """Data that waits for bytes that never come."""
    def payload(client, _):
        client.sequence[0] += 100
        return b"POST /x HTTP/1.1\r\n" + b"y" * 1300
    return rounds(*opened(40000), 3, payload)


def endless_bodies():
    start = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n"
    return rounds(*opened(40000, start), 4,
                  lambda _, number: bytes([65 + number]) * 1400)


def endless_heads():
    return rounds(*opened(40000, b"GET / HTTP/1.1\r\nHost: a\r\n"), 4,
                  lambda _, number: b"X-%d: " % number + b"z" * 1300 + b"\r\n")


def unanswered_pipelines():
    request = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
    return rounds(*opened(1000), 20, lambda _, number: b"".join(
        request % (number * 30 + i) for i in range(30)))


def port_scan():
    for client in connections(200000):
        yield client.packet(0, 2)


def memory_of(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file
                        if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def family(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children",
                  encoding="ascii") as file:
            return [pid, *map(int, file.read().split())]
    except OSError:
        return [pid]


def peak_memory(process):
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(memory_of, family(process.pid))))
        time.sleep(0.02)
    return peak


def main():
    check = support.Failures()
    dissect = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])),
                           "aftertap-dissect")
    with open(dissect, "rb") as program:
        if b"__asan_init" in program.read():
            support.skip("memory of a sanitized build says nothing")
    for make in (behind_holes, endless_bodies, endless_heads,
                 unanswered_pipelines, port_scan):
        name = make.__name__.replace("_", "-")
        with support.workspace() as directory:
            pcap = os.path.join(directory, "made-up.pcap")
            traffic.write_pcap(pcap, make(), 1000)
            aftertap = support.Aftertap(sys.argv[1],
                                        os.path.join(directory, "home"))
            aftertap.run("import", "--name", name, pcap)
            aftertap.run("snapshots", "create", name, "--captures", name)
            os.unlink(pcap)
            for parsers in ("1", "4"):
                process = subprocess.Popen(
                    [dissect, "--home", aftertap.home, "--snapshot", name,
                     "--name", "p" + parsers, "--parsers", parsers])
                peak = peak_memory(process)
                what = f"{name} with {parsers} parsers"
                check.check(f"exit status of {what}", process.returncode, 0)
                check.that(f"memory of {what}", 0 < peak < LIMIT,
                           f"{peak >> 20} MiB")
    check.exit()


main()
