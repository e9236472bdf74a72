/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork_check() lists each thing that rfork() refuses, by descriptor number and path, by
 * address range, or by the name of the state, with and without a host, and nothing else; rfork()
 * then fails with ENOTSUP and a sentence that holds the same line, and leaves caller and node as
 * they were.  Under RFORK_CLOSE_OTHERS descriptors are no refusals, and rfork() goes; all else
 * still is one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define NUMBER 17
#define LIST_BYTES 8192

static struct node node;
static unsigned char block[1 << 20];
static uint64_t digest; /* of that */

/* -- things ------------------------------------------------------------------------------------ */

/* What a maker has made: a descriptor, or memory, or both; and the number of refusals. */
struct thing {
	int fd;
	void *memory;
	size_t bytes;
	void (*unmake)(void);
};

static int descriptor(struct thing *thing, int fd)
{
	thing->fd = fd;
	return fd < 0 ? -1 : 0;
}

/* Memory that outlives its descriptor. */
static int memory_of(struct thing *thing, int fd, size_t bytes, off_t offset)
{
	if (fd < 0)
		return -1;
	thing->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	thing->bytes = bytes;
	close(fd);
	return thing->memory == MAP_FAILED ? -1 : 0;
}

static int setup_ring(void)
{
	struct io_uring_params params = { 0 };

	return (int)syscall(SYS_io_uring_setup, 8, &params);
}

static int make_ring(struct thing *thing)
{
	return descriptor(thing, setup_ring());
}

static int make_ring_memory(struct thing *thing)
{
	return memory_of(thing, setup_ring(), TEST_PAGE_BYTES, IORING_OFF_SQ_RING);
}

/* By another ring, whichever: before Linux 6.3 a registered one alone cannot be named. */
static void unregister_ring(void)
{
	struct io_uring_rsrc_update update = { .offset = 0 };
	int fd = CHECK_CALL(setup_ring());

	CHECK_EQUAL(syscall(SYS_io_uring_register, fd, IORING_UNREGISTER_RING_FDS, &update, 1), 1);
	CHECK_CALL(close(fd));
}

static int make_registered_ring(struct thing *thing)
{
	struct io_uring_rsrc_update update = { .offset = 0 };
	int fd = setup_ring();

	if (fd < 0)
		return -1;
	update.data = (unsigned)fd;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_RING_FDS, &update, 1) != 1)
		return -1;
	close(fd);
	thing->unmake = unregister_ring;
	return 0;
}

static int make_counter(struct thing *thing)
{
	struct perf_event_attr counter = { .type = PERF_TYPE_SOFTWARE,
					   .size = sizeof(counter),
					   .config = PERF_COUNT_SW_TASK_CLOCK,
					   .exclude_kernel = 1 };

	return descriptor(thing, (int)syscall(SYS_perf_event_open, &counter, 0, -1, -1, 0));
}

static int make_userfaultfd(struct thing *thing)
{
	return descriptor(thing, (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY));
}

static int make_fanotify(struct thing *thing)
{
	return descriptor(thing, fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY));
}

static int make_bpf(struct thing *thing)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1
	};

	return descriptor(thing, (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)));
}

static int make_file_system(struct thing *thing)
{
	return descriptor(thing, (int)syscall(SYS_fsopen, "tmpfs", 0));
}

static int make_ruleset(struct thing *thing)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM };

	return descriptor(thing,
			  (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0));
}

static int make_namespace(struct thing *thing)
{
	return descriptor(thing, open("/proc/self/ns/uts", O_RDONLY));
}

static void unlink_queue(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/rfork-test-%d", (int)getpid());
	CHECK_CALL(mq_unlink(name));
}

static int make_queue(struct thing *thing)
{
	char name[64];

	snprintf(name, sizeof(name), "/rfork-test-%d", (int)getpid());
	thing->unmake = unlink_queue;
	return descriptor(thing, mq_open(name, O_CREAT | O_RDWR, 0600, NULL));
}

static int make_netlink(struct thing *thing)
{
	return descriptor(thing, socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int make_packet(struct thing *thing)
{
	return descriptor(thing, socket(AF_PACKET, SOCK_RAW, 0));
}

static int make_vsock(struct thing *thing)
{
	return descriptor(thing, socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int make_cryptography(struct thing *thing)
{
	return descriptor(thing, socket(AF_ALG, SOCK_SEQPACKET, 0));
}

static int make_raw(struct thing *thing)
{
	return descriptor(thing, socket(AF_INET, SOCK_RAW, 1));
}

static int make_unconnected(struct thing *thing)
{
	return descriptor(thing, socket(AF_INET, SOCK_STREAM, 0));
}

static int make_fuse(struct thing *thing)
{
	return descriptor(thing, open("/dev/fuse", O_RDWR));
}

static int make_loop_control(struct thing *thing)
{
	return descriptor(thing, open("/dev/loop-control", O_RDWR));
}

static int make_block(struct thing *thing)
{
	return descriptor(thing, open("/dev/loop0", O_RDONLY));
}

static int make_kvm(struct thing *thing)
{
	return descriptor(thing, open("/dev/kvm", O_RDWR));
}

static int make_terminal_master(struct thing *thing)
{
	return descriptor(thing, posix_openpt(O_RDWR | O_NOCTTY));
}

static int make_secret(struct thing *thing)
{
	return descriptor(thing, (int)syscall(SYS_memfd_secret, 0));
}

static int make_secret_memory(struct thing *thing)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	return fd < 0 || ftruncate(fd, TEST_PAGE_BYTES) < 0
		       ? -1
		       : memory_of(thing, fd, TEST_PAGE_BYTES, 0);
}

static aio_context_t asynchronous;

static void destroy_asynchronous(void)
{
	CHECK_CALL((int)syscall(SYS_io_destroy, asynchronous));
}

static int make_asynchronous(struct thing *thing)
{
	asynchronous = 0;
	thing->unmake = destroy_asynchronous;
	return (int)syscall(SYS_io_setup, 8, &asynchronous);
}

static void leave_directory(void)
{
	CHECK_CALL(chdir("/"));
}

static int make_deleted_directory(struct thing *thing)
{
	char path[] = "/tmp/rfork-test-XXXXXX";

	CHECK(mkdtemp(path));
	CHECK_CALL(chdir(path));
	thing->unmake = leave_directory;
	return rmdir(path);
}

static const struct row {
	const char *name;
	int (*make)(struct thing *thing);
	const char *words; /* of the one line */
	bool is_closable;  /* RFORK_CLOSE_OTHERS leaves it out */
} rows[] = {
	{ "io_uring", make_ring, "descriptor 17 (anon_inode:[io_uring]): ", true },
	{ "memory of io_uring", make_ring_memory, "(anon_inode:[io_uring]): ", false },
	{ "registered io_uring", make_registered_ring, "io_uring: registered ring 0", false },
	{ "perf event", make_counter, "descriptor 17 (anon_inode:[perf_event]): ", true },
	{ "userfaultfd", make_userfaultfd, "descriptor 17 (anon_inode:[userfaultfd]): ", true },
	{ "fanotify", make_fanotify, "descriptor 17 (anon_inode:[fanotify]): ", true },
	{ "bpf", make_bpf, "descriptor 17 (anon_inode:bpf-map): ", true },
	{ "fsopen", make_file_system, "descriptor 17 (anon_inode:[fscontext]): ", true },
	{ "ruleset", make_ruleset, "descriptor 17 (anon_inode:[landlock-ruleset]): ", true },
	{ "namespace", make_namespace, "]): a namespace", true },
	{ "message queue", make_queue, "): a POSIX message queue", true },
	{ "netlink", make_netlink, "]): a netlink socket", true },
	{ "packet", make_packet, "]): a packet socket", true },
	{ "vsock", make_vsock, "]): a vsock socket", true },
	{ "AF_ALG", make_cryptography, "]): a socket of the kernel's cryptography", true },
	{ "raw", make_raw, "]): a raw socket", true },
	{ "unconnected", make_unconnected, "]): a socket that is not connected", true },
	{ "fuse", make_fuse, "descriptor 17 (/dev/fuse): a character device", true },
	{ "loop-control", make_loop_control, "descriptor 17 (/dev/loop-control): a char", true },
	{ "loop0", make_block, "descriptor 17 (/dev/loop0): a block device", true },
	{ "kvm", make_kvm, "descriptor 17 (/dev/kvm): a character device", true },
	{ "ptmx", make_terminal_master, "ptmx): a character device", true },
	{ "secret", make_secret, "descriptor 17 (/secretmem (deleted)): secret memory", true },
	{ "mapped secret", make_secret_memory, "(/secretmem (deleted)): secret memory", false },
	{ "directory", make_deleted_directory, "the working directory was deleted", false },
	{ "io_setup", make_asynchronous, "(/[aio] (deleted)): asynchronous I/O", false },
};

/* -- each of them ------------------------------------------------------------------------------ */

static int check(const char *host, uint64_t flags, char *list)
{
	struct rfork_options options = { .size = sizeof(options), .flags = flags };

	return CHECK_CALL(rfork_check(host, &options, list, LIST_BYTES));
}

static void expect_none(const char *host, uint64_t flags)
{
	char list[LIST_BYTES];

	if (check(host, flags, list))
		test_fail(__FILE__, __LINE__, "there is something in the way: %s", list);
	CHECK_TEXT(list, "");
}

/* The line is left in `list`, without its newline. */
static void expect_one(const char *host, uint64_t flags, const struct row *row, char *list)
{
	int count = check(host, flags, list);
	char *end = strchr(list, '\n');

	if (count != 1 || !end || end[1] || !strstr(list, row->words))
		test_fail(__FILE__, __LINE__, "%s: %d refusals: %s", row->name, count, list);
	*end = '\0';
}

static void expect_service(uint64_t flags)
{
	pid_t pid = node_move_returns_twice(&node, flags);

	if (!pid)
		_exit(fcntl(NUMBER, F_GETFD) < 0 ? 0 : 1);
	test_expect_exit(pid, 0);
}

static void check_row(const struct row *row, const struct thing *thing)
{
	struct rfork_options closing = { .size = sizeof(closing), .flags = RFORK_CLOSE_OTHERS };
	char alone[LIST_BYTES], line[LIST_BYTES], range[64];
	static struct footprint before;
	struct node_load load;

	footprint_take(&before);
	footprint_take(&before);
	load = node_settle_in_pairs(&node);
	expect_one(NULL, 0, row, alone);
	expect_one(node.host, 0, row, line);
	CHECK_TEXT(line, alone);
	snprintf(range, sizeof(range), "mapping %lx-%lx (", (unsigned long)thing->memory,
		 (unsigned long)thing->memory + thing->bytes);
	CHECK(!thing->memory || strncmp(line, range, strlen(range)) == 0);
	footprint_expect(&before);
	footprint_expect_refusal(node.host, NULL, ENOTSUP, line);
	node_expect_load(&node, load);
	if (row->is_closable) {
		expect_none(node.host, RFORK_CLOSE_OTHERS);
		expect_service(RFORK_CLOSE_OTHERS);
	} else {
		expect_one(node.host, RFORK_CLOSE_OTHERS, row, alone);
		footprint_expect_refusal(node.host, &closing, ENOTSUP, line);
	}
	node_expect_load(&node, load);
}

static void unmake(const struct thing *thing)
{
	if (thing->memory)
		CHECK_CALL(munmap(thing->memory, thing->bytes));
	if (thing->unmake)
		thing->unmake();
	if (thing->fd >= 0)
		CHECK_CALL(close(NUMBER));
}

static bool try_row(const struct row *row)
{
	struct thing thing = { .fd = -1 };

	if (row->make(&thing) < 0) {
		dprintf(2, "%s: cannot be made here: %s\n", row->name, strerror(errno));
		return false;
	}
	if (thing.fd >= 0) {
		CHECK_CALL(dup2(thing.fd, NUMBER));
		CHECK_CALL(close(thing.fd));
	}
	check_row(row, &thing);
	CHECK_EQUAL(test_digest(block, sizeof(block)), digest);
	unmake(&thing);
	expect_none(NULL, 0);
	return true;
}

/* -- all of them ------------------------------------------------------------------------------- */

static unsigned count_lines(const char *list)
{
	unsigned count = 0;

	for (; (list = strchr(list, '\n')); list++)
		count++;
	return count;
}

/* All are counted, in whatever room; the text ends with a whole line, and nothing is written behind
 * it. */
static void check_room(void)
{
	static const size_t rooms[] = { 1, 2, 60, 100, 1000, LIST_BYTES };
	enum { MANY = 20 };
	int fds[MANY];

	for (unsigned i = 0; i < MANY; i++)
		fds[i] = CHECK_CALL(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_EQUAL(rfork_check(NULL, NULL, NULL, 0), MANY);
	for (unsigned i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		char list[LIST_BYTES + 1];
		size_t length;

		memset(list, '#', sizeof(list));
		CHECK_EQUAL(rfork_check(node.host, NULL, list, rooms[i]), MANY);
		length = strnlen(list, sizeof(list));
		CHECK(length < rooms[i] && (!length || list[length - 1] == '\n'));
		CHECK(list[rooms[i]] == '#');
		CHECK_EQUAL(count_lines(list) == MANY, rooms[i] == LIST_BYTES);
	}
	footprint_expect_refusal(node.host, NULL, ENOTSUP, " more; RFORK_CLOSE_OTHERS closes");
	for (unsigned i = 0; i < MANY; i++)
		CHECK_CALL(close(fds[i]));
}

/* What cannot be asked is no refusal. */
static void check_unasked(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = UINT64_C(1) << 60 };
	char list[64] = "old";

	CHECK_EQUAL(rfork_check("127.0.0.1:1", NULL, list, sizeof(list)), -1);
	CHECK_EQUAL(errno, ECONNREFUSED);
	CHECK_TEXT(list, "");
	CHECK_EQUAL(rfork_check(NULL, &options, NULL, 0), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK(strstr(rfork_error(), "flag"));
}

int main(void)
{
	unsigned tried = 0;

	test_begin();
	node_start(&node, NULL);
	test_fill(block, sizeof(block), 6);
	digest = test_digest(block, sizeof(block));
	expect_service(0);
	expect_none(NULL, 0);
	expect_none(node.host, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		tried += try_row(&rows[i]);
	CHECK(tried >= 10);
	check_room();
	check_unasked();
	expect_service(0);
	node_stop(&node);
	return test_end();
}
