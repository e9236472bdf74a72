#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: of what is built only the programs for RDMA need libibverbs and librdmacm; librfork.so, the
# server and the static shell do not, and so neither does any program that uses rfork().  Run by make
# check.
set -euo pipefail
status=0

# needs FILE: the libraries of RDMA among those that it is linked with.
needs() {
	$READELF -d "$1" | sed -nE 's/.*NEEDED.*\[(lib(ibverbs|rdmacm)[^]]*)\]/\1/p' | tr '\n' ' '
}

for file in .libs/librfork.so server/rfork-server server/rfork-shell tools/undump; do
	[[ -e $RFORK_BUILD/$file ]] || continue
	libraries=$(needs "$RFORK_BUILD/$file")
	if [[ -n $libraries ]]; then
		echo "$file needs $libraries"
		status=1
	fi
done
# One that needs them, so that the check itself is known to see them.
shell=$RFORK_BUILD/server/rfork-shell-rdma
if [[ -e $shell && -z $(needs "$shell") ]]; then
	echo "${shell##*/} needs no library of RDMA, or they are not seen"
	status=1
fi
exit "$status"
