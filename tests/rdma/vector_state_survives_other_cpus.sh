#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: a program goes on on a CPU with more vector state, and with less if the rest is masked, with the
# registers that its signal handler has interrupted; what it may use and the CPU lacks is refused by name.
# Executables carry it from one virtual machine to the next, of the same kernel.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guests.sh
source "$(dirname "${BASH_SOURCE[0]}")/guests.sh"

program=tests/rdma/interrupted
folder=$(mktemp -d "$PWD/rfork-test-XXXXXX")
# shellcheck disable=SC2034 # guests.sh uses it
guests_limit_s=900
failed=0

# shellcheck disable=SC2317 # traps call it
clean_up() {
	rm -rf -- "$folder"
}
trap clean_up EXIT

# boot CPU
boot() {
	guest_cpu=$1
	guests_boot
	trap 'guests_end; clean_up' EXIT
}

# expect STATUS COMMAND...
expect() {
	local expected=$1 status=0
	shift
	guest_run 0 "$@" >"$folder/output" 2>&1 || status=$?
	cat "$folder/output"
	((status == expected)) && return
	echo "FAIL: $guest_cpu: $*: status $status, not $expected"
	failed=1
}

expect_words() {
	local word
	for word in "$@"; do
		grep -qw -- "$word" "$folder/output" && continue
		echo "FAIL: nothing is said of $word"
		failed=1
	done
}

# Without AVX-512, MPX and protection keys: 832 bytes.
boot Haswell-noTSX
expect 0 "$program" "$folder/from-haswell"
guests_end

# 2696 bytes, and no XSAVEC.  What the other CPU lacks is masked, or not.
boot max
expect 23 "$folder/from-haswell"
masks=-AVX512F,-LZCNT
expect 0 env GLIBC_TUNABLES=glibc.cpu.hwcaps=$masks "$program" "$folder/masked"
expect 0 "$program" "$folder/unmasked"
guests_end

boot Haswell-noTSX
expect 23 "$folder/masked"
expect 126 "$folder/unmasked"
expect_words mpx ospke sse4a 3dnow
guests_end
exit "$failed"
