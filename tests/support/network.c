/* SPDX-License-Identifier: MIT */
/*
 * Sets namespaces, cables and filters up with ip(8) and nft(8).  Called by tests of several nodes and
 * of networks that fail; touches no network but those that it has made itself.
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

/* Machines by number: the test, then the nodes. */
#define TEST 0u
#define MACHINES (1 + NETWORK_NODES_MAX)
#define HERE (-1)
#define MAX_WORDS 24
#define MAX_ARGUMENTS 16
#define EXIT_MISSING 127

/* What the servers are started with. */
static struct network *starting;
static unsigned machine;

/* -- commands --------------------------------------------------------------------------------- */

static _Noreturn void become_command(int namespace, char *command)
{
	char *words[MAX_WORDS], *rest = NULL;
	int count = 0;

	if (namespace >= 0 && setns(namespace, CLONE_NEWNET))
		_exit(1);
	for (char *word = strtok_r(command, " ", &rest); word && count + 1 < MAX_WORDS;
	     word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	words[count] = NULL;
	execvp(words[0], words);
	_exit(EXIT_MISSING);
}

/* Runs a command, whose words hold no spaces, in a namespace; its exit status. */
static int run_words(int namespace, const char *format, va_list arguments)
{
	char command[256];
	int status;
	pid_t pid;

	vsnprintf(command, sizeof(command), format, arguments);
	pid = CHECK_CALL(fork());
	if (!pid)
		become_command(namespace, command);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

__attribute__((format(printf, 2, 3))) static int ask(int namespace, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = run_words(namespace, format, arguments);
	va_end(arguments);
	return result;
}

__attribute__((format(printf, 2, 3))) static void run(int namespace, const char *format, ...)
{
	va_list arguments;
	int status;

	va_start(arguments, format);
	status = run_words(namespace, format, arguments);
	va_end(arguments);
	if (status == EXIT_MISSING)
		test_skip("there is no %.*s(8)", (int)strcspn(format, " "), format);
	if (status)
		test_fail(__FILE__, __LINE__, "%s failed", format);
}

static int open_namespace(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
}

/* -- machines and cables ---------------------------------------------------------------------- */

/* An address that is the machine's own, whatever cable it is asked over. */
static void be_machine(unsigned self)
{
	run(HERE, "ip link set lo up");
	run(HERE, "ip addr add 10.77.%u.1/32 dev lo", self);
}

/* The end of a cable that leads from `self` to `other`. */
static void connect_end(unsigned self, unsigned other)
{
	run(HERE, "ip link set rf-%u-%u up", self, other);
	run(HERE, "ip route add 10.77.%u.1/32 dev rf-%u-%u src 10.77.%u.1", other, self, other,
	    self);
}

static void lay_cables(unsigned machines)
{
	for (unsigned a = 0; a < machines; a++)
		for (unsigned b = a + 1; b < machines; b++)
			run(HERE, "ip link add rf-%u-%u type veth peer name rf-%u-%u", a, b, b, a);
}

/* The new process moves before it becomes the server, and takes its ends of the cables along. */
static void enter_own_namespace(const struct node *node)
{
	int before = open_namespace(getpid());

	node_write_key(node->key_file, starting->nodes[0].key_text, 0600);
	CHECK_CALL(unshare(CLONE_NEWNET));
	be_machine(machine);
	for (unsigned other = 0; other <= starting->count; other++) {
		if (other == machine)
			continue;
		run(before, "ip link set rf-%u-%u netns %d", machine, other, (int)getpid());
		connect_end(machine, other);
	}
	close(before);
}

static void take_common_key(const struct node *node)
{
	node_write_key(node->key_file, starting->nodes[0].key_text, 0600);
}

/* False, with a reason, where there are no namespaces or no cables. */
static bool leave_for_own_namespace(char reason[128])
{
	if (unshare(CLONE_NEWNET)) {
		snprintf(reason, 128, "network namespaces: %s", strerror(errno));
		return false;
	}
	switch (ask(HERE, "ip link add rf-0-0 type veth peer name rf-0-1")) {
	case 0:
		run(HERE, "ip link del rf-0-0");
		return true;
	case EXIT_MISSING:
		snprintf(reason, 128, "there is no ip(8), of the package iproute2");
		return false;
	default:
		snprintf(reason, 128, "the kernel has no veth network devices");
		return false;
	}
}

/* -- servers ---------------------------------------------------------------------------------- */

/* The port file has a line for each listener; the first is loopback's, where no other machine can
 * call. */
static void read_host(struct network *network, unsigned number)
{
	char path[96], text[256], *line;
	int fd;

	node_port_file(&network->nodes[number], path);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	line = strchr(text, '\n');
	CHECK(line);
	snprintf(network->hosts[number], sizeof(network->hosts[number]), "10.77.%u.1:%lu",
		 number + 1, strtoul(line + 1, NULL, 10));
}

static void start_distant_nodes(struct network *network, const char *const *arguments)
{
	const struct passwd *user = getpwuid(geteuid());
	char listen[32];
	const char *vector[MAX_ARGUMENTS + 1] = { "--insecure-plaintext", "--listen", listen,
						  "--user" };
	int count = 4;

	if (!user)
		test_skip("this user has no name");
	vector[count++] = user->pw_name;
	while (arguments && *arguments && count < MAX_ARGUMENTS)
		vector[count++] = *arguments++;
	be_machine(TEST);
	lay_cables(1 + network->count);
	node_before_server = enter_own_namespace;
	for (unsigned i = 0; i < network->count; i++) {
		machine = i + 1;
		snprintf(listen, sizeof(listen), "10.77.%u.1:0", machine);
		connect_end(TEST, machine);
		node_start(&network->nodes[i], vector);
		read_host(network, i);
	}
}

static void start_local_nodes(struct network *network, const char *const *arguments)
{
	network->is_loopback = true;
	node_before_server = take_common_key;
	for (unsigned i = 0; i < network->count; i++) {
		node_start(&network->nodes[i], arguments);
		strcpy(network->hosts[i], network->nodes[i].host);
	}
}

static void start(struct network *network, unsigned count, const char *const *arguments,
		  bool is_needed)
{
	char reason[128];

	CHECK_AT_MOST(count, NETWORK_NODES_MAX);
	*network = (struct network){ .count = count };
	starting = network;
	if (leave_for_own_namespace(reason)) {
		dprintf(2, "nodes: %u, each in a network namespace of its own\n", count);
		start_distant_nodes(network, arguments);
	} else if (is_needed) {
		test_skip("%s", reason);
	} else {
		dprintf(2, "nodes: %u, all on loopback: %s\n", count, reason);
		start_local_nodes(network, arguments);
	}
	node_before_server = NULL;
}

void network_start(struct network *network, unsigned count, const char *const *arguments)
{
	start(network, count, arguments, true);
}

void network_start_anywhere(struct network *network, unsigned count, const char *const *arguments)
{
	start(network, count, arguments, false);
}

void network_stop(struct network *network)
{
	for (unsigned i = 0; i < network->count; i++)
		node_stop(&network->nodes[i]);
}

pid_t network_move_returns_twice(const struct network *network, unsigned node, uint64_t flags)
{
	struct rfork_options options = { .size = sizeof(options), .flags = flags };
	pid_t pid;

	if (!network->is_loopback)
		options.flags |= RFORK_INSECURE_PLAINTEXT;
	pid = rfork_with(network->hosts[node], &options);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork to node %u: %s", node, rfork_error());
	return pid;
}

/* -- silence ---------------------------------------------------------------------------------- */

void network_pull(const struct network *network, unsigned node)
{
	(void)network;
	run(HERE, "ip link set rf-0-%u down", node + 1);
}

/* The route went with the cable. */
void network_plug(const struct network *network, unsigned node)
{
	(void)network;
	connect_end(TEST, node + 1);
}

static void filter(int namespace, unsigned self, unsigned other)
{
	run(namespace, "nft add table inet rfork-%u", other);
	run(namespace,
	    "nft add chain inet rfork-%u in { type filter hook input priority 0 ; policy accept ; }",
	    other);
	run(namespace, "nft add rule inet rfork-%u in iifname rf-%u-%u counter drop", other, self,
	    other);
}

void network_drop_ours(const struct network *network, unsigned node)
{
	int server = open_namespace(network->nodes[node].pid);

	filter(server, node + 1, TEST);
	close(server);
}

void network_drop(const struct network *network, unsigned node)
{
	filter(HERE, TEST, node + 1);
	network_drop_ours(network, node);
}

void network_deliver(const struct network *network, unsigned node)
{
	int server = open_namespace(network->nodes[node].pid);

	run(HERE, "nft delete table inet rfork-%u", node + 1);
	run(server, "nft delete table inet rfork-%u", TEST);
	close(server);
}

/* -- rates ------------------------------------------------------------------------------------- */

void network_limit(const struct network *network, unsigned node, const char *rate)
{
	(void)network;
	switch (ask(HERE, "tc qdisc add dev rf-0-%u root tbf rate %s burst 128kb latency 20ms",
		    node + 1, rate)) {
	case 0:
		return;
	case EXIT_MISSING:
		test_skip("there is no tc(8), of the package iproute2");
	default:
		test_skip("the kernel has no token bucket filter");
	}
}

/* proc_pid_net(5), dev: of each device eight numbers about what it has received, then those about
 * what it has sent. */
int64_t network_sent_bytes(const struct network *network, unsigned node)
{
	char text[8192], name[16], *line;
	long long sent;
	int fd = CHECK_CALL(open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC));

	(void)network;
	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	snprintf(name, sizeof(name), "rf-0-%u:", node + 1);
	line = strstr(text, name);
	CHECK(line);
	CHECK_EQUAL(sscanf(line + strlen(name), "%*u %*u %*u %*u %*u %*u %*u %*u %lld", &sent), 1);
	return sent;
}
