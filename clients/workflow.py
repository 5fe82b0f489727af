#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole way with nothing but Python: import a capture, freeze it, dissect
it, ask about it, export what matters.

usage: workflow.py [--server "aftertap serve …" | --url URL] CAPTURE EXPORT

CAPTURE and EXPORT are paths as the server sees them, below its --allow-path.
"""
import sys
import time

from ask import connect

WAIT_MS = 20_000


class Failed(Exception):
    """A tool said no; the text says why and what to change."""


def ask(client, tool, **arguments):
    """The structured content of a call that succeeds."""
    result = client.call(tool, **arguments)
    if result.get("isError"):
        raise Failed(f"{tool}: {result['content'][0]['text']}")
    return result["structuredContent"]


def bring_in(client, file):
    """The capture's name.  A large import goes on after the call, and the
    list of captures shows how far it is."""
    name = ask(client, "import_capture", files=[file],
               wait_ms=WAIT_MS)["name"]
    capture, = ask(client, "list_captures", name=name)["captures"]
    while capture["state"] == "importing":
        time.sleep(1)
        capture, = ask(client, "list_captures", name=name)["captures"]
    print(f"capture {name}: {capture['packets']} packets from "
          f"{capture['first']} to {capture['last']}")
    return name


def dissect(client, snapshot):
    """The database's address."""
    started = ask(client, "start_snapshot_dissection", snapshot=snapshot)
    status = {"status": "pending"}
    while status["status"] in ("pending", "running"):
        status = ask(client, "get_snapshot_dissection_status",
                     snapshot=snapshot, name=started["name"],
                     wait_ms=WAIT_MS)
    print(f"dissection {started['db']}: {status['status']}")
    return started["db"]


def question(client, db):
    """Prints statistics and what failed; the ids of the failed calls."""
    stats = ask(client, "get_api_stats", db=db, group_by=["status"])
    for group in stats["groups"]:
        print("status", group)
    failed = ask(client, "list_api_calls", db=db, limit=5,
                 filter="http && status_code >= 500")
    print(f"{failed['total']} calls failed")
    for call in failed["calls"]:
        whole = ask(client, "get_api_call", db=db, id=call["id"])["call"]
        print(f"  {whole['method']} {whole['path']}: {whole['status']}")
    return [call["id"] for call in failed["calls"]]


def export(client, snapshot, db, calls, path):
    which = {"db": db, "calls": calls} if calls else {}
    done = {"state": "running"}
    while done["state"] == "running":
        done = ask(client, "export_snapshot_pcap", snapshot=snapshot,
                   path=path, overwrite=True, wait_ms=WAIT_MS, **which)
    print(f"{done['packets']} packets in {done['path']}")


def main(argv):
    if len(argv) not in (2, 4):
        raise SystemExit(__doc__)
    client, (file, path) = connect(argv)
    try:
        capture = bring_in(client, file)
        made = ask(client, "create_snapshot", captures=[capture])
        db = dissect(client, made["name"])
        export(client, made["name"], db, question(client, db), path)
    except Failed as failure:
        raise SystemExit(str(failure))
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1:])
