/* SPDX-License-Identifier: MIT */
/*
 * Host strings and connections, by TCP and unix sockets.  Called by rfork.c before
 * the fork.
 */
#define _GNU_SOURCE
#include "rfork/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/state.h"
#include "rfork/sys.h"

/* A peer that is gone without a word is noticed after about 15 s. */
#define KEEPALIVE_IDLE_S 5
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 2

/* -- host strings ------------------------------------------------------------------------ */

static bool starts_with(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned value = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*port = (uint16_t)value;
	return value > 0 && value <= UINT16_MAX;
}

/* Splits name and port; false if the text is malformed. */
static bool parse_tcp(struct rf_address *address, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t length = strlen(text);

	if (text[0] == '[') {
		const char *bracket = strchr(text, ']');

		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return false;
		if (bracket[1] && !parse_port(bracket + 2, &address->port))
			return false;
		text++;
		length = (size_t)(bracket - text);
	} else if (colon && strchr(text, ':') == colon) {
		if (!parse_port(colon + 1, &address->port))
			return false;
		length = (size_t)(colon - text);
	} /* several colons without brackets: an IPv6 address alone */
	memcpy(address->name, text, length);
	address->name[length] = '\0';
	return length > 0;
}

/* Those whose connection is TCP; returns what follows. */
static const char *skip_scheme(struct rf_address *address, const char *host)
{
	static const struct {
		const char *prefix;
		enum rf_road_wish road;
	} schemes[] = {
		{ "tcp://", RF_ROAD_UNWANTED },
		{ "auto://", RF_ROAD_IF_POSSIBLE },
		{ "rdma://", RF_ROAD_DEMANDED },
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (!starts_with(host, schemes[i].prefix))
			continue;
		address->road = schemes[i].road;
		return host + strlen(schemes[i].prefix);
	}
	return host;
}

int rf_address_parse(struct rf_address *address, const char *host, uint16_t default_port,
		     struct rf_report *report)
{
	size_t length = host ? strnlen(host, RF_HOST_MAX_BYTES + 1) : 0;
	const char *text;

	if (length == 0)
		return rf_report(report, EINVAL, "the host string is empty");
	if (length > RF_HOST_MAX_BYTES)
		return rf_report(report, EINVAL, "the host string is longer than %d bytes",
				 RF_HOST_MAX_BYTES);
	for (const char *c = host; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return rf_report(report, EINVAL, "the host string has a blank in it");
	*address = (struct rf_address){ .scheme = RF_SCHEME_TCP, .port = default_port };
	if (starts_with(host, "unix:")) {
		address->scheme = RF_SCHEME_UNIX;
		memcpy(address->name, host + 5, length - 4);
		if (length - 5 == 0 || length - 5 >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return rf_report(report, EINVAL, "%s: no path, or one that is too long",
					 host);
		return 0;
	}
	if (starts_with(host, "ssh://"))
		return rf_report(report, ENOSYS, "%s: not implemented in this version", host);
	text = skip_scheme(address, host);
	if (strchr(text, '/') || !parse_tcp(address, text))
		return rf_report(report, EINVAL,
				 "%s: not of the form name, name:port, [v6]:port, "
				 "tcp://..., rdma://..., auto://... or unix:PATH",
				 host);
	return 0;
}

/* -- connections ----------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(in6) ||
		       (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
	}
	return address->sa_family == AF_UNIX;
}

/* The errno that rfork(3) promises for a failed connect(2). */
static int public_error(int error)
{
	switch (error) {
	case ENOENT: /* no unix socket of that name */
		return ECONNREFUSED;
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return EHOSTUNREACH;
	}
	return error;
}

/* Makes the pending connect succeed or fail; 0 or a negative errno. */
static int finish_connect(int fd, int64_t deadline_ns)
{
	socklen_t length = sizeof(int);
	int error = rf_io_wait(fd, POLLOUT, deadline_ns);
	int pending = 0;

	if (error < 0)
		return error;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length) < 0)
		return -errno;
	return -pending;
}

static int set_options(int fd, int family)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT },
	};

	for (size_t i = 0; family != AF_UNIX && i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			       sizeof(options[i].value)) < 0)
			return -errno;
	/* connected without blocking; from here on it blocks */
	return fcntl(fd, F_SETFL, 0) < 0 ? -errno : 0;
}

static int open_socket(int family, int *connection)
{
	int fd;

	rf_state_lock();
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fd = fd < 0 ? -errno : rf_io_above_stdio(fd);
	*connection = fd < 0 ? -1 : fd;
	rf_state_unlock();
	return fd < 0 ? fd : 0;
}

static void close_socket(int *connection)
{
	rf_state_lock();
	close(*connection);
	*connection = -1;
	rf_state_unlock();
}

static int connect_one(const struct sockaddr *address, socklen_t length, int64_t deadline_ns,
		       int *connection)
{
	int error = open_socket(address->sa_family, connection);

	if (error < 0)
		return error;
	if (connect(*connection, address, length) < 0)
		error = errno == EINPROGRESS || errno == EINTR
				? finish_connect(*connection, deadline_ns)
				: -errno;
	/* A listener on this machine was woken on our processor as a rule, and would wait for it
	 * until we have nothing left to do, with others idle. */
	sched_yield();
	if (error == 0)
		error = set_options(*connection, address->sa_family);
	if (error < 0)
		close_socket(connection);
	return error;
}

static int connect_unix(const struct rf_address *address, int64_t deadline_ns, int *connection,
			struct rf_report *report)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int error;

	strcpy(un.sun_path, address->name); /* the parser checked its length */
	error = connect_one((struct sockaddr *)&un, sizeof(un), deadline_ns, connection);
	return error < 0 ? rf_report(report, public_error(-error), "unix:%s: %m", address->name)
			 : 0;
}

/* An address without asking the resolver, which loads and allocates much; false if it is a name.
 * RFC 6761, 6.3: "localhost" is always the loopback address, with or without /etc/hosts. */
static bool parse_numeric(const struct rf_address *address, struct sockaddr_storage *storage,
			  socklen_t *length)
{
	struct sockaddr_in *in = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
	const char *name = strcasecmp(address->name, "localhost") == 0 ? "127.0.0.1"
								       : address->name;

	memset(storage, 0, sizeof(*storage));
	if (inet_pton(AF_INET, name, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(address->port);
		*length = sizeof(*in);
		return true;
	}
	if (inet_pton(AF_INET6, name, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(address->port);
		*length = sizeof(*in6);
		return true;
	}
	return false;
}

/* How a connection is tried. */
struct attempt {
	bool beyond_loopback;
	int64_t deadline_ns;
	int *connection;
	int last_error; /* what is worth telling */
};

static int try_address(struct attempt *attempt, const struct sockaddr *address, socklen_t length)
{
	int error;

	if (!attempt->beyond_loopback && !is_loopback(address)) {
		if (!attempt->last_error)
			attempt->last_error = EPERM;
		return -EPERM;
	}
	error = connect_one(address, length, attempt->deadline_ns, attempt->connection);
	if (error < 0)
		attempt->last_error = public_error(-error);
	return error;
}

static int try_name(struct attempt *attempt, const struct rf_address *address,
		    struct rf_report *report)
{
	/* not AI_ADDRCONFIG: it hides the names of a host that has loopback only */
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char port[8];
	int error = -EHOSTUNREACH;
	int gai;

	rf_format(port, sizeof(port), "%u", address->port);
	gai = getaddrinfo(address->name, port, &hints, &list);
	if (gai != 0)
		return rf_report(report, gai == EAI_MEMORY ? ENOMEM : EHOSTUNREACH, "host %s: %s",
				 address->name, gai_strerror(gai));
	for (struct addrinfo *entry = list; entry && error < 0; entry = entry->ai_next)
		error = try_address(attempt, entry->ai_addr, entry->ai_addrlen);
	freeaddrinfo(list);
	return error;
}

int rf_transport_connect(const struct rf_address *address, bool beyond_loopback,
			 int64_t deadline_ns, int *connection, struct rf_report *report)
{
	struct attempt attempt = { .beyond_loopback = beyond_loopback,
				   .deadline_ns = deadline_ns,
				   .connection = connection };
	struct sockaddr_storage storage;
	socklen_t length;
	int error;

	if (address->scheme == RF_SCHEME_UNIX)
		return connect_unix(address, deadline_ns, connection, report);
	if (parse_numeric(address, &storage, &length))
		error = try_address(&attempt, (struct sockaddr *)&storage, length);
	else
		error = try_name(&attempt, address, report);
	if (error == 0)
		return 0;
	if (attempt.last_error == EPERM)
		return rf_report(
			report, EPERM,
			"%s is not a loopback address, and the connection is not encrypted; "
			"RFORK_INSECURE_PLAINTEXT allows it",
			address->name);
	return rf_report(report, attempt.last_error ? attempt.last_error : EHOSTUNREACH,
			 "connect to %s port %u: %m", address->name, address->port);
}

bool rf_transport_is_local(int connection)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return getpeername(connection, (struct sockaddr *)&peer, &length) == 0 &&
	       is_loopback((struct sockaddr *)&peer);
}
