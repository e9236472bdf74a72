#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The main example over three clones writes the very bytes that it writes alone.  A host that
# refuses is said by name, and the picture is whole all the same.
set -euo pipefail
# shellcheck source=tests/support/server.sh
. "$RFORK_SOURCE/tests/support/server.sh"

render=$RFORK_BUILD/examples/render
scene=$RFORK_SOURCE/examples/scenes/small.scene

if [[ ! -x $render ]]; then
	echo "examples/render is not built: libpng is missing"
	exit 77
fi

# render_to NAME STATUS HOST...
render_to() {
	local name=$1 expected=$2 status=0
	shift 2
	"$render" -o "$directory/$name.png" "$scene" "$@" </dev/null \
		>"$directory/$name.out" 2>"$directory/$name.err" || status=$?
	cat "$directory/$name.out" "$directory/$name.err"
	((status == expected)) || fail "render $name ended with $status, not $expected"
}

start_server
render_to alone 0
render_to clones 0 "$host" "$host" "$host"
cmp "$directory/alone.png" "$directory/clones.png" || fail "the pictures differ"
(($(grep -c 'exit 0$' "$directory/clones.out") == 3)) || fail "the table does not show three clones"

render_to refused 3 "$host" 127.0.0.1:1
cmp "$directory/alone.png" "$directory/refused.png" || fail "the repaired picture differs"
grep -q '^127\.0\.0\.1:1: ' "$directory/refused.err" || fail "the host that refused is not named"
stop_server
