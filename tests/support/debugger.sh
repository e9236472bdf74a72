# SPDX-License-Identifier: MIT
#
# For tests that are scripts and look at processes with gdb: sourced.  Sets $directory, which is removed at
# the end with the processes in $debuggees; $undump and $debuggee are programs of the build.  The script has
# RFORK_BUILD and RFORK_SOURCE from `make check`, or from whoever runs it by hand.
# shellcheck shell=bash

# What whoever runs the test has open is none of the test's, and would be refused.  255 is the script
# itself.
for fd in "/proc/$$/fd/"*; do
	fd=${fd##*/}
	((fd < 3 || fd == 255)) || exec {fd}>&-
done

# shellcheck disable=SC2034 # the scripts use it
undump=$RFORK_BUILD/tools/undump
# shellcheck disable=SC2034
debuggee=$RFORK_BUILD/tests/integration/debuggee
debuggees=()
directory=$(mktemp -d)
export LC_ALL=C

skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

fail() {
	printf 'failed: %s\n' "$*" >&2
	exit 1
}

clean_up() {
	local status=$?
	trap - EXIT
	((${#debuggees[@]} == 0)) || kill -KILL "${debuggees[@]}" 2>/dev/null || true
	{ wait; } 2>/dev/null # without a word on those that were killed
	rm -rf -- "$directory"
	exit "$status"
}
trap clean_up EXIT

need_gdb() {
	command -v gdb >/dev/null || skip "there is no gdb (Debian package gdb)"
}

# debug PROGRAM CORE COMMAND...: what gdb prints, without files of the user's; $gdb_options come first.
gdb_options=()
debug() {
	local program=$1 core=$2 command arguments=()
	shift 2
	for command; do
		arguments+=(-ex "$command")
	done
	gdb -nx -nh -batch -iex 'set debuginfod enabled off' \
		-iex "set auto-load safe-path /" "${gdb_options[@]}" "${arguments[@]}" "$program" "$core" 2>&1 </dev/null
}

# expect FILE PATTERN...: each pattern (grep -E) is in some line.
expect() {
	local file=$1 pattern
	shift
	for pattern; do
		grep -qE -e "$pattern" "$file" || {
			cat "$file" >&2
			fail "no line has: $pattern"
		}
	done
}

# start_debuggee COMMAND...: runs until it prints "ready"; $debuggee_pid is its pid.
start_debuggee() {
	local line
	mkfifo "$directory/fifo"
	"$@" </dev/null >"$directory/fifo" 2>&1 &
	debuggee_pid=$!
	debuggees+=("$debuggee_pid")
	read -r -t 30 line <"$directory/fifo" || fail "$1 is not ready"
	[[ $line == ready ]] || fail "$1 said: $line"
	rm "$directory/fifo"
}

# make_core PID FILE: by gdb, whatever the system does with cores of the kernel.
make_core() {
	gdb -nx -nh -batch -iex 'set debuginfod enabled off' -p "$1" -ex "gcore $2" \
		>"$directory/gcore" 2>&1 </dev/null || true
	[[ -s $2 ]] || {
		cat "$directory/gcore" >&2
		skip "gdb cannot make a core of a process here"
	}
}
