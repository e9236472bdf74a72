/* SPDX-License-Identifier: MIT */
/*
 * Small moves on pipes and sockets, with a deadline.  Called by the test programs, in the caller
 * and in the child.
 */
#define _GNU_SOURCE
#include "tests/support/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

void stream_tell(int fd)
{
	test_write(fd, "!", 1);
}

void stream_hear(int fd)
{
	char byte;

	CHECK_EQUAL(test_read(fd, &byte, 1), 1);
}

void stream_write_text(int fd, const char *text)
{
	test_write(fd, text, strlen(text));
}

void stream_expect_text(int fd, const char *text)
{
	char got[256];
	size_t bytes = strlen(text);

	CHECK(bytes < sizeof(got));
	got[test_read(fd, got, bytes)] = '\0';
	CHECK_TEXT(got, text);
}

void stream_expect_end(int fd)
{
	char byte;

	if (!test_poll(fd, POLLIN, TEST_DEADLINE_MS))
		test_fail(__FILE__, __LINE__, "no end of file on %d", fd);
	CHECK_EQUAL(CHECK_CALL(read(fd, &byte, 1)), 0);
}

void stream_expect_nothing(int fd)
{
	CHECK(!test_poll(fd, POLLIN, 0));
}

void stream_set_nonblocking(int fd, bool on)
{
	int flags = CHECK_CALL(fcntl(fd, F_GETFL));

	CHECK_CALL(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

bool stream_is_nonblocking(int fd)
{
	return CHECK_CALL(fcntl(fd, F_GETFL)) & O_NONBLOCK;
}

size_t stream_fill(int fd, const void *from, size_t bytes)
{
	size_t done = 0;

	while (done < bytes && test_poll(fd, POLLOUT, STREAM_QUIET_MS)) {
		ssize_t count = write(fd, (const char *)from + done, bytes - done);

		if (count < 0)
			CHECK_EQUAL(errno, EAGAIN); /* less room than the piece needs */
		else
			done += (size_t)count;
	}
	return done;
}

void stream_set_input(int fd)
{
	CHECK_CALL(dup2(fd, STDIN_FILENO));
	close(fd);
}

void stream_release_input(void)
{
	stream_set_input(CHECK_CALL(open("/dev/null", O_RDONLY)));
}
