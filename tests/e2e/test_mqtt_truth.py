#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mosquitto with mosquitto_pub and mosquitto_sub, recorded with tcpdump: packets
are counted as tshark counts them, messages have the topics and payloads that
were sent, in all versions and QoS.  Also with packets lost, swapped and doubled,
and from the middle.

usage: test_mqtt_truth.py AFTERTAP
"""
import collections
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, impaired_captures, need,
                     need_root, no_wrong_pairs, tshark_fields, workspace)

PORT = "7356"
BROKER = "/usr/sbin/mosquitto"
VERSIONS = {"mqttv31": "3.1", "mqttv311": "3.1.1", "mqttv5": "5.0"}
MESSAGES = 30
PATIENCE = "240"  # seconds for a subscriber, on a machine that has much to do


def body_of(topic):
    number = int(topic.rpartition("/")[2])
    return f"body-of-{topic}-" + "x" * (number * 97 if number % 10 else 20_000)


def topics(version, qos):
    return [f"plant/{version}/{qos}/{i}" for i in range(MESSAGES)]


class Client:
    def __init__(self, space, version):
        self.space = space
        self.common = ["-h", "127.0.0.1", "-p", PORT, "-V", version,
                       "-u", "alice", "-P", "pass-word-of-alice"]

    def publish(self, *words, check=True):
        return self.space.run("mosquitto_pub", *self.common, *words,
                              check=check)

    def subscribe(self, *words):
        return self.space.start("mosquitto_sub", *self.common, *words,
                                stdout=subprocess.PIPE)


def talk(space, client, version):
    """What one subscriber got of what was published."""
    reader = client.subscribe("-i", f"reader-{version}", "-q", "2", "-t",
                              f"plant/{version}/#", "-F", "%t", "-C",
                              str(3 * MESSAGES + 1), "-W", PATIENCE)
    # It is retained: it comes as soon as the subscription was taken, and what
    # is sent from then on comes as well.
    client.publish("-t", f"plant/{version}/0/0", "-m", "first", "-r", "-q",
                   "1")
    first = reader.stdout.readline().decode()
    if not first:
        raise SystemExit(f"no subscription within {PATIENCE} s: {version}")
    for qos in range(3):
        for topic in topics(version, qos):
            client.publish("-i", f"writer-{version}", "-t", topic, "-q",
                           str(qos), "-m", body_of(topic))
    return [first.strip()] + reader.communicate()[0].decode().split()


def record(directory):
    pcap = os.path.join(directory, "mqtt.pcap")
    passwords = os.path.join(directory, "passwords")
    acl = os.path.join(directory, "acl")
    settings = os.path.join(directory, "mosquitto.conf")
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "alice",
                    "pass-word-of-alice"], check=True)
    with open(acl, "w") as file:
        file.write("user alice\ntopic readwrite plant/#\n")
    for path in (passwords, acl):
        os.chmod(path, 0o644)
    os.chmod(directory, 0o755)
    with open(settings, "w") as file:
        file.write(f"listener {PORT} 127.0.0.1\nallow_anonymous false\n"
                   f"password_file {passwords}\nacl_file {acl}\n")
    got = {}
    with Namespace("at-mqtt") as space:
        space.start(BROKER, "-c", settings)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        for version in VERSIONS:
            got[version] = talk(space, Client(space, version), version)
        five = Client(space, "mqttv5")
        five.publish("-t", "plant/properties", "-m", "{}", "-q", "1",
                     "-D", "publish", "content-type", "application/json",
                     "-D", "publish", "user-property", "colour", "green",
                     "-D", "publish", "response-topic", "plant/answers",
                     "-D", "connect", "session-expiry-interval", "60")
        five.publish("-t", "forbidden/t", "-m", "x", "-q", "1", check=False)
        for version in VERSIONS:
            space.run("mosquitto_pub", "-h", "127.0.0.1", "-p", PORT, "-V",
                      version, "-u", "alice", "-P", "not-her-password", "-t",
                      "plant/x", "-m", "x", check=False)
        space.stop(recorder)
    return pcap, got


def check_packets(failures, aftertap, db, pcap):
    """Each packet once, as tshark has its type."""
    theirs = collections.Counter()
    for port, types in tshark_fields(
            pcap, "mqtt", ["tcp.dstport", "mqtt.msgtype"],
            "-d", f"tcp.port=={PORT},mqtt"):
        theirs.update((port == PORT, int(t)) for t in types.split("|"))
    ours = collections.Counter()
    for _, method, request, response in aftertap.rows(
            db, "method, has_request, has_response", "protocol = 'mqtt'"):
        ours[method] += 1
        ours[method, "answered"] += request and response
    failures.check("packets", {name: ours[name] for name in (
        "CONNECT", "PUBLISH", "DELIVER", "SUBSCRIBE", "DISCONNECT", "PING")}, {
            "CONNECT": theirs[True, 1], "PUBLISH": theirs[True, 3],
            "DELIVER": theirs[False, 3], "SUBSCRIBE": theirs[True, 8],
            "DISCONNECT": theirs[True, 14] + theirs[False, 14],
            "PING": theirs[True, 12]})
    failures.check("answers", {name: ours[name, "answered"] for name in (
        "CONNECT", "PUBLISH", "DELIVER", "SUBSCRIBE")}, {
            "CONNECT": theirs[False, 2],
            "PUBLISH": theirs[False, 4] + theirs[False, 7],
            "DELIVER": theirs[True, 4] + theirs[True, 7],
            "SUBSCRIBE": theirs[False, 9]})
    other = list(aftertap.rows(db, "protocol", "protocol != 'mqtt'"))
    failures.check("calls of other protocols", other, [])


def check_messages(failures, aftertap, db, got):
    for version, name in VERSIONS.items():
        def messages(method):
            return [tuple(row[1:]) for row in aftertap.rows(
                db, "path, body_text(id, 'request'),"
                " header(id, 'request', 'qos')", f"method = '{method}' AND"
                f" path LIKE 'plant/{version}/%'")]
        sent = [(t, body_of(t), str(qos)) for qos in range(3)
                for t in topics(version, qos)]
        published = messages("PUBLISH")
        failures.that(f"{name}: published", published[1:] == sent,
                      len(published))
        delivered = messages("DELIVER")
        # Calls are in the order in which they were answered.
        failures.that(f"{name}: delivered", sorted(m[0] for m in delivered) ==
                      sorted(got[version]) and
                      set(delivered) >= set(sent),
                      (len(delivered), len(got[version])))
        clients = {row[1] for row in aftertap.rows(
            db, "user_agent", "method = 'DELIVER' AND path LIKE"
            f" 'plant/{version}/%'")}
        failures.check(f"{name}: to whom", clients, {"reader-" + version})
    versions = collections.Counter(row[1] for row in aftertap.rows(
        db, "version", "method = 'CONNECT'"))
    failures.check("versions", set(versions), set(VERSIONS.values()))


def check_outcomes(failures, aftertap, db):
    row = next(aftertap.rows(
        db, "header(id, 'request', 'content-type'),"
        " header(id, 'request', 'user-property.colour'),"
        " header(id, 'request', 'response-topic')",
        "path = 'plant/properties'"))
    failures.check("properties", row[1:], ["application/json", "green",
                                           "plant/answers"])
    row = next(aftertap.rows(db, "status, is_error, error",
                             "path = 'forbidden/t'"))
    failures.check("forbidden", row[1:], [135, 1, "Not authorized"])
    refused = [row[1:] for row in aftertap.rows(
        db, "status, error", "method = 'CONNECT' AND is_error")]
    failures.check("refused", refused, [[5, "Not authorized"]] * 2 +
                   [[135, "Not authorized"]])
    database = open(aftertap.database(db), "rb").read()
    failures.that("passwords are not kept",
                  b"not-her-password" not in database and
                  b"pass-word-of-alice" not in database)


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant[:-5])
        wrong, whole = [], 0
        for row in aftertap.rows(
                db, "method, path, body_text(id, 'request'),"
                " header(id, 'request', 'qos'), status",
                "path LIKE 'plant/mqtt%' AND has_request AND method IN"
                " ('PUBLISH', 'DELIVER')"):
            method, topic, body, qos, status = row[1:]
            # A message with a hole is shorter than what was sent.
            if body == "first" or len(body or "") < len(body_of(topic)):
                continue
            whole += 1
            if body != body_of(topic) or qos != topic.split("/")[2] or \
                    status not in (None, 0):
                wrong.append((method, topic, body[:40], qos, status))
        failures.that(f"{variant}: messages",
                      whole > 200 or variant == "snap200.pcap", whole)
        failures.check(f"{variant}: wrong messages", wrong[:3], [])
        pairs = [row[1:] for row in aftertap.rows(
            db, "method, status_text", "has_request AND has_response AND"
            " method = 'SUBSCRIBE' AND status_text != 'Granted QoS 2'")]
        failures.check(f"{variant}: wrong pairs", pairs, [])


def main(binary):
    need_root()
    need(BROKER, "mosquitto_pub", "mosquitto_sub", "tcpdump", "ip", "ethtool",
         "tshark")
    failures = Failures()
    with workspace() as directory:
        pcap, got = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check_packets(failures, aftertap, db, pcap)
        check_messages(failures, aftertap, db, got)
        check_outcomes(failures, aftertap, db)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


main(*sys.argv[1:])
