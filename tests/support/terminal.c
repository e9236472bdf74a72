/* SPDX-License-Identifier: MIT */
/*
 * Drives a pseudo-terminal, with a deadline for all that is waited for.  Called by the tests of
 * terminals.
 */
#define _GNU_SOURCE
#include "tests/support/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Of what was shown, in a failure. */
#define TAIL_BYTES 600

void terminal_open(struct terminal *terminal)
{
	*terminal = (struct terminal){ 0 };
	terminal->master = CHECK_CALL(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
	CHECK_CALL(grantpt(terminal->master));
	CHECK_CALL(unlockpt(terminal->master));
	terminal->slave =
		CHECK_CALL(open(ptsname(terminal->master), O_RDWR | O_NOCTTY | O_CLOEXEC));
	terminal_set_size(terminal, 24, 80);
}

void terminal_close(struct terminal *terminal)
{
	close(terminal->slave);
	close(terminal->master);
}

static void lead_session(struct terminal *terminal)
{
	const char *path = ptsname(terminal->master);
	int fd;

	CHECK_CALL(setsid());
	fd = CHECK_CALL(open(path, O_RDWR)); /* becomes the controlling one */
	for (int number = 0; number < 3; number++)
		CHECK_CALL(dup2(fd, number));
	close_range(3, ~0u, 0);
}

pid_t terminal_start(struct terminal *terminal, void (*body)(void))
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		lead_session(terminal);
		body();
		_exit(0);
	}
	test_guard_process(pid);
	return pid;
}

static void look(struct terminal *terminal)
{
	ssize_t got = 1;

	while (got > 0 && terminal->bytes < TERMINAL_SHOWN_BYTES) {
		got = read(terminal->master, terminal->shown + terminal->bytes,
			   TERMINAL_SHOWN_BYTES - terminal->bytes);
		terminal->bytes += got > 0 ? (size_t)got : 0;
	}
	terminal->shown[terminal->bytes] = '\0';
}

void terminal_finish(struct terminal *terminal, pid_t leader, int code)
{
	int status = test_wait(leader);

	test_forget_process(leader);
	look(terminal);
	if (status != code << 8)
		test_fail(__FILE__, __LINE__, "status %#x, not exit %d; shown: %s", status, code,
			  terminal->shown);
}

void terminal_type(struct terminal *terminal, const char *keys)
{
	test_write(terminal->master, keys, strlen(keys));
}

static char *find(struct terminal *terminal, const char *text)
{
	return memmem(terminal->shown + terminal->seen, terminal->bytes - terminal->seen, text,
		      strlen(text));
}

/* The last of what was shown and not expected: enough to see where it ended. */
static const char *find_tail(const struct terminal *terminal)
{
	size_t fresh = terminal->bytes - terminal->seen;

	return terminal->shown + terminal->bytes - (fresh < TAIL_BYTES ? fresh : TAIL_BYTES);
}

/* The end of what is found first, or NULL. */
static char *find_end(struct terminal *terminal, const char *a, const char *b)
{
	char *one = find(terminal, a), *other = find(terminal, b);

	if (one && (!other || one <= other))
		return one + strlen(a);
	return other ? other + strlen(b) : NULL;
}

void terminal_expect(struct terminal *terminal, const char *text)
{
	terminal_expect_one_of(terminal, text, text);
}

void terminal_expect_one_of(struct terminal *terminal, const char *a, const char *b)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	char *end;

	while (!(end = find_end(terminal, a, b))) {
		int64_t left_ms = deadline_ms - test_now_ms();

		if (left_ms <= 0 || !test_poll(terminal->master, POLLIN, (int)left_ms))
			test_fail(__FILE__, __LINE__, "\"%s\" is not shown, but: %s", a,
				  find_tail(terminal));
		look(terminal);
	}
	terminal->seen = (size_t)(end - terminal->shown);
}

bool terminal_has_shown(struct terminal *terminal, const char *text)
{
	look(terminal);
	return memmem(terminal->shown, terminal->bytes, text, strlen(text)) != NULL;
}

void terminal_set_size(struct terminal *terminal, unsigned rows, unsigned columns)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };

	CHECK_CALL(ioctl(terminal->master, TIOCSWINSZ, &size));
}

void terminal_expect_local(struct terminal *terminal, tcflag_t mask, tcflag_t flags)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;

	while ((terminal_mode(terminal->slave).c_lflag & mask) != flags) {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "the mode is %#x, not %#x; shown: %s",
				  terminal_mode(terminal->slave).c_lflag & mask, flags,
				  terminal->shown + terminal->seen);
		poll(NULL, 0, 1); /* no event tells of a mode */
		look(terminal);
	}
}

struct termios terminal_mode(int fd)
{
	struct termios mode;

	CHECK_CALL(tcgetattr(fd, &mode));
	return mode;
}

bool terminal_modes_are_equal(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       ((a->c_lflag ^ b->c_lflag) & ~(tcflag_t)EXTPROC) == 0 &&
	       memcmp(a->c_cc, b->c_cc, NCCS) == 0 && cfgetispeed(a) == cfgetispeed(b) &&
	       cfgetospeed(a) == cfgetospeed(b);
}
