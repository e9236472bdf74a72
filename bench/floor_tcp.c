/* SPDX-License-Identifier: MIT */
/*
 * What the network alone costs: no page can arrive faster by read() into memory of 4 KiB pages.
 * Called by memory.c and bench.c.
 */
#include "bench/floor_tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"

#define PIECE_BYTES (1ul << 20)

int floor_tcp_listen(uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&address, length) == -1 ||
	    listen(fd, SOMAXCONN) == -1 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) == -1) {
		perror("listening on loopback");
		if (fd != -1)
			close(fd);
		return -1;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

int floor_tcp_connect(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
		perror("connecting to loopback");
		if (fd != -1)
			close(fd);
		return -1;
	}
	return fd;
}

/* In a process of its own: says that it is ready, reads, says when all was there. */
_Noreturn static void receive(int fd, size_t bytes)
{
	char *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t now = 0;

	if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE) == -1)
		_exit(1);
	if (write(fd, &now, sizeof(now)) != sizeof(now))
		_exit(1);
	for (size_t have = 0; have < bytes;) {
		size_t left = bytes - have;
		ssize_t got = read(fd, memory + have, left < PIECE_BYTES ? left : PIECE_BYTES);

		if (got <= 0)
			_exit(1);
		have += (size_t)got;
	}
	now = clock_now_ns();
	_exit(write(fd, &now, sizeof(now)) == sizeof(now) ? 0 : 1);
}

static int send_memory(int fd, const char *memory, size_t bytes)
{
	for (size_t sent = 0; sent < bytes;) {
		size_t left = bytes - sent;
		ssize_t written = send(fd, memory + sent, left < PIECE_BYTES ? left : PIECE_BYTES,
				       MSG_NOSIGNAL);

		if (written == -1) {
			perror("send");
			return -1;
		}
		sent += (size_t)written;
	}
	return 0;
}

/* The timed part, towards a receiver at work; 0, or -1 after a message. */
static int time_transfer(int fd, const void *memory, size_t bytes, int64_t *floor_ns)
{
	int64_t start, end;

	if (recv(fd, &end, sizeof(end), MSG_WAITALL) != sizeof(end)) {
		fprintf(stderr, "the receiver of the TCP floor did not start\n");
		return -1;
	}
	start = clock_now_ns();
	if (send_memory(fd, memory, bytes))
		return -1;
	if (recv(fd, &end, sizeof(end), MSG_WAITALL) != sizeof(end)) {
		fprintf(stderr, "the receiver of the TCP floor failed\n");
		return -1;
	}
	*floor_ns = end - start;
	return 0;
}

int floor_tcp(const void *memory, size_t bytes, int64_t *floor_ns)
{
	uint16_t port;
	int listener = floor_tcp_listen(&port), fd, status, result;
	pid_t pid;

	if (listener == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		fd = accept(listener, NULL, NULL);
		if (fd == -1)
			_exit(1);
		receive(fd, bytes);
	}
	fd = pid == -1 ? -1 : floor_tcp_connect(port);
	close(listener); /* should the receiver die before accept(), recv() now sees it */
	result = fd == -1 ? -1 : time_transfer(fd, memory, bytes, floor_ns);
	if (fd != -1)
		close(fd);
	if (pid == -1)
		perror("fork");
	else if (waitpid(pid, &status, 0) == -1 || status != 0)
		result = -1;
	return result;
}
