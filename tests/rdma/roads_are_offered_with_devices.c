/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node offers RDMA to a caller that asks for it, and only where it has a device and the
 * shell for it, and its administrator has not chosen otherwise; a shell that cannot be executed
 * is told to the caller by name.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/machine_facts.h"
#include "tests/support/image.h"

/* What the node answers to a request with these flags; the connection is closed. */
static uint32_t ask(const struct node *node, uint32_t flags)
{
	struct rf_machine_facts request;
	struct rf_report report = { 0 };
	int fd;

	CHECK_EQUAL(rf_machine_facts_collect(&request), 0);
	request.flags = flags;
	fd = image_connect(node, &request, &report);
	if (fd < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	close(fd);
	return image_welcome.flags;
}

static void expect(const char *option, const char *value, uint32_t flags)
{
	const char *const arguments[] = { option, value, NULL };
	struct node node;

	node_start(&node, option ? arguments : NULL);
	CHECK_EQUAL(ask(&node, RF_FACTS_RDMA), flags);
	CHECK_EQUAL(ask(&node, 0), 0);
	node_expect_service(&node);
	node_stop(&node);
}

static void copy(const char *from, const char *folder, const char *name)
{
	char path[128];
	struct stat status;
	int in = CHECK_CALL(open(from, O_RDONLY | O_CLOEXEC)), out;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	CHECK_CALL(fstat(in, &status));
	out = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
	while (status.st_size > 0)
		status.st_size -= CHECK_CALL(sendfile(out, in, NULL, (size_t)status.st_size));
	close(in);
	close(out);
}

#define PROGRAMS 3
static const char *const programs[PROGRAMS] = { "server/rfork-server", "server/rfork-shell",
						"server/rfork-shell-rdma" };

static void make_build(const char *folder)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/server", folder);
	CHECK_CALL(mkdir(path, 0755));
	for (unsigned i = 0; i < PROGRAMS; i++)
		copy(test_build_path(programs[i]), folder, programs[i]);
	CHECK_CALL(setenv("RFORK_BUILD", folder, 1));
}

/* Its shell for RDMA is no program any more. */
static void break_build(const char *folder)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, programs[2]);
	CHECK_CALL(truncate(path, 0));
}

static void remove_build(const char *folder)
{
	char path[128];

	for (unsigned i = 0; i < PROGRAMS; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, programs[i]);
		CHECK_CALL(unlink(path));
	}
	snprintf(path, sizeof(path), "%s/server", folder);
	CHECK_CALL(rmdir(path));
	CHECK_CALL(rmdir(folder));
	test_forget_directory(folder);
}

static void expect_refusal(const struct node *node)
{
	struct rf_machine_facts request;
	struct rf_frame_header header;
	struct rf_report report = { 0 };
	unsigned char payload[2048];
	int fd;

	CHECK_EQUAL(rf_machine_facts_collect(&request), 0);
	request.flags = RF_FACTS_RDMA;
	fd = image_connect(node, &request, &report);
	CHECK(fd >= 0);
	CHECK_EQUAL(image_welcome.flags, RF_FACTS_RDMA);
	CHECK_EQUAL(rf_frame_receive(fd, &header, payload, sizeof(payload),
				     rf_io_deadline_ns(TEST_DEADLINE_MS)),
		    0);
	CHECK_EQUAL(header.type, RF_FRAME_REFUSED);
	rf_frame_refused(payload, header.length_bytes, &report);
	CHECK_EQUAL(report.error, ENOEXEC);
	CHECK(strstr(report.sentence, "rfork-shell-rdma cannot be executed"));
	close(fd);
}

static void check_broken_shell(void)
{
	char folder[] = "/tmp/rfork-test-XXXXXX";
	struct node node;

	CHECK(mkdtemp(folder));
	test_guard_directory(folder);
	make_build(folder);
	node_start(&node, NULL);
	break_build(folder); /* one that is broken before is not offered */
	expect_refusal(&node);
	node_expect_service(&node); /* by the other shell */
	node_stop(&node);
	remove_build(folder);
}

int main(void)
{
	test_begin();
	if (!getenv("RFORK_VM_ADDRESS"))
		test_skip("no RDMA device: run by tests/rdma/vm");
	expect(NULL, NULL, RF_FACTS_RDMA);
	expect("--rdma-device", "rxe0", RF_FACTS_RDMA);
	expect("--rdma-device", "other0", 0);
	expect("--no-rdma", NULL, 0);
	check_broken_shell();
	return test_end();
}
