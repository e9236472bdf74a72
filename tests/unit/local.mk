# SPDX-License-Identifier: MIT
#
# One Check program per module, named test_MODULE.  They link the sources of all sides, with
# the sanitizers in that flavour; what only a program has (the server's configuration, the
# shell's parts) is compiled in by name.

rf_unit_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(rf_library_cppflags)
rf_unit_ldadd = rfork/librfork_undump.la rfork/librfork_restore.la $(rf_checked_capture) $(rf_checked_common) \
	$(rf_archive_libs) $(CHECK_LIBS)

if UNIT_TESTS
rf_unit_tests = \
	%D%/test_accept \
	%D%/test_attributes \
	%D%/test_auth \
	%D%/test_backtrace \
	%D%/test_c_library \
	%D%/test_chain \
	%D%/test_channel \
	%D%/test_config \
	%D%/test_core_reader \
	%D%/test_core_writer \
	%D%/test_digest_cache \
	%D%/test_facts \
	%D%/test_fdduplicate \
	%D%/test_fdobject \
	%D%/test_fdsearch \
	%D%/test_file_index \
	%D%/test_frame \
	%D%/test_image_contents \
	%D%/test_image_road \
	%D%/test_handler_frames \
	%D%/test_info \
	%D%/test_io \
	%D%/test_job \
	%D%/test_key \
	%D%/test_lines \
	%D%/test_maps \
	%D%/test_pack_choice \
	%D%/test_packed_pages \
	%D%/test_pagemap \
	%D%/test_peers \
	%D%/test_plan \
	%D%/test_protection_keys \
	%D%/test_reader \
	%D%/test_reader_fuzz \
	%D%/test_refusals \
	%D%/test_report \
	%D%/test_resolver \
	%D%/test_restore_clocks \
	%D%/test_restore_objects \
	%D%/test_restore_thread \
	%D%/test_signal_frame \
	%D%/test_source \
	%D%/test_statefile \
	%D%/test_statefile_fuzz \
	%D%/test_statefile_reader \
	%D%/test_statefile_writer \
	%D%/test_transport \
	%D%/test_uncarried \
	%D%/test_vdso \
	%D%/test_write_tracker \
	%D%/test_writer \
	%D%/test_xsave
if RDMA
rf_unit_tests += %D%/test_pages_hello
endif

check_PROGRAMS += $(rf_unit_tests)
TESTS += $(rf_unit_tests)
endif

# What makes, judges and reads images in memory.
rf_image_sample = \
	%D%/image_sample.c %D%/image_sample.h \
	%D%/image_rules.c %D%/image_rules.h \
	%D%/image_reading.c %D%/image_reading.h

%C%_test_accept_SOURCES = %D%/test_accept.c
%C%_test_accept_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_accept_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_accept_LDADD = $(rf_unit_ldadd)

%C%_test_attributes_SOURCES = %D%/test_attributes.c
%C%_test_attributes_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_attributes_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_attributes_LDADD = $(rf_unit_ldadd)
%C%_test_auth_SOURCES = %D%/test_auth.c
%C%_test_auth_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_auth_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_auth_LDADD = $(rf_unit_ldadd)

%C%_test_backtrace_SOURCES = %D%/test_backtrace.c $(rf_backtrace_sources) \
	tools/vdso_code.c tools/vdso_code.h
%C%_test_backtrace_CPPFLAGS = $(rf_unit_cppflags) $(LIBELF_CFLAGS) $(LIBUNWIND_CFLAGS)
%C%_test_backtrace_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_backtrace_LDADD = $(rf_unit_ldadd) $(LIBELF_LIBS) $(LIBUNWIND_LIBS)

%C%_test_c_library_SOURCES = %D%/test_c_library.c
%C%_test_c_library_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_c_library_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_c_library_LDADD = $(rf_unit_ldadd)

%C%_test_chain_SOURCES = %D%/test_chain.c
%C%_test_chain_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_chain_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_chain_LDADD = $(rf_unit_ldadd)

%C%_test_channel_SOURCES = %D%/test_channel.c
%C%_test_channel_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_channel_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_channel_LDADD = $(rf_unit_ldadd)

%C%_test_config_SOURCES = %D%/test_config.c server/config.c server/config.h
%C%_test_config_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_config_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_config_LDADD = $(rf_unit_ldadd)

%C%_test_core_reader_SOURCES = %D%/test_core_reader.c %D%/core_sample.c %D%/core_sample.h \
	$(rf_core_reader_sources)
%C%_test_core_reader_CPPFLAGS = $(rf_unit_cppflags) $(LIBELF_CFLAGS)
%C%_test_core_reader_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_core_reader_LDADD = $(rf_unit_ldadd) $(LIBELF_LIBS)

%C%_test_core_writer_SOURCES = %D%/test_core_writer.c $(rf_core_writer_sources)
%C%_test_core_writer_CPPFLAGS = $(rf_unit_cppflags) $(LIBELF_CFLAGS)
%C%_test_core_writer_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_core_writer_LDADD = $(rf_unit_ldadd) $(LIBELF_LIBS)

%C%_test_digest_cache_SOURCES = %D%/test_digest_cache.c
%C%_test_digest_cache_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_digest_cache_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_digest_cache_LDADD = $(rf_unit_ldadd)

%C%_test_facts_SOURCES = %D%/test_facts.c
%C%_test_facts_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_facts_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_facts_LDADD = $(rf_unit_ldadd)

rf_count_calls_sources = %D%/count_calls.c %D%/count_calls.h
%C%_test_fdduplicate_SOURCES = %D%/test_fdduplicate.c $(rf_count_calls_sources)
%C%_test_fdduplicate_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_fdduplicate_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_fdduplicate_LDADD = $(rf_unit_ldadd)

%C%_test_fdobject_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_fdobject_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_fdobject_LDADD = $(rf_unit_ldadd)

%C%_test_fdsearch_SOURCES = %D%/test_fdsearch.c $(rf_count_calls_sources)
%C%_test_fdsearch_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_fdsearch_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_fdsearch_LDADD = $(rf_unit_ldadd)

%C%_test_frame_SOURCES = %D%/test_frame.c
%C%_test_frame_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_frame_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_frame_LDADD = $(rf_unit_ldadd)

%C%_test_image_contents_SOURCES = %D%/test_image_contents.c \
	%D%/image_changes.c %D%/image_changes.h $(rf_image_sample)
%C%_test_image_contents_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_image_contents_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_image_contents_LDADD = $(rf_unit_ldadd)

%C%_test_image_road_SOURCES = %D%/test_image_road.c \
	%D%/image_changes.c %D%/image_changes.h $(rf_image_sample)
%C%_test_image_road_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_image_road_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_image_road_LDADD = $(rf_unit_ldadd)

%C%_test_handler_frames_SOURCES = %D%/test_handler_frames.c tests/support/vectors.c \
	tests/support/vectors.h
%C%_test_handler_frames_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_handler_frames_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_handler_frames_LDADD = $(rf_unit_ldadd)

%C%_test_info_SOURCES = %D%/test_info.c \
	%D%/statefile_sample.c %D%/statefile_sample.h $(rf_image_sample)
%C%_test_info_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_info_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_info_LDADD = $(rf_unit_ldadd)
EXTRA_DIST += %D%/test_info.py

%C%_test_job_SOURCES = %D%/test_job.c server/session_signals.c server/session_signals.h \
	server/descriptor.c server/descriptor.h
%C%_test_job_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_job_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_job_LDADD = $(rf_unit_ldadd)

%C%_test_key_SOURCES = %D%/test_key.c
%C%_test_key_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_key_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_key_LDADD = $(rf_unit_ldadd)

%C%_test_io_SOURCES = %D%/test_io.c
%C%_test_io_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_io_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_io_LDADD = $(rf_unit_ldadd)
%C%_test_file_index_SOURCES = %D%/test_file_index.c
%C%_test_file_index_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_file_index_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_file_index_LDADD = $(rf_unit_ldadd)

%C%_test_protection_keys_SOURCES = %D%/test_protection_keys.c
%C%_test_protection_keys_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_protection_keys_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_protection_keys_LDADD = $(rf_unit_ldadd)

%C%_test_lines_SOURCES = %D%/test_lines.c
%C%_test_lines_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_lines_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_lines_LDADD = $(rf_unit_ldadd)

%C%_test_maps_SOURCES = %D%/test_maps.c
%C%_test_maps_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_maps_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_maps_LDADD = $(rf_unit_ldadd)

%C%_test_pack_choice_SOURCES = %D%/test_pack_choice.c
%C%_test_pack_choice_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_pack_choice_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_pack_choice_LDADD = $(rf_unit_ldadd)

%C%_test_packed_pages_SOURCES = %D%/test_packed_pages.c rfork/unpacker.c rfork/unpacker.h \
	%D%/image_changes.c %D%/image_changes.h \
	%D%/image_packed.c %D%/image_packed.h $(rf_image_sample)
%C%_test_packed_pages_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_packed_pages_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_packed_pages_LDADD = $(rf_unit_ldadd)

%C%_test_pagemap_SOURCES = %D%/test_pagemap.c
%C%_test_pagemap_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_pagemap_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_pagemap_LDADD = $(rf_unit_ldadd)

%C%_test_peers_SOURCES = %D%/test_peers.c
%C%_test_peers_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_peers_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_peers_LDADD = $(rf_unit_ldadd)

%C%_test_plan_SOURCES = %D%/test_plan.c
%C%_test_plan_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_plan_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_plan_LDADD = $(rf_unit_ldadd)

%C%_test_reader_SOURCES = %D%/test_reader.c \
	%D%/image_changes.c %D%/image_changes.h $(rf_image_sample)
%C%_test_reader_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_reader_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_reader_LDADD = $(rf_unit_ldadd)

%C%_test_reader_fuzz_SOURCES = %D%/test_reader_fuzz.c rfork/unpacker.c rfork/unpacker.h \
	%D%/image_packed.c %D%/image_packed.h %D%/image_mutation.c %D%/image_mutation.h \
	$(rf_image_sample)
%C%_test_reader_fuzz_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_reader_fuzz_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_reader_fuzz_LDADD = $(rf_unit_ldadd)

%C%_test_refusals_SOURCES = %D%/test_refusals.c
%C%_test_refusals_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_refusals_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_refusals_LDADD = $(rf_unit_ldadd)

%C%_test_report_SOURCES = %D%/test_report.c
%C%_test_report_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_report_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_report_LDADD = $(rf_unit_ldadd)

%C%_test_resolver_SOURCES = %D%/test_resolver.c
%C%_test_resolver_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_resolver_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_resolver_LDADD = $(rf_unit_ldadd) -lm

%C%_test_restore_clocks_SOURCES = %D%/test_restore_clocks.c
%C%_test_restore_clocks_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_restore_clocks_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_restore_clocks_LDADD = $(rf_unit_ldadd)

%C%_test_restore_objects_SOURCES = %D%/test_restore_objects.c rfork/restore_objects.c rfork/restore_inotify.c
%C%_test_restore_objects_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_restore_objects_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_restore_objects_LDADD = $(rf_unit_ldadd)

%C%_test_restore_thread_SOURCES = %D%/test_restore_thread.c
%C%_test_restore_thread_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_restore_thread_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_restore_thread_LDADD = $(rf_unit_ldadd)

%C%_test_signal_frame_SOURCES = %D%/test_signal_frame.c %D%/x86_64/landing.S
%C%_test_signal_frame_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_signal_frame_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_signal_frame_LDADD = $(rf_unit_ldadd)

%C%_test_source_SOURCES = %D%/test_source.c $(rf_image_sample)
%C%_test_source_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_source_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_source_LDADD = $(rf_unit_ldadd)

%C%_test_statefile_SOURCES = %D%/test_statefile.c
%C%_test_statefile_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_statefile_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_statefile_LDADD = $(rf_unit_ldadd)

%C%_test_statefile_fuzz_SOURCES = %D%/test_statefile_fuzz.c \
	%D%/image_mutation.c %D%/image_mutation.h $(rf_image_sample) \
	%D%/statefile_sample.c %D%/statefile_sample.h
%C%_test_statefile_fuzz_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_statefile_fuzz_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_statefile_fuzz_LDADD = $(rf_unit_ldadd)

%C%_test_statefile_reader_SOURCES = %D%/test_statefile_reader.c \
	%D%/statefile_sample.c %D%/statefile_sample.h $(rf_image_sample)
%C%_test_statefile_reader_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_statefile_reader_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_statefile_reader_LDADD = $(rf_unit_ldadd)

%C%_test_statefile_writer_SOURCES = %D%/test_statefile_writer.c
%C%_test_statefile_writer_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_statefile_writer_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_statefile_writer_LDADD = $(rf_unit_ldadd)

%C%_test_transport_SOURCES = %D%/test_transport.c
%C%_test_transport_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_transport_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_transport_LDADD = $(rf_unit_ldadd)

%C%_test_uncarried_SOURCES = %D%/test_uncarried.c
%C%_test_uncarried_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_uncarried_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_uncarried_LDADD = $(rf_unit_ldadd)

%C%_test_vdso_SOURCES = %D%/test_vdso.c
%C%_test_vdso_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_vdso_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_vdso_LDADD = $(rf_unit_ldadd)
%C%_test_write_tracker_SOURCES = %D%/test_write_tracker.c
%C%_test_write_tracker_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_write_tracker_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_write_tracker_LDADD = $(rf_unit_ldadd)

%C%_test_pages_hello_SOURCES = %D%/test_pages_hello.c rdma/pages_hello.c rdma/pages.h
%C%_test_pages_hello_CPPFLAGS = $(rf_unit_cppflags) $(VERBS_CFLAGS) $(RDMACM_CFLAGS)
%C%_test_pages_hello_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_pages_hello_LDADD = $(rf_unit_ldadd)

%C%_test_writer_SOURCES = %D%/test_writer.c
%C%_test_writer_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_writer_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_writer_LDADD = $(rf_unit_ldadd)

%C%_test_xsave_SOURCES = %D%/test_xsave.c
%C%_test_xsave_CPPFLAGS = $(rf_unit_cppflags)
%C%_test_xsave_CFLAGS = $(SANITIZED_CFLAGS)
%C%_test_xsave_LDADD = $(rf_unit_ldadd)
