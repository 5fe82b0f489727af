#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packets of QUIC, protected as RFC 9001 says: quic_packets.py GOLDEN SEEDS
FRAMES.

Writes GOLDEN/<case>/input.stream, the golden cases of QUIC, and SEEDS/<case>,
the same for the fuzz target, and FRAMES/<case>, for that which protects what
it is given.  Packets of the appendices of RFC 9001 and RFC
9369 must come out as they are printed there.
"""
import os
import struct
import sys

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

V1, V2, D29, D24 = 1, 0x6b3343cf, 0xff00001d, 0xff000018
SALTS = {
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    D29: "afbfec289993d24c9e9786f19c6111e04390a899",
    D24: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
}
RETRY = {
    V1: ("be0c690b9f66575a1d766b54e368c84e", "461599d35d632bf2239825bb"),
    V2: ("8fb4b01b56ac48e260fbcbcead7ccc92", "d86969bc2d7c6d9990efb04a"),
    D29: ("ccce187ed09a09d05728155a6cb96be1", "e54930f97f2136f0530a8c1c"),
}
CLIENT, SERVER = "client in", "server in"
INITIAL, EARLY, HANDSHAKE, RETRY_TYPE = range(4)
DCID = bytes.fromhex("8394c8f03e515708")
SCID = bytes.fromhex("f067a5502a4262b5")
OURS = bytes.fromhex("c1c2c3c4")


def expand_label(secret, label, size):
    name = b"tls13 " + label.encode()
    info = struct.pack(">HB", size, len(name)) + name + b"\0"
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


def keys(version, dcid, who):
    extract = hmac.HMAC(bytes.fromhex(SALTS[version]), hashes.SHA256())
    extract.update(dcid)
    secret = expand_label(extract.finalize(), who, 32)
    prefix = "quicv2 " if version == V2 else "quic "
    return [expand_label(secret, prefix + name, size)
            for name, size in (("key", 16), ("iv", 12), ("hp", 16))]


def number(value):
    if value < 1 << 6:
        return bytes([value])
    if value < 1 << 14:
        return struct.pack(">H", 1 << 14 | value)
    return struct.pack(">I", 1 << 31 | value)


def long_header(version, kind, to, source, low=0, fixed=True):
    if version == V2:
        kind = (kind + 1) % 4
    first = 0x80 | fixed << 6 | kind << 4 | low
    return struct.pack(">BIB", first, version, len(to)) + to + bytes(
        [len(source)]) + source


def initial(who, frames, to=DCID, source=b"", key_id=DCID, version=V1,
            packet=0, size=1, token=b"", pad=0, fixed=True, keys_of=None):
    """An Initial packet; `packet` its number, sent in `size` bytes."""
    key, iv, mask_key = keys(keys_of or version, key_id, who)
    frames += bytes(max(pad, 4 - size) - len(frames)
                    if len(frames) < max(pad, 4 - size) else 0)
    header = long_header(version, INITIAL, to, source, size - 1, fixed)
    header += number(len(token)) + token
    length = size + len(frames) + 16
    header += struct.pack(">H", 1 << 14 | length)
    at = len(header)
    header += packet.to_bytes(8, "big")[-size:]
    nonce = (int.from_bytes(iv, "big") ^ packet).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, frames, header)
    sample = sealed[4 - size:20 - size]
    mask = Cipher(algorithms.AES(mask_key), modes.ECB()).encryptor().update(
        sample)
    out = bytearray(header + sealed)
    out[0] ^= mask[0] & 15
    for i in range(size):
        out[at + i] ^= mask[1 + i]
    return bytes(out)


def sealed(kind, to, source, size, version=V1):
    """A packet whose keys are not known, so that it may be anything."""
    return long_header(version, kind, to, source) + struct.pack(
        ">H", 1 << 14 | size) + bytes((7 * i + size) % 256
                                      for i in range(size))


def short(to, size):
    return b"\x40" + to + bytes((11 * i + size) % 256 for i in range(size))


def retry(original, to, source, token, version=V1, flaw=0):
    body = long_header(version, RETRY_TYPE, to, source, 15) + token
    key, nonce = map(bytes.fromhex, RETRY[version])
    tag = bytearray(AESGCM(key).encrypt(
        nonce, b"", bytes([len(original)]) + original + body))
    tag[0] ^= flaw
    return body + bytes(tag)


def negotiation(to, source, *versions):
    return struct.pack(">BIB", 0x9a, 0, len(to)) + to + bytes(
        [len(source)]) + source + b"".join(struct.pack(">I", v)
                                           for v in versions)


def crypto(data, offset=0):
    return b"\x06" + number(offset) + number(len(data)) + data


def close(code, reason=b"", frame=6):
    return b"\x1c" + number(code) + number(frame) + number(
        len(reason)) + reason


ACK = bytes.fromhex("0200000000")


def extension(kind, content):
    return struct.pack(">HH", kind, len(content)) + content


def sized(data, size=2):
    return len(data).to_bytes(size, "big") + data


def hello(name, alpn=b"h3", fill=0):
    out = b"\x03\x03" + bytes(range(32)) + b"\0"
    out += sized(struct.pack(">HH", 0x1301, 0x1302)) + b"\x01\0"
    extensions = extension(0, sized(b"\0" + sized(name)))
    extensions += extension(10, sized(struct.pack(">H", 29)))
    extensions += extension(13, sized(struct.pack(">H", 0x403)))
    extensions += extension(16, sized(sized(alpn, 1)))
    extensions += extension(43, b"\x02\x03\x04")
    extensions += extension(51, sized(struct.pack(">H", 29)
                                      + sized(bytes(32))))
    extensions += extension(57, bytes.fromhex("01048000ea60"))
    if fill:
        extensions += extension(21, bytes(fill))
    return b"\x01" + sized(out + sized(extensions), 3)


RANDOM = bytes(range(100, 132))
RETRIES = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891"
                        "c2a211167abb8c5e079e09e2c8a8339c")


def server_hello(random=RANDOM, suite=0x1301):
    out = b"\x03\x03" + random + b"\0" + struct.pack(">HB", suite, 0)
    share = struct.pack(">H", 29) + sized(bytes(32))
    if random == RETRIES:
        share = struct.pack(">H", 29)
    extensions = extension(43, b"\x03\x04") + extension(51, share)
    return b"\x02" + sized(out + sized(extensions), 3)


# Appendix A of both, but for the packets that follow from them.
A_HELLO = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868"
    "04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578"
    "616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fba"
    "baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400"
    "0d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
    "75300901100f088394c8f03e51570806048000ffff")
A_ANSWER = bytes.fromhex(
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf739"
    "88cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94"
    "0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00"
    "020304")
A_PRINTED = {  # the first and the last bytes of client's and server's packet
    V1: ("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
         "e221af44860018ab0856972e194cd934",
         "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a",
         "2158407dd074ee",
         "ff000000010008f067a5502a4262b5746f6b656e"
         "04a265ba2eff4d829058fb3f0f2496ba"),
    V2: ("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
         "9a37ddec600545473cfb5a05e08d0b209973b2172b4d21fb69745a262ccde96b"
         "a18b2faa745b6fe189cf772a9f84cbfc",
         "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698",
         "4bed8521e2e140",
         "cf6b3343cf0008f067a5502a4262b5746f6b656e"
         "c8646ce8bfe33952d955543665dcc7b6"),
}


def appendix(version):
    asked = initial(CLIENT, A_HELLO, version=version, packet=2, size=4,
                    pad=1162)
    answered = initial(SERVER, A_ANSWER, to=b"", source=SCID, version=version,
                       packet=1, size=2)
    again = retry(DCID, b"", SCID, b"token", version)
    return asked, answered, again


def check_appendices():
    for version, printed in A_PRINTED.items():
        asked, answered, again = (p.hex() for p in appendix(version))
        found = (asked[:64], asked[-len(printed[1]):], answered[:64],
                 answered[-14:], again)
        if found != printed:
            raise SystemExit(f"version {version:x}: {found}, not {printed}")


def asks(name=b"example.org", **more):
    more.setdefault("source", OURS)
    more.setdefault("pad", 1162)
    return "C", initial(CLIENT, crypto(hello(name)), **more)


def answers(frames=None, **more):
    more.setdefault("to", OURS)
    more.setdefault("source", SCID)
    return "S", initial(SERVER, frames or ACK + crypto(server_hello()), **more)


def flight(**more):
    """The server's whole answer in a datagram."""
    version = more.get("version", V1)
    return "S", answers(**more)[1] + sealed(HANDSHAKE, OURS, SCID, 700,
                                            version)


def finished(version=V1, to=SCID):
    return "C", sealed(HANDSHAKE, to, OURS, 60, version) + short(to, 30)


DATA = [("C", short(SCID, 50)), ("S", short(OURS, 900))]
TOKEN = b"a token of the server"
CHOSEN = bytes.fromhex("5e5e5e5e5e5e5e5e")


def cases():
    v1, v2 = appendix(V1), appendix(V2)
    long_hello = hello(b"a-long-name.example.org", fill=1500)
    third = len(long_hello) // 3
    parts = [crypto(long_hello[i:i + third], i)
             for i in range(0, len(long_hello), third)]
    yield "rfc9001_appendix", "Appendix A.2 and A.3 of RFC 9001.", [
        ("C", v1[0]), ("S", v1[1])]
    yield "rfc9001_retry", "Appendix A.2 and A.4 of RFC 9001.", [
        ("C", v1[0]), ("S", v1[2])]
    yield "rfc9369_appendix", "Appendix A.2 and A.3 of RFC 9369.", [
        ("C", v2[0]), ("S", v2[1])]
    yield "rfc9369_retry", "Appendix A.2 and A.4 of RFC 9369.", [
        ("C", v2[0]), ("S", v2[2])]
    yield "version1", "A handshake, and what is encrypted behind it.", [
        asks(), flight(), finished(), *DATA]
    yield "greased", ("The server's Initial packet has no fixed bit, as the "
                      "two may agree (RFC 9287)."), [
        asks(), flight(fixed=False), finished(), *DATA]
    for name, version in (("version2", V2), ("draft29", D29),
                          ("draft24", D24)):
        yield name, "Another version.", [
            asks(version=version), flight(version=version), finished(version)]
    yield "compatible", ("The client asks in version 1, and the server goes "
                         "over to version 2 (RFC 9368)."), [
        asks(), flight(version=V2),
        ("C", initial(CLIENT, ACK, to=SCID, source=OURS, version=V2, packet=1,
                      pad=1162)), finished(V2)]
    yield "compatible_forged", (
        "More packets of another version than there are keys made for, before "
        "one that has it: only in a datagram of its own that one is opened."), [
        *[asks(b"%d.example" % i, to=b"\xaa%c" % i, key_id=b"\xaa%c" % i,
               source=b"", pad=0) for i in range(2)],
        ("S", 8 * answers(b"\1", to=b"", key_id=TOKEN, version=V2)[1]
         + answers(to=b"", key_id=b"\xaa\0", version=V2)[1]),
        answers(to=b"", key_id=b"\xaa\1", version=V2)]
    yield "negotiation", ("The server names the versions that it speaks; the "
                          "client comes again with one of them."), [
        asks(version=D29), ("S", negotiation(OURS, DCID, V1, 0x1a2a3a4a)),
        asks(key_id=CHOSEN, to=CHOSEN), flight(key_id=CHOSEN), finished()]
    yield "negotiation_forged", ("A Version Negotiation with ids that are not "
                                 "theirs is none."), [
        asks(), ("S", negotiation(OURS, CHOSEN, D29)), flight(), finished()]
    yield "retry", ("The client must come again with a token, and with keys "
                    "that follow from the server's id."), [
        asks(), ("S", retry(DCID, OURS, CHOSEN, TOKEN)),
        asks(to=CHOSEN, key_id=CHOSEN, token=TOKEN, packet=1),
        flight(key_id=CHOSEN), finished()]
    yield "retry_forged", "A Retry that does not authenticate is none.", [
        asks(), ("S", retry(DCID, OURS, CHOSEN, TOKEN, flaw=1)), flight(),
        finished()]
    yield "hello_retry", "A HelloRetryRequest before the ServerHello.", [
        asks(), answers(ACK + crypto(server_hello(RETRIES))),
        ("C", initial(CLIENT, crypto(hello(b"example.org"), 400), to=SCID,
                      source=OURS, packet=1, pad=1162)),
        flight(frames=ACK + crypto(server_hello(), len(
            server_hello(RETRIES))), packet=1), finished()]
    yield "pieces", ("The ClientHello in three packets, the last part first "
                     "and one of them twice; frames of other kinds between."), [
        ("C", initial(CLIENT, parts[2] + b"\x01", source=OURS, packet=2,
                      pad=1162)),
        ("C", initial(CLIENT, b"\x01\0\0" + parts[0], source=OURS, packet=0)),
        ("C", initial(CLIENT, parts[0], source=OURS, packet=3)),
        ("C", initial(CLIENT, parts[1] + (parts[3] if parts[3:] else b""),
                      source=OURS, packet=1)),
        flight(), finished()]
    yield "numbers", ("A packet number of one byte, far from the first: the "
                      "rest of it follows from those before."), [
        ("C", initial(CLIENT, crypto(hello(b"example.org")[:90]), source=OURS,
                      packet=250, size=1, pad=1162)),
        ("C", initial(CLIENT, crypto(hello(b"example.org")[90:], 90),
                      source=OURS, packet=300, size=1, pad=1162)),
        flight(), finished()]
    yield "coalesced", ("0-RTT behind the ClientHello; the server's answer "
                        "in two Initial packets of a datagram."), [
        ("C", asks(pad=700)[1] + sealed(EARLY, DCID, OURS, 400)),
        ("S", initial(SERVER, ACK + crypto(server_hello()[:50]), to=OURS,
                      source=SCID)
         + initial(SERVER, crypto(server_hello()[50:], 50), to=OURS,
                   source=SCID, packet=1) + sealed(HANDSHAKE, OURS, SCID,
                                                   300)),
        finished()]
    yield "no_ids", "Neither end has an id of its own.", [
        asks(source=b""), ("S", answers(to=b"", source=b"")[1]
                           + sealed(HANDSHAKE, b"", b"", 300)),
        ("C", short(b"", 60))]
    yield "two", "Two connections between the same ports at the same time.", [
        asks(b"one.example"),
        asks(b"two.example", to=CHOSEN, key_id=CHOSEN, source=b"\xd1\xd2"),
        answers(to=b"\xd1\xd2", source=b"\xe1\xe2", key_id=CHOSEN,
                frames=ACK + crypto(server_hello(suite=0x1302))),
        answers(), ("C", short(SCID, 40)), ("C", short(b"\xe1\xe2", 40))]
    yield "another", "One connection after the other.", [
        asks(b"one.example"), flight(), finished(),
        asks(b"two.example", to=CHOSEN, key_id=CHOSEN),
        flight(key_id=CHOSEN), finished()]
    yield "many", ("More connections at once than are kept: the first is "
                   "forgotten, and its answer with it."), [
        *[asks(b"%d.example" % i, to=b"\xaa%c" % i, key_id=b"\xaa%c" % i,
               source=b"\xbb%c" % i, pad=0) for i in range(17)],
        answers(to=b"\xbb\0", key_id=b"\xaa\0"),
        answers(to=b"\xbb\x10", key_id=b"\xaa\x10"),
        ("C", short(SCID, 40)), "end capture"]
    yield "refused", "The server closes: no application protocol.", [
        asks(), answers(close(0x178, b"no such\nprotocol")),
        asks(packet=1)]
    yield "busy", "The server closes, and not because of TLS.", [
        asks(), answers(close(2))]
    yield "client_closes", "The client closes behind a HelloRetryRequest.", [
        asks(), answers(ACK + crypto(server_hello(RETRIES))),
        ("C", initial(CLIENT, close(0x12f), to=SCID, source=OURS, packet=1,
                      pad=1162))]
    yield "client_gives_up", "The client closes before there is an answer.", [
        asks(), ("C", initial(CLIENT, close(0), source=OURS, packet=1,
                              pad=1162))]
    yield "unfinished", ("Nothing shows that the client was content with the "
                         "server's answer."), [
        asks(), flight(), ("C", sealed(HANDSHAKE, SCID, OURS, 60))]
    yield "unanswered", "Nobody answers; the hello is sent again.", [
        asks(), asks(packet=1), "end capture"]
    yield "hello_cut", "A part of the ClientHello is missing.", [
        ("C", initial(CLIENT, parts[0], source=OURS, pad=1162)), flight(),
        finished()]
    yield "malformed", ("Frames that are none, lengths that do not fit, a "
                        "hello that is none."), [
        ("C", initial(CLIENT, b"\x06\0\x7f\xff", source=OURS, pad=40)),
        ("C", initial(CLIENT, b"\x1e" + bytes(20), source=OURS, packet=1)),
        ("C", initial(CLIENT, b"\x02\0\0\xbf\xff\xff\xff", source=OURS,
                      packet=2)),
        ("C", initial(CLIENT, crypto(b"\x01\0\0\x03abc"), source=OURS,
                      packet=3)),
        answers(), ("S", b"\xc0\0\0\0\x01\xff"), ("C", b"\xc0")]
    yield "not_authentic", "A bit of it is another: it is not believed.", [
        ("C", asks()[1][:-1] + bytes([asks()[1][-1] ^ 1])), answers()]


def write_case(path, what, steps):
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "input.stream"), "w",
              encoding="utf-8") as file:
        print("#", what, file=file)
        print("udp", file=file)
        for step in steps:
            print(step if isinstance(step, str)
                  else f"{step[0]} {step[1].hex()}", file=file)


def write_seed(path, steps):
    """In the format of fuzz_dissector.c."""
    with open(path, "wb") as file:
        file.write(b"\x01")
        for side, data in (step for step in steps if len(step) == 2):
            file.write(struct.pack(">BH", 4 if side == "S" else 0, len(data))
                       + data)


def frame_cases():
    """Sequences for fuzz_quic_frames.c: (kind, frames)."""
    whole, answer = hello(b"example.org"), server_hello()
    yield "whole", [(0, crypto(whole)), (1, ACK + crypto(answer))]
    yield "pieces", [(0, crypto(whole[100:], 100) + crypto(whole[:50])),
                     (0, crypto(whole[40:120], 40)), (1, crypto(answer))]
    yield "version2", [(8, crypto(whole)), (9, crypto(answer))]
    yield "compatible", [(0, crypto(whole)), (9, crypto(answer))]
    yield "several", [(2 * i + 8 * (i % 2), crypto(whole)) for i in range(4)]
    yield "closes", [(0, crypto(whole)), (1, close(0x128, b"words"))]
    yield "hello_retry", [(0, crypto(whole)),
                          (1, crypto(server_hello(RETRIES))),
                          (0, crypto(whole, len(whole)) + close(0))]
    yield "frames", [(0, b"\x01" + bytes(3) + b"\x03" + bytes(7) + crypto(
        b"\x02\0\0\x02ab" + whole))]


def main(golden, seeds, frames):
    check_appendices()
    os.makedirs(seeds, exist_ok=True)
    for name, what, steps in cases():
        write_case(os.path.join(golden, name), what, steps)
        write_seed(os.path.join(seeds, name), steps)
    os.makedirs(frames, exist_ok=True)
    for name, steps in frame_cases():
        with open(os.path.join(frames, name), "wb") as file:
            for kind, data in steps:
                file.write(struct.pack(">BH", kind, len(data)) + data)


if __name__ == "__main__":
    main(*sys.argv[1:])
