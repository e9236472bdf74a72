#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: librfork.so exports the calls of rfork.h, each under a version, and nothing else;
# librfork.a defines no global name but rfork* and rf_*.  Run by make check.
set -euo pipefail
shared=$RFORK_BUILD/.libs/librfork.so
archive=$RFORK_BUILD/.libs/librfork.a
status=0

if [[ -e $shared ]]; then
	declared=$(grep -E '^[a-z].*\);$' "$RFORK_SOURCE/include/rfork.h" |
		sed -E 's/\(.*//; s/.*[ *]//; s/$/@@RFORK_0.1/' | sort)
	exported=$($NM -D --defined-only --with-symbol-versions "$shared" |
		awk '$2 != "A" { print $3 }' | sort)
	if [[ $exported != "$declared" ]]; then
		echo "librfork.so (< declared and expected, > exported):"
		diff <(echo "$declared") <(echo "$exported") || true
		status=1
	fi
fi
if [[ -e $archive ]]; then
	others=$($NM -g --defined-only "$archive" |
		awk 'NF == 3 && $3 !~ /^(rfork|rf_)/ { print $3 }' | sort -u)
	if [[ -n $others ]]; then
		echo "librfork.a defines:" "$others"
		status=1
	fi
fi
if [[ ! -e $shared && ! -e $archive ]]; then
	echo "neither $shared nor $archive was built"
	exit 77
fi
exit "$status"
