#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A program that was restarted from an executable, and then written to another one while it runs, keeps the names of its
# functions and libraries for gdb and `undump --bt`, though the kernel knows only the first executable.
set -euo pipefail
# shellcheck source=tests/support/debugger.sh
. "$RFORK_SOURCE/tests/support/debugger.sh"

# The main thread waits in pause(2), in the program's own call: it has been restored.
await_pause() {
	local number='' limit=$((SECONDS + 30))
	while [[ $number != 34 ]]; do
		((SECONDS < limit)) || fail "it does not go on"
		read -r number _ <"/proc/$1/syscall" || fail "it has ended"
	done
}

need_gdb
cp "$debuggee" "$directory/program"
start_debuggee "$directory/program" threads
await_pause "$debuggee_pid"
"$undump" -p "$debuggee_pid" -o "$directory/first" 2>"$directory/told" || {
	cat "$directory/told" >&2
	skip "processes cannot be read here"
}
kill -KILL "$debuggee_pid"
"$directory/first" </dev/null >"$directory/output" 2>&1 &
restarted=$!
debuggees=("$restarted")
await_pause "$restarted"
"$undump" -p "$restarted" -o "$directory/second" 2>"$directory/told" || {
	cat "$directory/told" "$directory/output" >&2
	fail "a restarted program cannot be written"
}

debug "$directory/program" "$directory/second.core" 'thread apply all bt' 'info sharedlibrary' \
	>"$directory/shown"
expect "$directory/shown" 'in wait_in_call \(number=0\)' 'in wait_in_call \(number=7\)' \
	'in spin \(number=3\)' 'Yes .*libc\.so\.6'
"$undump" --bt "$directory/second" >"$directory/ours"
(($(grep -c '^Thread' "$directory/ours") == 8)) || fail "there are other threads than eight"
expect "$directory/ours" " wait_in_call\+0x.*\($directory/program\)" " spin\+0x.*\($directory/program\)" \
	' run_thread\+0x' ' _start\+0x'
