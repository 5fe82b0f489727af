#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is needed, builds, and runs every test.
#   tests/run.sh [ctest options]
set -eu
cd "$(dirname "$0")/.."
sh tests/support/packages.sh test
cmake --preset dev >/dev/null
cmake --build --preset dev
exec ctest --test-dir build/dev --output-on-failure --no-tests=error \
	-LE 'bench|tidy|quiet' "$@"
