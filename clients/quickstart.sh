#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything once, on real traffic: install, build, record, snapshot, dissect,
# and ask over MCP.  State goes to build/quickstart.
set -eu
cd "$(dirname "$0")/.."
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "install and build"
sh tests/support/packages.sh build
cmake --preset release -DAFTERTAP_TESTS=OFF >/dev/null
cmake --build --preset release
bin=$PWD/build/release
home=$PWD/build/quickstart
rm -rf "$home"
mkdir -p "$home/www/api"
export AFTERTAP_HOME=$home
# Recording needs root or capabilities; without them a bundled capture is read.
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
may_record() { $as_root "$bin/aftertap-capture" --help >/dev/null 2>&1; }

record() {
	say "record: a web server, a client, and aftertap between them"
	echo '{"user":"ada","orders":[1,2,3]}' >"$home/www/api/user.json"
	python3 -m http.server --bind 127.0.0.1 --directory "$home/www" 8931 \
		>"$home/server.log" 2>&1 &
	server=$!
	trap 'kill $server 2>/dev/null || true' EXIT
	until curl -s -o /dev/null http://127.0.0.1:8931/; do
		[ -d /proc/$server ] || return 1 # the port is taken
		sleep 0.2
	done
	$as_root "$bin/aftertap" --home "$home" capture --name web \
		--filter 'tcp port 8931' 2>"$home/recorder.log" &
	recorder=$!
	until grep -q "recording capture=web" "$home/recorder.log"; do
		[ -d /proc/$recorder ] || return 1
		sleep 0.2
	done
	for path in api/user.json api/missing api/user.json; do
		curl -s -o /dev/null -H 'Authorization: Bearer secret' \
			"http://127.0.0.1:8931/$path" || true
	done
	sleep 0.5
	"$bin/aftertap" snapshots create incident
	"$bin/aftertap" --quiet captures stop web >/dev/null
	wait $recorder
}

if ! may_record || ! record; then
	[ ! -f "$home/recorder.log" ] || tail -1 "$home/recorder.log"
	say "recording is not permitted here: a bundled capture instead"
	python3 clients/sample_capture.py "$home/sample.pcap"
	"$bin/aftertap" import --name sample "$home/sample.pcap"
	"$bin/aftertap" snapshots create incident --captures sample
fi

say "dissect"
"$bin/aftertap" dissect incident --name full

say "ask, as an agent does: MCP over stdio"
ask() { python3 clients/ask.py --server "$bin/aftertap serve" "$@"; }
echo "> list_api_calls filter='status_code >= 400'"
ask list_api_calls db=incident/full filter='status_code >= 400'
echo
echo "> get_api_call id=1"
ask get_api_call db=incident/full id=1
echo
echo "> get_api_stats group_by=[\"path\"]"
ask get_api_stats db=incident/full group_by='["path"]'

say "next"
echo "export AFTERTAP_HOME=$home"
echo "$bin/aftertap calls             # the same from the shell"
echo "$bin/aftertap install claude-code # or: aftertap install --list"
