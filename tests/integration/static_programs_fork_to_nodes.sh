#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: programs that are linked statically with librfork.a, at fixed addresses or anywhere, fork to
# nodes: their children have no shared library, and know where they are.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

# try NAME FLAG...: false if there is nothing to link with.
try() {
	local name=$1 output
	shift
	if ! ${CC:-cc} "$@" -I"$RFORK_SOURCE/include" -o "$program" "$RFORK_SOURCE/examples/14-static.c" \
		"$RFORK_BUILD/.libs/librfork.a" -lsodium -llz4 -lzstd -lpthread 2>"$program.errors"; then
		echo "no $name program can be linked here: $(grep -m 1 -E "undefined|cannot find" "$program.errors")"
		return 1
	fi
	output=$(timeout 60 "$program" "$host" </dev/null) || fail "the $name program ended with $?"
	echo "$name: $output"
	[[ $output =~ ^process\ [0-9]+\ of\ .*has\ 0\ shared\ libraries$ ]] || fail "$name: $output"
}

start_server
program=$directory/program
is_complete=true
try static -static -no-pie -fno-pie || is_complete=false
try static-pie -static-pie -fPIE || is_complete=false
rm -f "$program" "$program.errors"
stop_server
$is_complete || exit 77
