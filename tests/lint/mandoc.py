#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mandoc(1) has no warnings about the manual pages."""
import shutil
import subprocess
import sys

import lint


def check(tree):
    for path in tree.paths(".1", ".5", ".7", ".8", under="docs/man/"):
        run = subprocess.run(
            ["mandoc", "-Tlint", "-Wwarning"], input=tree.text(path),
            text=True, capture_output=True, check=False)
        for line in run.stdout.splitlines():
            yield line.replace("mandoc: <stdin>", path)


PAGE = """.\\" SPDX-License-Identifier: Apache-2.0
.Dd January 1, 2024
.Dt X 1
.Os
.Sh NAME
.Nm x
.Nd do nothing
.Sh DESCRIPTION
Nothing is done.
"""
BAD = [{"docs/man/x.1": PAGE + ".Bl -bullet\n.It\nx\n"}]
GOOD = {"docs/man/x.1": PAGE}

if __name__ == "__main__":
    if not shutil.which("mandoc"):
        print("mandoc: SKIPPED: not installed")
        sys.exit(lint.SKIPPED)
    lint.main(check, BAD, GOOD)
