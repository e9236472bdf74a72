# SPDX-License-Identifier: MIT
#
# rfork-server, and rfork-shell, the program that becomes a child.

# -- rfork-server ------------------------------------------------------------------------
# Any user may run one, hence bin and not sbin.

bin_PROGRAMS += %D%/rfork-server
%C%_rfork_server_SOURCES = \
	%D%/config.c %D%/config.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/descendants.c %D%/descendants.h \
	%D%/descriptor.c %D%/descriptor.h \
	%D%/handover.c %D%/handover.h \
	%D%/listener.c %D%/listener.h \
	%D%/log.c %D%/log.h \
	%D%/main.c \
	%D%/monitor.c %D%/monitor.h \
	%D%/privilege.c %D%/privilege.h \
	%D%/pty.c %D%/pty.h \
	%D%/pty_input.c %D%/pty_internal.h \
	%D%/pty_output.c \
	%D%/pty_readers.c %D%/pty_readers.h \
	%D%/session.c %D%/session.h \
	%D%/session_greeting.c %D%/session_internal.h \
	%D%/session_link.c %D%/session_link.h \
	%D%/session_relay.c %D%/session_relay.h \
	%D%/session_relay_output.c %D%/session_relay_internal.h \
	%D%/session_release.c %D%/session_release.h \
	%D%/session_shell.c \
	%D%/session_signals.c %D%/session_signals.h \
	%D%/session_listener.c %D%/session_listener.h \
	%D%/session_message.c %D%/session_message.h \
	%D%/session_peers.c %D%/session_peers.h \
	%D%/session_stream.c %D%/session_stream.h \
	%D%/session_stream_output.c %D%/session_stream_internal.h \
	%D%/session_streams.c %D%/session_streams.h \
	%D%/session_terminal.c %D%/session_terminal.h \
	%D%/sessions.c %D%/sessions.h \
	%D%/shell_protocol.h \
	%D%/spawn.c %D%/spawn.h \
	%D%/unix_diag.c %D%/unix_diag.h
%C%_rfork_server_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSODIUM_CFLAGS) \
	-DRF_SHELL_DIRECTORY='"$(pkglibexecdir)"'
%C%_rfork_server_CFLAGS = $(SANITIZED_CFLAGS)
%C%_rfork_server_LDADD = $(rf_checked_common) $(LIBSODIUM_LIBS)
%C%_rfork_server_LDFLAGS = -Wl,-z,now -Wl,-z,relro

if SYSTEMD_UNITS
nodist_systemduserunit_DATA = %D%/rfork-server.service
dist_systemduserunit_DATA = %D%/rfork-server.socket
endif
%D%/rfork-server.service: %D%/rfork-server.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SED) 's|@bindir[@]|$(bindir)|g' \
		$(srcdir)/%D%/rfork-server.service.in >$@.tmp && mv $@.tmp $@
CLEANFILES += %D%/rfork-server.service
EXTRA_DIST += %D%/rfork-server.service.in

# -- rfork-shell -------------------------------------------------------------------------
# A static-PIE of its own objects: few mappings and no loader, small, without a library that would
# have to vanish with it, and never with a sanitizer, for its address space becomes another.  No
# libtool between it and the linker.  The uninstalled server finds it beside itself, the installed
# one in $(pkglibexecdir).

pkglibexec_PROGRAMS += %D%/rfork-shell
rf_shell_sources = \
	%D%/shell.c %D%/shell.h \
	%D%/shell_contents.c \
	%D%/shell_descriptors.c \
	%D%/shell_files.c \
	%D%/shell_forecast.c \
	%D%/shell_memory.c \
	%D%/shell_overlay.c \
	%D%/shell_protocol.h \
	%D%/shell_road.h \
	rfork/attributes.c \
	rfork/boot_id.c \
	rfork/clocks.c \
	rfork/digest.c \
	rfork/frame.c \
	rfork/huge_pages.c \
	rfork/io.c \
	rfork/maps.c \
	rfork/protection_keys.c \
	rfork/refusals.c \
	rfork/report.c \
	rfork/restore_contents.c rfork/restore_contents.h \
	rfork/restore_locks.c rfork/restore_locks.h \
	rfork/restore_inotify.c rfork/restore_inotify.h \
	rfork/restore_rights.c rfork/restore_rights.h \
	rfork/restore_objects.c rfork/restore_objects.h \
	rfork/restore_pipes.c rfork/restore_pipes.h \
	rfork/restore_region.c rfork/restore_region.h \
	rfork/restore_marks.c \
	rfork/restore_shared.c \
	rfork/restore_threads.c \
	rfork/restore_timers.c rfork/restore_timers.h \
	rfork/restore_watches.c rfork/restore_watches.h \
	rfork/unpacker.c rfork/unpacker.h \
	rfork/vdso.c \
	rfork/vdso_mark.c \
	rfork/warnings.c \
	rfork/x86_64/key_rights.c \
	rfork/x86_64/restore_jump.S \
	rfork/x86_64/thread.S \
	$(rf_restore_sources)
%C%_rfork_shell_SOURCES = $(rf_shell_sources) %D%/shell_no_road.c
%C%_rfork_shell_CPPFLAGS = $(AM_CPPFLAGS) $(LIBLZ4_CFLAGS) $(LIBZSTD_CFLAGS)
%C%_rfork_shell_CFLAGS = $(AM_CFLAGS) -fPIE
%C%_rfork_shell_CCASFLAGS = -g
%C%_rfork_shell_LDADD = $(LIBLZ4_LIBS) $(LIBZSTD_LIBS)
%C%_rfork_shell_LINK = $(CC) $(AM_CFLAGS) $(CFLAGS) $(LDFLAGS) -fPIE -static-pie -Wl,-z,relro -o $@

# The compiler's dependencies do not see .incbin.  Through a variable, or automake would take the
# line for the object's whole rule.
rf_shell_blob_object = rfork/x86_64/%C%_rfork_shell-restore_jump.o
$(rf_shell_blob_object): rfork/restorer/restorer.bin

# -- rfork-shell-rdma --------------------------------------------------------------------
# The same with another road for pages.  Dynamic, as providers of RDMA devices are loaded at run time; executed
# in rfork-shell's place where a caller has pages to be fetched.

if RDMA
pkglibexec_PROGRAMS += %D%/rfork-shell-rdma
%C%_rfork_shell_rdma_SOURCES = $(rf_shell_sources) \
	%D%/road.c %D%/road.h \
	%D%/road_connect.c \
	%D%/road_events.c \
	%D%/road_memory.c \
	%D%/road_read.c
%C%_rfork_shell_rdma_CPPFLAGS = $(AM_CPPFLAGS) $(VERBS_CFLAGS) $(RDMACM_CFLAGS) $(LIBLZ4_CFLAGS) \
	$(LIBZSTD_CFLAGS)
%C%_rfork_shell_rdma_CFLAGS = $(AM_CFLAGS) -fPIE
%C%_rfork_shell_rdma_CCASFLAGS = -g
%C%_rfork_shell_rdma_LDADD = $(RDMACM_LIBS) $(VERBS_LIBS) $(LIBRFORK_LZ4_LIBS) $(LIBRFORK_ZSTD_LIBS)
%C%_rfork_shell_rdma_LINK = $(CC) $(AM_CFLAGS) $(CFLAGS) $(LDFLAGS) -pie -Wl,-z,relro -Wl,-z,now \
	-o $@

rf_shell_rdma_blob_object = rfork/x86_64/%C%_rfork_shell_rdma-restore_jump.o
$(rf_shell_rdma_blob_object): rfork/restorer/restorer.bin
endif
