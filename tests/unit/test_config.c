/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of server/config.c: the command line of rfork-server, and where it may listen.
 */
#define _GNU_SOURCE
#include "server/config.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork.h"

static struct rf_config config;
static struct rf_report report;

static void set_up(void)
{
	memset(&config, 0, sizeof(config));
	memset(&report, 0, sizeof(report));
}

static int parse(const char *const arguments[])
{
	char *argv[16] = { (char *)"rfork-server" };
	int argc = 1;

	for (; arguments[argc - 1]; argc++)
		argv[argc] = (char *)arguments[argc - 1];
	return rf_config_parse(&config, argc, argv, &report);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static unsigned port_of(size_t i)
{
	const void *address = &config.listen[i].address;

	if (config.listen[i].address.any.sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
}

START_TEST(default_is_loopback_only)
{
	ck_assert_int_eq(PARSE(), 0);
	ck_assert_uint_eq(config.listen_count, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(!rf_config_beyond_loopback(&config.listen[i].address.any));
		ck_assert_uint_eq(port_of(i), RFORK_DEFAULT_PORT);
	}
	ck_assert(!config.listen[0].optional);
	ck_assert(config.listen[1].optional);
	ck_assert_uint_eq(config.max_children, RF_CHILDREN_DEFAULT);
	ck_assert_uint_eq(config.dead_after_s, RF_DEAD_AFTER_DEFAULT_S);
	ck_assert(!config.daemon && !config.user && !config.port_file[0] && !config.key_file[0]);
}
END_TEST

START_TEST(activated_server_has_no_default_address)
{
	config.activated = true;
	ck_assert_int_eq(PARSE(), 0);
	ck_assert_uint_eq(config.listen_count, 0);
}
END_TEST

START_TEST(addresses_have_ports_brackets_and_paths)
{
	ck_assert_int_eq(PARSE("--listen", "127.0.0.1:0", "--listen", "[::1]:4711", "--listen",
			       "127.0.0.2", "--listen=unix:/run/rfork"),
			 0);
	ck_assert_uint_eq(config.listen_count, 4);
	ck_assert_uint_eq(port_of(0), 0);
	ck_assert_uint_eq(port_of(1), 4711);
	ck_assert_uint_eq(port_of(2), RFORK_DEFAULT_PORT);
	ck_assert_str_eq(config.listen[3].address.local.sun_path, "/run/rfork");
}
END_TEST

START_TEST(malformed_addresses_are_refused)
{
	static const char *const texts[] = { "",
					     ":1",
					     "127.0.0.1:",
					     "127.0.0.1:x",
					     "127.0.0.1:65536",
					     "127.0.0.1:-1",
					     "::1",
					     "::1:5",
					     "[::1",
					     "[::1]5",
					     "[]:5",
					     "unix:",
					     "127.0.0.1: 5",
					     "no such host" };
	struct rf_listen_address address;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		memset(&report, 0, sizeof(report));
		ck_assert_msg(rf_config_parse_address(&address, texts[i], &report) == -EINVAL, "%s",
			      texts[i]);
		ck_assert_int_eq(report.error, EINVAL);
	}
}
END_TEST

START_TEST(loopback_is_told_from_the_world)
{
	static const struct {
		const char *text;
		bool beyond;
	} cases[] = { { "127.0.0.1:1", false }, { "127.1.2.3:1", false },
		      { "[::1]:1", false },	{ "[::ffff:127.0.0.1]:1", false },
		      { "unix:/x", false },	{ "0.0.0.0:1", true },
		      { "[::]:1", true },	{ "[::ffff:10.0.0.1]:1", true },
		      { "10.0.0.1:1", true },	{ "*:1", true } };
	struct rf_listen_address address;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(rf_config_parse_address(&address, cases[i].text, &report), 0);
		ck_assert_msg(rf_config_beyond_loopback(&address.address.any) == cases[i].beyond,
			      "%s", cases[i].text);
	}
}
END_TEST

START_TEST(plaintext_beyond_loopback_must_be_asked_for)
{
	ck_assert_int_eq(PARSE("--listen", "0.0.0.0:0"), -EPERM);
	ck_assert_ptr_nonnull(strstr(report.sentence, "--insecure-plaintext"));
	set_up();
	ck_assert_int_eq(PARSE("--listen", "0.0.0.0:0", "--insecure-plaintext", "--user", "x"), 0);
}
END_TEST

START_TEST(root_beyond_loopback_must_name_a_user)
{
	struct rf_listen_address address;

	ck_assert_int_eq(rf_config_parse_address(&address, "10.0.0.1:0", &report), 0);
	config.insecure_plaintext = true;
	ck_assert_int_eq(rf_config_allow_address(&config, &address.address.any, 1000, &report), 0);
	ck_assert_int_eq(rf_config_allow_address(&config, &address.address.any, 0, &report),
			 -EPERM);
	ck_assert_ptr_nonnull(strstr(report.sentence, "--user"));
}
END_TEST

START_TEST(paths_are_kept_absolute)
{
	char folder[PATH_MAX], expected[PATH_MAX + 8];

	ck_assert_ptr_nonnull(getcwd(folder, sizeof(folder)));
	ck_assert_int_eq(PARSE("--key-file", "key", "--port-file", "/run/port"), 0);
	rf_format(expected, sizeof(expected), "%s/key", folder);
	ck_assert_str_eq(config.key_file, expected);
	ck_assert_str_eq(config.port_file, "/run/port");
}
END_TEST

START_TEST(numbers_have_limits)
{
	static const char *const texts[] = {
		"0", "-1", "+1", " 1", "1x", "", "99999999999999999999"
	};

	ck_assert_int_eq(PARSE("--max-children", "7", "--dead-after", "3"), 0);
	ck_assert_uint_eq(config.max_children, 7);
	ck_assert_uint_eq(config.dead_after_s, 3);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		set_up();
		ck_assert_int_eq(PARSE("--max-children", texts[i]), -EINVAL);
		ck_assert_ptr_nonnull(strstr(report.sentence, "--max-children"));
	}
}
END_TEST

START_TEST(arguments_and_too_many_addresses_are_refused)
{
	struct rf_report second = { 0 };
	char *argv[2 * RF_LISTEN_MAX + 4] = { (char *)"rfork-server" };
	int argc = 1;

	ck_assert_int_eq(PARSE("stray"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(report.sentence, "stray"));
	for (int i = 0; i <= RF_LISTEN_MAX; i++) {
		argv[argc++] = (char *)"--listen";
		argv[argc++] = (char *)"127.0.0.1:0";
	}
	ck_assert_int_eq(rf_config_parse(&config, argc, argv, &second), -EINVAL);
	ck_assert_ptr_nonnull(strstr(second.sentence, "16"));
}
END_TEST

START_TEST(rdma_is_chosen_or_left_alone)
{
	char name[80];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(PARSE("--rdma-device", "mlx5_0"), 0);
	ck_assert_str_eq(config.rdma_device, "mlx5_0");
	ck_assert(!config.no_rdma);
	set_up();
	ck_assert_int_eq(PARSE("--no-rdma"), 0);
	ck_assert(config.no_rdma);
	ck_assert_int_eq(PARSE("--rdma-device", "rxe0", "--no-rdma"), -EINVAL);
	set_up();
	ck_assert_int_eq(PARSE("--rdma-device", ""), -EINVAL);
	set_up();
	ck_assert_int_eq(PARSE("--rdma-device", "../rxe0"), -EINVAL);
	set_up();
	ck_assert_int_eq(PARSE("--rdma-device", name), -EINVAL);
	ck_assert_ptr_nonnull(strstr(report.sentence, "RDMA device"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, default_is_loopback_only);
	tcase_add_test(tcase, rdma_is_chosen_or_left_alone);
	tcase_add_test(tcase, activated_server_has_no_default_address);
	tcase_add_test(tcase, addresses_have_ports_brackets_and_paths);
	tcase_add_test(tcase, malformed_addresses_are_refused);
	tcase_add_test(tcase, loopback_is_told_from_the_world);
	tcase_add_test(tcase, plaintext_beyond_loopback_must_be_asked_for);
	tcase_add_test(tcase, root_beyond_loopback_must_name_a_user);
	tcase_add_test(tcase, paths_are_kept_absolute);
	tcase_add_test(tcase, numbers_have_limits);
	tcase_add_test(tcase, arguments_and_too_many_addresses_are_refused);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
