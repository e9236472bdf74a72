#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A node whose RDMA libraries are missing offers no RDMA, so that callers who ask for it where it can be
# had are served by TCP; a server that has been told which device to use says so and does not start.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

folder=$(mktemp -d)
for program in rfork-server rfork-shell; do
	cp "$(dirname "$RFORK_SERVER")/$program" "$folder"
done
# in the place of one whose libraries the dynamic linker does not find
cp "$(type -P false)" "$folder/rfork-shell-rdma"

status=0
"$folder/rfork-server" --listen 127.0.0.1:0 --key-file "$folder/key" --rdma-device rxe0 \
	</dev/null >"$folder/log" 2>&1 || status=$?
cat "$folder/log"
sentence="rfork-shell-rdma cannot be loaded: libibverbs or librdmacm is not installed"
if ((status != 1)) || ! grep -q "$sentence" "$folder/log"; then
	rm -rf -- "$folder"
	fail "status $status of a server whose device cannot be used"
fi

RFORK_SERVER=$folder/rfork-server
start_server
stop_server
rm -rf -- "$folder"
wait # for what copies the log
