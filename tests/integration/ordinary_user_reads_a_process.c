/* SPDX-License-Identifier: MIT */
/*
 * Claim: no right is needed to undump an unrelated process of the same user: an ordinary
 * user's python3, which is no child of whoever looks, is read whole, with its libraries by
 * reference, and computes on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/target.h"
#include "tools/process_reader.h"

#define PYTHON "/usr/bin/python3"
#define PROGRAM                                                                                    \
	"import sys, json, threading\n"                                                            \
	"data = [str(i) * 7 for i in range(100000)]\n"                                             \
	"n = 0\n"                                                                                  \
	"while True:\n"                                                                            \
	"    n += 1\n"                                                                             \
	"    assert json.loads(json.dumps(data[n % 1000])) == data[n % 1000]\n"                    \
	"    print(n, flush=True)\n"

/* Its descriptors are the standard ones: what it prints goes to the test. */
static pid_t start_python(int *output)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		if (geteuid() == 0) {
			CHECK_CALL(setresgid(65534, 65534, 65534));
			CHECK_CALL(setresuid(65534, 65534, 65534));
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		CHECK_CALL(dup2(ends[1], STDOUT_FILENO));
		execl(PYTHON, PYTHON, "-c", PROGRAM, NULL);
		_exit(127);
	}
	test_guard_process(pid);
	CHECK_CALL(close(ends[1]));
	*output = ends[0];
	return pid;
}

static void check_source(struct rf_source *source)
{
	char head[4];
	uint64_t data = 0;
	unsigned references = 0;

	for (uint32_t i = 0; i < source->image.head.mappings; i++) {
		const struct rf_image_mapping *mapping = &source->image.mappings[i];

		data += mapping->data_pages;
		if (mapping->kind != RF_MAPPING_FILE || mapping->file_offset)
			continue;
		references++;
		if (mapping->protection & RF_PROTECTION_READ &&
		    strstr(source->image.files[mapping->file].path, ".so")) {
			CHECK_EQUAL(rf_source_read(source, mapping->start, head, 4), 4);
			CHECK(memcmp(head, "\177ELF", 4) == 0);
		}
	}
	CHECK(references >= 3);
	CHECK(data * TEST_PAGE_BYTES > 100000 * 8); /* the list */
	for (size_t i = 0; i < source->segment_count; i++) {
		const struct rf_segment *segment = &source->segments[i];
		char last;

		CHECK(!i || segment->address >= segment[-1].address + segment[-1].bytes);
		CHECK_EQUAL(rf_source_read(source, segment->address + segment->bytes - 1, &last, 1),
			    1);
	}
}

static void look(pid_t pid)
{
	struct rf_report report = { 0 };
	struct rf_source source;

	if (geteuid() == 0) {
		CHECK_CALL(setresgid(65534, 65534, 65534));
		CHECK_CALL(setresuid(65534, 65534, 65534));
	}
	if (rf_process_open(&source, pid, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	check_source(&source);
	rf_source_let_go(&source);
	fprintf(stderr, "python3 stopped for %.1f ms\n", (double)source.held_ns / 1e6);
	rf_source_close(&source);
}

static long read_line(FILE *output)
{
	char line[32];

	CHECK(test_poll(fileno(output), POLLIN, TEST_DEADLINE_MS));
	CHECK(fgets(line, sizeof(line), output));
	return strtol(line, NULL, 10);
}

int main(void)
{
	int fd;
	pid_t python, looker;
	FILE *output;
	long n;

	test_begin();
	if (access(PYTHON, X_OK) < 0)
		test_skip("there is no " PYTHON);
	python = start_python(&fd);
	output = fdopen(fd, "r");
	setvbuf(output, NULL, _IONBF, 0);
	n = read_line(output);
	for (int round = 0; round < 5; round++) {
		looker = CHECK_CALL(fork());
		if (!looker) {
			look(python);
			_exit(0);
		}
		test_expect_exit(looker, 0);
		for (int i = 0; i < 100; i++) {
			CHECK_EQUAL(read_line(output), n + 1);
			n++;
		}
	}
	CHECK_CALL(kill(python, SIGKILL));
	test_expect_signal(python, SIGKILL);
	test_forget_process(python);
	return test_end();
}
