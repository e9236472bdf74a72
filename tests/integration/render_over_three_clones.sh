#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The main example over three clones writes the very bytes that it writes alone.  A host that
# refuses is said by name, and the picture is whole all the same.  Run by `make check`; by hand, set
# RFORK_BUILD, RFORK_SOURCE and RFORK_SERVER.
set -euo pipefail

render=$RFORK_BUILD/examples/render
scene=$RFORK_SOURCE/examples/scenes/small.scene
server_pid=

if [[ ! -x $render ]]; then
	echo "examples/render is not built: libpng is missing"
	exit 77
fi

fail() {
	printf 'failed: %s\n' "$*" >&2
	[[ ! -e $directory/log ]] || sed 's/^/server: /' "$directory/log" >&2
	exit 1
}

clean_up() {
	local status=$?
	trap - EXIT
	[[ -z $server_pid ]] || kill -KILL "$server_pid" 2>/dev/null || true
	rm -rf -- "$directory"
	exit "$status"
}

# The server's log comes through a FIFO: each line is an occasion to look for the port file, and
# the log's end says that the server has died.
start_server() {
	local line
	mkfifo "$directory/fifo"
	"$RFORK_SERVER" --listen 127.0.0.1:0 --key-file "$directory/key" \
		--port-file "$directory/port" </dev/null >"$directory/fifo" 2>&1 &
	server_pid=$!
	exec {log_fd}<"$directory/fifo"
	for ((tries = 0; tries < 20; tries++)); do
		[[ ! -s $directory/port ]] || break
		if read -r -t 1 -u "$log_fd" line; then
			printf '%s\n' "$line" >>"$directory/log"
		elif (($? <= 128)); then
			fail "the server ended at once"
		fi
	done
	[[ -s $directory/port ]] || fail "the server is not ready after 20 s"
	cat <&"$log_fd" >>"$directory/log" &
	exec {log_fd}<&-
	read -r port <"$directory/port"
}

# render_to NAME STATUS HOST...
render_to() {
	local name=$1 expected=$2 status=0
	shift 2
	"$render" -o "$directory/$name.png" "$scene" "$@" </dev/null \
		>"$directory/$name.out" 2>"$directory/$name.err" || status=$?
	cat "$directory/$name.out" "$directory/$name.err"
	((status == expected)) || fail "render $name ended with $status, not $expected"
}

directory=$(mktemp -d)
trap clean_up EXIT
export RFORK_KEY_FILE=$directory/key
start_server
host=127.0.0.1:$port

render_to alone 0
render_to clones 0 "$host" "$host" "$host"
cmp "$directory/alone.png" "$directory/clones.png" || fail "the pictures differ"
(($(grep -c 'exit 0$' "$directory/clones.out") == 3)) || fail "the table does not show three clones"

render_to refused 3 "$host" 127.0.0.1:1
cmp "$directory/alone.png" "$directory/refused.png" || fail "the repaired picture differs"
grep -q '^127\.0\.0\.1:1: ' "$directory/refused.err" || fail "the host that refused is not named"

kill -TERM "$server_pid"
status=0
wait "$server_pid" || status=$?
server_pid=
((status == 0)) || fail "the server ended with $status"
