# SPDX-License-Identifier: MIT
#
# rfork-start: what an executable that undump wrote begins with.  Static, without libc, at an address where no
# program has anything; made of the same reader of images as rfork-shell, and embedded in whatever writes
# executables.
#
# As for the restorer, the user's CFLAGS do not reach it.  tests/build/start_is_freestanding.sh holds it to that.

rf_start_cflags = -std=gnu11 -O2 -g -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -fPIE \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-fno-tree-loop-distribute-patterns -ffunction-sections -fdata-sections

noinst_PROGRAMS += %D%/start.elf
%C%_start_elf_SOURCES = \
	%D%/contents.c \
	%D%/descriptors.c \
	%D%/entry.S \
	%D%/files.c \
	%D%/main.c \
	%D%/memory.c \
	%D%/options.h \
	%D%/runtime.c %D%/runtime.h \
	%D%/self.c \
	%D%/start.h \
	rfork/attributes.c \
	rfork/boot_id.c \
	rfork/clocks.c \
	rfork/digest.c \
	rfork/io.c \
	rfork/huge_pages.c \
	rfork/maps.c \
	rfork/protection_keys.c \
	rfork/x86_64/key_rights.c \
	rfork/report.c \
	rfork/restore_contents.c rfork/restore_contents.h \
	rfork/restore_locks.c rfork/restore_locks.h \
	rfork/restore_inotify.c rfork/restore_inotify.h \
	rfork/restore_objects.c rfork/restore_objects.h \
	rfork/restore_pipes.c rfork/restore_pipes.h \
	rfork/restore_region.c rfork/restore_region.h \
	rfork/restore_rights.c rfork/restore_rights.h \
	rfork/restore_marks.c \
	rfork/restore_shared.c \
	rfork/restore_threads.c \
	rfork/restore_timers.c rfork/restore_timers.h \
	rfork/restore_watches.c rfork/restore_watches.h \
	rfork/statefile.c \
	rfork/statefile_image.c \
	rfork/vdso.c \
	rfork/vdso_mark.c \
	rfork/warnings.c \
	rfork/x86_64/cpu.c \
	rfork/x86_64/restore_jump.S \
	rfork/x86_64/thread.S \
	$(rf_restore_sources)
%C%_start_elf_CPPFLAGS = $(AM_CPPFLAGS)
%C%_start_elf_CFLAGS = $(rf_start_cflags) $(WERROR_CFLAGS)
%C%_start_elf_CCASFLAGS = -g
%C%_start_elf_LINK = $(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--gc-sections \
	-Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-Ttext-segment=0x2a5000000000 \
	-Wl,-e,_start -o $@
# automake leaves the folder that both have in common out of an object's name
%D%/start_elf-%.o rfork/start_start_elf-%.o rfork/x86_64/start_start_elf-%.o: override CFLAGS =
%D%/start_elf-%.o rfork/start_start_elf-%.o rfork/x86_64/start_start_elf-%.o: override CPPFLAGS =

rf_start_blob_object = rfork/x86_64/start_start_elf-restore_jump.o
$(rf_start_blob_object): rfork/restorer/restorer.bin

%D%/start.bin: %D%/start.elf
	$(AM_V_GEN)$(OBJCOPY) --strip-all %D%/start.elf $@
CLEANFILES += %D%/start.bin
