#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: configure.ac, rfork.h and NEWS name the same version.  Run by make check.
set -euo pipefail
cd "$RFORK_SOURCE"
configured=$(sed -n 's/^AC_INIT(\[rfork\], \[\(.*\)\])$/\1/p' configure.ac)
declared=$(awk '/#define RFORK_VERSION_(MAJOR|MINOR|PATCH)/ { v = v (v == "" ? "" : ".") $3 }
	END { print v }' include/rfork.h)
news=$(sed -n 's/^rfork \([0-9.]*\).*/\1/p' NEWS | head -n 1)
echo "configure.ac $configured, rfork.h $declared, NEWS $news"
[[ -n $configured && $configured == "$declared" && $configured == "$news" ]]
