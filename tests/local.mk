# SPDX-License-Identifier: MIT
#
# Six kinds of tests, all run by `make check`, exit status 0 passed, 1 failed, 77 skipped:
# unit/ one Check program per module, integration/ one claim per program, build/ what must be
# true of the artefacts and of the sources themselves, model/ random scripts of processes, state/
# each kind of state, by each way, libraries/ nodes with other libraries.
# long/ is for `make check-long`, rdma/ runs in virtual machines.

include %D%/unit/local.mk
include %D%/integration/local.mk
include %D%/build/local.mk
include %D%/model/local.mk
include %D%/libraries/local.mk
include %D%/state/local.mk
include %D%/long/local.mk
include %D%/rdma/local.mk

# Scripts, where what a user types is the point: they also show how to run it by hand.
rf_script_tests = \
	%D%/integration/backtraces_agree_with_gdb.sh \
	%D%/integration/backtraces_need_no_files.sh \
	%D%/integration/cplusplus_goes_on_on_nodes.sh \
	%D%/integration/examples_do_what_they_say.sh \
	%D%/integration/gdb_shows_checkpoints.sh \
	%D%/integration/gdb_shows_every_thread.sh \
	%D%/integration/render_over_three_clones.sh \
	%D%/integration/restarted_programs_keep_their_names.sh \
	%D%/integration/rdma_shell_must_be_loadable.sh \
	%D%/integration/server_says_where_it_listens.sh \
	%D%/integration/perl_goes_on_on_nodes.sh \
	%D%/integration/python_goes_on_on_nodes.sh \
	%D%/integration/static_programs_can_be_undumped.sh \
	%D%/integration/static_programs_fork_to_nodes.sh \
	%D%/integration/wrong_command_lines_of_undump_are_explained.sh
dist_check_SCRIPTS += $(rf_script_tests)
TESTS += $(rf_script_tests)
EXTRA_DIST += %D%/support/debugger.sh %D%/support/server.sh
