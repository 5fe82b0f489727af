#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mariadb and a client of its own against MariaDB, recorded with tcpdump:
every statement equals a line of the server's general log, every error one of
performance_schema; rows are those that the statement asked for, also
compressed, under TLS, and with packets lost, swapped and doubled.

usage: test_mysql_truth.py AFTERTAP
"""
import collections
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time
import zlib

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7413"  # not MySQL's own
MARKERS = 1500
PREPARED = 400

PREPARED_BY_SQL = "SELECT name FROM users WHERE id = ?"
SETUP = """
CREATE TABLE users (id int PRIMARY KEY, name text);
INSERT INTO users SELECT seq, concat('user ', seq) FROM seq_1_to_1000;
SELECT * FROM users ORDER BY id;
SELECT * FROM missing;
INSERT INTO users VALUES (1, 'twice');
BEGIN;
UPDATE users SET name = 'x' WHERE id < 11;
ROLLBACK;
SELECT * FRM users;
PREPARE p FROM 'SELECT name FROM users WHERE id = ?';
SET @id = 7;
EXECUTE p USING @id;
/*!40101 SET @old_mode = @@sql_mode */;
SELECT repeat('x', 300000) AS `long`;
LOAD DATA LOCAL INFILE '%s' INTO TABLE users FIELDS TERMINATED BY ',';
CREATE DATABASE other;
USE other;
SELECT database();
USE shop;
SELECT database();
"""


class Client:
    """Speaks the protocol itself: prepared statements, binary rows, several
    results, compression, another user, and what libraries hide."""

    CAN = (1 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 16 | 1 << 17 |
           1 << 18 | 1 << 19)

    def __init__(self, compressed=False, deprecate=False, keys=None):
        self.socket = socket.create_connection(("127.0.0.1", int(PORT)))
        self.file = self.socket.makefile("rb")
        self.compressed, self.plain, number = False, b"", 1
        can = self.CAN | (1 << 5 if compressed else 0)
        self.deprecate = deprecate
        can |= 1 << 24 if deprecate else 0
        can |= 1 << 11 if keys else 0
        self.read_packet()
        if keys:
            self.encrypt(can, keys)
            number = 2
        login = struct.pack("<IIB23x", can, 1 << 24, 45) + b"app\0\0shop\0" \
            b"mysql_native_password\0"
        self.socket.sendall(struct.pack("<I", len(login) | number << 24) +
                            login)
        answer = self.read_packet()
        if answer[0] == 0xfe:  # another method, or the same with a new salt
            self.socket.sendall(struct.pack("<I", number + 2 << 24))
            answer = self.read_packet()
        assert answer[0] == 0, answer
        self.compressed = compressed

    def encrypt(self, can, keys):
        self.socket.sendall(struct.pack("<I", 32 | 1 << 24) + struct.pack(
            "<IIB23x", can, 1 << 24, 45))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.keylog_filename = keys
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def take(self, size):
        if not self.compressed:
            return self.file.read(size)
        while len(self.plain) < size:
            head = self.file.read(7)
            packed = int.from_bytes(head[:3], "little")
            data = self.file.read(packed)
            self.plain += zlib.decompress(data) if any(head[4:]) else data
        taken, self.plain = self.plain[:size], self.plain[size:]
        return taken

    def read_packet(self):
        head = self.take(4)
        return self.take(int.from_bytes(head[:3], "little"))

    def send(self, command, content=b"", squeeze=False):
        packet = struct.pack("<I", len(content) + 1) + bytes([command]) + \
            content
        if self.compressed and squeeze:
            small = zlib.compress(packet)
            packet = struct.pack("<I", len(small)) + \
                struct.pack("<I", len(packet))[:3] + small
        elif self.compressed:
            packet = struct.pack("<I", len(packet)) + bytes(3) + packet
        self.socket.sendall(packet)

    @staticmethod
    def is_end(packet):
        return packet[0] == 0xff or (packet[0] == 0xfe and len(packet) < 200)

    def results(self):
        """All packets of an answer to a query."""
        packets = []
        while True:
            packet = self.read_packet()
            packets.append(packet)
            if packet[0] == 0xff:
                return packets
            if packet[0] == 0:
                if not packet[3] & 8:
                    return packets
                continue
            while not self.is_end(packet):
                packet = self.read_packet()
            if not self.deprecate:
                packet = self.read_packet()
                while not self.is_end(packet):
                    packets.append(packet)
                    packet = self.read_packet()
                status = packet[3]
            else:
                status = packet[3] if len(packet) > 5 else 0
            if not status & 8:
                return packets

    def query(self, sql, squeeze=False):
        self.send(3, sql.encode(), squeeze)
        return self.results()

    def prepare(self, sql):
        self.send(0x16, sql.encode())
        packet = self.read_packet()
        if packet[0] == 0xff:
            return None
        number, columns, parameters = struct.unpack_from("<IHH", packet, 1)
        for count in (parameters, columns):
            for _ in range(count + (0 if self.deprecate or not count else 1)):
                self.read_packet()
        return number

    def execute(self, number, *values, cursor=0):
        content = struct.pack("<IBI", number, cursor, 1)
        if values:
            content += bytes((len(values) + 7) // 8) + b"\1"
            content += b"".join(b"\3\0" if isinstance(v, int) else b"\xfd\0"
                                for v in values)
            for value in values:
                content += struct.pack("<i", value) if isinstance(
                    value, int) else bytes([len(value)]) + value.encode()
        self.send(0x17, content)
        return self.results()


def workload(keys):
    """Runs inside the namespace: values say which statement asked for them."""
    for deprecate in (False, True):
        client = Client(deprecate=deprecate)
        number = client.prepare("SELECT ? AS n, ? AS t")
        for i in range(PREPARED):
            n = i * 7 + deprecate
            client.execute(number, n, f"prepared {n}")
        client.send(0x19, struct.pack("<I", number))
        assert client.prepare("SELEC 1") is None
        insert = client.prepare("INSERT INTO users VALUES (?, ?)")
        client.execute(insert, 3001 + deprecate, "executed")
        client.execute(insert, 3001 + deprecate, "executed")
        client.send(0x18, struct.pack("<IH", insert, 1) + b"in pieces")
        client.send(0x1a, struct.pack("<I", insert))
        client.read_packet()
        client.query("SELECT 'first of two'; SELECT 'second of two'")
        client.query("SELECT 'before the error'; SELECT * FROM missing")
        client.query("DO 1")
        client.send(0x0e)
        client.read_packet()
        client.send(0x09)
        client.read_packet()
        client.send(0x02, b"other")
        client.read_packet()
        client.query("SELECT 'in the other'")
        client.send(0x11, b"app\0\0shop\0\x2d\0mysql_native_password\0")
        if client.read_packet()[0] == 0xfe:
            client.socket.sendall(struct.pack("<I", 2 << 24))
            client.read_packet()
        client.query("SELECT 'once more'")
        client.send(0x01)
    for squeeze in (False, True):
        client = Client(compressed=True, deprecate=True)
        for i in range(PREPARED):
            n = 100000 + 2 * i + squeeze
            client.query(f"SELECT 'marker {n}' AS marker, '{'y' * (i * 9)}'",
                         squeeze)
        client.query("SELECT * FROM users ORDER BY id", squeeze)
        client.query("SELECT * FROM missing", squeeze)
        client.send(0x01)
    for compressed in (False, True):
        client = Client(compressed, True, keys)
        for i in range(PREPARED):
            n = 200000 + 2 * i + compressed
            client.query(f"SELECT 'marker {n}' AS marker", i % 2)
        client.query("SELECT * FROM missing")
        client.send(0x01)


class Server:
    """A data directory of its own, run by the user mysql."""

    def __init__(self, space, directory):
        self.space, self.directory = space, directory
        self.data = os.path.join(directory, "data")
        os.mkdir(self.data)
        shutil.chown(self.data, "mysql")
        self.socket = os.path.join(self.data, "s")
        self.log = os.path.join(self.data, "general.log")
        self.certificate(directory)
        space.run("mariadb-install-db", "--no-defaults", "--user=mysql",
                  "--auth-root-authentication-method=normal",
                  "--datadir=" + self.data)
        self.child = space.start(
            "mariadbd", "--no-defaults", "--user=mysql",
            "--datadir=" + self.data, "--port=" + PORT,
            "--bind-address=127.0.0.1", "--socket=" + self.socket,
            "--general-log=1", "--general-log-file=" + self.log,
            "--performance-schema=ON", "--local-infile=1",
            "--ssl-cert=" + self.path("cert.pem"),
            "--ssl-key=" + self.path("key.pem"),
            "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve")
        for _ in range(200):
            if not self.quiet("SELECT 1").returncode:
                break
            time.sleep(0.2)
        else:
            raise SystemExit("MariaDB did not start")
        self.quiet("CREATE DATABASE shop; CREATE USER app@'127.0.0.1';"
                   "GRANT ALL ON *.* TO app@'127.0.0.1'", check=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def certificate(self, directory):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem"), "-days", "2", "-subj",
                        "/CN=localhost"], check=True, capture_output=True)
        os.chmod(self.path("key.pem"), 0o644)

    def quiet(self, sql, **more):
        """Not over the wire that is recorded."""
        more.setdefault("check", False)
        return self.space.run("mariadb", "--no-defaults", "-u", "root", "-N",
                              "-S", self.socket, "-e", sql,
                              stdout=subprocess.PIPE, **more)

    def client(self, *words, check=True, **more):
        return self.space.run(
            "mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", PORT, "-u",
            "app", "--local-infile=1", "--force", "--skip-ssl", *words,
            "shop", check=check, **more)

    def errors(self):
        """How often each error was raised, as the server counts them."""
        rows = self.quiet(
            "SELECT error_number, sum(sum_error_raised) FROM"
            " performance_schema.events_errors_summary_global_by_error"
            " GROUP BY 1").stdout.decode().split("\n")
        return {int(r.split()[0]): int(r.split()[1]) for r in rows if r}


def work(server, space):
    def script(name, text):
        path = server.path(name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    rows = script("rows.csv", "".join(f"{n},copied {n}\n"
                                      for n in range(2001, 2101)))
    with open(script("setup.sql", SETUP % rows)) as file:
        server.client(stdin=file, check=False)
    with open(script("markers.sql", "".join(
            f"SELECT 'marker {i}' AS marker;\n"
            for i in range(MARKERS)))) as file:
        server.client(stdin=file)
    space.run(sys.executable, os.path.abspath(__file__), "workload",
              server.path("keys"), stderr=None)
    server.client("--compress", "-e", "SELECT 'marker 777777' AS marker;"
                  "SELECT * FROM users; SELECT * FROM missing", check=False)
    server.client("-unobody", "-pwrong", "-e", "SELECT 1", check=False)


def record(directory):
    os.chmod(directory, 0o755)  # the server is another user
    pcap = os.path.join(directory, "mysql.pcap")
    with Namespace("at-mysql") as space:
        server = Server(space, directory)
        skipped = os.path.getsize(server.log)
        recorder = space.record(pcap, "tcp port " + PORT)
        work(server, space)
        space.stop(recorder)
        with open(server.log, errors="replace") as file:
            file.seek(skipped)
            log = file.read()
    return pcap, log, server.path("keys")


ENTRY = re.compile(r"^(?:\d{6} [ \d]\d:\d\d:\d\d|\t)\t *(\d+) (Connect|Query|"
                   r"Prepare|Execute|Quit|Init DB|Close stmt|Change user|"
                   r"Ping|Statistics|Reset stmt|Long Data|Field List)(?:\t|$)",
                   re.M)


def logged(log):
    """(command, text) as the server wrote them."""
    entries = list(ENTRY.finditer(log))
    for entry, following in zip(entries, entries[1:] + [None]):
        text = log[entry.end():following.start() if following else len(log)]
        yield entry.group(2), text.strip()


def first_line(sql):
    return sql.strip().rstrip("; ")


def check(failures, aftertap, db, log):
    theirs, methods = collections.Counter(), collections.Counter()
    for command, text in logged(log):
        methods[command] += not text.startswith("Access denied")
        if command == "Query" or (command == "Prepare" and
                                  text != PREPARED_BY_SQL):
            theirs[first_line(text)] += 1
    ours, counted = collections.Counter(), collections.Counter()
    for _, method, sql, bound, error in aftertap.rows(
            db, "method, body_text(id, 'request'),"
            " header(id, 'request', 'statement'), is_error",
            "protocol = 'mysql'"):
        counted[method] += 1
        # What could not be prepared is not logged.
        if sql and not bound and method not in (
                "FILE DATA", "LONG DATA") and not (
                    error and sql == "SELEC 1"):
            ours[first_line(sql)] += 1
        if bound and sql and method != "LONG DATA":
            counted["execute"] += 1
    difference = collections.Counter(ours)
    difference.subtract(theirs)
    failures.that("the server logged statements", sum(theirs.values()) > 2500,
                  sum(theirs.values()))
    failures.check("statements that differ from the server's log",
                   [c for c in difference.items() if c[1]][:5], [])
    for method, command in (("CONNECT", "Connect"), ("STATISTICS", "Statistics"),
                            ("USE", "Init DB"), ("CLOSE", "Close stmt"),
                            ("CHANGE USER", "Change user")):
        failures.check(f"calls of {method}", counted[method],
                       methods[command])
    failures.check("executions", counted["execute"], methods["Execute"] - 1)
    other = list(aftertap.rows(db, "protocol", "protocol NOT IN"
                               " ('mysql', 'tls')"))
    failures.check("calls of other protocols", other, [])
    tls = aftertap.json("--db", db, "sql", "SELECT count(*) FROM api_calls"
                        " WHERE method = 'SSL REQUEST'")["rows"][0][0]
    failures.check("sessions that went on in TLS", tls,
                   log.count("using SSL/TLS\n"))


def check_answers(failures, aftertap, db, pcap, keys):
    """Errors and rows as tshark sees them, and as the statements say."""
    theirs = collections.Counter()
    for row in tshark_fields(pcap, "mysql.error_code", ["mysql.error_code"],
                             "-d", f"tcp.port=={PORT},mysql", "-o",
                             "tls.keylog_file:" + keys):
        theirs.update(row[0].split("|"))
    del theirs["65535"]  # reports of progress, which are no errors
    ours = collections.Counter(
        str(code) for _, code in aftertap.rows(
            db, "status", "protocol = 'mysql' AND is_error"))
    failures.check("errors by code", ours, theirs)
    rows = aftertap.json(
        "--db", db, "sql", "SELECT method, path, status_text, header(id,"
        " 'response', 'rows'), header(id, 'response', 'affected'), host"
        " FROM api_calls WHERE protocol = 'mysql' AND (path = 'users' OR"
        " method = 'USE') ORDER BY id")["rows"]
    failures.check("rows of the table",
                   [r[3] for r in rows if r[0] == "SELECT"][0], "1000")
    failures.check("rows that a file brought",
                   [r[4] for r in rows if r[0] == "LOAD"], ["100"])


def markers(aftertap, db, certain=""):
    """(asked for, answered) of statements that say what they ask for."""
    for _, sql, body, parameter in aftertap.rows(
            db, "body_text(id, 'request'), body_text(id, 'response'),"
            " header(id, 'request', 'parameter')",
            "protocol = 'mysql' AND method = 'SELECT' AND complete"
            " AND NOT is_error" + certain):
        sql = first_line(sql)
        if sql.startswith("SELECT 'marker"):
            yield sql[8:].partition("'")[0], body.partition("\t")[0].strip()
        elif sql == "SELECT ? AS n, ? AS t":
            yield f"{parameter}\tprepared {parameter}", body.strip()


def impaired(failures, aftertap, pcap, keys, directory):
    no_wrong_pairs(failures, aftertap, pcap, keys)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5],
                                "--tls-keylog", keys)
        pairs = list(markers(aftertap, db, " AND NOT uncertain"))
        wrong = [p for p in pairs if p[0] != p[1]]
        failures.that(f"{variant}: pairs", len(pairs) > 1500 or variant in (
            "client_only.pcap", "server_only.pcap", "snap200.pcap"),
            len(pairs))
        failures.check(f"{variant}: wrong pairs", wrong[:3], [])


def main(binary, *words):
    if binary == "workload":
        workload(*words)
        return
    need_root()
    need("mariadb", "mariadbd", "mariadb-install-db", "openssl", "tcpdump",
         "ip", "ethtool", "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, log, keys = record(directory)
        if os.environ.get("KEEP"):
            shutil.copy(pcap, os.environ["KEEP"])
            with open(os.environ["KEEP"] + ".log", "w") as file:
                file.write(log)
            shutil.copy(keys, os.environ["KEEP"] + ".keys")
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth", "--tls-keylog", keys)
        check(failures, aftertap, db, log)
        check_answers(failures, aftertap, db, pcap, keys)
        pairs = list(markers(aftertap, db))
        failures.check("statements with a marker", len(pairs),
                       MARKERS + 6 * PREPARED + 1)
        failures.check("wrong rows", [p for p in pairs if p[0] != p[1]][:3],
                       [])
        impaired(failures, aftertap, pcap, keys, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
