# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Debian's own kernels for guests, unpacked from their packages; sourced by guests.sh.  Nothing is
# installed: `apt-get download` works for any user.  A kernel is prepared once and kept:
#
#   $vm_cache/VERSION/vmlinux   what QEMU starts
#   $vm_cache/VERSION/root/     busybox and the modules a guest begins with
#   $vm_cache/VERSION/more/     modules that some tests load, in the order of modules/order

vm_cache=${RFORK_VM_CACHE:-${RFORK_BUILD:+$RFORK_BUILD/tests/rdma/kernels}}
vm_cache=${vm_cache:-${XDG_CACHE_HOME:-$HOME/.cache}/rfork-vm}

# Modules, with those that they need.  Nothing loads others later by itself: the guest's files are the
# host's, and those have no modules for this kernel.
kernel_modules=(virtio_pci virtio_console 9pnet_virtio 9p virtio_net dummy veth
	unix_diag inet_diag crc32c_generic nf_tables crc32_generic rdma_rxe ib_uverbs rdma_ucm)

kernel_more_modules=(nfsd nfsv4)

# kernel_package VERSION: the newest package of that series, such as 6.1 or 6.12.
kernel_package() {
	apt-cache search --names-only "^linux-image-${1//./[.]}[.][0-9].*-amd64\$" |
		sed 's/ .*//' | grep -vE -- '-(cloud|rt)-|unsigned|dbg' | sort -V | tail -n 1
}

# kernel_unpack PACKAGE DIRECTORY: where there is no network, apt is not to try for long.
kernel_unpack() {
	local options=(-o APT::Sandbox::User=root -o Acquire::Retries=0
		-o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10)
	(cd "$2" && timeout 600 apt-get -qq "${options[@]}" download "$1") &&
		dpkg -x "$2/$1"_*.deb "$2"
}

# kernel_extract BZIMAGE: the ELF file within, on standard output.  QEMU starts that at once, while the
# image's own decompressor takes seconds under emulation.  Offsets: Documentation/arch/x86/boot.rst.
kernel_extract() {
	local sectors offset length
	sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
	read -r offset length < <(od -An -tu4 -j $((0x248)) -N 8 "$1")
	# The last 4 bytes of the payload are its size unpacked.
	tail -c +$(((sectors + 1) * 512 + offset + 1)) "$1" | head -c $((length - 4)) >"$1.payload"
	xz -dc "$1.payload" 2>/dev/null || zstd -dcq "$1.payload" 2>/dev/null || cat "$1"
}

# kernel_add_module NAME TREE ROOT: adds it after those that it needs.  What the tree has not is built
# into the kernel, or unknown to it.
kernel_add_module() {
	local name=${1//-/_} file need
	file=$(find "$2" -name "${name//_/[-_]}.ko*" -print -quit)
	[[ $file && ! -e $3/modules/$name.ko ]] || return 0
	xz -dcf "$file" >"$3/modules/$name.ko"
	for need in $(tr '\0' '\n' <"$3/modules/$name.ko" | sed -n '/^depends=/{s///;s/,/ /g;p}'); do
		kernel_add_module "$need" "$2" "$3"
	done
	echo "$name" >>"$3/modules/order"
}

# kernel_unpack_all VERSION DIRECTORY: fails with a reason on standard error.
kernel_unpack_all() {
	local package module
	package=$(kernel_package "$1")
	if [[ -z $package ]]; then
		echo "apt knows no package of Linux $1 for amd64" >&2
		return 1
	fi
	echo "unpacking $package into $vm_cache" >&2
	mkdir -p "$2"/{deb,root/{bin,modules,proc,sys,dev,host,kept},more/modules}
	kernel_unpack "$package" "$2/deb" && kernel_unpack busybox-static "$2/deb" || return 1
	mv "$2/deb/bin/busybox" "$2/root/bin"
	kernel_extract "$2"/deb/boot/vmlinuz-* >"$2/vmlinux"
	for module in "${kernel_modules[@]}"; do
		kernel_add_module "$module" "$2/deb/lib/modules" "$2/root"
	done
	for module in "${kernel_more_modules[@]}"; do
		kernel_add_module "$module" "$2/deb/lib/modules" "$2/more"
	done
	rm -rf "$2/deb"
}

# kernel_prepare VERSION: makes $vm_cache/VERSION, unless it is there; tests may run side by side.
# Fails with a reason on standard error where packages cannot be had.
kernel_prepare() {
	local done=$vm_cache/$1 new=$vm_cache/$1.new
	mkdir -p "$vm_cache"
	(
		flock 9
		! cmp -s "${BASH_SOURCE[0]}" "$done/made-by" || exit 0
		rm -rf "$new" "$done"
		kernel_unpack_all "$1" "$new" || exit 1
		cp "${BASH_SOURCE[0]}" "$new/made-by"
		mv "$new" "$done"
	) 9>"$vm_cache/$1.lock"
}
