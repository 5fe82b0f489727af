#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Imports, snapshots and dissections as tasks: over stdio in 2025-11-25, and
over HTTP in 2026-07-28, where each request comes on a connection of its own.

usage: test_tasks.py AFTERTAP
"""
import glob
import http.client
import json
import os
import re
import struct
import subprocess
import sys
import time

from support import Failures, workspace
from test_cli import conversation, write_pcap

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
OPERATOR, OTHER = "operator-token-0123", "other-token-45678901"
FINAL = ("completed", "failed", "cancelled")


class Stdio:
    """One client of 2025-11-25."""

    def __init__(self, *words):
        self.server = subprocess.Popen(words, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.notes = []
        self.ids = 0
        self.ask("initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}})

    def ask(self, method, params):
        self.ids += 1
        self.server.stdin.write(json.dumps({
            "jsonrpc": "2.0", "id": self.ids, "method": method,
            "params": params}) + "\n")
        self.server.stdin.flush()
        for line in self.server.stdout:
            message = json.loads(line)
            if message.get("id") == self.ids:
                return message.get("result", message.get("error"))
            self.notes.append(message)
        raise EOFError(method)

    def task(self, tool, arguments):
        made = self.ask("tools/call", {
            "name": tool, "arguments": arguments, "task": {"ttl": 60000},
            "_meta": {"progressToken": tool}})
        return made["task"]["taskId"]

    def close(self):
        self.server.stdin.close()
        return self.server.wait(timeout=60)


def check_legacy(failures, binary, home, directory, pcap):
    client = Stdio(binary, "--home", home, "serve", "--allow-path", directory)
    import_id = client.task("import_capture", {"files": [pcap], "name": "web"})
    result = client.ask("tasks/result", {"taskId": import_id})
    failures.check("import: the state of the result",
                   result["structuredContent"]["state"], "completed")
    failures.check("import: the task of the result",
                   result["_meta"][META + "related-task"]["taskId"], import_id)
    client.ask("tasks/result", {"taskId": client.task(
        "create_snapshot", {"name": "s", "captures": ["web"]})})
    task = client.task("start_snapshot_dissection", {"snapshot": "s"})
    result = client.ask("tasks/result", {"taskId": task})
    failures.check("dissection: status",
                   result["structuredContent"]["status"], "completed")
    failures.that("dissection: its file is there", os.path.exists(os.path.join(
        home, "snapshots", "s", "dissections", "default.sqlite")))
    failures.check("tasks/list", len(client.ask("tasks/list", {})["tasks"]), 3)
    told = {note["params"].get("progressToken") for note in client.notes
            if note["method"] == "notifications/progress"}
    failures.that(f"progress of {sorted(filter(None, told))}",
                  "create_snapshot" in told)
    ended = [note["params"]["status"] for note in client.notes
             if note["method"] == "notifications/tasks/status"]
    failures.check("status notifications", ended, ["completed"] * 3)
    names = {client.ask("tools/call", {
        "name": "create_snapshot", "arguments": {"captures": ["web"]}})[
            "structuredContent"]["name"] for _ in range(4)}
    failures.check("snapshots without a name have one each", len(names), 4)
    failures.check("exit status", client.close(), 0)


def large_pcap(path, megabytes):
    """Datagrams of 60 KB that do not compress."""
    body = os.urandom(60000)
    udp = struct.pack(">HHHH", 40000, 40001, 8 + len(body), 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp) + len(body), 0, 0,
                     64, 17, 0, b"\n\0\0\1", b"\n\0\0\2")
    frame = bytes(12) + b"\x08\0" + ip + udp + body
    write_pcap(path, ((ms, frame) for ms in range(megabytes * 17)))


def check_cancel(failures, binary, home, directory):
    """What runs behind a task ends with it, and leaves nothing half done."""
    pcap = os.path.join(directory, "large.pcap")
    large_pcap(pcap, 300)
    client = Stdio(binary, "--home", home, "serve", "--allow-path", directory)

    def finish(tool, arguments):
        return client.ask("tasks/result", {
            "taskId": client.task(tool, arguments)})["structuredContent"]

    def state_of(*names):
        """What a job says of itself; None before it does."""
        for path in glob.glob(os.path.join(home, *names)):
            with open(path, encoding="utf-8") as file:
                return json.load(file)["state"]
        return None

    def until(wanted, *names):
        for _ in range(400):
            if state_of(*names) == wanted:
                break
            time.sleep(0.05)
        failures.check("/".join(names[:2]), state_of(*names), wanted)

    def cancel(tool, arguments, *names):
        task = client.task(tool, arguments)
        until("running", *names)
        answer = client.ask("tasks/cancel", {"taskId": task})
        failures.check(f"{tool}: cancelled", answer.get("status"), "cancelled")
        until("cancelled", *names)
        failures.check(f"{tool}: stays so", client.ask(
            "tasks/get", {"taskId": task})["status"], "cancelled")

    finish("import_capture", {"files": [pcap], "name": "large"})
    os.unlink(pcap)
    finish("create_snapshot", {"name": "large", "captures": ["large"]})
    # At full speed it would be over before it is cancelled.
    cancel("start_snapshot_dissection", {
        "snapshot": "large", "cpu_percent": 1},
           "snapshots", "large", "dissections", "default*.json")
    cancel("export_snapshot_pcap", {
        "snapshot": "large", "path": os.path.join(directory, "large.pcapng")},
           "exports", ".jobs", "*.json")
    failures.check("nothing of the export is left", [
        name for name in os.listdir(directory) if "large" in name], [])
    failures.check("exit status", client.close(), 0)


class Http:
    """Requests of 2026-07-28, each on its own connection."""

    def __init__(self, url, token):
        self.host = re.sub("^http://", "", url)
        self.token = token

    def ask(self, method, params, name, tasks=True):
        extensions = {META + "tasks": {}} if tasks else {}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {
            **params, "_meta": {
                META + "protocolVersion": MODERN,
                META + "clientCapabilities": {"extensions": extensions}}}}
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request("POST", "/mcp", json.dumps(body), {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Authorization": "Bearer " + self.token,
            "MCP-Protocol-Version": MODERN, "Mcp-Method": method,
            "Mcp-Name": name})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.getheader("Content-Type") == "text/event-stream":
            text = [line[6:] for line in text.splitlines()
                    if line.startswith("data: ")][-1]
        return answer.status, json.loads(text)

    def call(self, tool, arguments, **more):
        return self.ask("tools/call", {"name": tool, "arguments": arguments},
                        tool, **more)[1]["result"]

    def get(self, task):
        return self.ask("tasks/get", {"taskId": task}, task)

    def finish(self, result):
        """What a call has come to, as a task or at once."""
        while result["resultType"] == "task" or (
                "taskId" in result and result["status"] not in FINAL):
            time.sleep(result["pollIntervalMs"] / 1000)
            result = self.get(result["taskId"])[1]["result"]
        return result.get("result", result)


def check_modern(failures, url, pcap):
    client, other = Http(url, OPERATOR), Http(url, OTHER)
    done = client.finish(client.call("import_capture", {
        "files": [pcap], "name": "web"}))
    failures.check("modern import", done["structuredContent"]["state"],
                   "completed")
    client.finish(client.call("create_snapshot", {
        "name": "s", "captures": ["web"]}))
    begun = client.call("start_snapshot_dissection", {"snapshot": "s"})
    if begun["resultType"] == "task":
        status, answer = other.get(begun["taskId"])
        failures.check("another's token sees no such task",
                       (status, answer["error"]["code"]), (200, -32602))
    done = client.finish(begun)
    failures.check("modern dissection", done["structuredContent"]["status"],
                   "completed")
    plain = client.call("start_snapshot_dissection",
                        {"snapshot": "s", "name": "plain"}, tasks=False)
    failures.check("without the extension: a plain result",
                   (plain["resultType"], "taskId" in plain),
                   ("complete", False))
    status, answer = client.ask("tasks/get", {"taskId": "x"}, "x", tasks=False)
    failures.check("without the extension: tasks/get",
                   (status, answer["error"]["code"]), (400, -32021))


def main():
    binary = os.path.abspath(sys.argv[1])
    failures = Failures()
    with workspace() as directory:
        pcap = os.path.join(directory, "web.pcap")
        write_pcap(pcap, conversation())
        check_legacy(failures, binary, os.path.join(directory, "a"), directory,
                     pcap)
        check_cancel(failures, binary, os.path.join(directory, "c"), directory)
        server = subprocess.Popen(
            [binary, "--home", os.path.join(directory, "b"), "serve", "--http",
             "127.0.0.1:0", "--allow-path", directory, "--no-access-log"],
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "AFTERTAP_TOKENS":
                 f"operator:{OPERATOR},operator:{OTHER}"})
        try:
            for line in server.stderr:
                found = re.search(r"event=listen url=(\S+)", line)
                if found:
                    break
            check_modern(failures, found.group(1), pcap)
        finally:
            server.terminate()
            server.wait(timeout=60)
    failures.exit()


if __name__ == "__main__":
    main()
