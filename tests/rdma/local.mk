# SPDX-License-Identifier: MIT
#
# What needs another kernel or an RDMA device runs in virtual machines; see README.md.

EXTRA_DIST += %D%/README.md %D%/vm %D%/guests.sh %D%/guest-init %D%/guest-agent %D%/kernel.sh \
	%D%/programs.sh

# Programs for guests; elsewhere they are skipped, as there is no device.
if RDMA
rf_rdma_programs = \
	%D%/faults_reach_the_caller \
	%D%/lost_roads_are_told \
	%D%/pages_go_by_rdma \
	%D%/remote_pages_are_placed \
	%D%/roads_are_offered_with_devices \
	%D%/strangers_read_no_pages
check_PROGRAMS += $(rf_rdma_programs)
endif
rf_page_source_sources = %D%/page_source.c %D%/page_source.h
rf_rdma_ldadd = $(rf_integration_ldadd) $(RDMACM_LIBS) $(VERBS_LIBS)

%C%_faults_reach_the_caller_LDADD = $(rf_integration_ldadd)

%C%_lost_roads_are_told_SOURCES = %D%/lost_roads_are_told.c $(rf_page_source_sources)
%C%_lost_roads_are_told_LDADD = $(rf_rdma_ldadd)

%C%_remote_pages_are_placed_SOURCES = %D%/remote_pages_are_placed.c $(rf_page_source_sources)
%C%_remote_pages_are_placed_LDADD = $(rf_rdma_ldadd)

%C%_roads_are_offered_with_devices_LDADD = $(rf_integration_ldadd)

%C%_pages_go_by_rdma_LDADD = $(rf_integration_ldadd)

%C%_strangers_read_no_pages_LDADD = $(rf_rdma_ldadd)

# What executables carry from one CPU to another.
check_PROGRAMS += %D%/interrupted
%C%_interrupted_SOURCES = %D%/interrupted.c tests/support/vectors.c tests/support/vectors.h
%C%_interrupted_LDADD = $(rf_statefile_ldadd)
%C%_interrupted_LDFLAGS = -no-install

dist_check_SCRIPTS += %D%/vector_state_survives_other_cpus.sh
TESTS += %D%/vector_state_survives_other_cpus.sh
