# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A folder that two guests share by NFS 4.2, of the kernels' own server and client: no program of NFS is
# needed, in the guests or here.  Sourced after guests.sh:
#
#   network_folder_share FOLDER KERNEL KERNEL
#                      both guests, which have these kernels, have it; guest 0 serves it
#
# What rpc.nfsd, exportfs and rpc.mountd would say to the kernel is written to its files (nfsd(7)).

# network_load RANK KERNEL: the modules of both sides, which guests do not begin with.
network_load() {
	# shellcheck disable=SC2016 # the guest expands it
	guest_run "$1" bash -c '
		while read -r module; do
			[[ -d /sys/module/$module ]] || "$1/root/bin/busybox" insmod "$1/more/modules/$module.ko" || exit
		done <"$1/more/modules/order"' load "${vm_cache:?}/$2"
}

# The server's grace, in which clients of an earlier one would get their locks back, is as short as can
# be: a lock waits for its end.
network_serve() {
	# shellcheck disable=SC2016 # the guest expands it
	guest_run 0 bash -ec '
		mkdir -p /tmp/served
		mount -t tmpfs -o mode=1777 tmpfs /tmp/served
		mount -t nfsd nfsd /proc/fs/nfsd
		forever=2147483647
		# insecure port, asynchronous, no subtree check, fsid; nobody is squashed
		flags=$((0x4 | 0x10 | 0x400 | 0x2000))
		for address in 10.77.0.1 10.77.0.2; do
			echo "nfsd $address $forever guests" >/proc/net/rpc/auth.unix.ip/channel
		done
		echo "guests /tmp/served $forever $flags 65534 65534 0" >/proc/net/rpc/nfsd.export/channel
		echo "guests 1 \\x00000000 $forever /tmp/served" >/proc/net/rpc/nfsd.fh/channel
		echo "-3 +4.2" >/proc/fs/nfsd/versions
		echo 10 >/proc/fs/nfsd/nfsv4leasetime
		echo 10 >/proc/fs/nfsd/nfsv4gracetime
		echo "tcp 2049" >/proc/fs/nfsd/portlist
		echo 4 >/proc/fs/nfsd/threads'
}

# network_mount RANK FOLDER
network_mount() {
	# shellcheck disable=SC2016 # the guest expands it
	guest_run "$1" bash -ec '
		mkdir -p "$1"
		mount -i -t nfs4 -o "vers=4.2,addr=10.77.0.1,clientaddr=$2,sec=sys" 10.77.0.1:/ "$1"' \
		mount "$2" "10.77.0.$(($1 + 1))"
}

# network_folder_share FOLDER KERNEL KERNEL
network_folder_share() {
	network_load 0 "$2"
	network_load 1 "$3"
	network_serve
	network_mount 0 "$1"
	network_mount 1 "$1"
}
