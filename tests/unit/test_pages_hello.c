/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rdma/pages_hello.c: only who has the token makes a page connection, and each one
 * once.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rdma/pages.h"

static struct rf_pages_order order;
static enum pages_connection states[RF_ROAD_MAX_CONNECTIONS];
static struct {
	struct rf_road_hello hello;
	char padding[8]; /* as the connection manager adds */
} request;

static void set_up(void)
{
	memset(states, 0, sizeof(states));
	memset(&request, 0, sizeof(request));
	order = (struct rf_pages_order){ .connections = 4 };
	for (size_t i = 0; i < sizeof(order.token); i++)
		order.token[i] = (uint8_t)(200 - i);
	memcpy(request.hello.magic, RF_ROAD_MAGIC, sizeof(request.hello.magic));
	memcpy(request.hello.token, order.token, sizeof(order.token));
	request.hello.index = 3;
}

static int check(void)
{
	return pages_check_hello(&request, sizeof(request), &order, states);
}

START_TEST(right_hello_is_known)
{
	ck_assert_int_eq(check(), 3);
	request.hello.index = 0;
	ck_assert_int_eq(check(), 0);
	ck_assert_int_eq(pages_check_hello(&request, sizeof(request.hello), &order, states), 0);
}
END_TEST

START_TEST(every_bit_of_the_hello_counts)
{
	for (size_t bit = 0; bit < 8 * sizeof(request.hello); bit++) {
		size_t byte = bit / 8;

		/* other indexes are those of others */
		if (byte >= offsetof(struct rf_road_hello, index) &&
		    byte < offsetof(struct rf_road_hello, reserved))
			continue;
		((uint8_t *)&request)[byte] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(check(), -1);
		((uint8_t *)&request)[byte] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(check(), 3);
}
END_TEST

START_TEST(short_and_missing_hellos_are_refused)
{
	ck_assert_int_eq(pages_check_hello(NULL, 0, &order, states), -1);
	ck_assert_int_eq(pages_check_hello(NULL, 56, &order, states), -1);
	for (size_t bytes = 0; bytes < sizeof(request.hello); bytes++)
		ck_assert_int_eq(pages_check_hello(&request, bytes, &order, states), -1);
}
END_TEST

START_TEST(each_connection_is_made_once)
{
	states[3] = PAGES_ACCEPTED;
	ck_assert_int_eq(check(), -1);
	states[3] = PAGES_STANDING;
	ck_assert_int_eq(check(), -1);
	states[3] = PAGES_UNUSED;
	ck_assert_int_eq(check(), 3);
}
END_TEST

START_TEST(no_other_connections_are_made)
{
	request.hello.index = 4;
	ck_assert_int_eq(check(), -1);
	request.hello.index = UINT32_MAX;
	ck_assert_int_eq(check(), -1);
	order.connections = UINT32_MAX;
	request.hello.index = RF_ROAD_MAX_CONNECTIONS;
	ck_assert_int_eq(check(), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pages_hello");
	TCase *tcase = tcase_create("hello");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, right_hello_is_known);
	tcase_add_test(tcase, every_bit_of_the_hello_counts);
	tcase_add_test(tcase, short_and_missing_hellos_are_refused);
	tcase_add_test(tcase, each_connection_is_made_once);
	tcase_add_test(tcase, no_other_connections_are_made);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
