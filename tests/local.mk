# SPDX-License-Identifier: MIT
#
# Three kinds of tests, all run by `make check`, exit status 0 passed, 1 failed, 77 skipped:
# unit/ one Check program per module, integration/ one claim per program, build/ what must be
# true of the artefacts and of the sources themselves.

include %D%/unit/local.mk
include %D%/integration/local.mk
include %D%/build/local.mk

# Scripts, where what a user types is the point: they also show how to run it by hand.
rf_script_tests = \
	%D%/integration/examples_do_what_they_say.sh \
	%D%/integration/render_over_three_clones.sh \
	%D%/integration/server_says_where_it_listens.sh
dist_check_SCRIPTS += $(rf_script_tests)
TESTS += $(rf_script_tests)
EXTRA_DIST += %D%/support/server.sh

# Not part of `make check`: mutations of images for half a minute, from a new seed each time.
if UNIT_TESTS
.PHONY: check-long
check-long: %D%/unit/test_reader_fuzz$(EXEEXT)
	RFORK_TEST_SEED=$${RFORK_TEST_SEED:-$$(date +%s)} \
		RFORK_FUZZ_ROUNDS=$${RFORK_FUZZ_ROUNDS:-1000000} %D%/unit/test_reader_fuzz$(EXEEXT)
endif
