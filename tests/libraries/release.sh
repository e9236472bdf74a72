# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A node with other libraries: the files of another release of Debian, made once by debootstrap and
# kept, and programs that run among them; sourced.  Needs root, and for the making a mirror: the one
# from which this machine has its own packages.
#
#   $release_root         the files: with a user, a group and a host that no other machine has
#   $release_directory    where the programs of the build that are named in $release_programs are there

release_cache=${RFORK_LIBRARIES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rfork-libraries}
release_directory=/mnt
release_programs=(server/rfork-server server/rfork-shell tools/undump tests/libraries/visitor)
[[ ! -e $RFORK_BUILD/server/rfork-shell-rdma ]] || release_programs+=(server/rfork-shell-rdma)
release_boot_id=00000000-1111-2222-3333-444444444444

# What the visitor finds there, and only there.
release_user='visited:x:4711:4711::/:/bin/sh'
release_group='visited:x:4711:visited'
release_hosts=$'127.0.0.1 localhost\n192.0.2.47 visited.invalid'

release_skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

# release_choose: sets $release_name.  A later release than this machine's, since programs that were built
# here find in a later C library what they need; the other way they go by rfork().
release_choose() {
	release_here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	case $release_here in
	bullseye) release_name=bookworm ;;
	bookworm) release_name=trixie ;;
	trixie) release_name=sid ;;
	*) release_skip "no later release of Debian is known than this system (${release_here:-without a name})" ;;
	esac
	release_root=$release_cache/$release_name
	# what programs of the build need there, by the names that it has in that release
	release_packages=libsodium23,libunwind8,ibverbs-providers,liblz4-1,libzstd1
	case $release_name in
	bookworm) release_packages+=,libelf1,librdmacm1 ;;
	*) release_packages+=,libelf1t64,librdmacm1t64 ;;
	esac
}

# release_mirror: where this machine has its packages from.
release_mirror() {
	# shellcheck disable=SC2016 # apt knows these
	apt-get indextargets --format '$(REPO_URI)' "Codename: $release_here" 'Origin: Debian' | head -n 1
}

# release_furnish ROOT: what the visitor looks for, less what nobody does.
release_furnish() {
	echo "$release_user" >>"$1/etc/passwd"
	echo "$release_group" >>"$1/etc/group"
	echo "$release_hosts" >"$1/etc/hosts"
	rm -rf "$1"/var/cache/apt "$1"/var/lib/apt/lists "$1"/usr/share/{doc,man,locale,info}
}

# release_make DIRECTORY: takes minutes; DIRECTORY.log says what went wrong.  What debootstrap mounts is
# gone with it.
release_make() {
	local mirror
	mirror=$(release_mirror)
	[[ $mirror ]] || {
		echo "apt knows no mirror of $release_here" >"$1.log"
		return 1
	}
	echo "making $release_root, which takes minutes"
	timeout 900 unshare --mount --propagation private \
		debootstrap --variant=minbase --include="$release_packages" "$release_name" "$1" "$mirror" \
		>"$1.log" 2>&1 &&
		release_furnish "$1"
}

# release_is_made: by this script, as it is.
release_is_made() {
	cmp -s "${BASH_SOURCE[0]}" "$release_root.made-by"
}

# release_prepare: makes $release_root, unless it is there; tests may run side by side.  Where that is not
# possible it skips the test.  What takes minutes is done only where RFORK_TEST_FETCH says so.
release_prepare() {
	((EUID == 0)) || release_skip "only root can go to another root directory"
	! "${READELF:-readelf}" -d "$RFORK_SERVER" | grep -q 'NEEDED.*san[.]so' ||
		release_skip "the server is built with sanitizers, whose libraries are not there"
	release_choose
	! release_is_made || return 0
	[[ ${RFORK_TEST_FETCH-} ]] ||
		release_skip "there is no $release_root of now; \"make check-libraries\" makes it"
	command -v debootstrap >/dev/null || release_skip "debootstrap is missing: apt-get install debootstrap"
	mkdir -p "$release_cache"
	(
		flock 9
		! release_is_made || exit 0
		rm -rf --one-file-system "$release_root" "$release_root.new" "$release_root.made-by"
		release_make "$release_root.new" && mv "$release_root.new" "$release_root" &&
			cp "${BASH_SOURCE[0]}" "$release_root.made-by"
	) 9>"$release_root.lock" ||
		release_skip "debootstrap of $release_name: $(tail -n 1 "$release_root.new.log")"
}

# release_enter COMMAND...: becomes a program there, in a namespace of mounts of its own; with the
# programs, the directory of the test, and the boot id of another machine.  Its root is that of a mount,
# as in a container: to be in a mere chroot would be refused.
release_enter() {
	mount --bind "$release_root" "$release_root"
	mount --rbind /proc "$release_root/proc"
	mount --rbind /sys "$release_root/sys"
	mount --rbind /dev "$release_root/dev"
	mount -t tmpfs none "$release_root$release_directory"
	mount -t tmpfs none "$release_root/tmp"
	(cd "$RFORK_BUILD" && cp --parents "${release_programs[@]}" .libs/librfork.so.? \
		"$release_root$release_directory")
	mkdir -p "$release_root$directory"
	mount --bind "$directory" "$release_root$directory"
	echo "$release_boot_id" >"$release_root$release_directory/boot_id"
	mount --bind "$release_root$release_directory/boot_id" \
		"$release_root/proc/sys/kernel/random/boot_id"
	cd "$release_root" || exit
	export RFORK_BUILD=$release_directory LD_LIBRARY_PATH=$release_directory/.libs
	exec chroot "$release_root" "$@"
}

# release_run COMMAND...: the same from outside; the shell, or subshell, becomes that program.
release_run() {
	export RFORK_BUILD directory
	# shellcheck disable=SC2016 # it is for the inner shell
	exec unshare --mount --propagation private bash -euc \
		'. "$1"; release_root=$2; shift 2; release_enter "$@"' bash "${BASH_SOURCE[0]}" "$release_root" "$@"
}
