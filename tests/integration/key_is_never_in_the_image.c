/* SPDX-License-Identifier: MIT */
/*
 * Claim: neither the key's bytes nor its hexadecimal text are anywhere in the child's memory.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

/* The test itself keeps the key turned around, so that it finds only copies by others. */
static unsigned char hidden_key[32], hidden_text[64];
static struct footprint maps;

static bool is_at(const unsigned char *at, const unsigned char *hidden, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] + hidden[i] != 0xff)
			return false;
	return true;
}

/* Where the key or its text is in a range, or NULL. */
static const void *find(uint64_t start, uint64_t end)
{
	const unsigned char *last = (const unsigned char *)end - 64;

	for (const unsigned char *at = (const unsigned char *)start; at <= last; at++)
		if (is_at(at, hidden_key, sizeof(hidden_key)) ||
		    is_at(at, hidden_text, sizeof(hidden_text)))
			return at;
	return NULL;
}

static bool is_ours(const struct footprint_map *map)
{
	if (map->permissions[0] != 'r' || !strncmp(map->name, "[v", 2))
		return false;
	return map->name[0] != '/' || map->permissions[1] == 'w';
}

static void scan_all(void)
{
	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++) {
		const struct footprint_map *map = &maps.maps[i];
		const void *at = is_ours(map) ? find(map->start, map->end) : NULL;

		if (at)
			test_fail(__FILE__, __LINE__, "the key is at %p in %s", at, map->name);
	}
}

/* The search itself must work, or the claim is worth nothing. */
static void check_search(void)
{
	unsigned char block[128] = { 0 };

	for (int i = 0; i < 32; i++)
		block[17 + i] = (unsigned char)~hidden_key[i];
	CHECK(find((uint64_t)block, (uint64_t)block + sizeof(block)) == block + 17);
	for (int i = 0; i < 64; i++)
		block[31 + i] = (unsigned char)~hidden_text[i];
	CHECK(find((uint64_t)block, (uint64_t)block + sizeof(block)) == block + 31);
}

static void hide_key(struct node *node)
{
	for (int i = 0; i < 32; i++)
		hidden_key[i] = (unsigned char)~node->key[i];
	for (int i = 0; i < 64; i++)
		hidden_text[i] = (unsigned char)~node->key_text[i];
	explicit_bzero(node->key, sizeof(node->key));
	explicit_bzero(node->key_text, sizeof(node->key_text));
}

__attribute__((noinline)) static void wipe_stack(void)
{
	unsigned char space[100000];

	explicit_bzero(space, sizeof(space));
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	hide_key(&node);
	wipe_stack();
	node_expect_service(&node); /* what an earlier call left would travel with the next */
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		scan_all();
		check_search();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}
