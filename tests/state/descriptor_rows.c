/* SPDX-License-Identifier: MIT */
/*
 * Files, pipes and sockets.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/state/row.h"
#include "tests/support/listening.h"

static int file = -1, second = -1;

/* -- files ------------------------------------------------------------------------------------- */

static void open_file(void)
{
	file = CHECK_CALL(open(state_file(), O_RDWR));
}

static void see_file(void)
{
	char text[16] = "";

	CHECK_EQUAL(pread(file, text, sizeof(text), 0), 10);
	CHECK_TEXT(text, STATE_FILE_TEXT);
}

static void open_directory(void)
{
	file = CHECK_CALL(open("/usr/bin", O_RDONLY | O_DIRECTORY));
}

static void see_directory(void)
{
	struct stat found, expected;

	CHECK_CALL(fstat(file, &found));
	CHECK_CALL(stat("/usr/bin", &expected));
	CHECK(found.st_ino == expected.st_ino && found.st_dev == expected.st_dev);
}

static void open_device(void)
{
	file = CHECK_CALL(open("/dev/full", O_WRONLY));
}

static void see_device(void)
{
	CHECK_EQUAL(write(file, "x", 1), -1);
	CHECK_EQUAL(errno, ENOSPC);
}

static void set_offset(void)
{
	open_file();
	CHECK_EQUAL(lseek(file, 4, SEEK_SET), 4);
}

static void see_offset(void)
{
	CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 4);
}

static void set_status_flags(void)
{
	open_directory();
	CHECK_CALL(fcntl(file, F_SETFL, O_NONBLOCK));
}

static void see_status_flags(void)
{
	CHECK(CHECK_CALL(fcntl(file, F_GETFL)) & O_NONBLOCK);
}

static void open_both_ways(void)
{
	file = CHECK_CALL(open("/dev/null", O_RDWR | O_CLOEXEC));
	second = CHECK_CALL(open("/dev/null", O_RDWR));
}

static void see_both_ways(void)
{
	CHECK_EQUAL(CHECK_CALL(fcntl(file, F_GETFD)), FD_CLOEXEC);
	CHECK_EQUAL(CHECK_CALL(fcntl(second, F_GETFD)), 0);
}

static void duplicate(void)
{
	open_file();
	second = CHECK_CALL(dup(file));
}

static void see_duplicate(void)
{
	CHECK_EQUAL(lseek(file, 7, SEEK_SET), 7);
	CHECK_EQUAL(lseek(second, 0, SEEK_CUR), 7);
}

static void lock_file(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 3 };

	open_file();
	CHECK_CALL(fcntl(file, F_SETLK, &lock));
}

/* fork(2): a child does not inherit record locks; who moves must not have any. */
static void see_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 3 };
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_CALL(fcntl(file, F_GETLK, &lock));
		_exit(lock.l_type == F_WRLCK && lock.l_pid == getppid() ? 0 : 1);
	}
	test_expect_exit(pid, 0);
}

/* -- streams ----------------------------------------------------------------------------------- */

static int ends[2];

static void make_pipe(void)
{
	CHECK_CALL(pipe(ends));
}

static void write_pipe(void)
{
	test_write(ends[1], "child", 5);
}

static void read_pipe(void)
{
	char text[6] = "";

	close(ends[1]);
	CHECK_EQUAL(test_read(ends[0], text, 5), 5);
	CHECK_TEXT(text, "child");
}

/* Who moves has its pipes to itself, where it may see that no ancestor has them. */
static void make_own_pipe(void)
{
	if (state_way == STATE_MOVE && geteuid() != 0)
		test_skip("an ordinary user may not look at all ancestors");
	make_pipe();
}

static void use_own_pipe(void)
{
	write_pipe();
	read_pipe();
}

static void fill_pipe(void)
{
	make_own_pipe();
	write_pipe();
}

/* A question waits for the child at ends[1], and so will its answer at ends[0]. */
static void make_pair(int type)
{
	CHECK_CALL(socketpair(AF_UNIX, type, 0, ends));
	test_write(ends[0], "ping", 4);
}

static void make_stream_pair(void)
{
	make_pair(SOCK_STREAM);
}

static void make_datagram_pair(void)
{
	make_pair(SOCK_DGRAM);
}

static void make_seqpacket_pair(void)
{
	make_pair(SOCK_SEQPACKET);
}

static void expect_message(int fd, const char *message)
{
	char text[8] = "";

	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(read(fd, text, sizeof(text)), 4);
	CHECK_TEXT(text, message);
}

static void answer(void)
{
	expect_message(ends[1], "ping");
	test_write(ends[1], "pong", 4);
}

static void hear(void)
{
	expect_message(ends[0], "pong");
}

static struct listening listening;

static void listen_and_connect(void)
{
	CHECK(listening_start(&listening, LISTENING_TCP));
	ends[0] = listening_connect(&listening);
	test_write(ends[0], "ping", 4);
}

static void accept_and_answer(void)
{
	ends[1] = listening_accept(listening.fd);
	answer();
}

const struct state_row state_descriptor_rows[] = {
	{ "file", open_file, see_file, .ways = STATE_ALL },
	{ "open-directory", open_directory, see_directory, .ways = STATE_ALL },
	{ "device", open_device, see_device, .ways = STATE_ALL },
	{ "file-offset", set_offset, see_offset, .ways = STATE_ALL, .needs = { "file" } },
	{ "status-flags", set_status_flags, see_status_flags, .ways = STATE_ALL,
	  .needs = { "open-directory" } },
	{ "close-on-exec", open_both_ways, see_both_ways, .ways = STATE_ALL },
	{ "duplicates", duplicate, see_duplicate, .ways = STATE_ALL, .needs = { "file" } },
	/* who moves must not have any */
	{ "file-locks", lock_file, see_lock,
	  .ways = STATE_BY(RESTART) | STATE_BY(PROCESS) | STATE_BY(NODE), .needs = { "file" } },
	{ "pipe", make_pipe, write_pipe, read_pipe, .ways = STATE_CHILDREN },
	{ "stream-socket", make_stream_pair, answer, hear, .ways = STATE_CHILDREN },
	{ "datagram-socket", make_datagram_pair, answer, hear, .ways = STATE_CHILDREN },
	{ "seqpacket-socket", make_seqpacket_pair, answer, hear, .ways = STATE_CHILDREN },
	{ "listening-socket", listen_and_connect, accept_and_answer, hear, .ways = STATE_CHILDREN },
	{ "own-pipe", make_own_pipe, use_own_pipe, .ways = STATE_ITSELF },
	{ "pipe-contents", fill_pipe, read_pipe, .ways = STATE_ITSELF, .needs = { "own-pipe" } },
	/* its program looks at the flags of descriptors of one terminal */
	{ "terminal", .needs = { "status-flags" }, .ways = STATE_BY(RFORK),
	  .program = "tests/integration/terminal_is_a_terminal_on_the_node" },
	{ .kind = NULL },
};
