/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the processes of a script see is the same with rfork() as with fork(), for random
 * scripts of pipes, FIFOs, sockets, files, signals, stops and ends, with children on two nodes and
 * children of children.  README.md says how to replay one.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/model/generator.h"
#include "tests/model/stage.h"

#define SCRIPTS 150
#define FIRST_SEED 1	   /* the same scripts for everybody, unless asked otherwise */
#define CHECK_MS 20000	   /* a loaded machine plays fewer */
#define SCRIPT_LIMIT_S 100 /* for one script, shrinking not included */
#define PLAY_MS 20000
#define SHRINK_PLAY_MS 6000
#define SHRINK_PLAYS 3 /* a smaller script that fails in one of them fails */
#define SHRINK_LIMIT_S 1200

static struct node nodes[ACTOR_NODES];
static struct script script;
static struct stage_play with_fork, with_rfork;

static bool play_both(const struct generator_order *order, int limit_ms)
{
	generator_make(&script, order);
	stage_play(&with_fork, &script, NULL, limit_ms);
	stage_play(&with_rfork, &script, nodes, limit_ms);
	return stage_agrees(&with_fork, &with_rfork);
}

/* A script that is not the same twice with fork() would say nothing. */
static void expect_determinism(const struct generator_order *order)
{
	generator_make(&script, order);
	stage_play(&with_fork, &script, NULL, PLAY_MS);
	stage_play(&with_rfork, &script, NULL, PLAY_MS);
	if (stage_agrees(&with_fork, &with_rfork))
		return;
	script_print(&script, 2);
	stage_print(&with_fork, &with_rfork, 2);
	test_fail(__FILE__, __LINE__, "seed %#" PRIx64 " differs from itself with fork()",
		  order->seed);
}

static bool fails(const struct generator_order *order)
{
	for (int i = 0; i < SHRINK_PLAYS; i++)
		if (!play_both(order, SHRINK_PLAY_MS))
			return true;
	return false;
}

/* Leaves out one choice after the other, as long as it goes on failing. */
static struct generator_order shrink(struct generator_order order)
{
	alarm(SHRINK_LIMIT_S);
	for (unsigned i = order.choices; i-- > 0;) {
		struct generator_order smaller = order;

		smaller.without |= UINT64_C(1) << i;
		if (fails(&smaller))
			order = smaller;
	}
	return order;
}

static void show(const char *what, const struct generator_order *order)
{
	dprintf(2, "%s, RFORK_TEST_SEED=%#" PRIx64 ":\n", what, order->seed);
	script_print(&script, 2);
	stage_print(&with_fork, &with_rfork, 2);
}

static void play_seed(uint64_t seed)
{
	struct generator_order order = generator_order(seed), smaller;

	alarm(SCRIPT_LIMIT_S);
	if (play_both(&order, PLAY_MS))
		return;
	show("fork and rfork differ", &order);
	smaller = shrink(order);
	if (fails(&smaller))
		show("a smaller script that differs", &smaller);
	else
		dprintf(2, "it did not differ again\n");
	test_fail(__FILE__, __LINE__, "the scripts do not agree: RFORK_TEST_SEED=%#" PRIx64, seed);
}

static unsigned number_from(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

int main(void)
{
	bool is_replay = getenv("RFORK_TEST_SEED") != NULL;
	bool is_long = getenv("RFORK_TEST_SCRIPTS") != NULL;
	unsigned scripts = number_from("RFORK_TEST_SCRIPTS", is_replay ? 1 : SCRIPTS);
	int64_t start_ms = test_now_ms();
	unsigned played = 0;
	uint64_t seed;

	test_begin();
	seed = is_long || is_replay ? test_seed() : FIRST_SEED;
	for (unsigned i = 0; i < ACTOR_NODES; i++)
		node_start(&nodes[i], NULL);
	for (; played < scripts && (is_long || test_now_ms() - start_ms < CHECK_MS); played++) {
		struct generator_order order = generator_order(seed + played);

		if (played % 10 == 0)
			expect_determinism(&order);
		play_seed(seed + played);
	}
	dprintf(2, "%u scripts agree, seeds from %#" PRIx64 " on\n", played, seed);
	for (unsigned i = 0; i < ACTOR_NODES; i++)
		node_stop(&nodes[i]);
	return test_end();
}
