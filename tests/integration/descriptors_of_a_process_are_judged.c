/* SPDX-License-Identifier: MIT */
/*
 * Claim: the source of a running process has its descriptors as a checkpoint has them: files
 * with offset and flags, duplicates, locks, pipes inside with what is in them, which stays
 * there.  What cannot be carried is refused by number and path, all of it at once, or left out
 * and listed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/target.h"
#include "tools/process_reader.h"

#define WRITTEN "what is in the pipe"

enum { READY, FINISH, STEP };
enum { FILE_FD = 10, SAME_FD, APPEND_FD, PIPE_FD = 20, NETLINK_FD = 30, SOCKET_FD };

static char path[] = "/tmp/rfork-test-XXXXXX";

static void put_at(int fd, int number, int flags)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup3(fd, number, flags));
	CHECK_CALL(close(fd));
}

static void open_files(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 7 };

	put_at(open(path, O_RDWR | O_NONBLOCK), FILE_FD, O_CLOEXEC);
	CHECK_CALL(lseek(FILE_FD, 1234, SEEK_SET));
	CHECK_CALL(dup2(FILE_FD, SAME_FD));
	put_at(open(path, O_RDWR | O_APPEND), APPEND_FD, 0);
	CHECK_CALL(fcntl(FILE_FD, F_SETLK, &range));
	CHECK_CALL(
		fcntl(APPEND_FD, F_OFD_SETLK, &(struct flock){ .l_type = F_RDLCK, .l_start = 20 }));
	CHECK_CALL(flock(APPEND_FD, LOCK_EX));
}

static int run(struct target *target)
{
	int ends[2], pair[2];
	char text[64];

	open_files();
	CHECK_CALL(pipe(ends));
	put_at(ends[0], PIPE_FD, 0);
	put_at(ends[1], PIPE_FD + 1, 0);
	CHECK_EQUAL(write(PIPE_FD + 1, WRITTEN, sizeof(WRITTEN)), sizeof(WRITTEN));
	target_set(target, READY, 1);
	target_await(target, STEP, 1);
	put_at(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE), NETLINK_FD, 0);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	put_at(pair[0], SOCKET_FD, 0);
	put_at(pair[1], SOCKET_FD + 1, 0);
	target_set(target, READY, 2);
	target_await(target, FINISH, 1);
	CHECK_EQUAL(read(PIPE_FD, text, sizeof(text)), sizeof(WRITTEN));
	CHECK_TEXT(text, WRITTEN);
	CHECK_EQUAL(lseek(FILE_FD, 0, SEEK_CUR), 1234);
	return 0;
}

static const struct rf_image_descriptor *find(const struct rf_image *image, uint32_t number)
{
	for (uint32_t i = 0; i < image->head.descriptors; i++)
		if (image->descriptors[i].number == number)
			return &image->descriptors[i];
	return NULL;
}

static void check_files(const struct rf_image *image)
{
	const struct rf_image_descriptor *file = find(image, FILE_FD);
	const struct rf_image_descriptor *same = find(image, SAME_FD);
	const struct rf_image_descriptor *append = find(image, APPEND_FD);
	char full[4096];

	CHECK(file && same && append);
	CHECK_EQUAL(file->kind, RF_DESCRIPTOR_FILE);
	CHECK_EQUAL(file->flags & ~RF_DESCRIPTOR_MAY_CLOSE, RF_DESCRIPTOR_CLOEXEC);
	CHECK_EQUAL(file->offset, 1234);
	CHECK_EQUAL(file->status_flags & (O_ACCMODE | O_NONBLOCK | O_APPEND), O_RDWR | O_NONBLOCK);
	CHECK_TEXT(image->files[file->file].path, realpath(path, full));
	CHECK_EQUAL(same->same_as, FILE_FD);
	CHECK_EQUAL(same->flags & ~RF_DESCRIPTOR_MAY_CLOSE, 0);
	CHECK_EQUAL(append->same_as, RF_IMAGE_NONE);
	CHECK(append->status_flags & O_APPEND);
	for (uint32_t i = 0; i < 3; i++)
		CHECK(find(image, i));
}

static const struct rf_image_lock *find_lock(const struct rf_source *source, unsigned kind)
{
	for (size_t i = 0; i < source->lock_count; i++)
		if (source->locks[i].kind == kind)
			return &source->locks[i];
	test_fail(__FILE__, __LINE__, "no lock of kind %u", kind);
}

static void check_locks(const struct rf_source *source)
{
	const struct rf_image_lock *record = find_lock(source, RF_LOCK_RECORD);
	const struct rf_image_lock *open_file = find_lock(source, RF_LOCK_OPEN_FILE);
	const struct rf_image_lock *whole = find_lock(source, RF_LOCK_WHOLE);

	CHECK_EQUAL(source->lock_count, 3);
	CHECK_EQUAL(record->descriptor, FILE_FD);
	CHECK_EQUAL(record->type, RF_LOCK_EXCLUSIVE);
	CHECK_EQUAL(record->start, 5);
	CHECK_EQUAL(record->bytes, 7);
	CHECK_EQUAL(open_file->descriptor, APPEND_FD);
	CHECK_EQUAL(open_file->type, RF_LOCK_SHARED);
	CHECK_EQUAL(open_file->start, 20);
	CHECK_EQUAL(open_file->bytes, 0);
	CHECK_EQUAL(whole->descriptor, APPEND_FD);
	CHECK_EQUAL(whole->type, RF_LOCK_EXCLUSIVE);
}

static void check_pipe(const struct rf_image *image)
{
	const struct rf_image_descriptor *in = find(image, PIPE_FD);
	const struct rf_image_descriptor *out = find(image, PIPE_FD + 1);

	CHECK_EQUAL(image->pipe_count, 1);
	CHECK(in && in->kind == RF_DESCRIPTOR_PIPE && in->file == 0);
	CHECK(out && out->kind == RF_DESCRIPTOR_PIPE && out->file == 0);
	CHECK_EQUAL(image->pipes[0].image.bytes, sizeof(WRITTEN));
	CHECK(memcmp(image->pipes[0].contents, WRITTEN, sizeof(WRITTEN)) == 0);
}

static void check_others(const struct target *target)
{
	struct rf_process_options options = { .close_others = true };
	struct rf_report report = { 0 };
	struct rf_source source;

	CHECK_EQUAL(rf_process_open(&source, target->pid, NULL, &report), -ENOTSUP);
	if (!strstr(report.sentence, "30 (socket:[") || !strstr(report.sentence, "31 (socket:[") ||
	    !strstr(report.sentence, "32 (socket:["))
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	report.error = 0;
	if (rf_process_open(&source, target->pid, &options, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	CHECK(!find(&source.image, NETLINK_FD) && !find(&source.image, SOCKET_FD));
	CHECK(source.lost && strstr(source.lost, "descriptor 30 (socket:["));
	CHECK(strstr(source.lost, "descriptor 32 (socket:["));
	check_files(&source.image);
	rf_source_close(&source);
}

int main(void)
{
	struct rf_report report = { 0 };
	struct rf_source source;
	struct target target;

	test_begin();
	CHECK_CALL(close(CHECK_CALL(mkstemp(path))));
	target_start(&target, run, 0);
	target_await(&target, READY, 1);
	if (rf_process_open(&source, target.pid, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	/* there may be ancestors of other users, whose descriptors nobody sees */
	if (source.lost)
		CHECK_TEXT(source.lost, "whether the pipe of descriptors 20 and 21 is also another "
					"user's process's\n");
	check_locks(&source);
	check_pipe(&source.image);
	rf_source_let_go(&source);
	CHECK_EQUAL(find(&source.image, FILE_FD)->flags, RF_DESCRIPTOR_CLOEXEC);
	check_files(&source.image);
	rf_source_close(&source);
	target_set(&target, STEP, 1);
	target_await(&target, READY, 2);
	check_others(&target);
	target_set(&target, FINISH, 1);
	target_end(&target);
	CHECK_CALL(unlink(path));
	return test_end();
}
