#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mosquitto's WebSocket with paho's client: packets of MQTT are counted as
they are in what tshark unmasks, messages are those that the client sent and got; also with
packets lost, swapped and doubled, and from the middle.

usage: test_mqtt_websocket_truth.py AFTERTAP
"""
import collections
import json
import os
import subprocess
import sys

from support import (Aftertap, Failures, Namespace, ROOT, impaired_captures,
                     need, need_root, skip, tshark_fields, workspace)

PORT, PLAIN = "7366", "7367"
PYTHON = "/usr/bin/python3"  # that Debian's paho is for
MARKED = 0x3f0  # incomplete, truncated or undecoded (dissect/event.h)
# Numbers of packets; None: PUBLISH of who sends it.
TYPES = {1: "CONNECT", 3: None, 8: "SUBSCRIBE", 14: "DISCONNECT"}
ANSWERS = {2: "CONNECT", 4: None, 7: None, 9: "SUBSCRIBE"}


def record(directory):
    pcap, log = directory + "/ws.pcap", directory + "/ws.jsonl"
    settings = directory + "/mosquitto.conf"
    with open(settings, "w", encoding="utf-8") as file:
        # This version starts no WebSocket alone.
        file.write(f"allow_anonymous true\nlistener {PLAIN} 127.0.0.1\n"
                   f"listener {PORT} 127.0.0.1\nprotocol websockets\n")
    with Namespace("at-mqttws") as space:
        space.start("/usr/sbin/mosquitto", "-c", settings)
        space.wait_port(PORT)
        recorder = space.record(pcap, "tcp port " + PORT)
        space.run(PYTHON, os.path.join(ROOT, "tests", "support",
                                       "mqtt_websocket_talk.py"), PORT, log,
                  timeout=90, stderr=None)
        space.stop(recorder)
    with open(log, encoding="utf-8") as file:
        return pcap, [json.loads(line) for line in file]


def packet_types(stream):
    """Of the packets in the bytes of one side."""
    while stream:
        size, shift, at = 0, 0, 1
        while True:
            size |= (stream[at] & 0x7f) << shift
            shift, at = shift + 7, at + 1
            if stream[at - 1] < 0x80:
                break
        yield stream[0] >> 4
        stream = stream[at + size:]


def check_packets(failures, aftertap, db, pcap):
    """Requests and answers by their types, as they are in the payload that
    tshark has unmasked; it looks no further itself."""
    theirs, ours = collections.Counter(), collections.Counter()
    streams = collections.defaultdict(bytes)
    for stream, port, payloads in tshark_fields(
            pcap, "websocket.payload", ["tcp.stream", "tcp.dstport",
                                        "data.data"]):
        streams[stream, port] += bytes.fromhex(payloads.replace("|", ""))
    for (_, port), stream in streams.items():
        for kind in packet_types(stream):
            publish = "PUBLISH" if port == PORT else "DELIVER"
            answer = "DELIVER" if port == PORT else "PUBLISH"
            if kind in TYPES:
                theirs[TYPES[kind] or publish] += 1
            if kind in ANSWERS:
                theirs[ANSWERS[kind] or answer, "answered"] += 1
    for _, method, answered in aftertap.rows(
            db, "method, has_request AND has_response", "protocol = 'mqtt' AND"
            " method != 'PING'"):
        ours[method] += 1
        if answered:
            ours[method, "answered"] += 1
    failures.check("packets", ours, theirs)
    failures.that("many of them", ours["DELIVER"] >= 150, ours["DELIVER"])
    failures.check("binary messages that are none of MQTT", list(aftertap.rows(
        db, "method", "protocol = 'websocket' AND method = 'binary'")), [])


def said(truth, kind):
    return collections.Counter(
        ("reader-" if kind == "came" else "writer-") + t["version"] +
        f" {t['topic']} {t['qos']} {t['sha256']}"
        for t in truth if t["kind"] == kind)


def reported(aftertap, db, method):
    """Whole messages."""
    return collections.Counter(
        f"{client} {topic} {qos} {digest}"
        for _, client, topic, qos, digest in aftertap.rows(
            db, "user_agent, path, header(id, 'request', 'qos'),"
            " body_sha256(id, 'request')", f"method = '{method}' AND"
            " has_request AND id IN"
            f" (SELECT id FROM calls WHERE flags & {MARKED} = 0)"))


def check_loss(failures, aftertap, pcap, truth, directory):
    sent, came = said(truth, "sent"), said(truth, "came")
    for variant, path in impaired_captures(pcap, directory, PORT):
        db = aftertap.dissected(path, variant.removesuffix(".pcap"))
        found = sum((reported(aftertap, db, m) for m in ("PUBLISH", "DELIVER")),
                    collections.Counter())
        # Without its CONNECT nobody knows who the client is.
        known = {line.partition(" ")[2] for line in (sent + came)}
        strange = [line for line in found
                   if line.partition(" ")[2] not in known]
        failures.check(f"{variant}: nothing that was not said", strange, [])
        # Without a whole handshake there is nothing to begin with.
        few = 0 if variant in ("client_only.pcap", "snap200.pcap") else 140
        failures.that(f"{variant}: messages are found",
                      sum(found.values()) >= few, sum(found.values()))


def main(binary):
    need_root()
    need("tcpdump", "tshark", "mosquitto")
    if subprocess.run([PYTHON, "-c", "import paho.mqtt.client"],
                      capture_output=True, check=False).returncode:
        skip("python3-paho-mqtt is not installed")
    failures = Failures()
    with workspace() as directory:
        os.chmod(directory, 0o755)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        pcap, truth = record(directory)
        db = aftertap.dissected(pcap, "ws")
        check_packets(failures, aftertap, db, pcap)
        for method, kind in (("PUBLISH", "sent"), ("DELIVER", "came")):
            ours, theirs = reported(aftertap, db, method), said(truth, kind)
            failures.check(f"{method}: not said", list((ours - theirs))[:3], [])
            failures.check(f"{method}: missing", list((theirs - ours))[:3], [])
        check_loss(failures, aftertap, pcap, truth, directory)
    failures.exit()


if __name__ == "__main__":
    main(*sys.argv[1:])
