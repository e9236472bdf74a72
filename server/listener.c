/* SPDX-License-Identifier: MIT */
/*
 * Opens, announces and closes the listening sockets.  Called by main() and the monitor;
 * must not read from a connection.
 */
#define _GNU_SOURCE
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/io.h"
#include "server/descriptor.h"
#include "server/log.h"

#define FIRST_ACTIVATED_FD 3
#define BACKLOG 4096

/* The variables are for this process only if the number is its own: children inherit them. */
int rf_listener_activated(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	long value;

	if (!pid || !count || strtol(pid, NULL, 10) != getpid())
		return 0;
	value = strtol(count, NULL, 10);
	return value > 0 && value <= RF_LISTEN_MAX ? (int)value : 0;
}

/* "127.0.0.1:21062", "[::1]:21062" or the path, for sentences. */
static void name_address(const struct sockaddr *address, socklen_t bytes, char *name,
			 size_t name_bytes)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (address->sa_family == AF_UNIX)
		rf_format(name, name_bytes, "unix:%s",
			  ((const struct sockaddr_un *)(const void *)address)->sun_path);
	else if (getnameinfo(address, bytes, host, sizeof(host), port, sizeof(port),
			     NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		rf_format(name, name_bytes, "an unprintable address");
	else
		rf_format(name, name_bytes, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
			  host, port);
}

/* Removes a local socket that nobody listens on any more, as a killed server leaves it. */
static int remove_stale(const struct rf_listen_address *address)
{
	const char *path = address->address.local.sun_path;
	struct stat status;
	int fd, error;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, &address->address.any, address->bytes) == 0 ? EADDRINUSE : errno;
	close(fd);
	if (error != ECONNREFUSED)
		return -error;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_socket(int fd, const struct rf_listen_address *address)
{
	int on = 1;
	mode_t mask;
	int result;

	if (address->address.any.sa_family != AF_UNIX) {
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
			return -errno;
		if (address->address.any.sa_family == AF_INET6 &&
		    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
			return -errno;
		return bind(fd, &address->address.any, address->bytes) < 0 ? -errno : 0;
	}
	result = remove_stale(address);
	if (result < 0)
		return result;
	mask = umask(0177);
	result = bind(fd, &address->address.any, address->bytes) < 0 ? -errno : 0;
	umask(mask);
	return result;
}

static int open_socket(struct rf_listener *listener, const struct rf_listen_address *address)
{
	int error;
	int fd = socket(address->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);

	if (fd < 0)
		return -errno;
	error = bind_socket(fd, address);
	if (error == 0 && address->address.any.sa_family == AF_UNIX)
		memcpy(listener->unlink_paths[listener->unlink_count++],
		       address->address.local.sun_path, sizeof(listener->unlink_paths[0]));
	if (error == 0 && listen(fd, BACKLOG) < 0)
		error = -errno;
	if (error < 0) {
		close(fd);
		return error;
	}
	listener->fds[listener->count++] = fd;
	return 0;
}

/* A service manager may pass anything: it must be a stream socket that listens, where we may. */
static int adopt_socket(struct rf_listener *listener, int fd, const struct rf_config *config,
			struct rf_report *report)
{
	struct rf_listen_address address = { .bytes = sizeof(address.address) };
	int type = 0, listening = 0;
	socklen_t bytes = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) < 0 ||
	    getsockname(fd, &address.address.any, &address.bytes) < 0)
		return rf_report(report, errno, "descriptor %d of the service manager: %m", fd);
	if (type != SOCK_STREAM || !listening)
		return rf_report(report, EINVAL,
				 "descriptor %d of the service manager is no listening socket", fd);
	if (rf_config_allow_address(config, &address.address.any, geteuid(), report) < 0)
		return -EPERM;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return rf_report(report, errno, "descriptor %d of the service manager: %m", fd);
	listener->fds[listener->count++] = fd;
	return 0;
}

int rf_listener_open(struct rf_listener *listener, const struct rf_config *config, int activated,
		     struct rf_report *report)
{
	char name[NI_MAXHOST + NI_MAXSERV];
	int error = 0;

	/* Whoever waits for the port file must not find the one of an earlier server. */
	if (config->port_file[0] && unlink(config->port_file) < 0 && errno != ENOENT)
		return rf_report(report, errno, "old port file %s: %m", config->port_file);
	for (int i = 0; i < activated && error == 0; i++)
		error = adopt_socket(listener, FIRST_ACTIVATED_FD + i, config, report);
	for (size_t i = 0; i < config->listen_count && error == 0; i++) {
		const struct rf_listen_address *address = &config->listen[i];

		error = open_socket(listener, address);
		if (error == 0)
			continue;
		if (address->optional && (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL)) {
			error = 0;
			continue;
		}
		name_address(&address->address.any, address->bytes, name, sizeof(name));
		rf_report(report, -error, "%s cannot be listened on: %m", name);
	}
	if (error < 0)
		rf_listener_close(listener);
	return error;
}

/* The port of a TCP listener, or 0. */
static unsigned port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage storage;
	} address;
	socklen_t bytes = sizeof(address);

	if (getsockname(fd, &address.any, &bytes) < 0)
		return 0;
	if (address.any.sa_family == AF_INET)
		return ntohs(address.v4.sin_port);
	return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

void rf_listener_announce(const struct rf_listener *listener)
{
	char name[160];

	for (size_t i = 0; i < listener->count; i++) {
		struct sockaddr_storage address = { 0 }; /* longer than a path without its zero */
		socklen_t bytes = sizeof(address);

		if (getsockname(listener->fds[i], (struct sockaddr *)&address, &bytes) < 0)
			continue;
		name_address((struct sockaddr *)&address, bytes, name, sizeof(name));
		rf_log("listening on %s", name);
	}
}

int rf_listener_write_ports(const struct rf_listener *listener, const char *path,
			    struct rf_report *report)
{
	char temporary[PATH_MAX + 8];
	char text[RF_LISTENER_SOCKETS_MAX * 8];
	size_t used = 0;
	int error, fd;

	for (size_t i = 0; i < listener->count; i++)
		if (port_of(listener->fds[i]))
			used += rf_format(text + used, sizeof(text) - used, "%u\n",
					  port_of(listener->fds[i]));
	rf_format(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return rf_report(report, errno, "port file %s: %m", path);
	error = rf_io_write_full(fd, text, used, RF_NO_DEADLINE);
	if (error == 0 && (fchmod(fd, 0644) < 0 || rename(temporary, path) < 0))
		error = -errno;
	close(fd);
	if (error == 0)
		return 0;
	unlink(temporary);
	return rf_report(report, -error, "port file %s: %m", path);
}

int rf_listener_accept(int fd)
{
	for (;;) {
		int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (connection >= 0)
			return connection;
		/* Errors of a connection that died in the queue concern nobody. */
		if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO &&
		    errno != ENETDOWN && errno != EHOSTUNREACH && errno != ENETUNREACH)
			return -errno;
	}
}

void rf_listener_close(struct rf_listener *listener)
{
	for (size_t i = 0; i < listener->unlink_count; i++)
		unlink(listener->unlink_paths[i]);
	for (size_t i = 0; i < listener->count; i++)
		rf_descriptor_close(&listener->fds[i]);
	listener->unlink_count = 0;
	listener->count = 0;
}
