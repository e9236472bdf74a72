/* SPDX-License-Identifier: MIT */
/*
 * Claim: whatever happens to page connections, rdma:// fails with a sentence that says what it was, and
 * auto:// makes the child whole by the other road: no device at the caller or the node, no helper, no
 * memory that may be locked, a helper that tells a wrong key or address, and, while pages are under way, a
 * dead helper and a device that goes away.  A dead shell, ghost or caller ends a move as without
 * RDMA: by an error, or a child that outlives its parent.  Neither side is left with a process, a
 * descriptor, a mapping or anything of the device's.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/pages_protocol.h"
#include "rfork/protocol.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define BYTES (12ul << 20)
#define WHOLE 23 /* exit code of a child that is */
#define HELPER_PROGRAM "rdma/rfork-pages"

static unsigned char *memory;
static uint64_t expected;
static struct node node;

/* -- commands ----------------------------------------------------------------------------- */

/* The first line that a command of rdma(8) prints; it must succeed. */
static void run_rdma(const char *command, char *line, int bytes)
{
	FILE *output = popen(command, "re");
	char rest[256];

	CHECK(output);
	if (!fgets(line, bytes, output))
		line[0] = '\0';
	while (fgets(rest, sizeof(rest), output))
		;
	CHECK_EQUAL(pclose(output), 0);
}

static void delete_device(void)
{
	char line[256];

	run_rdma("PATH=$PATH:/sbin:/usr/sbin rdma link delete rxe0 2>&1", line, sizeof(line));
}

static void add_device(void)
{
	char line[256];

	run_rdma("PATH=$PATH:/sbin:/usr/sbin rdma link add rxe0 type rxe netdev eth0 2>&1", line,
		 sizeof(line));
}

/* How many protection domains, queue pairs, regions and so on there are, as a text. */
static void list_resources(char text[256])
{
	char line[256];
	const char *name;

	run_rdma("PATH=$PATH:/sbin:/usr/sbin rdma resource show rxe0", line, sizeof(line));
	name = strstr(line, "rxe0"); /* behind a number, which is another each time it is made */
	snprintf(text, sizeof(line), "%s", name ? name : "");
}

/* -- processes ---------------------------------------------------------------------------- */

static bool runs(pid_t pid, const char *program)
{
	char path[64], target[512] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return false;
	return strlen(target) >= strlen(program) &&
	       !strcmp(target + strlen(target) - strlen(program), program);
}

/* The one descendant that runs a program; 0 if there is none. */
static pid_t find_program(pid_t ancestor, const char *program)
{
	pid_t pids[256];
	unsigned count = node_descendants(ancestor, pids, 256);

	for (unsigned i = 0; i < count; i++)
		if (runs(pids[i], program))
			return pids[i];
	return 0;
}

static void end_program(pid_t ancestor, const char *program)
{
	pid_t pid = find_program(ancestor, program);

	CHECK(pid > 0);
	CHECK_CALL(kill(pid, SIGKILL));
	CHECK(test_has_ended(pid, TEST_DEADLINE_MS));
}

/* The child of the caller that is no server and no proxy. */
static pid_t find_ghost(pid_t pid)
{
	pid_t pids[256];
	unsigned count = node_descendants(pid, pids, 256);

	for (unsigned i = 0; i < count; i++)
		if (pids[i] != node.pid && pids[i] != getpid() && node_parent_of(pids[i]) == pid)
			return pids[i];
	return 0;
}

/* -- in the middle ------------------------------------------------------------------------ */

/*
 * A proxy forwards the control connection, and acts before it lets through the node's word that the
 * first pages have been taken: some are there, some lie in the ring, and some have not left.
 */
static void (*act)(pid_t caller);
static pid_t caller;

static void act_once(uint8_t type)
{
	static bool is_done;

	if (type != RF_FRAME_TAKEN || is_done)
		return;
	is_done = true;
	act(caller);
}

/* Finds the frames in what the node says, however it is cut into pieces. */
static void watch_answer(int64_t start, unsigned char *bytes, size_t count)
{
	static struct rf_frame_header header;
	static size_t have, skip;

	(void)start;
	while (count) {
		size_t part = skip < count ? skip : count;

		skip -= part;
		bytes += part;
		count -= part;
		if (!count)
			return;
		((unsigned char *)&header)[have++] = *bytes++;
		count--;
		if (have < sizeof(header))
			continue;
		have = 0;
		skip = header.length_bytes;
		act_once(header.type);
	}
}

/* -- moves -------------------------------------------------------------------------------- */

static void verify(void)
{
	_exit(test_digest(memory, BYTES) == expected ? WHOLE : 1);
}

static pid_t move_by(const char *scheme, const char *host)
{
	char name[96];
	pid_t pid;

	snprintf(name, sizeof(name), "%s://%s", scheme, host);
	pid = rfork(name);
	if (!pid)
		verify();
	return pid;
}

static void expect_whole(const char *host)
{
	pid_t pid = move_by("auto", host);

	if (pid < 0)
		test_fail(__FILE__, __LINE__, "auto: %s", rfork_error());
	test_expect_exit(pid, WHOLE);
}

static void expect_error(const char *host, int error, const char *sentence)
{
	pid_t pid = move_by("rdma", host);
	int found = errno;

	if (pid >= 0 || found != error || !strstr(rfork_error(), sentence))
		test_fail(__FILE__, __LINE__, "pid %d, errno %d, not %d, and not \"%s\": %s",
			  (int)pid, found, error, sentence, pid < 0 ? rfork_error() : "");
}

/* -- what is left ------------------------------------------------------------------------- */

static struct leftovers {
	struct node_load load;
	unsigned descriptors;
	unsigned mappings; /* of rings */
	char resources[256];
} before;

static unsigned count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	CHECK(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static unsigned count_rings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[512];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "rfork-pages") || strstr(line, "infiniband");
	fclose(maps);
	return count;
}

static void remember(void)
{
	before.load = node_settle(&node);
	before.descriptors = count_descriptors();
	before.mappings = count_rings();
	list_resources(before.resources);
}

/* Those of a ghost that has died come to us, as to any subreaper, and must end by themselves. */
static void reap_orphans(void)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	bool is_any_left;

	do {
		/* in this order: what lives no more is reaped; those of the node come and go meanwhile */
		is_any_left = find_ghost(getpid()) > 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__, "process %d is left",
				  (int)find_ghost(getpid()));
		if (is_any_left)
			poll(NULL, 0, 5); /* no event tells of orphans that come to us */
	} while (is_any_left);
}

static void expect_nothing_left(const char *claim)
{
	char resources[256];

	node_expect_load(&node, before.load);
	reap_orphans();
	CHECK_EQUAL(count_descriptors(), before.descriptors);
	CHECK_EQUAL(count_rings(), before.mappings);
	list_resources(resources);
	CHECK_TEXT(resources, before.resources);
	dprintf(2, "holds: %s\n", claim);
}

/* -- roads that cannot be had ------------------------------------------------------------- */

static void no_device_is_named(void)
{
	delete_device();
	expect_error(node.host, ENODEV, "has no RDMA device");
	expect_whole(node.host);
	add_device();
	expect_nothing_left("no device");
}

static void no_helper_is_named(void)
{
	CHECK_CALL(setenv("RFORK_PAGES_HELPER", "/nonexistent/rfork-pages", 1));
	expect_error(node.host, ENOENT, "/nonexistent/rfork-pages");
	expect_whole(node.host);
	expect_nothing_left("no helper");
}

static void write_text(const char *path, const char *text)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CLOEXEC));

	test_write(fd, text, strlen(text));
	close(fd);
}

/* Root of a user namespace may lock no more memory than others, whatever it executes. */
static void lose_privilege(void)
{
	CHECK_CALL(unshare(CLONE_NEWUSER));
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 0 1");
	write_text("/proc/self/gid_map", "0 0 1");
}

/* Of a user who may lock only that much: in a process of its own, as it cannot be undone. */
static void no_locked_memory_is_named(void)
{
	const struct rlimit limit = { 64 << 10, 64 << 10 };
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		CHECK_CALL(setrlimit(RLIMIT_MEMLOCK, &limit));
		lose_privilege();
		expect_error(node.host, ENOMEM, "RLIMIT_MEMLOCK");
		expect_whole(node.host);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect_nothing_left("no locked memory");
}

static void a_node_that_will_not_is_named(void)
{
	const char *arguments[] = { "--no-rdma", NULL };
	struct node other;

	node_start(&other, arguments);
	expect_error(other.host, ENODEV, "is told not to");
	expect_whole(other.host);
	node_stop(&other);
	CHECK_CALL(setenv("RFORK_KEY_FILE", node.key_file, 1));
	expect_nothing_left("a node without RDMA");
}

/* -- a helper that lies ------------------------------------------------------------------- */

static void lie(struct rf_pages_message *message, const char *how)
{
	if (message->word != RF_PAGES_READY)
		return;
	if (!strcmp(how, "key"))
		message->remote_key ^= 0x5a5a00;
	else
		message->remote_address += 1ul << 40;
}

/* Passes messages on, with READY changed, until the ghost has gone. */
static void relay_lies(int helper, const char *how)
{
	struct pollfd fds[2] = { { .fd = RF_PAGES_SOCKET_FD, .events = POLLIN },
				 { .fd = helper, .events = POLLIN } };
	struct rf_pages_message message;
	struct rf_pages_order order;

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents) {
			if (read(fds[0].fd, &order, sizeof(order)) != sizeof(order))
				return;
			test_write(helper, &order, sizeof(order));
		} else if (read(helper, &message, sizeof(message)) == sizeof(message)) {
			lie(&message, how);
			test_write(fds[0].fd, &message, sizeof(message));
		} else {
			return;
		}
	}
}

/* What this program does in the place of a helper: it starts the real one, and stands between. */
static int be_helper(const char *how, const char *program)
{
	int pair[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	pid = CHECK_CALL(fork());
	if (!pid) {
		dup2(pair[1], RF_PAGES_SOCKET_FD);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	close(RF_PAGES_RING_FD);
	relay_lies(pair[0], how);
	close(pair[0]);
	return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}

/* A helper has no environment; but this program finds its library by that, before it is installed. */
static void lies_of_a_helper_are_named(const char *how)
{
	const char *libraries = getenv("LD_LIBRARY_PATH");
	char path[96], self[512] = "", text[4096];
	int fd;

	CHECK_CALL(readlink("/proc/self/exe", self, sizeof(self) - 1));
	snprintf(path, sizeof(path), "%s/helper", node.directory);
	snprintf(text, sizeof(text), "#!/bin/sh\nLD_LIBRARY_PATH='%s' exec '%s' %s '%s'\n",
		 libraries ? libraries : "", self, how, test_build_path(HELPER_PROGRAM));
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
	test_write(fd, text, strlen(text));
	CHECK_CALL(close(fd));
	CHECK_CALL(setenv("RFORK_PAGES_HELPER", path, 1));
	expect_error(node.host, EACCES, "remote access error");
	expect_whole(node.host);
	CHECK_CALL(unlink(path));
	expect_nothing_left(how);
}

/* -- losses in the middle ----------------------------------------------------------------- */

static void start_proxy(struct proxy *proxy, void (*action)(pid_t caller))
{
	struct proxy_plan plan = PROXY_PLAIN;

	plan.edit_answer = watch_answer;
	act = action;
	caller = getpid();
	proxy_start(proxy, node.port, &plan);
}

static void end_helper(pid_t pid)
{
	end_program(pid, HELPER_PROGRAM);
}

static void remove_device(pid_t pid)
{
	(void)pid;
	delete_device();
}

/* The device comes back for what is next. */
static void loss_is_told_or_made_good(const char *claim, void (*action)(pid_t caller), int error,
				      const char *sentence)
{
	struct proxy proxy;

	start_proxy(&proxy, action);
	expect_error(proxy.host, error, sentence);
	proxy_finish(&proxy);
	if (action == remove_device)
		add_device();
	expect_nothing_left(claim);
	start_proxy(&proxy, action);
	expect_whole(proxy.host);
	proxy_finish(&proxy);
	if (action == remove_device)
		add_device();
	expect_nothing_left(claim);
}

static void end_shell(pid_t pid)
{
	end_program(pid, "server/rfork-shell-rdma");
}

/* No road is left on either side: whatever the caller would permit. */
static void a_dead_shell_is_an_error(void)
{
	static const char *const schemes[] = { "rdma", "auto" };
	struct proxy proxy;

	for (int i = 0; i < 2; i++) {
		start_proxy(&proxy, end_shell);
		CHECK_EQUAL(move_by(schemes[i], proxy.host), -1);
		CHECK_EQUAL(errno, ECONNRESET);
		proxy_finish(&proxy);
		expect_nothing_left("a dead shell");
	}
}

static void end_ghost(pid_t pid)
{
	pid_t ghost = find_ghost(pid);

	CHECK(ghost > 0);
	CHECK_CALL(kill(ghost, SIGKILL));
}

static void a_dead_ghost_is_an_error(void)
{
	struct proxy proxy;

	start_proxy(&proxy, end_ghost);
	CHECK_EQUAL(move_by("auto", proxy.host), -1);
	CHECK_EQUAL(errno, ECONNRESET);
	CHECK(strstr(rfork_error(), "ghost"));
	proxy_finish(&proxy);
	expect_nothing_left("a dead ghost");
}

static void end_caller(pid_t pid)
{
	pid_t middle = find_ghost(pid);

	CHECK(middle > 0 && find_ghost(middle) > 0);
	CHECK_CALL(kill(middle, SIGKILL));
}

/* The ghost is an orphan then, as any child, and comes to us. */
static void a_dead_caller_leaves_its_child(void)
{
	struct proxy proxy;
	int status;
	pid_t pid;

	start_proxy(&proxy, end_caller);
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(move_by("rdma", proxy.host) > 0 ? 0 : 1);
	test_expect_signal(pid, SIGKILL);
	proxy_finish(&proxy);
	CHECK_CALL(waitpid(-1, &status, 0));
	CHECK(WIFEXITED(status));
	CHECK_EQUAL(WEXITSTATUS(status), WHOLE);
	expect_nothing_left("a dead caller");
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return be_helper(argv[1], argv[2]);
	test_begin();
	if (!getenv("RFORK_VM_ADDRESS"))
		test_skip("no RDMA device: run by tests/rdma/vm");
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	test_fill(memory, BYTES, 1);
	expected = test_digest(memory, BYTES);
	CHECK_CALL(setenv("RFORK_RDMA_MIN_BYTES", "1", 1));
	CHECK_CALL(setenv("RFORK_PAGES_HELPER", test_build_path(HELPER_PROGRAM), 1));
	node_start(&node, NULL);
	node_expect_service(&node);
	remember();

	no_device_is_named();
	no_locked_memory_is_named();
	a_node_that_will_not_is_named();
	loss_is_told_or_made_good("a dead helper", end_helper, ECONNRESET, "has ended");
	loss_is_told_or_made_good("a removed device", remove_device, ENODEV, "removed");
	a_dead_shell_is_an_error();
	a_dead_ghost_is_an_error();
	a_dead_caller_leaves_its_child();
	no_helper_is_named();
	lies_of_a_helper_are_named("key");
	lies_of_a_helper_are_named("address");
	node_stop(&node);
	return test_end();
}
