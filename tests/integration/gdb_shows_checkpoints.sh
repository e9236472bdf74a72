#!/bin/bash
# SPDX-License-Identifier: MIT
#
# gdb shows a committed checkpoint by the small core that `undump --core` writes beside it: the registers and the
# frames of the captured call, arguments, locals, globals, the heap, thread-local variables, symbols of shared
# libraries; whether these are in the statefile or named by it.
# shellcheck disable=SC2016 # these dollars are for gdb
set -euo pipefail
# shellcheck source=tests/support/debugger.sh
. "$RFORK_SOURCE/tests/support/debugger.sh"

need_gdb
for kind in "" self-contained; do
	state=$directory/state$kind
	"$debuggee" checkpoint "$state" ${kind:+"$kind"} </dev/null
	"$undump" --core "$state"
	(($(stat -c %s "$state.core") < 32768)) || fail "the core is large"
	debug "$debuggee" "$state.core" bt 'p/x $sp' 'p/x $pc' 'frame function middle_function' \
		'p number' 'p path' 'p local_number' 'p global_number' 'p *list->next->next' \
		'p number_of_thread' 'info sharedlibrary' 'info symbol $pc' 'info auxv' \
		'info symbol malloc' >"$directory/shown"
	expect "$directory/shown" \
		"in commit_here \\(path=0x[0-9a-f]+ \"$state\", flags=[02]\\)" \
		"in middle_function \\(number=42, path=0x[0-9a-f]+ \"$state\"" \
		'in checkpoint \(path=' \
		'in main \(argc=[34], argv=0x' \
		'^\$1 = 0x7f' \
		'^\$3 = 42$' \
		"^\\\$4 = 0x[0-9a-f]+ \"$state\"" \
		'^\$5 = 420$' \
		'^\$6 = 4711$' \
		'^\$7 = \{value = 43, next = 0x0\}' \
		'^\$8 = 429$' \
		'Yes .*libc\.so\.6' \
		'^middle_function \+ ' \
		'AT_ENTRY' \
		'malloc in section \.text of .*libc\.so\.6'
	# the innermost frame is in the call that was captured
	expect "$directory/shown" '^#0 .*(rfork_checkpoint|returns_twice)'
	! grep -iE '^(warning|cannot|error)' "$directory/shown" || fail "gdb complains"
done

"$undump" --core "$directory/state" -o "$directory/other.core"
cmp -s "$directory/state.core" "$directory/other.core" || fail "-o writes another core"

# A mapped file that is another one now is told, and not shown.
cp "$debuggee" "$directory/program"
"$directory/program" checkpoint "$directory/state" </dev/null
cp "$undump" "$directory/program.new"
mv "$directory/program.new" "$directory/program"
"$undump" --core "$directory/state" 2>"$directory/told"
expect "$directory/told" "^undump: $directory/program: not the file that the process had"

if "$undump" --core "$directory/state.core" 2>"$directory/told"; then
	fail "there is a core of a core"
fi
expect "$directory/told" 'it is a core already'
