#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""psql and pgbench against PostgreSQL, recorded with tcpdump: every statement
and every error equals a line of the server's own log; rows are those that the
statement asked for, also with packets lost, swapped and doubled.

usage: test_postgresql_truth.py AFTERTAP
"""
import collections
import glob
import json
import os
import shutil
import sys
import time

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, skip, tshark_fields, workspace)

PORT = "7412"  # not PostgreSQL's own
MARKERS = 1500

SETUP = """
CREATE TABLE users (id int PRIMARY KEY, name text);
INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 1000) g;
SELECT * FROM users ORDER BY id;
SELECT * FROM missing;
INSERT INTO users VALUES (1, 'twice');
BEGIN;
SELECT 1/0;
SELECT 2;
ROLLBACK;
COPY users TO STDOUT;
PREPARE p AS SELECT name FROM users WHERE id = $1;
EXECUTE p(7);
DO $$ BEGIN RAISE NOTICE 'by the way'; END $$;
LISTEN news;
NOTIFY news, 'hello';
SELECT repeat('x', 300000) AS long;
\\copy users FROM PROGRAM 'seq 2001 2100 | sed "s/.*/&,copied &/"' WITH CSV
"""
SCRIPT = "\\set n random(1, 1000000000)\nSELECT :n AS n;\n"


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))
    if not found:
        skip("not installed: postgresql")
    return os.path.dirname(found[-1])


class Server:
    """A cluster of its own, run by the user postgres."""

    def __init__(self, space, directory):
        self.space, self.bin = space, binaries()
        self.data = os.path.join(directory, "data")
        os.mkdir(self.data)
        shutil.chown(self.data, "postgres")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as file:
            file.write(f"""
port = {PORT}
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
logging_collector = on
log_destination = jsonlog
log_directory = log
log_filename = 'server.log'
log_statement = all
log_connections = on
""")
        space.start("runuser", "-u", "postgres", "--",
                    os.path.join(self.bin, "postgres"), "-D", self.data)
        for _ in range(100):
            if not space.run(*self.psql("-c", "SELECT 1"),
                             check=False).returncode:
                return
            time.sleep(0.2)
        raise SystemExit("PostgreSQL did not start")

    def run(self, program, *words, **more):
        return self.space.run("runuser", "-u", "postgres", "--",
                              os.path.join(self.bin, program), *words, **more)

    @staticmethod
    def psql(*words):
        return ("psql", "-X", "-q", "-h", "127.0.0.1", "-p", PORT, "-U",
                "postgres", "-d", "postgres", *words)

    def log(self):
        with open(os.path.join(self.data, "log", "server.json")) as file:
            return [json.loads(line) for line in file]


def work(server, space, directory):
    def script(name, text):
        path = os.path.join(directory, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    space.run(*server.psql("-f", script("setup.sql", SETUP)), check=False)
    space.run(*server.psql("-f", script("markers.sql", "".join(
        f"SELECT 'marker {i}' AS marker;\n" for i in range(MARKERS)))))
    bench = script("bench.sql", SCRIPT)
    for mode in ("simple", "extended", "prepared"):
        server.run("pgbench", "-h", "127.0.0.1", "-p", PORT, "-U", "postgres",
                   "-n", "-M", mode, "-c", "4", "-t", "300", "-f", bench,
                   "postgres")
    space.run(*server.psql("-c", "SELECT 1", "-d", "nowhere"), check=False)


def record(directory):
    os.chmod(directory, 0o755)  # the server is another user
    pcap = os.path.join(directory, "postgresql.pcap")
    with Namespace("at-pgsql") as space:
        server = Server(space, directory)
        before = len(server.log())
        recorder = space.record(pcap, "tcp port " + PORT)
        work(server, space, directory)
        space.stop(recorder)
        log = server.log()[before:]
    return pcap, log


def logged(log):
    """Statements, and errors by SQLSTATE, as the server wrote them."""
    statements, errors = collections.Counter(), collections.Counter()
    for entry in log:
        message = entry["message"]
        if entry["error_severity"] in ("ERROR", "FATAL"):
            errors[entry["state_code"]] += 1
        elif message.startswith("statement: "):
            statements[message[11:].strip()] += 1
        elif message.startswith("execute "):
            statements[message.partition(": ")[2].strip()] += 1
    return statements, errors


def first_line(sql):
    """What was copied follows the statement on lines of its own."""
    return sql.strip().split("\n")[0].rstrip("; ")


def check(failures, aftertap, db, log):
    statements, errors = logged(log)
    ours, our_errors = collections.Counter(), collections.Counter()
    for _, method, sql, code, error in aftertap.rows(
            db, "method, body_text(id, 'request'), status_text, is_error",
            "protocol = 'postgresql'"):
        if error:
            our_errors[code] += 1
        # A statement of SQL called PREPARE is one, a message Parse is not.
        if sql and (method != "PREPARE" or sql.startswith("PREPARE")):
            ours[first_line(sql)] += 1
    theirs = collections.Counter()
    for sql, count in statements.items():
        theirs[first_line(sql)] += count
    failures.that("the server logged statements",
                  sum(theirs.values()) > 5000, sum(theirs.values()))
    difference = collections.Counter(ours)
    difference.subtract(theirs)
    failures.check("statements that differ from the server's log",
                   [c for c in difference.items() if c[1]][:5], [])
    failures.check("errors by SQLSTATE", our_errors, errors)
    connected = sum(e["message"].startswith("connection authorized")
                    for e in log)
    failed = sum(e["error_severity"] == "FATAL" for e in log)
    calls = aftertap.json("--db", db, "sql", "SELECT count(*), "
                          "sum(host = 'postgres') FROM api_calls WHERE "
                          "method = 'CONNECT'")["rows"][0]
    failures.check("connections", calls, [connected, connected - failed])
    other = list(aftertap.rows(db, "protocol", "protocol != 'postgresql'"))
    failures.check("calls of other protocols", other, [])


def markers(aftertap, db, certain=""):
    """(asked for, answered) of statements that say what they ask for."""
    for _, sql, body, parameter in aftertap.rows(
            db, "body_text(id, 'request'), body_text(id, 'response'),"
            " header(id, 'request', 'parameter')",
            "protocol = 'postgresql' AND method = 'SELECT' AND complete"
            " AND NOT is_error" + certain):
        sql = first_line(sql)
        if sql.startswith("SELECT 'marker"):
            yield sql[8:].partition("'")[0], body.strip()
        elif sql.endswith("$1 AS n"):
            yield parameter, body.strip()
        elif sql.endswith("AS n"):
            yield sql.split()[1], body.strip()


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        pairs = list(markers(aftertap, db, " AND NOT uncertain"))
        wrong = [p for p in pairs if p[0] != p[1]]
        failures.that(f"{variant}: pairs", len(pairs) > 1500 or variant in (
            "client_only.pcap", "server_only.pcap"), len(pairs))
        failures.check(f"{variant}: wrong pairs", wrong[:3], [])


def main(binary):
    need_root()
    need("psql", "runuser", "tcpdump", "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, log = record(directory)
        if os.environ.get("KEEP"):
            shutil.copy(pcap, os.environ["KEEP"])
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check(failures, aftertap, db, log)
        pairs = list(markers(aftertap, db))
        failures.check("statements with a marker", len(pairs),
                       MARKERS + 3 * 4 * 300)
        failures.check("wrong rows", [p for p in pairs if p[0] != p[1]][:3],
                       [])
        theirs = tshark_fields(pcap, "pgsql.type == \"Ready for query\"",
                               ["pgsql.type"], "-d", f"tcp.port=={PORT},pgsql")
        ready = sum(row[0].count("Ready for query") for row in theirs)
        ours = aftertap.json(
            "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE"
            " has_response AND method NOT IN ('NOTIFICATION', 'SSL REQUEST',"
            " 'GSS REQUEST') AND NOT (method = 'CONNECT' AND is_error)"
        )["rows"][0][0]
        failures.check("answers that tshark sees", ours, ready)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
