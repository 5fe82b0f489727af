#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C client of NATS against nats-server with JetStream, recorded with tcpdump:
messages have the subjects and payloads that were sent and got, requests the
replies that the client was given.  Also with packets lost, swapped and doubled,
and from the middle.

usage: test_nats_truth.py AFTERTAP
"""
import ctypes
import json
import os
import sys
import threading

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, skip, workspace)

PORT = "7357"
SERVER = "/usr/sbin/nats-server"
LIBRARY = "libnats.so.3.4"
MESSAGES = 150
PATIENCE = 60_000  # milliseconds


def body_of(i):
    return f"body-of-{i}-" + "x" * (i * 13 if i % 50 else 60_000)


class Nats:
    """As much of the library as is needed; what fails raises its status."""

    def __init__(self, name, user="alice", password="pass-word-of-alice"):
        self.lib = ctypes.CDLL(LIBRARY)
        for text in ("natsMsg_GetSubject", "natsMsg_GetReply",
                     "natsStatus_GetText"):
            getattr(self.lib, text).restype = ctypes.c_char_p
        self.lib.natsMsg_GetData.restype = ctypes.c_void_p
        options = ctypes.c_void_p()
        self.do("natsOptions_Create", ctypes.byref(options))
        self.do("natsOptions_SetURL", options,
                f"nats://127.0.0.1:{PORT}".encode())
        self.do("natsOptions_SetUserInfo", options, user.encode(),
                password.encode())
        self.do("natsOptions_SetName", options, name.encode())
        self.connection = ctypes.c_void_p()
        self.do("natsConnection_Connect", ctypes.byref(self.connection),
                options)

    def do(self, name, *words):
        status = getattr(self.lib, name)(*words)
        if status:
            raise RuntimeError(self.lib.natsStatus_GetText(status).decode())

    def message(self, pointer):
        size = self.lib.natsMsg_GetDataLength(pointer)
        data = ctypes.string_at(self.lib.natsMsg_GetData(pointer), size) \
            if size else b""
        return [text.decode() if text else "" for text in (
            self.lib.natsMsg_GetSubject(pointer), data,
            self.lib.natsMsg_GetReply(pointer))]

    def publish(self, subject, body, reply=None):
        data = body.encode()
        self.do("natsConnection_PublishRequest", self.connection,
                subject.encode(), reply.encode(), data, len(data)) \
            if reply else \
            self.do("natsConnection_Publish", self.connection,
                    subject.encode(), data, len(data))

    def publish_with_header(self, subject, body, name, value):
        pointer, data = ctypes.c_void_p(), body.encode()
        self.do("natsMsg_Create", ctypes.byref(pointer), subject.encode(),
                None, data, len(data))
        self.do("natsMsgHeader_Set", pointer, name.encode(), value.encode())
        self.do("natsConnection_PublishMsg", self.connection, pointer)

    def subscribe(self, subject):
        subscription = ctypes.c_void_p()
        self.do("natsConnection_SubscribeSync", ctypes.byref(subscription),
                self.connection, subject.encode())
        self.flush()
        return subscription

    def flush(self):
        self.do("natsConnection_FlushTimeout", self.connection,
                ctypes.c_int64(PATIENCE))

    def next(self, subscription, milliseconds=PATIENCE):
        pointer = ctypes.c_void_p()
        self.do("natsSubscription_NextMsg", ctypes.byref(pointer),
                subscription, ctypes.c_int64(milliseconds))
        return self.message(pointer)

    def request(self, subject, body):
        pointer, data = ctypes.c_void_p(), body.encode()
        self.do("natsConnection_Request", ctypes.byref(pointer),
                self.connection, subject.encode(), data, len(data),
                ctypes.c_int64(PATIENCE))
        return self.message(pointer)[1]

    def close(self):
        self.flush()
        self.lib.natsConnection_Destroy(self.connection)


def serve(service, subscription):
    for _ in range(MESSAGES):
        _, body, reply = service.next(subscription)
        service.publish(reply, "re: " + body)
    service.flush()


def jetstream(client, told):
    told["created"] = json.loads(client.request(
        "$JS.API.STREAM.CREATE.EVENTS",
        '{"name":"EVENTS","subjects":["events.>"],"storage":"memory"}'))
    told["missing"] = json.loads(client.request(
        "$JS.API.STREAM.INFO.NONE", ""))["error"]
    told["stored"] = json.loads(client.request("events.new", "an event"))
    client.request("$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.worker", json.dumps(
        {"stream_name": "EVENTS", "config": {
            "durable_name": "worker", "ack_policy": "explicit"}}))
    inbox = client.subscribe("_INBOX.pulls")
    client.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.worker", '{"batch":1}',
                   "_INBOX.pulls")
    told["pulled"] = client.next(inbox)
    client.publish(told["pulled"][2], "+ACK")
    client.publish("$JS.API.CONSUMER.MSG.NEXT.EVENTS.worker",
                   '{"batch":1,"no_wait":true}', "_INBOX.pulls")
    client.next(inbox)


def run_client(log):
    """Tells what it did and was told."""
    told = {"got": [], "replies": []}
    service, client = Nats("the-service"), Nats("the-client")
    worker = threading.Thread(target=serve, args=(
        service, service.subscribe("svc.echo")))
    worker.start()
    news = client.subscribe("news.>")
    for i in range(MESSAGES):
        client.publish(f"news.{i}", body_of(i))
        told["replies"].append(client.request("svc.echo", f"question {i}"))
    for _ in range(MESSAGES):
        told["got"].append(client.next(news)[:2])
    client.publish_with_header("news.header", "with a header", "Colour",
                               "green")
    try:
        client.request("svc.none", "?")
    except RuntimeError as error:
        told["nobody"] = str(error)
    jetstream(client, told)
    client.publish("forbidden.subject", "x")
    client.flush()
    worker.join()
    for each in (service, client):
        each.close()
    try:
        Nats("stranger", "alice", "not-her-password")
    except RuntimeError as error:
        told["refused"] = str(error)
    with open(log, "w") as file:
        json.dump(told, file)


def record(directory):
    pcap = os.path.join(directory, "nats.pcap")
    log = os.path.join(directory, "told.json")
    settings = os.path.join(directory, "nats.conf")
    with open(settings, "w") as file:
        file.write(f"""listen: 127.0.0.1:{PORT}
jetstream {{ store_dir: "{directory}/store" }}
authorization {{ users: [ {{ user: alice, password: "pass-word-of-alice"
  permissions: {{ publish: {{ deny: "forbidden.>" }} }} }} ] }}
""")
    with Namespace("at-nats") as space:
        space.start(SERVER, "-c", settings)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(sys.executable, os.path.abspath(__file__), "client", log,
                  timeout=60)
        space.stop(recorder)
    return pcap, json.load(open(log))


def check_messages(failures, aftertap, db, told):
    def messages(method, half="request"):
        return [row[1:] for row in aftertap.rows(
            db, f"path, body_text(id, '{half}')", f"method = '{method}' AND"
            " path LIKE 'news.%' AND path != 'news.header'")]
    failures.that("published", messages("PUB") == [
        [f"news.{i}", body_of(i)] for i in range(MESSAGES)])
    failures.that("delivered", messages("MSG") == told["got"],
                  len(told["got"]))
    for client, method in (("the-client", "PUB"), ("the-service", "MSG")):
        pairs = [row[1:] for row in aftertap.rows(
            db, "body_text(id, 'request'), body_text(id, 'response')",
            f"path = 'svc.echo' AND method = '{method}' AND"
            f" user_agent = '{client}'")]
        failures.that(f"requests of {client}", sorted(pairs) == sorted(
            [f"question {i}", reply] for i, reply in
            enumerate(told["replies"])), len(pairs))
    header = [row[1:] for row in aftertap.rows(
        db, "method, header(id, 'request', 'colour')",
        "path = 'news.header'")]
    failures.check("header", header, [["PUB", "green"], ["MSG", "green"]])
    other = list(aftertap.rows(db, "protocol", "protocol != 'nats'"))
    failures.check("calls of other protocols", other, [])


def check_outcomes(failures, aftertap, db, told):
    def one(columns, condition):
        return [row[1:] for row in aftertap.rows(db, columns, condition)]
    failures.check("nobody answers", [told["nobody"], *one(
        "status, error", "path = 'svc.none'")], [
            "No responders available for request",
            [503, "503 No Responders"]])
    failures.check("missing stream", one(
        "status, error", "method = 'JS.STREAM.INFO'"), [[
            told["missing"]["code"], f"{told['missing']['code']} "
            f"{told['missing']['description']}"]])
    failures.check("created", one(
        "is_error, header(id, 'request', 'stream')",
        "method = 'JS.STREAM.CREATE'"), [[0, told["created"]["config"]
                                          ["name"]]])
    failures.check("stored", [json.loads(row[0]) for row in one(
        "body_text(id, 'response')", "path = 'events.new' AND"
        " method = 'PUB'")], [told["stored"]])
    failures.check("pulled", one(
        "path, body_text(id, 'request'), header(id, 'request', 'reply-to'),"
        " body_text(id, 'response')", "method = 'MSG' AND"
        " header(id, 'request', 'consumer') = 'worker'"),
        [[*told["pulled"], "+ACK"]])
    failures.check("nothing to pull", one(
        "status", "method = 'JS.CONSUMER.MSG.NEXT' AND has_response"),
        [[404]])
    failures.that("forbidden", "forbidden.subject" in one(
        "error", "method = '-ERR'")[0][0])
    failures.that("refused", told.get("refused") and one(
        "error", "method = 'CONNECT' AND is_error") == [
            ["Authorization Violation"]], told.get("refused"))
    database = open(aftertap.database(db), "rb").read()
    failures.that("passwords are not kept",
                  b"not-her-password" not in database and
                  b"pass-word-of-alice" not in database)


def impaired(failures, aftertap, pcap, directory):
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        wrong, pairs, whole = [], 0, 0
        for row in aftertap.rows(
                db, "path, body_text(id, 'request'),"
                " body_text(id, 'response'), has_request, has_response,"
                " complete",
                "path = 'svc.echo' OR path GLOB 'news.[0-9]*'"):
            path, asked, answer, has_request, has_response, complete = row[1:]
            if path == "svc.echo" and has_response and has_request:
                pairs += 1
                if complete and answer != "re: " + asked:
                    wrong.append((asked, answer))
            elif path != "svc.echo":
                body = body_of(int(path[5:]))
                # A message with a hole is shorter than what was sent.
                if len(asked or "") < len(body):
                    continue
                whole += 1
                if asked != body:
                    wrong.append((path, asked[:40]))
        some = variant == "snap200.pcap" or "only" in variant
        failures.that(f"{variant}: pairs and messages", some or (
            pairs > 120 and whole > 120), (pairs, whole))
        failures.check(f"{variant}: what is wrong", wrong[:3], [])


def main(binary):
    need_root()
    need(SERVER, "tcpdump", "ip", "ethtool")
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        skip(f"libnats: {error}")
    failures = Failures()
    with workspace() as directory:
        pcap, told = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check_messages(failures, aftertap, db, told)
        check_outcomes(failures, aftertap, db, told)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        run_client(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
