#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `undump --bt` finds the frames that gdb finds in the same core, of an eight-thread program of ours, dynamic
# and static, and of python3: for each frame the address, the function, and how far in it.
# shellcheck disable=SC2016 # these dollars are for gdb
set -euo pipefail
# shellcheck source=tests/support/debugger.sh
. "$RFORK_SOURCE/tests/support/debugger.sh"

# NUMBER ADDRESS of each frame.  Without the debug files of libraries, lest gdb shows the functions that were
# inlined in them as frames.
gdb_frames() {
	local program=$1 core=$2
	gdb_options=(-iex 'set debug-file-directory /nonexistent')
	debug "$program" "$core" 'set backtrace past-main on' 'set backtrace past-entry on' \
		'thread apply all -q -s -- frame apply all -q -s -- printf "frame %d %lx\n", $_thread, $pc' |
		sed -n 's/^frame //p'
	gdb_options=()
}

# The number of each thread's LWP.
gdb_threads() {
	debug "$1" "$2" 'info threads' | sed -n 's/^[* ]* \([0-9]*\) .*LWP \([0-9]*\).*/\1 \2/p'
}

# TID ADDRESS of each frame, in the order of the threads.
our_frames() {
	awk '/^Thread/ { thread = $2 } /^#/ { sub(/^0x0*/, "", $2); print thread, $2 }' "$1"
}

# In an image a thread stands before the system call that it was in, whose instruction has two bytes.
undo_restarts() {
	local thread address their_thread their_address last=
	while read -r thread address && read -r their_thread their_address <&3; do
		[[ $thread == "$last" || $thread != "$their_thread" ]] ||
			((16#$address + 2 != 16#$their_address)) || address=$their_address
		echo "$thread $address"
		last=$thread
	done <"$directory/frames" 3<"$directory/gdb" >"$directory/undone"
	(($(wc -l <"$directory/undone") != $(wc -l <"$directory/frames"))) ||
		mv "$directory/undone" "$directory/frames"
}

compare() {
	local program=$1 core=$2
	"$undump" --bt "$core" >"$directory/ours"
	gdb_threads "$program" "$core" >"$directory/threads"
	gdb_frames "$program" "$core" |
		awk 'NR == FNR { lwp[$1] = $2; next } { print lwp[$1], $2 }' "$directory/threads" - |
		sort -s -n -k1,1 >"$directory/gdb"
	our_frames "$directory/ours" | sort -s -n -k1,1 >"$directory/frames"
	[[ -s $directory/gdb ]] || fail "gdb shows no frame of $program"
	undo_restarts
	diff "$directory/gdb" "$directory/frames" >&2 || {
		cat "$directory/ours" >&2
		fail "frames of $program differ (<: gdb's)"
	}
	compare_names "$program" "$core"
}

# gdb may know a function by another of its names; what it cannot be wrong about is how far in it an address is.
compare_names() {
	local address name offset commands=() found
	awk '/^#/ && $3 != "?" { sub(/\+0x/, " ", $3); print $2, $3 }' "$directory/ours" |
		sort -u >"$directory/names"
	while read -r address name offset; do
		commands+=("info symbol $address")
	done <"$directory/names"
	debug "$1" "$2" "${commands[@]}" | sed -n 's/ in section .*//p' |
		tail -n "${#commands[@]}" >"$directory/gdb_names"
	(($(wc -l <"$directory/gdb_names") == ${#commands[@]})) || fail "gdb knows fewer names"
	while read -r address name offset && read -r found <&3; do
		(($(sed -n 's/.* + //p' <<<"$found") == 16#$offset)) ||
			fail "$address is $name+0x$offset, and to gdb $found"
	done <"$directory/names" 3<"$directory/gdb_names"
}

need_gdb
start_debuggee "$debuggee" threads
make_core "$debuggee_pid" "$directory/core"
compare "$debuggee" "$directory/core"
(($(grep -c '^Thread' "$directory/ours") == 8)) || fail "there are other threads than eight"
for function in wait_in_call spin run_thread main; do
	expect "$directory/ours" " $function\+0x[0-9a-f]+ \(.*debuggee\)\$"
done

# A static program has no table to search call frame information in.  Without debug information gdb
# knows nothing of inlined functions; the input never ends.
"${OBJCOPY:-objcopy}" --strip-debug "$RFORK_BUILD/tests/support/counting_threads_static" \
	"$directory/static"
mkfifo "$directory/input"
start_debuggee bash -c 'exec "$0" <>"$1"' "$directory/static" "$directory/input"
make_core "$debuggee_pid" "$directory/static.core"
compare "$directory/static" "$directory/static.core"
(($(grep -c '^Thread' "$directory/ours") == 8)) || fail "there are other threads than eight"
expect "$directory/ours" ' main\+0x[0-9a-f]+ ' ' _start\+0x' ' start_thread\+0x'

python=/usr/bin/python3
[[ -x $python ]] || {
	echo "there is no $python to compare (Debian package python3)"
	exit 0
}
start_debuggee "$python" -c '
import threading
event = threading.Event()
def deep(n):
    if n:
        deep(n - 1)
    else:
        event.wait()
for number in range(3):
    threading.Thread(target=deep, args=(number,), daemon=True).start()
print("ready", flush=True)
deep(5)'
make_core "$debuggee_pid" "$directory/python.core"
compare "$python" "$directory/python.core"
