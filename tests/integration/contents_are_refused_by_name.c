/* SPDX-License-Identifier: MIT */
/*
 * Claim: what cannot go by content is refused by name, and the caller stays as it was: memory of
 * memfd_secret(2), huge pages, a file that the process may not read, and one for which the node has
 * no room.  A smaller one, and one that is nearly all hole, has its place there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define NUMBER 20
#define SECOND 21
#define LARGE (1 << 20)
#define HOLE ((off_t)1 << 30)

static struct node node;
/* Such a node is another machine to pages by RDMA. */
static const struct rfork_options copying = {
	.size = sizeof(copying), .flags = RFORK_COPY_FILES | RFORK_INSECURE_PLAINTEXT
};

static void place(int fd)
{
	CHECK_CALL(dup2(CHECK_CALL(fd), NUMBER));
	close(fd);
}

static void refuse_memory(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd >= 0) { /* not in every kernel */
		place(fd);
		footprint_expect_refusal(node.host, &copying, ENOTSUP, "descriptor 20 (");
		CHECK(strstr(rfork_error(), "secret memory"));
	}
	fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd >= 0) {
		place(fd);
		footprint_expect_refusal(node.host, &copying, ENOTSUP,
					 "descriptor 20 (/memfd:huge");
		CHECK(strstr(rfork_error(), "huge pages"));
	}
	close(NUMBER);
}

static void make_deleted(const char *name, int flags, mode_t mode)
{
	char path[96];

	snprintf(path, sizeof(path), "/var/tmp/rfork-test-%d-%s", getpid(), name);
	place(open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC, mode));
	CHECK_CALL(unlink(path));
}

static void refuse_unreadable(void)
{
	if (geteuid() == 0)
		return; /* root reads all */
	make_deleted("unreadable", O_WRONLY, 0200);
	footprint_expect_refusal(node.host, &copying, ENOTSUP, "-unreadable");
	CHECK(strstr(rfork_error(), "cannot be read"));
	close(NUMBER);
}

static void make_large(const char *name)
{
	static unsigned char bytes[LARGE];

	test_fill(bytes, sizeof(bytes), 1);
	make_deleted(name, O_RDWR, 0600);
	test_write(NUMBER, bytes, sizeof(bytes));
}

/* Each is a refusal by itself, as everything else, although the errno is another. */
static void refuse_too_large(void)
{
	char list[2048];

	make_large("large");
	CHECK_CALL(dup2(NUMBER, SECOND));
	make_large("larger");
	CHECK_EQUAL(rfork_check(node.host, &copying, list, sizeof(list)), 2);
	dprintf(2, "%s", list);
	CHECK(strstr(list, "descriptor 20 (/var/tmp/rfork-test-"));
	CHECK(strstr(list, "-larger (deleted)): its content: on the node: No space left"));
	CHECK(strstr(list, "descriptor 21 (/var/tmp/rfork-test-"));
	footprint_expect_refusal(node.host, &copying, ENOSPC,
				 "descriptor 20 (/var/tmp/rfork-test-");
	CHECK(strstr(rfork_error(), "; descriptor 21 (/var/tmp/rfork-test-"));
	CHECK_EQUAL(lseek(NUMBER, 0, SEEK_CUR), LARGE);
	close(NUMBER);
	close(SECOND);
}

static void carry_small(void)
{
	struct stat status;
	char text[8];
	pid_t pid;

	make_deleted("small", O_RDWR, 0600);
	test_write(NUMBER, "small", 5);
	CHECK_CALL(ftruncate(NUMBER, HOLE));
	pid = node_move_returns_twice(&node, RFORK_COPY_FILES);
	if (!pid) {
		CHECK_CALL(fstat(NUMBER, &status));
		CHECK_EQUAL(status.st_size, HOLE);
		CHECK_EQUAL(pread(NUMBER, text, 5, 0), 5);
		CHECK(!memcmp(text, "small", 5));
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(NUMBER);
}

int main(void)
{
	test_begin();
	foreign_node_start(&node, (struct foreign_change){ .is_full = true });
	node_expect_service(&node); /* what the first call keeps, it has now */
	refuse_memory();
	refuse_unreadable();
	refuse_too_large();
	carry_small();
	node_stop(&node);
	return test_end();
}
