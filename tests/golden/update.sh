#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rewrites the expected events of cases and shows what changed:
#
#   tests/golden/update.sh CASE…      (BUILD: build directory, build/dev)
#
# Read the difference: what it shows is what the test will demand.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
"${BUILD:-$root/build/dev}/tests/golden/golden" --update "$@"
git -C "$root" --no-pager diff -- "$@"
