#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""qpid-proton against RabbitMQ with AMQP 1.0, and against a container of proton
that takes messages in every way there is, recorded with tcpdump: performatives are
counted as tshark counts them, messages sent and received have the bodies,
properties and outcomes that the clients sent, got and were told.  Also with
packets lost, swapped and doubled, and from the middle.

usage: test_amqp1_truth.py AFTERTAP
"""
import collections
import json
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, skip, tshark_fields, workspace)

PYTHON = "/usr/bin/python3"  # that Debian's proton is for
PORT, PEER = "7356", "7357"
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
MESSAGES = 120
OUTCOMES = ("accepted", "rejected", "released", "modified")


def body_of(i):
    """What a message has inside, and how it is shown."""
    text = f"body-of-{i}-" + "x" * (i * 13 if i % 40 else 200_000)
    kind = i % 4
    if kind == 0:
        return text, text
    if kind == 1:
        return text.encode(), text
    if kind == 2:
        return {"number": i, "text": text, "none": None}, None
    # A list alone brings down RabbitMQ's session.
    return {"list": [i, text, True, 2.5], "map": {"deep": [[]]}}, None


def as_sent(body):
    return body.decode() if isinstance(body, bytes) else body


def message_of(i):
    from proton import Message
    return Message(body=body_of(i)[0], id=f"id-{i}", subject=f"subject-{i}",
                   content_type="text/plain", correlation_id=i,
                   inferred=isinstance(body_of(i)[0], bytes),
                   properties={"number": i, "text": "é"})


def attempt(told, action):
    import proton
    try:
        action()
    except proton.ProtonException as error:
        told["errors"].append(str(error))


def run_client(log):
    """Tells what it did and was told."""
    from proton.utils import BlockingConnection
    told = {"errors": [], "sent": [], "got": []}
    connection = BlockingConnection(f"amqp://guest:guest@127.0.0.1:{PORT}",
                                    timeout=30)
    sender = connection.create_sender("/queue/orders")
    for i in range(MESSAGES):
        sender.send(message_of(i))
    receiver = connection.create_receiver("/queue/orders", credit=20)
    for i in range(MESSAGES):
        message = receiver.receive(timeout=60)
        told["got"].append([message.id, as_sent(message.body),
                            "rejected" if i % 10 == 9 else "accepted"])
        (receiver.reject if i % 10 == 9 else receiver.accept)()
    connection.timeout = 1  # which is not told that its session ended
    attempt(told, lambda: connection.create_receiver("/exchange/no-such"))
    connection.close()
    try:
        BlockingConnection(f"amqp://guest:wrong-password@127.0.0.1:{PORT}",
                           timeout=60, allowed_mechs="PLAIN")
    except Exception as error:  # of many classes
        told["refused"] = str(error)
    with open(log, "w") as file:
        json.dump(told, file)


def run_peer():
    """Takes what comes as its subject says; answers requests."""
    import proton
    from proton.handlers import MessagingHandler
    from proton.reactor import Container

    class Peer(MessagingHandler):
        def __init__(self):
            super().__init__(auto_accept=False, auto_settle=False)
            self.senders = {}

        def on_start(self, event):
            event.container.listen(f"127.0.0.1:{PEER}")

        def on_link_opening(self, event):
            link = event.link
            if link.is_sender and link.remote_source.dynamic:
                link.source.address = f"reply-{len(self.senders)}"
                self.senders[link.source.address] = link
            elif link.is_sender:
                link.source.address = link.remote_source.address
            else:
                link.target.address = link.remote_target.address
            if link.remote_target.address == "refused":
                link.condition = proton.Condition(
                    "amqp:unauthorized-access", "not for you")
                link.target.address = None
                link.open()
                link.close()

        def on_message(self, event):
            message, delivery = event.message, event.delivery
            sender = self.senders.get(message.reply_to)
            if sender:
                sender.send(proton.Message(
                    body=message.body,
                    correlation_id=message.correlation_id))
            outcome = message.subject or "accepted"
            if outcome == "rejected":
                delivery.local.condition = proton.Condition(
                    "test:unwanted", f"no {message.id}")
            if outcome == "modified":
                delivery.local.failed = True
            delivery.update(getattr(proton.Delivery, outcome.upper()))
            delivery.settle()
    Container(Peer()).run()


def run_outcomes(log):
    import proton
    from proton import Message
    from proton.utils import BlockingConnection, SyncRequestResponse
    told = {"errors": [], "outcomes": [], "answers": []}
    connection = BlockingConnection(f"127.0.0.1:{PEER}", timeout=20)
    sender = connection.create_sender("box")
    for i in range(40):
        outcome = OUTCOMES[i % 4]
        delivery = sender.link.send(Message(
            id=f"out-{i}", subject=outcome, body=["item", i]))
        connection.wait(lambda: delivery.settled)
        told["outcomes"].append(
            [f"out-{i}", str(delivery.remote_state).lower(),
             delivery.remote.condition.name
             if delivery.remote.condition else None])
        delivery.settle()
    service = SyncRequestResponse(connection, "service")
    for i in range(30):
        answer = service.call(Message(body=f"question {i}"))
        told["answers"].append([f"question {i}", answer.body])
    anonymous = connection.create_sender(None)
    anonymous.send(Message(address="elsewhere", body="to a node by name"))
    attempt(told, lambda: connection.create_sender("refused"))
    sender.close()
    connection.close()
    with open(log, "w") as file:
        json.dump(told, file)


def record(directory):
    pcap = os.path.join(directory, "amqp.pcap")
    logs = [os.path.join(directory, name) for name in ("told", "outcomes")]
    plugins = os.path.join(directory, "plugins")
    with open(plugins, "w") as file:
        file.write("[rabbitmq_amqp1_0].\n")
    environment = dict(
        os.environ, HOME=directory, RABBITMQ_NODENAME="aftertap1@localhost",
        RABBITMQ_NODE_PORT=PORT, RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
        RABBITMQ_MNESIA_BASE=directory, RABBITMQ_LOG_BASE=directory,
        RABBITMQ_ENABLED_PLUGINS_FILE=plugins,
        RABBITMQ_CONF_ENV_FILE="/dev/null",
        # "-kill" is obeyed while a node lives (epmd(1)).
        ERL_EPMD_RELAXED_COMMAND_CHECK="1")
    me = os.path.abspath(__file__)
    with Namespace("at-amqp1") as space:
        space.start(SERVER, env=environment)
        space.start(PYTHON, me, "peer")
        space.wait_port(PORT, 90)
        space.wait_port(PEER)
        recorder = space.record(pcap, f"tcp port {PORT} or tcp port {PEER}")
        space.run(PYTHON, me, "client", logs[0], timeout=120)
        space.run(PYTHON, me, "outcomes", logs[1], timeout=60)
        space.stop(recorder)
        space.run("epmd", "-kill")
    told, peer = (json.load(open(log)) for log in logs)
    with open(os.path.join(directory, "aftertap1@localhost.log")) as file:
        told["no exchange"] = "NOT_FOUND - no exchange 'no-such'" in file.read()
    return pcap, told, peer


PERFORMATIVES = {0x10: "open", 0x11: "begin", 0x12: "attach", 0x13: "flow",
                 0x16: "detach", 0x17: "end", 0x18: "close",
                 0x40: "sasl-mechanisms", 0x41: "sasl-init"}
PAIRED = ("open", "begin", "attach", "detach", "end", "close")


def decode_as():
    return [word for port in (PORT, PEER)
            for word in ("-d", f"tcp.port=={port},amqp")]


def check_performatives(failures, aftertap, db, pcap):
    """Each once, as tshark has it; both halves of those that are pairs."""
    theirs, deliveries, settled = collections.Counter(), 0, 0
    for types, methods, ids in tshark_fields(
            pcap, "amqp.performative || amqp.sasl.method",
            ["amqp.performative", "amqp.sasl.method",
             "amqp.performative.arguments.deliveryId"], *decode_as()):
        for kind in (types + "|" + methods).split("|"):
            if kind:
                theirs[PERFORMATIVES.get(int(kind, 0))] += 1
        deliveries += len(ids.split("|")) if ids else 0
    ours = collections.Counter()
    for _, method, request, response in aftertap.rows(
            db, "method, has_request, has_response"):
        ours[method] += request + response if method in PAIRED else 1
    names = [name for name in PERFORMATIVES.values()]
    failures.check("performatives", {n: ours[n] for n in names},
                   {n: theirs[n] for n in names})
    failures.check("deliveries", ours["transfer"] + ours["deliver"],
                   deliveries)
    # Those that are sent settled have no outcome.
    failures.check("without outcome", list(aftertap.rows(
        db, "method, path, reason", "reason != '' AND method IN"
        " ('transfer', 'deliver')")), [])
    failures.check("calls of other protocols", list(aftertap.rows(
        db, "protocol, version", "protocol != 'amqp' OR version != '1.0'")),
        [])


def shown(body, i):
    """As the dissection shows what is no text."""
    text = body_of(i)[1]
    return body == text if text else json.loads(body) == body_of(i)[0]


def check_messages(failures, aftertap, db, told):
    for method, outcomes in (("transfer", ["accepted"] * MESSAGES),
                             ("deliver", [g[2] for g in told["got"]])):
        found = [row[1:] for row in aftertap.rows(
            db, "header(id, 'request', 'message-id'), status_text,"
            " body_text(id, 'request'), header(id, 'request',"
            " 'application-properties.number'), header(id, 'request',"
            " 'application-properties.text'), path,"
            " header(id, 'request', 'content-type')",
            f"method = '{method}' AND dst_port = {PORT}")]
        # A delivery is a call once its outcome is known.
        found.sort(key=lambda row: int(row[3]))
        failures.check(f"{method}: ids and outcomes", [
            [f[0], f[1]] for f in found], [
            [f"id-{i}", o] for i, o in enumerate(outcomes)])
        failures.check(f"{method}: wrong bodies", [
            f[0] for i, f in enumerate(found) if not shown(f[2], i)], [])
        failures.check(f"{method}: properties", [
            f for i, f in enumerate(found) if
            f[3:] != [str(i), "é", "/queue/orders", "text/plain"]], [])
    failures.check("got as sent", [g[:2] for g in told["got"]], json.loads(
        json.dumps([[f"id-{i}", as_sent(body_of(i)[0])]
                    for i in range(MESSAGES)])))


def check_errors(failures, aftertap, db, told, peer):
    found = [row[1:] for row in aftertap.rows(
        db, "path, error", "is_error AND method = 'attach'")]
    failures.that("the broker has no such exchange", told["no exchange"])
    failures.check("links refused", [(path, error.partition(" in ")[0])
                                     for path, error in found], [
        ("/exchange/no-such",
         "amqp:not-found: NOT_FOUND - no exchange 'no-such'")])
    refused = [row[1:] for row in aftertap.rows(
        db, "path, error, status_text", "method = 'detach' AND is_error")]
    failures.check("a link that is closed at once", refused, [[
        "refused", "amqp:unauthorized-access: not for you",
        "amqp:unauthorized-access"]])
    failures.that("… and the client noticed", any(
        "refused" in error for error in peer["errors"]), peer["errors"])
    failures.check("refused", [row[1:] for row in aftertap.rows(
        db, "path, status, status_text", "method = 'sasl-init' AND"
        " is_error")], [["guest", 1, "auth"]] if told["refused"] else None)
    outcomes = [row[1:] for row in aftertap.rows(
        db, "header(id, 'request', 'message-id'), status_text, iif(error LIKE"
        " '%test:unwanted%', 'test:unwanted', NULL)",
        f"path = 'box' AND method = 'transfer' AND dst_port = {PEER}")]
    failures.check("outcomes", outcomes, peer["outcomes"])
    failures.check("not taken", {row[1] for row in aftertap.rows(
        db, "status_text", "path = 'box' AND is_error")}, set(OUTCOMES[1:]))
    answers = [row[1] for row in aftertap.rows(
        db, "body_text(id, 'request')", "method = 'deliver' AND"
        " path LIKE 'reply-%'")]
    failures.check("answers", answers, [a[1] for a in peer["answers"]])
    failures.check("to a node by name", [row[1] for row in aftertap.rows(
        db, "path", "body_text(id, 'request') = 'to a node by name'")],
        ["elsewhere"])
    database = open(aftertap.database(db), "rb").read()
    failures.that("the password is not kept",
                  b"wrong-password" not in database)


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5], "--max-body", "256KiB")
        wrong, whole = [], 0
        for row in aftertap.rows(
                db, "method, header(id, 'request', 'message-id'),"
                " header(id, 'request', 'application-properties.number'),"
                " body_text(id, 'request'), status_text",
                "complete AND method IN ('transfer', 'deliver') AND path ="
                " '/queue/orders'"):
            if row[2] is None or row[3] is None:
                wrong.append(row[:2])
                continue
            whole += 1
            number = int(row[3])
            rejected = row[1] == "deliver" and number % 10 == 9
            if row[2] != f"id-{number}" or not shown(row[4], number) or \
                    row[5] not in (None, "", "rejected" if rejected
                                   else "accepted"):
                wrong.append((row[1:4], row[4][:40], row[5]))
        # Of one direction there are no messages with their outcome.
        failures.that(f"{variant}: messages", whole > 60 or variant in (
            "snap200.pcap", "client_only.pcap", "server_only.pcap"), whole)
        failures.check(f"{variant}: wrong messages", wrong[:3], [])


def main(binary):
    need_root()
    need(SERVER, "tcpdump", "ip", "ethtool", "tshark", PYTHON)
    if subprocess.run([PYTHON, "-c", "import proton"],
                      stderr=subprocess.DEVNULL).returncode:
        skip("python3-qpid-proton is not installed")
    failures = Failures()
    with workspace() as directory:
        pcap, told, peer = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth", "--max-body", "256KiB")
        check_performatives(failures, aftertap, db, pcap)
        check_messages(failures, aftertap, db, told)
        check_errors(failures, aftertap, db, told, peer)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    modes = {"client": run_client, "outcomes": run_outcomes,
             "peer": run_peer}
    modes.get(sys.argv[1], lambda *_: main(sys.argv[1]))(*sys.argv[2:])
