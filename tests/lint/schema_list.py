#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every text under schema/ is embedded, and everything embedded is there."""
import re

import lint

LIST = "schema/CMakeLists.txt"
TEXTS = (".json", ".sql", ".ebnf")


def check(tree):
    listed = set(re.findall(r"[\w./-]+\.(?:json|sql|ebnf)\b",
                            tree.text(LIST)))
    texts = {path.removeprefix("schema/")
             for path in tree.paths(*TEXTS, under="schema/")}
    for path in sorted(texts - listed):
        yield f"schema/{path}:1: not named in {LIST}"
    for path in sorted(listed - texts):
        yield f"{LIST}:1: names {path}, which is not there"


BAD = [
    {LIST: "embed(a.sql)\n", "schema/a.sql": "", "schema/tools/x.json": ""},
    {LIST: "embed(a.sql sql/b.sql)\n", "schema/a.sql": ""},
]
GOOD = {LIST: "embed(a.sql\n\ttools/x.json)\n", "schema/a.sql": "",
        "schema/tools/x.json": "", "docs/y.json": ""}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
