/* SPDX-License-Identifier: MIT */
/*
 * Gives the program the image's descriptors: standard input, output and error are the new
 * process's, the terminal is its terminal, files are opened again, pipes are made again.
 * Whatever else the new process had open is closed: the image knows nothing of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "rfork/restore_contents.h"
#include "rfork/restore_objects.h"
#include "rfork/restore_watches.h"
#include "rfork/start/start.h"
#include "rfork/sys.h"

/* What does not describe an open file but how it was opened. */
#define CREATION_FLAGS (O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | (O_TMPFILE & ~O_DIRECTORY))
/* What means something for a stream that is not opened by its own path. */
#define STREAM_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK)
#define STANDARD 3u
/* Above the image's numbers: the standard ones, one to report to, a pipe while it is made. */
#define SPARE_FDS 8u

/* Descriptors of the new process, moved above all of the image's. */
struct high_fds {
	unsigned first;
	int standard[STANDARD]; /* -1 = closed */
};

static int duplicate(int fd, unsigned lowest)
{
	return (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lowest);
}

unsigned rf_start_first_free_fd(const struct rf_start *start)
{
	unsigned first = rf_restore_first_spare(&start->file.image);

	return first < STANDARD ? STANDARD : first;
}

void rf_start_raise_limit(struct rf_start *start, uint32_t more)
{
	rlim_t needed = (rlim_t)rf_start_first_free_fd(start) + SPARE_FDS + more;
	struct rlimit now, raised;

	if (rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &now) < 0 || now.rlim_cur >= needed ||
	    now.rlim_cur >= now.rlim_max)
		return;
	raised = (struct rlimit){ now.rlim_max, now.rlim_max };
	if (!start->is_limit_raised)
		start->limit = now;
	start->is_limit_raised |= rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &raised, NULL) == 0;
}

static int refuse_limit(struct rf_start *start, const struct high_fds *high)
{
	return rf_report(&start->report, ENOTSUP,
			 "the limit of open files is too low for descriptor %u, and what is "
			 "needed above it meanwhile",
			 high->first - 1);
}

static int move_up(struct rf_start *start, struct high_fds *high)
{
	const struct rf_image *image = &start->file.image;
	int fd;

	high->first = rf_start_first_free_fd(start);
	rf_start_raise_limit(start,
			     image->pipe_count + (start->contents ? image->head.objects : 0));
	for (unsigned i = 0; i < STANDARD; i++) {
		fd = duplicate((int)i, high->first);

		if (fd == -EINVAL || fd == -EMFILE)
			return refuse_limit(start, high);
		high->standard[i] = fd < 0 ? -1 : fd;
	}
	if (high->standard[2] < 0) {
		start->report_fd = -1;
		return 0;
	}
	fd = duplicate(high->standard[2], high->first);
	if (fd < 0)
		return refuse_limit(start, high); /* said while there is something to say it on */
	start->report_fd = fd;
	return 0;
}

/* -- one descriptor ---------------------------------------------------------------------------- */

/* The new process's standard stream, whatever the image had there, but for a pipe or an object of
 * its own; also where two of them were one. */
static bool is_standard(const struct rf_image_descriptor *descriptor)
{
	return descriptor->number < STANDARD && descriptor->kind != RF_DESCRIPTOR_PIPE &&
	       descriptor->kind != RF_DESCRIPTOR_OBJECT;
}

static int open_standard(const struct high_fds *high, unsigned number)
{
	return high->standard[number] < 0 ? -EBADF
					  : (int)rf_syscall(SYS_dup, high->standard[number]);
}

/* What the image had of its caller: only standard streams and the terminal have a counterpart
 * here. */
static int open_relay(const struct high_fds *high, const struct rf_image_descriptor *descriptor,
		      int flags)
{
	if (descriptor->file < STANDARD)
		return open_standard(high, descriptor->file);
	if ((descriptor->stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL)
		return rf_sys_open("/dev/tty", (flags & STREAM_FLAGS) | O_NOCTTY);
	return -ENOTSUP;
}

static int set_position(int fd, const struct rf_image_descriptor *descriptor)
{
	bool is_at_end = descriptor->flags & RF_DESCRIPTOR_AT_END;
	long error = 0;

	if (descriptor->offset || is_at_end)
		error = rf_syscall(SYS_lseek, fd, is_at_end ? 0 : descriptor->offset,
				   is_at_end ? SEEK_END : SEEK_SET);
	return error < 0 ? (int)error : 0;
}

static int open_file(const struct rf_start *start, const struct rf_image_descriptor *descriptor,
		     int flags)
{
	int fd = rf_start_reopen(start, descriptor, flags);
	int error = fd < 0 ? 0 : set_position(fd, descriptor);

	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return error;
}

static int open_descriptor(struct rf_start *start, const struct high_fds *high,
			   struct rf_restore_pipe *pipes,
			   const struct rf_image_descriptor *descriptor)
{
	int flags = (int)(descriptor->status_flags & ~(uint32_t)CREATION_FLAGS) | O_NOCTTY;

	if (is_standard(descriptor))
		return open_standard(high, descriptor->number);
	if (descriptor->same_as != RF_IMAGE_NONE)
		return (int)rf_syscall(SYS_dup, descriptor->same_as);
	switch (descriptor->kind) {
	case RF_DESCRIPTOR_RELAY:
		return open_relay(high, descriptor, flags);
	case RF_DESCRIPTOR_PIPE:
		return rf_restore_take_pipe_end(&pipes[descriptor->file],
						&start->file.image.pipes[descriptor->file],
						descriptor, high->first);
	case RF_DESCRIPTOR_OBJECT:
		if (start->contents && start->contents[descriptor->file] >= 0)
			return rf_restore_content_open(start->contents[descriptor->file],
						       descriptor->status_flags,
						       descriptor->offset);
		return rf_restore_object(&start->file.image, descriptor, start->started_ns);
	case RF_DESCRIPTOR_EMPTY:
		return rf_sys_open("/dev/null", flags & STREAM_FLAGS);
	}
	return open_file(start, descriptor, flags);
}

static const char *name_what(const struct rf_start *start,
			     const struct rf_image_descriptor *descriptor)
{
	switch (descriptor->kind) {
	case RF_DESCRIPTOR_PIPE:
		return "pipe";
	case RF_DESCRIPTOR_OBJECT:
		return rf_restore_name_object(&start->file.image, descriptor);
	case RF_DESCRIPTOR_FILE:
		return descriptor->same_as == RF_IMAGE_NONE
			       ? start->file.image.files[descriptor->file].path
			       : "a duplicate";
	}
	return (descriptor->stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL ? "/dev/tty"
									   : "a stream";
}

static bool is_directory(const struct rf_start *start, const struct rf_image_descriptor *descriptor)
{
	return descriptor->kind == RF_DESCRIPTOR_FILE &&
	       S_ISDIR(start->file.image.files[descriptor->file].image.mode);
}

static int refuse(struct rf_start *start, const struct rf_image_descriptor *descriptor, int error)
{
	const char *what = name_what(start, descriptor);

	if (error == -ESTALE)
		return rf_report(&start->report, ENOTSUP,
				 "descriptor %u (%s): what has that path is not provably the same "
				 "%s",
				 descriptor->number, what,
				 descriptor->offset && is_directory(start, descriptor)
					 ? "directory, and it has been read in part"
					 : "file");
	if (error == -ENOTSUP)
		return rf_report(&start->report, ENOTSUP,
				 "descriptor %u (%s): it was connected to another process",
				 descriptor->number, what);
	return rf_report(&start->report, -error, "descriptor %u (%s): %m", descriptor->number,
			 what);
}

/* A standard stream that the new process does not have stays closed, and so do its duplicates. */
static bool may_be_missing(const struct rf_image_descriptor *descriptor, int error)
{
	return descriptor->flags & RF_DESCRIPTOR_MAY_CLOSE || error == -EBADF;
}

/* Puts one descriptor in its place.  All lower numbers are done, so the number is free. */
static int make_descriptor(struct rf_start *start, const struct high_fds *high,
			   struct rf_restore_pipe *pipes,
			   const struct rf_image_descriptor *descriptor)
{
	int number = (int)descriptor->number;
	int cloexec = descriptor->flags & RF_DESCRIPTOR_CLOEXEC ? FD_CLOEXEC : 0;
	int fd = open_descriptor(start, high, pipes, descriptor);
	int error = fd < 0 ? fd : 0;

	if (fd >= 0 && fd != number) {
		error = (int)rf_syscall(SYS_dup3, fd, number, 0);
		rf_sys_close(fd);
	}
	if (error >= 0)
		error = (int)rf_syscall(SYS_fcntl, number, F_SETFD, cloexec);
	if (error >= 0 || may_be_missing(descriptor, error))
		return 0;
	return refuse(start, descriptor, error);
}

int rf_start_make_descriptors(struct rf_start *start)
{
	const struct rf_image *image = &start->file.image;
	struct rf_restore_pipe *pipes = calloc(image->pipe_count + 1, sizeof(*pipes));
	struct high_fds high = { 0 };
	int error;

	if (!pipes)
		return rf_report(&start->report, ENOMEM, "no memory for the pipes");
	/* the own file, too: what is needed of it is mapped */
	rf_start_close_others(start, STANDARD);
	error = move_up(start, &high);
	if (error < 0)
		return error;
	rf_sys_close_between(0, STANDARD - 1);
	for (uint32_t i = 0; i < image->head.descriptors && error == 0; i++)
		error = make_descriptor(start, &high, pipes, &image->descriptors[i]);
	if (error == 0)
		error = rf_start_finish_contents(start);
	rf_restore_close_pipes(pipes, image->pipe_count);
	if (error == 0)
		error = rf_restore_watches(image, high.first, &start->report);
	for (unsigned i = 0; i < STANDARD; i++)
		if (high.standard[i] >= 0)
			rf_sys_close(high.standard[i]);
	/* what is open stays open under a lower limit */
	if (start->is_limit_raised)
		rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &start->limit, NULL);
	return error;
}
