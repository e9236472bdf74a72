# SPDX-License-Identifier: MIT
#
# A server for a test that is a script: sourced, and then `start_server` sets $host, $directory (which is
# removed at the end) and RFORK_KEY_FILE, and `stop_server` expects a good end.  The script has
# RFORK_BUILD, RFORK_SOURCE and RFORK_SERVER from `make check`, or from whoever runs it by hand.
# shellcheck shell=bash
server_pid=

# What whoever runs the test has open is none of the test's, and must not travel: make's job
# server, a lock.  255 is the script itself.
for fd in "/proc/$$/fd/"*; do
	fd=${fd##*/}
	((fd < 3 || fd == 255)) || exec {fd}>&-
done

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
	local line tries port
	directory=$(mktemp -d)
	trap clean_up EXIT
	export RFORK_KEY_FILE=$directory/key
	mkfifo "$directory/fifo"
	"$RFORK_SERVER" --listen 127.0.0.1:0 --key-file "$RFORK_KEY_FILE" \
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
	export host=127.0.0.1:$port
}

stop_server() {
	local status=0
	kill -TERM "$server_pid"
	wait "$server_pid" || status=$?
	server_pid=
	((status == 0)) || fail "the server ended with $status"
}
