/* SPDX-License-Identifier: MIT */
/*
 * Starting the shell of a session: the program rfork-shell, with the descriptors that
 * shell_protocol.h names.
 */
#ifndef RF_SPAWN_H
#define RF_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "rfork/protocol.h"
#include "rfork/report.h"
#include "server/privilege.h"

struct rf_shell {
	pid_t pid;			    /* and the number of its process group; 0 = none */
	int socket;			    /* our end of the pair; -1 = closed */
	int standard[RF_CHANNELS_STANDARD]; /* our ends of channels 0 to 2, O_NONBLOCK */
};

#define RF_SHELL_NAME "rfork-shell"

/* Opens one of the shell's programs, beside the server's own or where it is installed; O_PATH.  A
 * descriptor, or a negative errno with a report. */
int rf_spawn_find_shell(const char *name, struct rf_report *report);

/* Whether such a program can be loaded, with all its libraries: it is executed, and ends at
 * once. */
bool rf_spawn_can_load(int program_fd);

/* Starts the program.  terminal: what becomes RF_SHELL_TERMINAL_FD, or -1; stays the caller's.
 * 0, or a negative errno with a report and nothing left behind. */
int rf_spawn_shell(struct rf_shell *shell, int program_fd, int terminal,
		   const struct rf_target_user *user, struct rf_report *report);

#endif
