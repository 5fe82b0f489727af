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
exec sh tests/support/ctest.sh "build/$preset" -LE 'bench|tidy' "$@"
