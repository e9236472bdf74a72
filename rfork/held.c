/* SPDX-License-Identifier: MIT */
/*
 * The table of held checkpoints.  Called by checkpoint.c, by state.c at forks and restarts, and by
 * whoever looks at all descriptors or children of the process.
 */
#define _GNU_SOURCE
#include "rfork/held.h"

#include <sys/wait.h>

#include "rfork/sys.h"

static struct rf_held table[RF_HELD_MAX];
static int64_t last_crid; /* survives restarts: what an older crid meant is never another's */

static pid_t self(void)
{
	return (pid_t)rf_syscall(SYS_getpid);
}

static void close_control(struct rf_held *held)
{
	if (held->control >= 0)
		rf_sys_close(held->control);
	held->control = -1;
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
			.control = -1,
			.is_claimed = true,
			.increment = RF_INCREMENT_NONE,
		};
		return held;
	}
	return NULL;
}

struct rf_held *rf_held_find(int64_t crid)
{
	for (size_t i = 0; crid > 0 && i < RF_HELD_MAX; i++)
		if (table[i].crid == crid)
			return &table[i];
	return NULL;
}

void rf_held_drop(struct rf_held *held)
{
	close_control(held);
	rf_increment_drop(&held->increment);
	*held = (struct rf_held){ 0 };
}

bool rf_held_owns(int fd)
{
	for (size_t i = 0; i < RF_HELD_MAX; i++)
		if (table[i].crid &&
		    (table[i].control == fd || rf_increment_owns(&table[i].increment, fd)))
			return true;
	return rf_increment_owns(NULL, fd);
}

bool rf_held_has(pid_t pid)
{
	pid_t owner = self();

	for (size_t i = 0; i < RF_HELD_MAX; i++)
		if (table[i].crid && table[i].owner == owner && table[i].holder &&
		    (!pid || table[i].holder == pid))
			return true;
	return false;
}

void rf_held_leave(void)
{
	for (size_t i = 0; i < RF_HELD_MAX; i++)
		if (table[i].crid) {
			close_control(&table[i]);
			rf_increment_drop(&table[i].increment);
		}
	rf_increment_leave();
}

void rf_held_forget(void)
{
	for (size_t i = 0; i < RF_HELD_MAX; i++)
		if (table[i].crid)
			table[i] = (struct rf_held){ 0 };
	rf_increment_forget();
}

void rf_held_end(void)
{
	pid_t owner = self();

	for (size_t i = 0; i < RF_HELD_MAX; i++) {
		const struct rf_held *held = &table[i];

		if (!held->crid || held->owner != owner || !held->holder)
			continue;
		rf_sys_close(held->control);
		rf_syscall(SYS_waitid, P_PID, held->holder, NULL,
			   WEXITED | __WALL | (held->is_writing ? WNOHANG : 0), NULL);
	}
}
