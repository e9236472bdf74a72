/* SPDX-License-Identifier: MIT */
/*
 * undump --info of a statefile that has something of everything: what it says to programs is
 * valid JSON and is what the file says, whatever bytes names have (test_info.py compares); what
 * it says to people names the same, and lets no control character out.  Runs the program itself.
 */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/statefile_sample.h"

#define NO_PYTHON 77

static char folder[] = "/tmp/info.XXXXXX";
static char path[64], parent[64], output[64], undump[512];

static void set_names(struct sample *records)
{
	static const char odd[] = "/a\nb\x1b\"\xc3\xa4\xe2\x82\xac\xc2\x9b\xff";
	struct sample_record *file = sample_find(records, RF_RECORD_FILE, 1);
	struct rf_image_process *process = sample_payload(records, RF_RECORD_PROCESS, 0);

	sample_resize(file, sizeof(struct rf_image_file) + sizeof(odd) - 1);
	memcpy(file->payload + sizeof(struct rf_image_file), odd, sizeof(odd) - 1);
	strcpy(process->comm, "sam\"p\\le");
}

static void set_flags(struct sample *records)
{
	struct rf_image_sigaction *actions = sample_payload(records, RF_RECORD_SIGACTIONS, 0);
	struct rf_image_descriptor *descriptor = sample_payload(records, RF_RECORD_DESCRIPTOR, 4);

	actions[1] = (struct rf_image_sigaction){ sample_mapping(records, SAMPLE_TEXT)->start,
						  0x4000000, 0, 0 };
	actions[12].handler = 1;
	descriptor->flags |= RF_DESCRIPTOR_AT_END;
	sample_mapping(records, SAMPLE_HEAP)->flags = RF_MAPPING_LOCKED;
}

static void mark_heap(struct sample *records)
{
	const struct rf_image_mapping *heap = sample_mapping(records, SAMPLE_HEAP);
	struct rf_image_process *process = sample_payload(records, RF_RECORD_PROCESS, 0);
	const struct rf_image_mark mark = { .start = heap->start,
					    .end = heap->end,
					    .flags = RF_MAPPING_DONTDUMP | RF_MAPPING_SEALED,
					    .key = 2 };

	process->protection_keys = 1u << 2;
	sample_insert(records, sample_index(records, RF_RECORD_SEGMENTS, 0), RF_RECORD_MARKS, 0,
		      &mark, sizeof(mark));
	sample_recount(records);
}

static void write_sample(const struct statefile_sample *sample, const char *to)
{
	size_t bytes;
	unsigned char *file = statefile_encode(sample, &bytes);

	statefile_write(to, file, bytes);
	free(file);
}

static void set_up(void)
{
	struct statefile_sample sample;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x.state", folder);
	snprintf(parent, sizeof(parent), "%s/p.state", folder);
	snprintf(output, sizeof(output), "%s/output", folder);
	snprintf(undump, sizeof(undump), "%s/tools/undump", getenv("RFORK_BUILD") ?: ".");
	statefile_make(&sample);
	statefile_name(&sample, 'p', 0, "");
	write_sample(&sample, parent);
	statefile_name(&sample, 'x', 'p', "p.state");
	set_names(&sample.records);
	set_flags(&sample.records);
	mark_heap(&sample.records);
	write_sample(&sample, path);
	sample_free(&sample.records);
}

static void tear_down(void)
{
	unlink(path);
	unlink(parent);
	unlink(output);
	rmdir(folder);
}

/* Runs a program with files as standard input and output; its exit status. */
static int run(const char *input, char *const arguments[])
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (input) {
			dup2(open(input, O_RDONLY), STDIN_FILENO);
		} else {
			dup2(open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
		}
		execvp(arguments[0], arguments);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char *read_output(void)
{
	static char text[65536];
	int fd = open(output, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, text, sizeof(text) - 1);

	ck_assert_int_gt(got, 0);
	text[got] = '\0';
	close(fd);
	return text;
}

START_TEST(programs_are_told_what_the_file_says)
{
	char script[512];
	char *info[] = { undump, "--info", "--json", path, NULL };
	char *python[] = { "python3", script, NULL };

	snprintf(script, sizeof(script), "%s/tests/unit/test_info.py",
		 getenv("RFORK_SOURCE") ?: "..");
	ck_assert_int_eq(run(NULL, info), 0);
	ck_assert_int_eq(run(output, python), 0);
}
END_TEST

START_TEST(people_are_told_the_same)
{
	static const char *const phrases[] = {
		"x.state: statefile\n",
		"4711 (sam\"p\\le), captured 2026-11-26 00:00:00 UTC",
		"/home/user, umask 022",
		"somewhere, Linux 6.18.0-sample",
		"monotonic 7200.000 s, boottime 9000.000 s",
		"pni sse sse2\n",
		"x87, SSE, AVX\n",
		"p.state\n",
		"SIGINT\n",
		"SIGPIPE\n",
		"SIGUSR1 SIGRTMIN+0\n",
		"555555554000-555555558000   16 KiB  r-xp       -  reference  /usr/bin/sample\n",
		"rw-p       2  content    [heap]  locked  1 guard page\n",
		"555555558000-555555560000  not-dumped  sealed  protection key 2\n",
		"rw-s       -  reference  /a?b?\"\xc3\xa4\xe2\x82\xac?\xff +0x1000\n",
		"r-xp       -  kernel     [vdso]\n",
		"       2  relay                   the same as 1\n",
		"       7  relay   read and write  stream socket\n",
		"       9  file    read            /usr/bin/sample, at its end, close-on-exec\n",
		"      13  pipe    read            pipe 0, 6 of 8192 bytes\n",
		"F_SETLK      shared     9223372036854775707 bytes at 100\n",
		"flock        exclusive  the whole file\n",
		"goes off in 9223372036.854 s, CLOCK_PROCESS_CPUTIME_ID",
		"4711, in the call that captured it\n",
		"    blocked SIGHUP\n",
		"rip     0000555555554100  eflags  0000000000000246",
		"Lost\n  descriptor 5: /dev/sample\n  the rest of it\n",
	};
	char *info[] = { undump, "--info", path, NULL };
	char *text;

	ck_assert_int_eq(run(NULL, info), 0);
	text = read_output();
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		ck_assert_msg(strstr(text, phrases[i]), "no \"%s\" in:\n%s", phrases[i], text);
	for (; *text; text++)
		ck_assert(*text == '\n' || (unsigned char)*text >= ' ');
}
END_TEST

START_TEST(json_without_info_is_a_wrong_command_line)
{
	char *wrong[] = { undump, "--check", "--json", path, NULL };

	ck_assert_int_eq(run(NULL, wrong), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("info");
	TCase *tests = tcase_create("info");
	SRunner *runner;
	int failed;

	if (system("python3 -c 'import json' >/dev/null 2>&1") != 0) {
		printf("python3 is missing: apt-get install python3\n");
		return NO_PYTHON;
	}
	tcase_add_unchecked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, programs_are_told_what_the_file_says);
	tcase_add_test(tests, people_are_told_the_same);
	tcase_add_test(tests, json_without_info_is_a_wrong_command_line);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
