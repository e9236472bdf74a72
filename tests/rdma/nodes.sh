# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Nodes on the host and in guests that can reach each other, and a table of what went where.  Sourced,
# with RFORK_BUILD, RFORK_SOURCE and RFORK_SERVER set, under set -euo pipefail:
#
#   nodes_boot [KERNEL [KERNEL]]   a node on the host, and one in each guest; all have the same key
#   row FROM TO CARRIER EXPECTED   a traveller goes from FROM to TO, each a place
#   counted_row FROM TO CARRIER    one with 256 MiB of noise goes from guest to guest, and the device of TO
#                                  has received as much, by rdma, or nothing
#   nodes_end                      all nodes end well; prints the table; false if a row was not as expected
#
# A place is `host`, or a guest by its kernel, such as 6.1.  FROM may have " masked" behind it: the
# traveller may not use what the guests lack.  TO may be several places, one after the other.  CARRIER is a
# scheme of host strings.  EXPECTED is `right`, or `refused` and a regular expression that the sentence
# must match.
# shellcheck source-path=SCRIPTDIR source=guests.sh
source "$RFORK_SOURCE/tests/rdma/guests.sh"
# shellcheck source-path=SCRIPTDIR source=../support/server.sh
source "$RFORK_SOURCE/tests/support/server.sh"

# What a guest has every machine has that is not very old; what it lacks is as good as any for a test
# of what is lacking.
guest_cpu=${RFORK_VM_CPU:-Haswell-noTSX}
nodes_masks=GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512CD,-AVX512BW,-AVX512DQ,-AVX512VL
nodes_masks+=,-AVX512ER,-AVX512PF,-XSAVEC

nodes_mib=4 # of noise that a traveller carries
nodes_kernels=()
nodes_table=()
nodes_failed=0

# The deadlines of tests and of their rfork() calls, under emulation and beside other tests.
export RFORK_TEST_PATIENCE=10
# By rdma:// a small process would go by the connection.
export RFORK_RDMA_MIN_BYTES=1

nodes_clean_up() {
	local status=$?
	guests_end || true
	set +e # clean_up ends with the status that it finds
	(exit "$status")
	clean_up
}

# The same key file everywhere: a process takes the path along.
start_node_in_guest() {
	local rank=$1
	# shellcheck disable=SC2016 # the guest expands it
	guest_run "$rank" bash -c 'umask 077 && mkdir -p "${2%/*}" && echo "$1" >"$2"' key \
		"$(cat "$RFORK_KEY_FILE")" "$RFORK_KEY_FILE"
	guest_run "$rank" "$RFORK_SERVER" --daemon --user root --insecure-plaintext \
		--key-file "$RFORK_KEY_FILE" --port-file /run/rfork-port \
		--listen "10.0.2.15:$guest_port" --listen "10.77.0.$((rank + 1)):$guest_port"
}

nodes_boot() {
	local rank
	nodes_kernels=("$@")
	# Before the server, whose key file the guests are to be told.
	start_server
	guests_boot "$@"
	trap nodes_clean_up EXIT
	for rank in "${!nodes_kernels[@]}"; do
		start_node_in_guest "$rank"
	done
}

rank_of() {
	local rank
	for rank in "${!nodes_kernels[@]}"; do
		[[ ${nodes_kernels[rank]} != "$1" ]] || echo "$rank"
	done
}

# address_from PLACE TARGET: where processes at PLACE reach the node at TARGET.
address_from() {
	local from to
	from=$(rank_of "$1")
	to=$(rank_of "$2")
	case $2,$from in
	host,) echo "$host" ;;
	host,*) echo "10.0.2.2:${host##*:}" ;;
	*,) guest_host "$to" ;;
	*) echo "10.77.0.$((to + 1)):$guest_port" ;;
	esac
}

# at PLACE COMMAND...
at() {
	local rank
	rank=$(rank_of "$1")
	shift
	if [[ $rank ]]; then
		guest_run "$rank" "$@"
	else
		"$@" </dev/null 2>&1
	fi
}

# result_of STATUS OUTPUT: of a traveller, for the table.
result_of() {
	case $1 in
	0) echo right ;;
	3) sed -n 's/^refused: [^ ]*: /refused: /p' <<<"$2" ;;
	*) echo "WRONG: status $1" ;;
	esac
}

# row_command FROM TO CARRIER: sets `command`.
row_command() {
	local place=${1% masked} next
	command=("$RFORK_BUILD/tests/rdma/traveller" -m "$nodes_mib")
	[[ $1 == "$place" ]] || command=(env "$nodes_masks" "${command[@]}")
	for next in $2; do
		command+=("$3://$(address_from "$place" "$next")")
		place=$next
	done
}

row() {
	local expected=$4 status=0 output result mark='' command
	row_command "$@"
	output=$(at "${1% masked}" "${command[@]}") || status=$?
	printf '%s\n' "" "-- $1 -> $2 by $3" "$output"
	result=$(result_of "$status" "$output")
	if [[ ! $result =~ ^$expected ]]; then
		mark=" (expected: $expected)"
		nodes_failed=$((nodes_failed + 1))
	fi
	((${#result} <= 100)) || result="${result::100}..."
	nodes_table+=("$(printf '%-11s | %-24s | %-4s | %s' "$1" "$2" "$3" "$result$mark")")
}

# received_mib PLACE: as much as the packets can hold that its device has received since it was made.
received_mib() {
	local packets
	packets=$(at "$1" cat /sys/class/infiniband/rxe0/ports/1/hw_counters/rcvd_pkts)
	echo $((packets / 256)) # of 4096 bytes at most
}

counted_row() {
	local nodes_mib=256 before mib expected=0
	before=$(received_mib "$2")
	row "$1" "$2" "$3" right
	mib=$(($(received_mib "$2") - before))
	nodes_table[-1]+=", $nodes_mib MiB of noise, $mib MiB in packets of RDMA"
	[[ $3 != rdma ]] || expected=$nodes_mib
	if ((mib < expected || (expected == 0 && mib > 0))); then
		nodes_table[-1]+=" (expected: $expected)"
		nodes_failed=$((nodes_failed + 1))
	fi
}

# The listener is the first process of that name; sessions are of the same.
stop_node_in_guest() {
	# shellcheck disable=SC2016 # the guest expands it
	guest_run "$1" bash -c 'kill -TERM $(grep -lx rfork-server /proc/[0-9]*/comm |
		cut -d / -f 3 | sort -n | head -n 1)'
}

nodes_end() {
	local rank
	for rank in "${!nodes_kernels[@]}"; do
		stop_node_in_guest "$rank"
	done
	guests_end
	stop_server
	echo
	printf '%-11s | %-24s | %-4s | %s\n' from to by result
	printf '%s\n' "${nodes_table[@]}"
	((nodes_failed == 0)) || fail "$nodes_failed of ${#nodes_table[@]} rows are not as expected"
}
