#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What undump cannot do as it is asked it says before it looks at any file: one line that names the words
# at fault, and exit status 2.  Nothing that was typed is silently without effect.
set -euo pipefail
# shellcheck source=tests/support/debugger.sh
. "$RFORK_SOURCE/tests/support/debugger.sh"

cd "$directory"

# wrong SENTENCE ARGUMENT...
wrong() {
	local status=0
	"$undump" "${@:2}" >out 2>err </dev/null || status=$?
	((status == 2)) || fail "undump ${*:2}: exit status $status"
	[[ ! -s out ]] || fail "undump ${*:2}: something on standard output"
	expect err "undump: .*$1"
	expect err 'undump --help'
	[[ -z $(find . -type f ! -name out ! -name err) ]] || fail "undump ${*:2}: a file is written"
}

wrong 'nothing to read'
wrong 'nothing to read' -o app
wrong 'nothing to read' --info
wrong 'say what to do' file
wrong 'say what to do' -p $$
wrong 'one file at a time: file, or other' --info file other
wrong "either -p $$ or file" -p $$ -o app file
wrong 'only an executable' -p $$ --info
wrong 'one thing at a time' --info --check file
wrong 'unrecognized option' --incremental file
wrong 'requires an argument' file --to
wrong '-p 12x is no process' -p 12x -o app
wrong '-p 0 is no process' -p 0 -o app
wrong 'refuse, reopen or append' --files=keep -o app file
wrong '--substitute=a=b' --substitute=a=b -o app file
for option in --thin --self-contained --copy --no-core --files=reopen --substitute=/a=/b; do
	for mode in --info --check --bt --core; do
		wrong "${option%%=*} is of use only" "$option" "$mode" file
	done
	wrong "${option%%=*} is of use only" "$option" --to 127.0.0.1 file
done
wrong '--key-file goes with --to' --key-file=key -o app file
wrong '--insecure-plaintext goes with --to' --insecure-plaintext --info file
wrong '--json goes with --info' --json --check file
wrong '--close-others goes with -p' --close-others -o app file
for mode in --info --check --bt '--to 127.0.0.1'; do
	# shellcheck disable=SC2086 # two words
	wrong '-o app: nothing is written' -o app $mode file
done

# The help is for 80 columns, and has each option.
"$undump" --help >out
[[ $(awk 'length > 80' out) == '' ]] || fail "lines of the help are too long"
for option in info json check bt core to pid output close-others assume-unchanged thin copy \
	self-contained no-core files substitute key-file insecure-plaintext; do
	expect out "^ .*--$option( |=|\$)"
done
