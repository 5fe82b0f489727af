#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-tidy and cppcheck over the tree: three to four minutes on two cores.
#   tests/lint/tidy.sh [C file…]
set -eu
cd "$(dirname "$0")/../.."

for program in clang clang-tidy cppcheck; do
	if ! command -v "$program" >/dev/null; then
		echo "tidy: SKIPPED: $program is not installed"
		exit 77
	fi
done

# clang-tidy needs clang's flags: a compile database of the clang preset, and
# the files that the build generates.  Whether it links is not our question.
build=build/tidy
cmake --preset clang -B "$build" -DAFTERTAP_TESTS=OFF >/dev/null
cmake --build "$build" -- -k 0 >/dev/null 2>&1 || true

if [ $# -eq 0 ]; then
	set -- $(find base capture dissect schema server -name '*.c' \
		! -name '*.bpf.c' | sort)
fi

echo "== clang-tidy: $# files"
printf '%s\n' "$@" |
	xargs -P "$(nproc)" -n 8 clang-tidy -p "$build" --quiet 2>/dev/null

echo "== cppcheck"
cppcheck --quiet --std=c11 --language=c --error-exitcode=1 -j "$(nproc)" \
	--enable=warning,portability,performance --inline-suppr \
	--suppressions-list=tests/lint/cppcheck.txt \
	--include=tests/lint/cppcheck.h \
	-D_GNU_SOURCE -D__linux__ -D__x86_64__ -D__BYTE_ORDER__=1234 \
	-D__ORDER_LITTLE_ENDIAN__=1234 -D__ORDER_BIG_ENDIAN__=4321 \
	-I . "$@"
