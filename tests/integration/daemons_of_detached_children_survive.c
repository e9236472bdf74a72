/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a child has started under RFORK_DETACH outlives the ghost as the child itself does, also when the
 * child ends before the ghost has let go of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/scripted_node.h"
#include "tests/support/stream.h"

#define ROUNDS 10

static char path[96]; /* of a FIFO, which the daemon opens: on loopback all see the same files */

static _Noreturn void be_the_child(int round)
{
	static const char block[65536];
	int home;

	if (fork()) {
		usleep((useconds_t)round * 100); /* some end before the ghost, some after it */
		_exit(7);
	}
	setsid();
	home = CHECK_CALL(open(path, O_WRONLY));
	/* what it holds of the child's streams is still there, and nobody hears it */
	test_write(STDOUT_FILENO, block, sizeof(block));
	dprintf(home, "%d\n", (int)getpid());
	for (;;)
		test_write(STDOUT_FILENO, block, sizeof(block));
}

/* The child has ended, the daemon has not, and the ghost asks for the latter. */
static void end_before(int fd)
{
	const struct rf_frame_exited exited = { .status = 0 };
	struct rf_frame_header header;

	scripted_node_put(fd, RF_FRAME_EXITED, RF_EXITED_STAYS, 0, &exited, sizeof(exited));
	CHECK_EQUAL(test_read(fd, &header, sizeof(header)), sizeof(header));
	CHECK_EQUAL(header.type, RF_FRAME_DETACH);
	CHECK(!test_poll(fd, POLLIN, STREAM_QUIET_MS)); /* it has not hung up */
	scripted_node_put(fd, RF_FRAME_DETACHED, 0, 0, NULL, 0);
}

/* No child ends so soon that this could be seen on a real node but by chance. */
static void check_early_end(const struct node *node)
{
	const struct rfork_options options = { .size = sizeof(options),
					       .flags = RFORK_DETACH | RFORK_CLOSE_OTHERS };
	struct scripted_node scripted;
	pid_t ghost;

	scripted_node_start(&scripted, node->key, end_before);
	ghost = rfork_with(scripted.host, &options);
	if (ghost <= 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(ghost, 0);
	scripted_node_finish(&scripted);
}

int main(void)
{
	const struct rfork_options options = { .size = sizeof(options),
					       .flags = RFORK_DETACH | RFORK_CLOSE_OTHERS };
	struct node_load load;
	struct node node;
	pid_t daemon, ghost;
	int reader;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	snprintf(path, sizeof(path), "%s/home", node.directory);
	CHECK_CALL(mkfifo(path, 0600));
	reader = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	for (int i = 0; i < ROUNDS; i++) {
		ghost = rfork_with(node.host, &options);
		if (!ghost)
			be_the_child(i);
		if (ghost < 0)
			test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
		test_expect_exit(ghost, 0);
		daemon = (pid_t)test_read_number(reader);
		CHECK_EQUAL(process_find_ghosts(&ghost, 1), 0);
		CHECK(!test_has_ended(daemon, 20));
		CHECK_CALL(kill(daemon, SIGKILL));
		CHECK(test_has_ended(daemon, TEST_DEADLINE_MS));
	}
	check_early_end(&node);
	node_expect_load(&node, load);
	CHECK_CALL(unlink(path));
	close(reader);
	node_stop(&node);
	return test_end();
}
