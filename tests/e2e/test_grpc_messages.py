#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Messages of gRPC: what aftertap shows of them without knowing their type
holds every byte of them and has the shape that protoc --decode_raw finds; with
a descriptor set it is what Google's own library reads.

usage: test_grpc_messages.py AFTERTAP
"""
import base64
import json
import os
import re
import struct
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, ROOT, need, need_root,
                     skip, workspace)

PYTHON = "/usr/bin/python3"  # that Debian's grpcio is for
SUPPORT = os.path.join(ROOT, "tests", "support")


def varint(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def encoded(message):
    """The bytes of a message from what is shown of it by number."""
    out = b""
    for key, values in message.items():
        number = int(key)
        for value in values if isinstance(values, list) else [values]:
            kind = set(value) if isinstance(value, dict) else None
            if isinstance(value, int):
                out += varint(number << 3) + varint(value)
            elif kind == {"uint64", "int64", "sint64"}:
                out += varint(number << 3) + varint(value["uint64"])
            elif kind == {"fixed32", "float"}:
                out += varint(number << 3 | 5) + struct.pack(
                    "<I", value["fixed32"])
            elif kind == {"fixed64", "double"}:
                out += varint(number << 3 | 1) + struct.pack(
                    "<Q", value["fixed64"])
            else:
                data = (value.encode() if isinstance(value, str) else
                        base64.b64decode(value["base64"])
                        if "base64" in value else encoded(value))
                out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def numbers(message):
    """How often each number of the first level is there."""
    return {int(key): len(value) if isinstance(value, list) else 1
            for key, value in message.items()}


def raw_numbers(data):
    text = subprocess.run(["protoc", "--decode_raw"], input=data,
                          capture_output=True, check=True).stdout
    out = {}
    for number in re.findall(rb"^(\d+)(?:: | {)", text, re.MULTILINE):
        out[int(number)] = out.get(int(number), 0) + 1
    return out


def plain(message):
    """As the JSON mapping of Protocol Buffers has it, where we differ."""
    out = {}
    for key, value in message.items():
        if key == "stock":
            out[key] = {entry.get("key", ""): entry.get("value", 0)
                        for entry in value}
        elif key == "before":
            out[key] = plain(value)
        elif key == "token":
            out[key] = value["base64"]
        else:
            out[key] = value
    return out


def check_by_number(failures, calls, truth):
    shown = wrong = 0
    for said, got in zip(truth, calls):
        for side in ("request", "response"):
            for data, line in zip(said[side], got[side]):
                data = bytes.fromhex(data)
                shown += 1
                if (encoded(line["message"]) != data or
                        numbers(line["message"]) != raw_numbers(data)):
                    wrong += 1
                    print("differs:", data.hex(), line)
    failures.check("messages that are not shown as protoc reads them", wrong,
                   0)
    failures.check("messages", shown, 60 + 45 + 15 * 4)


def check_by_name(failures, calls, truth, directory, descriptors, count=165,
                  what="messages by name, as the library reads them"):
    """Google's library makes the message of ours again, and compares."""
    path = os.path.join(directory, "named.json")
    with open(path, "w") as file:
        json.dump([[data, plain(line["message"])]
                   for said, got in zip(truth, calls)
                   for side in ("request", "response")
                   for data, line in zip(said[side], got[side])], file)
    program = (
        "import json, sys\n"
        "from google.protobuf import json_format\n"
        f"sys.path.insert(0, {SUPPORT!r})\n"
        "from grpc_messages import order_type\n"
        "order, same = order_type(sys.argv[1]), 0\n"
        "for data, ours in json.load(open(sys.argv[2])):\n"
        "    said = order.FromString(bytes.fromhex(data))\n"
        "    got = json_format.ParseDict(ours, order())\n"
        "    if said == got:\n"
        "        same += 1\n"
        "    else:\n"
        "        print('differs', ours, said, file=sys.stderr)\n"
        "print(same)\n")
    done = subprocess.run([PYTHON, "-c", program, descriptors, path],
                          capture_output=True, text=True)
    failures.check(what, (done.stdout.strip(), done.stderr[-600:]),
                   (str(count), ""))


def messages(aftertap, db):
    calls = []
    for _, method, request, response in aftertap.rows(
            db, "method, messages(id, 'request'), messages(id, 'response')",
            "protocol = 'grpc'", "--reveal"):
        calls.append({"method": method} | {
            side: [json.loads(line) for line in text.splitlines()]
            for side, text in (("request", request), ("response", response))})
    return calls


def check_times(failures, aftertap, db, calls):
    # Groups of zeros at the end are left out, and "Z" sorts behind digits.
    times = [[line["time"].rstrip("Z") for line in call["response"]]
             for call in calls if call["method"].endswith("Watch")]
    wrong = [t for t in times if sorted(t) != t or len(t) != 4]
    failures.that("times of a stream go on", times and not wrong, wrong[:1])
    failures.check("a message is found by what it says", len(aftertap.json(
        "--db", db, "calls", 'grpc && response.messages.contains("\\"time\\"")',
        "--limit", "100")["calls"]), 60)


def main(binary):
    need_root()
    need("tcpdump", "protoc", PYTHON)
    if subprocess.run([PYTHON, "-c", "import grpc, google.protobuf"],
                      capture_output=True).returncode:
        skip("python3-grpcio and python3-protobuf are not installed")
    failures = Failures()
    with workspace() as directory, Namespace("at-grpc-m") as space:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        descriptors = os.path.join(directory, "shop.pb")
        pcap, log = directory + "/m.pcap", directory + "/m.jsonl"
        subprocess.run(["protoc", "-I", SUPPORT, "--include_imports",
                        "--descriptor_set_out", descriptors, "shop.proto"],
                       check=True)
        recorder = space.record(pcap, "tcp port 18406")
        space.run(PYTHON, os.path.join(SUPPORT, "grpc_messages.py"), "18406",
                  log, descriptors, timeout=120)
        space.stop(recorder)
        with open(log) as file:
            truth = [json.loads(line) for line in file]
        db = aftertap.dissected(pcap, "numbers")
        calls = messages(aftertap, db)
        failures.check("methods", [c["method"] for c in calls],
                       [t["method"] for t in truth])
        check_by_number(failures, calls, truth)
        check_times(failures, aftertap, db, calls)
        db = aftertap.dissected(pcap, "names", "--descriptors", descriptors)
        check_by_name(failures, messages(aftertap, db), truth, directory,
                      descriptors)
        done = aftertap.run("dissect", "names", "--name", "bad",
                            "--descriptors", pcap, check=False)
        failures.that("a file that is none is refused",
                      done.returncode != 0 and "FileDescriptorSet" in
                      done.stderr, done.stderr)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
