#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The CLI as a person uses it: import in every container, snapshot, dissect,
ask, export, and clear errors with the right exit status.

usage: test_cli.py AFTERTAP
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

from support import Aftertap, Failures, need, tshark_fields, workspace

REQUEST = (b"GET /hello?a=1 HTTP/1.1\r\nHost: web.test\r\n"
           b"Authorization: Bearer topsecret\r\n\r\n")
RESPONSE = (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 5\r\n\r\nnope\n")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def tcp_packet(source, destination, ports, seq, ack, flags, payload=b""):
    tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 65535, 0,
                      0)
    total = 20 + len(tcp) + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, seq & 0xffff, 0x4000,
                     64, 6, 0, source, destination)
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return bytes(12) + b"\x08\x00" + ip + tcp + payload


def conversation():
    """(ms offset, frame) of one exchange on a connection of its own."""
    client, server = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    there, back = (40000, 8080), (8080, 40000)

    def to(ms, seq, ack, flags, payload=b""):
        return ms, tcp_packet(client, server, there, seq, ack, flags, payload)

    def fro(ms, seq, ack, flags, payload=b""):
        return ms, tcp_packet(server, client, back, seq, ack, flags, payload)

    asked, told = 101 + len(REQUEST), 501 + len(RESPONSE)
    return [to(0, 100, 0, 2), fro(1, 500, 101, 18), to(2, 101, 501, 16),
            to(3, 101, 501, 24, REQUEST), fro(40, 501, asked, 24, RESPONSE),
            to(41, asked, told, 17), fro(42, told, asked + 1, 17),
            to(43, asked + 1, told + 1, 16)]


def write_pcap(path, packets, start=1_700_000_000):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for ms, frame in packets:
            file.write(struct.pack("<IIII", start + ms // 1000,
                                   ms % 1000 * 1000, len(frame), len(frame)))
            file.write(frame)


def containers(pcap, directory):
    """The same packets in every container."""
    yield pcap
    with open(pcap, "rb") as file:
        data = file.read()
    with gzip.open(os.path.join(directory, "web.pcap.gz"), "wb") as out:
        out.write(data)
    yield os.path.join(directory, "web.pcap.gz")
    for program, suffix in (("zstd", ".zst"), ("lz4", ".lz4")):
        if shutil.which(program):
            subprocess.run([program, "-q", "-f", pcap, pcap + suffix],
                           check=True)
            yield pcap + suffix
    for kind, name in (("pcapng", "web.pcapng"), ("nsecpcap", "web.ns.pcap")):
        if shutil.which("editcap"):
            path = os.path.join(directory, name)
            subprocess.run(["editcap", "-F", kind, pcap, path], check=True)
            yield path


def check_imports(failures, aftertap, pcap, directory):
    for path in containers(pcap, directory):
        name = os.path.basename(path)
        capture = aftertap.json("import", "--name", name, path)
        failures.check(f"packets of {name}", capture["packets"], 8)
        failures.check(f"first of {name}", capture["first"],
                       "2023-11-14T22:13:20Z")
    with open(pcap, "rb") as stdin:
        done = subprocess.run(
            [aftertap.binary, "--home", aftertap.home, "--json", "import",
             "--name", "stdin", "-"], stdin=stdin, capture_output=True,
            text=True)
    failures.check("packets from standard input",
                   json.loads(done.stdout)["packets"], 8)


def check_queries(failures, aftertap):
    aftertap.run("snapshots", "create", "s", "--captures", "web.pcap")
    aftertap.run("dissect", "s", "--name", "d")
    calls = aftertap.json("calls", "status_code == 404")["calls"]
    failures.check("calls", len(calls), 1)
    call = calls[0]
    failures.check("method, path, status",
                   (call["method"], call["path"], call["status"]),
                   ("GET", "/hello", 404))
    failures.check("latency", round(call["latency_ms"], 3), 37.0)
    whole = aftertap.run("call", str(call["id"])).stdout
    failures.that("the body is shown", "nope" in whole, whole[:60])
    failures.that("the credential is not", "topsecret" not in whole)
    shown = aftertap.run("call", str(call["id"]), "--reveal").stdout
    failures.that("unless asked for", "topsecret" in shown)
    empty = aftertap.run("calls", "status_code == 200").stdout
    failures.that("an empty answer says what it rests on",
                  "8" in empty and "packets" in empty, empty)
    flows = aftertap.json("flows")["flows"]
    failures.check("flows", len(flows), 1)
    rows = aftertap.json("sql", "SELECT count(*) FROM api_calls")["rows"]
    failures.check("sql", rows, [[1]])


def check_export(failures, aftertap, directory):
    out = os.path.join(directory, "out.pcapng")
    aftertap.run("export", "s", out)
    frames = tshark_fields(out, "frame", ["frame.number"])
    failures.check("tshark reads the export", len(frames), 8)
    segment = os.path.join(aftertap.home, "snapshots", "s", "segments")
    for name in os.listdir(segment):
        if name.endswith(".zst"):
            frames = tshark_fields(os.path.join(segment, name), "frame",
                                   ["frame.number"])
            failures.check("tshark reads the segment", len(frames), 8)


def check_errors(failures, aftertap, directory):
    text = os.path.join(directory, "notes.txt")
    with open(text, "w") as file:
        file.write("not a capture\n" * 10)
    for words, status, piece in (
            (["import", "/does/not/exist"], 1, "exist"),
            (["import", text], 1, "capture"),
            (["import", "--name", "../x", text], 1, "name"),
            (["import", "--name", "web.pcap",
              os.path.join(directory, "web.pcap")], 1, "exists"),
            (["snapshots", "create", "s"], 1, "exists"),
            (["snapshots", "create", "t", "--from",
              "2030-01-01T00:00:00Z"], 1, "2023-11-14"),
            (["dissect", "nothing"], 1, "nothing"),
            (["calls", "statuscode == 404"], 2, "status_code"),
            (["calls", "--limt", "5"], 2, "limit"),
            (["sql", "DELETE FROM api_calls"], 2, ""),
            (["clals"], 2, "calls")):
        done = aftertap.run(*words, check=False)
        failures.that(f"{' '.join(words)[:60]}: exit {done.returncode}",
                      done.returncode == status, f"expected {status}")
        failures.that("  says " + repr(piece), piece in done.stderr,
                      done.stderr.strip()[:200])


def check_help(failures, aftertap):
    """What serve understands is what its help names."""
    source = pathlib.Path(__file__).parents[2] / "server/cli/serve_command.c"
    options = set(re.findall(r'"(--[a-z-]+)"', source.read_text()))
    named = set(re.findall(r"--[a-z-]+",
                           aftertap.run("help", "serve").stdout))
    failures.that("help of serve: there are options", len(options) > 10)
    failures.that("help of serve: all are named", options <= named,
                  sorted(options - named))


def main(binary):
    need("tshark")
    failures = Failures()
    with workspace() as directory:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        pcap = os.path.join(directory, "web.pcap")
        write_pcap(pcap, conversation())
        check_imports(failures, aftertap, pcap, directory)
        check_queries(failures, aftertap)
        check_export(failures, aftertap, directory)
        check_errors(failures, aftertap, directory)
        check_help(failures, aftertap)
        aftertap.run("snapshots", "verify", "s")
        aftertap.run("doctor")
        for shell in ("bash", "zsh", "fish"):
            script = aftertap.run("completion", shell).stdout
            failures.that(f"{shell} completion", all(
                word in script for word in ("calls", "dry-run", "cursor")))
        check = subprocess.run(["bash", "-n"], text=True, input=aftertap.run(
            "completion", "bash").stdout)
        failures.check("bash accepts its completion", check.returncode, 0)
        for client in ("claude", "vscode", "cursor"):
            json.loads(aftertap.run("mcp-config", client).stdout)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
