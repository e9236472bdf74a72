#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: processes go between this machine and two with other kernels, in every direction, by TCP and by
# RDMA where both ends have a device; a journey over all of them ends at home with the right
# answer.  On each machine all is right that a traveller looks at (traveller.h); what cannot go
# is refused by name.  Part of `make check-rdma`; the last lines are the table.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=nodes.sh
source "$RFORK_SOURCE/tests/rdma/nodes.sh"

# One CPU lacks what the C library uses on the other.
guests_cpus=("$guest_cpu" "$guest_cpu,avx2=off")
nodes_masks+=,-AVX2

nodes_boot 6.1 6.12
for guest in 6.1 6.12; do
	if grep -qw xsavec /proc/cpuinfo; then
		row host "$guest" tcp 'refused.*lacks.*xsavec'
	fi
	row "host masked" "$guest" tcp right
	row "$guest" host tcp right
	row "host masked" "$guest" rdma "refused.*$(uname -n).*no RDMA device"
	row "host masked" "$guest" auto right
	row "$guest" host rdma "refused.*$(uname -n).*no RDMA device"
	row "$guest" "$guest" rdma right
done
for carrier in tcp rdma auto; do
	row 6.12 6.1 "$carrier" right
	row 6.1 6.12 "$carrier" 'refused.*lacks.*avx2'
	row "6.1 masked" 6.12 "$carrier" right
	row "6.1 masked" "6.12 6.1 6.12" "$carrier" right
done
counted_row 6.12 6.1 rdma
counted_row "6.1 masked" 6.12 rdma
counted_row 6.12 6.1 tcp
row "host masked" "6.1 6.12 host" tcp right
row "host masked" "6.12 6.1 host 6.1 host" auto right
nodes_end
