#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No module includes itself through others.

x.c and x.h are one module.  A header without a .c of its own that includes x.h
and is included by x.c is how x is split into several files: it belongs to x.
"""
import os

import lint


def module_graph(tree):
    """module -> {module it includes: the line that does}"""
    edges = []  # (path, line, included path)
    for path in tree.paths(".c", ".h"):
        edges += [(path, number, name)
                  for number, kind, name in lint.includes(tree, path)
                  if kind == '"']
    pairs = {(path, name) for path, _, name in edges}
    owner = {}
    for path, name in sorted(pairs):
        module = os.path.splitext(name)[0]
        source = module + ".c"
        if path.endswith(".h") and not tree.exists(path[:-2] + ".c") \
                and (source, path) in pairs:
            owner.setdefault(path[:-2], module)

    def module_of(path):
        module = os.path.splitext(path)[0]
        return owner.get(module, module)

    graph = {}
    for path, number, name in edges:
        used = graph.setdefault(module_of(path), {})
        if module_of(name) != module_of(path):
            used.setdefault(module_of(name), f"{path}:{number}")
    return graph


def shortest_cycle(graph, start):
    """The modules from `start` back to it, or None."""
    came_from, todo = {}, [start]
    for module in todo:
        for used in graph.get(module, ()):
            if used == start:
                cycle = [start]
                while module != start:
                    cycle.insert(1, module)
                    module = came_from[module]
                return cycle
            if used not in came_from:
                came_from[used] = module
                todo.append(used)
    return None


def check(tree):
    graph = module_graph(tree)
    reported = set()
    for start in sorted(graph):
        cycle = shortest_cycle(graph, start)
        if not cycle or frozenset(cycle) in reported:
            continue
        reported.add(frozenset(cycle))
        for module, used in zip(cycle, cycle[1:] + cycle[:1]):
            yield f"{graph[module][used]}: {module} includes {used}"
        yield f"... which is a cycle of {len(cycle)} modules"


BAD = [
    {"a/x.h": '#include "a/y.h"\n', "a/x.c": "",
     "a/y.c": '#include "a/x.h"\n'},
    {"a/x.c": '#include "a/y.h"\n', "a/y.h": '#include "b/z.h"\n',
     "b/z.c": '#include "a/x.h"\n', "a/x.h": ""},
]
GOOD = {"a/x.c": '#include "a/x.h"\n#include "a/y.h"\n#include "a/in.h"\n',
        "a/x.h": "", "a/in.h": '#include "a/x.h"\n',
        "a/x_more.c": '#include "a/in.h"\n',
        "a/y.c": '#include "a/y.h"\n', "a/y.h": ""}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
