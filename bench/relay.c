/* SPDX-License-Identifier: MIT */
/*
 * A process that speaks with a child over a stream, by turns with its floors:
 *
 *     rfork-bench-relay HOST COUNT AMOUNT to-parent|to-child|byte|hundred [tcp|local|pipe|socket]
 *
 * to-parent, to-child: so many MiB in one direction, written by 1 MiB and read by 128 KiB.
 * byte:    one byte there and back, so many thousand times; half of a round trip.
 * hundred: so many MiB over a hundred pipes to the parent at once.
 * Prints one line a value, in nanoseconds: "tcp N" for a child of fork() and a TCP connection,
 * "local N" for fork() and pipes, "pipe N" and "socket N" for rfork() and a relayed stream; and
 * "fairness N": how many percent of its bytes the slowest of the hundred had when the first was done.
 * Run by bench.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <rfork.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/floor_tcp.h"

#define PIECE_BYTES (1ul << 20)
#define READ_BYTES (1ul << 17) /* as cat(1) does */
#define STREAMS 100u

enum medium { TCP, LOCAL, PIPE, SOCKET, MEDIA };
enum kind { TO_PARENT, TO_CHILD, BYTE, HUNDRED, KINDS };

static const char *const medium_names[MEDIA] = { "tcp", "local", "pipe", "socket" };
static const char *const kind_names[KINDS] = { "to-parent", "to-child", "byte", "hundred" };

/* A stream in both directions, between this process and its child. */
struct ends {
	int read_fd, write_fd;	     /* of this process */
	int child_read, child_write; /* of the child */
};

static const char *host;
static char piece[PIECE_BYTES];

/* -- what both sides do ------------------------------------------------------------------------ */

static int write_bytes(int fd, size_t bytes)
{
	while (bytes) {
		ssize_t put = write(fd, piece, bytes < PIECE_BYTES ? bytes : PIECE_BYTES);

		if (put == -1)
			return -1;
		bytes -= (size_t)put;
	}
	return 0;
}

static int read_bytes(int fd, size_t bytes)
{
	while (bytes) {
		ssize_t got = read(fd, piece, bytes < READ_BYTES ? bytes : READ_BYTES);

		if (got <= 0)
			return -1;
		bytes -= (size_t)got;
	}
	return 0;
}

/* A child first says that it is there, and then waits for a word before it writes. */
static int be_the_child(enum kind kind, int in, int out, size_t amount)
{
	int error = write_bytes(out, 1);

	if (kind == TO_PARENT)
		return error || read_bytes(in, 1) || write_bytes(out, amount);
	if (kind == TO_CHILD)
		return error || read_bytes(in, amount) || write_bytes(out, 1);
	for (size_t i = 0; i < amount && !error; i++)
		error = read_bytes(in, 1) || write_bytes(out, 1);
	return error;
}

/* The parent's side of the same: nanoseconds, -1 if it failed. */
static int64_t time_exchange(enum kind kind, int in, int out, size_t amount)
{
	int error = read_bytes(in, 1);
	int64_t start = clock_now_ns();

	if (kind == TO_PARENT)
		error = error || write_bytes(out, 1) || read_bytes(in, amount);
	if (kind == TO_CHILD)
		error = error || write_bytes(out, amount) || read_bytes(in, 1);
	for (size_t i = 0; kind == BYTE && i < amount && !error; i++)
		error = write_bytes(out, 1) || read_bytes(in, 1);
	if (error)
		return -1;
	return (clock_now_ns() - start) / (kind == BYTE ? 2 * (int64_t)amount : 1);
}

/* -- one stream -------------------------------------------------------------------------------- */

static int connect_tcp(int ends[2])
{
	const int on = 1;
	uint16_t port;
	int listener = floor_tcp_listen(&port);

	if (listener == -1)
		return -1;
	ends[0] = floor_tcp_connect(port);
	ends[1] = ends[0] == -1 ? -1 : accept(listener, NULL, NULL);
	close(listener);
	if (ends[1] == -1)
		return -1;
	setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return 0;
}

static int open_ends(enum medium medium, struct ends *ends)
{
	int pairs[2][2];

	if (medium == LOCAL || medium == PIPE) {
		if (pipe(pairs[0]) == -1 || pipe(pairs[1]) == -1)
			return -1;
		*ends = (struct ends){ pairs[0][0], pairs[1][1], pairs[1][0], pairs[0][1] };
		return 0;
	}
	if (medium == TCP ? connect_tcp(pairs[0])
			  : socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[0]) == -1)
		return -1;
	*ends = (struct ends){ pairs[0][0], pairs[0][0], pairs[0][1], pairs[0][1] };
	return 0;
}

static void close_pair(int read_fd, int write_fd)
{
	close(read_fd);
	if (write_fd != read_fd)
		close(write_fd);
}

/* A child over each medium as it is made for it. */
static pid_t start_child(enum medium medium)
{
	pid_t pid = medium == TCP || medium == LOCAL ? fork() : rfork(host);

	if (pid == -1)
		fprintf(stderr, "%s: %s\n", medium_names[medium],
			medium == TCP || medium == LOCAL ? strerror(errno) : rfork_error());
	return pid;
}

static int await_child(enum medium medium, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) == pid && status == 0)
		return 0;
	fprintf(stderr, "%s: the child failed\n", medium_names[medium]);
	return -1;
}

static int measure(enum medium medium, enum kind kind, size_t amount)
{
	struct ends ends;
	int64_t ns;
	pid_t pid;

	if (open_ends(medium, &ends)) {
		perror(medium_names[medium]);
		return -1;
	}
	pid = start_child(medium);
	if (pid == 0) {
		close_pair(ends.read_fd, ends.write_fd);
		_exit(be_the_child(kind, ends.child_read, ends.child_write, amount) ? 1 : 0);
	}
	close_pair(ends.child_read, ends.child_write);
	ns = pid == -1 ? -1 : time_exchange(kind, ends.read_fd, ends.write_fd, amount);
	close_pair(ends.read_fd, ends.write_fd);
	if (pid == -1 || await_child(medium, pid) || ns == -1)
		return -1;
	printf("%s %lld\n", medium_names[medium], (long long)ns);
	return fflush(stdout) ? -1 : 0;
}

/* -- a hundred streams ------------------------------------------------------------------------- */

/* All ends of one side, until each has carried its share; done: how much each has. */
struct crowd {
	struct pollfd fds[STREAMS];
	size_t done[STREAMS], share;
	unsigned left;
	size_t slowest; /* how much the last had when the first was done */
};

static void finish_one(struct crowd *crowd, unsigned number)
{
	if (crowd->left == STREAMS) {
		crowd->slowest = crowd->share;
		for (unsigned i = 0; i < STREAMS; i++)
			if (crowd->done[i] < crowd->slowest)
				crowd->slowest = crowd->done[i];
	}
	crowd->fds[number].fd = -1;
	crowd->left--;
}

/* One call for one stream that is ready. */
static int serve_one(struct crowd *crowd, unsigned number)
{
	struct pollfd *fd = &crowd->fds[number];
	size_t bytes = crowd->share - crowd->done[number];
	ssize_t moved;

	bytes = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
	moved = fd->events == POLLOUT ? write(fd->fd, piece, bytes) : read(fd->fd, piece, bytes);
	if (moved == -1)
		return errno == EAGAIN ? 0 : -1;
	if (moved == 0)
		return -1;
	crowd->done[number] += (size_t)moved;
	if (crowd->done[number] == crowd->share)
		finish_one(crowd, number);
	return 0;
}

static int serve(struct crowd *crowd)
{
	while (crowd->left) {
		if (poll(crowd->fds, STREAMS, -1) == -1)
			return -1;
		for (unsigned i = 0; i < STREAMS; i++)
			if (crowd->fds[i].fd != -1 && crowd->fds[i].revents && serve_one(crowd, i))
				return -1;
	}
	return 0;
}

/* Keeps one end of each pipe. */
static void join(struct crowd *crowd, int pipes[STREAMS][2], bool writes, size_t share)
{
	*crowd = (struct crowd){ .share = share, .left = STREAMS };
	for (unsigned i = 0; i < STREAMS; i++) {
		close(pipes[i][!writes]);
		fcntl(pipes[i][writes], F_SETFL, O_NONBLOCK);
		crowd->fds[i].fd = pipes[i][writes];
		crowd->fds[i].events = writes ? POLLOUT : POLLIN;
	}
}

static int measure_hundred(enum medium medium, size_t bytes)
{
	static struct crowd crowd;
	static int pipes[STREAMS][2];
	int64_t start;
	int error;
	pid_t pid;

	for (unsigned i = 0; i < STREAMS; i++)
		if (pipe2(pipes[i], O_CLOEXEC) == -1) {
			perror("pipe");
			return -1;
		}
	pid = start_child(medium);
	if (pid == -1)
		return -1;
	start = clock_now_ns();
	join(&crowd, pipes, pid == 0, bytes / STREAMS);
	error = serve(&crowd);
	if (pid == 0)
		_exit(error ? 1 : 0);
	printf("%s %lld\n", medium_names[medium], (long long)(clock_now_ns() - start));
	if (medium == PIPE)
		printf("fairness %zu\n", crowd.slowest * 100 / crowd.share);
	for (unsigned i = 0; i < STREAMS; i++)
		close(pipes[i][0]);
	return error || await_child(medium, pid) || fflush(stdout) ? -1 : 0;
}

/* -- the run ----------------------------------------------------------------------------------- */

static int take_turn(enum kind kind, enum medium medium, size_t amount)
{
	if (kind != HUNDRED)
		return measure(medium, kind, amount);
	if (medium == TCP)
		return measure(TCP, TO_PARENT, amount);
	return medium == SOCKET ? 0 : measure_hundred(medium, amount);
}

static int find_word(const char *word, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s HOST COUNT AMOUNT to-parent|to-child|byte|hundred "
		"[tcp|local|pipe|socket]\n",
		program);
	return 2;
}

int main(int argc, char **argv)
{
	int count = argc >= 5 ? atoi(argv[2]) : 0, turn = 0;
	size_t amount = argc >= 5 ? strtoul(argv[3], NULL, 10) : 0;
	int kind = argc >= 5 ? find_word(argv[4], kind_names, KINDS) : -1;
	int only = argc == 6 ? find_word(argv[5], medium_names, MEDIA) : MEDIA;

	if (count < 1 || amount < 1 || kind == -1 || only == -1 || argc > 6)
		return usage(argv[0]);
	host = argv[1];
	memset(piece, 'x', sizeof(piece));
	amount *= kind == BYTE ? 1000 : PIECE_BYTES;
	for (int i = 0; i < count; i++)
		for (int medium = 0; medium < MEDIA && turn == 0; medium++)
			if (only == MEDIA || only == medium)
				turn = take_turn((enum kind)kind, (enum medium)medium, amount);
	return turn == 0 ? 0 : 1;
}
