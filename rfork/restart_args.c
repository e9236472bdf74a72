/* SPDX-License-Identifier: MIT */
/*
 * Keeps the arguments of the process that became this one.  Called where a restored thread
 * arrives, in which malloc() may not be usable: the memory is a mapping, which the next restart
 * replaces.
 */
#define _GNU_SOURCE
#include "rfork/restart_args.h"

#include <string.h>
#include <sys/mman.h>

#include "rfork/sys.h"

#define PAGE_BYTES 4096u

static size_t count_strings(const char *strings, size_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += strings[i] == '\0';
	return count;
}

/* Fills a list of `count` strings, from *next on, which moves behind them. */
static char **fill_list(char **list, size_t count, char **next)
{
	for (size_t i = 0; i < count; i++) {
		list[i] = *next;
		*next += strlen(*next) + 1;
	}
	list[count] = NULL;
	return list;
}

void rf_restart_args_take(struct rf_restart_args *args, const struct rf_arrival *arrival)
{
	const char *strings = (const char *)(uintptr_t)arrival->arguments;
	size_t count = count_strings(strings, arrival->arguments_bytes);
	size_t list_bytes = (count + 2) * sizeof(char *);
	size_t bytes = (list_bytes + arrival->arguments_bytes + PAGE_BYTES - 1) &
		       ~(size_t)(PAGE_BYTES - 1);
	long area =
		rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char **lists = (char **)area, *next = (char *)area + list_bytes;

	if (args->area)
		rf_sys_munmap(args->area, args->area_bytes);
	*args = (struct rf_restart_args){ 0 };
	if (area < 0 && area > -4096)
		return;
	memcpy(next, strings, arrival->arguments_bytes);
	args->area = (uintptr_t)area;
	args->area_bytes = bytes;
	args->argc = (int)arrival->argc;
	args->argv = fill_list(lists, arrival->argc, &next);
	args->envp = fill_list(lists + arrival->argc + 1, count - arrival->argc, &next);
}
