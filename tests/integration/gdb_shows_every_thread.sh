#!/bin/bash
# SPDX-License-Identifier: MIT
#
# gdb shows all threads of an executable by the small core that is written beside it: their frames,
# arguments, thread-local variables and vector registers; of an executable made from a core of eight
# threads, self-contained or thin.
# shellcheck disable=SC2016 # these dollars are for gdb
set -euo pipefail
# shellcheck source=tests/support/debugger.sh
. "$RFORK_SOURCE/tests/support/debugger.sh"

need_gdb
start_debuggee "$debuggee" threads
make_core "$debuggee_pid" "$directory/core"
for kind in self-contained thin; do
	app=$directory/app-$kind
	"$undump" "--$kind" -o "$app" "$directory/core" 2>"$directory/lost"
	(($(stat -c %s "$app.core") < 65536)) || fail "the core is large"
	debug "$debuggee" "$app.core" 'thread apply all bt' \
		'thread apply all -q printf "thread-local %d\n", number_of_thread' \
		'thread apply all -q frame function spin' 'info threads' >"$directory/shown"
	(($(grep -cE '^[* ] +[0-9]+ +Thread .*LWP' "$directory/shown") == 8)) || fail "not eight threads"
	for number in 0 1 2 4 5 6 7; do
		expect "$directory/shown" "in wait_in_call \(number=$number\)" \
			"^thread-local 10$number\$"
	done
	expect "$directory/shown" 'in spin \(number=3\)' '^thread-local 103$' \
		'in run_thread \(argument=0x3\)'
	! grep -iE '^(warning|cannot)' "$directory/shown" || fail "gdb complains"

	thread=$(debug "$debuggee" "$app.core" 'info threads' |
		sed -n 's/^[* ]* \([0-9]*\) .* spin (.*/\1/p')
	debug "$debuggee" "$app.core" "thread $thread" 'p/x $r12' 'p/x $xmm9.v2_int64[0]' \
		'p/x $mxcsr' 'p/x $fctrl' 'p *list->next' >"$directory/shown"
	expect "$directory/shown" '^\$1 = 0x1234567890abcdef$' '^\$2 = 0x1234567890abcdef$' \
		'^\$3 = ' '^\$4 = 0x37f$' '^\$5 = \{value = 42, next = 0x'

	# what undump finds in it by itself
	"$undump" --bt "$app" >"$directory/ours"
	(($(grep -c '^Thread' "$directory/ours") == 8)) || fail "--bt shows other threads than eight"
	expect "$directory/ours" ' spin\+0x.*debuggee' ' wait_in_call\+0x'
done

"$undump" --no-core -o "$directory/alone" "$directory/core" 2>"$directory/lost"
[[ -x $directory/alone && ! -e $directory/alone.core ]] || fail "--no-core writes a core"
