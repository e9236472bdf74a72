#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: mandoc has no warning about any man page.  Run by make check.
set -euo pipefail
command -v mandoc >/dev/null || {
	echo "mandoc is missing: apt-get install mandoc"
	exit 77
}
cd "$RFORK_SOURCE/doc"
shopt -s nullglob
pages=(*.[1-8])
((${#pages[@]} > 0))
# The operating system's line is the reader's, not ours.
mandoc -I os=Linux -T lint -W warning "${pages[@]}"
echo "${#pages[@]} pages"
