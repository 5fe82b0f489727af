#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OpenLDAP's clients, and one that asks many things at once, against slapd:
every operation is one of slapd's log, every search has the filter, the result
and as many entries as slapd says, also with packets lost, swapped and doubled;
messages are those that tshark counts; StartTLS leads to TLS.

usage: test_ldap_truth.py AFTERTAP
"""
import collections
import os
import re
import socket
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7415"  # not LDAP's own
ADMIN, PASSWORD = "cn=admin,dc=example,dc=com", "s3cret-of-the-admin"
PEOPLE = 200
CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {0}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {0}/cert.pem
TLSCertificateKeyFile {0}/key.pem
database mdb
maxsize 100000000
suffix dc=example,dc=com
directory {0}/db
rootdn {1}
rootpw {2}
sizelimit 50
"""


def person(i):
    return f"""dn: uid=user{i},dc=example,dc=com
objectClass: inetOrgPerson
uid: user{i}
cn: User {i}
sn: Number {i % 7}
mail: user{i}@example.com
userPassword: hidden-{i}
description: {'x' * (i % 50 * 40)}.
"""


ENTRIES = ("dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: "
           "organization\no: Example\ndc: example\n\n" + "\n".join(
               person(i) for i in range(PEOPLE)))
CHANGES = """dn: uid=user1,dc=example,dc=com
changetype: modify
replace: mail
mail: other@example.com
-
add: telephoneNumber
telephoneNumber: 12345
-

dn: uid=user2,dc=example,dc=com
changetype: modrdn
newrdn: uid=renamed
deleteoldrdn: 1

dn: uid=user3,dc=example,dc=com
changetype: delete
"""
# Beside the filters of the many searches, with the scope.
FILTERS = [("sub", "(&(objectClass=inetOrgPerson)(sn=Number 3))"),
           ("sub", "(|(uid=user4)(uid=user5)(!(cn=*)))"),
           ("sub", "(cn=User*7)"), ("one", "(mail=*9@example.com)"),
           ("base", "(objectClass=*)"), ("sub", "(uid=nobody)"),
           ("sub", "(cn=\\2a\\28\\29\\5c)")]


def octets(tag, *parts):
    data = b"".join(part if isinstance(part, bytes) else part.encode()
                    for part in parts)
    size = len(data)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes(
        [0x82]) + size.to_bytes(2, "big")) + data


def search(number):
    """All of the nth kind of people."""
    return octets(0x30, octets(2, number.to_bytes(2, "big")), octets(
        0x63, octets(4, "dc=example,dc=com"), b"\x0a\x01\x02\x0a\x01\x00"
        b"\x02\x01\x00\x02\x01\x00\x01\x01\x00", octets(
            0xa3, octets(4, "sn"), octets(4, f"Number {number % 7}")),
        octets(0x30)))


def at_once():
    """Sixty searches before the first answer."""
    with socket.create_connection(("127.0.0.1", int(PORT))) as one:
        one.sendall(b"".join(search(n) for n in range(256, 316)))
        done, data = 0, b""
        while done < 60:
            data += one.recv(65536)
            done = len(re.findall(rb"\x02\x02\x01.\x65", data, re.S))
        one.sendall(octets(0x30, b"\x02\x02\x02\x00", octets(0x42)))


def workload():
    url = ["-H", f"ldap://127.0.0.1:{PORT}"]
    bound = [*url, "-x", "-D", ADMIN, "-w", PASSWORD]

    def run(*words, expect=0, **more):
        done = subprocess.run(words, capture_output=True, text=True, **more)
        if done.returncode != expect:
            raise SystemExit(f"{words}: {done.returncode} {done.stderr}")

    run("ldapadd", *bound, input=ENTRIES)
    run("ldapadd", *bound, "-c", input=person(0), expect=68)
    for scope, text in FILTERS:
        run("ldapsearch", *url, "-x", "-LLL", "-b", "dc=example,dc=com", "-s",
            scope, text, "cn", "mail")
    run("ldapsearch", *bound, "-b", "dc=example,dc=com", "-E", "pr=40/noprompt",
        "(objectClass=*)")
    run("ldapsearch", *url, "-x", "-b", "dc=example,dc=com", "(uid=*)",
        expect=4)
    run("ldapsearch", *url, "-x", "-b", "ou=none,dc=example,dc=com", expect=32)
    run("ldapmodify", *bound, input=CHANGES)
    run("ldapcompare", *bound, "uid=user4,dc=example,dc=com",
        "mail:user4@example.com", expect=6)
    run("ldapcompare", *bound, "uid=user4,dc=example,dc=com", "mail:no",
        expect=5)
    run("ldapwhoami", *bound)
    run("ldapdelete", *bound, "uid=user5,dc=example,dc=com")
    run("ldapwhoami", *url, "-x", "-D", ADMIN, "-w", "wrong", expect=49)
    run("ldapwhoami", *bound, "-ZZ", env={**os.environ,
                                          "LDAPTLS_REQCERT": "never"})
    at_once()


def record(directory):
    pcap = os.path.join(directory, "ldap.pcap")
    log = os.path.join(directory, "slapd.log")
    config = os.path.join(directory, "slapd.conf")
    os.mkdir(os.path.join(directory, "db"))
    with open(config, "w") as file:
        file.write(CONFIG.format(directory, ADMIN, PASSWORD))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", "/CN=localhost", "-keyout", directory +
                    "/key.pem", "-out", directory + "/cert.pem"], check=True,
                   capture_output=True)
    with Namespace("at-ldap") as space, open(log, "w") as file:
        space.start("slapd", "-h", f"ldap://127.0.0.1:{PORT}", "-f", config,
                    "-d", "256", stderr=file)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(sys.executable, os.path.abspath(__file__), "workload",
                  stderr=None)
        space.stop(recorder)
    with open(log, errors="replace") as file:
        return pcap, file.read()


METHODS = {"SRCH": "Search", "BIND": "Bind", "UNBIND": "Unbind", "ADD": "Add",
           "MOD": "Modify", "MODRDN": "ModifyDN", "DEL": "Delete",
           "CMP": "Compare", "EXT": "Extended", "ABANDON": "Abandon"}


def logged(log):
    """Operations by method; (filter, result, entries) of each search."""
    methods, searches, filters = collections.Counter(), [], {}
    for conn, number, what, rest in re.findall(
            r"conn=(\d+) op=(\d+) ([A-Z]+) ?(.*)", log):
        found = re.search(r'filter="(.*)"$', rest)
        if what == "SRCH" and found:
            filters[conn, number] = found.group(1)
        result = re.match(r"RESULT .*err=(\d+) .*nentries=(\d+)", rest)
        if what == "SEARCH" and result:
            searches.append((filters[conn, number].lower(), int(result.group(1)),
                             int(result.group(2))))
        inside = "mech=" in rest or rest.startswith("attr=")  # said twice
        if what in METHODS and not inside and not (
                what == "SRCH" and not found) and "anonymous" not in rest:
            methods[METHODS[what]] += 1
    return methods, collections.Counter(searches)


def searches(aftertap, db, certain="1"):
    return collections.Counter((row[1].lower(), *row[2:]) for row in aftertap.rows(
        db, "query, status, CAST(header(id, 'response', 'entries') AS"
        " INTEGER)", "protocol = 'ldap' AND method = 'Search' AND complete"
        " AND " + certain))


def check(failures, aftertap, db, pcap, log):
    methods, theirs = logged(log)
    over_tls = collections.Counter(("Bind", "Extended", "Unbind"))
    ours = collections.Counter(row[1] for row in aftertap.rows(
        db, "method", "protocol = 'ldap'"))
    failures.check("operations that slapd logged, but for those within TLS",
                   methods - ours, over_tls)
    failures.check("operations that it did not", ours - methods,
                   collections.Counter())
    failures.check("searches with filter, result and entries",
                   searches(aftertap, db), theirs)
    body = [row[1:] for row in aftertap.rows(
        db, "body_text(id, 'request'), body_text(id, 'response')",
        "protocol = 'ldap'")]
    everything = repr(body)
    failures.that("passwords are not kept", "hidden-" not in everything and
                  PASSWORD not in everything and "[secret]" in everything)
    failures.that("entries are shown", '"uid":["user4"]' in everything or
                  '"mail":["user4@example.com"]' in everything)
    failures.check("the connection goes on as TLS", aftertap.json(
        "--db", db, "sql", "SELECT count(*) FROM api_calls a JOIN api_calls b"
        " ON a.connection_id = b.connection_id WHERE a.path = 'StartTLS' AND"
        " b.protocol = 'tls'")["rows"][0][0], 1)
    counts, requests = collections.Counter(), set()
    for row in tshark_fields(pcap, "ldap", [
            "ldap.protocolOp", "ldap.messageID", "tcp.stream"], "-d",
            f"tcp.port=={PORT},ldap"):
        for code, message in zip(row[0].split("|"), row[1].split("|")):
            counts[code] += 1
            if code in ("0", "2", "3", "6", "8", "10", "12", "14", "16", "23"):
                requests.add((row[2], message))  # it may see one twice
    entries = aftertap.json(
        "--db", db, "sql", "SELECT sum(header(id, 'response', 'entries')),"
        " sum(has_request), sum(has_response) FROM api_calls WHERE"
        " protocol = 'ldap'")["rows"][0]
    # tshark gives up on some messages whose head lies in two segments.
    failures.that("no fewer entries than tshark sees", 0 < counts["4"] <= int(
        entries[0]), (int(entries[0]), counts["4"]))
    failures.that("requests as tshark counts them, but for a few that it"
                  " takes from the middle of others",
                  0 <= len(requests) - entries[1] <= 5,
                  (entries[1], len(requests)))
    failures.check("results are as many as slapd's", sum(theirs.values()),
                   aftertap.json("--db", db, "sql", "SELECT count(*) FROM"
                                 " api_calls WHERE method = 'Search' AND"
                                 " has_response")["rows"][0][0])
    return theirs


def impaired(failures, aftertap, pcap, directory, theirs):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        ours = searches(aftertap, db)
        failures.check(f"{variant}: searches that slapd did not log",
                       ours - theirs, collections.Counter())
        failures.that(f"{variant}: searches", sum(ours.values()) > 2 or
                      variant in ("client_only.pcap", "server_only.pcap",
                                  "snap200.pcap"), sum(ours.values()))


def main(binary):
    if binary == "workload":
        workload()
        return
    need_root()
    need("slapd", "ldapsearch", "openssl", "tcpdump", "ip", "ethtool",
         "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, log = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        theirs = check(failures, aftertap, db, pcap, log)
        impaired(failures, aftertap, pcap, directory, theirs)
    failures.exit()


if __name__ == "__main__":
    main(sys.argv[1])
