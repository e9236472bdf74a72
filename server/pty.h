/* SPDX-License-Identifier: MIT */
/*
 * The child's terminal on the node (doc/protocol.txt, 7): a pseudo-terminal whose session leader
 * is the session, and whose lines are edited at home.  Opened before the shell is started, since
 * a process that exists gets no controlling terminal any more; given up when the caller has none.
 * For session.c, session_relay.c and session_stream.c.
 */
#ifndef RF_PTY_H
#define RF_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/protocol.h"

struct rf_pty {
	int master, slave; /* O_NONBLOCK; -1 = there is no terminal */
	pid_t child;
	uint32_t number; /* of the last MODE */

	/* the mode */
	struct rf_terminal_mode mode; /* the terminal's, without EXTPROC */
	/* as home has it: a pseudo-terminal cannot be set to everything */
	struct rf_terminal_mode home;
	uint32_t news;	  /* RF_MODE_*, to be sent */
	bool is_due;	  /* the child has changed it, and it has not been looked at */
	size_t due_bytes; /* how much is read before it is */

	/* output */
	bool undoes_returns; /* each newline that is read has a carriage return before it */
	bool has_return;     /* one was read, and what follows it was not */
	bool is_return_due;  /* it waits no longer */
	int64_t return_ns;   /* when that is so, and there is something to read */

	/* input */
	char input[RF_TERMINAL_AHEAD_BYTES + 1]; /* what the terminal has not taken yet */
	uint32_t start_bytes, used_bytes;
	uint32_t unread_bytes; /* sent by the ghost, and not read by the child */
	uint32_t taken_bytes;  /* read by the child; the ghost does not know */
	bool is_ended;	       /* nobody is at home any more: the child reads end of file */

	/* who asks for it */
	bool is_ready;	  /* there is something to read at home */
	bool is_take_due; /* and TAKE is to be sent */
	int64_t look_ns;  /* when it is looked next whether the child reads */
	int64_t look_interval_ns;
};

/* Makes a terminal and makes it the controlling one of this session, whose leader we are.  0 or a
 * negative errno; then the child will have none. */
int rf_pty_open(struct rf_pty *pty);

/* A descriptor of the terminal for the child, with its own open file description; or -1. */
int rf_pty_open_slave(const struct rf_pty *pty);

/* Whether the child has a terminal. */
bool rf_pty_is_open(const struct rf_pty *pty);

/* Gives the terminal up, for all processes of this session. */
void rf_pty_drop(struct rf_pty *pty);

/* The child has ended: what it has left, and what its descendants write, is read until they have
 * closed the terminal; but they are in the background, and nothing is typed for them. */
void rf_pty_leave(struct rf_pty *pty);

/* Closes our ends.  Whoever still has the terminal open finds it hung up. */
void rf_pty_close(struct rf_pty *pty);

/* Before the child runs: the terminal becomes as the caller's is. */
void rf_pty_begin(struct rf_pty *pty, const struct rf_frame_terminal *home, pid_t child);

/* The child's process group has the terminal, or it has not. */
void rf_pty_set_foreground(const struct rf_pty *pty, bool is_foreground);

/* Sends a signal of the terminal's to the processes in its foreground; false if they are not the
 * child's, or the signal is of another kind. */
bool rf_pty_send_signal(const struct rf_pty *pty, int number);

/* -- output -- */

/* Reads what the child has written, as it has written it, into at least two bytes: the number of
 * bytes, -EAGAIN, or -EIO when nobody has the terminal open any more.  is_settled: the child
 * writes nothing meanwhile. */
ssize_t rf_pty_read(struct rf_pty *pty, bool is_settled, char *buffer, size_t bytes);

/* At return_ns: a return that has waited long enough can be read. */
void rf_pty_release_return(struct rf_pty *pty);

/* The mode that the child has set, if the ghost is to hear of it. */
bool rf_pty_next_mode(struct rf_pty *pty, struct rf_frame_mode *mode);

/* -- input -- */

/* Frames of the ghost: 0, or -EBADMSG. */
int rf_pty_take_state(struct rf_pty *pty, const struct rf_frame_terminal *home);
int rf_pty_take_data(struct rf_pty *pty, const char *data, size_t bytes);

/* Something happened at the terminal. */
void rf_pty_event(struct rf_pty *pty);

/* What the child has read since it was asked last. */
uint32_t rf_pty_take_consumed(struct rf_pty *pty);

/* No ghost is left: what the child writes is dropped, and it reads end of file. */
void rf_pty_detach(struct rf_pty *pty);

/* At look_ns: looks whether a process of the child's waits for input. */
void rf_pty_look(struct rf_pty *pty, int64_t now_ns);

#endif
