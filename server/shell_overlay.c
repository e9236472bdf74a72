/* SPDX-License-Identifier: MIT */
/*
 * The last act of the shell: gives itself what an image's process has beside memory and
 * descriptors, and leaves for the restorer's region.
 */
#define _GNU_SOURCE
#include <linux/rseq.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <rfork.h>

#include "rfork/io.h"
#include "rfork/restore_attributes.h"
#include "rfork/restore_locks.h"
#include "rfork/restore_objects.h"
#include "rfork/restore_region.h"
#include "rfork/restore_rights.h"
#include "rfork/restore_timers.h"
#include "rfork/sys.h"
#include "server/shell.h"

/* glibc's registration, see rfork/procstate.c. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
#define RSEQ_REGISTERED_BYTES 32u
#define RSEQ_SIGNATURE 0x53053053u

static struct rf_plan_shell describe_shell(const struct rf_shell *shell)
{
	struct rf_plan_shell plan_shell = {
		.vdso = &shell->vdso,
		.min_address = shell->facts.min_address,
		.max_address = shell->facts.max_address,
		.has_mm_map = shell->has_mm_map,
	};

	if (&__rseq_size && __rseq_size) {
		plan_shell.rseq_address =
			(uint64_t)((char *)__builtin_thread_pointer() + __rseq_offset);
		plan_shell.rseq_bytes = RSEQ_REGISTERED_BYTES;
		plan_shell.rseq_signature = RSEQ_SIGNATURE;
	}
	return plan_shell;
}

/* By what the image has come. */
static uint32_t find_transport(const struct rf_shell *shell)
{
	if (shell->reader.has_road)
		return RFORK_TRANSPORT_RDMA;
	return shell->family == AF_UNIX ? RFORK_TRANSPORT_UNIX : RFORK_TRANSPORT_TCP;
}

/* The session tells the caller, when the child runs. */
static int tell_warnings(const struct rf_shell *shell)
{
	struct rf_shell_report piece = { .kind = RF_SHELL_WARNING };
	size_t told = 0;
	int error = 0;

	while (error == 0 && told < shell->warnings.bytes) {
		size_t left = shell->warnings.bytes - told;

		piece.argument = left < sizeof(piece.sentence) ? left : sizeof(piece.sentence);
		memcpy(piece.sentence, shell->warnings.text + told, piece.argument);
		error = rf_io_write_full(shell->report_fd, &piece, sizeof(piece), RF_NO_DEADLINE);
		told += piece.argument;
	}
	return error;
}

/* What is to be as the image had it when all else is done. */
static int restore_attributes(struct rf_shell *shell)
{
	int error = 0;

	rf_restore_attributes(&shell->image, &shell->own, false, &shell->warnings);
	rf_restore_warn_of_objects(&shell->image, &shell->warnings);
	if (!shell->is_check) /* who asks knows what this can take from a child */
		error = rf_restore_rights(&shell->image, NULL, &shell->report);
	if (error == 0)
		error = rf_restore_try_threads(&shell->scripts, &shell->image, &shell->own.thread,
					       &shell->warnings, &shell->report);
	if (error < 0)
		return error;
	error = tell_warnings(shell);
	return error < 0 ? rf_report(&shell->report, -error, "the session: %m") : 0;
}

/* All that needs no marks: the ghost finds them meanwhile. */
static int prepare_image(struct rf_shell *shell, const struct rf_restore *restore)
{
	int error = rf_restore_locks(&shell->image, &shell->report);

	if (error < 0)
		error = rf_shell_object(shell);
	if (error == 0)
		error = rf_restore_process(&shell->image, &shell->report);
	if (error == 0)
		error = rf_restore_locked(&shell->image, &shell->places, &shell->report);
	if (error < 0)
		error = rf_shell_object(shell);
	if (error == 0)
		error = restore_attributes(shell);
	if (error < 0)
		return error;
	rf_shell_protect_at_home(shell);
	return rf_restore_fill(restore, &shell->report);
}

int rf_shell_become_image(struct rf_shell *shell)
{
	const struct rf_restore restore = {
		.image = &shell->image,
		.places = &shell->places,
		.facts = &shell->facts,
		.shell = describe_shell(shell),
		.report_fd = shell->report_fd,
		.since_ns = shell->layout_ns,
		.transport = find_transport(shell),
		.own = &shell->own,
		.warnings = &shell->warnings,
		.scripts = &shell->scripts,
	};
	const uint64_t every_signal = UINT64_MAX;
	int error = prepare_image(shell, &restore);

	if (error == 0)
		error = rf_shell_receive_marks(shell);
	if (error == 0)
		error = rf_shell_insist(shell);
	if (error < 0 || shell->is_check)
		return error;
	rf_sys_close(shell->connection);
	rf_restore_seal(&restore);
	/* The image's handlers must not run before its thread does; rt_sigreturn sets its mask. */
	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, NULL, sizeof(every_signal));
	error = rf_restore_under_way(&shell->image, shell->layout_ns, &shell->report);
	if (error < 0)
		return error;
	rf_restore_leave(&restore);
}
