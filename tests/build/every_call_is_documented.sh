#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: every call of rfork.h has a comment that begins with its name, and a man page of its
# own with NAME, SYNOPSIS, RETURN VALUES and ERRORS.  Run by make check.
set -euo pipefail
header=$RFORK_SOURCE/include/rfork.h
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# One line per prototype: its name, and the name that the comment before it begins with.
prototypes() {
	awk '
		/^\/\*/ { commented = ""; comment = 1 }
		comment && /^ \* rfork[a-z_]* - / { commented = $2 }
		/\*\/[[:space:]]*$/ { comment = 0; next }
		comment { next }
		/^[a-z].*[ *]rfork[a-z_]*\(.*\);$/ {
			name = $0
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
			print name, (commented == "" ? "-" : commented)
			commented = ""
		}' "$header"
}

calls=0
while read -r name commented; do
	calls=$((calls + 1))
	[[ $name == "$commented" ]] || fail "rfork.h: $name has no comment that begins with its name"
	page=$RFORK_SOURCE/doc/$name.3
	if [[ ! -f $page ]]; then
		fail "doc/$name.3 is missing"
		continue
	fi
	for section in NAME SYNOPSIS DESCRIPTION "RETURN VALUES" ERRORS "SEE ALSO"; do
		grep -q "^\.Sh $section\$" "$page" || fail "doc/$name.3: no section $section"
	done
	grep -q "^\.Nm $name\b" "$page" || fail "doc/$name.3: NAME is not $name"
	grep -qE "^\.F[no] $name( |\$)" "$page" || fail "doc/$name.3: no prototype"
	[[ -z $RFORK_BUILD ]] || grep -q "doc/$name\.3" "$RFORK_BUILD/Makefile" ||
		fail "doc/$name.3 is not installed"
done < <(prototypes)

# The pattern above must not quietly match nothing.
declared=$(grep -cE '^[a-z].*\);$' "$header")
((calls == declared && calls > 0)) || fail "rfork.h: understood $calls of $declared prototypes"
echo "$calls calls, $failures failures"
((failures == 0))
