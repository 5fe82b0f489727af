#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records the workloads of databases: redis-benchmark and pgbench against their
# servers in a network namespace of their own.
#
#   tests/bench/gen_databases.sh [DIR]     (root; default /tmp/bench)
#
# Leaves DIR/redis.pcap, 600,000 SET, GET, LPUSH, LRANGE_100 and HSET of 20
# connections, and DIR/postgresql.pcap, pgbench's three scripts with the simple,
# the extended and the prepared protocol.
set -euo pipefail
dir=$(realpath -m "${1:-/tmp/bench}")
space=at-bench-db
inside=(ip netns exec "$space")
children=()

cleanup() {
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
	wait
	ip netns delete "$space" 2>/dev/null || true
}

record() { # NAME PORT
	"${inside[@]}" tcpdump -i lo -U -B 65536 -w "$dir/$1.pcap" \
		"tcp port $2" 2>"$dir/$1.tcpdump.log" &
	children+=($!)
	recorder=$!
	until grep -q listening "$dir/$1.tcpdump.log"; do sleep 0.1; done
}

stop_recording() { # NAME
	sleep 1
	kill -INT "$recorder"
	wait "$recorder" || true
	tail -3 "$dir/$1.tcpdump.log"
}

run_redis() {
	local port=16391
	"${inside[@]}" redis-server --port $port --bind 127.0.0.1 --save '' \
		--appendonly no --dir "$dir" --daemonize no >"$dir/redis.log" &
	children+=($!)
	until "${inside[@]}" redis-cli -p $port ping >/dev/null 2>&1; do
		sleep 0.1
	done
	record redis $port
	"${inside[@]}" redis-benchmark -p $port -q -c 20 -n 150000 -d 300 \
		-r 10000 -t set,get,lpush,hset >/dev/null
	"${inside[@]}" redis-benchmark -p $port -q -c 20 -n 20000 -d 40 -P 8 \
		-t lrange_100 >/dev/null
	stop_recording redis
}

run_postgresql() {
	local port=15491 bin data="$dir/postgresql" as=(setpriv --reuid=nobody
		--regid=nogroup --clear-groups)
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
	rm -rf "$data"
	install -d -o nobody -g nogroup "$data"
	"${as[@]}" "$bin/initdb" -A trust -U postgres -D "$data" \
		>"$dir/postgresql.log"
	"${inside[@]}" "${as[@]}" "$bin/postgres" -D "$data" -p $port \
		-c listen_addresses=127.0.0.1 -c unix_socket_directories= \
		-c fsync=off >>"$dir/postgresql.log" 2>&1 &
	children+=($!)
	local client=(-h 127.0.0.1 -p "$port" -U postgres)
	until "${inside[@]}" pg_isready "${client[@]}" >/dev/null; do
		sleep 0.2
	done
	"${inside[@]}" pgbench "${client[@]}" -i -s 2 postgres 2>/dev/null
	record postgresql $port
	for protocol in simple extended prepared; do
		for script in tpcb-like select-only; do
			"${inside[@]}" pgbench "${client[@]}" -n -c 8 -t 3000 \
				-M $protocol -b $script postgres >/dev/null 2>&1
		done
	done
	for _ in $(seq 40); do
		"${inside[@]}" psql "${client[@]}" -qAt -o /dev/null postgres \
			-c 'SELECT * FROM pgbench_accounts LIMIT 20000'
	done
	stop_recording postgresql
}

mkdir -p "$dir"
trap cleanup EXIT
ip netns add "$space"
"${inside[@]}" ip link set lo up
run_redis
run_postgresql
ls -l "$dir/redis.pcap" "$dir/postgresql.pcap"
