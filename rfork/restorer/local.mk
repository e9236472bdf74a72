# SPDX-License-Identifier: MIT
#
# The restorer: freestanding code that runs the plan.  One section of position-independent
# bytes, which rfork-shell carries (x86_64/restore_jump.S).
#
# The user's CFLAGS do not reach it: no hardening, sanitizer or vector flag has a meaning in a
# process without libc.  tests/build/restorer_is_freestanding.sh holds it to that.

rf_restorer_cflags = -std=gnu11 -O2 -g -Wall -Wextra -ffreestanding -fPIE \
	-fno-stack-protector -mgeneral-regs-only -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-tree-loop-distribute-patterns

noinst_PROGRAMS += %D%/restorer.elf
%C%_restorer_elf_SOURCES = \
	%D%/restorer.c %D%/start.S \
	rfork/restore_plan.h rfork/x86_64/syscall.h
%C%_restorer_elf_CPPFLAGS = $(AM_CPPFLAGS)
%C%_restorer_elf_CFLAGS = $(rf_restorer_cflags)
%C%_restorer_elf_CCASFLAGS = -g
%C%_restorer_elf_LINK = $(CC) -nostdlib -static -no-pie -Wl,--build-id=none \
	-Wl,-T,$(srcdir)/%D%/restorer.lds -o $@
%C%_restorer_elf_DEPENDENCIES = %D%/restorer.lds
EXTRA_DIST += %D%/restorer.lds
%D%/restorer_elf-%.o: override CFLAGS =
%D%/restorer_elf-%.o: override CPPFLAGS =

# -j: without it .dynamic and debugging sections come along.
%D%/restorer.bin: %D%/restorer.elf
	$(AM_V_GEN)$(OBJCOPY) -O binary -j .blob %D%/restorer.elf $@
CLEANFILES += %D%/restorer.bin
