#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: see visitor.c.  Processes go from this machine's release of Debian to another, and from there
# to this one.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"
# shellcheck source=tests/libraries/release.sh
. "$RFORK_SOURCE/tests/libraries/release.sh"

release_prepare

server_here=$RFORK_SERVER
server_there() {
	release_run "$release_directory/rfork-server" "$@"
}
visitor_here() {
	timeout 100 "$RFORK_BUILD/tests/libraries/visitor" "$@" </dev/null ||
		fail "the visitor from here ended with $?"
}
visitor_there() {
	(release_run timeout 100 "$release_directory/visitor" "$@") </dev/null ||
		fail "the visitor from there ended with $?"
}

# A directory that both have.
cd /

echo "from here to $release_name"
RFORK_SERVER=server_there
start_server
visitor_here later "$host"
stop_server

echo "an executable from here in $release_name"
visitor_here later "$directory/executable"
(release_run "$directory/executable") </dev/null || fail "it ended with $?"
rm -rf "$directory"

echo "from $release_name to here"
RFORK_SERVER=$server_here
start_server
visitor_there earlier "$host"
stop_server

echo "an executable from $release_name here"
visitor_there earlier "$directory/executable"
"$directory/executable" </dev/null || fail "it ended with $?"
