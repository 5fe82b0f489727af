#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may reach aftertap serve --http: access tokens of an issuer (OAuth 2.1),
forged ones, its keys and their rotation, pages of other origins, connections
of one address, and how TLS ends.  The tokens are signed by python's
cryptography.

usage: test_http_access.py AFTERTAP
"""
import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import support

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import (
        ec, ed25519, padding, rsa, utils)
except ImportError:
    print("SKIPPED: python3-cryptography is not installed")
    sys.exit(77)

AFTERTAP = os.path.abspath(sys.argv[1])
ISSUER = "https://login.example"
RESOURCE = "https://tap.example/mcp"
METADATA = "https://tap.example/.well-known/oauth-protected-resource/mcp"
PATIENCE = 120

check = support.Failures()


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    if isinstance(data, int):
        data = data.to_bytes((data.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A key pair of the issuer."""

    def __init__(self, algorithm, kid):
        self.algorithm, self.kid = algorithm, kid
        self.private = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    def public(self):
        key = self.private.public_key()
        shown = {"kid": self.kid, "use": "sig"}
        if self.algorithm == "RS256":
            numbers = key.public_numbers()
            return {**shown, "kty": "RSA", "n": encode(numbers.n),
                    "e": encode(numbers.e)}
        if self.algorithm == "ES256":
            numbers = key.public_numbers()
            return {**shown, "kty": "EC", "crv": "P-256",
                    "x": encode(numbers.x.to_bytes(32, "big")),
                    "y": encode(numbers.y.to_bytes(32, "big"))}
        return {**shown, "kty": "OKP", "crv": "Ed25519",
                "x": encode(key.public_bytes_raw())}

    def signature(self, text):
        if self.algorithm == "RS256":
            return self.private.sign(text, padding.PKCS1v15(),
                                     hashes.SHA256())
        if self.algorithm == "EdDSA":
            return self.private.sign(text)
        r, s = utils.decode_dss_signature(
            self.private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def token(self, header=None, **claims):
        now = int(time.time())
        header = {"alg": self.algorithm, "kid": self.kid, "typ": "at+jwt",
                  **(header or {})}
        claims = {"iss": ISSUER, "aud": RESOURCE, "sub": "alice",
                  "exp": now + 600, "scope": "aftertap:viewer", **claims}
        text = encode(header) + "." + encode(
            {k: v for k, v in claims.items() if v is not None})
        return text + "." + encode(self.signature(text.encode()))


class Issuer:
    """Its keys, on a port of loopback."""

    def __init__(self, *keys):
        self.keys, self.asked, self.delay = list(keys), 0, 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                time.sleep(issuer.delay)
                body = json.dumps(issuer.document()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def document(self):
        return {"keys": [key.public() for key in self.keys]}


class Server:
    def __init__(self, home, *options):
        self.process = subprocess.Popen(
            [AFTERTAP, "--home", home, "serve", "--http", "127.0.0.1:0",
             "--no-access-log", *options], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(PATIENCE, self.process.kill)
        self.watchdog.start()
        log = []
        for line in self.process.stderr:
            log.append(line)
            if found := re.search(r"event=listen url=\w+://\S+:(\d+)", line):
                self.port = int(found.group(1))
                break
        else:
            raise SystemExit("it did not start: " + "".join(log))
        threading.Thread(target=self.process.stderr.read,
                         daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.send_signal(signal.SIGTERM)
        check.check("the server's exit status", self.process.wait(20), 0)

    def ask(self, method, path, token=None, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=30)
        if token:
            headers["Authorization"] = "Bearer " + token
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.headers, text

    def api(self, tool, token=None, method="GET"):
        return self.ask(method, "/api/" + tool, token)

    def post(self, message, token=None, **headers):
        return self.ask("POST", "/mcp", token, json.dumps(message),
                        Content_Type="application/json",
                        Accept="application/json, text/event-stream",
                        **headers)


def oauth(keys):
    return ["--oauth-issuer", ISSUER, "--oauth-keys", keys,
            "--oauth-resource", RESOURCE]


def alg_confusion(key):
    """The public key as the secret of an HMAC (RFC 8725, 2.1)."""
    import hashlib
    import hmac
    text = key.token({"alg": "HS256"}).rsplit(".", 1)[0]
    secret = json.dumps(key.public()).encode()
    return text + "." + encode(hmac.new(secret, text.encode(),
                                        hashlib.sha256).digest())


def forged(key, other):
    """(what, token): none of them may be admitted."""
    now = int(time.time())
    good = key.token()
    head, claims, signature = good.split(".")
    elevated = encode({"iss": ISSUER, "aud": RESOURCE, "sub": "alice",
                       "exp": now + 600, "scope": "aftertap:admin"})
    stolen = Key(key.algorithm, key.kid)  # another pair under the same name
    return (
        ("other claims", f"{head}.{elevated}.{signature}"),
        ("no signature", f"{head}.{claims}."),
        ("alg none", encode({"alg": "none"}) + f".{claims}."),
        ("alg none, with kid", encode({"alg": "none", "kid": key.kid}) +
         f".{claims}.{signature}"),
        ("an HMAC with the public key", alg_confusion(key)),
        ("another key of that name", stolen.token()),
        ("a key of its own", stolen.token({"jwk": stolen.public()})),
        ("keys of its own", stolen.token({"jku": "http://127.0.0.1:1/"})),
        ("another kind of key", other.token({"kid": key.kid})),
        ("another issuer", key.token(iss="https://evil.example")),
        ("an issuer with a slash", key.token(iss=ISSUER + "/")),
        ("another audience", key.token(aud="https://other.example/mcp")),
        ("no audience", key.token(aud=None)),
        ("expired", key.token(exp=now - 31)),
        ("never expires", key.token(exp=None)),
        ("expires in words", key.token(exp="tomorrow")),
        ("not yet", key.token(nbf=now + 60)),
        ("crit", key.token({"crit": ["b64"], "b64": False})),
        ("an ID token's type", key.token({"typ": "id+jwt"})),
        ("nobody", key.token(sub=None)),
        ("more after it", good + ".x"),
        ("cut", good[:-2]),
        ("not ASCII", "ü" + good),
        ("too long", good + "A" * 12000),
    )


def test_tokens(home):
    keys = [Key(algorithm, algorithm.lower())
            for algorithm in ("RS256", "ES256", "EdDSA")]
    path = os.path.join(home, "keys.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(Issuer(*keys).document(), file)
    with Server(home, *oauth(path)) as server:
        for key in keys:
            check.check(key.algorithm,
                        server.api("list_databases", key.token())[0], 200)
            check.check(f"{key.algorithm} again",
                        server.api("list_databases", key.token())[0], 200)
        for what, token in forged(keys[0], keys[1]) + \
                forged(keys[1], keys[2]) + forged(keys[2], keys[0]):
            status, headers, _ = server.ask(
                "GET", "/api/list_databases",
                Authorization=f"Bearer {token}".encode())
            check.check(what, (status, "invalid_token" in headers.get(
                "WWW-Authenticate", "")), (401, True))
        check.check("several audiences", server.api("list_databases", keys[
            0].token(aud=["x", RESOURCE]))[0], 200)
        check.check("scp", server.api("list_databases", keys[0].token(
            scope=None, scp=["aftertap:viewer"]))[0], 200)
        test_challenges(server, keys[0])
        test_scopes(server, keys[0])
        test_subjects(server, keys[0])


def test_challenges(server, key):
    status, headers, _ = server.api("list_databases")
    check.check("no token", (status, headers["WWW-Authenticate"]),
                (401, f'Bearer realm="aftertap", resource_metadata='
                      f'"{METADATA}", scope="aftertap:viewer"'))
    for path in ("", "/mcp"):
        status, _, body = server.ask(
            "GET", "/.well-known/oauth-protected-resource" + path)
        document = json.loads(body)
        check.check("metadata", (status, document["resource"],
                                 document["authorization_servers"]),
                    (200, RESOURCE, [ISSUER]))
    check.check("somebody else's metadata", server.ask(
        "GET", "/.well-known/oauth-protected-resource/other")[0], 401)
    check.check("metadata is read only", server.ask(
        "POST", "/.well-known/oauth-protected-resource")[0], 405)
    status, headers, _ = server.api("list_databases",
                                    key.token(scope="other:thing"))
    check.check("no scope of ours", (status, "insufficient_scope" in headers[
        "WWW-Authenticate"]), (403, True))
    check.check("in the query", server.ask(
        "GET", "/api/list_databases?access_token=" + key.token())[0], 401)


def test_scopes(server, key):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "delete_snapshot", "arguments": {"snapshot": "nosuch"},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                  "io.modelcontextprotocol/clientCapabilities": {}}}}
    headers = {"MCP-Protocol-Version": "2026-07-28",
               "Mcp-Method": "tools/call", "Mcp-Name": "delete_snapshot"}
    for scope, expected in (("aftertap:viewer", 403),
                            ("aftertap:operator", 403),
                            ("aftertap:admin", 200),
                            ("x aftertap:viewer aftertap:admin", 200)):
        status, fields, _ = server.post(call, key.token(scope=scope),
                                        **headers)
        check.check(f"deleting as {scope}", status, expected)
        if status == 403:
            check.that("what it would need", 'scope="aftertap:admin"' in
                       fields["WWW-Authenticate"])


def test_subjects(server, key):
    """A session is its subject's, whichever of its tokens is shown."""
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}}}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    session = server.post(begin, key.token())[1]["Mcp-Session-Id"]
    for what, token, expected in (
            ("a newer token", key.token(jti="2"), 200),
            ("somebody else's", key.token(sub="mallory"), 404),
            ("none", None, 401)):
        check.check(what, server.post(ping, token, Mcp_Session_Id=session)[0],
                    expected)


def test_rotation(home):
    """New keys are fetched when a token names one, but not for everybody."""
    old, new, never = (Key("ES256", name) for name in ("old", "new", "never"))
    issuer = Issuer(old)
    issuer.delay = 1
    with Server(home, *oauth(issuer.url)) as server:
        check.check("waits for the first keys",
                    server.api("list_databases", old.token())[0], 200)
        check.check("asked once", issuer.asked, 1)
        issuer.keys = [new]
        for _ in range(20):
            check.check("too soon", server.api("list_databases",
                                               never.token())[0], 401)
        check.check("still asked once", issuer.asked, 1)
        time.sleep(31)
        results = []
        threads = [threading.Thread(target=lambda: results.append(
            server.api("list_databases", new.token())[0]))
            for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check.check("the new key", results, [200] * 8)
        check.check("asked twice", issuer.asked, 2)
        check.check("the old one is gone",
                    server.api("list_databases", old.token())[0], 401)


def test_keys_missing(home):
    """No key yet: the token is not what is wrong."""
    key = Key("ES256", "k")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/keys"
        with Server(home, *oauth(url)) as server:
            status, fields, _ = server.api("list_databases", key.token())
            check.check("no keys", (status, "Retry-After" in fields),
                        (503, True))
            check.check("no token", server.api("list_databases")[0], 401)
            check.check("a foreign token", server.api(
                "list_databases",
                key.token(iss="https://other.example"))[0], 401)
    done = subprocess.run(
        [AFTERTAP, "serve", "--http", "127.0.0.1:0",
         *oauth("https://login.example/keys")], capture_output=True,
        env={**os.environ, "PATH": home}, stdin=subprocess.DEVNULL,
        timeout=PATIENCE, text=True, check=False)
    check.check("no curl", (done.returncode, "curl" in done.stderr),
                (1, True))


def refused(*options):
    done = subprocess.run([AFTERTAP, "serve", "--http", "127.0.0.1:0",
                           *options], capture_output=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode != 0


def test_options(home):
    path = os.path.join(home, "bad.json")
    with open(path, "w", encoding="ascii") as file:
        file.write('{"keys":[]}')
    check.that("half of it", refused("--oauth-issuer", ISSUER))
    check.that("keys in the clear", refused(*oauth("http://a.example/k")))
    check.that("no keys", refused(*oauth(path)))
    check.that("no file", refused(*oauth(path + "x")))


def test_cors(home):
    page = "https://app.example"
    with Server(home, "--allow-origin", page) as server:
        status, headers, _ = server.ask(
            "OPTIONS", "/mcp", Origin=page,
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="mcp-method, content-type")
        check.check("preflight", (status, headers[
            "Access-Control-Allow-Origin"]), (204, page))
        check.that("its fields", {"mcp-method", "content-type",
                                  "authorization", "mcp-session-id"} <= set(
            headers["Access-Control-Allow-Headers"].lower().split(", ")))
        status, headers, _ = server.ask("GET", "/healthz", Origin=page)
        check.check("the request", (status, headers[
            "Access-Control-Allow-Origin"], headers["Vary"]),
            (200, page, "Origin"))
        check.that("nothing without one", "Access-Control-Allow-Origin" not in
                   server.ask("GET", "/healthz")[1])
        status, headers, _ = server.ask(
            "OPTIONS", "/mcp", Origin="https://evil.example",
            Access_Control_Request_Method="POST")
        check.check("another page", (status, headers.get(
            "Access-Control-Allow-Origin")), (403, None))


def test_address(home):
    with Server(home, "--max-connections-per-address", "3") as server, \
            contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(socket.create_connection(
            ("127.0.0.1", server.port))) for _ in range(3)]
        for connection in open_ones:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost"
                               b"\r\n\r\n")
            check.that("one of three", connection.recv(100).startswith(
                b"HTTP/1.1 200"))
        check.check("a fourth", server.ask("GET", "/healthz")[0], 503)
        with socket.create_connection(("127.0.0.1", server.port),
                                      source_address=("127.0.0.2", 0)) as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check.that("another address", s.recv(100).startswith(
                b"HTTP/1.1 200"))
        open_ones[0].close()
        deadline = time.monotonic() + 20
        # Each of these takes a place itself until the server sees its end.
        status = 503
        while status != 200 and time.monotonic() < deadline:
            status = server.ask("GET", "/healthz")[0]
        check.check("a place is free again", status, 200)


def test_tls_end(home):
    """The end of a connection is said, so that nothing was cut off."""
    cert, key = (os.path.join(home, name) for name in ("cert", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    context = ssl.create_default_context(cafile=cert)
    context.check_hostname = False
    with Server(home, "--tls-cert", cert, "--tls-key", key) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            with context.wrap_socket(
                    socket.create_connection(("127.0.0.1", server.port)),
                    suppress_ragged_eofs=False) as s:
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                          b"Connection: close\r\n\r\n")
                try:
                    while s.recv(4096):
                        pass
                    ended = True
                except ssl.SSLEOFError:
                    ended = False
                check.that(f"{version.name} ends with close_notify", ended)


if __name__ == "__main__":
    for test in (test_tokens, test_rotation, test_keys_missing,
                 test_options, test_cors, test_address, test_tls_end):
        with tempfile.TemporaryDirectory(prefix="aftertap-access-") as where:
            test(where)
    check.exit()
