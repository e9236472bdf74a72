#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: no object of librfork reads the stack protector's canary, whatever CFLAGS the user
# set: the frozen ghost and the restored thread must not depend on it.  Run by make check.
set -euo pipefail
archive=$RFORK_BUILD/.libs/librfork.a
[[ -e $archive ]] || {
	echo "$archive was not built"
	exit 77
}
undefined=$($NM -u "$archive")
if grep -F __stack_chk_ <<<"$undefined"; then
	echo "librfork.a was compiled with a stack protector"
	exit 1
fi
