/* SPDX-License-Identifier: MIT */
/*
 * The plan: the flat list of system calls that turn the shell into the image.
 * Built by plan_builder.c from validated input, executed by restorer/ without
 * another decision.  The only header that the restorer shares with the rest.
 */
#ifndef RF_RESTORE_PLAN_H
#define RF_RESTORE_PLAN_H

#include <stdint.h>

#define RF_SYS_MSEAL 462 /* mseal(2), Linux 6.10; missing in older headers */

enum rf_step_check {
	RF_STEP_SUCCEEDS = 0, /* the result is no error (not in -4095 to -1) */
	RF_STEP_EQUALS = 1,   /* the result equals `expected` */
	RF_STEP_STORES = 2,   /* as SUCCEEDS, and its low 32 bits are stored at `expected` */
};

struct rf_step {
	uint32_t check;
	uint32_t number; /* of the system call */
	uint64_t arguments[6];
	uint64_t expected;
};

/* What the restored thread finds at the address that capture returned in it: the key to the
 * leftovers of the restore, which it removes.  Lives in the restorer's region. */
struct rf_arrival {
	uint64_t region_address; /* of the restorer's region, to be unmapped */
	uint64_t region_bytes;	 /* 0 = other threads may still be leaving it: it stays */
	int32_t report_fd; /* takes one struct rf_shell_report, then to be closed; -1 = none */
	uint32_t argc;
	/* Of an executable that restarted itself: the strings of its arguments, then those of
	 * its environment, each with its zero; in the region.  0 = none. */
	uint64_t arguments;
	uint64_t arguments_bytes;
	uint64_t identity; /* of a struct rf_arrival_identity in the region */
	/* Lines about what could not be given to the process; in the region. */
	uint64_t warnings;
	uint64_t warnings_bytes;
};

/* A thread beside the main one: what it does for itself, on a stack in the region. */
struct rf_plan_thread {
	const struct rf_step *steps;
	uint64_t count;
	uint64_t stack;	    /* stack pointer with which rt_sigreturn finds its signal frame */
	uint64_t stack_top; /* of the stack on which the restorer runs it */
};

struct rf_plan {
	const struct rf_step *steps; /* of the process and its main thread */
	uint64_t count;
	uint64_t stack; /* as in rf_plan_thread */
	const struct rf_plan_thread *threads;
	uint64_t thread_count;
	/* when all threads have done theirs: what the main thread has of its own, and then the rest */
	const struct rf_step *own;
	uint64_t own_count;
	const struct rf_step *last;
	uint64_t last_count;
	/* A failure goes to report_fd as a struct rf_shell_report; or, with a text, as a line
	 * that begins with it. */
	const char *failure;
	uint64_t failure_bytes;
	int32_t report_fd;
	uint32_t ready; /* threads that have done their steps, a futex */
	uint32_t gate;	/* 1 = they may leave, a futex */
	uint32_t reserved;
};

enum rf_shell_report_kind {
	RF_SHELL_RUNNING = 1,	/* the restored thread executes */
	RF_SHELL_FAILED = 2,	/* the shell gave up; error and sentence tell why */
	RF_SHELL_RESTORER = 3,	/* a step failed; error, step and number tell which */
	RF_SHELL_STREAM = 4,	/* not a report: struct rf_shell_stream comes with a descriptor */
	RF_SHELL_WAITING = 5,	/* as RUNNING, but the thread waits for one message on the socket */
	RF_SHELL_CHECKED = 7,	/* the shell was only to look, and has */
	RF_SHELL_EXPECTING = 6, /* as WAITING, and the relay is to begin meanwhile */
	RF_SHELL_WARNING = 8,	/* not yet a report: `argument` bytes of `sentence` are the next
				 * of struct rf_warnings */
};

/* One message on the shell's SOCK_SEQPACKET to its session. */
struct rf_shell_report {
	uint32_t kind;
	int32_t error; /* positive errno */
	uint64_t step;
	uint64_t number;
	uint64_t argument; /* the first one of the failed step */
	char sentence[512];
};

/* Where a report says that thread `argument` could not be made: no step has that number. */
#define RF_SHELL_REPORT_NO_STEP UINT64_MAX

/* Bytes of a report without its sentence: all that the restorer and the restored thread send. */
#define RF_SHELL_REPORT_SHORT_BYTES 32

_Static_assert(sizeof(struct rf_step) == 64, "the restorer steps by this size");

#endif
