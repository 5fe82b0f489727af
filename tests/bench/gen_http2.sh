#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records the HTTP/2 workloads of the benchmark: h2load and nghttpd in a network
# namespace of their own, 20 connections of 10 streams at once.
#
#   tests/bench/gen_http2.sh [DIR]     (root; default /tmp/bench)
#
# Leaves DIR/http2.pcap, GET of 60 files of 200 bytes to 40 kB, 30,000 times, and
# DIR/grpc.pcap, 60,000 calls with messages of 20 bytes to 8 kB.
set -euo pipefail
dir=$(realpath -m "${1:-/tmp/bench}")
space=at-bench-h2
inside=(ip netns exec "$space")
port=18441
children=()

cleanup() {
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
	ip netns delete "$space" 2>/dev/null || true
}

# Words and numbers: text that compresses as what services say does.
write_site() {
	python3 - "$dir/http2" <<'END'
import os
import random
import struct
import sys

chance = random.Random(1)
words = ["alpha", "beta", "gamma", '{"id":', '"name":', "true", "null", "42"]


def text(size):
    out = ""
    while len(out) < size:
        out += f"{chance.choice(words)}{chance.randrange(10**6)} "
    return out[:size].encode()


def write(name, data):
    path = os.path.join(sys.argv[1], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def message(size):
    return b"\0" + struct.pack(">I", size) + text(size)


for number in range(60):
    write(f"f{number}.json",
          text(chance.choice([200, 600, 1500, 4000, 12000, 40000])))
for number in range(20):
    write(f"shop.Cart/M{number}",
          message(chance.choice([20, 120, 400, 1000, 3000, 8000])))
write("request", message(300))
END
}

# record NAME SERVER-OPTION… -- CLIENT-WORD…
record() {
	local name=$1 options=() recorder server
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	"${inside[@]}" tcpdump -i lo -B 262144 -s 0 -Z root \
		-w "$dir/$name.pcap" "tcp port $port" \
		2>"$dir/$name.tcpdump.log" &
	recorder=$!
	"${inside[@]}" nghttpd --no-tls "${options[@]}" -d "$dir/http2" \
		"$port" >/dev/null &
	server=$!
	children=("$recorder" "$server")
	until grep -q listening "$dir/$name.tcpdump.log"; do sleep 0.1; done
	sleep 1
	"${inside[@]}" h2load -c 20 -m 10 "$@" | grep -E '^requests:'
	sleep 3
	kill -INT "$recorder"
	wait "$recorder" || true
	kill "$server"
	wait "$server" || true
	children=()
	cat "$dir/$name.tcpdump.log"
	ls -l "$dir/$name.pcap"
}

write_site
trap cleanup EXIT
ip netns add "$space"
# Packets as on a wire: Ethernet's MTU and no segmentation offload.
"${inside[@]}" ip link set lo mtu 1500
"${inside[@]}" ip link set lo up
"${inside[@]}" ethtool -K lo tso off gso off gro off >/dev/null
base=http://127.0.0.1:$port
mapfile -t urls < <(for i in {0..59}; do echo "$base/f$i.json?user=$i"; done)
record http2 -- -n 30000 "${urls[@]}"
mapfile -t urls < <(for i in {0..19}; do echo "$base/shop.Cart/M$i"; done)
record grpc '--trailer=grpc-status: 0' -- -n 60000 -d "$dir/http2/request" \
	-H 'content-type: application/grpc' -H 'te: trailers' \
	-H 'grpc-timeout: 5S' "${urls[@]}"
