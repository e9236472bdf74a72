# SPDX-License-Identifier: MIT
#
# Endurance: what takes a minute or more, and is not part of `make check`.  `make check-long` runs
# all of it, one after the other, as root where networks are to fail; each program can be run by hand.

rf_long_tests = \
	%D%/executables_have_as_many_mappings_as_allowed \
	%D%/silence_after_a_long_stop_is_noticed \
	%D%/soak_leaves_nothing
EXTRA_PROGRAMS = $(rf_long_tests)
CLEANFILES += $(rf_long_tests) $(rf_long_runs:=.long.log)

%C%_executables_have_as_many_mappings_as_allowed_LDADD = $(rf_integration_ldadd)
%C%_silence_after_a_long_stop_is_noticed_LDADD = $(rf_integration_ldadd)
%C%_soak_leaves_nothing_LDADD = $(rf_integration_ldadd)

rf_long_runs = \
	tests/integration/stopped_peers_are_not_lost$(EXEEXT) \
	tests/model/random_scripts_agree$(EXEEXT) \
	tests/state/each_kind_travels$(EXEEXT) \
	$(rf_long_tests:=$(EXEEXT))
if UNIT_TESTS
rf_long_runs += tests/unit/test_reader_fuzz$(EXEEXT) tests/unit/test_statefile_fuzz$(EXEEXT)
endif

# A seed of its own each time, which the programs print; peers that are stopped for a minute; thousands
# of random scripts.
.PHONY: check-long
check-long: all $(rf_long_runs)
	@$(AM_TESTS_ENVIRONMENT) status=0; \
	RFORK_TEST_SEED=$${RFORK_TEST_SEED:-$$(date +%s)}; \
	RFORK_FUZZ_ROUNDS=$${RFORK_FUZZ_ROUNDS:-1000000}; \
	RFORK_TEST_STOPPED_S=$${RFORK_TEST_STOPPED_S:-60}; \
	RFORK_TEST_SCRIPTS=$${RFORK_TEST_SCRIPTS:-5000}; \
	RFORK_TEST_MATRIX=$${RFORK_TEST_MATRIX:-1}; \
	export RFORK_TEST_SEED RFORK_FUZZ_ROUNDS RFORK_TEST_STOPPED_S RFORK_TEST_SCRIPTS; \
	export RFORK_TEST_MATRIX; \
	for program in $(rf_long_runs); do \
		$$program >$$program.long.log 2>&1; result=$$?; \
		case $$result in \
		0) echo "PASS: $$program" ;; \
		77) echo "SKIP: $$program: $$(grep '^skipped:' $$program.long.log)" ;; \
		*) echo "FAIL: $$program"; status=1; tail -n 20 $$program.long.log ;; \
		esac; \
	done; \
	$(MAKE) $(AM_MAKEFLAGS) check-libraries || status=1; \
	exit $$status
