# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Runs test programs that are built already in a guest, one after the other, with the result of each.
# Sourced after guests.sh:
#
#   programs_run RANK PROGRAM...    false if any failed; says which at the end
#
# Programs are named from the build folder, as in TESTS, and may have arguments behind blanks.  One that skips
# itself does so for the same reasons as elsewhere, which its line repeats.

program_limit_s=600
program_environment=() # as of env(1)

# What programs print is in no file: the guest is gone when somebody looks.
programs_run() {
	local rank=$1 program command status result begun_s failed=()
	# Not $(...): a shell that waits for another one's end does not see signals.
	local output=${guests_run:?}/output
	shift
	for program in "$@"; do
		status=0 begun_s=$SECONDS
		IFS=' ' read -ra command <<<"$program"
		guest_run "$rank" env "${program_environment[@]}" \
			timeout -k 5 "$program_limit_s" "${command[@]}" >"$output" || status=$?
		case $status in
		0) result="PASS: $program" ;;
		77) result="SKIP: $program: $(grep '^skipped:' "$output" || true)" ;;
		*) result="FAIL: $program: status $status" failed+=("$program") ;;
		esac
		echo "$result, $((SECONDS - begun_s)) s"
		[[ $result != FAIL* ]] || tail -n 20 "$output" | sed 's/^/  | /'
	done
	echo "$# programs, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
	((${#failed[@]} == 0))
}
