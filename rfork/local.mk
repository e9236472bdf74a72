# SPDX-License-Identifier: MIT
#
# librfork, from three convenience libraries: what both sides need, the caller's side, and the
# node's side (which undump and tests link: rfork-shell compiles its own objects, see server/local.mk).

# Both sides.
rf_common_sources = \
	include/rfork.h \
	%D%/arch.h \
	%D%/attributes.c %D%/attributes.h \
	%D%/auth.c %D%/auth.h \
	%D%/boot_id.c %D%/boot_id.h \
	%D%/clocks.c %D%/clocks.h \
	%D%/digest.c %D%/digest.h \
	%D%/file_identity.h \
	%D%/frame.c %D%/frame.h \
	%D%/huge_pages.c %D%/huge_pages.h \
	%D%/image_format.h \
	%D%/io.c %D%/io.h \
	%D%/key.c %D%/key.h \
	%D%/link_watch.c %D%/link_watch.h \
	%D%/machine_facts.c %D%/machine_facts.h \
	%D%/map_proof.c %D%/map_proof.h \
	%D%/maps.c %D%/maps.h \
	%D%/object.h \
	%D%/protection_keys.c %D%/protection_keys.h \
	%D%/protocol.h \
	%D%/rdma_device.c %D%/rdma_device.h \
	%D%/refusals.c %D%/refusals.h \
	%D%/report.c %D%/report.h \
	%D%/rights.c %D%/rights.h \
	%D%/statefile.c %D%/statefile.h \
	%D%/sys.h \
	%D%/timer_value.h \
	%D%/vdso.c %D%/vdso.h \
	%D%/vdso_mark.c %D%/vdso_mark.h \
	%D%/warnings.c %D%/warnings.h \
	%D%/zero_page.h \
	%D%/x86_64/cpu.c \
	%D%/x86_64/features.h \
	%D%/x86_64/key_rights.c \
	%D%/x86_64/syscall.h

# The caller's side: capture, image writer, transport, ghost, public calls.
rf_capture_sources = \
	%D%/approach.c %D%/approach.h \
	%D%/arena.c %D%/arena.h \
	%D%/arrival.c %D%/arrival.h \
	%D%/aside.c %D%/aside.h \
	%D%/attributes_writer.c \
	%D%/chain.c %D%/chain.h \
	%D%/check.c %D%/check.h \
	%D%/checkpoint.c %D%/checkpoint.h \
	%D%/digest_cache.c %D%/digest_cache.h \
	%D%/drop.c %D%/drop.h \
	%D%/drop_attributes.c \
	%D%/drop_descriptors.c \
	%D%/drop_memory.c \
	%D%/drop_parts.h \
	%D%/drop_process.c \
	%D%/executable.c %D%/executable.h %D%/executable_start.S \
	%D%/fdcontent.c %D%/fdcontent.h \
	%D%/fdduplicate.c %D%/fdduplicate.h \
	%D%/fdname.c %D%/fdname.h \
	%D%/fdobject.c %D%/fdobject.h \
	%D%/fdobject_inotify.c \
	%D%/fdobject_poll.c \
	%D%/fdproof.c %D%/fdproof.h \
	%D%/fdpath.c %D%/fdpath.h \
	%D%/fdsearch.c %D%/fdsearch.h \
	%D%/fdtable.c %D%/fdtable.h \
	%D%/file_index.c %D%/file_index.h \
	%D%/forecast.c %D%/forecast.h \
	%D%/ghost.c %D%/ghost.h \
	%D%/ghost_accept.c %D%/ghost_accept.h \
	%D%/ghost_channel.c %D%/ghost_channel.h \
	%D%/ghost_handover.c \
	%D%/ghost_link.c %D%/ghost_link.h \
	%D%/ghost_helper.c %D%/ghost_helper.h \
	%D%/ghost_memory.c %D%/ghost_memory.h \
	%D%/ghost_message.c %D%/ghost_message.h \
	%D%/ghost_originals.c \
	%D%/ghost_parts.h \
	%D%/ghost_peers.c %D%/ghost_peers.h \
	%D%/ghost_pipe.c %D%/ghost_pipe.h \
	%D%/ghost_relay.c %D%/ghost_relay.h \
	%D%/ghost_road.c %D%/ghost_road.h \
	%D%/ghost_signals.c %D%/ghost_signals.h \
	%D%/ghost_streams.c %D%/ghost_streams.h \
	%D%/ghost_terminal.c %D%/ghost_terminal.h \
	%D%/held.c %D%/held.h \
	%D%/hold.c %D%/hold.h \
	%D%/holder.c %D%/holder.h \
	%D%/holder_message.c \
	%D%/holder_target.c %D%/holder_target.h \
	%D%/holder_write.c %D%/holder_write.h \
	%D%/hooks.c %D%/hooks.h \
	%D%/identity.c %D%/identity.h \
	%D%/image_writer.c %D%/image_writer.h \
	%D%/increment.c %D%/increment.h \
	%D%/increment_plan.c %D%/increment_plan.h \
	%D%/kept_fd.c %D%/kept_fd.h \
	%D%/landlock.c %D%/landlock.h \
	%D%/lines.c %D%/lines.h \
	%D%/move.c %D%/move.h \
	%D%/other_threads.c %D%/other_threads.h \
	%D%/options.c %D%/options.h \
	%D%/object_writer.c %D%/object_writer.h \
	%D%/own_image.c %D%/own_image.h \
	%D%/pack_choice.c %D%/pack_choice.h \
	%D%/pack_link.c %D%/pack_link.h \
	%D%/packer.c %D%/packer.h \
	%D%/pages_protocol.h \
	%D%/pagemap.c %D%/pagemap.h \
	%D%/pagemap_scan.h \
	%D%/pending.c %D%/pending.h \
	%D%/pipe_holders.c %D%/pipe_holders.h \
	%D%/pipes.c %D%/pipes.h \
	%D%/procstate.c %D%/procstate.h \
	%D%/rest.c %D%/rest.h \
	%D%/restart_args.c %D%/restart_args.h \
	%D%/restore_contents.c %D%/restore_contents.h \
	%D%/rfork.c \
	%D%/sandbox.c %D%/sandbox.h \
	%D%/settle.c %D%/settle.h \
	%D%/shared_memory.c %D%/shared_memory.h \
	%D%/smaps.c %D%/smaps.h \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/snapshot_files.c \
	%D%/snapshot_huge.c \
	%D%/snapshot_layout.c \
	%D%/snapshot_mappings.c \
	%D%/snapshot_marks.c \
	%D%/snapshot_pages.c \
	%D%/snapshot_parts.h \
	%D%/snapshot_rest.c \
	%D%/snapshot_shared.c \
	%D%/snapshot_warm.c \
	%D%/statefile_writer.c %D%/statefile_writer.h \
	%D%/state.c %D%/state.h \
	%D%/terminal.c %D%/terminal.h \
	%D%/timers.c %D%/timers.h \
	%D%/transport.c %D%/transport.h \
	%D%/write_tracker.c %D%/write_tracker.h \
	%D%/undump.c \
	%D%/x86_64/c_library.c \
	%D%/x86_64/capture.S \
	%D%/x86_64/registers.c \
	%D%/x86_64/resolver.c \
	%D%/x86_64/signal_return.S \
	%D%/x86_64/thread.S \
	%D%/x86_64/uncarried.c

# Images at rest, as undump and what restarts them read them.
rf_undump_sources = \
	%D%/x86_64/stopped_thread.c \
	%D%/source.c %D%/source.h \
	%D%/source_writer.c %D%/source_writer.h \
	%D%/statefile_check.c \
	%D%/statefile_image.c %D%/statefile_image.h \
	%D%/statefile_layers.c %D%/statefile_layers.h \
	%D%/statefile_reader.c %D%/statefile_reader.h \
	%D%/x86_64/core_state.c \
	%D%/x86_64/interrupted.c \
	%D%/x86_64/unwind.c

# The node's side, but for what only rfork-shell can run.
rf_restore_sources = \
	%D%/image_contents.c \
	%D%/image_descriptors.c \
	%D%/image_forecast.c \
	%D%/image_mappings.c \
	%D%/image_marks.c \
	%D%/image_objects.c \
	%D%/image_origin.c \
	%D%/image_pages.c \
	%D%/image_pipes.c \
	%D%/image_reader.c %D%/image_reader.h \
	%D%/image_road.c \
	%D%/image_record.c %D%/image_record.h \
	%D%/image_segments.c \
	%D%/image_state.c \
	%D%/image_timers.c \
	%D%/page_road.h \
	%D%/plan_builder.c %D%/plan_builder.h \
	%D%/plan_errands.c %D%/plan_errands.h \
	%D%/restore_attributes.c %D%/restore_attributes.h \
	%D%/restore_clocks.c %D%/restore_clocks.h \
	%D%/restore_frames.c %D%/restore_frames.h \
	%D%/restore_plan.h \
	%D%/restore_thread.c %D%/restore_thread.h \
	%D%/restore_vdso.c %D%/restore_vdso.h \
	%D%/vdso_redirect.c %D%/vdso_redirect.h \
	%D%/vdso_symbols.c %D%/vdso_symbols.h \
	%D%/x86_64/handler_frames.c \
	%D%/x86_64/sigframe.h \
	%D%/x86_64/signal_frame.c \
	%D%/x86_64/vdso.c \
	%D%/x86_64/xsave.c

# - hidden: only rfork.c defines public functions, and only it is compiled without; librfork.map
#   then names what is exported.
# - no-plt, and -z now below: a symbol resolved late would write to the GOT of the frozen ghost,
#   whose memory is the image.
# - no-stack-protector: the canary lies in the thread's TLS page.  The ghost gives its snapshot
#   memory back while it runs, that page included, and the canary would change under its feet;
#   the restored thread, too, returns through frames that were entered in another process.
#   Set through `override`, after the user's CFLAGS: distributions pass -fstack-protector-strong.
rf_library_cppflags = $(LIBSODIUM_CFLAGS) $(LIBLZ4_CFLAGS) $(LIBZSTD_CFLAGS)
rf_library_cflags = -fvisibility=hidden -fno-plt
%D%/librfork_%.lo %D%/x86_64/librfork_%.lo: override CFLAGS += -fno-stack-protector

# What a program needs besides that is linked with librfork.a, or with the parts of it.
rf_archive_libs = $(LIBSODIUM_LIBS) $(LIBLZ4_LIBS) $(LIBZSTD_LIBS)

noinst_LTLIBRARIES += %D%/librfork_common.la %D%/librfork_capture.la
%C%_librfork_common_la_SOURCES = $(rf_common_sources)
%C%_librfork_common_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSODIUM_CFLAGS)
%C%_librfork_common_la_CFLAGS = $(AM_CFLAGS) $(rf_library_cflags)
%C%_librfork_capture_la_SOURCES = $(rf_capture_sources)
%C%_librfork_capture_la_CPPFLAGS = $(AM_CPPFLAGS) $(rf_library_cppflags) \
	-DRF_PAGES_DIRECTORY='"$(pkglibexecdir)"'
%C%_librfork_capture_la_CFLAGS = $(AM_CFLAGS) $(rf_library_cflags)

# The compiler's dependencies do not see .incbin; through a variable, as in server/local.mk.
rf_start_blob_objects = %D%/librfork_capture_la-executable_start.lo
$(rf_start_blob_objects): %D%/start/start.bin

# For undump, and the unit tests; the reader of images is in the node's side.
noinst_LTLIBRARIES += %D%/librfork_undump.la
%C%_librfork_undump_la_SOURCES = $(rf_undump_sources)
%C%_librfork_undump_la_CFLAGS = $(SANITIZED_CFLAGS) $(rf_library_cflags)

noinst_LTLIBRARIES += %D%/librfork_restore.la
%C%_librfork_restore_la_SOURCES = $(rf_restore_sources)
%C%_librfork_restore_la_CFLAGS = $(SANITIZED_CFLAGS) $(rf_library_cflags)

# What the server and the unit tests link: in the sanitizers' flavour, the same sources again.
if SANITIZERS
noinst_LTLIBRARIES += %D%/librfork_common_sanitized.la
check_LTLIBRARIES += %D%/librfork_capture_sanitized.la
rf_start_blob_sanitized = %D%/librfork_capture_sanitized_la-executable_start.lo
$(rf_start_blob_sanitized): %D%/start/start.bin
%C%_librfork_common_sanitized_la_SOURCES = $(rf_common_sources)
%C%_librfork_common_sanitized_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSODIUM_CFLAGS)
%C%_librfork_common_sanitized_la_CFLAGS = $(SANITIZED_CFLAGS) $(rf_library_cflags)
%C%_librfork_capture_sanitized_la_SOURCES = $(rf_capture_sources)
%C%_librfork_capture_sanitized_la_CPPFLAGS = $(AM_CPPFLAGS) $(rf_library_cppflags) \
	-DRF_PAGES_DIRECTORY='"$(pkglibexecdir)"'
%C%_librfork_capture_sanitized_la_CFLAGS = $(SANITIZED_CFLAGS) $(rf_library_cflags)
rf_checked_common = %D%/librfork_common_sanitized.la
rf_checked_capture = %D%/librfork_capture_sanitized.la
# What reads images, for programs whose own memory is captured.
check_LTLIBRARIES += %D%/librfork_plain_reader.la
%C%_librfork_plain_reader_la_SOURCES = $(rf_undump_sources) $(rf_restore_sources)
%C%_librfork_plain_reader_la_CFLAGS = $(AM_CFLAGS) $(rf_library_cflags)
rf_plain_reader = %D%/librfork_plain_reader.la
else
rf_plain_reader = %D%/librfork_undump.la %D%/librfork_restore.la
rf_checked_common = %D%/librfork_common.la
rf_checked_capture = %D%/librfork_capture.la
endif

lib_LTLIBRARIES += librfork.la
librfork_la_SOURCES =
librfork_la_LIBADD = %D%/librfork_common.la %D%/librfork_capture.la $(LIBRFORK_SODIUM_LIBS) \
	$(LIBRFORK_LZ4_LIBS) $(LIBRFORK_ZSTD_LIBS)
librfork_la_LDFLAGS = -version-info 0:0:0 -Wl,--no-undefined -Wl,-z,now -Wl,-z,relro \
	-Wl,--version-script=$(srcdir)/%D%/librfork.map
EXTRA_librfork_la_DEPENDENCIES = %D%/librfork.map
EXTRA_DIST += %D%/librfork.map
