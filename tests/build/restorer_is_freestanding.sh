#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The restorer needs nothing: no relocation, no undefined symbol, no data, no thread-local
# storage or stack protector (both go through fs), no floating point or vector register, and
# no instruction prefix of another flavour.
set -euo pipefail

elf=${RFORK_BUILD:-.}/rfork/restorer/restorer.elf
bin=${RFORK_BUILD:-.}/rfork/restorer/restorer.bin
failed=0

fail() {
	echo "restorer: $1" >&2
	failed=1
}

[ -s "$bin" ] || { echo "restorer: $bin is missing" >&2; exit 1; }
[ "$(stat -c %s "$bin")" -le 4096 ] || fail "more than a page of code"

${READELF:-readelf} -r "$elf" | grep -q "There are no relocations" || fail "it has relocations"
undefined=$(${NM:-nm} -u "$elf")
[ -z "$undefined" ] || fail "undefined symbols: $undefined"
data=$(${NM:-nm} "$elf" | grep -i ' [bdrs] ' || true)
[ -z "$data" ] || fail "it has data: $data"
entry=$(${READELF:-readelf} -h "$elf" | awk '/Entry point/ { print $4 }')
[ "$entry" = 0x0 ] || fail "the entry point is $entry, not its first byte"

code=$(${OBJDUMP:-objdump} -d --no-show-raw-insn "$elf")
grep -q syscall <<<"$code" || fail "the disassembly shows no system call"
for pattern in '%fs:' '%gs:' '%[xyz]mm' '%st' '%k[0-7]' 'endbr64' 'call.*\*' 'call.*__'; do
	found=$(grep -E -- "$pattern" <<<"$code" | head -n 3 || true)
	[ -z "$found" ] || fail "it uses $pattern: $found"
done
exit $failed
