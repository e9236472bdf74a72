/* SPDX-License-Identifier: MIT */
/*
 * Claim: each kind of state travels by each way that rows say, as it does with fork(2); and it is
 * the test that tells: when the kind is left out of the image (RFORK_TEST_DROP), its row fails.
 *
 * With RFORK_TEST_MATRIX=1 each kind is left out of each row, and only its own may fail, and those
 * that say that they need it; of the others each pair goes one of the ways, in turn, and with
 * RFORK_TEST_MATRIX=all every one.  With arguments, each_kind_travels KIND [WAY [DROPPED-KIND]], one
 * row goes all its ways, or one; with KIND `all` each row goes one way; each_kind_travels list shows
 * the ways of all, as doc/state.md has them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rfork/drop.h"
#include "tests/state/ways.h"
#include "tests/support/checkpoint.h"

static const struct state_row *const groups[] = {
	state_process_rows, state_signal_rows,	   state_thread_rows,
	state_memory_rows,  state_descriptor_rows, state_object_rows,
	state_attribute_rows,
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static struct node node;
static unsigned runs, skipped, wrong;

/* -- for the rows ------------------------------------------------------------------------------ */

static char file_path[128];

const char *state_file(void)
{
	return file_path;
}

static void make_file(void)
{
	int fd;

	snprintf(file_path, sizeof(file_path), "%s", checkpoint_path("file"));
	fd = CHECK_CALL(open(file_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	test_write(fd, STATE_FILE_TEXT, strlen(STATE_FILE_TEXT));
	close(fd);
}

/* Finds the line that begins so in a file of /proc; without stdio's buffers, which are memory. */
static char *find_line(const char *path, const char *name)
{
	static char text[262144];
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	char *line;

	text[test_read(fd, text, sizeof(text) - 1)] = '\0';
	close(fd);
	line = strncmp(text, name, strlen(name)) == 0 ? text : strstr(text, name);
	return line;
}

const char *state_permissions(const void *address)
{
	static char permissions[5];
	char *line = find_line("/proc/self/maps", "");

	while (*line) {
		uintptr_t start = strtoul(line, &line, 16), end = strtoul(line + 1, &line, 16);

		if ((uintptr_t)address >= start && (uintptr_t)address < end)
			return memcpy(permissions, line + 1, 4);
		line += strcspn(line, "\n") + 1;
	}
	return "none";
}

long state_status(const char *name, int base)
{
	char pattern[64];
	char *line;

	snprintf(pattern, sizeof(pattern), "\n%s:", name);
	line = find_line("/proc/self/status", pattern);
	CHECK(line);
	return strtol(line + strlen(pattern), NULL, base);
}

/* -- what must be ------------------------------------------------------------------------------ */

static bool needs(const struct state_row *row, const char *kind)
{
	if (strcmp(row->kind, kind) == 0)
		return true;
	for (size_t i = 0; i < sizeof(row->needs) / sizeof(row->needs[0]) && row->needs[i]; i++)
		if (strcmp(row->needs[i], kind) == 0)
			return true;
	return false;
}

/* Nothing at all runs without them. */
static bool is_basic(const char *kind)
{
	static const char *const basic[] = { "registers", "fs-base", "stack", "variables" };

	for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++)
		if (strcmp(basic[i], kind) == 0)
			return true;
	return false;
}

/* Whether a row must find its state, when a kind, or nothing, is left out. */
static enum state_result expect(const struct state_row *row, enum state_way way, const char *drop)
{
	if (!drop || way == STATE_FORK)
		return STATE_THERE;
	if (is_basic(drop))
		return STATE_MISSING;
	/* what is not in the image cannot be missed */
	return needs(row, drop) && !(row->unseen & (1u << way)) ? STATE_MISSING : STATE_THERE;
}

static const char *const words[] = { "is there", "is missing", "cannot be had" };

/* What the row has found by each way with all that there is. */
static enum state_result whole[STATE_WAYS];

/* What cannot be had with all is not asked for without some of it. */
static bool has_gone(enum state_way way)
{
	return whole[way] != STATE_SKIPPED;
}

static void try(const struct state_row *row, enum state_way way, const char *drop)
{
	enum state_result expected = expect(row, way, drop);
	enum state_result found = state_go(row, way, drop, &node, expected == STATE_THERE);

	runs++;
	skipped += found == STATE_SKIPPED;
	if (!drop)
		whole[way] = found;
	/* what there is must not be skipped for the lack of what is left out */
	if (found == expected || (found == STATE_SKIPPED && !has_gone(way)))
		return;
	wrong++;
	dprintf(2, "%s by %s%s%s: %s\n", row->kind,
		row->program ? row->program : state_way_name(way), drop ? " without " : "",
		drop ? drop : "", words[found]);
}

static void try_ways(const struct state_row *row, const char *drop)
{
	for (enum state_way way = STATE_FORK; way < STATE_WAYS; way++)
		if (row->ways & (1u << way) && (!drop || (way != STATE_FORK && has_gone(way))))
			try(row, way, drop);
}

/* One of the ways, for each turn another. */
static void try_turn(const struct state_row *row, const char *drop, size_t turn)
{
	enum state_way gone[STATE_WAYS];
	size_t count = 0;

	for (enum state_way way = STATE_FORK + 1; way < STATE_WAYS; way++)
		if (row->ways & (1u << way) && has_gone(way))
			gone[count++] = way;
	if (count)
		try(row, gone[turn % count], drop);
}

/* What is left out of which rows, and by which ways those go then. */
enum extent { OWN_KIND, ALL_KINDS, ALL_WAYS };

static void try_row(const struct state_row *row, size_t turn, enum extent extent)
{
	const char *drop;

	try_ways(row, NULL);
	for (size_t i = 0; (drop = rf_drop_name(i)); i++)
		if (strcmp(drop, row->kind) == 0 ||
		    (extent != OWN_KIND && (needs(row, drop) || extent == ALL_WAYS)))
			try_ways(row, drop);
		else if (extent != OWN_KIND)
			try_turn(row, drop, turn + i);
}

static void try_all(enum extent extent)
{
	size_t turn = 0;

	for (size_t group = 0; group < GROUPS; group++)
		for (const struct state_row *row = groups[group]; row->kind; row++)
			try_row(row, turn++, extent);
}

static enum extent find_extent(void)
{
	const char *matrix = getenv("RFORK_TEST_MATRIX");

	if (!matrix || !*matrix)
		return OWN_KIND;
	return strcmp(matrix, "all") == 0 ? ALL_WAYS : ALL_KINDS;
}

/* -- that the tables agree --------------------------------------------------------------------- */

static const struct state_row *find(const char *kind)
{
	for (size_t group = 0; group < GROUPS; group++)
		for (const struct state_row *row = groups[group]; row->kind; row++)
			if (strcmp(row->kind, kind) == 0)
				return row;
	return NULL;
}

static void check_tables(void)
{
	for (size_t i = 0; rf_drop_name(i); i++)
		if (!find(rf_drop_name(i))) {
			wrong++;
			dprintf(2, "%s can be dropped, and has no row\n", rf_drop_name(i));
		}
}

/* A name that is none lets no call succeed. */
static void check_misspelt(void)
{
	static const enum state_way ways[] = { STATE_RFORK, STATE_MOVE, STATE_RESTART, STATE_NODE };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		CHECK_EQUAL(state_go(find("umask"), ways[i], "umasks", &node, false),
			    STATE_MISSING);
}

static void list_row(const struct state_row *row)
{
	static const char letters[STATE_WAYS] = "frmxpn";

	dprintf(1, "%s:", row->kind);
	for (unsigned way = 0; way < STATE_WAYS; way++)
		if (row->ways & (1u << way))
			dprintf(1, row->unseen & (1u << way) ? " (%c)" : " %c", letters[way]);
	dprintf(1, "\n");
}

static int list(void)
{
	for (size_t group = 0; group < GROUPS; group++)
		for (const struct state_row *row = groups[group]; row->kind; row++)
			list_row(row);
	return 0;
}

/* By one way, as a whole: where the rest takes too long. */
static void try_way(enum state_way way)
{
	for (size_t group = 0; group < GROUPS; group++)
		for (const struct state_row *row = groups[group]; row->kind; row++)
			if (!row->program && row->ways & (1u << way))
				try(row, way, NULL);
}

/* A kind, its way, and what is left out; or the kind by all ways, with it and without. */
static void try_one(char **arguments)
{
	const struct state_row *row = find(arguments[0]);
	enum state_way way = arguments[1] ? state_way_find(arguments[1]) : STATE_FORK;
	bool is_all = strcmp(arguments[0], "all") == 0 && arguments[1];

	if ((!row && !is_all) || way == STATE_WAYS)
		test_skip("there is no kind %s, or no way %s", arguments[0], arguments[1]);
	if (is_all) {
		try_way(way);
		return;
	}
	if (!arguments[1]) {
		try_ways(row, NULL);
		try_ways(row, row->kind);
		return;
	}
	try(row, way, NULL);
	if (arguments[2])
		try(row, way, arguments[2]);
}

int main(int count, char **arguments)
{
	if (count == 2 && strcmp(arguments[1], "list") == 0)
		return list();
	test_begin();
	alarm(0); /* each run has a limit */
	make_file();
	node_start(&node, NULL);
	if (count > 1)
		try_one(arguments + 1);
	else {
		check_tables();
		check_misspelt();
		try_all(find_extent());
	}
	node_stop(&node);
	CHECK_CALL(unlink(file_path));
	checkpoint_clean(NULL, 0);
	dprintf(1, "%u runs, %u of them skipped, %u wrong\n", runs, skipped, wrong);
	CHECK_EQUAL(wrong, 0);
	return test_end();
}
