#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: see visitor.c.  Processes go from this machine's release of Debian to another, from there to
# this one, and home again; and so do processes at rest, by each of visitor.c's ways.  What statefiles
# and thin executables only refer to is not taken from another release.
# RFORK_TEST_SCHEME may say by what they go, as for other programs.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"
# shellcheck source=tests/libraries/release.sh
. "$RFORK_SOURCE/tests/libraries/release.sh"

release_prepare

limit_s=$((100 * ${RFORK_TEST_PATIENCE:-1}))
server_here=$RFORK_SERVER
server_there() {
	release_run "$release_directory/server/rfork-server" "$@"
}

# run PLACE PROGRAM ARGUMENT...: in this release, or in the other; one of the build has no slash before it.
run() {
	local place=$1 program=$2 build=$RFORK_BUILD
	shift 2
	[[ $place == here ]] || build=$release_directory
	[[ $program == /* ]] || program=$build/$program
	case $place in
	here) timeout "$limit_s" "$program" "$@" ;;
	there) (release_run timeout "$limit_s" "$program" "$@") ;;
	esac </dev/null || fail "$program $place ended with $?"
}

# relation PLACE: of the C library of the other.
relation() {
	case $1 in
	here) echo later ;;
	there) echo earlier ;;
	esac
}

# visitor PLACE WAY WHERE...: begins there.
visitor() {
	run "$1" tests/libraries/visitor "$(relation "$1")" "${@:2}"
}

# travel FROM TO: there is a node in TO, and another one at home.
travel() {
	echo "-- from $1 to $2, and home again"
	visitor "$1" go "$to_host"
	visitor "$1" return "$to_host" "$home_host"
}

# start FROM TO WAY
start() {
	echo "-- an executable ($3) from $1 starts $2"
	visitor "$1" "$3" "$directory/app"
	run "$2" "$directory/app"
	rm "$directory/app"
}

# refuse PATTERN PLACE PROGRAM ARGUMENT...: by a line that names what is not there.
refuse() {
	local pattern=$1
	shift
	! (run "$@") 2>"$directory/refused" || fail "$2 $1 has taken other files for those of a process"
	grep -E "$pattern" "$directory/refused" || fail "it said: $(<"$directory/refused")"
	rm "$directory/refused"
}

# Sent from where it was written, a statefile has its libraries there.
restart() {
	echo "-- a statefile from $1 is restarted $2"
	visitor "$1" statefile "$directory/state"
	run "$1" tools/undump --to "$to_host" --insecure-plaintext "$directory/state"
	rm "$directory/state"
}

# The program itself and the library are the same files in both places.
refer() {
	local differs='/lib/.*\.so[.0-9]*: the file is not the one' program=$directory/visitor
	echo "-- what a statefile and a thin executable from $1 refer to is missed $2"
	cp "$RFORK_BUILD/tests/libraries/visitor" "$RFORK_BUILD"/.libs/librfork.so.? "$directory"
	run "$1" /usr/bin/env LD_LIBRARY_PATH="$directory" "$program" "$(relation "$1")" \
		statefile "$directory/state"
	refuse "^undump: .*$differs" "$2" tools/undump -o "$directory/app" "$directory/state"
	run "$1" tools/undump --thin -o "$directory/app" --no-core "$directory/state"
	refuse "^$directory/app: .*$differs" "$2" "$directory/app"
	rm "$directory/state" "$directory/app"
}

restart_whole() {
	echo "-- a statefile that is whole, from $1, is restarted $2, and becomes an executable there"
	visitor "$1" whole "$directory/state"
	run "$2" tools/undump --to "$to_host" --insecure-plaintext "$directory/state"
	run "$2" tools/undump -o "$directory/app" --no-core "$directory/state"
	run "$2" "$directory/app"
	rm "$directory/state" "$directory/app"
}

# The helper of RDMA is looked for where it was at home.
share_helper() {
	[[ -e $RFORK_BUILD/rdma/rfork-pages ]] || return 0
	cp "$RFORK_BUILD/rdma/rfork-pages" "$directory"
	export RFORK_PAGES_HELPER=$directory/rfork-pages
}

# A directory that both have.
cd /
for from in here there; do
	case $from in
	here) to=there RFORK_SERVER=server_there home_server=$server_here ;;
	there) to=here RFORK_SERVER=$server_here home_server=server_there ;;
	esac
	start_server
	start_another_server "$home_server"
	share_helper
	to_host=${RFORK_TEST_SCHEME-}$host home_host=${RFORK_TEST_SCHEME-}$other_host
	travel "$from" "$to"
	start "$from" "$to" executable
	start "$from" "$to" process
	restart "$from" "$to"
	restart_whole "$from" "$to"
	refer "$from" "$to"
	stop_server
	rm -rf -- "$directory"
done
