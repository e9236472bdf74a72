#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: every header compiles alone, included twice, without a warning; rfork.h also as
# strict C11 and, where there is a C++ compiler, as C++.  Run by make check.
set -euo pipefail
status=0

# compile NAME LANGUAGE STANDARD FLAGS...: a translation unit that is the header twice.
compile() {
	local name=$1 language=$2 standard=$3
	shift 3
	printf '#include "%s"\n#include "%s"\ntypedef int rf_not_empty;\n' "$name" "$name" |
		$CC -x "$language" -std="$standard" -Wall -Wextra -Werror -fsyntax-only \
			-I"$RFORK_SOURCE" -I"$RFORK_SOURCE/include" "$@" - || {
		echo "$name does not compile alone as $standard"
		status=1
	}
}

cd "$RFORK_SOURCE"
count=0
has_verbs=no
echo '#include <infiniband/verbs.h>' | $CC -x c -fsyntax-only - 2>/dev/null && has_verbs=yes
while read -r header; do
	# A build without RDMA has no use for these.
	[[ $has_verbs == yes ]] || ! grep -q '^#include <infiniband/' "$header" || continue
	# Code of the library is compiled as gnu11 with the features its files ask for.
	compile "$header" c gnu11 -D_GNU_SOURCE
	count=$((count + 1))
done < <(find include rfork server tools examples bench tests -name '*.h' | LC_ALL=C sort)

compile rfork.h c c11 -pedantic
if echo | $CC -x c++ -fsyntax-only - 2>/dev/null; then
	compile rfork.h c++ c++11 -pedantic
fi
echo "$count headers"
((count > 0)) || status=1
exit "$status"
