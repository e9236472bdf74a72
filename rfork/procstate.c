/* SPDX-License-Identifier: MIT */
/*
 * Reads kernel state of the ghost, which is the caller's by the rules of fork.
 * Called by snapshot.c after the capture point; leaves everything as it was.
 */
#define _GNU_SOURCE
#include "rfork/procstate.h"

#include <errno.h>
#include <linux/rseq.h>
#include <string.h>
#include <sys/prctl.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"

/* glibc 2.35 and later; weak, for it may be older or another libc. */
extern const ptrdiff_t __rseq_offset __attribute__((weak, visibility("default")));
extern const unsigned int __rseq_size __attribute__((weak, visibility("default")));

/* What glibc registers, whatever __rseq_size says (that is the part in use), and its signature on
 * x86_64.  Source: glibc, sysdeps/unix/sysv/linux/rseq-internal.h. */
#define RSEQ_REGISTERED_BYTES 32u
#define RSEQ_SIGNATURE 0x53053053u

/* Fields of /proc/PID/stat, numbered as in proc_pid_stat(5). */
enum {
	STAT_START_CODE = 26,
	STAT_END_CODE = 27,
	STAT_START_STACK = 28,
	STAT_START_DATA = 45,
	STAT_END_DATA = 46,
	STAT_START_BRK = 47,
	STAT_ARG_START = 48,
	STAT_ARG_END = 49,
	STAT_ENV_START = 50,
	STAT_ENV_END = 51,
	STAT_FIELDS,
};

/* process: "self", or a number. */
static int read_stat(const char *process, uint64_t fields[STAT_FIELDS])
{
	char path[32], text[2048];
	char *next;
	long length;

	rf_format(path, sizeof(path), "/proc/%s/stat", process);
	length = rf_io_read_file(path, text, sizeof(text));

	if (length < 0)
		return (int)length;
	next = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 3; next && field < STAT_FIELDS; field++) {
		next = strchr(next, ' ');
		if (!next)
			break;
		next++;
		for (const char *c = next; *c >= '0' && *c <= '9'; c++)
			fields[field] = fields[field] * 10 + (uint64_t)(*c - '0');
	}
	return fields[STAT_END_CODE] ? 0 : -EPROTO;
}

static int read_ranges(const char *name, struct rf_procstate_ranges *ranges,
		       struct rf_report *report)
{
	struct rf_image_process *process = &ranges->process;
	uint64_t fields[STAT_FIELDS] = { 0 };
	char path[32];
	long length;
	int error;

	rf_format(path, sizeof(path), "/proc/%s/auxv", name);
	length = rf_io_read_file(path, (char *)ranges->auxv, sizeof(ranges->auxv));
	if (length < 0)
		return rf_report(report, (int)-length, "%s: %m", path);
	error = read_stat(name, fields);
	if (error < 0)
		return rf_report(report, -error, "/proc/%s/stat: %m", name);
	*process = (struct rf_image_process){
		.start_code = fields[STAT_START_CODE],
		.end_code = fields[STAT_END_CODE],
		.start_data = fields[STAT_START_DATA],
		.end_data = fields[STAT_END_DATA],
		.start_brk = fields[STAT_START_BRK],
		.start_stack = fields[STAT_START_STACK],
		.arg_start = fields[STAT_ARG_START],
		.arg_end = fields[STAT_ARG_END],
		.env_start = fields[STAT_ENV_START],
		.env_end = fields[STAT_ENV_END],
		.auxv_bytes = (uint32_t)length & ~15u,
	};
	ranges->is_known = true;
	return 0;
}

int rf_procstate_read_ranges(struct rf_procstate_ranges *ranges, struct rf_report *report)
{
	return read_ranges("self", ranges, report);
}

int rf_procstate_read_ranges_of(pid_t pid, struct rf_procstate_ranges *ranges,
				struct rf_report *report)
{
	char name[16];

	rf_format(name, sizeof(name), "%d", (int)pid);
	return read_ranges(name, ranges, report);
}

static int collect_directory(struct rf_image_process *process, char *cwd, struct rf_report *report)
{
	long length = rf_syscall(SYS_getcwd, cwd, RF_IMAGE_MAX_PATH_BYTES + 1);

	if (length < 0)
		return rf_report(report, ENOTSUP, "the working directory was deleted");
	if (cwd[0] != '/')
		return rf_report(report, ENOTSUP, "the working directory lies outside the root");
	process->cwd_bytes = (uint32_t)length - 1; /* the kernel counts the zero */
	return 0;
}

int rf_procstate_collect(struct rf_image_process *process, struct rf_procstate_ranges *ranges,
			 char *cwd, struct rf_report *report)
{
	int error = ranges->is_known ? 0 : rf_procstate_read_ranges(ranges, report);

	if (error < 0)
		return error;
	*process = ranges->process;
	process->brk = (uint64_t)rf_syscall(SYS_brk, 0);
	error = collect_directory(process, cwd, report);
	if (error < 0)
		return error;
	/* The ghost has a umask of its own: nobody sees it change. */
	process->umask = (uint32_t)rf_syscall(SYS_umask, 0);
	rf_syscall(SYS_umask, process->umask);
	rf_sys_prctl(PR_GET_NAME, (unsigned long)process->comm, 0, 0, 0);
	return 0;
}

void rf_procstate_sigactions(struct rf_image_sigaction actions[RF_IMAGE_SIGNALS])
{
	_Static_assert(sizeof(actions[0]) == 32, "struct sigaction of the kernel");

	for (int signal = 1; signal <= RF_IMAGE_SIGNALS; signal++)
		rf_syscall(SYS_rt_sigaction, signal, NULL, &actions[signal - 1], sizeof(uint64_t));
}

static void collect_rseq(struct rf_image_thread *thread)
{
	if (!&__rseq_size || !__rseq_size)
		return;
	thread->rseq_address = thread->registers.fs_base + (uint64_t)__rseq_offset;
	thread->rseq_bytes = __rseq_size > RSEQ_REGISTERED_BYTES ? __rseq_size
								 : RSEQ_REGISTERED_BYTES;
	thread->rseq_signature = RSEQ_SIGNATURE;
}

void rf_procstate_thread(struct rf_image_thread *thread, const struct rf_arch_context *context,
			 uint64_t signal_mask)
{
	stack_t altstack = { .ss_flags = SS_DISABLE };

	memset(thread, 0, sizeof(*thread));
	rf_arch_thread_from_context(thread, context);
	thread->signal_mask = signal_mask;
	rf_syscall(SYS_sigaltstack, NULL, &altstack);
	thread->altstack_address = (uintptr_t)altstack.ss_sp;
	thread->altstack_bytes = altstack.ss_size;
	thread->altstack_flags = (uint32_t)altstack.ss_flags & ~(uint32_t)SS_ONSTACK;
	collect_rseq(thread);
	rf_procstate_ties(thread);
}

void rf_procstate_ties(struct rf_image_thread *ties)
{
	size_t robust_list_bytes = 0;

	ties->tid = (uint32_t)rf_syscall(SYS_gettid);
	rf_syscall(SYS_get_robust_list, 0, &ties->robust_list, &robust_list_bytes);
	ties->robust_list_bytes = robust_list_bytes;
	/* EINVAL without CONFIG_CHECKPOINT_RESTORE: then 0, nothing to restore */
	rf_sys_prctl(PR_GET_TID_ADDRESS, (unsigned long)&ties->tid_address, 0, 0, 0);
}

void rf_procstate_leave_rseq(const struct rf_image_thread *thread)
{
	if (thread->rseq_address)
		rf_syscall(SYS_rseq, thread->rseq_address, thread->rseq_bytes, RSEQ_FLAG_UNREGISTER,
			   thread->rseq_signature);
}

void rf_procstate_rejoin_rseq(const struct rf_image_thread *thread)
{
	if (thread->rseq_address)
		rf_syscall(SYS_rseq, thread->rseq_address, thread->rseq_bytes, 0,
			   thread->rseq_signature);
}
