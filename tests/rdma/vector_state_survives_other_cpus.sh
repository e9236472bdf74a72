#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: a program goes on on a CPU with more vector state, and with less if the rest is masked, with the
# registers that its signal handler has interrupted, and may go back to where it started; what it may use
# and the CPU lacks is refused by name.
# Executables carry it from this machine to virtual ones and back, and from one of those to the next.
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

# guests_end takes the trap away.
shut_down() {
	guests_end
	trap clean_up EXIT
}

# judge STATUS EXPECTED WHAT
judge() {
	cat "$folder/output"
	(($1 == $2)) && return
	echo "FAIL: $3: status $1, not $2"
	failed=1
}

# expect STATUS COMMAND...: in the guest.
expect() {
	local expected=$1 status=0
	shift
	guest_run 0 "$@" >"$folder/output" 2>&1 || status=$?
	judge "$status" "$expected" "$guest_cpu: $*"
}

# A program that is captured has nothing open that is somebody else's.
with_standard_streams() {
	local fd
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd <= 2)) || eval "exec $fd>&-"
	done
	exec "$@"
}

# expect_here STATUS COMMAND...: on this machine.
expect_here() {
	local expected=$1 status=0
	shift
	(with_standard_streams "$@") </dev/null >"$folder/output" 2>&1 || status=$?
	judge "$status" "$expected" "this machine: $*"
}

# Whether the guests' lesser CPU is one that this machine could be taken for.
is_like_haswell() {
	local feature
	for feature in avx2 bmi1 bmi2 fma movbe abm f16c rdrand aes pclmulqdq fsgsbase xsaveopt; do
		grep -m1 '^flags' /proc/cpuinfo | grep -qw "$feature" || return
	done
}

expect_words() {
	local word
	for word in "$@"; do
		grep -qw -- "$word" "$folder/output" && continue
		echo "FAIL: nothing is said of $word"
		failed=1
	done
}

# What glibc can mask of that which the guests lack; see rfork.7.
here=
if is_like_haswell; then
	here=-AVX512F,-AVX512CD,-AVX512BW,-AVX512DQ,-AVX512VL,-AVX512ER,-AVX512PF,-XSAVEC
	expect_here 0 env GLIBC_TUNABLES=glibc.cpu.hwcaps=$here "$program" "$folder/from-here"
fi

# Without AVX-512, MPX and protection keys: 832 bytes.
boot Haswell-noTSX
expect 0 "$program" "$folder/from-haswell"
[[ -z $here ]] || expect 23 "$folder/from-here"
shut_down
[[ -z $here ]] || expect_here 23 "$folder/from-haswell"

# 2696 bytes, and no XSAVEC.  What the other CPU lacks is masked, or not.
boot max
expect 23 "$folder/from-haswell"
expect 0 "$folder/from-haswell" "$folder/back-to-haswell"
[[ -z $here ]] || expect 23 "$folder/from-here"
masks=-AVX512F,-LZCNT
expect 0 env GLIBC_TUNABLES=glibc.cpu.hwcaps=$masks "$program" "$folder/masked"
expect 0 "$program" "$folder/unmasked"
shut_down
[[ -z $here ]] || expect_here 23 "$folder/masked"

boot Haswell-noTSX
expect 23 "$folder/masked"
expect 23 "$folder/back-to-haswell"
expect 126 "$folder/unmasked"
expect_words mpx sse4a 3dnow
shut_down
exit "$failed"
