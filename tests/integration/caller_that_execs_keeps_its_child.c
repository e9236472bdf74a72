/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller that executes another program keeps its child, as after fork(): pipes work in
 * both directions, signals reach the child and the caller, and the new program gets the status; also
 * if it is executed while the image is still on its way (RFORK_ASYNC).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define IMAGE_BYTES (64ul << 20) /* more than all buffers on the way */

static void block(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
}

static _Noreturn void be_the_child(int input, int output)
{
	stream_expect_text(input, "ping");
	stream_write_text(output, "pong");
	test_await_signal(SIGUSR1);
	CHECK_CALL(kill(getppid(), SIGUSR2));
	stream_expect_end(input);
	_exit(42);
}

/* What the program does that the caller has become: the numbers are all it has left. */
static int be_the_new_program(char **arguments)
{
	pid_t ghost = atoi(arguments[1]);
	int to_child = atoi(arguments[2]), from_child = atoi(arguments[3]);
	const struct node node = { .pid = atoi(arguments[4]) };

	if (node.pid)
		process_signal_shells(&node, SIGCONT);
	stream_write_text(to_child, "ping");
	stream_expect_text(from_child, "pong");
	CHECK_CALL(kill(ghost, SIGUSR1));
	test_await_signal(SIGUSR2);
	close(to_child);
	test_expect_exit(ghost, 42);
	stream_expect_end(from_child);
	return 0;
}

static _Noreturn void execute(pid_t ghost, int to_child, int from_child, pid_t server)
{
	char pid[16], to[16], from[16], server_pid[16];

	snprintf(server_pid, sizeof(server_pid), "%d", (int)server);
	snprintf(pid, sizeof(pid), "%d", (int)ghost);
	snprintf(to, sizeof(to), "%d", to_child);
	snprintf(from, sizeof(from), "%d", from_child);
	execl("/proc/self/exe", "new-program", pid, to, from, server_pid, NULL);
	test_fail(__FILE__, __LINE__, "exec: %s", strerror(errno));
}

static _Noreturn void be_the_caller(const struct node *node, uint64_t flags)
{
	unsigned char *memory;
	int down[2], up[2];
	pid_t ghost;

	/* A stopped shell reads no image: it is on its way until the new program lets it go on. */
	if (flags & RFORK_ASYNC) {
		memory = mmap(NULL, IMAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(memory != MAP_FAILED);
		test_fill(memory, IMAGE_BYTES, 1);
		process_signal_shells(node, SIGSTOP);
	}
	CHECK_CALL(pipe(down));
	CHECK_CALL(pipe(up));
	block(SIGUSR1);
	block(SIGUSR2);
	ghost = node_move_returns_twice(node, flags);
	if (!ghost) {
		close(down[1]);
		be_the_child(down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	execute(ghost, down[1], up[0], flags & RFORK_ASYNC ? node->pid : 0);
}

static void run_case(const struct node *node, uint64_t flags)
{
	pid_t caller = CHECK_CALL(fork());

	if (!caller)
		be_the_caller(node, flags);
	test_guard_process(caller);
	test_expect_exit(caller, 0);
	test_forget_process(caller);
}

int main(int argc, char **argv)
{
	struct node_load load;
	struct node node;

	if (argc == 5)
		return be_the_new_program(argv);
	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	run_case(&node, 0);
	run_case(&node, RFORK_ASYNC);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
