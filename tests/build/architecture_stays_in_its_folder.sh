#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: no preprocessor line asks for an architecture outside rfork/x86_64/; what differs
# between them stands behind rfork/arch.h.  Run by make check.
set -euo pipefail
cd "$RFORK_SOURCE"
names='__x86_64__|__amd64__|__i386__|__aarch64__|__arm__|__riscv|__powerpc|__s390'
folders=()
for folder in include rfork server tools examples bench; do
	[[ ! -d $folder ]] || folders+=("$folder")
done
found=$(grep -rnE --include='*.[chS]' "^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif).*($names)" \
	"${folders[@]}" | grep -v '^rfork/x86_64/' || true)
if [[ -n $found ]]; then
	echo "architecture outside its folder:"
	echo "$found"
	exit 1
fi
