#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The BPF object of the keys loads on this kernel, all of its programs: the
verifier has passed them.  Skipped where BPF may not be used.

check_loads.py OBJECT
"""
import os
import subprocess
import sys

PROGRAMS = {"key_openssl", "key_openssl_1",
            "key_boringssl", "key_boringssl_prf", "key_go", "key_hkdf",
            "key_hkdf_return", "key_prf",
            "program_started", "socket_received", "socket_sent"}


def main():
    place = f"/sys/fs/bpf/at-keys-{os.getpid()}"
    tool = "/usr/sbin/bpftool"
    if os.geteuid() != 0 or not os.path.exists(tool) or \
            not os.path.ismount("/sys/fs/bpf"):
        print("skipped: needs root, bpftool and /sys/fs/bpf")
        sys.exit(77)
    done = subprocess.run([tool, "prog", "loadall", sys.argv[1], place],
                          capture_output=True, text=True)
    try:
        if done.returncode and "not permitted" in done.stderr:
            print("skipped:", done.stderr)
            sys.exit(77)
        loaded = set(os.listdir(place)) if done.returncode == 0 else set()
        print(done.stderr, sorted(loaded))
        sys.exit(loaded != PROGRAMS)
    finally:
        subprocess.run(["rm", "-rf", place], check=True)


if __name__ == "__main__":
    main()
