#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names that a server of gRPC gives when it is asked for its types, of grpc-js
with @grpc/reflection: calls before and after, on other connections and of other
parsers, are what Google's own library makes of their bytes.

usage: test_grpc_reflection.py AFTERTAP
"""
import json
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, need, need_root,
                     npm_install, skip, workspace)
from test_grpc_messages import PYTHON, SUPPORT, check_by_name

# Two servers whose types differ in names, and one that is never asked.
FIRST, OTHER, SILENT = 18410, 18411, 18412
RENAMED = (("string who", "string customer"), ("string late", "string password"))


def descriptors(directory, proto_path):
    out = os.path.join(directory, os.path.basename(proto_path) + ".pb")
    subprocess.run(["protoc", "-I", proto_path, "--include_imports",
                    "--descriptor_set_out", out, "shop.proto"], check=True)
    return out


def other_proto(directory):
    with open(os.path.join(SUPPORT, "shop.proto"), encoding="utf-8") as file:
        text = file.read()
    for old, new in RENAMED:
        text = text.replace(old, new)
    path = os.path.join(directory, "other")
    os.mkdir(path)
    with open(os.path.join(path, "shop.proto"), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def serve(space, directory, other):
    for port, path in ((FIRST, SUPPORT), (OTHER, other), (SILENT, SUPPORT)):
        space.start("node", os.path.join(SUPPORT, "reflection_server.mjs"),
                    directory, str(port), os.path.join(path, "shop.proto"))
    for port in (FIRST, OTHER, SILENT):
        space.wait_port(port)


def record(space, directory, name, pb, *steps):
    pcap, log = (os.path.join(directory, name + end)
                 for end in (".pcap", ".jsonl"))
    recorder = space.record(pcap, "tcp portrange 18410-18412")
    space.run(PYTHON, os.path.join(SUPPORT, "reflection_calls.py"), log, pb,
              *steps, timeout=120, stderr=None)
    space.stop(recorder)
    with open(log, encoding="utf-8") as file:
        return pcap, [json.loads(line) for line in file]


def calls_of(aftertap, db):
    """Calls of the shop as they came: one parser may be ahead of another."""
    rows = sorted(aftertap.rows(
        db, "ts, dst_port, method, messages(id, 'request'),"
        " messages(id, 'response')", "method LIKE 'shop.Cart/%'", "--reveal"),
        key=lambda row: row[1])
    return [{"id": row[0], "port": row[2], "method": row[3]} | {
        side: [json.loads(line) for line in text.splitlines()]
        for side, text in (("request", row[4]), ("response", row[5]))}
        for row in rows]


def at(port, calls):
    return [call for call in calls if call["port"] == port]


def of(calls):
    return sum(len(c["request"]) + len(c["response"]) for c in calls)


def check_names(failures, calls, truth, directory, pb, what):
    failures.check(what + ": calls", [c["method"] for c in calls],
                   [t["method"] for t in truth])
    check_by_name(failures, calls, truth, directory, pb, of(truth),
                  what + ": messages as the library reads them")
    failures.check(what + ": times that are missing", sum(
        "time" not in line for c in calls for side in ("request", "response")
        for line in c[side]), 0)


def check_one_server(failures, aftertap, space, directory, pbs):
    """Before, after, and of a server that was not asked."""
    pcap, truth = record(
        space, directory, "one", pbs[0], f"{FIRST}:calls=16",
        f"{FIRST}:v1=shop.Cart", f"{FIRST}:calls=16", f"{SILENT}:calls=8",
        f"{FIRST}:v1=shop.Cart")
    for parsers in ("1", "3"):
        db = aftertap.dissected(pcap, "one" + parsers, "--parsers", parsers)
        check_names(failures, calls_of(aftertap, db), truth, directory,
                    pbs[0], f"one server, {parsers} parsers")
    failures.check("calls found by a name", len(aftertap.json(
        "--db", db, "calls", 'request.messages.contains("\\"paid\\"")',
        "--limit", "100")["calls"]), sum(
            '"paid"' in json.dumps(c["request"])
            for c in calls_of(aftertap, db)))
    db = aftertap.dissected(pcap, "given", "--descriptors", pbs[1])
    check_names(failures, calls_of(aftertap, db), truth, directory, pbs[1],
                "descriptors that are given")


def check_two_servers(failures, aftertap, space, directory, pbs):
    """Each by its own names, and none by those of another."""
    pcap, truth = record(
        space, directory, "two", pbs[0], f"{FIRST}:calls=6",
        f"{OTHER}:calls=16", f"{SILENT}:calls=6", f"{OTHER}:v1=shop.Cart",
        f"{FIRST}:v1alpha=shop.Order")
    for parsers in ("1", "3"):
        db = aftertap.dissected(pcap, "two" + parsers, "--parsers", parsers)
        calls = calls_of(aftertap, db)
        for port, pb in ((FIRST, pbs[0]), (OTHER, pbs[1])):
            check_names(failures, at(port, calls), at(port, truth), directory,
                        pb, f"port {port}, {parsers} parsers")
        failures.that("types that two servers see differently are no one "
                      "else's", all(
                          key.isdigit() for c in at(SILENT, calls)
                          for key in c["request"][0]["message"]))
    check_redaction(failures, aftertap, db, at(OTHER, calls))


def check_redaction(failures, aftertap, db, calls):
    """A name tells what is secret."""
    secrets = [(c["id"], c["request"][0]["message"].get("password", ""))
               for c in calls]
    secrets = [(call, secret) for call, secret in secrets
               if len(secret) > 3 and "\n" not in secret]

    def shown(*options):
        return sum(
            json.dumps(secret, ensure_ascii=False) in aftertap.json(
                "--db", db, "call", str(call), *options)["call"][
                    "req_messages"]
            for call, secret in secrets)

    failures.that("secrets that are shown when asked for",
                  shown("--reveal") == len(secrets) >= 1, len(secrets))
    failures.check("secrets that are shown", shown(), 0)


def main(binary):
    need_root()
    need("tcpdump", "protoc", "node", PYTHON)
    if subprocess.run([PYTHON, "-c", "import grpc, google.protobuf"],
                      capture_output=True).returncode:
        skip("python3-grpcio and python3-protobuf are not installed")
    failures = Failures()
    with workspace() as directory, Namespace("at-reflect") as space:
        if not npm_install(directory, "@grpc/reflection@1.0.4"):
            skip("@grpc/reflection is not to be had")
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        other = other_proto(directory)
        pbs = [descriptors(directory, path) for path in (SUPPORT, other)]
        serve(space, directory, other)
        check_one_server(failures, aftertap, space, directory, pbs)
        check_two_servers(failures, aftertap, space, directory, pbs)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
