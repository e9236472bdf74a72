/* SPDX-License-Identifier: MIT */
/*
 * The terminal at home (doc/protocol.txt, 7): its mode and size, and what is typed.  Its output
 * is a channel as any other, RF_CHANNEL_TERMINAL.  What is typed is taken only while the child
 * asks for it, and only in the foreground.  System calls only.
 */
#ifndef RF_GHOST_TERMINAL_H
#define RF_GHOST_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/terminal.h"

#define RF_GHOST_WISHES 8u

struct rf_ghost_terminal {
	bool is_open;
	bool is_controlling;
	bool may_look;	 /* something may have been typed */
	bool is_asked;	 /* the child asks: take what there is, once */
	bool is_raw;	 /* the child has left line mode: take whatever comes */
	bool must_tell;	 /* the node is to hear of the state */
	uint32_t flags;	 /* RF_TERMINAL_ANSWER, _END_OF_FILE: to be told with it */
	uint32_t told;	 /* the flags that the node was told last */
	uint32_t number; /* of the last MODE */
	uint32_t ahead;	 /* bytes that were sent and not read by the child yet */
	/* modes that the child wants: each is set after so many more bytes of output */
	uint32_t wish_count;
	struct {
		uint32_t after_bytes;
		struct rf_terminal_mode mode;
	} wishes[RF_GHOST_WISHES];
};

/* A frame for the node, on RF_CHANNEL_TERMINAL: TERMINAL, DATA, or EOF when the terminal is gone. */
struct rf_ghost_terminal_news {
	enum rf_frame_type type;
	struct rf_frame_terminal state;
	const void *payload;
	uint32_t bytes;
};

/* Opens the terminal for the ghost alone, where that can be done; a descriptor or a negative
 * errno. */
int rf_ghost_terminal_open(struct rf_ghost_terminal *own, const struct rf_terminal *terminal);

/*
 * The next frame; false if there is none.  fd: the channel's, -1 when it is closed.  buffer: at
 * least RF_TERMINAL_AHEAD_BYTES, for what was typed.
 */
bool rf_ghost_terminal_next(struct rf_ghost_terminal *own, int fd, unsigned char *buffer,
			    struct rf_ghost_terminal_news *news);

/* How many bytes of output may be written before the next mode is to be set; and how many have
 * been, which sets it. */
uint32_t rf_ghost_terminal_limit(const struct rf_ghost_terminal *own);
void rf_ghost_terminal_wrote(struct rf_ghost_terminal *own, int fd, uint32_t bytes);

/* Frames of the node: 0, or -EBADMSG.  waiting_bytes: output that came before and is not written. */
int rf_ghost_terminal_take_mode(struct rf_ghost_terminal *own, int fd, uint32_t waiting_bytes,
				const struct rf_frame_mode *mode);
int rf_ghost_terminal_take_ask(struct rf_ghost_terminal *own, int fd,
			       const struct rf_frame_ask *ask);
void rf_ghost_terminal_take_take(struct rf_ghost_terminal *own);
int rf_ghost_terminal_take_consumed(struct rf_ghost_terminal *own, uint32_t bytes);

/* From time to time: whether what the node was told to be there was taken by others. */
void rf_ghost_terminal_check(struct rf_ghost_terminal *own, int fd);

/* The ghost is about to stop; it has been continued. */
void rf_ghost_terminal_stop(struct rf_ghost_terminal *own);
void rf_ghost_terminal_continue(struct rf_ghost_terminal *own);

#endif
