# SPDX-License-Identifier: MIT
#
# Three kinds of tests, all run by `make check`, exit status 0 passed, 1 failed, 77 skipped:
# unit/ one Check program per module, integration/ one claim per program, build/ what must be
# true of the artefacts and of the sources themselves.

include %D%/unit/local.mk
include %D%/integration/local.mk
include %D%/build/local.mk

# The main example as a test: a script, so that it also shows how to run it by hand.
dist_check_SCRIPTS += %D%/integration/render_over_three_clones.sh
TESTS += %D%/integration/render_over_three_clones.sh

# Not part of `make check`: mutations of images for half a minute, from a new seed each time.
if UNIT_TESTS
.PHONY: check-long
check-long: %D%/unit/test_reader_fuzz$(EXEEXT)
	RFORK_TEST_SEED=$${RFORK_TEST_SEED:-$$(date +%s)} \
		RFORK_FUZZ_ROUNDS=$${RFORK_FUZZ_ROUNDS:-1000000} %D%/unit/test_reader_fuzz$(EXEEXT)
endif
