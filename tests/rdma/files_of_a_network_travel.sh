#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Claim: of a folder that two machines have by NFS, a child on the other has what the caller had open: a
# file that is only read, one that is written to, a directory that was read in part, what is mapped to be
# read, the working directory.  Shared memory of a file is refused by its addresses.  Of a folder that
# they have by 9p, whose locks the other does not see, the file that is written to is refused by name.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=nodes.sh
source "$RFORK_SOURCE/tests/rdma/nodes.sh"
# shellcheck source-path=SCRIPTDIR source=network_folder.sh
source "$RFORK_SOURCE/tests/rdma/network_folder.sh"

nodes_boot 6.12 6.1
network_folder_share /tmp/network 6.12 6.1
program=$RFORK_BUILD/tests/rdma/files_of_a_network
there=tcp://$(address_from 6.12 6.1)
guest_run 0 "$program" "$there" /tmp/network proved
folder=$PWD/files-of-a-network.$$
mkdir "$folder"
guest_run 0 "$program" "$there" "$folder" unproved
rmdir "$folder"
nodes_end
