#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: doc/state.md has one row for each kind of state that can be left out of an image, which names
# a test that exists and is run, and the ways by which that goes; and no row for a kind that is none.
# Run by make check.
set -euo pipefail
page=$RFORK_SOURCE/doc/state.md
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# The names in the table of drop.c.
kinds() {
	awk '/^static const struct rf_drop_kind kinds\[\]/, /^};/' "$RFORK_SOURCE/rfork/drop.c" |
		sed -nE 's/^[[:space:]]*(FIELDS|CHANGE|CONTENTS|GUARDS)\("([a-z0-9-]+)".*/\2/p'
}

# Rows, as "kind|test": above "What is not in an image" those that can be left out.
rows() {
	awk -F ' *\\| *' -v part="$1" '
		/^## / { rest = $0 == "## What is not in an image" }
		/^\| / && $2 != "kind" && rest == (part == "rest") { print $2 "|" $(NF - 1) }' "$page"
}

# Whether a file is a test, and is run.
check_test() {
	local kind=$1 test=$2

	case $test in
	tests/*.c)
		[[ -f $RFORK_SOURCE/$test ]] || fail "$kind: there is no $test"
		grep -q "%D%/$(basename "$test" .c)\>" "$RFORK_SOURCE/$(dirname "$test")/local.mk" ||
			fail "$kind: $test is not run"
		;;
	*_rows.c)
		grep -q "\"$kind\"" "$RFORK_SOURCE/tests/state/$test" || fail "$kind: $test has no such row"
		;;
	*) fail "$kind: $test is no test" ;;
	esac
}

count=0
while IFS='|' read -r kind test; do
	count=$((count + 1))
	kinds | grep -qx -- "$kind" || fail "$kind: nothing can leave it out"
	check_test "$kind" "$test"
done < <(rows kinds)
while read -r kind; do
	found=$(rows kinds | grep -c "^$kind|" || true)
	((found == 1)) || fail "$kind: $found rows"
done < <(kinds)
while IFS='|' read -r kind test; do
	check_test "$kind" "$test"
done < <(rows rest)

# What the page says of ways against what the program does.
ways=$(awk -F ' *\\| *' '/^## What is not in an image/ { exit }
	/^\| / && $2 != "kind" { print $2 ": " $5 }' "$page")
tested=$("$RFORK_BUILD/tests/state/each_kind_travels" list)
[[ $(sort <<<"$ways") == $(sort <<<"$tested") ]] ||
	fail "ways: $(diff <(sort <<<"$ways") <(sort <<<"$tested"))"

# The patterns above must not quietly match nothing.
((count > 40)) || fail "state.md: understood only $count rows"
echo "$count kinds, $failures failures"
((failures == 0))
