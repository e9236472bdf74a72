# SPDX-License-Identifier: MIT
#
# The table of doc/state.md as a program: one row per kind of state, in the files by theme.

rf_state_test = %D%/each_kind_travels
check_PROGRAMS += $(rf_state_test)
TESTS += $(rf_state_test)
%C%_each_kind_travels_SOURCES = %D%/each_kind_travels.c \
	%D%/row.h \
	%D%/ways.c %D%/ways.h \
	%D%/attribute_rows.c \
	%D%/descriptor_rows.c \
	%D%/memory_rows.c \
	%D%/object_rows.c \
	%D%/process_rows.c \
	%D%/signal_rows.c \
	%D%/thread_rows.c \
	rfork/arena.c rfork/drop.c rfork/drop_attributes.c rfork/drop_descriptors.c rfork/drop_memory.c rfork/drop_process.c
%C%_each_kind_travels_LDADD = $(rf_integration_ldadd)
EXTRA_DIST += %D%/README.md
