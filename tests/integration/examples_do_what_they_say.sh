#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each numbered example, run as examples/README.md says, prints what its lesson is about and
# ends well; the pool does so also when a worker dies, and says so when the last one does.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

tested=()

# expect STATUS PATTERN... -- PROGRAM ARGUMENT...: each pattern matches a whole line.
expect() {
	local expected=$1 status=0 pattern patterns=()
	shift
	while [[ $1 != -- ]]; do
		patterns+=("$1")
		shift
	done
	shift
	tested+=("$1")
	timeout 60 "$RFORK_BUILD/examples/$1" "${@:2}" </dev/null >"$directory/out" 2>&1 || status=$?
	sed "s/^/$1: /" "$directory/out"
	((status == expected)) || fail "$* ended with $status, not $expected"
	for pattern in "${patterns[@]}"; do
		grep -qxE -- "$pattern" "$directory/out" || fail "$* printed no line '$pattern'"
	done
}

start_server
expect 0 "parent: process [0-9]+ on .*" "child:  process [0-9]+ on .*" \
	"parent: the child, here process [0-9]+, ended with 42" -- 01-hello "$host"
expect 0 "child:  4849845 = 3 5 7 11 13 17 19" "parent: factor\[2\] is still 2" -- 02-memory "$host"
expect 0 "no host: +EINVAL: .*" "nobody listens: +ECONNREFUSED: .*" "unknown flag: +EINVAL: .*" \
	"as it should be: +the child ended with status 0" -- 03-errors "$host" "$RFORK_KEY_FILE"
expect 0 "pi is about 3\.14159.*" -- 04-map "$host" "$host" "$host"
expect 0 "13 queens can stand in 73712 ways" "$host: [1-9][0-9]* tasks, ended with 0" \
	-- 05-pool "$host" "$host" "$host"
expect 0 "13 queens can stand in 73712 ways" "$host: [0-9]+ tasks, died of signal 9 \(Killed\)" \
	-- 05-pool -k "$host" "$host"
expect 1 "05-pool: no worker is left, and [0-9]+ tasks are" -- 05-pool -k "$host"
expect 0 "on the node" -- 06-screen "$host" echo "on the node"
expect 127 "06-screen: no-such-program: .*" -- 06-screen "$host" no-such-program
expect 3 "at home: process [0-9]+" "step 1: process [0-9]+ on .*" "step 3: process [0-9]+ on .*" \
	-- 07-walk "$host" "$host" "$host"
expect 1 "127\.0\.0\.1:1: connect .*" "step 1: process [0-9]+ on .*" \
	-- 07-walk "$host" 127.0.0.1:1 "$host"
expect 1 "127\.0\.0\.1:1: connect .*" -- 01-hello 127.0.0.1:1

# Dies of its own hand, goes on from the last checkpoint, as often as one likes.
state=$directory/state
expect 137 "process [0-9]+ begins" -- 08-survive -k -i 0.1 -n 3000000 "$state"
"$RFORK_BUILD/tools/undump" "$state" -o "$directory/again"
for _ in 1 2; do
	"$directory/again" </dev/null >"$directory/out"
	grep -qxE "process [0-9]+ goes on at [0-9]+" "$directory/out" || fail "it began anew"
	grep -qx "2298025 takes 559 steps, the most of all below 3000000" "$directory/out" || fail "it came to another end"
done

if [[ -x $RFORK_BUILD/examples/09-interpreter ]]; then
	printf 'function greet(name) return "Hello, " .. name end\n' >"$directory/greet.lua"
	expect 0 "$directory/warm is ready" -- 09-interpreter "$directory/warm" "$directory/greet.lua"
	rm "$directory/greet.lua"
	[[ $("$directory/warm" 'return 6 * 7' 'return #primes, greet("you")' </dev/null) == \
		$'42\n17984\nHello, you' ]] || fail "the warm interpreter has forgotten something"
else
	tested+=(09-interpreter)
	echo "09-interpreter was not built: Lua is missing"
fi

# A lesson that nobody tests is soon wrong.
for source in "$RFORK_SOURCE"/examples/[0-9]*.c; do
	name=$(basename "$source" .c)
	[[ " ${tested[*]} " == *" $name "* ]] || fail "$name is not tested"
	grep -qF "\`$name " "$RFORK_SOURCE/examples/README.md" || fail "README.md does not list $name"
done
stop_server
