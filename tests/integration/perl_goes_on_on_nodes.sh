#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: see perl_goes_on_on_nodes.pl, which this gives a node.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

perl -MFFI::Platypus=2.00 -e 1 2>/dev/null || {
	echo "Perl's FFI::Platypus is missing: apt-get install libffi-platypus-perl"
	exit 77
}
start_server
LD_LIBRARY_PATH=$RFORK_BUILD/.libs timeout 100 perl \
	"$RFORK_SOURCE/tests/integration/perl_goes_on_on_nodes.pl" "$host" "$directory/app" \
	"$RFORK_BUILD/tools/undump" </dev/null ||
	fail "it ended with $?"
stop_server
