/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork_self() tells a process where it is, by what it came, and who it has been, by every
 * way: a child of rfork(), over TCP and a unix socket, and that child's own children on the node
 * and on a second one; a process that has moved; a statefile that was sent to a node; an
 * executable.  It tells a process that has never left that it has not.  What it does not know is
 * refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "rfork/boot_id.h"
#include "tests/support/mover.h"
#include "tests/support/restart.h"

#define NS_PER_S INT64_C(1000000000)

static struct node node, second;
static pid_t origin; /* the process that leaves first */

static struct rfork_identity ask(void)
{
	struct rfork_identity self = { .size = sizeof(self) };

	memset(self.connection, 'x', sizeof(self.connection));
	CHECK_CALL(rfork_self(&self));
	CHECK_EQUAL(self.size, sizeof(self));
	return self;
}

/* Of this machine, which all nodes are on. */
static void expect_here(const struct rfork_process *process, pid_t pid)
{
	struct utsname names;
	uint8_t boot_id[RF_BOOT_ID_BYTES];

	uname(&names);
	rf_boot_id_read(boot_id);
	CHECK_TEXT(process->host, names.nodename);
	CHECK(memcmp(process->boot_id, boot_id, sizeof(boot_id)) == 0);
	CHECK_EQUAL(process->pid, pid);
}

static bool is_zero(const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (((const char *)bytes)[i])
			return false;
	return true;
}

static int64_t now_ns(void)
{
	struct timespec now;

	CHECK_CALL(clock_gettime(CLOCK_REALTIME, &now));
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* With RFORK_TEST_SCHEME, pages may have gone by RDMA. */
static void expect_transport(const struct rfork_identity *self, unsigned transport)
{
	bool may_be_rdma = strncmp(self->connection, "rdma://", 7) == 0;

	if (!may_be_rdma || self->transport != RFORK_TRANSPORT_RDMA)
		CHECK_EQUAL(self->transport, transport);
}

static void expect_arrival(const struct rfork_identity *self, unsigned hops, unsigned transport,
			   const char *connection, pid_t home)
{
	CHECK_EQUAL(self->hops, hops);
	expect_transport(self, transport);
	CHECK_TEXT(self->connection, connection);
	expect_here(&self->origin, origin);
	expect_here(&self->home, home);
	expect_here(&self->node, getpid());
	CHECK(!is_zero(self->generation, sizeof(self->generation)));
	CHECK_AT_MOST(self->arrived_ns, now_ns());
	CHECK_AT_MOST(now_ns() - self->arrived_ns, 60 * NS_PER_S);
}

static void expect_nowhere(void)
{
	struct rfork_identity self = ask();

	CHECK_EQUAL(self.hops, 0);
	CHECK_EQUAL(self.transport, RFORK_TRANSPORT_NONE);
	CHECK_EQUAL(self.ghost, 0);
	CHECK_EQUAL(self.arrived_ns, 0);
	CHECK_TEXT(self.connection, "");
	CHECK(is_zero(self.generation, sizeof(self.generation)));
	expect_here(&self.origin, getpid());
	expect_here(&self.home, getpid());
	expect_here(&self.node, getpid());
}

static void expect_sizes(void)
{
	struct {
		struct rfork_identity self;
		char more[64];
	} larger = { .self.size = sizeof(larger) };
	struct rfork_identity shorter = { .size = sizeof(shorter) - 1 };

	memset(larger.more, 'x', sizeof(larger.more));
	CHECK_CALL(rfork_self(&larger.self));
	CHECK_EQUAL(larger.self.size, sizeof(larger));
	CHECK(is_zero(larger.more, sizeof(larger.more)));
	CHECK_EQUAL(rfork_self(&shorter), -1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(rfork_self(NULL), -1);
	CHECK_EQUAL(errno, EINVAL);
}

/* -- children ---------------------------------------------------------------------------------- */

/* A fork child is told of the process that arrived. */
static void fork_here(const struct rfork_identity *arrived)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		struct rfork_identity self = ask();

		CHECK(memcmp(&self, arrived, sizeof(self)) == 0);
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

static void fork_on(const struct rfork_identity *before)
{
	pid_t here = getpid(), pid;

	CHECK_CALL(setenv("RFORK_KEY_FILE", second.key_file, 1));
	pid = node_move_returns_twice(&second, 0);
	if (pid == 0) {
		struct rfork_identity self = ask();

		expect_arrival(&self, before->hops + 1, RFORK_TRANSPORT_TCP, second.host, here);
		CHECK(memcmp(self.generation, before->generation, sizeof(self.generation)) != 0);
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

static void fork_to(const char *host, unsigned transport)
{
	int ghosts[2];
	pid_t pid, named;

	CHECK_CALL(pipe2(ghosts, O_CLOEXEC));
	origin = getpid();
	pid = rfork(host);
	if (pid == 0) {
		struct rfork_identity self = ask();

		expect_arrival(&self, 1, transport, host, origin);
		test_write(ghosts[1], &self.ghost, sizeof(self.ghost));
		fork_here(&self);
		fork_on(&self);
		_exit(42);
	}
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork(%s): %s", host, rfork_error());
	CHECK_EQUAL(test_read(ghosts[0], &named, sizeof(named)), sizeof(named));
	CHECK_EQUAL(named, pid);
	test_expect_exit(pid, 42);
	close(ghosts[0]);
	close(ghosts[1]);
	expect_nowhere();
}

/* -- moves ------------------------------------------------------------------------------------- */

static int move_twice(const struct node *unused)
{
	struct rfork_identity self;
	pid_t before;

	(void)unused;
	origin = before = getpid();
	for (unsigned hops = 1; hops <= 2; hops++) {
		const struct node *next = hops == 1 ? &node : &second;

		mover_go(next);
		self = ask();
		expect_arrival(&self, hops, RFORK_TRANSPORT_TCP, next->host, before);
		CHECK_EQUAL(self.ghost, before);
		before = getpid();
	}
	return 0;
}

/* -- at rest ----------------------------------------------------------------------------------- */

static int restart(void)
{
	struct rfork_identity self;
	char **argv;
	pid_t home;

	origin = home = getpid();
	restart_point();
	self = ask();
	CHECK_CALL(rfork_restart_args(NULL, &argv, NULL));
	expect_arrival(&self, 1, RFORK_TRANSPORT_FILE, argv[0], home);
	CHECK_EQUAL(self.ghost, 0);
	return RESTART_RIGHT;
}

/* In whatever was restarted from the statefile. */
static _Noreturn void go_on(pid_t home)
{
	struct rfork_identity self = ask();
	pid_t sender;

	CHECK_EQUAL(read(STDIN_FILENO, &sender, sizeof(sender)), sizeof(sender));
	expect_arrival(&self, 1, RFORK_TRANSPORT_TCP, node.host, home);
	CHECK_EQUAL(self.ghost, sender);
	_exit(42);
}

static void send_statefile(const char *path)
{
	int input[2];
	pid_t pid;

	CHECK_CALL(pipe2(input, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(input[0], STDIN_FILENO);
		execl(test_build_path("tools/undump"), "undump", path, "--to", node.host, NULL);
		_exit(127);
	}
	close(input[0]);
	test_write(input[1], &pid, sizeof(pid));
	test_expect_exit(pid, 42);
	close(input[1]);
}

static void rest(const char *path)
{
	rfork_crid_t crid;

	origin = getpid();
	crid = checkpoint_hold(0);
	if (crid == 0)
		go_on(origin);
	checkpoint_write(crid, path);
	CHECK_CALL(rfork_discard(crid));
	expect_nowhere();
	send_statefile(path);
	send_statefile(path);
}

int main(void)
{
	static const char *const names[] = { "app", "state" };
	const char *arguments[] = { "--listen", NULL, "--listen", "127.0.0.1:0", NULL };
	char socket[128], host[128], app[128], state[128];

	test_begin();
	snprintf(app, sizeof(app), "%s", checkpoint_path("app"));
	snprintf(state, sizeof(state), "%s", checkpoint_path("state"));
	snprintf(socket, sizeof(socket), "unix:%s", checkpoint_path("socket"));
	arguments[1] = socket;
	snprintf(host, sizeof(host), "%s", socket);
	node_start(&node, arguments);
	node_start(&second, NULL);
	CHECK_CALL(setenv("RFORK_KEY_FILE", node.key_file, 1));
	expect_nowhere();
	expect_sizes();
	fork_to(node.host, RFORK_TRANSPORT_TCP);
	fork_to(host, RFORK_TRANSPORT_UNIX);
	mover_run(&node, move_twice);
	restart_write(app, restart);
	restart_expect(app);
	rest(state);
	node_stop(&second);
	node_stop(&node);
	checkpoint_clean(names, 2);
	return test_end();
}
