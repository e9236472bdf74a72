/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/transport.c and rfork/options.c: what a caller passes in.
 */
#define _GNU_SOURCE
#include "rfork/transport.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <rfork.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/options.h"

static const struct {
	const char *host;
	enum rf_scheme scheme;
	const char *name;
	uint16_t port;
	enum rf_road_wish road;
} good_hosts[] = {
	{ "node7", RF_SCHEME_TCP, "node7", 99, RF_ROAD_UNWANTED },
	{ "node7:4000", RF_SCHEME_TCP, "node7", 4000, RF_ROAD_UNWANTED },
	{ "tcp://node7", RF_SCHEME_TCP, "node7", 99, RF_ROAD_UNWANTED },
	{ "tcp://node7:65535", RF_SCHEME_TCP, "node7", 65535, RF_ROAD_UNWANTED },
	{ "127.0.0.1:1", RF_SCHEME_TCP, "127.0.0.1", 1, RF_ROAD_UNWANTED },
	{ "[::1]", RF_SCHEME_TCP, "::1", 99, RF_ROAD_UNWANTED },
	{ "[::1]:4000", RF_SCHEME_TCP, "::1", 4000, RF_ROAD_UNWANTED },
	{ "::1", RF_SCHEME_TCP, "::1", 99, RF_ROAD_UNWANTED },
	{ "unix:/run/rfork", RF_SCHEME_UNIX, "/run/rfork", 99, RF_ROAD_UNWANTED },
	{ "rdma://node7", RF_SCHEME_TCP, "node7", 99, RF_ROAD_DEMANDED },
	{ "rdma://[::1]:4000", RF_SCHEME_TCP, "::1", 4000, RF_ROAD_DEMANDED },
	{ "auto://node7:4000", RF_SCHEME_TCP, "node7", 4000, RF_ROAD_IF_POSSIBLE },
	/* a host of that name */
	{ "rdma:4000", RF_SCHEME_TCP, "rdma", 4000, RF_ROAD_UNWANTED },
};

START_TEST(host_strings_are_understood)
{
	struct rf_report report = { 0 };
	struct rf_address address;

	ck_assert_int_eq(rf_address_parse(&address, good_hosts[_i].host, 99, &report), 0);
	ck_assert_int_eq(address.scheme, good_hosts[_i].scheme);
	ck_assert_str_eq(address.name, good_hosts[_i].name);
	ck_assert_uint_eq(address.port, good_hosts[_i].port);
	ck_assert_int_eq(address.road, good_hosts[_i].road);
}
END_TEST

static const char *const bad_hosts[] = {
	"",
	":",
	":1",
	"node:",
	"node:0",
	"node:65536",
	"node:1x",
	"node:-1",
	"[::1",
	"[::1]x",
	"[]:1",
	"tcp://",
	"rdma://",
	"auto://:1",
	"rdma://unix:/run/rfork",
	"rdma://tcp://node",
	"auto:/node",
	"unix:",
	"http://node",
	"node name",
	"node\n:1",
	"a/b",
	"[::1]:",
	"node:99999999999999999999",
};

START_TEST(malformed_host_strings_are_refused)
{
	struct rf_report report = { 0 };
	struct rf_address address;

	ck_assert_int_eq(rf_address_parse(&address, bad_hosts[_i], 99, &report), -EINVAL);
	ck_assert_int_eq(report.error, EINVAL);
	ck_assert_uint_gt(strlen(report.sentence), 0);
}
END_TEST

START_TEST(overlong_host_is_refused)
{
	struct rf_report report = { 0 };
	struct rf_address address;
	char host[400];

	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	ck_assert_int_eq(rf_address_parse(&address, host, 99, &report), -EINVAL);
	memcpy(host, "unix:/", 6);
	host[200] = '\0';
	report.error = 0;
	ck_assert_int_eq(rf_address_parse(&address, host, 99, &report), -EINVAL);
	ck_assert_int_eq(rf_address_parse(&address, NULL, 99, &report), -EINVAL);
}
END_TEST

START_TEST(schemes_of_later_versions_say_so)
{
	struct rf_report report = { 0 };
	struct rf_address address;

	ck_assert_int_eq(rf_address_parse(&address, "ssh://node", 99, &report), -ENOSYS);
}
END_TEST

/* The descriptor, or a negative errno. */
static int connect_within(const struct rf_address *address, int timeout_ms,
			  struct rf_report *report)
{
	int fd = -1;
	int error =
		rf_transport_connect(address, false, rf_io_deadline_ns(timeout_ms), &fd, report);

	ck_assert_int_eq(error < 0, fd < 0);
	return error < 0 ? error : fd;
}

START_TEST(other_machines_need_the_flag)
{
	struct rf_report report = { 0 };
	struct rf_address address = { .scheme = RF_SCHEME_TCP, .port = 9, .name = "192.0.2.1" };

	ck_assert_int_eq(connect_within(&address, 1000, &report), -EPERM);
	ck_assert_ptr_nonnull(strstr(report.sentence, "192.0.2.1"));
}
END_TEST

static int listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &bytes), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

/* In the place of the C library's: no test here may need the resolver. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **result)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)result;
	return EAI_NONAME;
}

static const char *const names_of_loopback[] = { "localhost", "LocalHost", "127.0.0.1" };

START_TEST(localhost_needs_no_resolver)
{
	struct rf_report report = { 0 };
	struct rf_address address = { .scheme = RF_SCHEME_TCP };
	int listener = listen_on_loopback(&address.port);
	int fd;

	strcpy(address.name, names_of_loopback[_i]);
	fd = connect_within(&address, 5000, &report);
	ck_assert_msg(fd >= 0, "%s", report.sentence);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(unknown_names_are_unreachable)
{
	struct rf_report report = { 0 };
	struct rf_address address = { .scheme = RF_SCHEME_TCP, .port = 9, .name = "nowhere" };

	ck_assert_int_eq(connect_within(&address, 1000, &report), -EHOSTUNREACH);
	ck_assert_ptr_nonnull(strstr(report.sentence, "nowhere"));
}
END_TEST

START_TEST(connections_stay_away_from_closed_stdio)
{
	struct rf_report report = { 0 };
	struct rf_address address = { .scheme = RF_SCHEME_TCP, .name = "127.0.0.1" };
	int listener = listen_on_loopback(&address.port);
	int saved = dup(0);
	int fd;

	close(0);
	fd = connect_within(&address, 5000, &report);
	ck_assert_int_eq(fcntl(0, F_GETFD), -1);
	dup2(saved, 0);
	ck_assert_int_gt(fd, 2);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(saved);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(no_options_are_the_defaults)
{
	struct rf_report report = { 0 };
	struct rf_options result;

	ck_assert_int_eq(rf_options_check(&result, NULL, &report), 0);
	ck_assert_uint_eq(result.flags, 0);
	ck_assert_ptr_null(result.key_file);
	ck_assert_int_gt(result.deadline_ns, rf_io_now_ns() + INT64_C(29000000000));
}
END_TEST

static int check(const struct rfork_options *options)
{
	struct rf_report report = { 0 };
	struct rf_options result;
	int error = rf_options_check(&result, options, &report);

	ck_assert_int_eq(report.error, -error);
	return error;
}

START_TEST(wrong_options_are_refused)
{
	struct rfork_options options = { .size = sizeof(options) };

	ck_assert_int_eq(check(&options), 0);
	options.flags = UINT64_C(1) << 40;
	ck_assert_int_eq(check(&options), -EINVAL);
	options.flags = 0;
	options.timeout_ms = -2;
	ck_assert_int_eq(check(&options), -EINVAL);
	options.timeout_ms = -1;
	ck_assert_int_eq(check(&options), 0);
	options.compression = 4;
	ck_assert_int_eq(check(&options), -EINVAL);
	options.compression = RFORK_COMPRESS_AUTO;
	ck_assert_int_eq(check(&options), 0);
}
END_TEST

START_TEST(options_of_other_versions_are_taken_as_far_as_known)
{
	struct {
		struct rfork_options known;
		uint64_t later;
	} options = { .known = { .size = sizeof(options) } };

	ck_assert_int_eq(check(&options.known), 0);
	options.later = 1;
	ck_assert_int_eq(check(&options.known), -E2BIG);
	options.known.size = offsetof(struct rfork_options, timeout_ms);
	options.known.timeout_ms = -7; /* beyond an older struct */
	ck_assert_int_eq(check(&options.known), 0);
	options.known.size = 3;
	ck_assert_int_eq(check(&options.known), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transport");
	TCase *tcase = tcase_create("arguments");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, host_strings_are_understood, 0,
			    sizeof(good_hosts) / sizeof(good_hosts[0]));
	tcase_add_loop_test(tcase, malformed_host_strings_are_refused, 0,
			    sizeof(bad_hosts) / sizeof(bad_hosts[0]));
	tcase_add_test(tcase, overlong_host_is_refused);
	tcase_add_test(tcase, schemes_of_later_versions_say_so);
	tcase_add_test(tcase, other_machines_need_the_flag);
	tcase_add_loop_test(tcase, localhost_needs_no_resolver, 0,
			    sizeof(names_of_loopback) / sizeof(names_of_loopback[0]));
	tcase_add_test(tcase, unknown_names_are_unreachable);
	tcase_add_test(tcase, connections_stay_away_from_closed_stdio);
	tcase_add_test(tcase, no_options_are_the_defaults);
	tcase_add_test(tcase, wrong_options_are_refused);
	tcase_add_test(tcase, options_of_other_versions_are_taken_as_far_as_known);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
