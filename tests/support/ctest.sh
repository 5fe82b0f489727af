#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ctest on all processors; what failed is said once more at the end, where it
# is found even if only the end of a long log was kept.
#   ctest.sh BUILD_DIRECTORY [ctest options]
set -u
directory=$1
shift
ctest --test-dir "$directory" --output-on-failure --no-tests=error \
	-j "$(nproc)" "$@"
status=$?
if [ $status -ne 0 ]; then
	awk '/^[0-9]+\/[0-9]+ Testing: / { name = $NF; count = 0 }
	     { line[count++] = $0 }
	     /^Test Failed\.|^Test timeout/ {
		print "== " name
		for (i = count > 40 ? count - 40 : 0; i < count; i++)
			print line[i]
	     }' "$directory/Testing/Temporary/LastTest.log"
	echo "The following tests FAILED:"
	sed 's/^/	/' "$directory/Testing/Temporary/LastTestsFailed.log"
fi
exit $status
