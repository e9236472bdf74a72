/* SPDX-License-Identifier: MIT */
/*
 * Forwards one connection from a process of its own, so that the caller under test has no
 * thread more.  Called by tests that count, cut or damage a stream; knows only bytes.
 */
#define _GNU_SOURCE
#include "tests/support/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE_BYTES 65536

struct relay {
	const struct proxy_plan *plan;
	struct proxy_count count;
	int caller, node, record;
	bool deaf; /* the node no longer takes bytes; what it still says is forwarded */
};

int proxy_listen(unsigned *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(address);
	int fd = CHECK_CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK_CALL(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	CHECK_CALL(listen(fd, 64));
	CHECK_CALL(getsockname(fd, (struct sockaddr *)&address, &bytes));
	*port = ntohs(address.sin_port);
	return fd;
}

int proxy_connect(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = CHECK_CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), on = 1;

	CHECK_CALL(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	CHECK_CALL(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static bool forward(int to, const char *bytes, size_t count)
{
	while (count) {
		ssize_t done = send(to, bytes, count, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes += done;
		count -= (size_t)done;
	}
	return true;
}

/* False when the connection is to be closed. */
static bool forward_up(struct relay *relay)
{
	static char piece[PIECE_BYTES];
	const struct proxy_plan *plan = relay->plan;
	int64_t start = relay->count.up_bytes, usable;
	ssize_t count = recv(relay->caller, piece, sizeof(piece), 0);

	if (count <= 0)
		return false;
	relay->count.up_bytes += count;
	if (relay->record >= 0)
		test_write(relay->record, piece, (size_t)count);
	if (plan->flip_at >= start && plan->flip_at < start + count)
		piece[plan->flip_at - start] ^= (char)plan->flip_mask;
	usable = plan->cut_after < start + count ? plan->cut_after - start : count;
	if (usable > 0 && !forward(relay->node, piece, (size_t)usable))
		relay->deaf = true;
	return usable == count;
}

static bool forward_down(struct relay *relay)
{
	static char piece[PIECE_BYTES];
	ssize_t count = recv(relay->node, piece, sizeof(piece), 0);
	int64_t left = relay->plan->cut_answer_after - relay->count.down_bytes;

	if (count <= 0)
		return false;
	if (relay->plan->edit_answer)
		relay->plan->edit_answer(relay->count.down_bytes, (unsigned char *)piece,
					 (size_t)count);
	relay->count.down_bytes += count;
	return forward(relay->caller, piece, (size_t)(count < left ? count : left)) &&
	       count <= left;
}

static void relay_all(struct relay *relay)
{
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = relay->node, .events = POLLIN },
			{ .fd = relay->deaf ? -1 : relay->caller, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			return;
		if (fds[0].revents && !forward_down(relay))
			return;
		if (fds[1].revents && !forward_up(relay))
			return;
	}
}

static _Noreturn void become_proxy(int listener, unsigned node_port, const struct proxy_plan *plan,
				   int result)
{
	struct relay relay = { .plan = plan, .record = -1 };
	int on = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (plan->record)
		relay.record = CHECK_CALL(open(plan->record, O_WRONLY | O_CREAT | O_TRUNC, 0600));
	relay.caller = CHECK_CALL(accept(listener, NULL, NULL));
	close(listener);
	relay.node = proxy_connect(node_port);
	CHECK_CALL(setsockopt(relay.caller, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	relay_all(&relay);
	close(relay.caller);
	close(relay.node);
	test_write(result, &relay.count, sizeof(relay.count));
	_exit(0);
}

void proxy_start(struct proxy *proxy, unsigned node_port, const struct proxy_plan *plan)
{
	unsigned port;
	int listener = proxy_listen(&port), ends[2];

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	snprintf(proxy->host, sizeof(proxy->host), "127.0.0.1:%u", port);
	proxy->pid = CHECK_CALL(fork());
	if (!proxy->pid)
		become_proxy(listener, node_port, plan, ends[1]);
	test_guard_process(proxy->pid);
	close(listener);
	close(ends[1]);
	proxy->result = ends[0];
}

struct proxy_count proxy_finish(struct proxy *proxy)
{
	struct proxy_count count;

	CHECK_EQUAL(test_read(proxy->result, &count, sizeof(count)), sizeof(count));
	close(proxy->result);
	test_expect_exit(proxy->pid, 0);
	test_forget_process(proxy->pid);
	return count;
}
