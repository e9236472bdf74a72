#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What executables begin with needs nothing of the machine: it is static, without interpreter, relocation,
# undefined symbol, thread-local storage or stack protector, and small, for every executable carries it.
set -euo pipefail

elf=${RFORK_BUILD:-.}/rfork/start/start.elf
bin=${RFORK_BUILD:-.}/rfork/start/start.bin
failed=0

fail() {
	echo "rfork-start: $1" >&2
	failed=1
}

[ -s "$bin" ] || { echo "rfork-start: $bin is missing" >&2; exit 1; }
[ "$(stat -c %s "$bin")" -le 131072 ] || fail "more than 128 KiB: $(stat -c %s "$bin")"

segments=$(${READELF:-readelf} -lW "$bin")
grep -q 'EXEC (Executable file)' <<<"$segments" || fail "it is no ET_EXEC"
for type in INTERP DYNAMIC TLS RELRO; do
	! grep -q "$type" <<<"$segments" || fail "it has a segment $type"
done
[ "$(grep -c ' NOTE ' <<<"$segments")" = 1 ] || fail "it has not one segment of notes"
! grep -q ' RWE ' <<<"$segments" || fail "it has memory that is writable and executable"
grep -q 'GNU_STACK.* RW ' <<<"$segments" || fail "its stack is executable"

${READELF:-readelf} -rW "$bin" | grep -q "There are no relocations" || fail "it has relocations"
undefined=$(${NM:-nm} -u "$elf")
[ -z "$undefined" ] || fail "undefined symbols: $undefined"
for symbol in __errno_location __stack_chk_fail __libc_start_main; do
	! ${NM:-nm} "$elf" | grep -qw "$symbol" || fail "it has $symbol"
done
code=$(${OBJDUMP:-objdump} -d --no-show-raw-insn "$elf")
grep -q syscall <<<"$code" || fail "the disassembly shows no system call"
for pattern in '%fs:' '%gs:' '%[yz]mm'; do
	found=$(grep -E -- "$pattern" <<<"$code" | head -n 3 || true)
	[ -z "$found" ] || fail "it uses $pattern: $found"
done
exit $failed
