# SPDX-License-Identifier: MIT
#
# Nodes with other libraries: see README.md.

check_PROGRAMS += %D%/patched_library_goes_by_content
TESTS += %D%/patched_library_goes_by_content
%C%_patched_library_goes_by_content_LDADD = $(rf_integration_ldadd)
%C%_patched_library_goes_by_content_DEPENDENCIES = $(rf_integration_ldadd) tests/integration/tls_module.la

# -no-install: the program itself, not libtool's script, which would not run there.
check_PROGRAMS += %D%/visitor
%C%_visitor_SOURCES = %D%/visitor.c %D%/visitor.h %D%/visitor_data.c %D%/visitor_libraries.c
%C%_visitor_LDADD = $(rf_integration_ldadd)
%C%_visitor_LDFLAGS = -no-install

dist_check_SCRIPTS += %D%/processes_visit_another_release.sh
TESTS += %D%/processes_visit_another_release.sh
EXTRA_DIST += %D%/README.md %D%/release.sh

# Makes the other release first, which takes minutes.
.PHONY: check-libraries
check-libraries: all %D%/visitor
	@$(AM_TESTS_ENVIRONMENT) \
	RFORK_TEST_FETCH=1 $(SH_LOG_COMPILER) $(srcdir)/%D%/processes_visit_another_release.sh || test $$? -eq 77
