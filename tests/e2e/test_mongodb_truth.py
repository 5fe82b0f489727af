#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drivers of MongoDB against a server of ours (Debian has none), recorded with
tcpdump: pymongo with each compression, and npm's `mongodb` where it can be had,
which share no code.  Messages are counted as tshark counts them; documents and
errors are those that the drivers sent and were told.  Also with packets lost,
swapped and doubled, and from the middle.

usage: test_mongodb_truth.py AFTERTAP
"""
import collections
import json
import os
import shutil
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, ROOT, impaired_captures,
                     need, need_root, no_wrong_pairs, npm_install, skip,
                     tshark_fields, workspace)

PYTHON = "/usr/bin/python3"  # that Debian's pymongo is for
SUPPORT = os.path.join(ROOT, "tests", "support")
PORT = "7366"
CODECS = ("snappy", "zlib", "zstd", "none")
CALLS = 100


def run_client(log):
    """pymongo: tells what it was told."""
    import pymongo
    told = {"found": [], "errors": []}
    for codec in CODECS:
        client = pymongo.MongoClient(
            "127.0.0.1", int(PORT), appname="truth",
            **({} if codec == "none" else {"compressors": codec}))
        items = client.shop[codec]
        for i in range(CALLS):
            items.insert_one({"_id": i, "text": f"inserted {i}"})
            found = list(items.find({"start": i, "count": 1}))
            told["found"].append([codec, i, found[0]["text"],
                                  len(found[0]["long"])])
        list(items.find({"start": 500, "count": 45}))
        items.insert_many([{"_id": i} for i in range(50)])
        unheard = items.with_options(
            write_concern=pymongo.WriteConcern(w=0))
        unheard.delete_one({"_id": 1})
        for action in (lambda: items.insert_one({"_id": -1}),
                       lambda: client.shop.command("noSuchCommand")):
            try:
                action()
            except pymongo.errors.OperationFailure as error:
                told["errors"].append([error.code,
                                       error.details["errmsg"]])
        client.close()
    with open(log, "w") as file:
        json.dump(told, file)


def install_driver(directory):
    """Where npm's driver is; None, and says so, when it cannot be had."""
    if not npm_install(directory, "mongodb@6.9.0"):
        return None
    shutil.copy(os.path.join(SUPPORT, "mongodb_calls.mjs"), directory)
    return os.path.join(directory, "mongodb_calls.mjs")


def record(directory):
    pcap = os.path.join(directory, "mongodb.pcap")
    log = os.path.join(directory, "told.json")
    driver = install_driver(directory)
    with Namespace("at-mongodb") as space:
        space.start(PYTHON, os.path.join(SUPPORT, "mongodb_server.py"), PORT)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(PYTHON, os.path.abspath(__file__), "client", log,
                  timeout=120)
        node = driver and json.loads(space.run(
            "node", driver, PORT, stdout=subprocess.PIPE, timeout=60).stdout)
        space.stop(recorder)
    return pcap, json.load(open(log)), node


def check_messages(failures, aftertap, db, pcap):
    """Each message by direction, and those compressed."""
    theirs = collections.Counter()
    for port, lengths, codecs in tshark_fields(
            pcap, "mongo", ["tcp.dstport", "mongo.request_id",
                            "mongo.compression.compressor"],
            "-d", f"tcp.port=={PORT},mongo"):
        side = "requests" if port == PORT else "responses"
        theirs[side] += len(lengths.split("|"))
        if codecs:
            theirs[side, "compressed"] += len(codecs.split("|"))
    ours = collections.Counter()
    for _, request, response, q, r in aftertap.rows(
            db, "request_size > 0, response_size > 0,"
            " header(id, 'request', 'compression') IS NOT NULL,"
            " header(id, 'response', 'compression') IS NOT NULL",
            "protocol = 'mongodb'"):
        ours["requests"] += bool(request)
        ours["responses"] += bool(response)
        ours["requests", "compressed"] += bool(q)
        ours["responses", "compressed"] += bool(r)
    failures.check("messages", dict(ours), dict(theirs))
    failures.check("calls of other protocols", list(aftertap.rows(
        db, "protocol", "protocol != 'mongodb'")), [])
    # A driver that is closed waits for no answer to its last greeting.
    failures.check("halves alone", [row[1:] for row in aftertap.rows(
        db, "method, reason", "reason != '' AND method NOT IN"
        " ('delete', 'hello', 'ismaster', 'streamed answer')")], [])
    failures.check("not complete", [row[1:] for row in aftertap.rows(
        db, "method, path", "NOT complete AND method NOT IN ('hello',"
        " 'ismaster', 'delete', 'streamed answer')")][:3], [])


def first_line(text):
    return json.loads(text.split("\n", 1)[0])


def first_document(body):
    """Of an insert: beside the command, or in it."""
    command, _, rest = body.partition("\n")
    return first_line(rest) if rest else json.loads(command)["documents"][0]


def check_documents(failures, aftertap, db, told, node):
    found, long = [], 0
    for _, path, request, response, size in aftertap.rows(
            db, "path, body_text(id, 'request'), body_text(id, 'response'),"
            " response_size", "method = 'find' AND host = 'shop' AND"
            " body_text(id, 'request') LIKE '%\"count\":1}%'"):
        if path == "none" and size > 128 << 10:
            long += 1
            continue
        got = first_line(response)["cursor"]["firstBatch"][0]
        found.append([path, first_line(request)["filter"]["start"],
                      got["text"], len(got["long"])])
    expected = [each for each in told["found"] if each[3] < 128 << 10 or
                each[0] != "none"]
    if node:
        expected += [["node", i, text, i * 7 if i % 50 else 200_000]
                     for i, _, text in node["found"]]
    failures.check("found", sorted(found), sorted(expected))
    failures.check("long answers", long, len(told["found"]) -
                   len([e for e in told["found"] if e in expected]))
    inserted = collections.Counter(
        (path, first_document(body)["text"])
        for _, path, body in aftertap.rows(
            db, "path, body_text(id, 'request')", "method = 'insert' AND"
            " body_text(id, 'request') LIKE '%inserted%'"))
    names = CODECS + ("node",) * bool(node)
    failures.check("inserted", inserted, collections.Counter(
        (name, f"inserted {i}") for name in names for i in range(CALLS)))
    failures.check("documents", [row[1:] for row in aftertap.rows(
        db, "path, header(id, 'request', 'documents'),"
        " header(id, 'response', 'n')", "method = 'insert' AND"
        " header(id, 'request', 'documents') = '50'")],
        [[codec, "50", "50"] for codec in CODECS])
    failures.check("errors", [row[1:] for row in aftertap.rows(
        db, "status, error", "is_error AND (path IS NULL OR path !="
        " 'node')")][:2 * len(CODECS)], told["errors"])
    batches = collections.Counter(
        (row[1], row[2]) for row in aftertap.rows(
            db, "path, header(id, 'response', 'documents')",
            "method = 'getMore'"))
    failures.check("further batches", batches, collections.Counter(
        {(name, count): 1 for name in names for count in ("20", "5")}))
    agents = {row[1].split(" ")[0] for row in aftertap.rows(
        db, "user_agent", "user_agent != ''")}
    failures.check("drivers", agents, {"PyMongo"} |
                   ({"nodejs"} if node else set()))
    failures.check("unheard", len(list(aftertap.rows(
        db, "id", "method = 'delete'"))), len(CODECS))
    streamed = len(list(aftertap.rows(db, "id",
                                      "method = 'streamed answer'")))
    failures.that("streamed answers", not node or streamed >= 3, streamed)


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5], "--max-body", "1MiB")
        wrong, pairs = [], 0
        for row in aftertap.rows(
                db, "body_text(id, 'request'), body_text(id, 'response')",
                "method = 'find' AND complete AND response_size > 0 AND"
                " response_size < 100000 AND request_size > 0"):
            asked = first_line(row[1]).get("filter", {})
            pairs += 1
            got = first_line(row[2])["cursor"]["firstBatch"][0]["_id"]
            if got != asked.get("start", 0):
                wrong.append((asked, got))
        failures.that(f"{variant}: pairs", pairs > 150 or variant in (
            "snap200.pcap", "client_only.pcap", "server_only.pcap"), pairs)
        failures.check(f"{variant}: wrong pairs", wrong[:3], [])


def main(binary):
    need_root()
    need("tcpdump", "ip", "ethtool", "tshark", PYTHON)
    if subprocess.run([PYTHON, "-c", "import pymongo, snappy, zstandard"],
                      stderr=subprocess.DEVNULL).returncode:
        skip("python3-pymongo, python3-snappy or python3-zstandard is not"
             " installed")
    failures = Failures()
    with workspace() as directory:
        pcap, told, node = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth", "--max-body", "1MiB")
        check_messages(failures, aftertap, db, pcap)
        check_documents(failures, aftertap, db, told, node)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        run_client(sys.argv[2])
    else:
        main(*sys.argv[1:])
