# SPDX-License-Identifier: Apache-2.0
"""What the checks in this directory share.

A check is a function from a Tree to an iterable of findings ("path:line:
sentence").  Before it looks at the real tree it must find what is wrong with
small bad samples and nothing in good ones: a check that cannot fail checks
nothing.
"""
import os
import re
import subprocess
import sys

SKIPPED = 77  # what CTest reads as "skipped"
IGNORED_DIRECTORIES = {".git", "build", "node_modules", "__pycache__"}


class Tree:
    """The files of the project by path below its root."""

    def __init__(self, files, root=None):
        self.files = files  # path -> text, or None until read
        self.root = root

    def paths(self, *endings, under=""):
        """Sorted paths with one of the endings (all without any)."""
        return [path for path in sorted(self.files)
                if path.startswith(under)
                and (not endings or path.endswith(endings))]

    def text(self, path):
        if self.files[path] is None:
            name = os.path.join(self.root, path)
            with open(name, encoding="utf-8", errors="replace") as file:
                self.files[path] = file.read()
        return self.files[path]

    def lines(self, path):
        """(number, line) pairs, from 1."""
        return enumerate(self.text(path).splitlines(), 1)

    def exists(self, path):
        return path in self.files or (
            self.root is not None
            and os.path.exists(os.path.join(self.root, path)))


def read_tree(root):
    """The tracked files, or all but the ignored without git."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-z"],
                         capture_output=True, check=False)
    if git.returncode == 0:
        paths = git.stdout.decode().split("\0")
        paths = [path for path in paths
                 if path and os.path.isfile(os.path.join(root, path))]
    else:
        paths = []
        for directory, below, names in os.walk(root):
            below[:] = [b for b in below if b not in IGNORED_DIRECTORIES]
            paths += [os.path.relpath(os.path.join(directory, name), root)
                      for name in names]
    return Tree(dict.fromkeys(paths), root)


def without_comments(text):
    """C with comments blanked and strings emptied, line by line the same."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] * 2
        return "\n" * found.count("\n") or " "

    return re.sub(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|"""
                  r"""'(?:\\.|[^'\\\n])*'""", blank, text, flags=re.S)


INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def includes(tree, path):
    """(line, "\\"" or "<", name) of every #include."""
    for number, line in tree.lines(path):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def self_test(check, bad, good):
    """Each bad sample gives findings, the good one none."""
    for number, sample in enumerate(bad, 1):
        if not list(check(Tree(dict(sample)))):
            sys.exit(f"self-test: bad sample {number} was not found")
    findings = list(check(Tree(dict(good))))
    if findings:
        sys.exit("self-test: the good sample was refused: "
                 + "; ".join(findings))


def main(check, bad, good):
    """Self-test, then the tree named on the command line (default: ours)."""
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../..")
    self_test(check, bad, good)
    findings = list(check(read_tree(os.path.abspath(root))))
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{len(findings)} findings")
