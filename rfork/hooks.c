/* SPDX-License-Identifier: MIT */
/*
 * rfork_atfork(): keeps the program's functions, and calls them.  While one runs another thread may
 * register or remove others: so each step looks for the next one again, by number.
 */
#define _GNU_SOURCE
#include "rfork/hooks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rfork.h>

#include "rfork/arrival.h"
#include "rfork/state.h"

#define LEAST_CAPACITY 8u

/* A function that calls rfork() would be called by it. */
static __thread bool is_inside;

/* -- the list; the caller holds the lock ------------------------------------------------------ */

/* How many have an id below this one. */
static size_t count_below(const struct rf_hooks *hooks, uint64_t id)
{
	size_t low = 0, high = hooks->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (hooks->entries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int make_room(struct rf_hooks *hooks)
{
	size_t capacity = hooks->capacity ? 2 * hooks->capacity : LEAST_CAPACITY;
	struct rf_hook *entries;

	if (hooks->count < hooks->capacity)
		return 0;
	entries = reallocarray(hooks->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	hooks->entries = entries;
	hooks->capacity = capacity;
	return 0;
}

static int add(struct rf_hooks *hooks, const struct rf_hook *hook)
{
	int error = make_room(hooks);

	if (error < 0)
		return error;
	hooks->entries[hooks->count] = *hook;
	hooks->entries[hooks->count++].id =
		__atomic_add_fetch(&hooks->last_id, 1, __ATOMIC_RELAXED);
	return 0;
}

static bool is_equal(const struct rf_hook *a, const struct rf_hook *b)
{
	return a->prepare == b->prepare && a->parent == b->parent && a->child == b->child;
}

static int remove_youngest(struct rf_hooks *hooks, const struct rf_hook *hook)
{
	for (size_t i = hooks->count; i-- > 0;) {
		if (!is_equal(&hooks->entries[i], hook))
			continue;
		memmove(&hooks->entries[i], &hooks->entries[i + 1],
			(--hooks->count - i) * sizeof(*hooks->entries));
		return 0;
	}
	return -ENOENT;
}

/* -- calls ------------------------------------------------------------------------------------ */

/* The one before or after `id`; false behind the last. */
static bool find_older(uint64_t id, struct rf_hook *hook)
{
	const struct rf_hooks *hooks = rf_state_hooks();
	size_t below;

	rf_state_lock();
	below = count_below(hooks, id);
	if (below)
		*hook = hooks->entries[below - 1];
	rf_state_unlock();
	return below;
}

static bool find_younger(uint64_t id, struct rf_hook *hook)
{
	const struct rf_hooks *hooks = rf_state_hooks();
	bool is_found;
	size_t below;

	rf_state_lock();
	below = count_below(hooks, id + 1);
	is_found = below < hooks->count;
	if (is_found)
		*hook = hooks->entries[below];
	rf_state_unlock();
	return is_found;
}

static void call(void (*function)(void))
{
	if (!function)
		return;
	is_inside = true;
	function();
	is_inside = false;
}

int rf_hooks_prepare(uint64_t *last, struct rf_report *report)
{
	const struct rf_hooks *hooks = rf_state_hooks();
	struct rf_hook hook;

	if (is_inside)
		return rf_report(report, EDEADLK,
				 "a function of rfork_atfork() cannot itself fork to a node");
	*last = __atomic_load_n(&hooks->last_id, __ATOMIC_RELAXED);
	if (!*last)
		return 0;
	hook.id = *last + 1;
	while (find_older(hook.id, &hook))
		call(hook.prepare);
	return 0;
}

void rf_hooks_parent(uint64_t last)
{
	struct rf_hook hook = { .id = 0 };

	while (hook.id < last && find_younger(hook.id, &hook) && hook.id <= last)
		call(hook.parent);
}

void rf_hooks_child(uint64_t last)
{
	struct rf_hook hook = { .id = 0 };

	while (hook.id < last && find_younger(hook.id, &hook) && hook.id <= last)
		call(hook.child);
}

/* -- the public calls ------------------------------------------------------------------------- */

/* A fork of the process must find the list whole: forks are watched. */
int rfork_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	const struct rf_hook hook = { .prepare = prepare, .parent = parent, .child = child };
	struct rf_report report = { 0 };
	int error = rf_state_watch_forks();

	if (error == 0) {
		rf_state_lock();
		error = add(rf_state_hooks(), &hook);
		rf_state_unlock();
	}
	if (error == 0)
		return 0;
	rf_report(&report, -error, "no memory for the functions of rfork_atfork(): %m");
	return rf_fail(&report);
}

int rfork_atfork_remove(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	const struct rf_hook hook = { .prepare = prepare, .parent = parent, .child = child };
	struct rf_report report = { 0 };
	int error;

	rf_state_lock();
	error = remove_youngest(rf_state_hooks(), &hook);
	rf_state_unlock();
	if (error == 0)
		return 0;
	rf_report(&report, -error, "these functions are not registered");
	return rf_fail(&report);
}
