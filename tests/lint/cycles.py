#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No module includes itself through others; x.c and x.h are one module."""
import os

import lint


def module_graph(tree):
    """module -> modules it includes"""
    graph = {}
    for path in tree.paths(".c", ".h"):
        module = os.path.splitext(path)[0]
        used = {os.path.splitext(name)[0]
                for _, kind, name in lint.includes(tree, path)
                if kind == '"'}
        graph.setdefault(module, set()).update(used - {module})
    return graph


def reachable(graph, start):
    seen, todo = set(), [start]
    while todo:
        for module in graph.get(todo.pop(), ()):
            if module not in seen:
                seen.add(module)
                todo.append(module)
    return seen


def check(tree):
    graph = module_graph(tree)
    reach = {module: reachable(graph, module) for module in graph}
    reported = set()
    for module in sorted(graph):
        if module not in reach[module] or module in reported:
            continue
        cycle = {other for other in reach[module]
                 if module in reach.get(other, ())}
        reported |= cycle
        yield f"{module}: include cycle of {', '.join(sorted(cycle))}"


BAD = [
    {"a/x.h": '#include "a/y.h"\n', "a/y.c": '#include "a/x.h"\n'},
    {"a/x.c": '#include "a/y.h"\n', "a/y.h": '#include "b/z.h"\n',
     "b/z.c": '#include "a/x.h"\n', "a/x.h": ""},
]
GOOD = {"a/x.c": '#include "a/x.h"\n#include "a/y.h"\n', "a/x.h": "",
        "a/y.c": '#include "a/y.h"\n', "a/y.h": ""}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
