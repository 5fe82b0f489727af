#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every packet source against tcpdump, over the same real traffic.

Two network namespaces and a veth pair; nginx, curl and iperf3 over IPv4 and
IPv6.  What the sources give is what tcpdump gives, byte for byte, or what the
difference is made of is said here.  The kernel's own interface counters are
the second witness.
"""
import collections
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time

import support
from support import (Failures, Namespace, need, need_root, skip, wait_for,
                     workspace)

TOOL = sys.argv[2]
WEB, IPERF = 18137, 18138
AVOID_BPF, AVOID_DYNPTR, AVOID_TCX, AVOID_FILTER = 1, 2, 4, 8
ETHERNET, RAW = 1, 101
ETH = 14
BARE = 100  # bytes of a segment that may have no sender
PID = os.getpid()

# Networks of our own: from the cgroup root the packets of every namespace are
# seen, also those of another run of this test beside us.
NET4 = f"10.{100 + PID // 250 % 150}.{PID % 250}"
NET6 = f"fd99:{PID >> 16:x}:{PID & 0xffff:x}"
NETWORK = f"net {NET4}.0/24 or net {NET6}::/64"
B4, B6 = NET4 + ".2", NET6 + "::2"
URL4, URL6 = f"http://{B4}:{WEB}/big", f"http://[{B6}]:{WEB}/big"


class TcpdumpLost(Exception):
    """The witness itself lost packets."""


class Veth:
    """Two namespaces, v0 in the one and v1 in the other."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.a = self.stack.enter_context(Namespace("at-src-a"))
        self.b = self.stack.enter_context(Namespace("at-src-b"))
        self.ip("link", "add", "v0", "netns", self.a.name, "type", "veth",
                "peer", "name", "v1", "netns", self.b.name)
        for n, end, host in ((self.a, "v0", 1), (self.b, "v1", 2)):
            self.ip("-n", n.name, "addr", "add", f"{NET4}.{host}/24", "dev",
                    end)
            self.ip("-n", n.name, "addr", "add", f"{NET6}::{host}/64", "dev",
                    end, "nodad")
            self.ip("-n", n.name, "link", "set", end, "up")
        for n in (self.a, self.b):
            wait_for("IPv6 addresses are settled", lambda: not n.run(
                "ip", "-6", "addr", "show", "tentative",
                stdout=subprocess.PIPE).stdout)
        return self

    def __exit__(self, *_):
        self.stack.close()

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    def packets(self):
        """What the kernel counted on v0, both ways."""
        out = subprocess.run(["ip", "-n", self.a.name, "-s", "-j", "link",
                              "show", "v0"], capture_output=True, text=True,
                             check=True).stdout
        stats = json.loads(out)[0]["stats64"]
        return stats["rx"]["packets"] + stats["tx"]["packets"]


class KernelCount:
    """What the kernel counts on v0: marked before a source begins, while it
    captures (twice), and after it ended."""

    def __init__(self, net):
        self.net, self.marks = net, [net.packets()]

    def mark(self):
        self.marks.append(self.net.packets())

    def check(self, failures, what, seen):
        before, begin, end, after = self.marks
        failures.that(f"{what}: {seen} seen, as the kernel counted on v0",
                      end - begin <= seen <= after - before, self.marks)


class Source:
    """source_tool, capturing when the block begins and finished behind it."""

    def __init__(self, path, *words, namespace=None):
        self.path = path
        command = [TOOL, "-w", path, *words]
        if namespace:
            command = ["ip", "netns", "exec", namespace.name, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.said = []

    def __enter__(self):
        for line in self.process.stderr:
            if line.startswith("ready"):
                return self
            self.said.append(line)
        status = self.process.wait()
        if status == support.SKIPPED:
            skip("no such source here: " + "".join(self.said))
        raise SystemExit("source_tool: " + "".join(self.said))

    def __exit__(self, *_):
        time.sleep(0.3)
        self.process.send_signal(signal.SIGTERM)
        out, errors = self.process.communicate(timeout=60)
        if self.process.returncode:
            raise SystemExit(f"source_tool: {self.process.returncode} "
                             + errors)
        self.result = json.loads(out)

    def losses(self):
        return {key: self.result[key] for key in
                ("lost_ring", "lost_errors", "lost_kernel", "damaged")}


NO_LOSS = {"lost_ring": 0, "lost_errors": 0, "lost_kernel": 0, "damaged": 0}


@contextlib.contextmanager
def tcpdump(namespace, interface, path, expression=""):
    log = open(path + ".log", "w+")
    child = namespace.start("tcpdump", "-i", interface, "-B", "131072", "-s",
                            "0", "--immediate-mode", "-U", "-Z", "root", "-w",
                            path, expression, stderr=log)
    wait_for("tcpdump listens",
             lambda: "listening" in open(log.name).read())
    yield
    if support.stop_tcpdump(child, log.name):
        raise TcpdumpLost


def read_pcap(path):
    """(interface name, link type, direction, frame, length) of each packet of
    a little-endian pcap or pcapng."""
    data = open(path, "rb").read()
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        yield from read_pcapng(data)
        return
    at = 24
    link_type = struct.unpack_from("<I", data, 20)[0]
    while at + 16 <= len(data):
        captured, length = struct.unpack_from("<8xII", data, at)
        yield "", link_type, 0, data[at + 16:at + 16 + captured], length
        at += 16 + captured


def read_pcapng(data):
    at, interfaces = 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        body = data[at + 8:at + size - 4]
        if kind == 1:
            options = option_list(body[8:])
            interfaces.append((options.get(2, b"").decode(),
                               struct.unpack_from("<H", body)[0]))
        elif kind == 6:
            number, _, _, captured, length = struct.unpack_from("<5I", body)
            options = option_list(body[20 + (captured + 3 & ~3):])
            name, link_type = interfaces[number]
            yield (name, link_type,
                   struct.unpack("<I", options.get(2, bytes(4)))[0] & 3,
                   body[20:20 + captured], length)
        at += size


def option_list(data):
    at, found = 0, {}
    while at + 4 <= len(data):
        code, size = struct.unpack_from("<HH", data, at)
        if code == 0:
            break
        found[code] = data[at + 4:at + 4 + size]
        at += 4 + (size + 3 & ~3)
    return found


def frames(path, interface=None, keep=lambda packet: True, strip=0):
    """How often each frame (from byte `strip` on) was captured.  Hosts talk
    IPv6 multicast whenever they like, also before tcpdump listens."""
    return collections.Counter(
        frame[strip:] for name, _, _, frame, _ in read_pcap(path)
        if (interface is None or name == interface) and
        keep(frame[strip:]) and frame[:2] != b"\x33\x33")


def is_stream(packet):
    """TCP, or UDP that is no fragment: what a socket is there for."""
    if packet[0] >> 4 == 4:
        fragment = struct.unpack_from(">H", packet, 6)[0] & 0x3fff
        return packet[9] in (6, 17) and fragment == 0
    return packet[0] >> 4 == 6 and packet[6] in (0, 6, 17)


def is_large(packet):
    return packet[0] == 0x45 and packet[9] == 17 and len(packet) > 50000


def difference(got, expected):
    """A few words on what is in one and not in the other."""
    missing, extra = expected - got, got - expected
    words = [f"{sum(missing.values())} missing, {sum(extra.values())} more"]
    for name, some in (("missing", missing), ("more", extra)):
        words += [f"{name} {len(f)} bytes {f[:60].hex()}"
                  for f in list(some)[:3]]
    return "\n  ".join(words)


def is_farewell(packet):
    """The end of a connection that was closed here first: the kernel has no
    socket for it any more, only a note, so cgroups do not see it."""
    if packet[0] >> 4 == 4:
        tcp = packet[(packet[0] & 15) * 4:] if packet[9] == 6 else b""
    else:
        tcp = packet[40:] if packet[6] == 6 else b""
    return len(tcp) >= 20 and len(tcp) == (tcp[12] >> 4) * 4 and \
        tcp[13] in (0x10, 0x11)


def same_of_sockets(failures, what, got, expected):
    """As same(), but for at most two packets of each connection's end."""
    late = collections.Counter({f: n for f, n in (expected - got).items()
                                if is_farewell(f)})
    if sum(late.values()) > 16:
        late.clear()
    same(failures, what, got + late, expected)


def same(failures, what, got, expected):
    failures.that(f"{what}: the same {sum(expected.values())} frames",
                  got == expected and sum(expected.values()) > 20,
                  "" if got == expected else difference(got, expected))


def start_servers(net, directory):
    with open(os.path.join(directory, "big"), "wb") as file:
        file.write(os.urandom(700_000))
    config = os.path.join(directory, "nginx.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"""daemon off; pid {directory}/pid; error_log stderr;
user root; events {{}} http {{ access_log off; client_body_temp_path
{directory}/t; server {{ listen {B4}:{WEB}; listen [{B6}]:{WEB};
root {directory}; }} }}""")
    net.b.start("nginx", "-c", config)
    for url in (URL4, URL6):
        for _ in range(100):
            if net.a.run("curl", "-s", url,
                         check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            skip("nginx does not start")


def iperf(net, *words):
    server = net.b.start("iperf3", "-s", "-1", "-p", str(IPERF))
    for _ in range(50):
        if net.a.run("iperf3", "-p", str(IPERF), *words,
                     check=False).returncode == 0:
            break
        time.sleep(0.1)
    else:
        raise SystemExit("iperf3 does not run: traffic is disturbed")
    server.wait(60)


def traffic(net):
    for url in (URL4, URL6):
        net.a.run("curl", "-s", url, url, "-o", "/dev/null", "-o", "/dev/null")
    iperf(net, "-c", B4, "-n", "20M", "-b", "400M")
    iperf(net, "-c", B6, "-n", "10M", "-b", "400M")
    iperf(net, "-c", B4, "-u", "-l", "1000", "-n", "2M", "-b", "50M")
    iperf(net, "-c", B4, "-u", "-l", "50000", "-n", "2M", "-b",
          "50M")


def check_interface(net, directory, failures, what, *words):
    """By interface: all frames on both ends, headers and all."""
    path, truth = directory + "/s.pcapng", directory + "/t.pcap"
    count = KernelCount(net)
    with Source(path, "-s", "interface", "-i", "v0,v1", "-n",
                f"{net.a.name},{net.b.name}", *words) as source:
        count.mark()
        with tcpdump(net.a, "v0", truth):
            traffic(net)
        count.mark()
    count.mark()
    same(failures, what, frames(path, "v0"), frames(truth))
    failures.check(what + ": losses", source.losses(), NO_LOSS)
    seen = {each["name"]: each["seen"]
            for each in source.result["description"]["interfaces"]}
    count.check(failures, what, seen["v0"])


def check_cgroup(net, directory, failures, what, *words):
    """From the cgroup root: the packets that sockets sent and received.
    Large datagrams are seen before they are cut and after they are put
    together, so fragments are not compared."""
    path, truth = directory + "/s.pcapng", directory + "/t.pcap"
    with Source(path, "-s", "cgroup", "-f", NETWORK, *words) as source:
        with tcpdump(net.a, "v0", truth, "tcp or udp or ip6"):
            traffic(net)
    same_of_sockets(failures, what,
                    frames(path, "v0", lambda p: is_stream(p) and
                           not is_large(p)),
                    frames(truth, None, is_stream, ETH))
    large = [f for f in frames(path, "v0") if is_large(f)]
    failures.that(f"{what}: {len(large)} datagrams of 50,000 bytes whole",
                  len(large) >= 40)
    failures.check(what + ": losses", source.losses(), NO_LOSS)
    both = collections.Counter(
        (name, direction) for name, _, direction, _, _ in read_pcap(path))
    failures.that(f"{what}: both ends, both ways", len(both) == 4, str(both))


def check_af_packet(net, directory, failures, what, *words):
    path, truth = directory + "/s.pcapng", directory + "/t.pcap"
    with Source(path, "-s", "af_packet", "-i", "v0", "-n", net.a.name,
                *words) as source:
        with tcpdump(net.a, "v0", truth):
            traffic(net)
        before = net.packets()
    after = net.packets()
    same(failures, what, frames(path, "v0"), frames(truth))
    failures.check(what + ": losses", source.losses(), NO_LOSS)
    # What hosts say at the very end is in a block that is not closed yet.
    failures.that(what + ": seen and captured",
                  0 <= source.result["seen"] - source.result["captured"] <=
                  after - before, source.result)


def check_loopback(net, directory, failures):
    """Every packet on loopback once; from the cgroup root bare segments on
    their way in as well."""
    net.b.run("ethtool", "-K", "lo", "tso", "on", "gso", "on")
    path, truth = directory + "/s.pcapng", directory + "/t.pcap"
    with Source(path, "-s", "cgroup", "-f", NETWORK) as source:
        with tcpdump(net.b, "lo", truth, NETWORK):
            net.b.run("curl", "-s", URL4)
    got, expected = frames(path, "lo"), frames(truth, None, strip=ETH)
    if source.result["description"].get("loopback") == "egress":
        for frame in list(got):
            if len(frame) <= BARE:
                got[frame] = min(got[frame], expected[frame])
    else:  # in a cgroup namespace the sender may be outside
        expected += expected
    same(failures, "cgroup, loopback once", got, expected)
    for kind in ("interface", "af_packet"):
        path, truth = directory + "/s.pcapng", directory + "/t.pcap"
        with Source(path, "-s", kind, "-i", "all", "-n", net.b.name) as source:
            with tcpdump(net.b, "lo", truth):
                net.b.run("curl", "-s", URL4)
        del source
        same(failures, f"{kind}, loopback once", frames(path, "lo"),
             frames(truth))


def check_filters(net, directory, failures):
    """In the kernel and in the recorder the same packets, those that tcpdump
    takes with the same words."""
    words = f"tcp port {WEB} and net {NET4}.0/24"
    for kind, more in (("cgroup", ()), ("interface", ("-i", "v0", "-n",
                                                      net.a.name)),
                       ("af_packet", ("-i", "v0", "-n", net.a.name))):
        for avoid, where in ((0, "kernel"), (AVOID_FILTER, "recorder")):
            path, truth = directory + "/s.pcapng", directory + "/t.pcap"
            with Source(path, "-s", kind, *more, "-f", words, "-a",
                        str(avoid)) as source:
                with tcpdump(net.a, "v0", truth, words):
                    traffic(net)
            strip = ETH if kind == "cgroup" else 0
            what = f"{kind}, filter in the {where}"
            (same_of_sockets if strip else same)(
                failures, what, frames(path, "v0"),
                frames(truth, None, lambda p: True, strip))
            failures.check(what, source.result["description"]["filter"],
                           {"expression": words, "where": where})


def check_overload(net, directory, failures):
    """A ring that nobody reads: what is lost is counted, and the traffic goes
    on."""
    path = directory + "/s.pcapng"
    for kind, more in (("cgroup", ("-f", NETWORK)),
                       ("interface", ("-i", "v0", "-n", net.a.name)),
                       ("interface", ("-i", "v0", "-n", net.a.name, "-a",
                                      str(AVOID_DYNPTR)))):
        count = KernelCount(net)
        with Source(path, "-s", kind, *more, "-B", str(1 << 20),
                    "-H") as source:
            count.mark()
            traffic(net)
            count.mark()
        count.mark()
        r = source.result
        what = f"{kind}, overload"
        failures.check(what + ": seen = captured + lost", r["seen"],
                       r["captured"] + r["lost_ring"] + r["lost_errors"])
        failures.check(what + ": captured were read", r["packets"],
                       r["captured"])
        failures.that(what + ": there was loss, and no other",
                      r["lost_ring"] > 100 and r["lost_errors"] == 0,
                      str(r["lost_ring"]))
        if kind == "interface":
            count.check(failures, what, r["seen"])
    with Source(path, "-s", "af_packet", "-i", "v0", "-n", net.a.name, "-B",
                str(2 << 20), "-H") as source:
        traffic(net)
    r = source.result
    failures.check("af_packet, overload: seen = captured + lost", r["seen"],
                   r["captured"] + r["lost_kernel"])
    failures.check("af_packet, overload: captured were read", r["packets"],
                   r["captured"])
    failures.that("af_packet, overload: there was loss", r["lost_kernel"] > 50)


SEND_TAGGED = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line))
"""


def check_tags(net, directory, failures):
    """A tag that the kernel takes off the frame is back in it."""
    tagged = [bytes.fromhex("02aabbccddee" "02aabbccdd01" "8100" "a005" "0800")
              + bytes([0x45, 0, 0, 60, 0, i]) + bytes(54) for i in range(30)]
    plain = [bytes.fromhex("02aabbccddee" "02aabbccdd01" "0800")
             + bytes([0x45, 0, 0, 60, 1, i]) + bytes(54) for i in range(5)]
    lines = "".join(f.hex() + "\n" for f in tagged + plain)
    for kind in ("interface", "af_packet"):
        path = directory + "/s.pcapng"
        with Source(path, "-s", kind, "-i", "v0", "-n", net.a.name, "-f",
                    "vlan 5") as source:
            net.b.run("python3", "-c", SEND_TAGGED, "v1",
                      input=lines.encode())
        same(failures, f"{kind}, VLAN tags", frames(path, "v0"),
             collections.Counter(tagged))
        failures.check(f"{kind}, vlan is filtered by",
                       source.result["description"]["filter"]["where"],
                       "recorder")


def cut_same(failures, what, path, truth, strip):
    """tcpdump cuts at 64 KiB what the sources have whole."""
    cut = 65000

    def cut_frames(name, interface, skipped):
        return collections.Counter(
            (frame[skipped:skipped + cut], length - skipped)
            for each, _, _, frame, length in read_pcap(name)
            if (not interface or each == interface) and
            frame[:2] != b"\x33\x33" and
            frame[ETH - strip + skipped] >> 4 == 6)

    got, expected = cut_frames(path, "v0", 0), cut_frames(truth, None, strip)
    if strip:
        late = collections.Counter(
            {f: n for f, n in (expected - got).items() if is_farewell(f[0])})
        got += late if sum(late.values()) <= 16 else collections.Counter()
    same(failures, what, got, expected)
    whole = [length for _, _, _, frame, length in read_pcap(path)
             if length == len(frame)]
    failures.that(f"{what}: the largest has {max(whole)} bytes",
                  max(whole) > 70000)
    failures.check(f"{what}: packets that are cut",
                   sum(length > len(frame) for _, _, _, frame, length in
                       read_pcap(path)), 0)


def check_big_tcp(net, directory, failures):
    """Super-packets of more than 64 KiB, whole."""
    for n, end in ((net.a, "v0"), (net.b, "v1")):
        done = subprocess.run(["ip", "-n", n.name, "link", "set", end,
                               "gso_max_size", "200000", "gro_max_size",
                               "200000"], capture_output=True, text=True)
        if done.returncode:
            print("SKIPPED: BIG TCP:", done.stderr.strip())
            return
    for kind, more in (("cgroup", ("-f", NETWORK)),
                       ("interface", ("-i", "v0", "-n", net.a.name)),
                       ("interface", ("-i", "v0", "-n", net.a.name, "-a",
                                      str(AVOID_DYNPTR))),
                       ("af_packet", ("-i", "v0", "-n", net.a.name))):
        path, truth = directory + "/s.pcapng", directory + "/t.pcap"
        with Source(path, "-s", kind, *more) as source:
            with tcpdump(net.a, "v0", truth, "ip6"):
                iperf(net, "-c", B6, "-n", "40M", "-w", "4M", "-b",
                      "400M")
                net.a.run("curl", "-s", URL6)
        strip = ETH if kind == "cgroup" else 0
        what = f"{kind}, BIG TCP"
        cut_same(failures, what, path, truth, strip)
        with open(directory + "/big", "rb") as file:
            content = file.read()
        failures.that(f"{what}: the file that was fetched is in it",
                      any(content in stream for stream in
                          streams(path, "v0", ETH - strip).values()))
        failures.check(what + ": losses", source.losses(), NO_LOSS)
    for n, end in ((net.a, "v0"), (net.b, "v1")):
        Veth.ip("-n", n.name, "link", "set", end, "gso_max_size", "65536",
                "gro_max_size", "65536")


def tcp_of(packet):
    """(addresses, TCP segment) of an IP packet; None when it is none.  The
    length of a jumbogram stands in a header of its own."""
    if packet[0] >> 4 == 4 and packet[9] == 6:
        total = struct.unpack_from(">H", packet, 2)[0] or len(packet)
        return packet[12:20], packet[(packet[0] & 15) * 4:total]
    if packet[0] >> 4 == 6 and packet[6] in (0, 6):
        total = struct.unpack_from(">H", packet, 4)[0]
        at = 40
        if packet[6] == 0:
            if packet[40] != 6:
                return None
            at = 48
        return packet[8:40], packet[at:40 + total if total else len(packet)]
    return None


def streams(path, interface, strip):
    """The bytes of each TCP stream by its ends, however they were cut into
    packets."""
    pieces = collections.defaultdict(dict)
    for name, _, _, frame, _ in read_pcap(path):
        found = len(frame) > strip + 40 and tcp_of(frame[strip:])
        if not found or (interface and name != interface):
            continue
        addresses, tcp = found
        at = struct.unpack_from(">I", tcp, 4)[0]
        data = tcp[(tcp[12] >> 4) * 4:]
        each = pieces[addresses + tcp[:4]]
        if len(data) > len(each.get(at, b"")):
            each[at] = data
    return {key: joined(each) for key, each in pieces.items()
            if sum(map(len, each.values())) > 1000}


def joined(pieces):
    """In the order of their numbers, which may start anew in between."""
    first = next(at for at in pieces
                 if all((other - at) % 2**32 < 2**31 for other in pieces))
    whole, expected = [], first
    for at in sorted(pieces, key=lambda at: (at - first) % 2**32):
        if (at - expected) % 2**32 < 2**31:
            whole.append(pieces[at])
            expected = (at + len(pieces[at])) % 2**32
    return b"".join(whole)


def check_segmented(net, directory, failures):
    """Without offloads the device gets segments where the programs saw the
    super-packet: the same bytes, cut otherwise."""
    for n, end in ((net.a, "v0"), (net.b, "v1")):
        n.run("ethtool", "-K", end, "tso", "off", "gso", "off", "gro", "off")
    for kind, more in (("cgroup", ("-f", NETWORK)),
                       ("interface", ("-i", "v0", "-n", net.a.name)),
                       ("af_packet", ("-i", "v0", "-n", net.a.name))):
        path, truth = directory + "/s.pcapng", directory + "/t.pcap"
        with Source(path, "-s", kind, *more) as source:
            with tcpdump(net.a, "v0", truth, "tcp"):
                traffic(net)
        strip = ETH if kind == "cgroup" else 0
        got = streams(path, "v0", ETH - strip)
        expected = streams(truth, None, ETH)
        failures.that(f"{kind}, no offloads: the same bytes in "
                      f"{len(expected)} streams",
                      got == expected and len(expected) >= 2,
                      str([(k.hex(), len(got.get(k, b"")), len(v))
                           for k, v in expected.items() if got.get(k) != v]))
        failures.check(f"{kind}, no offloads: losses", source.losses(),
                       NO_LOSS)
    for n, end in ((net.a, "v0"), (net.b, "v1")):
        n.run("ethtool", "-K", end, "tso", "on", "gso", "on")


def check_interfaces_come(net, directory, failures):
    """An interface that comes while it runs is captured, one that goes is
    said to be gone; the time in between is bounded and told."""
    path = directory + "/s.pcapng"
    with Source(path, "-s", "interface", "-i", "all", "-n",
                f"{net.a.name},{net.b.name}") as source:
        began = time.monotonic_ns()
        net.ip("link", "add", "w0", "netns", net.a.name, "type", "veth",
               "peer", "name", "w1", "netns", net.b.name)
        for n, end, host in ((net.a, "w0", 1), (net.b, "w1", 2)):
            net.ip("-n", n.name, "addr", "add", f"10.98.0.{host}/24", "dev",
                   end)
            net.ip("-n", n.name, "link", "set", end, "up")
        # Traffic for as long as it may take to notice.
        for _ in range(20):
            iperf(net, "-c", "10.98.0.2", "-n", "1M")
            time.sleep(0.1)
        net.ip("-n", net.a.name, "link", "delete", "w0")
        ended = time.monotonic_ns()
    told = {each["name"]: each
            for each in source.result["description"]["interfaces"]}
    failures.that("a new interface is captured", told["w0"]["seen"] > 20,
                  str(told["w0"]))
    failures.that("its unseen time is told",
                  0 < told["w0"]["unseen_ns"] < ended - began)
    failures.check("and that it went", told["w0"]["gone"], True)
    failures.check("the others are there", told["v0"]["gone"], False)


def check_crash(net, directory, failures):
    """After kill -9 nothing stays (TCX), or goes with the next (clsact)."""
    for avoid, way in ((0, "TCX"), (AVOID_TCX, "clsact")):
        words = ["-s", "interface", "-i", "v0", "-n", net.a.name, "-a",
                 str(avoid)]
        first = Source(directory + "/s.pcapng", *words)
        first.__enter__()
        first.process.kill()
        first.process.communicate()
        with Source(directory + "/s.pcapng", *words) as source:
            filters = net.a.run("tc", "filter", "show", "dev", "v0",
                                "ingress", stdout=subprocess.PIPE,
                                text=True).stdout
        failures.check(f"{way}: filters on v0 after a crash",
                       filters.count("handle 0x"), int(way == "clsact"))
        failures.check(f"{way}: mechanism",
                       source.result["description"]["mechanism"], way)
        filters = net.a.run("tc", "filter", "show", "dev", "v0", "ingress",
                            stdout=subprocess.PIPE, text=True).stdout
        failures.check(f"{way}: and at the end", filters.count("handle 0x"), 0)


def check_least_rights(net, directory, failures):
    """With CAP_NET_RAW alone AF_PACKET is chosen, and said."""
    path = directory + "/u.pcapng"
    os.chmod(directory, 0o777)
    command = ["nsenter", "--net=/run/netns/" + net.a.name, "setpriv",
               "--reuid", "65534", "--regid", "65534", "--clear-groups",
               "--inh-caps", "-all,+net_raw", "--ambient-caps",
               "-all,+net_raw", TOOL, "-w", path]
    run = subprocess.Popen(command, stderr=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    said = ""
    for line in run.stderr:
        if line.startswith("ready"):
            break
        said += line
    net.a.run("curl", "-s", URL4)
    time.sleep(0.3)
    run.send_signal(signal.SIGTERM)
    out, _ = run.communicate(timeout=20)
    failures.that("what was passed over is said", "CAP_BPF" in said, said)
    result = json.loads(out) if out else {"packets": 0, "description": {}}
    failures.check("AF_PACKET with CAP_NET_RAW alone",
                   result["description"].get("source"), "af_packet")
    failures.that("and captures", result["packets"] > 20)


def check_replay(net, directory, failures):
    path = directory + "/r.pcapng"
    truth = directory + "/t.pcap"
    with tcpdump(net.a, "v0", truth):
        traffic(net)
    subprocess.run(["gzip", "-kf", truth], check=True)
    for file in (truth, truth + ".gz"):
        out = subprocess.run([TOOL, "-s", "replay", "-r", file, "-w", path],
                             capture_output=True, text=True, check=True)
        same(failures, "replay of " + os.path.basename(file), frames(path),
             frames(truth))
        failures.check("replayed", json.loads(out.stdout)["seen"],
                       sum(1 for _ in read_pcap(truth)))


def main():
    need("tcpdump", "nginx", "curl", "iperf3", "ip", "tc", "ethtool",
         "setpriv", "nsenter", "gzip")
    need_root()
    failures = Failures()
    with workspace() as directory, Veth() as net:
        start_servers(net, directory)
        wanted = sys.argv[3:]

        def run(name, function, *words):
            if wanted and not any(w in name for w in wanted):
                return
            for _ in range(4):
                print("---", name, flush=True)
                try:
                    return function(net, directory, failures, *words)
                except TcpdumpLost:
                    print("tcpdump itself lost packets: once more")
            skip("tcpdump itself loses packets: the machine is too busy")

        run("interface", check_interface, "TCX")
        run("interface clsact", check_interface, "clsact, fixed sizes", "-a",
            str(AVOID_TCX | AVOID_DYNPTR))
        run("cgroup", check_cgroup, "cgroup")
        run("cgroup fixed", check_cgroup, "cgroup, fixed sizes", "-a",
            str(AVOID_DYNPTR))
        run("af_packet", check_af_packet, "af_packet")
        run("replay", check_replay)
        run("loopback", check_loopback)
        run("filters", check_filters)
        run("overload", check_overload)
        run("tags", check_tags)
        run("big", check_big_tcp)
        run("segmented", check_segmented)
        run("come", check_interfaces_come)
        run("crash", check_crash)
        run("rights", check_least_rights)
    failures.exit()


main()
