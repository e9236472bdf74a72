/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child whose caller has a terminal has one on its node: its controlling terminal, of
 * the same size, in the same mode, under all descriptors of the caller's, with their flags;
 * also where the caller has only the controlling terminal, and no descriptor of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/terminal.h"

#define READ_ONLY 5
#define WRITE_ONLY 6
#define DUPLICATE 7

static struct node node;

static void set_unusual_mode(void)
{
	struct termios mode = terminal_mode(0);

	mode.c_iflag |= IUTF8 | IXANY;
	mode.c_oflag |= TABDLY;
	mode.c_lflag &= ~(tcflag_t)ECHOK;
	mode.c_cc[VINTR] = 7;
	mode.c_cc[VEOL] = '!';
	CHECK_CALL(tcsetattr(0, TCSANOW, &mode));
}

static void open_more(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s", ttyname(0));
	CHECK_CALL(dup2(CHECK_CALL(open(path, O_RDONLY | O_NONBLOCK)), READ_ONLY));
	CHECK_CALL(dup2(CHECK_CALL(open("/dev/tty", O_WRONLY)), WRITE_ONLY));
	CHECK_CALL(dup2(READ_ONLY, DUPLICATE));
	close(3);
	close(4);
}

/* -- the child ------------------------------------------------------------------------------ */

static void check_descriptor(int fd, int access, bool is_nonblocking)
{
	int flags = CHECK_CALL(fcntl(fd, F_GETFL));
	struct stat status;

	CHECK(isatty(fd));
	CHECK_EQUAL(flags & O_ACCMODE, access);
	CHECK_EQUAL(!!(flags & O_NONBLOCK), is_nonblocking);
	CHECK_CALL(fstat(fd, &status));
	CHECK(strncmp(ttyname(fd), "/dev/pts/", 9) == 0);
}

/* Flags belong to what the caller had opened, not to the terminal. */
static void check_sharing(void)
{
	CHECK_CALL(fcntl(DUPLICATE, F_SETFL, 0));
	CHECK(!(CHECK_CALL(fcntl(READ_ONLY, F_GETFL)) & O_NONBLOCK));
	CHECK_CALL(fcntl(0, F_SETFL, O_NONBLOCK));
	CHECK(CHECK_CALL(fcntl(1, F_GETFL)) & O_NONBLOCK);
	CHECK(!(CHECK_CALL(fcntl(WRITE_ONLY, F_GETFL)) & O_NONBLOCK));
}

static void check_control(void)
{
	int tty = CHECK_CALL(open("/dev/tty", O_RDWR));
	pid_t group = getpgrp();

	CHECK_EQUAL(CHECK_CALL(tcgetpgrp(tty)), group);
	CHECK_EQUAL(CHECK_CALL(tcgetsid(tty)), getsid(0));
	test_write(tty, "from the child\n", 15);
	close(tty);
}

static void be_the_child(const struct termios *mode, const struct winsize *size)
{
	struct termios here = terminal_mode(0);
	struct winsize mine;

	for (int fd = 0; fd < 3; fd++)
		check_descriptor(fd, O_RDWR, false);
	check_descriptor(READ_ONLY, O_RDONLY, true);
	check_descriptor(DUPLICATE, O_RDONLY, true);
	check_descriptor(WRITE_ONLY, O_WRONLY, false);
	check_sharing();
	check_control();
	CHECK(terminal_modes_are_equal(&here, mode));
	CHECK_CALL(ioctl(0, TIOCGWINSZ, &mine));
	CHECK(memcmp(&mine, size, sizeof(mine)) == 0);
}

/* -- the callers ---------------------------------------------------------------------------- */

static void have_descriptors(void)
{
	struct termios mode;
	struct winsize size;
	pid_t pid;

	set_unusual_mode();
	open_more();
	mode = terminal_mode(0);
	CHECK_CALL(ioctl(0, TIOCGWINSZ, &size));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		be_the_child(&mode, &size);
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

static void have_no_descriptor(void)
{
	int null = CHECK_CALL(open("/dev/null", O_RDWR));
	pid_t pid;

	for (int fd = 0; fd < 3; fd++)
		CHECK_CALL(dup2(null, fd));
	close(null);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(!isatty(0));
		check_control();
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

static void use_terminal(void (*body)(void))
{
	struct terminal terminal;
	pid_t leader;

	terminal_open(&terminal);
	terminal_set_size(&terminal, 33, 99);
	leader = terminal_start(&terminal, body);
	terminal_expect(&terminal, "from the child\r\n");
	terminal_finish(&terminal, leader, 0);
	terminal_close(&terminal);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	use_terminal(have_descriptors);
	use_terminal(have_no_descriptor);
	node_stop(&node);
	return test_end();
}
