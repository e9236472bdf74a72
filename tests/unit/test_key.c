/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/key.c: which files it takes, which it refuses and in what words, and that
 * a key stays in its page.
 */
#define _GNU_SOURCE
#include "rfork/key.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/io.h"

#define TEXT "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static char folder[] = "/tmp/rfork-test-key.XXXXXX";
static char path[128], other[128], default_file[128];
static struct rf_report report;
static struct rf_key key;

static void set_up(void)
{
	memcpy(strrchr(folder, '.') + 1, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	rf_format(path, sizeof(path), "%s/key", folder);
	rf_format(other, sizeof(other), "%s/other", folder);
	rf_format(default_file, sizeof(default_file), "%s/config/rfork/key", folder);
	ck_assert_int_eq(setenv("HOME", folder, 1), 0);
	ck_assert_int_eq(unsetenv("RFORK_KEY_FILE"), 0);
	rf_format(other, sizeof(other), "%s/config", folder);
	ck_assert_int_eq(setenv("XDG_CONFIG_HOME", other, 1), 0);
	rf_format(other, sizeof(other), "%s/other", folder);
	memset(&report, 0, sizeof(report));
	memset(&key, 0, sizeof(key));
}

static void tear_down(void)
{
	char command[160];

	rf_key_wipe(&key);
	rf_format(command, sizeof(command), "rm -r '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(close(fd), 0);
}

static void assert_is_counting(const struct rf_key *loaded)
{
	ck_assert_ptr_nonnull(loaded->bytes);
	for (int i = 0; i < RF_KEY_BYTES; i++)
		ck_assert_int_eq(loaded->bytes[i], i);
}

static void assert_refused(int error, const char *words)
{
	ck_assert_int_eq(rf_key_load(&key, path, &report), -error);
	ck_assert_int_eq(report.error, error);
	ck_assert_ptr_null(key.bytes);
	ck_assert_ptr_nonnull(strstr(report.sentence, path));
	ck_assert_ptr_nonnull(strstr(report.sentence, words));
}

START_TEST(key_is_loaded_with_and_without_a_newline)
{
	write_file(path, TEXT, 0600);
	ck_assert_int_eq(rf_key_load(&key, path, &report), 0);
	assert_is_counting(&key);
	rf_key_wipe(&key);
	write_file(path, TEXT "\n", 0400);
	ck_assert_int_eq(rf_key_load(&key, path, &report), 0);
	assert_is_counting(&key);
}
END_TEST

START_TEST(malformed_text_is_rejected)
{
	static const char *const texts[] = { "",	  "\n",	       "0",	 TEXT "0",
					     TEXT "\n\n", TEXT "\r\n", "g" TEXT, " " TEXT };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(path, texts[i], 0600);
		memset(&report, 0, sizeof(report));
		assert_refused(EKEYREJECTED, "64 hexadecimal digits");
	}
	write_file(path, TEXT, 0600);
	ck_assert_int_eq(truncate(path, 63), 0);
	memset(&report, 0, sizeof(report));
	assert_refused(EKEYREJECTED, "64 hexadecimal digits");
}
END_TEST

START_TEST(file_that_others_can_use_is_rejected)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601 };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_file(path, TEXT, modes[i]);
		memset(&report, 0, sizeof(report));
		assert_refused(EKEYREJECTED, "used by others");
	}
}
END_TEST

START_TEST(file_of_another_user_is_rejected)
{
	if (geteuid() != 0)
		return; /* nobody else can give files away */
	write_file(path, TEXT, 0600);
	ck_assert_int_eq(chown(path, 12345, 12345), 0);
	assert_refused(EKEYREJECTED, "another user");
}
END_TEST

START_TEST(what_is_no_regular_file_is_rejected_without_waiting)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	assert_refused(EKEYREJECTED, "regular file");
}
END_TEST

START_TEST(missing_file_is_no_key)
{
	assert_refused(ENOKEY, "no key file");
}
END_TEST

START_TEST(environment_names_the_file)
{
	write_file(other, TEXT, 0600);
	ck_assert_int_eq(setenv("RFORK_KEY_FILE", other, 1), 0);
	ck_assert_int_eq(rf_key_load(&key, NULL, &report), 0);
	assert_is_counting(&key);
}
END_TEST

START_TEST(missing_file_of_the_environment_falls_back_to_the_default)
{
	ck_assert_int_eq(setenv("RFORK_KEY_FILE", other, 1), 0);
	ck_assert_int_eq(rf_key_load_or_create(&key, NULL, &report), 0);
	rf_key_wipe(&key);
	ck_assert_int_eq(access(default_file, R_OK), 0);
	ck_assert_int_eq(rf_key_load(&key, NULL, &report), 0);
}
END_TEST

START_TEST(unsafe_file_of_the_environment_does_not_fall_back)
{
	write_file(other, TEXT, 0644);
	ck_assert_int_eq(setenv("RFORK_KEY_FILE", other, 1), 0);
	ck_assert_int_eq(rf_key_load(&key, NULL, &report), -EKEYREJECTED);
}
END_TEST

START_TEST(without_a_home_there_is_no_key)
{
	ck_assert_int_eq(unsetenv("HOME"), 0);
	ck_assert_int_eq(unsetenv("XDG_CONFIG_HOME"), 0);
	ck_assert_int_eq(rf_key_load(&key, NULL, &report), -ENOKEY);
	ck_assert_ptr_nonnull(strstr(report.sentence, "HOME"));
}
END_TEST

START_TEST(created_key_is_private_and_random)
{
	struct stat status;
	uint8_t first[RF_KEY_BYTES];

	umask(0);
	ck_assert_int_eq(rf_key_load_or_create(&key, NULL, &report), 0);
	memcpy(first, key.bytes, sizeof(first));
	ck_assert_int_eq(stat(default_file, &status), 0);
	ck_assert_uint_eq(status.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(status.st_size, 65);
	*strrchr(default_file, '/') = '\0';
	ck_assert_int_eq(stat(default_file, &status), 0);
	ck_assert_uint_eq(status.st_mode, S_IFDIR | 0700);
	rf_key_wipe(&key);
	ck_assert_int_eq(rf_key_load_or_create(&key, NULL, &report), 0);
	ck_assert_mem_eq(key.bytes, first, sizeof(first));
	rf_key_wipe(&key);
	ck_assert_int_eq(rf_key_load_or_create(&key, path, &report), 0);
	ck_assert_mem_ne(key.bytes, first, sizeof(first));
}
END_TEST

static int race(int to)
{
	struct rf_key mine;

	if (rf_key_load_or_create(&mine, path, NULL) < 0)
		return 1;
	return write(to, mine.bytes, RF_KEY_BYTES) == RF_KEY_BYTES ? 0 : 1;
}

START_TEST(servers_that_race_agree_on_one_key)
{
	enum { RACERS = 8 };
	uint8_t first[RF_KEY_BYTES], next[RF_KEY_BYTES];
	int pipe_ends[2], status;

	ck_assert_int_eq(pipe(pipe_ends), 0);
	for (int i = 0; i < RACERS; i++)
		if (fork() == 0)
			_exit(race(pipe_ends[1]));
	ck_assert_int_eq(rf_io_read_full(pipe_ends[0], first, sizeof(first), RF_NO_DEADLINE), 0);
	for (int i = 1; i < RACERS; i++) {
		ck_assert_int_eq(rf_io_read_full(pipe_ends[0], next, sizeof(next), RF_NO_DEADLINE),
				 0);
		ck_assert_mem_eq(first, next, sizeof(first));
	}
	while (wait(&status) > 0)
		ck_assert_int_eq(status, 0);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}
END_TEST

START_TEST(existing_unsafe_file_is_not_replaced)
{
	struct stat status;

	write_file(path, TEXT, 0644);
	ck_assert_int_eq(rf_key_load_or_create(&key, path, &report), -EKEYREJECTED);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, 64);
}
END_TEST

START_TEST(fork_child_has_no_key)
{
	unsigned char resident;
	int status;
	pid_t pid;

	write_file(path, TEXT, 0600);
	ck_assert_int_eq(rf_key_load(&key, path, &report), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(mincore(key.bytes, 1, &resident) < 0 && errno == ENOMEM ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(wiped_key_is_unmapped)
{
	unsigned char resident;
	void *page;

	write_file(path, TEXT, 0600);
	ck_assert_int_eq(rf_key_load(&key, path, &report), 0);
	page = key.bytes;
	rf_key_wipe(&key);
	ck_assert_ptr_null(key.bytes);
	ck_assert_int_eq(mincore(page, 1, &resident), -1);
	rf_key_wipe(&key);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("key");
	TCase *tcase = tcase_create("key");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, key_is_loaded_with_and_without_a_newline);
	tcase_add_test(tcase, malformed_text_is_rejected);
	tcase_add_test(tcase, file_that_others_can_use_is_rejected);
	tcase_add_test(tcase, file_of_another_user_is_rejected);
	tcase_add_test(tcase, what_is_no_regular_file_is_rejected_without_waiting);
	tcase_add_test(tcase, missing_file_is_no_key);
	tcase_add_test(tcase, environment_names_the_file);
	tcase_add_test(tcase, missing_file_of_the_environment_falls_back_to_the_default);
	tcase_add_test(tcase, unsafe_file_of_the_environment_does_not_fall_back);
	tcase_add_test(tcase, without_a_home_there_is_no_key);
	tcase_add_test(tcase, created_key_is_private_and_random);
	tcase_add_test(tcase, servers_that_race_agree_on_one_key);
	tcase_add_test(tcase, existing_unsafe_file_is_not_replaced);
	tcase_add_test(tcase, fork_child_has_no_key);
	tcase_add_test(tcase, wiped_key_is_unmapped);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
