/* SPDX-License-Identifier: MIT */
/*
 * Options of rfork-server.  Called by main() before anything else; must not open a
 * socket or touch a file.
 */
#define _GNU_SOURCE
#include "server/config.h"

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define EXIT_USAGE 2

const char *argp_program_version = "rfork-server " STRING(RFORK_VERSION_MAJOR) "." STRING(
	RFORK_VERSION_MINOR) "." STRING(RFORK_VERSION_PATCH);

enum {
	OPTION_LISTEN = 'l',
	OPTION_KEY_FILE = 'k',
	OPTION_USER = 'u',
	OPTION_PORT_FILE = 256,
	OPTION_MAX_CHILDREN,
	OPTION_DEAD_AFTER,
	OPTION_DAEMON,
	OPTION_RDMA_DEVICE,
	OPTION_NO_RDMA,
	OPTION_INSECURE_PLAINTEXT,
};

static const struct argp_option options[] = {
	{ "listen", OPTION_LISTEN, "ADDR:PORT", 0,
	  "Listen there; unix:PATH for a local socket; may be repeated "
	  "(default: loopback, port " STRING(RFORK_DEFAULT_PORT) ")",
	  0 },
	{ "port-file", OPTION_PORT_FILE, "FILE", 0,
	  "Write the port of each TCP listener to FILE once the server is ready", 0 },
	{ "key-file", OPTION_KEY_FILE, "FILE", 0, "The shared key; made where it is missing", 0 },
	{ "user", OPTION_USER, "NAME", 0, "Run children as this user", 0 },
	{ "max-children", OPTION_MAX_CHILDREN, "N", 0, "Refuse more children than N at a time", 0 },
	{ "dead-after", OPTION_DEAD_AFTER, "S", 0,
	  "Give up a caller whose machine has been silent for S seconds", 0 },
	{ "daemon", OPTION_DAEMON, NULL, 0, "Go to the background once ready", 0 },
	{ "rdma-device", OPTION_RDMA_DEVICE, "NAME", 0, "Fetch pages by this RDMA device only", 0 },
	{ "no-rdma", OPTION_NO_RDMA, NULL, 0, "Fetch no pages by RDMA", 0 },
	{ "insecure-plaintext", OPTION_INSECURE_PLAINTEXT, NULL, 0,
	  "Allow listening beyond loopback without encryption", 0 },
	{ 0 },
};

struct parsing {
	struct rf_config *config;
	struct rf_report *report;
};

bool rf_config_beyond_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

	switch (address->sa_family) {
	case AF_UNIX:
		return false;
	case AF_INET:
		return ntohl(v4->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			return v6->sin6_addr.s6_addr[12] != IN_LOOPBACKNET;
		return !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	}
	return true;
}

int rf_config_allow_address(const struct rf_config *config, const struct sockaddr *address,
			    uid_t uid, struct rf_report *report)
{
	if (!rf_config_beyond_loopback(address))
		return 0;
	if (!config->insecure_plaintext)
		return rf_report(report, EPERM,
				 "listening beyond loopback is not encrypted: "
				 "it needs --insecure-plaintext");
	if (uid == 0 && !config->user)
		return rf_report(report, EPERM,
				 "listening beyond loopback as root needs --user NAME");
	return 0;
}

/* The daemon leaves its folder, and SIGHUP opens the key again: paths are made absolute. */
static int keep_path(char path[PATH_MAX], const char *text, struct rf_report *report)
{
	char folder[PATH_MAX] = "";
	const char *slash = "";

	if (!*text)
		return rf_report(report, EINVAL, "an empty path names no file");
	if (text[0] != '/') {
		slash = "/";
		if (!getcwd(folder, sizeof(folder)))
			return rf_report(report, EINVAL, "the current folder of %s: %s", text,
					 strerrordesc_np(errno));
	}
	if (strlen(folder) + strlen(slash) + strlen(text) >= PATH_MAX)
		return rf_report(report, EINVAL, "the path %s is too long", text);
	rf_format(path, PATH_MAX, "%s%s%s", folder, slash, text);
	return 0;
}

static int parse_unix(struct rf_listen_address *address, const char *text, struct rf_report *report)
{
	char path[PATH_MAX];
	int error = keep_path(path, text, report);

	if (error < 0)
		return error;
	if (strlen(path) >= sizeof(address->address.local.sun_path))
		return rf_report(report, EINVAL, "the socket path %s is too long", path);
	address->address.local.sun_family = AF_UNIX;
	memcpy(address->address.local.sun_path, path, strlen(path) + 1);
	address->bytes = sizeof(address->address.local);
	return 0;
}

/* Splits host and port, in place; port is NULL if there is none. */
static int split_address(char *text, char **host, char **port)
{
	char *colon;

	*host = text;
	if (text[0] == '[') {
		char *bracket = strchr(text, ']');

		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return -EINVAL;
		*bracket = '\0';
		*host = text + 1;
		*port = bracket[1] ? bracket + 2 : NULL;
		return **host ? 0 : -EINVAL;
	}
	colon = strchr(text, ':');
	if (colon && strchr(colon + 1, ':'))
		return -EINVAL; /* an IPv6 address needs brackets */
	*port = colon ? colon + 1 : NULL;
	if (colon)
		*colon = '\0';
	return **host ? 0 : -EINVAL;
}

/* Decimal digits only, as strtoul alone would take signs and spaces too. */
static int parse_number(const char *text, unsigned long limit, unsigned long *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return errno || *end || *value > limit ? -EINVAL : 0;
}

int rf_config_parse_address(struct rf_listen_address *address, const char *text,
			    struct rf_report *report)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found;
	char copy[NI_MAXHOST + 16];
	char *host, *port;
	unsigned long number;
	int error;

	memset(address, 0, sizeof(*address));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(address, text + 5, report);
	if (strlen(text) >= sizeof(copy))
		return rf_report(report, EINVAL, "the address to listen on is too long");
	memcpy(copy, text, strlen(text) + 1);
	if (split_address(copy, &host, &port) < 0 ||
	    (port && parse_number(port, UINT16_MAX, &number) < 0))
		return rf_report(report, EINVAL, "%s is not of the form ADDR:PORT or unix:PATH",
				 text);
	error = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host,
			    port ? port : STRING(RFORK_DEFAULT_PORT), &hints, &found);
	if (error)
		return rf_report(report, EINVAL, "%s cannot be listened on: %s", text,
				 gai_strerror(error));
	memcpy(&address->address, found->ai_addr, found->ai_addrlen);
	address->bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int add_address(struct rf_config *config, const char *text, struct rf_report *report)
{
	struct rf_listen_address *address = &config->listen[config->listen_count];
	int error;

	if (config->listen_count == RF_LISTEN_MAX)
		return rf_report(report, EINVAL, "more than %d addresses to listen on",
				 RF_LISTEN_MAX);
	error = rf_config_parse_address(address, text, report);
	if (error == 0)
		config->listen_count++;
	return error;
}

static int take_number(unsigned *to, const char *option, const char *text, unsigned limit,
		       struct rf_report *report)
{
	unsigned long value;

	if (parse_number(text, limit, &value) < 0 || value == 0)
		return rf_report(report, EINVAL, "%s takes a number from 1 to %u, not %s", option,
				 limit, text);
	*to = (unsigned)value;
	return 0;
}

/* It may come later; but what cannot be a name is a mistake. */
static int take_device(struct rf_config *config, const char *name, struct rf_report *report)
{
	if (!*name || strchr(name, '/') || strlen(name) >= sizeof(config->rdma_device))
		return rf_report(report, EINVAL, "%s is no name of an RDMA device",
				 *name ? name : "\"\"");
	memcpy(config->rdma_device, name, strlen(name) + 1);
	return 0;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	struct rf_config *config = parsing->config;
	struct rf_report *report = parsing->report;

	switch (key) {
	case OPTION_LISTEN:
		return -add_address(config, argument, report);
	case OPTION_PORT_FILE:
		return -keep_path(config->port_file, argument, report);
	case OPTION_KEY_FILE:
		return -keep_path(config->key_file, argument, report);
	case OPTION_USER:
		config->user = argument;
		return 0;
	case OPTION_MAX_CHILDREN:
		return -take_number(&config->max_children, "--max-children", argument,
				    RF_CHILDREN_MAX, report);
	case OPTION_DEAD_AFTER:
		return -take_number(&config->dead_after_s, "--dead-after", argument,
				    RF_DEAD_AFTER_MAX_S, report);
	case OPTION_DAEMON:
		config->daemon = true;
		return 0;
	case OPTION_RDMA_DEVICE:
		return -take_device(config, argument, report);
	case OPTION_NO_RDMA:
		config->no_rdma = true;
		return 0;
	case OPTION_INSECURE_PLAINTEXT:
		config->insecure_plaintext = true;
		return 0;
	case ARGP_KEY_ARG:
		return -rf_report(report, EINVAL, "there is no use for the argument %s", argument);
	}
	return ARGP_ERR_UNKNOWN;
}

static int add_defaults(struct rf_config *config, struct rf_report *report)
{
	int error;

	if (config->listen_count || config->activated)
		return 0;
	error = add_address(config, "127.0.0.1", report);
	if (error == 0)
		error = add_address(config, "[::1]", report);
	if (error == 0)
		config->listen[1].optional = true;
	return error;
}

int rf_config_parse(struct rf_config *config, int argc, char **argv, struct rf_report *report)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Receives processes that rfork() sends and runs them on this machine.",
	};
	struct parsing parsing = { .config = config, .report = report };
	bool activated = config->activated;
	int error;

	memset(config, 0, sizeof(*config));
	config->activated = activated;
	config->max_children = RF_CHILDREN_DEFAULT;
	config->dead_after_s = RF_DEAD_AFTER_DEFAULT_S;
	argp_err_exit_status = EXIT_USAGE;
	error = argp_parse(&argp, argc, argv, 0, NULL, &parsing);
	if (error)
		return rf_report(report, error, "the command line: %m");
	if (config->no_rdma && config->rdma_device[0])
		return rf_report(report, EINVAL, "--no-rdma leaves no use for --rdma-device");
	error = add_defaults(config, report);
	for (size_t i = 0; i < config->listen_count && error == 0; i++)
		error = rf_config_allow_address(config, &config->listen[i].address.any, geteuid(),
						report);
	return error;
}
