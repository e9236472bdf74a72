#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: see cplusplus_goes_on_on_nodes.cc, which this gives a node.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

[[ -x $RFORK_BUILD/tests/support/cplusplus ]] || {
	echo "a C++ compiler is missing: apt-get install g++"
	exit 77
}
start_server
timeout 100 "$RFORK_BUILD/tests/support/cplusplus" "$host" "$directory/app" \
	"$RFORK_BUILD/tools/undump" </dev/null ||
	fail "it ended with $?"
stop_server
