#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: a process goes from this machine to one with another kernel and another CPU, and from there to
# this one; on each, all is right that a traveller looks at (traveller.h).  A process that may use what
# the other CPU lacks is refused, by name.  Memory that goes by rdma:// passes the RDMA device, and
# by tcp:// none does.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=nodes.sh
source "$RFORK_SOURCE/tests/rdma/nodes.sh"

nodes_boot 6.12
if grep -qw xsavec /proc/cpuinfo; then
	row host 6.12 tcp 'refused.*lacks.*xsavec'
fi
row "host masked" 6.12 tcp right
row 6.12 host tcp right
row "host masked" "6.12 host" tcp right
counted_row 6.12 6.12 rdma
counted_row 6.12 6.12 tcp
nodes_end
