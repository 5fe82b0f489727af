#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: the table of docs/architecture.md.

The first rule whose folder a file is in decides.  An include must begin with
one of `may` and with none of `never`.
"""
import lint

# The parts of dissect/ that say what a result looks like, without the engine.
RESULT = ("dissect/event.h", "dissect/registry.h", "dissect/payload.h",
          "dissect/protocol_name.h")
# The store's read side: everything in its folder but what writes.
STORE_WRITES = ("dissect/store/store_writer.h", "dissect/store/writer.h")
# The parts of the recorder.
RECORDER = ("bpf", "source", "recorder", "identity", "keys")


def beyond(*parts):
    """The folders of the recorder's other parts."""
    return tuple(f"capture/{part}/" for part in RECORDER if part not in parts)


SERVER_MAY = ("base/", "schema/", "capture/", "dissect/store/",
              "server/") + RESULT
# The recorder is a program of its own, asked over its socket.
SERVER_NEVER = STORE_WRITES + beyond()

# (folder, may, never)
RULES = (
    ("base/", ("base/",), ()),
    ("capture/bpf/", ("capture/bpf/", "capture/source/raw_record.h",
                      "capture/keys/key_event.h",
                      "capture/keys/plaintext_event.h"), ()),
    ("capture/source/", ("base/", "capture/"), beyond("source", "bpf")),
    ("capture/identity/", ("base/", "capture/identity/", "capture/bpf/",
                           "capture/source/raw_record.h",
                           "capture/packet_peek.h", "capture/pcapng.h",
                           "capture/segment_writer.h"), ()),
    ("capture/keys/", ("base/", "capture/keys/", "capture/bpf/",
                       "capture/source/raw_record.h", "capture/secrets.h"),
     ()),
    # Puts the others together, and knows none of their programs.
    ("capture/recorder/", ("base/", "capture/"), ("capture/bpf/",)),
    # Exports keep the blocks that say who was there.
    ("capture/export_who.c", ("base/", "capture/"),
     tuple(folder for folder in beyond() if folder != "capture/identity/")),
    # Imports number the processes of several files apart.
    ("capture/import_file.c", ("base/", "capture/"),
     tuple(folder for folder in beyond() if folder != "capture/identity/")),
    # What the server and dissections link: files, not the recording of them.
    ("capture/", ("base/", "capture/"), beyond()),
    ("dissect/proto/", ("base/", "dissect/"),
     ("dissect/store/", "dissect/job/")),
    ("dissect/store/", ("base/", "schema/", "dissect/"),
     ("dissect/engine.h", "dissect/proto/", "dissect/job/")),
    ("dissect/job/", ("base/", "dissect/", "capture/packet_reader.h",
                      "capture/packet_observer.h",
                      "capture/interface_netns.h", "capture/snapshot.h",
                      "capture/home.h", "capture/key_log.h",
                      "capture/secrets.h", "capture/snapshot_secrets.h"),
     ()),
    ("dissect/main.c", ("base/", "dissect/job/", "capture/snapshot.h",
                        "capture/home.h"), ()),
    ("dissect/", ("base/", "dissect/", "capture/packet_reader.h",
                  "capture/identity/identity_block.h",
                  "capture/secrets.h",
                  "capture/snapshot.h", "capture/home.h"),
     ("dissect/store/", "dissect/job/")),
    ("schema/", ("schema/",), ()),
    ("server/mcp/", ("base/", "schema/", "server/mcp/", "server/tool.h",
                     "server/resource.h", "server/prompt.h"), ()),
    ("server/transport/", ("base/", "schema/", "server/transport/",
                           "server/mcp/", "server/tool.h", "server/serve.h"), ()),
    ("server/tools/", SERVER_MAY,
     SERVER_NEVER + ("server/mcp/", "server/transport/", "server/cli/")),
    # Fills the table that server/mcp declares and is given by pointer.
    ("server/resources/", SERVER_MAY,
     SERVER_NEVER + ("server/transport/", "server/cli/")),
    ("server/jobs/", SERVER_MAY,
     SERVER_NEVER + ("server/mcp/", "server/transport/", "server/cli/",
                     "server/tools/")),
    ("server/clients/", ("base/", "schema/", "server/clients/"), ()),
    # The command line builds the program, so it sees all of the server.
    ("server/cli/", SERVER_MAY, SERVER_NEVER),
    ("server/", ("base/", "server/"), ()),
)

# Libraries that belong to one place: (header prefix, who may include it).
LIBRARIES = (
    ("sqlite3.h", ("dissect/store/",)),
    ("llhttp.h", ("dissect/proto/http", "server/transport/")),
    ("seccomp.h", ("base/sandbox",)),
    ("bpf/", ("capture/bpf/", "capture/source/", "capture/identity/",
              "capture/keys/")),
    ("pcap.h", ()),
    ("pcap/", ("capture/source/",)),
    ("libelf.h", ()),
    ("elf.h", ("capture/keys/",)),
    ("sys/capability.h", ("base/sandbox", "capture/recorder/",
                          "capture/source/")),
    ("uv.h", ("server/", "dissect/job/", "capture/")),
)


def check_project_include(path, name):
    for folder, may, never in RULES:
        if not path.startswith(folder):
            continue
        if not name.startswith(may) or name.startswith(never):
            return f"{folder} may not include \"{name}\""
        return None
    return None


def check_library_include(path, name):
    for header, owners in LIBRARIES:
        if name.startswith(header) and not path.startswith(owners):
            return (f"<{name}> belongs to "
                f"{' and '.join(owners) or 'nobody: see the table'}")
    return None


def check(tree):
    for path in tree.paths(".c", ".h"):
        if not path.startswith(tuple(rule[0] for rule in RULES)):
            continue
        for number, kind, name in lint.includes(tree, path):
            finding = (check_project_include(path, name) if kind == '"'
                       else check_library_include(path, name))
            if finding:
                yield f"{path}:{number}: {finding}"


BAD = [
    {"base/a.c": '#include "capture/home.h"\n'},
    {"capture/a.c": '#include "dissect/event.h"\n'},
    {"dissect/a.c": '#include "server/tool.h"\n'},
    {"dissect/a.c": '#include "capture/export.h"\n'},
    {"dissect/proto/a.c": '# include "dissect/store/store.h"\n'},
    {"dissect/store/a.c": '#include "dissect/engine.h"\n'},
    {"schema/a.c": '#include "base/buf.h"\n'},
    {"server/mcp/a.c": '#include "server/tools/db.h"\n'},
    {"server/tools/a.c": '#include "dissect/store/store_writer.h"\n'},
    {"server/tools/a.c": "#include <sqlite3.h>\n"},
    {"dissect/proto/dns.c": "#include <llhttp.h>\n"},
    {"server/tools/a.c": '#include "capture/recorder/recorder.h"\n'},
    {"server/cli/a.c": '#include "capture/keys/keys.h"\n'},
    {"capture/a.c": '#include "capture/source/source.h"\n'},
    {"capture/keys/a.c": '#include "capture/identity/identity.h"\n'},
    {"capture/recorder/a.c": "#include <bpf/bpf.h>\n"},
    {"server/tools/a.c": "#include <bpf/libbpf.h>\n"},
    {"capture/keys/a.c": "#include <libelf.h>\n"},
    {"base/a.c": '#include "a.h"\n'},  # not by full path
]
GOOD = {
    "base/a.c": '#include "base/a.h"\n\n#include <stdio.h>\n',
    "dissect/proto/http1.c": '#include <llhttp.h>\n#include "base/buf.h"\n',
    "dissect/store/a.c": '#include <sqlite3.h>\n#include "dissect/event.h"\n',
    "server/tools/a.c": '#include "dissect/store/store.h"\n',
    "capture/recorder/a.c": '#include "capture/source/source.h"\n',
    "capture/keys/a.c": '#include <bpf/bpf.h>\n#include "base/buf.h"\n',
    "tests/unit/a.c": '#include "server/tools/db.h"\n',
}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
