#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drivers of Cassandra against a server of ours (Debian has none), recorded with
tcpdump: python3-cassandra with versions 3 to 5 and each compression, and npm's
`cassandra-driver` where it can be had, which share no code.  Requests are those
that the server got, envelopes of versions 3 and 4 are counted as tshark counts
them; rows and errors are those that the drivers were told.  Also with packets
lost, swapped and doubled, and from the middle.

usage: test_cql_truth.py AFTERTAP
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

PYTHON = "/usr/bin/python3"  # that Debian's driver is for
SUPPORT = os.path.join(ROOT, "tests", "support")
PORTS = {3: "7373", 4: "7374", 5: "7375"}
RUNS = ((3, "none"), (4, "none"), (4, "lz4"), (4, "snappy"), (5, "none"),
        (5, "lz4"))
CALLS = 60
OPCODES = {0: "ERROR", 1: "STARTUP", 2: "READY", 3: "AUTHENTICATE",
           5: "OPTIONS", 6: "SUPPORTED", 7: "QUERY", 8: "RESULT",
           9: "PREPARE", 10: "EXECUTE", 11: "REGISTER", 12: "EVENT",
           13: "BATCH", 15: "AUTH_RESPONSE", 16: "AUTH_SUCCESS"}


def plain(row):
    return {"id": row.id, "name": row.name, "score": row.score,
            "tags": list(row.tags), "uid": str(row.uid),
            "counts": [list(pair) for pair in row.counts.items()]
            if row.counts else None}


def run_driver(version, codec, told):
    from cassandra import DriverException
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import (Cluster, EXEC_PROFILE_DEFAULT,
                                   ExecutionProfile)
    from cassandra.policies import FallthroughRetryPolicy, RoundRobinPolicy
    from cassandra.query import BatchStatement
    profile = ExecutionProfile(
        load_balancing_policy=RoundRobinPolicy(), request_timeout=60,
        retry_policy=FallthroughRetryPolicy())
    cluster = Cluster(
        ["127.0.0.1"], port=int(PORTS[version]), protocol_version=version,
        compression=False if codec == "none" else codec,
        auth_provider=PlainTextAuthProvider("alice", "right-password"),
        schema_metadata_enabled=False, token_metadata_enabled=False,
        idle_heartbeat_interval=0, connect_timeout=60,
        control_connection_timeout=60,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    session = cluster.connect()
    key = f"{version} {codec}"
    prepared = session.prepare("SELECT * FROM shop.items WHERE id = ?")
    insert = session.prepare(
        "INSERT INTO shop.items (id, name, score) VALUES (?, ?, ?)")
    for i in range(CALLS):
        found = session.execute(
            prepared, [i]) if i % 2 else session.execute(
            f"SELECT * FROM shop.items WHERE id = {i}")
        found = list(found)
        told["found"].append([key, i, len(found), plain(found[0])])
        session.execute(insert, [i, f"name {i} é", i / 4])
    batch = BatchStatement()
    for i in range(3):
        batch.add(insert, [i, f"batch {i}", 0.5])
    batch.add("DELETE FROM shop.items WHERE id = 9")
    session.execute(batch)
    session.execute("CREATE TABLE shop.made (id int PRIMARY KEY)")
    session.execute("USE shop")
    session.execute("CREATE ROLE bob WITH PASSWORD = 'hidden-password'")
    for table in ("missing", "slow", "down"):
        try:
            session.execute(f"SELECT * FROM shop.{table}")
        except DriverException as error:
            told["errors"].append([key, type(error).__name__])
    session.execute("SELECT * FROM shop.items WHERE id = 1", trace=True)
    cluster.shutdown()


def run_client(log):
    told = {"found": [], "errors": []}
    for version, codec in RUNS:
        run_driver(version, codec, told)
    with open(log, "w") as file:
        json.dump(told, file)


def install_driver(directory):
    """Where npm's driver is; None, and says so, when it cannot be had."""
    if not npm_install(directory, "cassandra-driver@4.8.0"):
        return None
    shutil.copy(os.path.join(SUPPORT, "cql_calls.mjs"), directory)
    return os.path.join(directory, "cql_calls.mjs")


def record(directory):
    pcap = os.path.join(directory, "cql.pcap")
    log = os.path.join(directory, "told.json")
    driver = install_driver(directory)
    got = {v: open(os.path.join(directory, f"got{v}"), "w+") for v in PORTS}
    with Namespace("at-cql") as space:
        for version, port in PORTS.items():
            space.start(PYTHON, os.path.join(SUPPORT, "cql_server.py"), port,
                        str(version), stdout=got[version])
        for port in PORTS.values():
            space.wait_port(port)
        recorder = space.record(pcap, "tcp portrange 7373-7375")
        space.run(PYTHON, os.path.abspath(__file__), "client", log,
                  timeout=120)
        node = driver and json.loads(space.run(
            "node", driver, PORTS[4], stdout=subprocess.PIPE,
            timeout=60).stdout)
        space.stop(recorder)
    requests = []
    for file in got.values():
        file.seek(0)
        requests += [json.loads(line) for line in file]
    return pcap, json.load(open(log)), node, requests


def check_envelopes(failures, aftertap, db, pcap):
    """Of versions 3 and 4, which tshark knows, each by its opcode."""
    theirs, words = collections.Counter(), []
    for version in (3, 4):
        words += ["-d", f"tcp.port=={PORTS[version]},cql"]
    for (opcodes,) in tshark_fields(
            pcap, f"cql && tcp.port != {PORTS[5]}", ["cql.opcode"], *words):
        theirs.update(OPCODES[int(o, 0)] for o in opcodes.split("|"))
    ours = collections.Counter()
    for _, method, request, response, state, error in aftertap.rows(
            db, "method, has_request AND version + 0 <= 5, has_response,"
            " status_text, is_error",  # npm's driver asks for 66 first
            f"dst_port != {PORTS[5]}"):
        if response:
            ours["EVENT" if method == "EVENT" else "ERROR" if error else
                 "RESULT" if state == "OK" else state] += 1
        if request:
            ours["QUERY" if method in ("SELECT", "INSERT", "CREATE", "USE")
                 else method] += 1
    # An execution is told by its statement's first word.
    for counts in (ours, theirs):
        counts["QUERY"] += counts.pop("EXECUTE", 0)
    failures.check("envelopes", dict(ours), dict(theirs))
    failures.check("calls of other protocols", list(aftertap.rows(
        db, "protocol", "protocol != 'cql'")), [])
    # The drivers leave some of their system queries without an answer.
    failures.check("halves alone", [row[1:] for row in aftertap.rows(
        db, "method, path, reason", "reason != ''")], [])
    failures.check("not complete", [row[1:] for row in aftertap.rows(
        db, "method, path, version", "NOT complete AND method != 'EVENT'")],
        [])


def check_requests(failures, aftertap, db, requests):
    """As the server got them, with the text of what was prepared."""
    def shown(text):
        return "[a statement with a password]" if "PASSWORD" in text else text
    theirs = collections.Counter(
        (str(r["version"]), shown(r["text"])) for r in requests
        if "text" in r)
    ours = collections.Counter(
        (version, text) for _, version, text in aftertap.rows(
            db, "version, body_text(id, 'request')",
            "request_body_size > 0 AND method != 'BATCH'"))
    failures.check("statements", ours, theirs)
    bound = collections.Counter(
        row[1] for row in aftertap.rows(
            db, "header(id, 'request', 'parameter')", "method = 'SELECT' AND"
            " body_text(id, 'request') LIKE '%= ?'"))
    failures.check("bound", bound, collections.Counter(
        str(r["id"]) for r in requests if r["opcode"] == 10 and "id" in r))


def check_rows(failures, aftertap, db, told, node):
    found = [(row[1], int(row[3]), json.loads(row[2].split("\n", 1)[0]))
             for row in aftertap.rows(
                 db, "version, body_text(id, 'response'), header(id,"
                 " 'response', 'rows')", "path = 'shop.items' AND"
                 " status_text = 'OK' AND response_body_size > 0 AND"
                 " coalesce(header(id, 'request', 'tracing'), '') = ''")]
    names = ("id", "name", "score", "tags", "counts", "uid")
    found = [(v, n, r if isinstance(r, dict) else dict(zip(names, r)))
             for v, n, r in found]
    expected = [(key.split()[0], count, row)
                for key, _, count, row in told["found"]]
    if node:
        expected += [("4", count, row) for count, row in node["found"]]
    for _, _, row in found + expected:  # 5 and 5.0 are the same in JSON
        row["score"] = float(row["score"])
    failures.check("rows", *(sorted(
        json.dumps(each, sort_keys=True) for each in side)
        for side in (found, expected)))
    errors = collections.Counter(row[1] for row in aftertap.rows(
        db, "status_text", "is_error"))
    per = len(RUNS) + bool(node)
    refused = errors.pop("PROTOCOL_ERROR", 0)  # npm's driver asks for more
    failures.check("errors", errors, collections.Counter(
        {"INVALID": per, "READ_TIMEOUT": per, "UNAVAILABLE": per}))
    failures.check("… as the drivers were told", collections.Counter(
        name for _, name in told["errors"]), collections.Counter(
        {"InvalidRequest": len(RUNS), "ReadTimeout": len(RUNS),
         "Unavailable": len(RUNS)}))
    failures.that("versions refused", refused == bool(node), refused)
    events = {row[1] for row in aftertap.rows(
        db, "path", "method = 'EVENT'")}
    failures.check("events", events, {"STATUS_CHANGE"})
    changes = {tuple(row[1:]) for row in aftertap.rows(
        db, "header(id, 'response', 'change'), header(id, 'response',"
        " 'name')", "header(id, 'response', 'kind') = 'SCHEMA_CHANGE'")}
    failures.check("schema", changes, {("CREATED", "made")})
    database = open(aftertap.database(db), "rb").read()
    failures.that("passwords are not kept", b"right-password" not in database
                  and b"hidden-password" not in database)


def impaired(failures, aftertap, pcap, directory):
    for variant, path in impaired_captures(pcap, directory, PORTS[4]):
        db = aftertap.dissected(path, variant[:-5], "--max-body", "1MiB")
        wrong, pairs = [], 0
        for row in aftertap.rows(
                db, "body_text(id, 'request'), body_text(id, 'response'),"
                " header(id, 'request', 'parameter')",
                "complete AND path = 'shop.items' AND"
                " response_body_size > 0 AND method = 'SELECT'"):
            asked = row[1].rpartition("=")[2].strip()
            asked = int(row[3] if asked == "?" else asked)
            got = json.loads(row[2].split("\n", 1)[0])
            pairs += 1
            if (got["id"] if isinstance(got, dict) else got[0]) not in (
                    asked, f"0x{asked:08x}"):
                wrong.append((row[1], row[3], got))
        failures.that(f"{variant}: pairs", pairs > 40 or variant in (
            "snap200.pcap", "client_only.pcap", "server_only.pcap"), pairs)
        failures.check(f"{variant}: wrong pairs", wrong[:3], [])


def main(binary):
    need_root()
    need("tcpdump", "ip", "ethtool", "tshark", PYTHON)
    if subprocess.run([PYTHON, "-c", "import cassandra.cluster, snappy,"
                       " lz4.block"], stderr=subprocess.DEVNULL).returncode:
        skip("python3-cassandra, python3-snappy or python3-lz4 is not"
             " installed")
    failures = Failures()
    with workspace() as directory:
        pcap, told, node, requests = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth", "--max-body", "1MiB")
        check_envelopes(failures, aftertap, db, pcap)
        check_requests(failures, aftertap, db, requests)
        check_rows(failures, aftertap, db, told, node)
        impaired(failures, aftertap, pcap, directory)
        no_wrong_pairs(failures, aftertap, pcap)
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        run_client(sys.argv[2])
    else:
        main(*sys.argv[1:])
