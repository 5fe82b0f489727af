#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text that stays true on every machine: no local paths, no dead links, no
talk about how it was written, no blanks at line ends."""
import os
import re

import lint

# Written so that this file does not find itself.
LOCAL = re.compile(r"(?<![\w.-])/(?:wor" r"k|tmp/h)/\w|\bprefac" r"e\.md\b")
AUTHORS = re.compile(
    r"co-authored-b" r"y|as an ai (?:language )?mode" r"l"
    r"|(?:generated|written|created) (?:by|with|using) (?:an? )?"
    r"(?:ai|llm|claude|chatgpt|copilot|gpt)\b"
    r"|\b(?:in|from) (?:this|a previous|an earlier) (?:chat|session) (?:i|we)"
    r"\b|\bai session", re.I)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^\s*(```|~~~)")
# Recorded data is what it is.
DATA = ("tests/golden/", "tests/fuzz/corpus/", "tests/conformance/data/")
BINARY = (".pcap", ".pcapng", ".zst", ".gz", ".png", ".bin", ".stream", ".db")


def check_text(tree, path):
    for number, line in tree.lines(path):
        if LOCAL.search(line):
            yield f"{path}:{number}: a path of one machine"
        if AUTHORS.search(line):
            yield f"{path}:{number}: speaks of how it was written"
        if line != line.rstrip():
            yield f"{path}:{number}: blanks at the end of the line"


def check_links(tree, path):
    fenced = False
    for number, line in tree.lines(path):
        if FENCE.match(line):
            fenced = not fenced
        for target in [] if fenced else LINK.findall(line):
            target = target.split("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            base = "" if target.startswith("/") else os.path.dirname(path)
            name = os.path.normpath(os.path.join(base, target.lstrip("/")))
            if not tree.exists(name):
                yield f"{path}:{number}: {target} does not exist"


def check(tree):
    for path in tree.paths():
        if path.startswith(DATA) or path.endswith(BINARY):
            continue
        if "\0" in tree.text(path):
            continue
        yield from check_text(tree, path)
        if path.endswith(".md"):
            yield from check_links(tree, path)


BAD = [
    {"a.c": "int x; \n"},
    {"a.md": "see /wor" "k/main/x\n"},
    {"a.md": "Co-Authored-B" "y: x\n"},
    {"a.md": "Written b" "y an AI\n"},
    {"docs/a.md": "[x](b.md)\n", "b.md": ""},
]
GOOD = {
    "docs/a.md": "[x](../b.md#y) [z](https://example.org) [s](#s)\n"
                 "```\n[x](nowhere.md)\n```\nAI agents ask over MCP.\n",
    "b.md": "home/work/x, tmp/home\n",
}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
