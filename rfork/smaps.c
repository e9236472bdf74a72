/* SPDX-License-Identifier: MIT */
/*
 * Reads /proc/PID/smaps piece by piece: it has a kilobyte for each mapping.  Called in the frozen
 * ghost, in holders, and by undump.
 */
#define _GNU_SOURCE
#include "rfork/smaps.h"

#include <string.h>

#include "rfork/image_format.h"
#include "rfork/lines.h"

/* Linux, Documentation/filesystems/proc.rst. */
static const struct {
	char name[3];
	uint32_t flag;
} names[] = {
	{ "lo", RF_MAPPING_LOCKED },	{ "wf", RF_MAPPING_WIPEONFORK },
	{ "dd", RF_MAPPING_DONTDUMP },	{ "dc", RF_MAPPING_DONTFORK },
	{ "hg", RF_MAPPING_HUGEPAGE },	{ "nh", RF_MAPPING_NOHUGEPAGE },
	{ "mg", RF_MAPPING_MERGEABLE }, { "sl", RF_MAPPING_SEALED },
	{ "rr", RF_MAPPING_RANDOM },	{ "sr", RF_MAPPING_SEQUENTIAL },
	{ "lf", RF_MAPPING_ONFAULT },	{ "dp", RF_MAPPING_DROPPABLE },
};

struct reading {
	struct rf_smaps_mapping mapping; /* of which lines come */
	rf_smaps_visit visit;
	void *context;
};

/* "VmFlags: rd wr mr mw me ac " */
static uint32_t take_flags(const char *line)
{
	uint32_t flags = 0;

	for (const char *next = strchr(line, ' '); next && next[1] && next[2];
	     next = strchr(next + 1, ' '))
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (next[1] == names[i].name[0] && next[2] == names[i].name[1])
				flags |= names[i].flag;
	return flags;
}

static const char *take_hex(const char *next, uint64_t *value)
{
	for (*value = 0;; next++) {
		if (*next >= '0' && *next <= '9')
			*value = *value << 4 | (uint64_t)(*next - '0');
		else if (*next >= 'a' && *next <= 'f')
			*value = *value << 4 | (uint64_t)(*next - 'a' + 10);
		else
			return next;
	}
}

static uint32_t take_number(const char *next)
{
	uint32_t value = 0;

	while (*next == ' ')
		next++;
	for (; *next >= '0' && *next <= '9'; next++)
		value = value * 10 + (uint32_t)(*next - '0');
	return value;
}

/* Of two dozen lines for each mapping most differ in their first letter. */
static bool has_label(const char *line, const char *label)
{
	while (*label && *line == *label) {
		line++;
		label++;
	}
	return !*label;
}

/* A mapping begins with its address, all other lines with the name of what they tell; the flags
 * come last. */
static int take_line(void *context, const char *line)
{
	struct reading *reading = context;
	struct rf_smaps_mapping *mapping = &reading->mapping;
	static const char key_label[] = "ProtectionKey:";
	const char *next;

	if (*line >= 'A' && *line <= 'Z') {
		if (has_label(line, key_label))
			mapping->key = take_number(line + sizeof(key_label) - 1);
		if (!has_label(line, "VmFlags:"))
			return 0;
		mapping->flags = take_flags(line);
		reading->visit(reading->context, mapping);
		return 0;
	}
	mapping->key = 0;
	next = take_hex(line, &mapping->start);
	if (*next == '-')
		take_hex(next + 1, &mapping->end);
	return 0;
}

int rf_smaps_read(int fd, rf_smaps_visit visit, void *context)
{
	struct reading reading = { .visit = visit, .context = context };

	return rf_lines_read(fd, take_line, &reading);
}
