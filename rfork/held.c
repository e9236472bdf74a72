/* SPDX-License-Identifier: MIT */
/*
 * The table of held checkpoints.  Called by checkpoint.c, by state.c at forks and restarts, and by
 * whoever looks at all descriptors or children of the process.
 */
#define _GNU_SOURCE
#include "rfork/held.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include "rfork/sys.h"

static struct rf_held table[RF_HELD_MAX];
/* The places from here on have never been taken.  They are not looked at: the table is long, and in
 * a process that was just restored each of its pages would be a fault. */
static size_t used;
static int64_t last_crid; /* survives restarts: what an older crid meant is never another's */

static pid_t self(void)
{
	return (pid_t)rf_syscall(SYS_getpid);
}

/* A child that libc knows nothing of, by _Fork(3) or clone(2), may have it as well: closing it
 * would not do. */
static void end_holder(struct rf_held *held)
{
	if (rf_kept_fd_is_open(&held->control))
		rf_syscall(SYS_shutdown, held->control.fd, SHUT_RDWR);
	rf_kept_fd_close(&held->control);
}

struct rf_held *rf_held_add(void)
{
	pid_t owner = self();

	for (size_t i = 0; i < RF_HELD_MAX; i++) {
		struct rf_held *held = &table[i];

		if (held->crid && held->owner == owner)
			continue;
		*held = (struct rf_held){
			.crid = ++last_crid,
			.owner = owner,
			.control = RF_KEPT_FD_NONE,
			.is_claimed = true,
			.increment = RF_INCREMENT_NONE,
		};
		if (i == used)
			used++;
		return held;
	}
	return NULL;
}

struct rf_held *rf_held_find(int64_t crid)
{
	for (size_t i = 0; crid > 0 && i < used; i++)
		if (table[i].crid == crid)
			return &table[i];
	return NULL;
}

void rf_held_drop(struct rf_held *held)
{
	end_holder(held);
	rf_increment_drop(&held->increment);
	*held = (struct rf_held){ 0 };
}

bool rf_held_owns(int fd)
{
	for (size_t i = 0; i < used; i++)
		if (table[i].crid && (rf_kept_fd_is(&table[i].control, fd) ||
				      rf_increment_owns(&table[i].increment, fd)))
			return true;
	return rf_increment_owns(NULL, fd);
}

bool rf_held_has(pid_t pid)
{
	pid_t owner = self();

	for (size_t i = 0; i < used; i++)
		if (table[i].crid && table[i].owner == owner && table[i].holder &&
		    (!pid || table[i].holder == pid))
			return true;
	return false;
}

void rf_held_leave(void)
{
	for (size_t i = 0; i < used; i++)
		if (table[i].crid) {
			rf_kept_fd_close(&table[i].control);
			rf_increment_drop(&table[i].increment);
		}
	rf_increment_leave();
}

void rf_held_forget(void)
{
	for (size_t i = 0; i < used; i++)
		if (table[i].crid)
			table[i] = (struct rf_held){ 0 };
	used = 0;
	rf_increment_forget();
}

void rf_held_end(void)
{
	pid_t owner = self();

	for (size_t i = 0; i < used; i++) {
		struct rf_held *held = &table[i];

		if (!held->crid || held->owner != owner || !held->holder)
			continue;
		end_holder(held);
		rf_syscall(SYS_waitid, P_PID, held->holder, NULL,
			   WEXITED | __WALL | (held->is_writing ? WNOHANG : 0), NULL);
	}
}
