#!/bin/bash
# SPDX-License-Identifier: MIT
#
# In the foreground the server's log begins with the address of each listener, with the port
# that the kernel has picked.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

start_server
stop_server
wait # for what copies the log
cat "$directory/log"
[[ $(head -n 1 "$directory/log") == "rfork-server: listening on $host" ]] ||
	fail "the first line is another one"
