/* SPDX-License-Identifier: MIT */
/*
 * Claim: rfork_check() with a host lists all that the node lacks or refuses: files that are not the
 * same there, open or mapped, the working directory, a descriptor above its limit.  rfork() is
 * refused with the first of these.  Nothing is left of a check, on either side: no process, no
 * descriptor, no memory, no signal; and where nothing is in the way, it says nothing, and rfork()
 * goes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define LIST_BYTES 4096
#define NODE_FILES 100
#define HIGH_NUMBER 200

static volatile sig_atomic_t signals;
static char directory[] = "/tmp/rfork-test-XXXXXX", nested[64], inner[96], file[96];

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

static void make_files(void)
{
	int fd;

	CHECK(mkdtemp(directory));
	snprintf(nested, sizeof(nested), "%s/nested", directory);
	snprintf(file, sizeof(file), "%s/file", nested);
	snprintf(inner, sizeof(inner), "%s/inner", nested);
	CHECK_CALL(mkdir(nested, 0700));
	CHECK_CALL(mkdir(inner, 0700));
	fd = CHECK_CALL(open(file, O_RDWR | O_CREAT | O_EXCL, 0600));
	CHECK_CALL(ftruncate(fd, 2 * TEST_PAGE_BYTES));
	close(fd);
}

static void remove_files(void)
{
	CHECK_CALL(unlink(file));
	CHECK_CALL(rmdir(inner));
	CHECK_CALL(rmdir(nested));
	CHECK_CALL(rmdir(directory));
}

/* The list must be exactly these lines' beginnings, in any order; rfork() is refused with the
 * first. */
static void expect_list(const struct node *node, const char *const *beginnings, int count)
{
	static struct footprint before;
	char list[LIST_BYTES], *line = list;
	struct node_load load = node_settle_in_pairs(node);

	footprint_take(&before);
	footprint_take(&before);
	signals = 0; /* those of the server and of children */
	CHECK_EQUAL(rfork_check(node->host, &foreign_node_options, list, sizeof(list)), count);
	footprint_expect(&before);
	node_expect_load(node, load);
	CHECK_EQUAL(signals, 0);
	dprintf(2, "%s", list);
	for (int i = 0; i < count; i++) {
		if (!strstr(list, beginnings[i]))
			test_fail(__FILE__, __LINE__, "%s is missing", beginnings[i]);
		line = strchr(line, '\n') + 1;
	}
	CHECK(!*line);
	if (!count)
		return;
	*strchr(list, '\n') = '\0';
	footprint_expect_refusal(node->host, &foreign_node_options, ENOTSUP, list);
}

static void check_files(const struct node *node)
{
	char open_line[160], directory_line[160], mapped_line[160], cwd_line[160];
	const char *const lines[] = { open_line, directory_line, mapped_line, cwd_line };
	int fd = CHECK_CALL(open(file, O_RDWR));
	int folder = CHECK_CALL(open(inner, O_RDONLY | O_DIRECTORY));
	void *memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_CALL(chdir(inner));
	snprintf(open_line, sizeof(open_line), "descriptor %d (%s): on the node: no such file; ",
		 fd, file);
	snprintf(directory_line, sizeof(directory_line),
		 "descriptor %d (%s): on the node: no such file", folder, inner);
	snprintf(mapped_line, sizeof(mapped_line), "mapping %lx-%lx (%s): a shared",
		 (unsigned long)memory, (unsigned long)memory + TEST_PAGE_BYTES, file);
	snprintf(cwd_line, sizeof(cwd_line), "working directory %s: ", inner);
	expect_list(node, lines, 4);
	CHECK_CALL(chdir("/"));
	CHECK_CALL(munmap(memory, TEST_PAGE_BYTES));
	close(fd);
	close(folder);
	expect_list(node, NULL, 0);
	node_expect_service(node);
}

/* Nor can the node raise it, whoever it runs as. */
static void lower_limit(const struct node *unused)
{
	(void)unused;
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0);
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ NODE_FILES, NODE_FILES }));
}

static void check_limit(void)
{
	static const char *const line[] = { "descriptor 200 is above the node's limit" };
	struct node node;

	node_before_server = lower_limit;
	node_start(&node, NULL);
	node_expect_service(&node);
	CHECK_CALL(dup2(STDIN_FILENO, HIGH_NUMBER));
	expect_list(&node, line, 1);
	CHECK_CALL(close(HIGH_NUMBER));
	expect_list(&node, NULL, 0);
	node_stop(&node);
	node_before_server = NULL;
}

int main(void)
{
	struct node node;

	test_begin();
	CHECK_CALL(sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = count_signal }, NULL));
	check_limit();
	make_files();
	foreign_node_start(&node, (struct foreign_change){ .hidden = nested });
	node_expect_service(&node);
	check_files(&node);
	node_stop(&node);
	remove_files();
	return test_end();
}
