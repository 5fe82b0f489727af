#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clients/workflow.py walks the whole way, over stdio and over HTTP.

usage: test_workflow.py AFTERTAP
"""
import os
import re
import subprocess
import sys

from support import ROOT, Failures, need, tshark_fields, workspace
from test_cli import conversation, write_pcap

WORKFLOW = os.path.join(ROOT, "clients", "workflow.py")
TOKEN = "a-token-for-one-test-only"


def check_walk(failures, how, directory, words, **environment):
    out = os.path.join(directory, how + ".pcapng")
    done = subprocess.run(
        [sys.executable, WORKFLOW, *words,
         os.path.join(directory, "web.pcap"), out],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment})
    failures.check(f"{how}: exit status", (done.returncode, done.stderr),
                   (0, ""))
    for line in ("8 packets from 2023-11-14T22:13:20Z", "completed",
                 "'key': {'status': 404}, 'calls': 1", "0 calls failed",
                 "8 packets in " + out):
        failures.that(f"{how}: says {line!r}", line in done.stdout)
    failures.check(f"{how}: tshark reads the export",
                   len(tshark_fields(out, "frame", ["frame.number"])), 8)


def check_stdio(failures, binary, directory):
    home = os.path.join(directory, "stdio")
    check_walk(failures, "stdio", directory, [
        "--server", f"{binary} --home {home} serve --allow-path {directory}"])
    wrong = subprocess.run(
        [sys.executable, WORKFLOW, "--server", f"{binary} --home {home} serve",
         "/etc/hostname", "x"],
        capture_output=True, text=True)
    failures.that("a refusal is told: " + wrong.stderr.strip(),
                  wrong.returncode == 1 and "allow-path" in wrong.stderr)


def serves_http(binary):
    """Programs without the HTTP transport do not know the option."""
    tried = subprocess.run([binary, "serve", "--http", "nonsense"],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True)
    return "not understood" not in tried.stderr


def check_http(failures, binary, directory):
    server = subprocess.Popen(
        [binary, "--home", os.path.join(directory, "http"), "serve", "--http",
         "127.0.0.1:0", "--allow-path", directory],
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, "AFTERTAP_TOKENS": "operator:" + TOKEN})
    try:
        url = None
        while not url:
            line = server.stderr.readline()
            if not line:
                raise SystemExit("aftertap serve --http ended")
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
        where = ["--url", url.group(0) + "/mcp"]
        check_walk(failures, "http", directory, where, AFTERTAP_TOKEN=TOKEN)
        wrong = subprocess.run([sys.executable, WORKFLOW, *where, "a", "b"],
                               capture_output=True, text=True,
                               env={**os.environ, "AFTERTAP_TOKEN": "wrong"})
        failures.that("a wrong token is refused: " + wrong.stderr.strip(),
                      wrong.returncode == 1 and "401" in wrong.stderr)
    finally:
        server.terminate()
        server.wait()


def main(binary):
    need("tshark")
    failures = Failures()
    with workspace() as directory:
        write_pcap(os.path.join(directory, "web.pcap"), conversation())
        check_stdio(failures, binary, directory)
        if serves_http(binary):
            check_http(failures, binary, directory)
        else:
            print("not checked, this program has no HTTP")
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
