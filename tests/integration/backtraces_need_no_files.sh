#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `undump --bt` of a self-contained statefile finds the same frames where neither the program nor any library is
# there, as on another machine; it only knows fewer names.  Names come from a debug file as long as its link
# proves to be right, and never from another program in the place of the one that ran.
set -euo pipefail
# shellcheck source=tests/support/debugger.sh
. "$RFORK_SOURCE/tests/support/debugger.sh"

program=$directory/program
state=$directory/state
: "${OBJCOPY:=objcopy}"

# A program without symbols, with a link to those.
"$OBJCOPY" --only-keep-debug "$debuggee" "$program.debug"
"$OBJCOPY" --strip-all --add-gnu-debuglink="$program.debug" "$debuggee" "$program"
"$program" checkpoint "$state" self-contained </dev/null

addresses() {
	awk '/^#/ { print $1, $2 }' "$1"
}

# same_frames NAME: prints the backtrace into a file of that name, whose frames are those of `all`.
same_frames() {
	"${@:2}" --bt "$state" >"$directory/$1"
	[[ $(addresses "$directory/$1") == "$(addresses "$directory/all")" ]] || {
		diff "$directory/all" "$directory/$1" >&2
		fail "there are other frames ($1)"
	}
}

same_frames all "$undump"
for function in rfork_checkpoint commit_here middle_function checkpoint main _start; do
	expect "$directory/all" " $function\+0x"
done

printf x >>"$program.debug"
same_frames spoiled "$undump"
"$OBJCOPY" --remove-section .note.gnu.build-id "$debuggee" "$program"
same_frames other "$undump"
rm "$program"
same_frames gone "$undump"
for name in spoiled other gone; do
	expect "$directory/$name" ' rfork_checkpoint\+0x' " \? \($program\)"
	! grep "($program)" "$directory/$name" | grep -v ' ? ' || fail "$name: a name out of nowhere"
done

# As on a machine that has none of the libraries: undump runs from copies.
mkdir "$directory/copies"
{
	ldd "$undump"
	ldd "$debuggee"
} | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u >"$directory/libraries"
xargs -a "$directory/libraries" cp -L -t "$directory/copies"
loader=$(ldd "$undump" | sed -n 's/^[[:space:]]*\(\/[^ ]*\) .*/\1/p')
cp -L "$loader" "$directory/copies/loader"
cp "$undump" "$directory/copies/undump"
sed 's/\/[^/]*$//' "$directory/libraries" | sort -u >"$directory/folders"

as_elsewhere() {
	local map=(--map-root-user)
	((EUID)) || map=()
	# shellcheck disable=SC2016 # expanded in the namespace
	unshare "${map[@]}" --mount bash -c '
		mapfile -t folders <"$1/folders"
		for folder in /usr/lib/debug "${folders[@]}"; do
			[[ ! -d $folder ]] || mounts+=("$folder")
		done
		mount --make-rprivate / || exit 125
		for folder in "${mounts[@]}"; do
			# the last one takes mount(8) away its own libraries
			LD_LIBRARY_PATH=$1/copies "$1/copies/loader" "$(command -v mount)" \
				-t tmpfs none "$folder" || exit 125
		done
		shift
		exec "$@"' elsewhere "$directory" "$@"
}

mountlibs=$(ldd "$(command -v mount)" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p')
# shellcheck disable=SC2086 # one word for each
cp -L $mountlibs "$directory/copies"
elsewhere=(as_elsewhere "$directory/copies/loader" --library-path "$directory/copies"
	"$directory/copies/undump")
"${elsewhere[@]}" --version >/dev/null || skip "no mounts in a namespace of one's own here"
same_frames elsewhere "${elsewhere[@]}"
expect "$directory/elsewhere" ' rfork_checkpoint\+0x.*librfork' ' __libc_start_main\+0x.*libc\.so\.6'
! grep ' __libc_start_call_main+' "$directory/elsewhere" || fail "the libraries were not hidden"
