/* SPDX-License-Identifier: MIT */
/*
 * Sets namespaces and cables up with ip(8).  Called by tests of networks that fail; touches no
 * network but those that it has made itself.
 */
#define _GNU_SOURCE
#include "tests/support/network.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HERE (-1)
#define MAX_WORDS 24
#define EXIT_MISSING 127
/* A link-layer address that nobody has: what goes there is dropped by who gets it. */
#define NOBODY "02:00:00:00:00:99"

static const char *const ends[NETWORK_CABLES][2] = { { "rf-caller0", "rf-node0" },
						     { "rf-caller1", "rf-node1" } };
static const char *const addresses[NETWORK_CABLES][2] = { { "10.77.0.1", "10.77.0.2" },
							  { "10.77.1.1", "10.77.1.2" } };

static _Noreturn void become_ip(int namespace, char *command)
{
	char *words[MAX_WORDS] = { "ip" }, *rest = NULL;
	int count = 1;

	if (namespace >= 0 && setns(namespace, CLONE_NEWNET))
		_exit(1);
	for (char *word = strtok_r(command, " ", &rest); word && count + 1 < MAX_WORDS;
	     word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	execvp("ip", words);
	_exit(EXIT_MISSING);
}

/* Runs ip(8) in a namespace; its exit status. */
static int try_ip(int namespace, const char *format, va_list arguments)
{
	char command[256];
	int status;
	pid_t pid;

	vsnprintf(command, sizeof(command), format, arguments);
	pid = CHECK_CALL(fork());
	if (!pid)
		become_ip(namespace, command);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

__attribute__((format(printf, 2, 3))) static int ask_ip(int namespace, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = try_ip(namespace, format, arguments);
	va_end(arguments);
	return result;
}

__attribute__((format(printf, 2, 3))) static void run_ip(int namespace, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (try_ip(namespace, format, arguments))
		test_fail(__FILE__, __LINE__, "ip %s failed", format);
	va_end(arguments);
}

static int open_namespace(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
}

static void address_cable(unsigned cable, unsigned end)
{
	run_ip(HERE, "addr add %s/24 dev %s", addresses[cable][end], ends[cable][end]);
	run_ip(HERE, "link set %s up", ends[cable][end]);
}

/* The new process moves before it becomes the server, and takes its ends of the cables along. */
static void enter_own_namespace(const struct node *node)
{
	int before = open_namespace(getpid());

	(void)node;
	CHECK_CALL(unshare(CLONE_NEWNET));
	run_ip(HERE, "link set lo up");
	for (unsigned cable = 0; cable < NETWORK_CABLES; cable++) {
		run_ip(before, "link set %s netns %d", ends[cable][1], (int)getpid());
		address_cable(cable, 1);
	}
	close(before);
}

static void leave_for_own_namespace(void)
{
	int status;

	if (unshare(CLONE_NEWNET))
		test_skip("network namespaces: %s", strerror(errno));
	status = ask_ip(HERE, "link set lo up");
	if (status == EXIT_MISSING)
		test_skip("there is no ip(8), of the package iproute2");
	CHECK_EQUAL(status, 0);
	for (unsigned cable = 0; cable < NETWORK_CABLES; cable++) {
		if (ask_ip(HERE, "link add %s type veth peer name %s", ends[cable][0],
			   ends[cable][1]))
			test_skip("the kernel has no veth network devices");
		address_cable(cable, 0);
	}
}

/* The port file has a line for each listener; the first is loopback's, where nobody can call. */
static void read_hosts(struct network *network)
{
	char path[96], text[256], *line = text;
	int fd;

	node_port_file(&network->node, path);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	for (unsigned cable = 0; cable < NETWORK_CABLES; cable++) {
		line = strchr(line, '\n');
		CHECK(line);
		snprintf(network->hosts[cable], sizeof(network->hosts[cable]), "%s:%lu",
			 addresses[cable][1], strtoul(++line, NULL, 10));
	}
}

void network_start(struct network *network, const char *const *arguments)
{
	const struct passwd *user = getpwuid(geteuid());
	const char *vector[16] = { "--insecure-plaintext", "--user" };
	char listen[NETWORK_CABLES][32];
	int count = 2;

	if (!user)
		test_skip("this user has no name");
	leave_for_own_namespace();
	vector[count++] = user->pw_name;
	for (unsigned cable = 0; cable < NETWORK_CABLES; cable++) {
		snprintf(listen[cable], sizeof(listen[cable]), "%s:0", addresses[cable][1]);
		vector[count++] = "--listen";
		vector[count++] = listen[cable];
	}
	while (arguments && *arguments && count < 15)
		vector[count++] = *arguments++;
	node_before_server = enter_own_namespace;
	node_start(&network->node, vector);
	node_before_server = NULL;
	read_hosts(network);
}

void network_pull(unsigned cable)
{
	run_ip(HERE, "link set %s down", ends[cable][0]);
}

void network_plug(unsigned cable)
{
	run_ip(HERE, "link set %s up", ends[cable][0]);
}

void network_drop_ours(unsigned cable)
{
	run_ip(HERE, "neigh replace %s lladdr " NOBODY " dev %s nud permanent", addresses[cable][1],
	       ends[cable][0]);
}

void network_drop(const struct network *network, unsigned cable)
{
	int server = open_namespace(network->node.pid);

	network_drop_ours(cable);
	run_ip(server, "neigh replace %s lladdr " NOBODY " dev %s nud permanent",
	       addresses[cable][0], ends[cable][1]);
	close(server);
}

void network_deliver(const struct network *network, unsigned cable)
{
	int server = open_namespace(network->node.pid);

	run_ip(HERE, "neigh del %s dev %s", addresses[cable][1], ends[cable][0]);
	run_ip(server, "neigh del %s dev %s", addresses[cable][0], ends[cable][1]);
	close(server);
}
