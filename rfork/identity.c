/* SPDX-License-Identifier: MIT */
/*
 * rfork_self(), and what it is made of.  Called where a call of the library begins, and where a
 * restored thread arrives, in which malloc() may not be usable.
 */
#define _GNU_SOURCE
#include "rfork/identity.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "rfork/arrival.h"
#include "rfork/boot_id.h"
#include "rfork/clocks.h"
#include "rfork/state.h"
#include "rfork/sys.h"

/* As long as the first version of the struct: what a caller must have room for. */
#define LEAST_BYTES sizeof(struct rfork_identity)

_Static_assert(sizeof(((struct rfork_process *)0)->host) == RF_IMAGE_HOST_NAME_BYTES, "host names");
_Static_assert(sizeof(((struct rfork_identity *)0)->connection) ==
		       RF_IMAGE_MAX_CONNECTION_BYTES + 1,
	       "connections");

/* -- for the image ---------------------------------------------------------------------------- */

static void write_down(struct rf_image_whereabouts *where, const struct rfork_process *process)
{
	memcpy(where->boot_id, process->boot_id, sizeof(where->boot_id));
	memcpy(where->host_name, process->host, sizeof(where->host_name));
	where->pid = (uint32_t)process->pid;
}

void rf_identity_describe(struct rf_image_identity *image, const struct rfork_identity *own,
			  const struct rf_machine_facts *here)
{
	*image = (struct rf_image_identity){ .hops = own->hops };
	memcpy(image->home.boot_id, here->boot_id, sizeof(image->home.boot_id));
	memcpy(image->home.host_name, here->host_name, sizeof(image->home.host_name));
	image->home.pid = (uint32_t)rf_syscall(SYS_getpid);
	if (own->hops)
		write_down(&image->origin, &own->origin);
	else
		image->origin = image->home;
}

/* -- on arrival ------------------------------------------------------------------------------- */

static void read_off(struct rfork_process *process, const struct rf_image_whereabouts *where)
{
	memcpy(process->boot_id, where->boot_id, sizeof(process->boot_id));
	memcpy(process->host, where->host_name, sizeof(process->host));
	process->pid = (pid_t)where->pid;
}

void rf_identity_arrive(struct rfork_identity *own, const struct rf_arrival_identity *arrival)
{
	*own = (struct rfork_identity){
		.size = sizeof(*own),
		.hops = arrival->image.hops + 1,
		.transport = arrival->transport,
		.ghost = (pid_t)arrival->image.ghost,
	};
	read_off(&own->origin, &arrival->image.origin);
	read_off(&own->home, &arrival->image.home);
	memcpy(own->node.boot_id, arrival->boot_id, sizeof(own->node.boot_id));
	memcpy(own->node.host, arrival->host_name, sizeof(own->node.host));
	own->node.pid = (pid_t)rf_syscall(SYS_getpid);
	memcpy(own->connection, arrival->connection, sizeof(own->connection));
	own->arrived_ns = (int64_t)rf_clocks_now_ns(CLOCK_REALTIME);
	/* sixteen bytes come whole, and are not interrupted: getrandom(2) */
	rf_syscall(SYS_getrandom, own->generation, sizeof(own->generation), 0);
}

/* -- the call --------------------------------------------------------------------------------- */

/* Of a process that has never arrived anywhere: it is its own origin. */
static void describe_here(struct rfork_identity *identity)
{
	struct utsname names = { .nodename = "" };

	uname(&names);
	memcpy(identity->node.host, names.nodename,
	       strnlen(names.nodename, sizeof(identity->node.host) - 1));
	identity->node.pid = getpid();
	rf_state_lock();
	rf_boot_id_read(identity->node.boot_id);
	rf_state_unlock();
	identity->origin = identity->home = identity->node;
}

int rfork_self(struct rfork_identity *identity)
{
	const struct rfork_identity *own = rf_state_identity();
	struct rf_report report = { 0 };
	size_t room = identity ? identity->size : 0;

	if (room < LEAST_BYTES) {
		rf_report(&report, EINVAL, "identity.size %zu is too small", room);
		return rf_fail(&report);
	}
	memset(identity, 0, room);
	if (own->hops)
		*identity = *own;
	else
		describe_here(identity);
	identity->size = room;
	return 0;
}
