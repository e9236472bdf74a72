# SPDX-License-Identifier: MIT
#
# What needs another kernel or an RDMA device runs in virtual machines; see README.md.

# -no-install: the program itself, not libtool's script, which would take its time in a guest.
check_PROGRAMS += %D%/traveller
%C%_traveller_SOURCES = %D%/traveller.c %D%/traveller.h \
	%D%/traveller_state.c %D%/traveller_vdso.c %D%/traveller_vectors.c
%C%_traveller_LDADD = $(rf_integration_ldadd)
%C%_traveller_LDFLAGS = -no-install

check_PROGRAMS += %D%/files_of_a_network
%C%_files_of_a_network_LDADD = $(rf_integration_ldadd)
%C%_files_of_a_network_LDFLAGS = -no-install

# Scripts that boot guests.
rf_guest_tests = \
	%D%/processes_run_on_another_kernel.sh \
	%D%/programs_pass_in_a_guest.sh
dist_check_SCRIPTS += $(rf_guest_tests)
TESTS += $(rf_guest_tests)
EXTRA_DIST += %D%/README.md %D%/vm %D%/guests.sh %D%/guest-init %D%/guest-agent %D%/kernel.sh \
	%D%/nodes.sh %D%/programs.sh %D%/network_folder.sh \
	%D%/files_of_a_network_travel.sh \
	%D%/kernels_and_carriers.sh

# What takes minutes: every integration program in a guest with Linux 6.12, some with 6.1, each kind of state
# in both, a node with other libraries, and all directions between three kernels.
rf_guest_ways = '$(rf_state_test) all rfork' '$(rf_state_test) all move' '$(rf_state_test) all node'
rf_guest_visits = $(abs_srcdir)/tests/libraries/processes_visit_another_release.sh
.PHONY: check-rdma
check-rdma: all $(check_PROGRAMS) $(check_LTLIBRARIES)
	@$(AM_TESTS_ENVIRONMENT) status=0; \
	$(SH_LOG_COMPILER) $(srcdir)/%D%/programs_pass_in_a_guest.sh $(rf_integration_tests) \
		$(rf_guest_ways) $(rf_guest_visits) || status=1; \
	RFORK_TEST_KERNEL=6.1 $(SH_LOG_COMPILER) $(srcdir)/%D%/programs_pass_in_a_guest.sh || status=1; \
	RFORK_TEST_KERNEL=6.1 RFORK_GUEST_PROGRAMS= \
		$(SH_LOG_COMPILER) $(srcdir)/%D%/programs_pass_in_a_guest.sh $(rf_guest_ways) \
		'$(rf_state_test) all process' '$(rf_state_test) all restart' || status=1; \
	$(SH_LOG_COMPILER) $(srcdir)/%D%/kernels_and_carriers.sh || status=1; \
	$(SH_LOG_COMPILER) $(srcdir)/%D%/files_of_a_network_travel.sh || status=1; \
	exit $$status

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
