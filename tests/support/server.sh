# SPDX-License-Identifier: MIT
#
# A server for a test that is a script: sourced, and then `start_server` sets $host, $directory (which is
# removed at the end) and RFORK_KEY_FILE, and `stop_server` expects a good end.  Then there may be another
# one with the same key: `start_another_server COMMAND...` sets $other_host; stop_server ends it as well.
# The script has RFORK_BUILD, RFORK_SOURCE and RFORK_SERVER from `make check`, or from whoever runs it by
# hand.
# shellcheck shell=bash
server_pids=()

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
	kill -KILL "${server_pids[@]}" 2>/dev/null || true
	rm -rf -- "$directory"
	exit "$status"
}

# run_server NAME COMMAND...: sets $server_port.  The server's log comes through a FIFO: each line is an
# occasion to look for the port file, and the log's end says that the server has died.
run_server() {
	local files=$directory/$1 line tries log_fd limit_s=$((20 * ${RFORK_TEST_PATIENCE:-1}))
	shift
	mkfifo "$files.fifo"
	"$@" --listen 127.0.0.1:0 --key-file "$RFORK_KEY_FILE" --port-file "$files.port" \
		</dev/null >"$files.fifo" 2>&1 &
	server_pids+=($!)
	exec {log_fd}<"$files.fifo"
	for ((tries = 0; tries < limit_s; tries++)); do
		[[ ! -s $files.port ]] || break
		if read -r -t 1 -u "$log_fd" line; then
			printf '%s\n' "$line" >>"$directory/log"
		elif (($? <= 128)); then
			fail "the server ended at once"
		fi
	done
	[[ -s $files.port ]] || fail "the server is not ready after $limit_s s"
	cat <&"$log_fd" >>"$directory/log" &
	exec {log_fd}<&-
	read -r server_port <"$files.port"
}

start_server() {
	directory=$(mktemp -d)
	trap clean_up EXIT
	export RFORK_KEY_FILE=$directory/key
	run_server one "$RFORK_SERVER"
	export host=127.0.0.1:$server_port
}

start_another_server() {
	run_server other "$@"
	export other_host=127.0.0.1:$server_port
}

stop_server() {
	local pid status
	for pid in "${server_pids[@]}"; do
		status=0
		kill -TERM "$pid"
		wait "$pid" || status=$?
		((status == 0)) || fail "the server ended with $status"
	done
	server_pids=()
}
