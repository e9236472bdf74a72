/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/ghost_peers.c: an address keeps its number, a number is never another's, and who was
 * not heard of for longest is forgotten first.
 */
#define _GNU_SOURCE
#include "rfork/ghost_peers.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct rf_ghost_peers peers;

static uint32_t number_of(unsigned port)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	memcpy(&address, &v4, sizeof(v4));
	return rf_ghost_peers_number(&peers, &address, sizeof(v4));
}

static unsigned port_of(uint32_t number)
{
	const struct rf_ghost_peer *peer = rf_ghost_peers_find(&peers, number);
	struct sockaddr_in v4;

	if (!peer)
		return 0;
	ck_assert_uint_eq(peer->address_bytes, sizeof(v4));
	memcpy(&v4, &peer->address, sizeof(v4));
	return ntohs(v4.sin_port);
}

START_TEST(address_keeps_its_number)
{
	uint32_t one = number_of(1), two = number_of(2);

	ck_assert_uint_ne(one, 0);
	ck_assert_uint_ne(one, two);
	ck_assert_uint_eq(number_of(1), one);
	ck_assert_uint_eq(port_of(one), 1);
	ck_assert_uint_eq(port_of(two), 2);
	ck_assert_uint_eq(port_of(0), 0);
	ck_assert_uint_eq(port_of(two + 1), 0);
	ck_assert_uint_eq(port_of(UINT32_MAX), 0);
}
END_TEST

START_TEST(oldest_is_forgotten_for_a_new_one)
{
	uint32_t first = number_of(1), second = number_of(2), late;

	for (unsigned port = 3; port <= RF_GHOST_PEERS_MAX; port++)
		number_of(port);
	ck_assert_uint_eq(port_of(first), 1); /* an answer counts, too */
	late = number_of(5000);
	ck_assert_uint_eq(port_of(first), 1);
	ck_assert_uint_eq(port_of(second), 0);
	ck_assert_uint_eq(port_of(late), 5000);
	ck_assert_uint_gt(number_of(2), late); /* a new number, for the old one may be under way */
}
END_TEST

START_TEST(who_has_no_name_has_no_number)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };

	ck_assert_uint_eq(rf_ghost_peers_number(&peers, &address, 0), 0);
	ck_assert_uint_eq(rf_ghost_peers_number(&peers, &address, sizeof(sa_family_t)), 0);
	ck_assert_uint_eq(rf_ghost_peers_number(&peers, &address, sizeof(address) + 1), 0);
	ck_assert_uint_ne(rf_ghost_peers_number(&peers, &address, sizeof(address)), 0);
}
END_TEST

START_TEST(numbers_end)
{
	peers.last_number = UINT32_MAX - 1;
	ck_assert_uint_eq(number_of(1), UINT32_MAX);
	ck_assert_uint_eq(number_of(2), 0);
	ck_assert_uint_eq(number_of(1), UINT32_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peers");
	TCase *tcase = tcase_create("peers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, address_keeps_its_number);
	tcase_add_test(tcase, oldest_is_forgotten_for_a_new_one);
	tcase_add_test(tcase, who_has_no_name_has_no_number);
	tcase_add_test(tcase, numbers_end);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
