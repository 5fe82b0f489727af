#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls over HTTP a second, and what each costs, against the least that Node
needs, in alternation.

usage: http.py MCP_TEST_SERVER [ROUNDS]
"""
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PORTS = {"aftertap": 18475, "node": 18476}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def measure(name, pid):
    before = cpu_seconds(pid)
    text = subprocess.run(
        ["wrk", "-t1", "-c8", "-d3s", "--latency", "-s",
         os.path.join(HERE, "http.lua"),
         f"http://127.0.0.1:{PORTS[name]}/mcp"],
        capture_output=True, text=True, check=True).stdout
    count = int(re.search(r"(\d+) requests in", text).group(1))
    if "Non-2xx" in text:
        raise SystemExit(f"{name} refuses:\n{text}")
    print(name, re.search(r"Requests/sec:\s+(\S+)", text).group(1), "calls/s,",
          round((cpu_seconds(pid) - before) / count * 1e6, 1), "us CPU, p99",
          re.search(r"99%\s+(\S+)", text).group(1), flush=True)


def main():
    commands = {
        "aftertap": [sys.argv[1], f"127.0.0.1:{PORTS['aftertap']}"],
        "node": ["node", os.path.join(HERE, "http_floor.mjs"),
                 str(PORTS["node"])],
    }
    servers = {name: subprocess.Popen(command, stderr=subprocess.DEVNULL)
               for name, command in commands.items()}
    time.sleep(2)
    try:
        for name, server in servers.items():
            print(name, "idle", resident(server.pid), "KiB")
        print("load", os.getloadavg()[0])
        for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
            for name, server in servers.items():
                measure(name, server.pid)
        for name, server in servers.items():
            print(name, "afterwards", resident(server.pid), "KiB")
    finally:
        for server in servers.values():
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
