# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Boots one or two virtual machines with Debian's own kernels and a Soft-RoCE device, and runs
# commands there.  No privilege, nothing installed; plain emulation unless RFORK_VM_ACCEL says
# otherwise.  Sourced by tests/rdma/*.sh and by vm, under set -euo pipefail:
#
#   guests_boot [KERNEL [KERNEL]]   one guest each, such as 6.12 (the default) and 6.1
#   guest_run RANK COMMAND...       as root in that guest; its output and its exit status
#   guest_host RANK                 HOST:PORT on this machine that leads to the guest's $guest_port
#   guests_end                      also at exit
#
# A guest sees this machine's files, read-only, but for /tmp, /run and /var/tmp, which are its own;
# the directory in which guests_boot was called is shared read-write.  Commands get the environment of
# that call, and more, see guest-agent.  Where QEMU or a kernel cannot be had, guests_boot exits 77.

guests_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=kernel.sh
source "$guests_folder/kernel.sh"

guest_accel=${RFORK_VM_ACCEL:-tcg,thread=multi}
# Copying by `rep movsb`, which these features recommend, is several times slower under emulation.
guest_cpu=${RFORK_VM_CPU:-max,erms=off,fsrm=off}
guests_cpus=()        # by rank, where they differ
guest_memory_mib=1536
guest_processors=2
guest_port=7433       # in the guest; listen at 10.0.2.15
guests_limit_s=600    # of all, boot included
guests_run=           # a folder while guests boot or run
guests_to=() guests_from=() guests_pids=() # by rank: descriptors of the agent, QEMU

guests_skip() {
	echo "skipped: $*"
	exit 77
}

guests_need() {
	local program
	for program in qemu-system-x86_64 rdma apt-get dpkg xz zstd flock setpriv ss; do
		[[ $(PATH=$PATH:/sbin:/usr/sbin type -P "$program") ]] ||
			guests_skip "$program is not installed"
	done
}

# guest_initrd DIRECTORY: the first root of a guest on standard output, in two archives.
guest_initrd() {
	local top=$guests_run/root folder
	install -D -m 755 "$guests_folder/guest-init" "$top/init"
	install -m 644 "$guests_folder/guest-agent" "$top/agent"
	(RFORK_VM_DIRECTORY=$PWD && export RFORK_VM_DIRECTORY && export -p) >"$top/environment"
	printf %s "$PWD" >"$top/directory"
	printf '%s\n' "${guests_folder%/tests/rdma}" "${RFORK_BUILD:-$PWD}" "$vm_cache" >"$top/kept-folders"
	for folder in "$1/root" "$top"; do
		(cd "$folder" && find . | "$1/root/bin/busybox" cpio -o -H newc 2>/dev/null)
	done
}

# guest_command RANK COUNT KERNEL: sets `command` to QEMU's.  Its standard streams are the agent's.
# shellcheck disable=SC2054 # commas are QEMU's
guest_command() {
	local rank=$1 count=$2 kernel=${vm_cache:?}/$3 cable=$guests_run/cable
	# no_timer_check: on a busy machine the kernel's look at its timer comes too early, and it panics
	local boot="console=ttyS0 quiet panic=-1 oops=panic mitigations=off no_timer_check"
	command=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
		-machine q35 -accel "$guest_accel" -cpu "${guests_cpus[rank]:-$guest_cpu}"
		-smp "$guest_processors" -m "$guest_memory_mib" -pidfile "$guests_run/pid.$rank"
		-kernel "$kernel/vmlinux" -initrd "$guests_run/initrd.$rank"
		-append "$boot rank=$rank count=$count"
		-chardev "file,id=console,path=$guests_run/console.$rank" -serial chardev:console
		-chardev stdio,id=agent,signal=off -device virtio-serial-pci
		-device virtserialport,chardev=agent,nr=1
		-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap
		-virtfs "local,path=${PWD//,/,,},mount_tag=shared,security_model=none,multidevs=remap"
		-netdev "user,id=user,hostfwd=tcp:127.0.0.1:0-10.0.2.15:$guest_port"
		-device virtio-net-pci,netdev=user,mac=52:54:00:77:01:00)
	((count == 1)) || command+=(
		-netdev "dgram,id=cable,local.type=unix,local.path=$cable.$rank,remote.type=unix,remote.path=$cable.$((1 - rank))"
		-device "virtio-net-pci,netdev=cable,mac=52:54:00:77:00:0$rank")
}

# guest_start RANK COUNT KERNEL: QEMU in the background, not longer than the limit, nor than this shell.
guest_start() {
	local rank=$1 to from command
	guest_initrd "$vm_cache/$3" >"$guests_run/initrd.$rank"
	guest_command "$@"
	rm -f "$guests_run/to.$rank"
	mkfifo "$guests_run/to.$rank"
	exec {from}< <(
		for to in "${guests_to[@]}"; do exec {to}>&-; done
		exec setpriv --pdeathsig TERM timeout -k 5 "$guests_limit_s" "${command[@]}" \
			<"$guests_run/to.$rank" 2>"$guests_run/qemu.$rank"
	)
	guests_pids[rank]=$! guests_from[rank]=$from
	exec {to}>"$guests_run/to.$rank"
	guests_to[rank]=$to
}

# guest_fail RANK TEXT: what the guest said last, and status 125, or 124 at the time limit.
guest_fail() {
	local status=125
	((SECONDS < guests_deadline_s)) || status=124
	{
		tail -n 40 "$guests_run/console.$1" "$guests_run/qemu.$1" 2>/dev/null || true
		echo "guest $1: $2"
		((status == 125)) || echo "time limit, $guests_limit_s s"
	} >&2
	exit "$status"
}

# guest_read RANK: the next line of the agent in `line`; false if the guest has gone, or at the deadline.
guest_read() {
	local left=$((guests_deadline_s - SECONDS))
	((left > 0)) && IFS= read -r -t "$left" -u "${guests_from[$1]}" line
}

# Its lock says that this shell, or a guest, is there.  Those without were left by killed shells.
guests_open_folder() {
	find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'rfork-vm-*' -user "$EUID" -mmin +1 \
		-exec flock -n {} rm -rf {} \; 2>/dev/null || true
	guests_run=$(mktemp -d "${TMPDIR:-/tmp}/rfork-vm-XXXXXX")
	exec {guests_lock}<"$guests_run"
	flock "$guests_lock"
}

guests_boot() {
	local kernels=("${@:-6.12}") kernel rank reason
	guests_need
	for kernel in "${kernels[@]}"; do
		reason=$(kernel_prepare "$kernel" 2>&1) || guests_skip "no Linux $kernel: $reason"
	done
	guests_open_folder
	guests_deadline_s=$((SECONDS + guests_limit_s))
	trap guests_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	for rank in "${!kernels[@]}"; do
		guest_start "$rank" "${#kernels[@]}" "${kernels[rank]}"
	done
	for rank in "${!kernels[@]}"; do
		guest_await "$rank" "${#kernels[@]}" "${kernels[rank]}"
	done
}

# guest_await RANK COUNT KERNEL: until the guest is ready.  Kernels patch their code while they boot, which
# an emulator of several processors does not always survive; such a one is started again.
guest_await() {
	local rank=$1 line tries=3 to from
	until guest_read "$rank"; do
		((--tries > 0 && SECONDS < guests_deadline_s)) || guest_fail "$rank" "does not boot"
		echo "guest $rank does not boot: $(grep -m 1 -o 'Kernel panic.*' "$guests_run/console.$rank" || true)"
		to=${guests_to[rank]} from=${guests_from[rank]}
		exec {to}>&- {from}<&-
		unset 'guests_to[rank]' 'guests_from[rank]'
		kill "${guests_pids[rank]}" 2>/dev/null || true
		wait "${guests_pids[rank]}" 2>/dev/null || true
		guest_start "$@"
	done
	[[ $line == ready ]] || guest_fail "$rank" "says $line"
	rm "$guests_run/initrd.$rank"
}

# One at a time for each guest.  A command that leaves processes behind must send their output elsewhere.
guest_run() {
	local rank=$1 line
	shift
	printf '%q ' "$@" >&"${guests_to[rank]}"
	echo >&"${guests_to[rank]}"
	while guest_read "$rank"; do
		case $line in
		' '*) printf '%s\n' "${line# }" ;;
		=*) return "${line#=}" ;;
		esac
	done
	guest_fail "$rank" "gone, or silent, while it ran $*"
}

guest_host() {
	local pid
	read -r pid <"$guests_run/pid.$1"
	ss -Hltnp | awk -v "pid=pid=$pid," 'index($0, pid) { print $4 }'
}

# Ends the guests: they power off when their agents read no more.
guests_end() {
	local status=$? rank to
	trap - EXIT
	for rank in "${!guests_to[@]}"; do
		to=${guests_to[rank]}
		exec {to}>&-
	done
	((status == 0)) || kill "${guests_pids[@]}" 2>/dev/null || true
	for rank in "${!guests_pids[@]}"; do
		wait "${guests_pids[rank]}" 2>/dev/null || true
	done
	if [[ $guests_run ]]; then
		rm -rf -- "$guests_run"
		exec {guests_lock}<&-
	fi
	guests_to=() guests_from=() guests_pids=() guests_run=
	return "$status"
}
