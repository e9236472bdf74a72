#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: see python_goes_on_on_nodes.py, which this gives a node.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

python=/usr/bin/python3
[[ -x $python ]] || {
	echo "python3 is missing: apt-get install python3"
	exit 77
}
"$python" -c 'import ctypes, sqlite3' 2>/dev/null || {
	echo "$python has no ctypes or sqlite3"
	exit 77
}
start_server
LD_LIBRARY_PATH=$RFORK_BUILD/.libs timeout 100 "$python" \
	"$RFORK_SOURCE/tests/integration/python_goes_on_on_nodes.py" "$host" "$directory/app" \
	"$RFORK_BUILD/tools/undump" </dev/null ||
	fail "it ended with $?"
stop_server
