/* SPDX-License-Identifier: MIT */
/*
 * The parts of a public call that do not depend on which it is.  Called by rfork.c and
 * checkpoint.c.
 */
#define _GNU_SOURCE
#include "rfork/arrival.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/identity.h"
#include "rfork/io.h"
#include "rfork/state.h"
#include "rfork/sys.h"

static __thread struct rf_report last_report = { .sentence = "no error" };

struct rf_report *rf_last_report(void)
{
	return &last_report;
}

int rf_fail(const struct rf_report *report)
{
	last_report = *report;
	errno = report->error;
	return -1;
}

/* -- warnings ---------------------------------------------------------------------------------- */

static __thread struct {
	char *text;	     /* NULL = none */
	size_t mapped_bytes; /* 0 = of malloc() */
} warnings;
static pthread_key_t warnings_key;
static pthread_once_t warnings_once = PTHREAD_ONCE_INIT;
static bool has_warnings_key;

/* Also at the thread's end. */
static void drop_warnings(void *text)
{
	if (warnings.mapped_bytes)
		rf_sys_munmap((uintptr_t)text, warnings.mapped_bytes);
	else
		free(text);
	warnings.text = NULL;
	warnings.mapped_bytes = 0;
}

static void make_warnings_key(void)
{
	has_warnings_key = pthread_key_create(&warnings_key, drop_warnings) == 0;
}

void rf_keep_warnings(const void *text, size_t bytes)
{
	drop_warnings(warnings.text);
	if (bytes)
		warnings.text = malloc(bytes + 1);
	if (warnings.text) {
		memcpy(warnings.text, text, bytes);
		warnings.text[bytes] = '\0';
		pthread_once(&warnings_once, make_warnings_key);
	}
	if (has_warnings_key)
		pthread_setspecific(warnings_key, warnings.text);
}

/* Where malloc() may not be usable, nor free() for what there was: it may be locked by a thread
 * that is not here. */
static void take_warnings(const struct rf_arrival *arrival)
{
	size_t bytes = arrival->warnings_bytes;
	long area;

	warnings.text = NULL;
	warnings.mapped_bytes = 0;
	if (!bytes)
		return;
	area = rf_sys_mmap(0, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
	if (area < 0 && area > -4096)
		return;
	warnings.text = (char *)area; /* it ends with zeros */
	warnings.mapped_bytes = bytes + 1;
	memcpy(warnings.text, (const void *)(uintptr_t)arrival->warnings, bytes);
}

const char *rf_kept_warnings(void)
{
	return warnings.text ? warnings.text : "";
}

/* -- the restored thread ----------------------------------------------------------------------- */

void rf_arrive(const struct rf_arrival *arrival, enum rf_shell_report_kind kind)
{
	struct rf_arrival here = *arrival;
	struct rf_shell_report report = { .kind = kind };
	/* it restarted itself: its parent is anybody, and nobody waits to hear of it */
	bool is_alone = here.report_fd < 0;
	char go;

	if (is_alone)
		rf_restart_args_take(rf_state_restart_args(), &here);
	rf_identity_arrive(rf_state_identity(),
			   (const struct rf_arrival_identity *)(uintptr_t)here.identity);
	take_warnings(&here);
	if (here.region_bytes)
		rf_sys_munmap(here.region_address, here.region_bytes);
	rf_state_reset(is_alone ? 0 : (pid_t)rf_syscall(SYS_getppid));
	last_report = (struct rf_report){ .sentence = "no error" };
	if (is_alone)
		return;
	/* Without a session to hear it the connection is lost, and the child about to be killed. */
	rf_io_write_full(here.report_fd, &report, RF_SHELL_REPORT_SHORT_BYTES, RF_NO_DEADLINE);
	if (kind != RF_SHELL_RUNNING &&
	    rf_io_read_full(here.report_fd, &go, sizeof(go), RF_NO_DEADLINE) < 0)
		rf_sys_exit(1);
	rf_sys_close(here.report_fd);
}

enum rf_frozen_check rf_frozen_check(void)
{
	const char *value = secure_getenv("RFORK_CHECK_FROZEN");

	if (!value || !*value)
		return RF_FROZEN_TRUSTED;
	return strcmp(value, "break") == 0 ? RF_FROZEN_BROKEN : RF_FROZEN_CHECKED;
}
