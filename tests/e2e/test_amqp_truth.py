#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pika against RabbitMQ, recorded with tcpdump: methods are counted as tshark
counts them, messages published and delivered have the bodies that the client
sent and got, errors are those it was told.  Also with packets lost, swapped and
doubled, and from the middle.

usage: test_amqp_truth.py AFTERTAP
"""
import collections
import json
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, skip, tshark_fields, workspace)

PYTHON = "/usr/bin/python3"  # that Debian's pika is for
PORT = "7355"
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
MESSAGES = 150


def body_of(i):
    return f"body-of-{i}-" + "x" * (i * 13 if i % 50 else 200_000)


def run_client(log):
    """Tells what it did and was told."""
    import pika
    told = {"errors": [], "got": [], "consumed": []}
    connection = pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", int(PORT)))
    channel = connection.channel()
    channel.exchange_declare("orders", "topic", durable=True)
    channel.queue_declare("all-orders", durable=True,
                          arguments={"x-max-length": 5000})
    channel.queue_bind("all-orders", "orders", "order.#")
    channel.confirm_delivery()
    for i in range(MESSAGES):
        channel.basic_publish("orders", f"order.{i}", body_of(i).encode(),
                              pika.BasicProperties(
                                  content_type="text/plain",
                                  message_id=str(i), headers={"number": i}))
    second = connection.channel()
    for i in range(30):
        frame, _, body = second.basic_get("all-orders", auto_ack=True)
        told["got"].append([frame.routing_key, body.decode()])
    for frame, _, body in second.consume("all-orders",
                                         inactivity_timeout=60):
        if frame is None:
            break
        told["consumed"].append([frame.routing_key, body.decode()])
        second.basic_ack(frame.delivery_tag)
        if len(told["got"] + told["consumed"]) == MESSAGES:
            break
    second.cancel()
    told["empty"] = second.basic_get("all-orders")[0] is None
    for action in (
            lambda c: c.queue_declare("no-such-queue", passive=True),
            lambda c: c.exchange_declare("orders", "fanout"),
            lambda c: c.basic_publish("no-such-exchange", "x", b"lost") or
            c.queue_declare("", exclusive=True)):
        broken = connection.channel()
        try:
            action(broken)
        except pika.exceptions.AMQPChannelError as error:
            told["errors"].append([error.args[0], error.args[1]])
    connection.close()
    try:
        pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", int(PORT), credentials=pika.PlainCredentials(
                "guest", "wrong-password")))
    except pika.exceptions.AMQPError:
        told["refused"] = True
    with open(log, "w") as file:
        json.dump(told, file)


def record(directory):
    pcap = os.path.join(directory, "amqp.pcap")
    log = os.path.join(directory, "told.json")
    environment = dict(
        os.environ, HOME=directory, RABBITMQ_NODENAME="aftertap@localhost",
        RABBITMQ_NODE_PORT=PORT, RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
        RABBITMQ_MNESIA_BASE=directory, RABBITMQ_LOG_BASE=directory,
        RABBITMQ_ENABLED_PLUGINS_FILE=os.path.join(directory, "plugins"),
        RABBITMQ_CONF_ENV_FILE="/dev/null",
        # "-kill" is obeyed while a node lives (epmd(1)).
        ERL_EPMD_RELAXED_COMMAND_CHECK="1")
    with Namespace("at-amqp") as space:
        space.start(SERVER, env=environment)
        space.wait_port(PORT, 90)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(PYTHON, os.path.abspath(__file__), "client", log,
                  timeout=120)
        space.stop(recorder)
        space.run("epmd", "-kill")
    return pcap, json.load(open(log))


def check_methods(failures, aftertap, db, pcap):
    """Each request and message once, as tshark has its method.  (Deliveries,
    some of which it leaves out, are compared with what the client got.)"""
    theirs = collections.Counter()
    for classes, methods in tshark_fields(
            pcap, "amqp.type == 1", ["amqp.method.class", "amqp.method.method"],
            "-d", f"tcp.port=={PORT},amqp"):
        theirs.update(zip(map(int, classes.split("|")),
                          map(int, methods.split("|"))))
    names = {(10, 10): "Connection.Start", (10, 40): "Connection.Open",
             (20, 10): "Channel.Open", (40, 10): "Exchange.Declare",
             (50, 10): "Queue.Declare", (50, 20): "Queue.Bind",
             (85, 10): "Confirm.Select", (60, 20): "Basic.Consume",
             (60, 30): "Basic.Cancel", (60, 40): "Basic.Publish",
             (60, 70): "Basic.Get",
             (60, 80): "Basic.Ack", (60, 10): "Basic.Qos",
             (10, 11): "Connection.Start-Ok", (10, 31): "Connection.Tune-Ok"}
    ours = collections.Counter(row[1] for row in aftertap.rows(
        db, "method", "protocol = 'amqp'"))
    failures.check("methods", {n: ours[n] for n in names.values()},
                   {n: theirs[k] for k, n in names.items()})
    # One goes to a channel that the broker is closing.
    unanswered = list(aftertap.rows(
        db, "method, reason", "reason != '' AND method NOT LIKE"
        " 'Connection.%' AND NOT (method = 'Queue.Declare' AND"
        " coalesce(path, '') = '')"))
    failures.check("halves alone", unanswered[:3], [])
    other = list(aftertap.rows(db, "protocol", "protocol != 'amqp'"))
    failures.check("calls of other protocols", other, [])


def check_bodies(failures, aftertap, db, told):
    def bodies(method, half):
        return [[path, body] for _, path, body in aftertap.rows(
            db, f"path, body_text(id, '{half}')", f"method = '{method}'"
            f" AND path LIKE 'orders/%'")]
    sent = [[f"orders/order.{i}", body_of(i)] for i in range(MESSAGES)]
    failures.that("published", bodies("Basic.Publish", "request") == sent)
    failures.that("delivered", bodies("Basic.Deliver", "response") == [
        ["orders/" + key, body] for key, body in told["consumed"]],
        len(told["consumed"]))
    got = [body for _, body in aftertap.rows(
        db, "body_text(id, 'response')", "method = 'Basic.Get' AND"
        " status_text = 'OK'")]
    failures.that("got", got == [body for _, body in told["got"]], len(got))
    failures.check("empty", len(list(aftertap.rows(
        db, "id", "status_text = 'EMPTY'"))), int(told["empty"]))
    properties = {tuple(row[1:]) for row in aftertap.rows(
        db, "header(id, 'request', 'content-type'),"
        " header(id, 'request', 'message-id') ="
        " header(id, 'request', 'headers.number'), host",
        "method = 'Basic.Publish' AND path LIKE 'orders/%'")}
    failures.check("properties", properties, {("text/plain", 1, "/")})
    errors = [[status, text] for _, status, text in aftertap.rows(
        db, "status, status_text", "is_error AND status != 403")]
    failures.check("errors", errors, told["errors"])
    failures.check("refused", told.get("refused"), True)
    users = [row[1:] for row in aftertap.rows(
        db, "path, user_agent", "method = 'Connection.Start-Ok'")]
    failures.that("users", users[-1][0] == "guest" and
                  "Pika" in users[-1][1], users)
    database = open(aftertap.database(db), "rb").read()
    failures.that("the password is not kept",
                  b"wrong-password" not in database)


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5],
                                "--max-body", "256KiB")
        wrong, whole = [], 0
        for row in aftertap.rows(
                db, "method, path, body_text(id, iif(method ="
                " 'Basic.Publish', 'request', 'response'))",
                "path LIKE 'orders/order.%' AND method IN"
                " ('Basic.Publish', 'Basic.Deliver')"):
            number = int(row[2].rpartition(".")[2])
            body = body_of(number)
            # A message with a hole is shorter than what was sent.
            if len(row[3] or "") < len(body):
                continue
            whole += 1
            if row[3] != body:
                wrong.append((row[1], row[2], row[3][:40]))
        failures.that(f"{variant}: messages",
                      whole > 70 or variant == "snap200.pcap", whole)
        failures.check(f"{variant}: wrong bodies", wrong[:3], [])
        pairs = [row[1:] for row in aftertap.rows(
            db, "path, header(id, 'response', 'queue')",
            "method = 'Queue.Declare' AND complete AND NOT is_error")]
        failures.check(f"{variant}: wrong pairs", [
            p for p in pairs if p[1] and p[0] != p[1]], [])


def main(binary):
    need_root()
    need(SERVER, "tcpdump", "ip", "ethtool", "tshark", PYTHON)
    if subprocess.run([PYTHON, "-c", "import pika"],
                      stderr=subprocess.DEVNULL).returncode:
        skip("python3-pika is not installed")
    failures = Failures()
    with workspace() as directory:
        pcap, told = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth", "--max-body", "256KiB")
        check_methods(failures, aftertap, db, pcap)
        check_bodies(failures, aftertap, db, told)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        run_client(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
