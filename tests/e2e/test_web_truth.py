#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GraphQL of graphql-http and graphql-ws, MCP of its SDK's server and of
aftertap itself, and an event stream: every call that aftertap reports says
what its client understood.

usage: test_web_truth.py AFTERTAP

AFTERTAP_WEB_MODULES names a directory with node_modules; else npm is asked.
"""
import collections
import json
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, ROOT, need, need_root,
                     skip, workspace)

PACKAGES = ("graphql@16", "graphql-http@1", "graphql-ws@6", "ws@8",
            "eventsource-parser@3", "@modelcontextprotocol/sdk@1")
PORT, OURS = "18407", "18408"


def modules(directory):
    given = os.environ.get("AFTERTAP_WEB_MODULES")
    if given:
        return given
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix",
         directory, *PACKAGES], capture_output=True, text=True, timeout=300,
        check=False)
    if done.returncode:
        skip("npm does not give the packages: " + done.stderr[-300:])
    return directory


def record(space, binary, directory):
    pcap, log = directory + "/web.pcap", directory + "/web.jsonl"
    script = os.path.join(ROOT, "tests", "support", "web_talk.mjs")
    space.start(binary, "--home", directory + "/served", "serve", "--http",
                "127.0.0.1:" + OURS)
    space.wait_port(OURS)
    recorder = space.record(pcap, f"tcp port {PORT} or tcp port {OURS}")
    space.run("node", script, modules(directory + "/npm"), PORT, OURS, log,
              timeout=120, stderr=None)
    space.stop(recorder)
    with open(log, encoding="utf-8") as file:
        return pcap, [json.loads(line) for line in file]


def rpc_error(text):
    """The SDK writes a colon behind the code."""
    return text and re.sub(r"^(-?\d+): ", r"\1 ", text)


def said(truth, *kinds):
    return collections.Counter((t["method"], rpc_error(t["error"]))
                               for t in truth if t["kind"] in kinds)


def reported(aftertap, db, condition):
    out = collections.Counter()
    for _, method, error, failed in aftertap.rows(
            db, "method, error, is_error", condition):
        out[(method, error if failed else None)] += 1
    return out


def compare(failures, what, ours, truth):
    failures.check(what + ": not said", list((ours - truth).items()), [])
    failures.check(what + ": missing", list((truth - ours).items()), [])


def check_events(failures, aftertap, db, truth):
    expected = [t["events"] for t in truth if t["kind"] == "events"]
    found, times = [], []
    for _, text in aftertap.rows(db, "messages(id, 'response')",
                                 "path = '/events'"):
        lines = [json.loads(line) for line in text.splitlines()]
        times.append(len({line["time"] for line in lines}))
        found.append([{key: line[key] for key in ("event", "id", "data")
                       if key in line} for line in lines])
    for events in expected:  # what is shown of a long one
        events[-1]["data"] = events[-1]["data"][:4096]
    # An event without data is none to a browser, and is shown here.
    found = [[e for e in events if e["data"]] for events in found]
    failures.check("events", found, expected)
    failures.that("events have times of their own",
                  all(n >= 3 for n in times), times)


def check_filters(failures, aftertap, db, truth):
    def count(expression):
        return len(aftertap.json("--db", db, "calls", expression, "--limit",
                                 "1000")["calls"])

    failures.check("failed tools as the filter tells",
                   count('mcp_tool == "bad" && is_error'), 5)
    failures.check("GraphQL that failed with status 200", count(
        'gqlv1 && status_code == 200 && is_error'),
        sum(t["kind"] == "graphql" and t["status"] == 200 and
            t["error"] is not None for t in truth))
    failures.check("the method of HTTP is kept", count(
        'graphql && request.headers[":method"] == "GET"'), 11)
    failures.check("by operation", count(
        'graphql_operation == "mutation Add"'), 10)


def check_secrets(failures, aftertap, db):
    """Those that the client sent and was sent are in the calls, wherever they
    stand there, and in no answer unless they are asked for."""
    ids = [row[0] for row in aftertap.rows(
        db, "1", "protocol IN ('graphql', 'jsonrpc') AND method LIKE '%login%'")]
    everything = "body_text(id, 'request'), body_text(id, 'response')," \
        " messages(id, 'request'), messages(id, 'response')," \
        " query, summary, query_value(query, 'query')"

    def all_answers(*options):
        answers = [aftertap.run("--db", db, "call", str(number), *options).stdout
                   for number in ids]
        return "\n".join(answers + [aftertap.run(
            "--db", db, "--json", "sql", f"SELECT {everything} FROM api_calls"
            " WHERE protocol IN ('graphql', 'jsonrpc')", "--limit", "1000",
            *options).stdout, aftertap.run(
                "--db", db, "--json", "calls", "graphql || jsonrpc", "--limit",
                "1000", *options).stdout])

    def secrets(text):
        return sorted(set(re.findall("hunter2-of-([a-z-]+)", text)))

    failures.check("secrets that were sent", secrets(all_answers("--reveal")),
                   ["graphql-answer", "graphql-inline", "graphql-url",
                    "graphql-variable", "mcp-answer", "mcp-parameter", "socket"])
    failures.check("secrets that are shown", secrets(all_answers()), [])


def main(binary):
    need_root()
    need("tcpdump", "node", "npm")
    failures = Failures()
    with workspace() as directory, Namespace("at-web") as space:
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        pcap, truth = record(space, binary, directory)
        db = aftertap.dissected(pcap, "web")
        compare(failures, "GraphQL over HTTP", reported(
            aftertap, db, "protocol = 'graphql' AND version = '1.1'"),
            said(truth, "graphql"))
        compare(failures, "GraphQL over WebSocket", reported(
            aftertap, db, "protocol = 'graphql' AND coalesce(version, '') = '' AND"
            " method NOT LIKE 'connection%'"), said(truth, "socket"))
        compare(failures, "MCP", reported(
            aftertap, db, "protocol = 'jsonrpc' AND method LIKE 'tools/call%'"),
            said(truth, "mcp", "aftertap"))
        check_events(failures, aftertap, db, truth)
        check_filters(failures, aftertap, db, truth)
        check_secrets(failures, aftertap, db)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
