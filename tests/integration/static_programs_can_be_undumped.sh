#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: a program that is linked statically, and so has nothing of this library installed beside it, writes
# executables like any other, and they run.
set -euo pipefail

build=${RFORK_BUILD:-.} source=${RFORK_SOURCE:-..}
folder=$(mktemp -d /tmp/rfork-test-XXXXXX)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/program.c" <<'PROGRAM'
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *memory = malloc(1 << 20);
	int result;

	memset(memory, 7, 1 << 20);
	result = rfork_undump(argv[argc - 1]);
	if (result < 0)
		fprintf(stderr, "%s\n", rfork_error());
	if (result != 0)
		return result == 1 ? 0 : 1;
	if (rfork_restart_args(&argc, &argv, NULL) < 0 || memory[1 << 19] != 7)
		return 2;
	printf("restarted with %s\n", argv[1]);
	return 23;
}
PROGRAM
if ! ${CC:-cc} -static -I"$source/include" -o "$folder/program" "$folder/program.c" \
	"$build/.libs/librfork.a" -lsodium -llz4 -lzstd -lpthread 2>"$folder/errors"; then
	echo "no static libraries here: $(head -n 1 "$folder/errors")" >&2
	exit 77
fi
# What the shell has open besides belongs to other processes, too.
(
	for path in "/proc/$BASHPID/fd"/*; do
		number=${path##*/}
		[ "$number" -le 2 ] || eval "exec $number>&-"
	done
	exec "$folder/program" "$folder/app" </dev/null
)
rm "$folder/program"
status=0
output=$("$folder/app" arguments) || status=$?
[ "$status" = 23 ] || { echo "exit status $status" >&2; exit 1; }
[ "$output" = "restarted with arguments" ] || { echo "it said: $output" >&2; exit 1; }
