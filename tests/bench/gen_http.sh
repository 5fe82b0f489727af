#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records the HTTP workload of the benchmark: nginx and wrk in a network
# namespace of their own, about 55 MB of capture a second.
#
#   tests/bench/gen_http.sh [SECONDS [DIR]]     (root; default 8 /tmp/bench)
#
# Leaves DIR/http_<seconds>.pcap and DIR/http_<seconds>.access.log, the
# server's own account of every request, to compare with.
set -euo pipefail
seconds=${1:-8}
dir=$(realpath -m "${2:-/tmp/bench}")
here=$(dirname "$(realpath "$0")")
space=at-bench
inside=(ip netns exec "$space")
name=http_$seconds

cleanup() {
	[ -s "$dir/nginx.pid" ] && kill "$(cat "$dir/nginx.pid")" || true
	[ -n "${tcpdump:-}" ] && kill "$tcpdump" 2>/dev/null || true
	ip netns delete "$space" 2>/dev/null || true
}

mkdir -p "$dir/www"
python3 "$here/gen_site.py" "$dir/www"
sed "s|@DIR@|$dir|g" "$here/nginx.conf.in" > "$dir/nginx.conf"
rm -f "$dir/access.log" "$dir/nginx.pid"
trap cleanup EXIT
ip netns add "$space"
# Packets as on a wire: Ethernet's MTU and no segmentation offload.
"${inside[@]}" ip link set lo mtu 1500
"${inside[@]}" ip link set lo up
"${inside[@]}" ethtool -K lo tso off gso off gro off >/dev/null
"${inside[@]}" nginx -c "$dir/nginx.conf" -p "$dir/" -e "$dir/error.log"
"${inside[@]}" tcpdump -i lo -B 262144 -s 0 -U -Z root -w "$dir/$name.pcap" \
	'tcp port 8080' 2>"$dir/$name.tcpdump.log" &
tcpdump=$!
until grep -q listening "$dir/$name.tcpdump.log"; do sleep 0.1; done
sleep 1
"${inside[@]}" wrk -t2 -c48 "-d${seconds}s" -s "$here/mix.lua" \
	http://127.0.0.1:8080/
for i in 1 2 3 4 5; do # HEAD and range requests, which wrk cannot send
	"${inside[@]}" curl -s -o /dev/null -I \
		'http://127.0.0.1:8080/api/v1/users/[0-39].json'
	"${inside[@]}" curl -s -o /dev/null -r 10-99 \
		'http://127.0.0.1:8080/api/v1/users/[0-39].json'
done
sleep 3
kill -INT "$tcpdump"
wait "$tcpdump" || true
tcpdump=
nginx_pid=$(cat "$dir/nginx.pid")
kill -QUIT "$nginx_pid"
while kill -0 "$nginx_pid" 2>/dev/null; do sleep 0.1; done
mv "$dir/access.log" "$dir/$name.access.log"
cat "$dir/$name.tcpdump.log"
ls -l "$dir/$name.pcap"
wc -l "$dir/$name.access.log"
