# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Runs test programs that are built already in a guest, one after the other, with the result of each.
# Sourced after guests.sh:
#
#   programs_run RANK PROGRAM...    false if any failed; says which at the end
#
# Programs are named from the build folder, as in TESTS.  One that skips itself does so for the same
# reasons as elsewhere, which its line repeats.

program_limit_s=300
program_environment=() # as of env(1)

# What programs print is in no file: the guest is gone when somebody looks.
programs_run() {
	local rank=$1 program status output failed=()
	shift
	for program in "$@"; do
		status=0
		output=$(guest_run "$rank" env "${program_environment[@]}" \
			timeout -k 5 "$program_limit_s" "$program") || status=$?
		case $status in
		0) echo "PASS: $program" ;;
		77) echo "SKIP: $program: $(grep '^skipped:' <<<"$output" || true)" ;;
		*)
			echo "FAIL: $program: status $status"
			tail -n 20 <<<"$output" | sed 's/^/  | /'
			failed+=("$program")
			;;
		esac
	done
	echo "$# programs, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
	((${#failed[@]} == 0))
}
