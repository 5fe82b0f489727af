#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mqtt_websocket_talk.py PORT LOG: messages of all QoS through a broker's
WebSocket, in MQTT 3.1.1 and 5.0; LOG gets a line of JSON for each that was sent
and that came, as the client understood it."""
import hashlib
import json
import sys
import threading

import paho.mqtt.client as mqtt

PORT, LOG = int(sys.argv[1]), sys.argv[2]
MESSAGES = 25
lines = []


def say(kind, version, topic, qos, body):
    lines.append({"kind": kind, "version": version, "topic": topic, "qos": qos,
                  "size": len(body),
                  "sha256": hashlib.sha256(body).hexdigest()})


def client(version, name):
    made = mqtt.Client(client_id=name, transport="websockets", protocol=version)
    made.ws_set_options(path="/bus")
    made.username_pw_set("alice", "pass-word-of-alice")
    return made


def talk(version, name):
    ready, done = threading.Event(), threading.Event()
    got = []
    reader, writer = client(version, "reader-" + name), client(
        version, "writer-" + name)

    def on_message(_client, _data, message):
        say("came", name, message.topic, message.qos, message.payload)
        got.append(message)
        if len(got) == 3 * MESSAGES:
            done.set()

    reader.on_message = on_message
    reader.on_subscribe = lambda *_: ready.set()
    reader.connect("127.0.0.1", PORT)
    reader.loop_start()
    reader.subscribe(f"plant/{name}/#", 2)
    assert ready.wait(20)
    writer.connect("127.0.0.1", PORT)
    writer.loop_start()
    for qos in range(3):
        for number in range(MESSAGES):
            topic = f"plant/{name}/{qos}/{number}"
            body = (f"body of {topic} " * (1 + number * number)).encode()
            writer.publish(topic, body, qos).wait_for_publish()
            say("sent", name, topic, qos, body)
    assert done.wait(30)
    for one in (writer, reader):
        one.disconnect()
        one.loop_stop()


talk(mqtt.MQTTv311, "3.1.1")
talk(mqtt.MQTTv5, "5.0")
with open(LOG, "w", encoding="utf-8") as file:
    file.writelines(json.dumps(line) + "\n" for line in lines)
