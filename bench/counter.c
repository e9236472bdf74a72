/* SPDX-License-Identifier: MIT */
/*
 * Counts the bytes of connections by standing between the two sides, in a process of its own.
 * Called by bench.c; times are never taken through it.
 */
#include "bench/counter.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/floor_tcp.h"

#define COUNT_MS 10000

/* Moves what is there; the number of bytes, 0 at the end of the stream or of the connection. */
static size_t move(int from, int to)
{
	static char buffer[1 << 18];
	ssize_t got = recv(from, buffer, sizeof(buffer), 0);

	if (got <= 0)
		return 0;
	for (ssize_t sent = 0, n; sent < got; sent += n) {
		n = send(to, buffer + sent, (size_t)(got - sent), MSG_NOSIGNAL);
		if (n == -1)
			return 0;
	}
	return (size_t)got;
}

/* Serves one connection until both sides have said all; bytes from the caller to the node. */
static int64_t serve(int caller, int node)
{
	struct pollfd polls[2] = { { .fd = caller, .events = POLLIN },
				   { .fd = node, .events = POLLIN } };
	int64_t count = 0;

	while (polls[0].fd != -1 || polls[1].fd != -1) {
		if (poll(polls, 2, -1) == -1)
			_exit(1);
		for (int i = 0; i < 2; i++) {
			size_t moved;

			if (polls[i].fd == -1 || !polls[i].revents)
				continue;
			moved = move(i ? node : caller, i ? caller : node);
			if (moved == 0) {
				shutdown(i ? caller : node, SHUT_WR);
				polls[i].fd = -1;
			}
			count += i ? 0 : (int64_t)moved;
		}
	}
	return count;
}

_Noreturn static void run(int listener, uint16_t port, int counts)
{
	for (;;) {
		int caller = accept(listener, NULL, NULL);
		int node = caller == -1 ? -1 : floor_tcp_connect(port);
		int64_t count;

		if (node == -1)
			_exit(1);
		count = serve(caller, node);
		close(caller);
		close(node);
		if (write(counts, &count, sizeof(count)) != sizeof(count))
			_exit(1);
	}
}

int counter_start(struct counter *counter, uint16_t port)
{
	pid_t parent = getpid();
	int listener, ends[2];

	counter->pid = 0;
	listener = floor_tcp_listen(&counter->port);
	if (listener == -1)
		return -1;
	if (pipe(ends) == -1) {
		perror("pipe");
		close(listener);
		return -1;
	}
	counter->pid = fork();
	if (counter->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(ends[0]);
		run(listener, port, ends[1]);
	}
	close(listener);
	close(ends[1]);
	counter->counts = ends[0];
	if (counter->pid == -1) {
		perror("fork");
		counter->pid = 0;
		close(ends[0]);
		return -1;
	}
	return 0;
}

int64_t counter_read(const struct counter *counter)
{
	struct pollfd counts = { .fd = counter->counts, .events = POLLIN };
	int64_t count;

	if (poll(&counts, 1, COUNT_MS) == 1 &&
	    read(counter->counts, &count, sizeof(count)) == sizeof(count))
		return count;
	fprintf(stderr, "the counting proxy saw no connection end\n");
	return -1;
}

void counter_stop(struct counter *counter)
{
	if (!counter->pid)
		return;
	kill(counter->pid, SIGKILL);
	waitpid(counter->pid, NULL, 0);
	close(counter->counts);
	counter->pid = 0;
}
