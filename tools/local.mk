# SPDX-License-Identifier: MIT
#
# undump: shows, checks and turns into executables what rests in files.  undump.c has the command line;
# each mode is a file of its own, which adds its line here and in the table of undump.c.

# Companions by which gdb shows what rests; their unit test compiles them too.
rf_core_writer_sources = \
	%D%/core_files.c %D%/core_files.h \
	%D%/core_notes.c %D%/core_notes.h \
	%D%/core_writer.c %D%/core_writer.h \
	%D%/vdso_code.c %D%/vdso_code.h

# Cores as input; their unit test compiles them too.
rf_core_reader_sources = \
	%D%/core_reader.c %D%/core_reader.h \
	%D%/core_reader_files.c \
	%D%/core_reader_libc.c \
	%D%/core_reader_memory.c \
	%D%/core_reader_notes.c \
	%D%/core_reader_parts.h \
	%D%/core_reader_process.c \
	%D%/core_reader_threads.c

# Backtraces, from the image alone.
rf_backtrace_sources = \
	%D%/frame_table.c %D%/frame_table.h \
	%D%/image_memory.c %D%/image_memory.h \
	%D%/objects.c %D%/objects.h \
	%D%/objects_names.c \
	%D%/symbols.c %D%/symbols.h \
	%D%/symbols_file.c \
	%D%/symbols_memory.c \
	%D%/unwinder.c %D%/unwinder.h

# Running processes as a source: for undump and its tests.
noinst_LTLIBRARIES += %D%/libprocess.la
%C%_libprocess_la_CFLAGS = $(SANITIZED_CFLAGS)
%C%_libprocess_la_SOURCES = \
	%D%/process_checks.c \
	%D%/process_descriptors.c \
	%D%/process_internal.h \
	%D%/process_marks.c \
	%D%/process_memory.c \
	%D%/process_vdso.c \
	%D%/process_reader.c %D%/process_reader.h \
	%D%/process_attributes.c \
	%D%/process_rights.c \
	%D%/process_threads.c \
	%D%/tracee.c %D%/tracee.h \
	%D%/tracee_call.c

bin_PROGRAMS += %D%/undump
%C%_undump_SOURCES = \
	%D%/check.c \
	%D%/check_core.c %D%/check_core.h \
	%D%/backtrace.c \
	%D%/core.c \
	$(rf_core_reader_sources) \
	$(rf_backtrace_sources) \
	$(rf_core_writer_sources) \
	%D%/describe.c %D%/describe.h \
	%D%/info.c %D%/info.h \
	%D%/info_json.c \
	%D%/info_marks.c \
	%D%/info_rights.c \
	%D%/info_state.c \
	%D%/json.c %D%/json.h \
	%D%/open.c \
	%D%/output.c \
	%D%/send.c \
	%D%/stream_reader.c %D%/stream_reader.h \
	%D%/text.c %D%/text.h \
	%D%/undump.c %D%/undump.h \
	%D%/write_executable.c \
	%D%/write_files.c
%C%_undump_CPPFLAGS = $(AM_CPPFLAGS) $(LIBELF_CFLAGS) $(LIBUNWIND_CFLAGS)
%C%_undump_CFLAGS = $(SANITIZED_CFLAGS)
%C%_undump_LDADD = %D%/libprocess.la rfork/librfork_undump.la rfork/librfork_restore.la \
	$(rf_checked_capture) $(rf_checked_common) \
	$(LIBELF_LIBS) $(LIBUNWIND_LIBS) $(rf_archive_libs)
%C%_undump_LDFLAGS = -Wl,-z,now -Wl,-z,relro -Wl,--as-needed
