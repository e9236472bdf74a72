# SPDX-License-Identifier: MIT
#
# What needs another kernel or an RDMA device runs in virtual machines; see README.md.

EXTRA_DIST += %D%/README.md %D%/vm %D%/guests.sh %D%/guest-init %D%/guest-agent %D%/kernel.sh \
	%D%/programs.sh
