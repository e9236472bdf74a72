/* SPDX-License-Identifier: MIT */
/*
 * The library's globals and the fork handler that keeps rfork() calls of several
 * threads apart.
 */
#define _GNU_SOURCE
#include "rfork/state.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/arch.h"
#include "rfork/held.h"
#include "rfork/machine_facts.h"
#include "rfork/sys.h"

/*
 * What the process knows of CPUs.  It goes on with the features that it found where it started,
 * wherever it is, and so do the objects that it had loaded when it came here.  Those that it has
 * loaded since have found what is here.
 */
struct rf_origin {
	struct rf_machine_facts facts; /* with all features that it may use */
	unsigned long long loads;      /* objects that it had loaded by then; 0 = never looked */
};

static struct rf_state {
	pthread_mutex_t lock; /* guards all of it */
	sigset_t mask;	      /* of the thread that holds the lock, from before */
	struct rf_flight *flights;
	bool has_handlers;
	bool has_facts;
	struct rf_machine_facts facts;
	struct rf_origin origin;
	struct rf_digest_cache *digests; /* mapped on demand: most programs never need it */
	pid_t node_session;
	struct rf_restart_args restart_args;
	struct rfork_identity identity;
	struct rf_hooks hooks;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread struct rf_flight *own_flight;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		rf_sys_close(*fd);
	*fd = -1;
}

static void drop_flight(struct rf_flight *flight)
{
	close_fd(&flight->connection);
	close_fd(&flight->status_read);
	close_fd(&flight->status_write);
	rf_arena_unmap(&flight->arena);
}

static void lock_state(void)
{
	pthread_mutex_lock(&state.lock);
}

static void unlock_state(void)
{
	pthread_mutex_unlock(&state.lock);
}

void rf_state_lock(void)
{
	sigset_t all, mask;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &mask);
	lock_state();
	state.mask = mask;
}

void rf_state_unlock(void)
{
	sigset_t mask = state.mask;

	unlock_state();
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* In every fork child: other threads' connections would stay open in it, and their ends of file
 * would never come.  The ghost itself keeps its own. */
static void leave_flights(void)
{
	struct rf_flight *next;

	for (struct rf_flight *flight = state.flights; flight; flight = next) {
		next = flight->next;
		if (flight != own_flight)
			drop_flight(flight);
	}
	state.flights = NULL;
	rf_held_leave();
	pthread_mutex_init(&state.lock, NULL);
}

/* The caller holds the lock. */
static int watch_forks(void)
{
	int error = 0;

	if (!state.has_handlers) {
		error = pthread_atfork(lock_state, unlock_state, leave_flights);
		state.has_handlers = error == 0;
	}
	return -error;
}

int rf_state_watch_forks(void)
{
	int error;

	rf_state_lock();
	error = watch_forks();
	rf_state_unlock();
	return error;
}

int rf_flight_begin(struct rf_flight *flight)
{
	int error;

	*flight = (struct rf_flight){ .connection = -1, .status_read = -1, .status_write = -1 };
	rf_state_lock();
	error = watch_forks();
	flight->next = state.flights;
	state.flights = flight;
	rf_state_unlock();
	own_flight = flight;
	if (error)
		rf_flight_end(flight);
	return error;
}

void rf_flight_end(struct rf_flight *flight)
{
	struct rf_flight **link;

	rf_state_lock();
	for (link = &state.flights; *link && *link != flight; link = &(*link)->next)
		;
	if (*link)
		*link = flight->next;
	drop_flight(flight);
	rf_state_unlock();
	own_flight = NULL;
}

void rf_flight_leave_connection(struct rf_flight *flight)
{
	rf_state_lock();
	close_fd(&flight->connection);
	close_fd(&flight->status_write);
	rf_state_unlock();
}

void rf_flight_leave_ghost(struct rf_flight *flight)
{
	rf_state_lock();
	close_fd(&flight->connection);
	close_fd(&flight->status_write);
	rf_arena_unmap(&flight->arena);
	rf_state_unlock();
}

bool rf_flight_owns(int fd)
{
	bool found = false;

	for (struct rf_flight *flight = state.flights; flight && !found; flight = flight->next)
		found = flight->connection == fd || flight->status_read == fd ||
			flight->status_write == fd;
	return found || rf_held_owns(fd);
}

static int take_loads(struct dl_phdr_info *info, size_t bytes, void *loads)
{
	(void)bytes;
	*(unsigned long long *)loads = info->dlpi_adds;
	return 1; /* all say the same */
}

static unsigned long long count_loads(void)
{
	unsigned long long loads = 0;

	dl_iterate_phdr(take_loads, &loads);
	return loads;
}

/* `here` has the features of this machine.  The caller holds the lock. */
static void add_features(struct rf_machine_facts here, unsigned long long loads)
{
	struct rf_arch_c_library library;

	if (rf_arch_ask_c_library(&library))
		rf_arch_drop_masked(&here, &library);
	for (size_t i = 0; i < RF_CPU_WORDS; i++)
		here.cpu[i] |= state.origin.facts.cpu[i];
	if (!state.origin.loads)
		state.origin.facts = here;
	memcpy(state.origin.facts.cpu, here.cpu, sizeof(here.cpu));
	state.origin.loads = loads;
}

/* The caller holds the lock. */
static int find_facts(unsigned long long loads)
{
	struct rf_machine_facts here = state.facts;
	bool is_new = !state.has_facts;
	int error = is_new ? rf_machine_facts_collect(&here) : 0;

	if (error < 0 || (!is_new && state.origin.loads == loads))
		return error;
	if (!is_new)
		rf_arch_machine_facts(&here);
	if (state.origin.loads != loads)
		add_features(here, loads);
	state.facts = here;
	memcpy(state.facts.cpu, state.origin.facts.cpu, sizeof(state.facts.cpu));
	state.has_facts = true;
	return 0;
}

const struct rf_machine_facts *rf_state_facts(int *error)
{
	unsigned long long loads = count_loads();

	rf_state_lock();
	*error = find_facts(loads);
	rf_state_unlock();
	return *error ? NULL : &state.facts;
}

struct rf_digest_cache *rf_state_digests(void)
{
	rf_state_lock();
	if (!state.digests) {
		void *memory = mmap(NULL, sizeof(*state.digests), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		state.digests = memory == MAP_FAILED ? NULL : memory;
	}
	rf_state_unlock();
	return state.digests;
}

void rf_state_reset(pid_t session)
{
	if (state.digests)
		munmap(state.digests, sizeof(*state.digests));
	rf_held_forget();
	/* Handlers stay registered in the memory that came along. */
	state = (struct rf_state){ .lock = PTHREAD_MUTEX_INITIALIZER,
				   .has_handlers = state.has_handlers,
				   .node_session = session,
				   .origin = state.origin,
				   .restart_args = state.restart_args,
				   .identity = state.identity,
				   .hooks = state.hooks };
	own_flight = NULL;
	if (state.origin.loads)
		rf_arch_widen_resolver(&state.origin.facts);
}

int rf_state_check_resolver(const struct rf_machine_facts *node, struct rf_report *report)
{
	return rf_arch_check_resolver(&state.origin.facts, node, report);
}

struct rf_restart_args *rf_state_restart_args(void)
{
	return &state.restart_args;
}

struct rfork_identity *rf_state_identity(void)
{
	return &state.identity;
}

struct rf_hooks *rf_state_hooks(void)
{
	return &state.hooks;
}

pid_t rf_state_node_session(void)
{
	return state.node_session;
}
