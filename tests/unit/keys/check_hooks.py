#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where functions lie, told by readelf and `go tool nm`, is where capture/keys
finds them: in the system's libraries, in programs with the functions of
BoringSSL, in Go programs stripped and not; and mutated files do no harm.

check_hooks.py KEY_RECORDER; with AFTERTAP_GO_PIE=1 position-independent Go
programs as well, for which Go compiles its library anew (two minutes).
"""
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

TOOL = os.path.abspath(sys.argv[1])
PROGRAM = """package main
import ("crypto/tls"; "fmt")
func main() { c, e := tls.Dial("tcp", "127.0.0.1:1", nil); fmt.Println(c, e) }
"""
wrong = []


def check(what, got, expected):
    print(("ok   " if got == expected else "FAIL ") + what, got, expected)
    if got != expected:
        wrong.append(what)


def run(*words):
    return subprocess.run(words, check=True, capture_output=True,
                          text=True).stdout


def hooks(path):
    """(name, why, [offsets])"""
    name, why, *offsets = run(TOOL, "hooks", path).strip().split("|")
    return name, why, [int(o, 16) for o in offsets]


def file_offset(path, address):
    for line in run("readelf", "-lW", path).splitlines():
        found = re.match(r"\s+LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)", line)
        if found:
            offset, start, size = (int(x, 16) for x in found.groups())
            if start <= address < start + size:
                return address - start + offset
    return None


def library(pattern, name):
    for path in sorted(glob.glob("/usr/lib/x86_64-linux-gnu/" + pattern)):
        symbols = run("readelf", "--dyn-syms", "-W", path)
        found = re.search(rf"([0-9a-f]+) +\d+ FUNC .* {name}(@|$)", symbols,
                          re.M)
        if not found:
            continue
        entry = file_offset(path, int(found.group(1), 16))
        # OpenSSL's is probed a few bytes on, where it is cheaper.
        nearest = min((o for o in hooks(path)[2]),
                      key=lambda o: abs(o - entry), default=0)
        check(f"{name} in {path}", entry <= nearest <= entry + 7, True)
        return
    print(f"skipped: no {pattern} here")


def boringssl(directory):
    """Both functions, or one, or both without symbols."""
    if not shutil.which("cc"):
        print("skipped: no cc here")
        return
    names = ("HKDF_expand", "CRYPTO_tls1_prf")
    source = os.path.join(directory, "main.c")
    for count in (2, 1):
        program = os.path.join(directory, f"functions{count}")
        with open(source, "w", encoding="utf-8") as file:
            for name in names[:count]:
                file.write(f"int {name}(int a) {{ return a + 1; }}\n")
            file.write("int main(void) { return 0; }\n")
        run("cc", "-o", program, source)
        symbols = run("nm", program)
        places = [file_offset(program, int(re.search(
            rf"(\w+) T {name}$", symbols, re.M)[1], 16))
            for name in names[:count]]
        check(f"a program with {names[:count]}", hooks(program)[2],
              places if count == 2 else [])
        run("strip", program)
        check("… stripped", hooks(program), ("", "", []))


def go_programs(directory):
    if not shutil.which("go"):
        print("skipped: no go here")
        return
    source = os.path.join(directory, "main.go")
    with open(source, "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    os.environ.update(GOCACHE=os.path.join(directory, "cache"),
                      GO111MODULE="off", CGO_ENABLED="0")
    for mode in ["exe"] + ["pie"] * ("AFTERTAP_GO_PIE" in os.environ):
        whole = os.path.join(directory, mode)
        bare = whole + "-stripped"
        run("go", "build", "-buildmode=" + mode, "-o", whole, source)
        symbols = run("go", "tool", "nm", whole)
        found = re.search(r"([0-9a-f]+) T crypto/tls\.\(\*Config\)"
                          r"\.writeKeyLog$", symbols, re.M)
        address = int(found.group(1), 16)
        expected = [file_offset(whole, address)]
        check(f"writeKeyLog in a Go program ({mode})", hooks(whole)[2],
              expected)
        # Without its symbols: code stays where it is.
        run("strip", "-o", bare, whole)
        check("… stripped", hooks(bare)[2], [file_offset(bare, address)])
    mutate(os.path.join(directory, "exe-stripped"), directory)


def mutate(path, directory):
    """Some hundred small damages of a Go program's tables; exit status 0 is
    all that is asked for."""
    with open(path, "rb") as file:
        image = bytearray(file.read())
    rest = run("readelf", "-SW", path)
    found = re.search(r"\.gopclntab +PROGBITS +\w+ (\w+) (\w+)", rest)
    start, size = (int(x, 16) for x in found.groups())
    chance = random.Random(1)
    target = os.path.join(directory, "mutated")
    shutil.copy(path, target)
    for _ in range(200):
        places = [chance.choice([chance.randrange(64),
                                 start + chance.randrange(80),
                                 start + chance.randrange(size)])
                  for _ in range(4)]
        with open(target, "r+b") as file:
            for place in places:
                file.seek(place)
                file.write(bytes([chance.randrange(256)]))
        done = subprocess.run([TOOL, "hooks", target], capture_output=True)
        if done.returncode:
            check("a damaged program", done.returncode, 0)
        with open(target, "r+b") as file:
            for place in places:
                file.seek(place)
                file.write(image[place:place + 1])
    print("ok   200 damaged programs")


def main():
    if not shutil.which("readelf"):
        print("skipped: no readelf")
        sys.exit(77)
    library("libcrypto.so.3", "EVP_KDF_derive")
    library("android/libcrypto.so.0", "HKDF_expand")
    library("android/libcrypto.so.0", "CRYPTO_tls1_prf")
    library("libnettle.so.*", "nettle_hkdf_expand")
    library("libgnutls.so.*", "_gnutls_prf_raw")
    check("a program without TLS", hooks("/bin/true"), ("", "", []))
    with tempfile.TemporaryDirectory() as directory:
        boringssl(directory)
        go_programs(directory)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
