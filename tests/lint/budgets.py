#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The numbers of CONTRIBUTING.md: sizes, nesting, width, licence lines.

Function bounds come from Universal Ctags; without it that part is skipped,
loudly.
"""
import json
import math
import os
import re
import subprocess
import tempfile

import lint

FILE_LINES = {".c": 800, ".h": 250}
FUNCTION_LINES = 60
FUNCTION_LINES_P95 = 36
NESTING = 4
PARAMETERS = 6
COLUMNS = 100
TAB = 8

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca"
                    r"|strncat|tmpnam|mktemp)\s*\(")
CONTROL = re.compile(r"^(\t*)(?:\} )?(if|for|while|switch|do|else)\b")
GOTO = re.compile(r"\bgoto\s+(\w+)\s*;")
LABEL = re.compile(r"^\s*(\w+):(?!:)")
SOURCES = (".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", ".sql")
GPL = (".bpf.c", ".bpf.h")


def check_licence(tree):
    for path in tree.paths(*SOURCES):
        licence = "GPL-2.0-only" if path.endswith(GPL) else "Apache-2.0"
        head = tree.text(path).splitlines()[:2]
        if head and head[0].startswith("#!"):
            head = head[1:]
        if not head or f"SPDX-License-Identifier: {licence}" not in head[0]:
            yield f"{path}:1: the first line is not the SPDX line"


def check_lines(tree):
    for path in tree.paths(".c", ".h"):
        code = lint.without_comments(tree.text(path)).splitlines()
        limit = FILE_LINES[os.path.splitext(path)[1]]
        if len(code) > limit:
            yield f"{path}:{limit}: {len(code)} lines, more than {limit}"
        for number, line in tree.lines(path):
            if len(line.expandtabs(TAB)) > COLUMNS:
                yield f"{path}:{number}: wider than {COLUMNS} columns"
        for number, line in enumerate(code, 1):
            match = BANNED.search(line)
            if match:
                yield f"{path}:{number}: {match.group(1)} is banned"


def functions(tree, paths):
    """(path, name, first line, last line, parameters); None without ctags."""
    if not paths:
        return []
    with tempfile.TemporaryDirectory() as directory:
        root = tree.root or directory
        for path in paths if not tree.root else ():
            name = os.path.join(root, path)
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "w", encoding="utf-8") as file:
                file.write(tree.text(path))
        try:
            run = subprocess.run(
                ["ctags", "--options=NONE", "--output-format=json",
                 "--fields=+neS", "--kinds-c=f", "--languages=C",
                 "--langmap=C:.c.h", "-f", "-", "-L", "-"],
                input="\n".join(paths), text=True, cwd=root,
                capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
    tags = [json.loads(line) for line in run.stdout.splitlines()]
    return [(tag["path"], tag["name"], tag["line"], tag["end"],
             tag.get("signature", "()")) for tag in tags if "end" in tag]


def count_parameters(signature):
    depth, commas = 0, 0
    inner = signature.strip()[1:-1].strip()
    for letter in inner:
        depth += (letter in "([{") - (letter in ")]}")
        commas += letter == "," and depth == 0
    return 0 if inner in ("", "void") else commas + 1


def check_body(path, name, first, body):
    """Nesting and direction of goto; `body` begins with line `first`."""
    labels = {}
    for number, line in enumerate(body, first):
        control = CONTROL.match(line)
        if control and len(control.group(1)) > NESTING:
            yield f"{path}:{number}: {name} nests deeper than {NESTING}"
        label = LABEL.match(line)
        if label:
            labels.setdefault(label.group(1), number)
        jump = GOTO.search(line)
        if jump and jump.group(1) in labels:
            yield f"{path}:{number}: {name} jumps backward"


def check_functions(tree):
    paths = tree.paths(".c", ".h")
    found = functions(tree, paths)
    if found is None:
        print("budgets: SKIPPED function lengths: no Universal Ctags")
        return
    sizes = []
    for path, name, first, last, signature in found:
        size = last - first + 1
        sizes.append(size)
        if size > FUNCTION_LINES:
            yield (f"{path}:{first}: {name} has {size} lines, more than "
                   f"{FUNCTION_LINES}")
        if count_parameters(signature) > PARAMETERS:
            yield (f"{path}:{first}: {name} has "
                   f"{count_parameters(signature)} parameters, more than "
                   f"{PARAMETERS}")
        code = lint.without_comments(tree.text(path)).splitlines()
        yield from check_body(path, name, first, code[first - 1:last])
    sizes.sort()
    if sizes:
        p95 = sizes[math.ceil(len(sizes) * 0.95) - 1]
        if p95 > FUNCTION_LINES_P95:
            yield (f"95 % of the functions have up to {p95} lines, more than "
                   f"{FUNCTION_LINES_P95}")


def check(tree):
    yield from check_licence(tree)
    yield from check_lines(tree)
    yield from check_functions(tree)


SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def function(body, parameters="void"):
    return SPDX + f"static void\nf({parameters})\n{{\n{body}}}\n"


DEEP = "".join("\t" * depth + "if (x)\n" for depth in range(1, 6))
BAD = [
    {"a.c": "int x;\n"},
    {"a.py": "#!/usr/bin/env python3\nimport os\n"},
    {"a.bpf.c": SPDX},
    {"a.c": SPDX + "int x;\n" * 800},
    {"a.h": SPDX + "int x;\n" * 250},
    {"a.c": SPDX + "/* " + "x" * 100 + " */\n"},
    {"a.c": SPDX + "\t" * 12 + "int x;\n"},
    {"a.c": function("\tstrcpy(a, b);\n")},
]
BAD_FUNCTIONS = [
    {"a.c": function("\tx();\n" * 61)},
    {"a.c": function("\tx();\n" * 40)},  # alone, it is the 95th percentile
    {"a.c": function(DEEP + "\t" * 6 + "x();\n")},
    {"a.c": function("", "int a, int b, int c, int d, int e, int g, int h")},
    {"a.c": function("again:\n\tx();\n\tgoto again;\n")},
]
GOOD = {
    "a.c": function('\tif (x)\n\t\tgoto out;\n\tx("strcpy(a)");\nout:\n'
                    "\tx(); /* sprintf(a) */\n", "int a, void (*g)(int, int)"),
    "a.h": SPDX,
    "a.bpf.c": "/* SPDX-License-Identifier: GPL-2.0-only */\n",
    "a.sh": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n",
}

if __name__ == "__main__":
    if functions(lint.Tree(dict(GOOD)), ["a.c"]):
        BAD += BAD_FUNCTIONS
    lint.main(check, BAD, GOOD)
