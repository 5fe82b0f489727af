#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is needed, builds, and runs every test.
#   [PRESET=asan] tests/run.sh [ctest options]
set -eu
cd "$(dirname "$0")/.."
sh tests/support/packages.sh test
preset=${PRESET:-dev}
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
	-LE 'bench|tidy' "$@"
