/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the network between caller and node falls silent, because a cable is pulled or
 * because a packet filter drops all without a word, the node ends the child and all its descendants soon
 * after --dead-after, and the ghost dies by SIGKILL after its own limit: while idle, with data
 * under way in both directions, and while the child is stopped.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define DEAD_AFTER "3"
#define CHILD_LIMIT_MS 20000 /* dead-after, and what a busy machine needs to notice */
#define GHOST_LIMIT_MS 40000
#define FLOW_BYTES (4l << 20)
#define PIECE_BYTES 65536u
#define MANNERS 3
#define NODES 2
#define PULLED 0
#define FILTERED 1
#define CASES (NODES * MANNERS)

enum manner { IDLE, BUSY, STOPPED };

static const char *const manner_names[MANNERS] = { "idle", "busy", "stopped" };

/* One caller, of one of the nodes. */
struct caller {
	unsigned node;
	enum manner manner;
	bool is_busy; /* and has not ended yet */
	pid_t child, runaway, ghost;
	int up, down;		   /* our ends */
	long up_bytes, down_bytes; /* that have passed */
};

/* When the network fell silent; 0 = not yet.  Shared with the callers. */
static volatile int64_t *silent_ms;

static char piece[PIECE_BYTES];
static struct network network;

/* -- on the node ------------------------------------------------------------------------------ */

static _Noreturn void be_the_runaway(const struct caller *caller, int up, pid_t child, int told)
{
	setsid();
	dprintf(up, "%d\n%d\n", (int)child, (int)getpid());
	stream_tell(told);
	while (caller->is_busy)
		test_write(up, piece, sizeof(piece));
	for (;;)
		pause();
}

static _Noreturn void be_the_child(const struct caller *caller, int up, int down)
{
	pid_t child = getpid();
	int told[2];

	CHECK_CALL(pipe(told));
	if (!fork())
		be_the_runaway(caller, up, child, told[1]);
	stream_hear(told[0]); /* what is written later waits while we are stopped */
	while (caller->is_busy && read(down, piece, sizeof(piece)) > 0)
		;
	if (caller->manner == STOPPED)
		raise(SIGSTOP);
	for (;;)
		pause();
}

/* -- at home ---------------------------------------------------------------------------------- */

static void move(struct caller *caller)
{
	int up[2], down[2];

	CHECK_CALL(pipe(up));
	CHECK_CALL(pipe(down));
	caller->ghost = network_move_returns_twice(&network, caller->node, RFORK_CLOSE_OTHERS);
	if (!caller->ghost) {
		close(up[0]);
		close(down[1]);
		be_the_child(caller, up[1], down[0]);
	}
	close(up[1]);
	close(down[0]);
	caller->up = up[0];
	caller->down = down[1];
	caller->child = (pid_t)test_read_number(caller->up);
	caller->runaway = (pid_t)test_read_number(caller->up);
	stream_set_nonblocking(caller->down, true);
}

/* Passes on what can be passed, and waits for an event; which of three processes have ended. */
static void pump(struct caller *caller, const int pid_fds[3], bool ended[3])
{
	struct pollfd fds[5] = {
		{ .fd = ended[0] ? -1 : pid_fds[0], .events = POLLIN },
		{ .fd = ended[1] ? -1 : pid_fds[1], .events = POLLIN },
		{ .fd = ended[2] ? -1 : pid_fds[2], .events = POLLIN },
		{ .fd = caller->is_busy ? caller->up : -1, .events = POLLIN },
		{ .fd = caller->is_busy ? caller->down : -1, .events = POLLOUT },
	};
	ssize_t count;

	CHECK(poll(fds, 5, TEST_DEADLINE_MS) > 0);
	for (int i = 0; i < 3; i++)
		ended[i] = ended[i] || fds[i].revents;
	if (fds[3].revents) {
		count = CHECK_CALL(read(caller->up, piece, sizeof(piece)));
		caller->up_bytes += count;
		caller->is_busy = count > 0;
	}
	if (fds[4].revents) {
		count = write(caller->down, piece, sizeof(piece));
		caller->down_bytes += count > 0 ? count : 0;
		caller->is_busy = caller->is_busy && (count > 0 || errno == EAGAIN);
	}
}

static void check_time(const char *what, const struct caller *caller, int limit_ms)
{
	int64_t since_ms = test_now_ms() - *silent_ms;

	CHECK(*silent_ms > 0);
	dprintf(2, "%s, %s: %s after %lld ms\n", caller->node == PULLED ? "pulled" : "filtered",
		what, manner_names[caller->manner], (long long)since_ms);
	CHECK_AT_MOST(since_ms, limit_ms);
}

static _Noreturn void be_a_caller(struct caller *caller, int ready)
{
	static const char *const names[] = { "child", "runaway", "ghost" };
	bool ended[3] = { false }, told = false;
	int pid_fds[3];

	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	move(caller);
	pid_fds[0] = CHECK_CALL((int)syscall(SYS_pidfd_open, caller->child, 0));
	pid_fds[1] = CHECK_CALL((int)syscall(SYS_pidfd_open, caller->runaway, 0));
	pid_fds[2] = CHECK_CALL((int)syscall(SYS_pidfd_open, caller->ghost, 0));
	if (caller->manner == STOPPED)
		process_expect_stop_status(caller->ghost, SIGSTOP);
	while (!ended[0] || !ended[1] || !ended[2]) {
		bool before[3] = { ended[0], ended[1], ended[2] };

		if (!told && (!caller->is_busy ||
			      (caller->up_bytes > FLOW_BYTES && caller->down_bytes > FLOW_BYTES))) {
			stream_tell(ready);
			told = true;
		}
		pump(caller, pid_fds, ended);
		for (int i = 0; i < 3; i++)
			if (ended[i] && !before[i])
				check_time(names[i], caller,
					   i < 2 ? CHILD_LIMIT_MS : GHOST_LIMIT_MS);
	}
	test_expect_signal(caller->ghost, SIGKILL);
	_exit(0);
}

static void expect_service(unsigned node)
{
	pid_t pid = network_move_returns_twice(&network, node, RFORK_CLOSE_OTHERS);

	if (!pid)
		_exit(23);
	test_expect_exit(pid, 23);
}

int main(void)
{
	const char *arguments[] = { "--dead-after", DEAD_AFTER, NULL };
	struct node_load loads[NODES];
	pid_t callers[CASES];
	int ready[2];

	test_begin();
	network_start(&network, NODES, arguments);
	silent_ms = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	CHECK(silent_ms != MAP_FAILED);
	for (unsigned node = 0; node < NODES; node++) {
		expect_service(node);
		loads[node] = node_settle(&network.nodes[node]);
	}
	CHECK_CALL(pipe2(ready, O_CLOEXEC));
	for (int i = 0; i < CASES; i++) {
		struct caller caller = { .node = (unsigned)i / MANNERS,
					 .manner = (enum manner)(i % MANNERS),
					 .is_busy = i % MANNERS == BUSY };

		callers[i] = CHECK_CALL(fork());
		if (!callers[i])
			be_a_caller(&caller, ready[1]);
		test_guard_process(callers[i]);
	}
	for (int i = 0; i < CASES; i++)
		stream_hear(ready[0]);
	*silent_ms = test_now_ms();
	network_pull(&network, PULLED);
	network_drop(&network, FILTERED);
	for (int i = 0; i < CASES; i++) {
		test_expect_exit(callers[i], 0);
		test_forget_process(callers[i]);
	}
	network_plug(&network, PULLED);
	network_deliver(&network, FILTERED);
	for (unsigned node = 0; node < NODES; node++) {
		node_expect_load(&network.nodes[node], loads[node]);
		expect_service(node);
	}
	network_stop(&network);
	return test_end();
}
