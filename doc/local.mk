# SPDX-License-Identifier: MIT
# Manual pages, and the documents that are normative for other implementations.

dist_man_MANS += \
	%D%/undump.1 \
	%D%/rfork.3 \
	%D%/rfork_atfork.3 \
	%D%/rfork_atfork_remove.3 \
	%D%/rfork_check.3 \
	%D%/rfork_checkpoint.3 \
	%D%/rfork_commit.3 \
	%D%/rfork_commit_wait.3 \
	%D%/rfork_discard.3 \
	%D%/rfork_error.3 \
	%D%/rfork_move.3 \
	%D%/rfork_move_with.3 \
	%D%/rfork_report.3 \
	%D%/rfork_restart_args.3 \
	%D%/rfork_self.3 \
	%D%/rfork_undump.3 \
	%D%/rfork_version.3 \
	%D%/rfork_with.3 \
	%D%/rfork-image.5 \
	%D%/rfork.7 \
	%D%/rfork-server.8

dist_doc_DATA = \
	%D%/ARCHITECTURE.md \
	%D%/image-format.txt \
	%D%/privileges.md \
	%D%/protocol.txt \
	%D%/state.md
