/* SPDX-License-Identifier: MIT */
/*
 * The child as a job (doc/protocol.txt, 6): its stops and its end, the signals that come for
 * it and from it, and whether its ghost still answers.  For session_relay.c and session.c.
 */
#ifndef RF_SESSION_SIGNALS_H
#define RF_SESSION_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/protocol.h"

struct rf_job {
	pid_t child;
	pid_t listener;	   /* our parent, as long as it lives */
	int urgent;	   /* signalfd of SIGCHLD and SIGTERM */
	int others;	   /* signalfd of all others */
	bool has_ended;	   /* the child; then status says how */
	bool is_childless; /* no descendant is left */
	int status;
	unsigned stop_signal;  /* by which the child was stopped; 0 = it runs */
	bool is_stop_told;     /* the ghost has stopped itself, or will */
	bool tell_continued;   /* the ghost is to go on */
	bool awaits_wake;      /* the ghost should be going on: nothing of it has come since */
	bool is_held;	       /* we have stopped the child, because the ghost is stopped */
	bool is_ping_sent;     /* and not answered */
	bool is_group_stopped; /* by a terminal: all of it is to go on together */
	bool may_have_others;  /* `others` may be readable */
	unsigned late_signals; /* how many more are read after the end or stop */
	struct rf_frame_signal pending[3]; /* to be sent: of SIGCHLD, SIGTERM, another; 0 = none */
};

/* Blocks all signals, also those that the C library keeps for itself. */
void rf_signals_block(void);

/* urgent: a signalfd of SIGCHLD and SIGTERM, which are blocked as all others are; stays the
 * caller's.  0 or a negative errno. */
int rf_job_open(struct rf_job *job, pid_t child, pid_t listener, int urgent);
void rf_job_close(struct rf_job *job);

/* What has happened; flags. */
#define RF_JOB_TERMINATE 1u /* somebody ends the session */
#define RF_JOB_STOPPED 2u   /* the child has stopped, and the ghost is to know */
#define RF_JOB_ENDED 4u	    /* the child has ended */
#define RF_JOB_SIGNAL 8u    /* a signal is pending for the ghost */

/* Reads the urgent signals and what the children have become. */
unsigned rf_job_take_urgent(struct rf_job *job);
/* The latter alone. */
unsigned rf_job_reap(struct rf_job *job);

/* Reads one of the other signals into pending, unless one is there; whether it did. */
bool rf_job_take_other(struct rf_job *job);

/* Takes a pending signal; whether there was one. */
bool rf_job_next_signal(struct rf_job *job, struct rf_frame_signal *signal);

/* A signal from the ghost to the child; 0, or -EBADMSG if there is no such signal. */
int rf_job_send(struct rf_job *job, const struct rf_frame_signal *signal);

/* The child goes on after a stop that nobody has heard of. */
void rf_job_resume(struct rf_job *job);

/* Any frame of the ghost has come: what was stopped for its sake goes on. */
void rf_job_heard(struct rf_job *job);

/*
 * A second without a frame of the ghost has passed.  is_acknowledged: nothing is under way to it.
 * Stops the child if the ghost is stopped; whether PING should be sent.
 */
bool rf_job_is_silent(struct rf_job *job, bool is_acknowledged);

#endif
