/* SPDX-License-Identifier: MIT */
/*
 * What the process_*.c files share: a process that is stopped, on its way into a source.
 */
#ifndef TOOLS_PROCESS_INTERNAL_H
#define TOOLS_PROCESS_INTERNAL_H

#include <sys/stat.h>

#include "rfork/file_index.h"
#include "rfork/maps.h"
#include "rfork/pagemap.h"
#include "rfork/vdso_mark.h"
#include "tools/process_reader.h"
#include "tools/tracee.h"

/* How the list of mappings shows the file of an object of the source; 0 = it is no file. */
struct rf_process_content {
	uint64_t device, inode;
};

struct rf_process {
	struct rf_source_hold hold;
	struct rf_process_options options;
	struct rf_source *source;
	struct rf_tracees tracees;
	struct rf_maps maps;
	char *maps_buffer;
	struct rf_pagemap pagemap; /* fd -1 = not open */
	size_t segment_capacity;
	struct rf_file_index file_index;     /* no slots = not made yet */
	struct rf_process_content *contents; /* by object, once descriptors have been read */
	bool can_call;			     /* threads can make calls for us */
	bool is_redirected;
	struct rf_vdso_mark mark; /* of a vdso that is redirected, as of a process that came from
				   * another kernel */
};

/* Reads /proc/PID/NAME into a zero-terminated buffer; its length or a negative errno. */
long rf_process_read(pid_t pid, const char *name, char *buffer, size_t bytes);

/* The number behind a label of /proc/PID/status, or the nth behind it; false if there is none. */
bool rf_process_status_number(const char *status, const char *label, int nth, int base,
			      uint64_t *number);

/* The index of a FILE of the source, added if it is new; -ENOMEM, -ENOTSUP if there are too
 * many. */
long rf_process_intern_file(struct rf_process *process, const struct rf_image_file *identity,
			    const char *path);

/* Refuses what cannot be carried, whatever it has in memory and open; process_checks.c.  is_held:
 * by us.  0 or a negative errno with a report. */
int rf_process_check(pid_t pid, bool is_held, struct rf_report *report);

/* Why we have no right to stop it: completes a report of EPERM; returns -EPERM. */
int rf_process_explain_refusal(pid_t pid, struct rf_report *report);

/* Threads, signals, timers: all that is asked of threads by calls; process_threads.c. */
int rf_process_read_threads(struct rf_process *process, struct rf_report *report);

/* Where what a thread is asked for one by one is stored: 256 bytes. */
uint64_t rf_process_answer_address(const struct rf_process *process, size_t thread);

/* What a thread has chosen for itself, and with thread 0 what the process has;
 * process_attributes.c. */
int rf_process_ask_attributes(struct rf_process *process, size_t index, struct rf_report *report);

/* Capabilities, and that its threads have the same; process_rights.c. */
int rf_process_read_rights(struct rf_process *process, struct rf_report *report);

/* Mappings, which may be of files that descriptors lead to, which memory holds data, and how it is
 * marked; process_memory.c. */
int rf_process_read_memory(struct rf_process *process, struct rf_report *report);

/* Locks and marks of the mappings, once these are known, and protection keys; what is to be wiped
 * holds no data any more; process_marks.c. */
int rf_process_read_marks(struct rf_process *process, struct rf_report *report);

/* Descriptors, pipes, locks on files; process_descriptors.c. */
int rf_process_read_descriptors(struct rf_process *process, struct rf_report *report);

/* Whether its vdso is redirected, once maps and auxv are known; and the code of the vdso that it
 * had at first, once its threads are; process_vdso.c. */
void rf_process_find_vdso(struct rf_process *process);
int rf_process_read_vdso(struct rf_process *process, struct rf_report *report);

#endif
