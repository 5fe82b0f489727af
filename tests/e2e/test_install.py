#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`aftertap install` into the files of every client: what is there besides
stays, what cannot be read is left alone, and clients/config/ says the same as
the program.

usage: test_install.py AFTERTAP
"""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib

from support import ROOT, Failures, workspace

CONFIG = os.path.join(ROOT, "clients", "config")
BACKUP = ".aftertap-backup"
URL = "http://127.0.0.1:8077/mcp"

# What users have in these files before.
SETTINGS = """// Zed settings
{
  "theme": "One Dark", // dark
  "context_servers": {
    /* mine */
    "other": { "command": "other", "args": ["//not a comment", "/*nor*/"], },
  },
  "tab_size": 8,
}
"""
CODEX = """# Codex
model = "gpt"
notify = ["a", "[mcp_servers.aftertap]"]

[mcp_servers.other]
command = "other"
args = ["-x"]

[profiles."a.b"]
note = '''
[mcp_servers.aftertap]
command = "no"
'''
"""


class Person:
    """Somebody with a home directory who runs aftertap."""

    def __init__(self, binary, directory):
        self.binary, self.home = binary, directory
        self.environment = {"HOME": directory, "PATH": os.environ["PATH"]}

    def run(self, *words, status=0, cwd=None):
        done = subprocess.run([self.binary, *words], capture_output=True,
                              env=self.environment, cwd=cwd)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        if done.returncode != status:
            raise SystemExit(f"aftertap {' '.join(words)}: exit "
                             f"{done.returncode}\n{done.stderr}")
        return done

    def path(self, name):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return file.read()


def table():
    with open(os.path.join(ROOT, "schema", "clients.json")) as file:
        return json.load(file)["clients"]


def from_jsonc(text):
    """Comments and trailing commas outside of texts removed."""
    text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/',
                  lambda found: found.group(1) or " ", text, flags=re.S)
    text = re.sub(r'("(?:\\.|[^"\\])*")|,(\s*[}\]])',
                  lambda found: found.group(1) or found.group(2), text)
    return json.loads(text)


def parse(client, text):
    return (tomllib.loads(text) if client["format"] == "toml"
            else from_jsonc(text))


def check_shown_is_shipped(failures, person):
    """clients/config/ and mcp-config say the same, byte by byte."""
    subprocess.run([sys.executable,
                    os.path.join(ROOT, "clients", "generate.py"), "--check"],
                   check=True)
    for client in table():
        name = client["name"]
        ending = "toml" if client["format"] == "toml" else "json"
        for suffix, options in (("", ["--command", "aftertap"]),
                                ("-http", ["--http", URL, "--token-env",
                                           "AFTERTAP_TOKEN"])):
            with open(os.path.join(CONFIG, f"{name}{suffix}.{ending}")) as f:
                shipped = f.read()
            shown = person.run("mcp-config", name, *options).stdout
            failures.that(f"{name}{suffix} is shown as it is shipped",
                          shown == shipped)


def check_fresh(failures, person):
    """Nothing there yet: the file is made, private, and found by --list."""
    for client in table():
        person.run("install", client["name"], "--allow-path", person.home)
    rows = json.loads(person.run("--json", "install", "--list").stdout)
    failures.check("clients listed", [row["client"] for row in rows],
                   [client["name"] for client in table()])
    for client, row in zip(table(), rows):
        with open(row["file"]) as file:
            servers = parse(client, file.read())[client["servers"]]
        entry = servers["aftertap"]
        failures.check(f"{client['name']}: {row['file']}",
                       (row["installed"], entry["command"], entry["args"],
                        stat.S_IMODE(os.stat(row["file"]).st_mode)),
                       ("stdio", person.binary,
                        ["serve", "--allow-path", person.home], 0o600))
        answer = ask([entry["command"], *entry["args"]], person)
        failures.check("  and what it starts answers", answer, "aftertap")


def ask(command, person):
    """The name of the server that `command` starts."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
             "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                        "clientInfo": {"name": "test", "version": "1"}}}
    done = subprocess.run(command, input=json.dumps(hello) + "\n",
                          capture_output=True, text=True,
                          env=person.environment)
    return json.loads(done.stdout)["result"]["serverInfo"]["name"]


def without_ours(client, document):
    servers = document.get(client["servers"], {})
    servers.pop("aftertap", None)
    return document


def check_merge(failures, person, client, name, text):
    """All else is the same after, and a removal restores every byte."""
    before = parse(client, text)
    person.write(name, text, 0o640)
    preview = person.run("install", client["name"], "--dry-run").stdout
    failures.check(f"{client['name']}: a dry run writes nothing",
                   person.read(name), text)
    person.run("install", client["name"])
    installed = person.read(name)
    after = parse(client, installed)
    failures.check("  the entry", after[client["servers"]]["aftertap"],
                   {**{k: v for k, v in client["stdio"].items()
                       if k == "type"},
                    "command": person.binary, "args": ["serve"]})
    failures.check("  the rest", without_ours(client, after), before)
    failures.check("  the mode", stat.S_IMODE(os.stat(
        person.path(name)).st_mode), 0o640)
    failures.check("  the backup", person.read(name + BACKUP), text)
    failures.that("  the comments", all(
        word in installed for word in re.findall(r"(?://|#) [^\n]*", text)))
    check_preview(failures, person, name, text, preview, installed)
    person.run("install", client["name"])
    failures.check("  a second time changes nothing", person.read(name),
                   installed)
    person.run("install", client["name"], "--remove")
    failures.check("  removed without a trace", person.read(name), text)


def check_preview(failures, person, name, text, preview, installed):
    """patch(1) makes of the dry run what the program wrote."""
    if not shutil.which("patch"):
        print("not checked without patch(1): the dry run's diff")
        return
    person.write("scratch", text)
    subprocess.run(["patch", "-s", "--binary", person.path("scratch")],
                   input=preview.encode(), check=True)
    failures.check(f"  {name}: the dry run is what happens",
                   person.read("scratch"), installed)


def check_merges(failures, person):
    by_name = {client["name"]: client for client in table()}
    check_merge(failures, person, by_name["zed"], ".config/zed/settings.json",
                SETTINGS)
    check_merge(failures, person, by_name["codex"], ".codex/config.toml",
                CODEX)
    check_merge(failures, person, by_name["claude-code"], ".claude.json",
                json.dumps({"numStartups": 12345678901234567890123,
                            "ratio": 1.0, "mcpServers": {"other": {}}},
                           indent="\t"))
    check_merge(failures, person, by_name["vscode"],
                ".config/Code/User/mcp.json",
                '{\r\n    "servers": {\r\n        "a": {}\r\n    }\r\n}\r\n')


def check_users_keys(failures, person):
    """What somebody added to our entry survives a change of it."""
    person.write(".cursor/mcp.json", json.dumps({"mcpServers": {"aftertap": {
        "command": "old", "args": [], "env": {"A": "b"}}}}))
    person.run("install", "cursor", "--http", URL, "--db", "s/d")
    failures.check("another transport, the user's environment", json.loads(
        person.read(".cursor/mcp.json"))["mcpServers"]["aftertap"],
        {"url": URL + "?db=s/d", "env": {"A": "b"}})
    person.write(".codex/config.toml", "[mcp_servers.aftertap]\nurl = 'x'\n"
                 "tool_timeout_sec = 9\n[mcp_servers.aftertap.env]\nA = 'b'\n")
    person.run("install", "codex")
    failures.check("the same in TOML", tomllib.loads(
        person.read(".codex/config.toml"))["mcp_servers"]["aftertap"],
        {"command": person.binary, "args": ["serve"],
         "tool_timeout_sec": 9, "env": {"A": "b"}})


def check_refusals(failures, person):
    """(file, its text, client, what is said): nothing may be written."""
    for name, text, client, piece in (
            (".cursor/mcp.json", '{"mcpServers": {', "cursor", "line 1"),
            (".cursor/mcp.json", '{"mcpServers": []}', "cursor",
             "not an object"),
            (".claude.json", '{\n // no comments here\n}', "claude-code",
             "line 2"),
            (".codex/config.toml", "a = [\n", "codex", "TOML"),
            (".codex/config.toml", "mcp_servers = {}\n", "codex", "by hand"),
            (".gemini/settings.json", "{} x", "gemini", "line 1")):
        person.write(name, text)
        done = person.run("install", client, status=1)
        failures.that(f"{client}: {text!r} is left alone: {done.stderr}",
                      piece in done.stderr and person.read(name) == text)


def check_links(failures, person):
    """A link is neither followed nor replaced."""
    person.write("dotfiles/mcp.json", "{}")
    link = person.path(".cursor/mcp.json")
    os.unlink(link)
    os.symlink(person.path("dotfiles/mcp.json"), link)
    done = person.run("install", "cursor", status=1)
    failures.that("a link is refused: " + done.stderr,
                  "link" in done.stderr and os.path.islink(link)
                  and person.read("dotfiles/mcp.json") == "{}")
    person.run("install", "cursor", "--file",
               person.path("dotfiles/mcp.json"))
    failures.that("its target can be named", os.path.islink(link)
                  and "aftertap" in person.read("dotfiles/mcp.json"))


def check_projects(failures, person):
    project = os.path.join(person.home, "project")
    os.makedirs(project)
    person.run("install", "claude", "--project", ".", cwd=project)
    with open(os.path.join(project, ".mcp.json")) as file:
        failures.that("a project's file", "aftertap" in
                      json.load(file)["mcpServers"])
    person.run("install", "windsurf", "--project", ".", status=1, cwd=project)


def check_usage(failures, person):
    for words, piece in (
            (["install"], "--list"),
            (["install", "cursr"], "cursor"),
            (["install", "cursor", "--http", "ftp://x"], "URL"),
            (["install", "cursor", "--http", 'http://x/"'], "URL"),
            (["install", "cursor", "--http", URL, "--allow-path", "/tmp"],
             "server"),
            (["install", "cursor", "--token-env", "A"], "--http"),
            (["install", "cursor", "--http", URL, "--token-env", "a b"],
             "environment"),
            (["install", "cursor", "--name", "a.b"], "--name"),
            (["install", "cursor", "--allow-path", "/does/not/exist"], "No"),
            (["install", "cursor", "--db", "x"], "--db"),
            (["install", "cursor", "--frobnicate"], "help install")):
        done = person.run(*words, status=2)
        failures.that(" ".join(words), piece in done.stderr, done.stderr)


def main(binary):
    failures = Failures()
    binary = os.path.realpath(binary)
    for check in (check_shown_is_shipped, check_fresh, check_merges,
                  check_users_keys, check_refusals, check_links,
                  check_projects, check_usage):
        with workspace() as directory:
            person = Person(binary, directory)
            if check is check_links:
                person.write(".cursor/mcp.json", "{}")
            check(failures, person)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
