#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each numbered example, run as examples/README.md says, prints what its lesson is about and
# ends well; the pool does so also when a worker dies, and says so when the last one does.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

tested=()
input=/dev/null
export LD_LIBRARY_PATH=$RFORK_BUILD/.libs # for interpreters
export PATH=/usr/bin:$PATH                # the system's

# expect STATUS PATTERN... -- PROGRAM ARGUMENT...: each pattern matches a whole line.
expect() {
	local expected=$1 status=0 pattern patterns=() program
	shift
	while [[ $1 != -- ]]; do
		patterns+=("$1")
		shift
	done
	shift
	tested+=("$1")
	program=$RFORK_BUILD/examples/$1
	[[ -e $program ]] || program=$RFORK_SOURCE/examples/$1
	[[ -e $program ]] || program=$directory/$1
	timeout 60 "$program" "${@:2}" <"$input" >"$directory/out" 2>&1 || status=$?
	sed "s/^/$1: /" "$directory/out"
	((status == expected)) || fail "$* ended with $status, not $expected"
	for pattern in "${patterns[@]}"; do
		grep -qxE -- "$pattern" "$directory/out" || fail "$* printed no line '$pattern'"
	done
}

# can_run PROGRAM WHAT COMMAND...: whether the command succeeds; else WHAT is missing.
can_run() {
	"${@:3}" >/dev/null 2>&1 && return
	tested+=("$1")
	echo "$1 cannot be run: $2 is missing"
	return 1
}

is_built() {
	can_run "$1" "$2" test -x "$RFORK_BUILD/examples/$1"
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

if is_built 09-interpreter Lua; then
	printf 'function greet(name) return "Hello, " .. name end\n' >"$directory/greet.lua"
	expect 0 "$directory/warm is ready" -- 09-interpreter "$directory/warm" "$directory/greet.lua"
	rm "$directory/greet.lua"
	[[ $("$directory/warm" 'return 6 * 7' 'return #primes, greet("you")' </dev/null) == \
		$'42\n17984\nHello, you' ]] || fail "the warm interpreter has forgotten something"
fi

if can_run 10-python.py "Python with ctypes and sqlite3" python3 -c "import ctypes, sqlite3"; then
	expect 0 "$host: process [0-9]+ found [0-9]+ and [0-9]+" \
		"below 100000 there are 60793 numbers without a square factor and 9592 primes" \
		-- 10-python.py "$host" "$host" "$host"
	expect 1 "ConnectionRefusedError: .*connect to 127\.0\.0\.1 port 1: .*" -- 10-python.py 127.0.0.1:1
fi
if can_run 11-perl.pl "FFI::Platypus (libffi-platypus-perl)" perl -MFFI::Platypus=2.00 -e 1; then
	input=$directory/text
	printf 'Some words, and these words more often than some.
Words!
' >"$input"
	expect 0 "8 words, counted by 2 processes: Words 3, words 3, Some 2" -- 11-perl.pl "$host" "$host"
	rm "$input"
	input=/dev/null
fi
if is_built 12-exceptions "a C++ compiler"; then
	expect 0 "60 = 2 \* 2 \* 3 \* 5" "1000003 = 1000003" -- 12-exceptions "$host" 60 1000003
	expect 1 "1: 1 is out of reach" "10006200817: 10006200817 is out of reach" "7 = 7" \
		-- 12-exceptions "$host" 1 10006200817 7
fi
if is_built 13-lua Lua; then
	expect 0 "42" "1	false	.*: no" -- 13-lua "$host" '
		local n, there = 40, {}
		for i = 1, 2 do there[i] = spawn(function() if i == 2 then error("no") end return n + 2 end) end
		print(there[1]()) print(1, pcall(there[2]))'
fi
expect 0 "process [0-9]+ of .*, from process [0-9]+ of .*, has 0 shared libraries" \
	-- 14-static "$host"
if is_built 15-openmp "OpenMP (libgomp)"; then
	OMP_NUM_THREADS=3 expect 0 "(first|again): pi is about 3\.141592654, by 3 threads here and 6 there" \
		-- 15-openmp "$host" "$host"
fi
expect 0 "$host: 3 of 3 threads found both numbers equal" "at home they are equal" \
	-- 16-threads "$host" "$host"

if can_run 17-rust "Rust (rustc)" rustc --version; then
	rustc -O -L "$RFORK_BUILD/.libs" -o "$directory/17-rust" "$RFORK_SOURCE/examples/17-rust.rs"
	expect 0 "mississippi: 4 times s" "rust: 1 times u" -- 17-rust "$host" mississippi rust
	expect 1 "\"\": the child ended with status 0x100" -- 17-rust "$host" ""
	rm "$directory/17-rust"
fi

# A lesson that nobody tests is soon wrong.
for source in "$RFORK_SOURCE"/examples/[0-9]*.*; do
	name=$(basename "$source")
	name=${name%.c}
	name=${name%.cc}
	name=${name%.rs}
	[[ " ${tested[*]} " == *" $name "* ]] || fail "$name is not tested"
	grep -qF "\`$name " "$RFORK_SOURCE/examples/README.md" || fail "README.md does not list $name"
done
stop_server
