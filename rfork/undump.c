/* SPDX-License-Identifier: MIT */
/*
 * The public calls about executables: a checkpoint that is written with the program that restarts
 * it, and what that was started with.
 */
#define _GNU_SOURCE
#include <rfork.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "rfork/arrival.h"
#include "rfork/checkpoint.h"
#include "rfork/io.h"
#include "rfork/state.h"
#include "rfork/sys.h"

/* Splits a path into a folder, which is opened, and the name in it.  The folder's descriptor,
 * or a negative errno with a report. */
static int open_folder(const char *path, char name[RF_HOLDER_MAX_NAME_BYTES + 1],
		       struct rf_report *report)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char folder[RF_IMAGE_MAX_PATH_BYTES + 1] = ".";
	int fd;

	if (!*last || strlen(last) > RF_HOLDER_MAX_NAME_BYTES || strlen(path) >= sizeof(folder))
		return rf_report(report, *last ? ENAMETOOLONG : EISDIR, "%s: %m", path);
	if (slash)
		rf_format(folder, (size_t)(slash - path) + 2, "%s", path);
	fd = rf_io_above_stdio(rf_sys_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return rf_report(report, -fd, "the folder of %s: %m", path);
	rf_format(name, RF_HOLDER_MAX_NAME_BYTES + 1, "%s", last);
	return fd;
}

/* What has the name is replaced: that must not be a device. */
static int check_replaced(int folder, const char *path, const char *name, struct rf_report *report)
{
	struct stat status;

	if (rf_syscall(SYS_newfstatat, folder, name, &status, 0) < 0 || S_ISREG(status.st_mode))
		return 0;
	if (S_ISDIR(status.st_mode))
		return rf_report(report, EISDIR, "%s: %m", path);
	return rf_report(report, EINVAL, "%s: it is not a regular file, and would be replaced",
			 path);
}

/* The lock: no other thread's child keeps the folder open. */
static int begin_executable(struct rf_held *held, const char *path, struct rf_report *report)
{
	struct rf_holder_command command = { .kind = RF_HOLDER_UNDUMP };
	int folder, error;

	rf_state_lock();
	folder = error = open_folder(path, command.name, report);
	if (folder >= 0) {
		error = check_replaced(folder, path, command.name, report);
		if (error == 0)
			error = rf_checkpoint_command(held, &command, folder, report);
		rf_sys_close(folder);
	}
	rf_state_unlock();
	return error;
}

static void write_executable(rfork_crid_t crid, const char *path, struct rf_report *report)
{
	struct rf_report unheard = { 0 };
	struct rf_held *held = rf_checkpoint_claim(crid, report);

	if (!held)
		return;
	if (begin_executable(held, path, report) == 0)
		rf_checkpoint_wait(held, RF_NO_DEADLINE, report);
	rf_checkpoint_discard(held, &unheard);
}

static int undump_returns_twice(const char *path, struct rf_report *report)
{
	rfork_crid_t crid;

	if (!path || !*path)
		return rf_report(report, EINVAL, "there is no path to write to");
	crid = rf_checkpoint_returns_twice(RFORK_SELF_CONTAINED | RFORK_COPY_FILES, report);
	if (crid <= 0)
		return (int)crid;
	write_executable(crid, path, report);
	return report->error ? -report->error : 1;
}

int rfork_undump(const char *path)
{
	struct rf_report report = { 0 };
	int state, unused, result;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	result = undump_returns_twice(path, &report);
	pthread_setcancelstate(state, &unused);
	return result < 0 ? rf_fail(&report) : result;
}

int rfork_restart_args(int *argc, char ***argv, char ***envp)
{
	const struct rf_restart_args *args = rf_state_restart_args();
	struct rf_report report = { 0 };

	if (!args->argv) {
		rf_report(&report, ENOENT, "this process was not restarted from an executable");
		return rf_fail(&report);
	}
	if (argc)
		*argc = args->argc;
	if (argv)
		*argv = args->argv;
	if (envp)
		*envp = args->envp;
	return 0;
}
