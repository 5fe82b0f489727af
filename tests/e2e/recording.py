# SPDX-License-Identifier: Apache-2.0
"""What the tests of aftertap-capture share: a recorder as a child, numbered
packets, and what a snapshot holds of them."""
import json
import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import support


def program(aftertap):
    return os.path.join(os.path.dirname(aftertap.binary), "aftertap-capture")


class Recorder:
    """aftertap-capture as a child; started and recording when made."""

    def __init__(self, aftertap, name, *options, wait=True, log=None):
        self.aftertap, self.name = aftertap, name
        self.log_path = log or os.path.join(
            aftertap.home, f"{name}-{time.monotonic_ns()}.log")
        os.makedirs(aftertap.home, exist_ok=True)
        with open(self.log_path, "w") as file:
            self.child = subprocess.Popen(
                [aftertap.binary, "--home", aftertap.home, "--quiet",
                 "capture", "--name", name, *options],
                stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        if wait:
            self.wait_for(lambda: self.status().get("state") == "recording",
                          "it records")

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def wait_for(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"{self.name}: not so: {what}\n{self.log()}")

    def status(self):
        done = self.aftertap.run("--json", "captures", "status", self.name,
                                 check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(120)


class Sender(threading.Thread):
    """Numbered datagrams to a port of loopback, `rate` a second, until
    stopped.  `sent` has the monotonic time of each."""

    def __init__(self, port, size=200, rate=2000, pad=None):
        super().__init__(daemon=True)
        self.port, self.size, self.rate = port, size, rate
        self.pad = pad or os.urandom(size)
        self.sent, self.stopped = [], threading.Event()
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("127.0.0.1", port))

    def run(self):
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        out.connect(("127.0.0.1", self.port))
        started = time.monotonic()
        while not self.stopped.is_set():
            due = int((time.monotonic() - started) * self.rate) + 1
            while len(self.sent) < due and not self.stopped.is_set():
                self.sent.append(time.monotonic())
                noise = random.randbytes(self.size - 8)
                out.send(struct.pack(">Q", len(self.sent) - 1) + noise)
            time.sleep(0.002)
        out.close()

    def stop(self):
        self.stopped.set()
        self.join()
        self.sink.close()


def pcap_packets(path):
    """(time in ns, link type, bytes) of a classic capture of either
    resolution."""
    with open(path, "rb") as file:
        data = file.read()
    magic, = struct.unpack_from("<I", data)
    unit = {0xa1b23c4d: 1, 0xa1b2c3d4: 1000}[magic]
    link, = struct.unpack_from("<I", data, 20)
    at, packets = 24, []
    while at < len(data):
        seconds, part, size, _ = struct.unpack_from("<IIII", data, at)
        packets.append((seconds * 10**9 + part * unit, link,
                        data[at + 16:at + 16 + size]))
        at += 16 + size
    return packets


def ip_of(link, frame):
    return frame[14:] if link == 1 else frame


def numbers(packets, port):
    """The numbers of the Sender's datagrams among packets, in their order."""
    found = []
    for _, link, frame in packets:
        ip = ip_of(link, frame)
        if len(ip) < 36 or ip[0] != 0x45 or ip[9] != 17:
            continue
        if struct.unpack_from(">H", ip, 22)[0] == port:
            found.append(struct.unpack_from(">Q", ip, 28)[0])
    return found


def snapshot_packets(aftertap, snapshot, workspace, *captures):
    """Makes a snapshot of captures and returns its packets."""
    words = [word for name in captures for word in ("--captures", name)]
    aftertap.run("snapshots", "create", snapshot, *words)
    return exported(aftertap, snapshot, workspace)


def exported(aftertap, snapshot, workspace):
    path = os.path.join(workspace, f"{snapshot}-{time.monotonic_ns()}.pcap")
    aftertap.run("export", snapshot, path, "--format", "pcap")
    packets = pcap_packets(path)
    os.unlink(path)
    return packets


def need_recording(aftertap):
    """Skips where the kernel gives no packets to us."""
    support.need_root()
    if not os.path.exists(program(aftertap)):
        support.skip("aftertap-capture was not built")
