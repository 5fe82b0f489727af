#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone, and says what its functions do.

A prototype is documented when a comment stands directly above it or above the
group (lines without a blank one between) it is in.
"""
import concurrent.futures
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

import lint

PROTOTYPE = re.compile(r"^(?!static\b|typedef\b|#|\s|/\*|\}|return\b)"
                       r"[\w\s*]+?\b\w+\(")
LIBRARIES = ["libuv", "jansson", "sqlite3", "libzstd", "liblz4", "libbpf",
             "cmocka"]


def compiler_flags():
    flags = ["-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
             "-Werror", "-x", "c", "-I/usr/include/llhttp",
             "-I/usr/share/include/llhttp"]
    for library in LIBRARIES:
        run = subprocess.run(["pkg-config", "--cflags", library], text=True,
                             capture_output=True, check=False)
        flags += shlex.split(run.stdout)
    return flags


def check_alone(tree, root):
    """Compiles a file that includes nothing but the header."""
    compiler = os.environ.get("CC", "cc")
    flags = compiler_flags() + ["-I" + root]

    def compile_one(path):
        return path, subprocess.run(
            [compiler, *flags, "-"], input=f'#include "{path}"\n', text=True,
            capture_output=True, check=False, cwd=root)

    # What the kernel side shares is compiled with the kernel side's headers.
    paths = [path for path in tree.paths(".h")
             if not path.endswith((".bpf.h", "vmlinux.h"))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, run in pool.map(compile_one, paths):
            if run.returncode != 0:
                reason = run.stderr.strip().splitlines()
                yield f"{path}:1: does not compile alone: {reason[:2]}"


def check_documented(tree):
    for path in tree.paths(".h"):
        if path.startswith("tests/"):
            continue
        text = tree.text(path)
        code = lint.without_comments(text).splitlines()
        lines = text.splitlines()
        documented, depth = False, 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                documented = False
            elif line.lstrip().startswith("/*"):
                documented = True
            if depth == 0 and PROTOTYPE.match(code[number - 1]) \
                    and is_prototype(code, number - 1) and not documented:
                yield f"{path}:{number}: a prototype without a comment"
            depth += code[number - 1].count("{") - code[number - 1].count("}")


def is_prototype(code, index):
    """True when the statement ends in ';', not in a body."""
    for line in code[index:index + 12]:
        end = re.search(r"[;{]", line)
        if end:
            return end.group(0) == ";"
    return False


def check(tree):
    yield from check_documented(tree)
    if tree.root:
        yield from check_alone(tree, tree.root)
        return
    with tempfile.TemporaryDirectory() as root:
        for path in tree.paths():
            name = os.path.join(root, path)
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "w", encoding="utf-8") as file:
                file.write(tree.text(path))
        yield from check_alone(tree, root)


BAD = [
    {"a/a.h": "#pragma once\nextern size_t a;\n"},
    {"a/a.h": "#pragma once\n\nint f(void);\n"},
    {"a/a.h": "#pragma once\n/* Two. */\nint f(void);\n\nint g(int a,\n"
              "\t  int b);\n"},
]
GOOD = {"a/a.h": "#pragma once\n#include <stddef.h>\n\n/* Two. */\n"
                 "int f(void);\nint g(size_t a,\n      int b);\n\n"
                 "struct x {\n\tint (*call)(void);\n\n\tint y;\n};\n\n"
                 "static inline int\nh(void)\n{\n\treturn f();\n}\n"}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
