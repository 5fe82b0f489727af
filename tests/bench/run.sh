#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Repeats the measurements of docs/performance.md with one command:
#
#   tests/bench/run.sh [--rounds N] [--build DIR] [--no-peers] [PCAP…]
#
# Without a capture it records one (gen_http.sh, needs root).  Builds the
# release preset unless --build names a directory with the programs.
set -eu
cd "$(dirname "$0")/../.."
exec python3 tests/bench/measure.py "$@"
