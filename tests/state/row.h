/* SPDX-License-Identifier: MIT */
/*
 * One kind of state: how it is made, and how one sees that it is there.  Each is a row of
 * doc/state.md, and has the name that RFORK_TEST_DROP has for it.
 */
#ifndef TEST_STATE_ROW_H
#define TEST_STATE_ROW_H

#include <stddef.h>

#include "tests/support/test.h"

/* How a process comes to where its state is looked at. */
enum state_way {
	STATE_FORK,    /* fork(2), the model */
	STATE_RFORK,   /* rfork() */
	STATE_MOVE,    /* rfork_move() */
	STATE_RESTART, /* rfork_undump(), and the executable is started */
	STATE_PROCESS, /* undump -p, and the executable is started */
	STATE_NODE,    /* rfork_checkpoint(), and undump --to has a node restart the statefile */
	STATE_WAYS,
};

#define STATE_BY(way) (1u << STATE_##way)

/* The child of the process is looked at, and it goes on itself. */
#define STATE_CHILDREN (STATE_BY(FORK) | STATE_BY(RFORK))
/* The process itself goes on elsewhere. */
#define STATE_ITSELF (STATE_BY(MOVE) | STATE_BY(RESTART) | STATE_BY(PROCESS) | STATE_BY(NODE))
#define STATE_ALL (STATE_CHILDREN | STATE_ITSELF)

struct state_row {
	const char *kind;
	void (*build)(void);
	void (*verify)(void); /* where the process has come to */
	void (*home)(void);   /* then, in the process that has stayed at home; or NULL */
	/* stops, and waits to be taken by undump -p, in its own way; or NULL */
	void (*stand)(void);
	unsigned ways;	 /* by which the row is tested */
	unsigned unseen; /* of these: by which it is not in the image, so that none can miss it */
	/* of other rows: kinds without which there is none of this one; NULL at the end */
	const char *needs[4];
	/* instead of all that: an integration test, which fails when the kind is dropped, and goes
	 * those ways by itself */
	const char *program;
};

/* While verify() runs: how the process has come. */
extern enum state_way state_way;

/* The process that has made the state, for stand(): it has been taken when getpid(2) says
 * another. */
extern long state_pid;

/* A file in the test's folder with some contents; a path in a static buffer. */
const char *state_file(void);
#define STATE_FILE_TEXT "0123456789"

/* The permissions of the mapping at an address, as /proc/self/maps has them ("rw-p"). */
const char *state_permissions(const void *address);

/* A number in /proc/self/status, in the base that it has there. */
long state_status(const char *name, int base);

extern const struct state_row state_process_rows[], state_signal_rows[], state_thread_rows[],
	state_memory_rows[], state_descriptor_rows[], state_object_rows[],
	state_attribute_rows[];

#endif
