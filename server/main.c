/* SPDX-License-Identifier: MIT */
/*
 * rfork-server: receives processes that rfork() sends and runs them on this machine.
 * main() reads the command line, gets everything that can fail ready, and gives control to
 * the monitor.  doc/privileges.md says which process runs as whom.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rfork/key.h"
#include "rfork/machine_facts.h"
#include "rfork/rdma_device.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/monitor.h"
#include "server/privilege.h"
#include "server/sessions.h"
#include "server/shell_protocol.h"
#include "server/spawn.h"

#define EXIT_USAGE 2
/* Besides one channel per session: listeners, log, epoll and the like. */
#define OTHER_FILES 128

/* Everything that lives as long as the server. */
struct server {
	struct rf_config config;
	struct rf_target_user user;
	struct rf_machine_facts facts;
	struct rf_key key;
	struct rf_listener listener;
	struct rf_sessions sessions;
	struct rf_monitor monitor;
};

static struct server server;

/* A server started without standard descriptors would take its sockets for them. */
static int open_standard_descriptors(struct rf_report *report)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return rf_report(report, errno, "/dev/null: %m");
	close(fd);
	return 0;
}

/* The sessions get the limit as it was found; only the listener holds many descriptors. */
static void raise_file_limit(const struct rf_config *config, rlim_t *found)
{
	struct rlimit limit = { .rlim_cur = 1024, .rlim_max = 1024 };
	rlim_t wanted = config->max_children + OTHER_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		rf_log("the limit of open files: %s", strerrordesc_np(errno));
	*found = limit.rlim_cur;
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted)
		rf_log("the limit of %lu open files may be too low for %u children",
		       (unsigned long)limit.rlim_cur, config->max_children);
}

/* The shell that fetches pages by RDMA: a descriptor, or a negative errno with a report. */
static int open_rdma_shell(struct rf_report *report)
{
	int program = rf_spawn_find_shell(RF_SHELL_RDMA_NAME, report);

	if (program < 0 || rf_spawn_can_load(program))
		return program;
	close(program);
	return rf_report(report, ENODEV,
			 "%s cannot be loaded: libibverbs or librdmacm is not installed",
			 RF_SHELL_RDMA_NAME);
}

/* A node may lack RDMA, unless the administrator has named a device. */
static int find_rdma_shell(struct server *s, struct rf_report *report)
{
	struct rf_report missing = { 0 };
	int program = s->config.no_rdma ? -1 : open_rdma_shell(&missing);

	if (program < 0 && s->config.rdma_device[0])
		return rf_report(report, missing.error, "%s", missing.sentence);
	if (program < 0 && !s->config.no_rdma && rf_rdma_has_device())
		rf_log("no pages by RDMA: %s", missing.sentence);
	s->sessions.setup.rdma_program = program < 0 ? -1 : program;
	s->sessions.setup.rdma_device = s->config.rdma_device;
	return 0;
}

static int prepare_sessions(struct server *s, struct rf_report *report)
{
	int shell = rf_spawn_find_shell(RF_SHELL_NAME, report);

	if (shell < 0 || find_rdma_shell(s, report) < 0)
		return -report->error;
	s->sessions.config = &s->config;
	s->sessions.poll = s->monitor.poll;
	s->sessions.setup.shell_program = shell;
	s->sessions.setup.listener = getpid();
	s->sessions.setup.user = &s->user;
	s->sessions.setup.facts = &s->facts;
	raise_file_limit(&s->config, &s->sessions.setup.files);
	return rf_sessions_allocate(&s->sessions, report);
}

static int prepare_server(struct server *s, int activated, struct rf_report *report)
{
	const char *key_file = s->config.key_file[0] ? s->config.key_file : NULL;
	int error = rf_key_load_or_create(&s->key, key_file, report);

	if (error < 0)
		return error;
	error = rf_machine_facts_collect(&s->facts);
	if (error < 0)
		return rf_report(report, -error, "facts of this machine: %m");
	s->monitor = (struct rf_monitor){ .config = &s->config,
					  .listener = &s->listener,
					  .sessions = &s->sessions,
					  .key = &s->key };
	error = rf_monitor_prepare(&s->monitor, report);
	if (error == 0)
		error = prepare_sessions(s, report);
	if (error == 0)
		error = rf_listener_open(&s->listener, &s->config, activated, report);
	if (error == 0 && s->config.port_file[0])
		error = rf_listener_write_ports(&s->listener, s->config.port_file, report);
	return error;
}

static int serve(struct server *s, int activated, struct rf_report *report)
{
	int ready = -1;
	int error = 0;

	if (s->config.daemon)
		error = rf_daemon_start(&ready, report);
	if (error == 0)
		error = prepare_server(s, activated, report);
	if (error == 0 && s->config.daemon)
		error = rf_daemon_ready(ready, report);
	if (error == 0) {
		rf_listener_announce(&s->listener);
		error = rf_monitor_run(&s->monitor, report);
	}
	rf_listener_close(&s->listener);
	rf_key_wipe(&s->key);
	free(s->sessions.entries);
	return error;
}

int main(int argc, char **argv)
{
	struct rf_report report = { 0 };
	int activated = rf_listener_activated();
	int error = open_standard_descriptors(&report);

	if (error == 0) {
		server.config.activated = activated > 0;
		error = rf_config_parse(&server.config, argc, argv, &report);
		if (error == 0)
			error = rf_privilege_resolve(&server.user, server.config.user, &report);
		if (error < 0) {
			rf_log("%s", report.sentence);
			return EXIT_USAGE;
		}
		error = serve(&server, activated, &report);
	}
	if (error < 0)
		rf_log("%s", report.sentence);
	return error < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
