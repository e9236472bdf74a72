# SPDX-License-Identifier: MIT
# Properties of what was built.  Each script names its claim and needs only the environment
# that the top Makefile.am sets.

rf_build_checks = \
	%D%/architecture_stays_in_its_folder.sh \
	%D%/each_kind_of_state_is_documented.sh \
	%D%/every_call_is_documented.sh \
	%D%/every_header_compiles_alone.sh \
	%D%/library_has_no_stack_protector.sh \
	%D%/man_pages_are_clean.sh \
	%D%/only_rdma_programs_need_verbs.sh \
	%D%/only_rfork_is_exported.sh \
	%D%/restorer_is_freestanding.sh \
	%D%/start_is_freestanding.sh \
	%D%/version_is_one.sh

dist_check_SCRIPTS += $(rf_build_checks)
TESTS += $(rf_build_checks)
EXTRA_DIST += %D%/README.md
