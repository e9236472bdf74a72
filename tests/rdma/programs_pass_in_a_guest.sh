#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: integration programs pass unchanged on a machine with another kernel, by RDMA, and those pass that
# need a device, of which make tells in RFORK_GUEST_PROGRAMS.  With arguments it runs those and the
# programs given, named as in TESTS, some with arguments behind blanks, else some that move all kinds of memory.
set -euo pipefail
cd "$RFORK_BUILD"
# shellcheck source-path=SCRIPTDIR source=guests.sh
source "$RFORK_SOURCE/tests/rdma/guests.sh"
# shellcheck source-path=SCRIPTDIR source=programs.sh
source "$RFORK_SOURCE/tests/rdma/programs.sh"

some=(address_collisions_are_solved async_returns_at_the_snapshot clocks_go_on
	eventfds_travel grown_windows_are_enforced
	heap_grows_as_one_mapping holes_stay_holes huge_pages_travel malloc_works_after_the_move
	many_mappings_travel mapped_files_go_by_reference moved_process_leaves_a_small_ghost
	moved_process_may_rfork
	moves_chain_over_three_nodes pending_signals_move pipe_to_the_parent_works
	protected_memory_is_kept protection_keys_travel replaced_files_go_by_content
	sched_getcpu_follows_the_child
	several_threads_may_move stack_grows_after_the_move
	statefile_is_restarted_by_a_node ten_hops_round_three_nodes thread_local_data_is_kept
	untouched_memory_costs_nothing)

# What no guest can tell, though it passes elsewhere.
declare -A elsewhere=(
	[every_kind_restarts_two_hundred_times]="2200 restarts take too long under emulation"
)

if (($# == 0)); then
	set -- "${some[@]/#/tests/integration/}"
elif (($# > 1)); then # one that is asked for by name runs
	programs=()
	for program in "$@"; do
		reason=${elsewhere[${program##*/}]-}
		if [[ $reason ]]; then
			echo "SKIP: $program: $reason"
		else
			programs+=("$program")
		fi
	done
	set -- "${programs[@]}"
fi
export RFORK_TEST_PATIENCE=10
IFS=' ' read -ra with_device <<<"${RFORK_GUEST_PROGRAMS-}"
guests_limit_s=$((program_limit_s + 60 * $# + 120 * ${#with_device[@]}))
guests_boot "${RFORK_TEST_KERNEL:-6.12}"
# Huge pages for those that need some, which only an administrator can reserve.
guest_run 0 bash -c 'echo 24 >/proc/sys/vm/nr_hugepages'
echo "a guest with Linux ${RFORK_TEST_KERNEL:-6.12} is up after $SECONDS s"
status=0
# By rdma:// small processes would go by the connection.
# shellcheck disable=SC2034 # programs.sh uses it
program_environment=("RFORK_TEST_SCHEME=${RFORK_TEST_SCHEME-rdma://}" RFORK_RDMA_MIN_BYTES=1)
programs_run 0 "$@" || status=1
# Those that need a device name the carrier themselves.
program_environment=()
programs_run 0 "${with_device[@]}" || status=1
# One of them once more as an ordinary user, who may lock 8 MiB of memory.
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all)
program_environment=("${nobody[@]}" prlimit --memlock=8388608)
for program in "${with_device[@]}"; do
	[[ $program == */pages_go_by_rdma ]] || continue
	if guest_run 0 "${nobody[@]}" test -r "$PWD/$program"; then
		programs_run 0 "$program" || status=1
	else
		echo "SKIP: $program: an ordinary user cannot reach the build folder"
	fi
done
exit "$status"
