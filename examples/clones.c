/* SPDX-License-Identifier: MIT */
/*
 * Both sides of the renderer's clones: what a clone does where it woke up, and how the
 * caller starts clones and collects their rows.  Called by render.c; only this file knows
 * rfork() and the messages.
 */
#define _GNU_SOURCE
#include "examples/clones.h"

#include <errno.h>
#include <poll.h>
#include <rfork.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "examples/trace.h"

/* What a clone writes.  A node has the caller's architecture, so plain structs will do. */
enum message_kind {
	MESSAGE_HELLO = 0x68656c6f, /* number = pid; then sizeof(clone.node) bytes: the node */
	MESSAGE_ROW = 0x726f7721,   /* number = row; then its pixels */
	MESSAGE_DONE = 0x646f6e65,  /* number = rows sent */
};

struct message {
	uint32_t kind;
	uint32_t number;
	double seconds; /* DONE: rendering took */
};

#define NODE_BYTES sizeof(((struct clone *)0)->node)

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* -- in the clone -------------------------------------------------------------------- */

/* 0, or -1: nobody listens any more. */
static int send_all(int pipe, const void *data, size_t bytes)
{
	const char *rest = data;

	while (bytes) {
		ssize_t written = write(pipe, rest, bytes);

		if (written == -1 && errno != EINTR)
			return -1;
		if (written > 0) {
			rest += written;
			bytes -= (size_t)written;
		}
	}
	return 0;
}

/* No stdio: what the caller had buffered would come twice. */
_Noreturn static void render_share(const struct scene *scene, int pipe, unsigned first,
				   unsigned step)
{
	struct message hello = { .kind = MESSAGE_HELLO, .number = (uint32_t)getpid() };
	struct message done = { .kind = MESSAGE_DONE };
	size_t row_bytes = (size_t)3 * scene->width;
	uint8_t *message = malloc(sizeof(struct message) + row_bytes);
	char node[NODE_BYTES] = "";
	double start = now_s();

	gethostname(node, sizeof(node) - 1);
	if (!message || send_all(pipe, &hello, sizeof(hello)) || send_all(pipe, node, sizeof(node)))
		_exit(1);
	for (unsigned row = first; row < scene->height; row += step, done.number++) {
		struct message header = { .kind = MESSAGE_ROW, .number = row };

		memcpy(message, &header, sizeof(header));
		trace_row(scene, row, message + sizeof(header));
		if (send_all(pipe, message, sizeof(header) + row_bytes))
			_exit(1);
	}
	done.seconds = now_s() - start;
	_exit(send_all(pipe, &done, sizeof(done)) ? 1 : 0);
}

/* -- starting ------------------------------------------------------------------------ */

/* As after fork(), the clone holds the caller's end of each pipe so far: it closes what is not its
 * own. */
static void close_others(const struct clone *clones, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (clones[k].fd != -1)
			close(clones[k].fd);
}

/* Starts clone k of count. */
static void start_clone(struct clone *clones, size_t k, size_t count, const struct scene *scene,
			const struct rfork_options *options)
{
	struct clone *clone = &clones[k];
	double start = now_s();
	int ends[2];

	clone->pid = -1;
	clone->fd = -1;
	clone->buffer = malloc(sizeof(struct message) + 3 * (size_t)scene->width + NODE_BYTES);
	if (!clone->buffer || pipe(ends) == -1) {
		snprintf(clone->trouble, sizeof(clone->trouble), "%s", strerror(errno));
		return;
	}
	clone->pid = rfork_with(clone->host, options);
	if (clone->pid == 0) {
		close(ends[0]);
		close_others(clones, k);
		render_share(scene, ends[1], (unsigned)k, (unsigned)count);
	}
	clone->fork_ms = (now_s() - start) * 1e3;
	close(ends[1]); /* or the end of the clone would not be the end of its rows */
	clone->fd = ends[0];
	if (clone->pid == -1) {
		snprintf(clone->trouble, sizeof(clone->trouble), "%s", rfork_error());
		close(clone->fd);
		clone->fd = -1;
	}
}

void clones_start(struct clone *clones, size_t count, const struct scene *scene, int plaintext)
{
	struct rfork_options options = {
		.size = sizeof(options),
		.flags = plaintext ? RFORK_INSECURE_PLAINTEXT : 0,
	};

	for (size_t k = 0; k < count; k++)
		start_clone(clones, k, count, scene, &options);
}

/* -- collecting ---------------------------------------------------------------------- */

/* Bytes of the message that begins in the buffer; 0 = not one of ours. */
static size_t message_bytes(const struct message *message, const struct picture *picture)
{
	switch (message->kind) {
	case MESSAGE_HELLO:
		return sizeof(*message) + NODE_BYTES;
	case MESSAGE_ROW:
		return sizeof(*message) + (size_t)3 * picture->width;
	case MESSAGE_DONE:
		return sizeof(*message);
	default:
		return 0;
	}
}

/* Takes over a whole message; 0, or -1 if it is not what clone k of count may say. */
static int take_message(struct clone *clone, size_t k, size_t count, struct picture *picture)
{
	const uint8_t *body = clone->buffer + sizeof(struct message);
	struct message message;

	memcpy(&message, clone->buffer, sizeof(message));
	switch (message.kind) {
	case MESSAGE_HELLO:
		memcpy(clone->node, body, NODE_BYTES - 1);
		clone->node_pid = message.number;
		return 0;
	case MESSAGE_ROW:
		if (message.number >= picture->height || message.number % count != k ||
		    picture->here[message.number])
			return -1;
		memcpy(picture_row(picture, message.number), body, (size_t)3 * picture->width);
		picture->here[message.number] = 1;
		picture->rows++;
		clone->rows++;
		return 0;
	default:
		if (message.number != clone->rows)
			return -1;
		clone->render_s = message.seconds;
		clone->complete = 1;
		return 0;
	}
}

/* Reads what has come, at most to the end of a message: > 0, 0 at the end, -1 and errno. */
static ssize_t read_some(struct clone *clone, size_t k, size_t count, struct picture *picture)
{
	size_t wanted = sizeof(struct message);
	struct message message;
	ssize_t got;

	if (clone->filled >= sizeof(message)) {
		memcpy(&message, clone->buffer, sizeof(message));
		wanted = message_bytes(&message, picture);
	}
	got = read(clone->fd, clone->buffer + clone->filled, wanted - clone->filled);
	if (got <= 0)
		return got;
	clone->filled += (size_t)got;
	if (clone->filled < sizeof(message))
		return got;
	memcpy(&message, clone->buffer, sizeof(message));
	wanted = message_bytes(&message, picture);
	if (wanted == 0 || (clone->filled == wanted && take_message(clone, k, count, picture))) {
		errno = EBADMSG;
		return -1;
	}
	if (clone->filled == wanted)
		clone->filled = 0;
	return got;
}

static void describe_end(struct clone *clone)
{
	char *text = clone->trouble;
	size_t bytes = sizeof(clone->trouble);

	if (WIFSIGNALED(clone->status))
		snprintf(text, bytes, "the clone died of signal %d (%s) after %u rows",
			 WTERMSIG(clone->status), strsignal(WTERMSIG(clone->status)), clone->rows);
	else if (WEXITSTATUS(clone->status))
		snprintf(text, bytes, "the clone ended with status %d after %u rows",
			 WEXITSTATUS(clone->status), clone->rows);
	else if (!clone->complete)
		snprintf(text, bytes, "the clone ended without a word after %u rows", clone->rows);
	if (*text)
		clone->complete = 0;
}

/* The clone has said all it will say, or talks nonsense: sees it end. */
static void end_clone(struct clone *clone, const char *trouble)
{
	close(clone->fd);
	clone->fd = -1;
	if (trouble) {
		kill(clone->pid, SIGKILL);
		clone->complete = 0;
		snprintf(clone->trouble, sizeof(clone->trouble), "%s", trouble);
	}
	while (waitpid(clone->pid, &clone->status, 0) == -1) {
		if (errno == EINTR)
			continue;
		clone->complete = 0;
		snprintf(clone->trouble, sizeof(clone->trouble), "waitpid: %s", strerror(errno));
		return;
	}
	if (!trouble)
		describe_end(clone);
}

static void serve_clone(struct clone *clone, size_t k, size_t count, struct picture *picture)
{
	ssize_t got = read_some(clone, k, count, picture);

	if (got == 0)
		end_clone(clone, NULL);
	else if (got == -1 && errno == EBADMSG)
		end_clone(clone, "what the clone sent makes no sense");
	else if (got == -1 && errno != EINTR)
		end_clone(clone, strerror(errno));
}

void clones_collect(struct clone *clones, size_t count, struct picture *picture,
		    void (*progress)(const struct picture *picture))
{
	struct pollfd *polls = calloc(count, sizeof(*polls));

	for (;;) {
		size_t open = 0;

		for (size_t k = 0; polls && k < count; k++) {
			polls[k] = (struct pollfd){ .fd = clones[k].fd, .events = POLLIN };
			open += clones[k].fd != -1;
		}
		if (open == 0)
			break;
		if (poll(polls, count, -1) == -1) {
			if (errno == EINTR)
				continue;
			break;
		}
		for (size_t k = 0; k < count; k++)
			if (clones[k].fd != -1 && polls[k].revents)
				serve_clone(&clones[k], k, count, picture);
		progress(picture);
	}
	/* Only where there was no memory, or no poll(), is something left to end. */
	for (size_t k = 0; k < count; k++)
		if (clones[k].fd != -1)
			end_clone(&clones[k], strerror(errno));
	free(polls);
}

void clones_free(struct clone *clones, size_t count)
{
	for (size_t k = 0; k < count; k++)
		free(clones[k].buffer);
	free(clones);
}
