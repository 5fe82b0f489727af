#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""aftertap serve --http as clients, people and strangers meet it: both eras,
sessions and their streams, limits, roles, TLS.  Much of it with a second
program (tests/support/mcp_test_server.c), whose tools are made for tests.

usage: test_http.py AFTERTAP MCP_TEST_SERVER
"""
import http.client
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import support
import traffic

AFTERTAP = os.path.abspath(sys.argv[1])
FAKE = os.path.abspath(sys.argv[2])
PATIENCE = 60
MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {}}
BOTH = {"Content-Type": "application/json",
        "Accept": "application/json, text/event-stream"}
VIEWER, OPERATOR, ADMIN = (role * 4 for role in
                           ("viewer", "operator", "admin"))

check = support.Failures()


def request(number, method, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method,
            "params": params}


def call(number, tool, _meta=None, **arguments):
    message = request(number, "tools/call", name=tool, arguments=arguments)
    if _meta is not None:
        message["params"]["_meta"] = _meta
    return message


def initialize(revision="2025-11-25"):
    return request("init", "initialize", protocolVersion=revision,
                   capabilities={}, clientInfo={"name": "t", "version": "1"})


def modern(message, meta=None):
    message["params"]["_meta"] = {**META, **(meta or {})}
    return message


def modern_headers(message):
    headers = {**BOTH, "MCP-Protocol-Version": MODERN,
               "Mcp-Method": message["method"]}
    if message["method"] == "tools/call":
        headers["Mcp-Name"] = message["params"]["name"]
    return headers


class Server:
    """A running server on a free port of loopback, or a unix socket."""

    def __init__(self, command, address="127.0.0.1:0", env=None):
        self.process = subprocess.Popen(
            [*command, address], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})})
        self.watchdog = threading.Timer(PATIENCE, self.process.kill)
        self.watchdog.start()
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"event=listen url=(\S+)", line)
            if found:
                self.url = found.group(1)
                break
        else:
            raise SystemExit("the server did not start: " + "".join(self.log))
        self.port = int(self.url.rsplit(":", 1)[1]) \
            if self.url.startswith("http") else None
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        for line in self.process.stderr:
            self.log.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        check.check("the server's exit status", status, 0)
        if status:
            print("".join(self.log[-5:]))

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body) of one request on its own connection."""
        connection = self.connect()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, response.headers, data

    def post(self, message, headers=None, path="/mcp"):
        status, fields, data = self.ask("POST", path, message,
                                        {**BOTH, **(headers or {})})
        return status, fields, json.loads(data) if data else None

    def modern(self, message, path="/mcp", headers=None, meta=None):
        message = modern(message, meta)
        return self.post(message, {**modern_headers(message),
                                   **(headers or {})}, path)


class Session:
    """A legacy client's session."""

    def __init__(self, server, revision="2025-11-25", path="/mcp",
                 headers=None):
        self.server = server
        self.path = path
        status, fields, answer = server.post(initialize(revision), headers,
                                             path)
        check.check("initialize", (status, "result" in (answer or {})),
                    (200, True))
        self.headers = {**(headers or {}),
                        "Mcp-Session-Id": fields["Mcp-Session-Id"],
                        "MCP-Protocol-Version": revision}

    def post(self, message, **headers):
        return self.server.post(message, {**self.headers, **headers},
                                self.path)

    def open(self, method, body=None, **headers):
        """An answer in progress: (connection, response)."""
        connection = self.server.connect()
        connection.request(method, self.path,
                           json.dumps(body) if body else None,
                           {**BOTH, **self.headers, **headers})
        return connection, connection.getresponse()


def events(response):
    """Events of a stream as dictionaries, as they come."""
    event = {}
    for line in response:
        line = line.decode().rstrip("\n")
        if line.startswith(":"):
            continue
        if not line:
            if event:
                yield event
            event = {}
            continue
        name, _, value = line.partition(": ")
        event[name] = value


def messages(response):
    return [json.loads(event["data"]) for event in events(response)
            if event.get("data")]


def test_modern(fake):
    status, fields, answer = fake.modern(call(1, "echo", text="hi"))
    check.check("modern call", (status, fields["Content-Type"],
                                answer["result"]["structuredContent"]),
                (200, "application/json", {"text": "hi"}))
    check.check("no session for it", fields.get("Mcp-Session-Id"), None)
    status, _, answer = fake.modern(request(2, "server/discover"))
    check.check("discover", (status, answer["result"]["supportedVersions"],
                             answer["result"]["cacheScope"]),
                (200, [MODERN], "public"))
    for method, path_status, code in (
            ("initialize", 404, -32601), ("ping", 404, -32601),
            ("no/such", 404, -32601)):
        status, _, answer = fake.modern(request(3, method))
        check.check(f"modern {method}", (status, answer["error"]["code"],
                                         answer["id"]),
                    (path_status, code, 3))
    message = call(4, "echo")
    message["params"]["_meta"] = {**META,
                                  "io.modelcontextprotocol/protocolVersion":
                                  "2099-01-01"}
    status, _, answer = fake.post(message, {
        **modern_headers(message), "MCP-Protocol-Version": "2099-01-01"})
    check.check("a revision of the future",
                (status, answer["error"]["code"],
                 answer["error"]["data"]["supported"]),
                (400, -32022, [MODERN]))
    status, _, answer = fake.modern(call(5, "echo"),
                                    headers={"Mcp-Name": "other"})
    check.check("Mcp-Name differs", (status, answer["error"]["code"],
                                     answer["id"]), (400, -32020, 5))
    status, _, answer = fake.modern(call(6, "none"))
    check.check("an unknown tool", (status, answer["error"]["code"]),
                (200, -32602))
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled",
               "params": {"requestId": 9, "_meta": META}}
    check.check("a notification", fake.post(message, modern_headers(message)
                                            )[::2], (202, None))


def test_modern_stream(fake):
    """Progress makes an answer a stream; it ends with the response."""
    message = modern(call(1, "steps", count=3), {"progressToken": "t"})
    connection = fake.connect()
    connection.request("POST", "/mcp", json.dumps(message),
                       modern_headers(message))
    response = connection.getresponse()
    check.check("stream", (response.status, response.headers["Content-Type"],
                           response.headers["X-Accel-Buffering"]),
                (200, "text/event-stream", "no"))
    heard = messages(response)
    steps = [m["params"]["progress"] for m in heard[:-1]]
    check.that("progress", steps == sorted(set(steps)) and steps[-1] == 3,
               steps)
    check.check("the response ends it", heard[-1]["id"], 1)
    connection.request("GET", "/healthz")
    check.check("and not the connection", connection.getresponse().status,
                200)


def test_modern_listen(fake):
    message = modern(request("sub", "subscriptions/listen", notifications={
        "resourceSubscriptions": ["fake://counter"]}))
    connection = fake.connect()
    connection.request("POST", "/mcp", json.dumps(message),
                       modern_headers(message))
    stream = events(connection.getresponse())
    first = json.loads(next(stream)["data"])
    check.check("acknowledged first", first["method"],
                "notifications/subscriptions/acknowledged")
    second = json.loads(next(stream)["data"])
    check.check("then the updates",
                (second["method"], second["params"]["_meta"][
                    "io.modelcontextprotocol/subscriptionId"]),
                ("notifications/resources/updated", "sub"))
    connection.close()


def running(server):
    _, _, text = server.ask("GET", "/metrics")
    return int(re.search(rb"^aftertap_running (\d+)", text, re.M).group(1))


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_disconnect_cancels(fake):
    """Modern: gone is cancelled.  The tool would sleep for a minute."""
    message = modern(call(1, "slow", ms=60000))
    connection = fake.connect()
    connection.request("POST", "/mcp", json.dumps(message),
                       modern_headers(message))
    check.that("it runs", until(lambda: running(fake) == 1))
    connection.close()
    check.that("a client that leaves cancels",
               until(lambda: running(fake) == 0))


def test_session(fake):
    session = Session(fake)
    status, _, answer = session.post(call(1, "echo", text="x"))
    check.check("a call", (status, answer["result"]["content"][0]["text"]),
                (200, "x"))
    status, _, answer = session.post(request(2, "no/such"))
    check.check("legacy errors are 200", (status, answer["error"]["code"]),
                (200, -32601))
    check.check("a notification", session.post({
        "jsonrpc": "2.0", "method": "notifications/initialized"})[::2],
        (202, None))
    check.check("a response to nothing", session.post({
        "jsonrpc": "2.0", "id": 1, "result": {}})[0], 202)
    status, _, _ = session.post(request(1, "ping"),
                                **{"MCP-Protocol-Version": "1999-01-01"})
    check.check("an unknown revision", status, 400)
    check.check("no session", fake.post(request(1, "ping"))[0], 400)
    check.check("an unknown session", fake.post(
        request(1, "ping"), {"Mcp-Session-Id": "0" * 32})[0], 404)
    check.check("a second initialize", session.post(initialize())[0], 400)
    check.check("end", fake.ask("DELETE", "/mcp", None,
                                session.headers)[0], 200)
    check.check("it is gone", session.post(request(1, "ping"))[0], 404)


def test_statuses(fake):
    ping = json.dumps(request(1, "ping"))
    for what, expected, method, path, body, headers in (
            ("no JSON", 400, "POST", "/mcp", "{", BOTH),
            ("an empty body", 400, "POST", "/mcp", "", BOTH),
            ("another type", 415, "POST", "/mcp", ping,
             {**BOTH, "Content-Type": "text/plain"}),
            ("no type", 415, "POST", "/mcp", ping, {"Accept": "*/*"}),
            ("JSON not accepted", 406, "POST", "/mcp", ping,
             {**BOTH, "Accept": "text/event-stream"}),
            ("SSE not accepted", 406, "POST", "/mcp", ping,
             {**BOTH, "Accept": "application/json"}),
            ("GET without SSE", 406, "GET", "/mcp", None,
             {"Accept": "application/json"}),
            ("modern GET", 405, "GET", "/mcp", None,
             {"MCP-Protocol-Version": MODERN}),
            ("modern DELETE", 405, "DELETE", "/mcp", None,
             {"MCP-Protocol-Version": MODERN}),
            ("PUT", 405, "PUT", "/mcp", ping, BOTH),
            ("nothing there", 404, "GET", "/", None, {}),
            ("another host", 403, "GET", "/healthz", None,
             {"Host": "evil.example"}),
            ("another origin", 403, "POST", "/mcp", ping,
             {**BOTH, "Origin": "http://evil.example"}),
            ("this origin", 400, "POST", "/mcp", ping,
             {**BOTH, "Origin": "http://localhost:6274"}),
            ("too long", 413, "POST", "/mcp", "x" * (4 << 20) + "x", BOTH),
            ("too much head", 431, "GET", "/healthz", None,
             {"X-Big": "x" * 20000})):
        check.check(what, fake.ask(method, path, body, headers)[0], expected)
    _, fields, _ = fake.ask("PUT", "/mcp")
    check.check("what is allowed", fields["Allow"], "POST, GET, DELETE")


def test_batch(fake):
    session = Session(fake, "2025-03-26")
    status, _, answer = session.post([
        request(1, "ping"), call(2, "echo", text="b"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"}])
    check.check("a batch", (status, sorted(m["id"] for m in answer)),
                (200, [1, 2]))
    check.check("of notifications", session.post([
        {"jsonrpc": "2.0", "method": "notifications/initialized"}])[::2],
        (202, None))
    status, _, answer = session.post([])
    check.check("of nothing", (status, answer["error"]["code"]),
                (200, -32600))
    status, _, answer = session.post([1])
    check.check("of no message", (status, [m["error"]["code"]
                                           for m in answer]),
                (200, [-32600]))
    session = Session(fake)
    status, _, answer = session.post([request(1, "ping")])
    check.check("in other revisions", (status, answer["error"]["code"]),
                (200, -32600))
    message = modern(request(1, "ping"))
    check.check("with a modern request",
                fake.post([message], modern_headers(message))[0], 400)


def test_resume(fake):
    """A connection that breaks costs nothing of the answer."""
    session = Session(fake)
    connection, response = session.open("POST", call(
        7, "steps", count=8, _meta={"progressToken": "t"}))
    stream = events(response)
    next(stream)                # only an id
    first = next(stream)
    connection.close()
    connection, response = session.open("GET", **{
        "Last-Event-ID": first["id"]})
    check.check("resumed", response.status, 200)
    heard = messages(response)
    steps = [m["params"]["progress"] for m in heard[:-1]]
    check.that("all the rest", steps == sorted(set(steps)) and
               steps[0] > 1 and steps[-1] == 8, steps)
    check.check("and the answer", heard[-1].get("id"), 7)
    connection, response = session.open("GET", **{
        "Last-Event-ID": first["id"]})
    check.check("again", messages(response), heard)
    for what, last in (("no id", "x"), ("of nothing", "99-1"),
                       ("of the future", first["id"] + "00")):
        _, response = session.open("GET", **{"Last-Event-ID": last})
        check.check(f"resume {what}", response.status, 400)


def test_listening(fake):
    session = Session(fake)
    connection, response = session.open("GET")
    check.check("listens", response.status, 200)
    _, second = session.open("GET")
    check.check("once", second.status, 409)
    session.post(request(1, "resources/subscribe", uri="fake://counter"))
    stream = (e for e in events(response) if e.get("data"))
    message = json.loads(next(stream)["data"])
    check.check("hears", message["method"],
                "notifications/resources/updated")
    fake.ask("DELETE", "/mcp", None, session.headers)
    check.check("ends with the session", sum(1 for _ in stream) >= 0, True)
    connection.close()


def test_streams_at_once(fake):
    """Answers of one session on several connections, each its own."""
    session = Session(fake)
    opened = [session.open("POST", call(
        f"r{i}", "steps", count=2, _meta={"progressToken": i}))
        for i in range(5)]
    for i, (_, response) in enumerate(opened):
        heard = messages(response)
        check.check(f"stream {i}",
                    ({m["params"]["progressToken"] for m in heard[:-1]},
                     heard[-1]["id"]), ({i}, f"r{i}"))


def test_old_sse(fake):
    connection = fake.connect()
    connection.request("GET", "/sse", headers={
        "Accept": "text/event-stream"})
    stream = events(connection.getresponse())
    first = next(stream)
    check.check("the endpoint", first["event"], "endpoint")
    path = first["data"]
    check.that("is relative", path.startswith("/messages?sessionId="), path)
    for message, expected in ((initialize("2024-11-05"), "init"),
                              (call(2, "echo", text="old"), 2)):
        status, _, _ = fake.ask("POST", path, message, BOTH)
        answer = next(stream)
        check.check("old SSE", (status, answer["event"],
                                json.loads(answer["data"])["id"]),
                    (202, "message", expected))
    check.check("no such session", fake.ask(
        "POST", "/messages?sessionId=" + "0" * 32, initialize(),
        BOTH)[0], 404)
    connection.close()
    check.that("it ends with its stream", until(lambda: fake.ask(
        "POST", path, request(3, "ping"), BOTH)[0] == 404))


def test_framing(fake):
    """Pipelined requests cut at every byte."""
    data = b"".join(
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        b"application/json\r\nMcp-Session-Id: %s\r\nContent-Length: %d\r\n"
        b"\r\n%s" % (session.headers["Mcp-Session-Id"].encode(), len(body),
                     body)
        for session in [Session(fake)]
        for body in (json.dumps(request(i, "ping")).encode()
                     for i in range(3)))
    for cut in range(1, len(data), 7):
        with fake.raw() as client:
            client.sendall(data[:cut])
            client.sendall(data[cut:])
            got = b""
            while got.count(b'"result":{}') < 3:
                more = client.recv(65536)
                if not more:
                    break
                got += more
        ids = re.findall(rb'"id":(\d)', got)
        if ids != [b"0", b"1", b"2"]:
            check.check(f"cut at {cut}", ids, [b"0", b"1", b"2"])


def test_slow_reader(fake):
    """A client that asks for much and reads nothing costs bounded memory."""
    body = json.dumps(modern(call(1, "big", bytes=4 << 20))).encode()
    head = "".join(f"{k}: {v}\r\n" for k, v in modern_headers(
        call(1, "big")).items())
    one = (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{head}"
           f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    client = fake.raw()
    client.settimeout(2)
    sent = 0
    try:
        while sent < 2000:
            client.sendall(one)
            sent += 1
    except socket.timeout:
        pass
    with open(f"/proc/{fake.process.pid}/status", encoding="ascii") as file:
        rss = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    check.that("memory is bounded", rss < 200 << 10, f"{rss} KiB")
    check.check("others are served", fake.ask("GET", "/healthz")[0], 200)
    client.close()


def test_drop_of_connections(fake):
    """Connects, broken requests and disconnects leave nothing behind."""
    def descriptors():
        return len(os.listdir(f"/proc/{fake.process.pid}/fd"))
    before = descriptors()
    for i in range(200):
        with fake.raw() as client:
            client.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Length: 10\r\n\r\n"[:i % 70])
    check.that("no descriptor is lost",
               until(lambda: descriptors() <= before), descriptors())


def test_fake():
    with Server([FAKE]) as fake:
        for test in (test_modern, test_modern_stream, test_modern_listen,
                     test_disconnect_cancels, test_session, test_statuses,
                     test_batch, test_resume, test_listening,
                     test_streams_at_once, test_old_sse, test_framing,
                     test_slow_reader, test_drop_of_connections):
            test(fake)


def serve(home, *options):
    return [AFTERTAP, "serve", "--home", home, *options, "--http"]


def test_roles(home):
    tokens = os.path.join(home, "tokens")
    with open(tokens, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"viewer:{VIEWER}\noperator:{OPERATOR}\n")
    with Server(serve(home, "--token-file", tokens, "--allow-reveal"),
                env={"AFTERTAP_TOKENS": f"admin:{ADMIN}"}) as server:
        check.check("no token", server.modern(call(1, "list_snapshots"))[0],
                    401)
        status, fields, _ = server.ask("GET", "/metrics", headers={
            "Authorization": "Bearer " + "x" * 30})
        check.check("a wrong one", (status, fields["WWW-Authenticate"]),
                    (401, 'Bearer realm="aftertap"'))
        check.check("health needs none", server.ask("GET", "/healthz")[0],
                    200)
        for token, tool, arguments, expected in (
                (VIEWER, "list_snapshots", {}, 200),
                (VIEWER, "create_snapshot", {"name": "x"}, 403),
                (OPERATOR, "create_snapshot", {"name": "x"}, 200),
                (OPERATOR, "delete_snapshot", {"name": "x"}, 403),
                (ADMIN, "delete_snapshot", {"name": "x"}, 200)):
            status, fields, _ = server.modern(
                call(1, tool, **arguments),
                headers={"Authorization": f"Bearer {token}"})
            check.check(f"{tool} as {token[:6]}", status, expected)
        check.that("says what is missing", "insufficient_scope" in
                   server.modern(call(1, "delete_snapshot", name="x"),
                                 headers={"Authorization":
                                          f"Bearer {VIEWER}"})[1].get(
                                              "WWW-Authenticate", ""))
        session = Session(server, headers={
            "Authorization": f"Bearer {ADMIN}"})
        check.check("a session belongs to its token", session.post(
            request(1, "ping"), Authorization=f"Bearer {VIEWER}")[0], 404)
        check.check("and serves it", session.post(request(1, "ping"))[0],
                    200)
    text = "".join(server.log)
    check.that("the log holds no token",
               not any(t in text for t in (VIEWER, OPERATOR, ADMIN)))
    check.that("the log says who", "role=operator" in text and
               "name=create_snapshot" in text)


def refused(*options, env=None):
    done = subprocess.run([*options], capture_output=True, text=True,
                          timeout=PATIENCE, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stderr


def test_exposed(home):
    """Other machines can reach it: only with a token and TLS."""
    env = {"AFTERTAP_TOKENS": f"admin:{ADMIN}"}
    for what, options, variables in (
            ("no token", (), {}), ("no TLS", (), env)):
        status, text = refused(*serve(home, *options), "0.0.0.0:0",
                               env=variables)
        check.check(f"exposed with {what}", status, 1)
        check.that("says what to give", "--" in text, text)
    with Server(serve(home, "--behind-proxy", "--allow-host",
                      "tap.example"), "0.0.0.0:0", env) as server:
        status, _, _ = server.ask("GET", "/healthz", headers={
            "Host": "tap.example"})
        check.check("behind a proxy", status, 200)
    status, text = refused(*serve(home), "nonsense")
    check.check("no address", status, 1)


def test_tls(home):
    cert, key = (os.path.join(home, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    with Server(serve(home, "--tls-cert", cert, "--tls-key", key)) as server:
        context = ssl.create_default_context(cafile=cert)
        connection = http.client.HTTPSConnection(
            "localhost", server.port, timeout=30, context=context)
        message = modern(call(1, "list_snapshots"))
        for _ in range(3):
            connection.request("POST", "/mcp", json.dumps(message),
                               modern_headers(message))
            response = connection.getresponse()
            check.check("over TLS", (response.status,
                                     json.loads(response.read())["id"]),
                        (200, 1))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            old.wrap_socket(server.raw())
            check.that("TLS 1.1 is refused", False)
        except (ssl.SSLError, OSError):
            pass
        with server.raw() as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check.that("plain HTTP is not answered",
                       b"ok" not in client.recv(1000))
        check.check("and goes on", connection.sock is not None, True)
    status, text = refused(*serve(home, "--tls-cert", key, "--tls-key", cert),
                           "127.0.0.1:0")
    check.check("files mixed up", status, 1)


def test_unix(home):
    path = os.path.join(home, "socket")
    with Server(serve(home), f"unix:{path}") as server:
        check.check("nobody else's", os.stat(path).st_mode & 0o077, 0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
            check.that("unix socket", b"200 OK" in client.recv(1000))
        check.check("its url", server.url, f"unix:{path}")


def test_limits(home):
    with Server(serve(home, "--rate", "5", "--max-connections", "3")
                ) as server:
        statuses = [server.ask("GET", "/healthz")[0] for _ in range(20)]
        check.check("the first are answered", statuses[:5], [200] * 5)
        check.that("then it is too fast", 429 in statuses, statuses)
        held = [server.raw() for _ in range(10)]
        ready = []
        until(lambda: len(ready.extend(select.select(
            held, [], [], 1)[0]) or set(ready)) >= 7)
        check.that("too many connections", len(set(ready)) >= 7 and all(
            b" 503 " in client.recv(1000) for client in set(ready)))
        for client in held:
            client.close()


def test_db(home):
    """?db= names the database for those who name none."""
    with Server(serve(home)) as server:
        _, _, answer = server.modern(call(1, "list_api_calls"),
                                     "/mcp?db=nosuch%2Fthing")
        check.that("modern", "nosuch" in answer["result"]["content"][0][
            "text"], answer)
        session = Session(server, path="/mcp?db=other/db")
        session.path = "/mcp"
        _, _, answer = session.post(call(1, "list_api_calls"))
        check.that("a session's", "other" in answer["result"]["content"][0][
            "text"], answer)


def traffic_home(home):
    """A home with a dissected snapshot; how many calls it has."""
    capture = os.path.join(home, "traffic.pcap")
    traffic.write_pcap(capture, traffic.http_packets(10, 20))
    for words in (("import", capture, "--name", "t"),
                  ("snapshots", "create", "s"), ("dissect", "s")):
        subprocess.run([AFTERTAP, "--home", home, "-q", *words], check=True,
                       capture_output=True)
    return 200


def test_api(home):
    """What scripts get is what the command line gets."""
    calls = traffic_home(home)
    with Server(serve(home)) as server:
        status, fields, body = server.ask("GET", "/api/list_api_calls?limit=5"
                                          "&db=s%2Fdefault")
        answer = json.loads(body)
        check.check("calls", (status, fields["Content-Type"],
                              answer["total"], len(answer["calls"])),
                    (200, "application/json", calls, 5))
        status, _, body = server.ask("POST", "/api/list_api_calls?limit=1", {
            "filter": "method == \"GET\"", "order_by": "oldest"},
            {"Content-Type": "application/json"})
        check.check("by POST", (status, len(json.loads(body)["calls"])),
                    (200, 1))
        status, fields, body = server.ask(
            "GET", "/api/list_api_calls?limit=7", headers={
                "Accept": "application/x-ndjson"})
        rows = [json.loads(line) for line in body.splitlines()]
        check.check("all rows", (status, fields["Content-Type"],
                                 len({r["id"] for r in rows[:-1]})),
                    (200, "application/x-ndjson", calls))
        check.that("and what they rest on", "coverage" in rows[-1])
        for path, expected in (
                ("query_sql?sql=SELECT%20id%20FROM%20api_calls%20ORDER%20BY"
                 "%20id%20LIMIT%203", [[1], [2], [3]]),
                ("list_databases", ["s/default"])):
            status, _, body = server.ask("GET", "/api/" + path, headers={
                "Accept": "application/x-ndjson"})
            rows = [json.loads(line) for line in body.splitlines()]
            check.check(f"rows of {path[:14]}", (status, [
                r["db"] if isinstance(r, dict) else r for r in rows[:-1]]),
                (200, expected))
        for what, expected, method, path, headers in (
                ("a bad filter", 400, "GET",
                 "/api/list_api_calls?filter=%3D%3D", {}),
                ("rows of a bad filter", 400, "GET",
                 "/api/list_api_calls?filter=%3D%3D",
                 {"Accept": "application/x-ndjson"}),
                ("an unknown argument", 400, "GET",
                 "/api/list_api_calls?nosuch=1", {}),
                ("no such database", 404, "GET",
                 "/api/list_api_calls?db=no/such", {}),
                ("a malformed query", 400, "GET",
                 "/api/list_api_calls?filter=%zz", {}),
                ("no such tool", 404, "GET", "/api/nosuch", {}),
                ("a link that deletes", 405, "GET",
                 "/api/delete_snapshot?name=s", {}),
                ("HTML", 406, "GET", "/api/list_snapshots",
                 {"Accept": "text/html"})):
            status, _, body = server.ask(method, path, headers=headers)
            check.check(what, (status, "error" in json.loads(body)),
                        (expected, True))
        test_exports(home, server)


def test_exports(home, server):
    status, _, body = server.ask("POST", "/api/export_snapshot_pcap",
                                 {"snapshot": "s"},
                                 {"Content-Type": "application/json"})
    path = json.loads(body)["path"]
    check.that("exported", path.startswith(home), path)
    with open(path, "rb") as file:
        whole = file.read()
    url = "/exports/" + os.path.basename(path)
    status, fields, body = server.ask("GET", url)
    check.check("download", (status, body == whole,
                             fields["Accept-Ranges"]), (200, True, "bytes"))
    tag = fields["ETag"]
    for what, headers, expected, part in (
            ("a part", {"Range": "bytes=10-99"}, 206, whole[10:100]),
            ("the end", {"Range": "bytes=-16"}, 206, whole[-16:]),
            ("the rest", {"Range": "bytes=100-", "If-Range": tag}, 206,
             whole[100:]),
            ("of another version", {"Range": "bytes=0-1", "If-Range":
                                    "\"x\""}, 200, whole),
            ("behind the end", {"Range": "bytes=999999999-"}, 416, b"")):
        status, fields, body = server.ask("GET", url, headers=headers)
        check.check(what, (status, body == part), (expected, True))
    status, fields, body = server.ask("HEAD", url)
    check.check("its size", (status, int(fields["Content-Length"]), body),
                (200, len(whole), b""))
    for bad in ("/exports/", "/exports/..%2F..%2Fetc%2Fpasswd",
                "/exports/../tokens", "/exports/nosuch.pcapng"):
        check.check(bad, server.ask("GET", bad)[0], 404)


if __name__ == "__main__":
    test_fake()
    for test in (test_roles, test_exposed, test_tls, test_unix, test_limits,
                 test_db, test_api):
        with tempfile.TemporaryDirectory(prefix="aftertap-http-") as where:
            test(where)
    check.exit()
