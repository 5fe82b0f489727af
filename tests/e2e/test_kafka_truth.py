#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of Kafka against a broker, recorded with tcpdump.  The broker is the
one that librdkafka has for tests; the clients are kcat (librdkafka) and
kafka-python, which share no code.  Every request is compared with what tshark
reads, and records with what was produced; the flexible versions, which that
broker does not have, go between sockets as kafka_messages.py writes them.
Also with packets lost, swapped and doubled, and from the middle.

usage: test_kafka_truth.py AFTERTAP
"""
import collections
import ctypes
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time

from support import (Aftertap, Failures, Namespace, ROOT, impaired_captures,
                     need, need_root, no_wrong_pairs, skip, tshark_fields,
                     wait_for, workspace)

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import kafka_messages as kafka  # noqa: E402

PYTHON = "/usr/bin/python3"  # that Debian's kafka is for
FLEXIBLE_PORT = 7342
CODECS = ("none", "gzip", "snappy", "lz4")
RECORDS = 60


def run_broker(path):
    """librdkafka's own, until it is ended; its address goes to a file."""
    library = ctypes.CDLL("librdkafka.so.1")
    for name in ("rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    handle = library.rd_kafka_new(0, None, error, ctypes.c_size_t(512))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(
        ctypes.c_void_p(handle), 1))
    address = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    with open(path + ".part", "w") as file:
        file.write(address)
    os.rename(path + ".part", path)
    while True:
        time.sleep(60)


def value_of(codec, number):
    return f"value-of-{codec}:{number}-" + "x" * (number * 11)


def run_client(address, log):
    """kafka-python: produces, asks, and consumes in a group."""
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.admin import KafkaAdminClient
    for codec in CODECS:
        producer = KafkaProducer(
            bootstrap_servers=address, acks="all", linger_ms=5,
            compression_type=None if codec == "none" else codec)
        for i in range(RECORDS):
            producer.send(f"py-{codec}", f"{codec}:{i}".encode(),
                          headers=[("number", str(i).encode())],
                          key=f"{codec}:{i}".encode(), partition=i % 2) \
                if i % 10 == 9 else producer.send(
                    f"py-{codec}", value_of(codec, i).encode(),
                    key=f"{codec}:{i}".encode(), partition=i % 2)
        producer.flush()
        producer.close()
    consumer = KafkaConsumer(
        *[f"py-{codec}" for codec in CODECS], bootstrap_servers=address,
        group_id="readers", auto_offset_reset="earliest",
        consumer_timeout_ms=60_000)
    read = collections.Counter(m.topic for m in itertools.islice(
        consumer, len(CODECS) * RECORDS))
    consumer.commit()
    consumer.close()
    try:
        KafkaAdminClient(bootstrap_servers=address).close()
    except Exception:  # the broker may not have what it asks for
        pass
    with open(log, "w") as file:
        json.dump(read, file)


def conversation():
    """Pairs of messages in flexible versions, and what they hold."""
    def batch(i):
        return kafka.batch(0, [(b"key-%d" % i, b"value-%d" % i)])
    yield kafka.api_versions(3, 1), kafka.supported(
        3, 1, [(0, 0, 9), (1, 0, 12), (3, 0, 12), (18, 0, 3)])
    for i in range(2, 302, 3):
        yield (kafka.metadata(9, i, ["flexible"]),
               kafka.described(9, i, "127.0.0.1", FLEXIBLE_PORT,
                               {"flexible": (0, 2)}))
        yield (kafka.produce(9, i + 1, {"flexible": {i % 2: batch(i)}}),
               kafka.produced(9, i + 1, {"flexible": {
                   i % 2: (6 if i % 7 == 0 else 0, i, None)}}))
        yield (kafka.fetch(12, i + 2, {"flexible": {i % 2: i}}),
               kafka.fetched(12, i + 2, {"flexible": {
                   i % 2: (0, i + 1, batch(i))}}))


def read_message(file):
    head = file.read(4)
    return head and head + file.read(int.from_bytes(head, "big"))


def run_flexible():
    listener = socket.create_server(("127.0.0.1", FLEXIBLE_PORT))

    def serve():
        peer = listener.accept()[0]
        file = peer.makefile("rb")
        for _, answer in conversation():
            read_message(file)
            peer.sendall(answer)
        peer.recv(1)
    server = threading.Thread(target=serve)
    server.start()
    with socket.create_connection(("127.0.0.1", FLEXIBLE_PORT)) as client:
        file = client.makefile("rb")
        for question, _ in conversation():
            client.sendall(question)
            read_message(file)
        client.shutdown(socket.SHUT_WR)
    server.join()


def kcat(space, address, *words, text=""):
    return space.run("kcat", "-b", address, *words, input=text.encode(),
                     stdout=subprocess.PIPE, timeout=60).stdout.decode()


def record(directory):
    pcap = os.path.join(directory, "kafka.pcap")
    told = os.path.join(directory, "broker")
    log = os.path.join(directory, "read.json")
    script = os.path.abspath(__file__)
    with Namespace("at-kafka") as space:
        space.start(PYTHON, script, "broker", told)
        wait_for("the broker", lambda: os.path.exists(told))
        address = open(told).read()
        port = address.rpartition(":")[2]
        recorder = space.record(
            pcap, f"tcp port {port} or tcp port {FLEXIBLE_PORT}")
        for codec in CODECS:
            lines = "".join(f"{codec}:{i}\t{value_of(codec, i)}\n"
                            for i in range(RECORDS))
            kcat(space, address, "-P", "-t", f"c-{codec}", "-K", "\t",
                 "-H", "origin=kcat", "-z", codec, text=lines)
        read = sum(kcat(space, address, "-C", "-t", f"c-{codec}", "-e",
                        "-q").count("value-of") for codec in CODECS)
        kcat(space, address, "-L")
        space.run(PYTHON, script, "client", address, log, timeout=120)
        space.run(PYTHON, script, "flexible")
        space.stop(recorder)
    return pcap, port, read, json.load(open(log))


def records_of(body):
    """(topic, partition, key, value) of the records in a body."""
    for topic in body.get("topics") or body.get("responses") or []:
        for partition in topic["partitions"]:
            for item in partition.get("records") or []:
                yield (topic.get("name") or topic.get("topic"),
                       partition.get("index",
                                     partition.get("partition_index")),
                       item["key"], item["value"])


def check_calls(failures, aftertap, db, pcap, port):
    """Each request by its stream and correlation id, as tshark has it."""
    decode = ("-d", f"tcp.port=={port},kafka",
              "-d", f"tcp.port=={FLEXIBLE_PORT},kafka")
    theirs = collections.Counter()
    for ports, keys, versions in tshark_fields(
            pcap, f"kafka && (tcp.dstport == {port} ||"
            f" tcp.dstport == {FLEXIBLE_PORT})",
            ["tcp.dstport", "kafka.api_key", "kafka.api_version"], *decode):
        for key, version in zip(keys.split("|"), versions.split("|")):
            theirs[int(key), int(version)] += 1
    names = {0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata",
             8: "OffsetCommit", 9: "OffsetFetch", 10: "FindCoordinator",
             11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup",
             14: "SyncGroup", 18: "ApiVersions"}
    ours = collections.Counter()
    for _, method, version in aftertap.rows(
            db, "method, version", "protocol = 'kafka' AND method IS NOT NULL"
            " AND request_size > 0"):
        ours[method, int(version)] += 1
    failures.check("requests by API and version", dict(ours),
                   {(names.get(k, k), v): n
                    for (k, v), n in theirs.items()})
    failures.that("many kinds of requests", len(ours) > 15, ours)
    others = list(aftertap.rows(db, "protocol", "protocol != 'kafka'"))
    failures.check("calls of other protocols", others[:3], [])
    # What that broker answers when it lacks a version is in none.
    broken = list(aftertap.rows(
        db, "method, version", "NOT complete AND response_size > 0"
        " AND status_text != 'UNSUPPORTED_VERSION'"))
    failures.check("calls that are not complete", broken[:3], [])


def check_records(failures, aftertap, db, read, read_in_python):
    produced, fetched = set(), set()
    for _, method, request, response in aftertap.rows(
            db, "method, body_text(id, 'request'),"
            " body_text(id, 'response')",
            "method IN ('Produce', 'Fetch')"):
        if method == "Produce":
            produced.update(records_of(json.loads(request)))
        elif response:
            fetched.update(records_of(json.loads(response)))
    wanted = {(f"c-{codec}", f"{codec}:{i}", value_of(codec, i))
              for codec in CODECS for i in range(RECORDS)}
    wanted |= {(f"py-{codec}", f"{codec}:{i}", f"{codec}:{i}"
                if i % 10 == 9 else value_of(codec, i))
               for codec in CODECS for i in range(RECORDS)}
    wanted |= {("flexible", f"key-{i}", f"value-{i}")
               for i in range(2, 302, 3)}
    failures.check("records produced",
                   {(t, k, v) for t, _, k, v in produced} ^ wanted, set())
    failures.check("records read by kcat", read, len(CODECS) * RECORDS)
    failures.check("records read by kafka-python", read_in_python,
                   {f"py-{codec}": RECORDS for codec in CODECS})
    failures.check("records fetched", fetched ^ produced, set())
    partitions = {(t, p) for t, p, _, _ in produced if t.startswith("py-")}
    failures.check("partitions", partitions, {
        (f"py-{codec}", p) for codec in CODECS for p in (0, 1)})
    codecs = {tuple(row[1:]) for row in aftertap.rows(
        db, "path, header(id, 'request', 'compression')",
        "method = 'Produce' AND path != 'flexible'")}
    # librdkafka leaves a batch as it is that would not be smaller.
    codecs -= {(f"c-{codec}", None) for codec in CODECS[1:]}
    failures.check("compression", codecs, {
        (f"{who}-{codec}", codec if codec != "none" else None)
        for codec in CODECS for who in ("c", "py")})
    errors = [row[1:] for row in aftertap.rows(
        db, "status, status_text, error",
        "path = 'flexible' AND is_error")]
    failures.check("errors", errors, [
        [6, "NOT_LEADER_OR_FOLLOWER", f"NOT_LEADER_OR_FOLLOWER: flexible-{i % 2}"]
        for i in range(2, 302, 3) if i % 7 == 0])


def impaired(failures, aftertap, pcap, directory):
    no_wrong_pairs(failures, aftertap, pcap)
    for variant, path in impaired_captures(pcap, directory, FLEXIBLE_PORT):
        if variant == "client_only.pcap" or variant == "server_only.pcap":
            continue  # the broker has several ports
        db = aftertap.dissected(path, variant[:-5])
        wrong, pairs = [], 0
        for row in aftertap.rows(
                db, "method, path, body_text(id, 'request'),"
                " body_text(id, 'response')",
                "path = 'flexible' AND complete AND response_size IS NOT"
                " NULL AND method = 'Fetch'"):
            pairs += 1
            asked = json.loads(row[3])["topics"][0]["partitions"][0]
            got = list(records_of(json.loads(row[4])))
            number = asked["fetch_offset"]
            if got != [("flexible", number % 2, f"key-{number}",
                        f"value-{number}")]:
                wrong.append(row)
        failures.that(f"{variant}: pairs", pairs > 60 or
                      variant == "snap200.pcap", pairs)
        failures.check(f"{variant}: wrong pairs", wrong[:3], [])


def main(binary):
    need_root()
    need("kcat", "tcpdump", "ip", "ethtool", "tshark", PYTHON)
    if subprocess.run([PYTHON, "-c", "import kafka, snappy, lz4"],
                      stderr=subprocess.DEVNULL).returncode:
        skip("python3-kafka, python3-snappy or python3-lz4 is not installed")
    failures = Failures()
    with workspace() as directory:
        pcap, port, read, read_in_python = record(directory)
        aftertap = Aftertap(binary, os.path.join(directory, "home"))
        db = aftertap.dissected(pcap, "truth")
        check_calls(failures, aftertap, db, pcap, port)
        check_records(failures, aftertap, db, read, read_in_python)
        impaired(failures, aftertap, pcap, directory)
    failures.exit()


if __name__ == "__main__":
    commands = {"broker": run_broker, "client": run_client,
                "flexible": run_flexible}
    if sys.argv[1:2] and sys.argv[1] in commands:
        commands[sys.argv[1]](*sys.argv[2:])
    else:
        main(*sys.argv[1:])
