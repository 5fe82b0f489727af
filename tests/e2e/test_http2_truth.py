#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 of real clients to nghttpd, nginx and nghttpx (Upgrade): every call
that aftertap reports equals the server's own log or tshark, every file has
the hash it has on disk; and under loss, disorder and a start midway no wrong
pair.

usage: test_http2_truth.py AFTERTAP
"""
import collections
import hashlib
import os
import re
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, ROOT, impaired_captures,
                     need, need_root, no_wrong_pairs, tshark_fields, workspace)

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
  uwsgi_temp_path t; scgi_temp_path t; types {{ text/plain txt; }}
  log_format c '$request_method $request_uri $status $http_x_id';
  access_log {directory}/nginx.access c;
  gzip on; gzip_types text/plain; gzip_min_length 100;
  server {{ listen {port} http2; root {directory}/www;
    location /echo/ {{ add_header X-Echo $http_x_id; return 200 "$http_x_id\\n"; }}
    location /boom/ {{ add_header X-Echo $http_x_id always; return 503; }} }}
}}
"""


def files(directory):
    """Texts of many sizes, some of several frames."""
    www = os.path.join(directory, "www")
    os.mkdir(www)
    hashes = {}
    for number in range(12):
        name, data = f"/f{number}.txt", b"".join(
            b"%d line %d\n" % (number, line) for line in
            range(1 << number))
        with open(www + name, "wb") as file:
            file.write(data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    return hashes


def nghttpd(space, directory, hashes):
    """nghttp, h2load and curl to nghttpd: pushes, trailers, padding,
    CONTINUATION, many streams.  Returns the capture and what it logged."""
    pcap, log = os.path.join(directory, "nghttpd.pcap"), os.path.join(
        directory, "nghttpd.log")
    base = "http://127.0.0.1:18401"
    recorder = space.record(pcap, "tcp port 18401")
    with open(log, "w") as out:
        server = space.start(
            "nghttpd", "--no-tls", "-v", "--trailer=x-trailer: yes",
            "--push=/f1.txt=/f2.txt,/f3.txt", "-d", directory + "/www",
            "18401", stdout=out)
        space.wait_port(18401)
        urls = [base + name for name in hashes]
        space.run("nghttp", "-n", "-a", *urls, timeout=30)
        space.run("nghttp", "-n", "-b", "200", "-m", "3", *urls, timeout=30)
        space.run("nghttp", "-n", "--continuation", "-H",
                  "x-long: " + "a" * 200, *urls, timeout=30)
        space.run("h2load", "-n", "600", "-c", "3", "-m", "20", *urls,
                  timeout=60)
        for name in hashes:
            space.run("curl", "-s", "--http2-prior-knowledge", "-o",
                      "/dev/null", base + name, timeout=20)
            space.run("nghttp", "-n", base + "/none?a=b", timeout=20)
            space.run("curl", "-s", "--http2-prior-knowledge", "-o",
                      "/dev/null", "--data-binary",
                      "@" + directory + "/www" + name, base + name,
                      timeout=20)
        space.stop(recorder)
        server.terminate()
        server.wait(60)
    return pcap, log


def requests_of_log(path):
    """(method, path) of every request and push in nghttpd's log."""
    found = collections.Counter()
    current = {}
    with open(path, errors="replace") as file:
        for line in file:
            match = re.search(r"\[id=(\d+)\].*\(stream_id=(\d+)\)"
                              r" (:method|:path): (.*)", line)
            if not match:
                continue
            session, stream, name, value = match.groups()
            key = (session, stream)
            current.setdefault(key, {})[name] = value.strip()
            if len(current[key]) == 2:
                found[(current[key][":method"], current[key][":path"])] += 1
                del current[key]
    return found


def tshark_calls(pcap, port):
    """(method, path, status) by connection and stream, from tshark."""
    rows = tshark_fields(
        pcap, "http2.type == 1 || http2.type == 5",
        ["tcp.stream", "http2.streamid", "http2.type", "http2.headers.method",
         "http2.headers.path", "http2.headers.status",
         "http2.push_promise.promised_stream_id"],
        "-d", f"tcp.port=={port},http2", "-2")
    return rows


def check_nghttpd(failures, aftertap, pcap, log, hashes):
    truth = requests_of_log(log)
    db = aftertap.dissected(pcap, "nghttpd")
    ours, wrong, bodies = collections.Counter(), 0, 0
    statuses = collections.Counter()
    for row in aftertap.rows(
            db, "method, path, coalesce(query, ''), status,"
            " body_sha256(id, 'response'), complete,"
            " body_sha256(id, 'request'),"
            " header(id, 'response', 'x-trailer')"):
        _, method, path, query, status, digest, complete, sent, trailer = row
        full = path + ("?" + query if query else "")
        ours[(method, full)] += 1
        statuses[status] += 1
        wrong += not complete
        if status == 200:
            bodies += 1
            wrong += digest != hashes[path] or trailer != "yes"
        if method == "POST":
            wrong += sent != hashes[path]
    rows = tshark_calls(pcap, 18401)
    promised = sum(r[2].split("|").count("5") for r in rows)
    answers = sum(len(r[5].split("|")) for r in rows if r[5])
    failures.check("nghttpd: calls that are pushes, as in tshark",
                   sum((ours - truth).values()), promised)
    failures.check("nghttpd: requests of its log that are missing",
                   sorted((truth - ours).elements())[:4], [])
    failures.check("nghttpd: responses as in tshark", sum(statuses.values()),
                   answers)
    failures.check(f"nghttpd: wrong or incomplete among {bodies} bodies",
                   wrong, 0)
    failures.that("nghttpd: enough", sum(ours.values()) > 650,
                  dict(statuses))


def nginx(space, directory):
    pcap = os.path.join(directory, "nginx.pcap")
    with open(directory + "/nginx.conf", "w") as out:
        out.write(NGINX.format(directory=directory, port=8080))
    recorder = space.record(pcap, "tcp port 8080")
    server = space.start("nginx", "-p", directory, "-c",
                         directory + "/nginx.conf")
    space.wait_port(8080)
    script = os.path.join(ROOT, "tests", "support", "h2_requests.mjs")
    space.run("node", script, "8080", timeout=120)
    for name in range(8, 12):
        space.run("curl", "-s", "--http2-prior-knowledge", "--compressed",
                  "-o", "/dev/null", "-H", f"X-Id: c{name}",
                  f"http://127.0.0.1:8080/f{name}.txt", timeout=20)
    space.stop(recorder)
    server.terminate()
    server.wait(60)
    return pcap, directory + "/nginx.access"


def check_nginx(failures, aftertap, pcap, log, hashes):
    with open(log) as file:
        truth = collections.Counter(tuple(line.split()) for line in file)
    db = aftertap.dissected(pcap, "nginx")
    ours, wrong = collections.Counter(), 0
    for _, method, path, query, status, identity, digest in aftertap.rows(
            db, "method, path, coalesce(query, ''), status,"
            " header(id, 'request', 'x-id'), body_sha256(id, 'response')",
            "protocol = 'http'"):
        full = path + ("?" + query if query else "")
        ours[(method, full, str(status), identity or "-")] += 1
        wrong += path in hashes and digest != hashes[path]
    failures.check("nginx: calls that are not in its log",
                   list((ours - truth).items())[:4], [])
    failures.check("nginx: lines of its log that are missing",
                   list((truth - ours).items())[:4], [])
    failures.check("nginx: wrong hashes of files", wrong, 0)
    failures.that("nginx: enough", sum(ours.values()) > 1000,
                  sum(ours.values()))


def same(sent, got, path, body):
    """Whether request and response are of one exchange, by what the server
    said back: the x-id, or for want of its name the number in the path."""
    if sent and got:
        return sent == got
    if path and path.startswith("/echo/") and body:
        return body.strip().split("-")[-1] == path[6:]
    return None


def check_mutations(failures, aftertap, pcap, directory):
    """Every request's x-id comes back as x-echo and in the body."""
    few = {"client_only": 0, "server_only": 0, "snap200": 1}
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory):
        name = variant[:-5]
        db = aftertap.dissected(path, "h2" + name)
        counts = collections.Counter()
        for _, protocol, both, *told in aftertap.rows(
                db, "protocol, has_request AND has_response,"
                " header(id, 'request', 'x-id'),"
                " header(id, 'response', 'x-echo'), path,"
                " body_text(id, 'response')"):
            counts["of another protocol"] += protocol != "http"
            counts["alone"] += not both
            if both:
                counts[same(*told)] += 1
        detail = (f"{counts[True]} right, {counts[False]} wrong, "
                  f"{counts[None]} not told, {counts['alone']} alone")
        failures.that(f"{name}: no wrong pair, nothing else is claimed",
                      not counts[False] and not counts["of another protocol"],
                      detail)
        failures.that(f"{name}: pairs are found",
                      counts[True] >= few.get(name, 200))
        if name == "midstream":
            counts = aftertap.json(
                "--db", db, "sql", "SELECT count(*) FROM api_calls WHERE"
                " header(id, 'request', ':unknown') IS NOT NULL"
                " AND complete")["rows"]
            failures.check("midstream: calls with unknown fields that are"
                           " not marked", counts, [[0]])


def upgrade(space, directory):
    """curl asks nghttpx in HTTP/1.1 to go on in HTTP/2."""
    pcap = os.path.join(directory, "upgrade.pcap")
    recorder = space.record(pcap, "tcp port 18403")
    back = space.start("nghttpd", "--no-tls", "-d", directory + "/www",
                       "18404")
    front = space.start("nghttpx", "-f127.0.0.1,18403;no-tls",
                        "-b127.0.0.1,18404;;proto=h2", "--workers=1",
                        "--conf=/dev/null", "--errorlog-file=/dev/null")
    space.wait_port(18403)
    space.wait_port(18404)
    versions = collections.Counter()
    for number in range(12):
        done = space.run(
            "curl", "-s", "--http2", "-o", "/dev/null", "-o", "/dev/null",
            "-w", "%{http_version} ",
            f"http://127.0.0.1:18403/f{number}.txt",
            "http://127.0.0.1:18403/f0.txt?again", timeout=20,
            stdout=subprocess.PIPE)
        versions.update(done.stdout.split())
    space.stop(recorder)
    for child in (front, back):
        child.terminate()
        child.wait(60)
    return pcap, versions


def check_upgrade(failures, aftertap, pcap, versions, hashes):
    db = aftertap.dissected(pcap, "upgrade")
    calls, wrong, upgraded = 0, 0, 0
    for _, path, status, digest, interim in aftertap.rows(
            db, "path, status, body_sha256(id, 'response'),"
            " header(id, 'response', ':interim')", "protocol = 'http'"):
        calls += 1
        wrong += status != 200 or digest != hashes[path]
        upgraded += interim == "101 Switching Protocols"
    failures.check("upgrade: curl spoke", versions, {b"2": 24})
    failures.check("upgrade: calls", calls, 24)
    failures.check("upgrade: those that began in HTTP/1.1", upgraded, 12)
    failures.check("upgrade: wrong files", wrong, 0)


def main(binary):
    need_root()
    need("nghttpd", "nghttp", "h2load", "nghttpx", "curl", "nginx", "tcpdump",
         "tshark", "node")
    failures = Failures()
    with workspace() as directory, Namespace("at-h2") as space:
        os.chmod(directory, 0o755)  # nginx's workers are another user
        hashes = files(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        check_nghttpd(failures, aftertap,
                      *nghttpd(space, directory, hashes), hashes)
        pcap, log = nginx(space, directory)
        check_nginx(failures, aftertap, pcap, log, hashes)
        check_mutations(failures, aftertap, pcap, directory)
        check_upgrade(failures, aftertap, *upgrade(space, directory), hashes)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
