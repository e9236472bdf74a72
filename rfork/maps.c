/* SPDX-License-Identifier: MIT */
/*
 * Reads /proc/self/maps into fixed memory.  Called in the frozen ghost, by the
 * facts of a machine and by the shell; must not allocate or touch errno.
 *
 * The buffer is shared by both ends: the text is read to its upper part, the
 * entries grow from its start.  A line of text is at least 49 bytes and shorter
 * than an entry, so the text is placed at a fixed share of the buffer.
 */
#define _GNU_SOURCE
#include "rfork/maps.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "rfork/image_format.h"
#include "rfork/report.h"
#include "rfork/sys.h"

struct cursor {
	char *next;
	char *end; /* of the line */
	bool bad;
};

static uint64_t take_number(struct cursor *cursor, unsigned base, char terminator)
{
	uint64_t value = 0;
	char *start = cursor->next;

	for (; cursor->next < cursor->end; cursor->next++) {
		char c = *cursor->next;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			break;
		if (digit >= base)
			break;
		value = value * base + digit;
	}
	if (cursor->next == start || cursor->next >= cursor->end || *cursor->next != terminator)
		cursor->bad = true;
	else
		cursor->next++;
	return value;
}

static void take_protection(struct cursor *cursor, struct rf_map *map)
{
	if (cursor->end - cursor->next < 5) {
		cursor->bad = true;
		return;
	}
	map->protection = (cursor->next[0] == 'r' ? RF_PROTECTION_READ : 0) |
			  (cursor->next[1] == 'w' ? RF_PROTECTION_WRITE : 0) |
			  (cursor->next[2] == 'x' ? RF_PROTECTION_EXECUTE : 0);
	map->shared = cursor->next[3] == 's';
	cursor->next += 5;
}

/* The kernel writes a newline in a path as \012, and nothing else escaped. */
static void unescape(char *path)
{
	char *to = path;

	for (char *from = path; *from; to++) {
		if (strncmp(from, "\\012", 4) == 0) {
			*to = '\n';
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool starts_with(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

static void classify(struct rf_map *map, char *name)
{
	static const char deleted[] = " (deleted)";
	size_t length;

	map->path = "";
	if (!*name || strcmp(name, "[heap]") == 0 || starts_with(name, "[anon")) {
		map->kind = RF_MAP_ANONYMOUS;
	} else if (starts_with(name, "[stack")) {
		map->kind = RF_MAP_STACK;
	} else if (strcmp(name, "[vdso]") == 0) {
		map->kind = RF_MAP_VDSO;
	} else if (starts_with(name, "[vvar")) {
		map->kind = RF_MAP_VVAR;
	} else if (name[0] == '[') {
		map->kind = RF_MAP_KERNEL;
	} else {
		map->kind = RF_MAP_FILE;
		length = strlen(name);
		if (length >= sizeof(deleted) &&
		    strcmp(name + length - (sizeof(deleted) - 1), deleted) == 0) {
			map->deleted = true;
			name[length - (sizeof(deleted) - 1)] = '\0';
		}
		unescape(name);
		map->path = name;
	}
}

static int parse_line(struct rf_map *map, char *line, char *end)
{
	struct cursor cursor = { .next = line, .end = end };
	unsigned major, minor;

	memset(map, 0, sizeof(*map));
	*end = ' '; /* a terminator for a line without a name */
	cursor.end = end + 1;
	map->start = take_number(&cursor, 16, '-');
	map->end = take_number(&cursor, 16, ' ');
	take_protection(&cursor, map);
	map->file_offset = take_number(&cursor, 16, ' ');
	major = (unsigned)take_number(&cursor, 16, ':');
	minor = (unsigned)take_number(&cursor, 16, ' ');
	map->device = makedev(major, minor);
	map->inode = take_number(&cursor, 10, ' ');
	if (cursor.bad || map->end <= map->start)
		return -EPROTO;
	*end = '\0';
	while (cursor.next < end && *cursor.next == ' ')
		cursor.next++;
	classify(map, cursor.next < end ? cursor.next : end);
	return 0;
}

int rf_maps_parse(struct rf_maps *maps, char *text, size_t text_bytes, struct rf_map *entries,
		  size_t capacity)
{
	char *limit = text + text_bytes;

	maps->entries = entries;
	maps->count = 0;
	while (text < limit) {
		char *end = memchr(text, '\n', (size_t)(limit - text));
		int error;

		if (!end)
			return -EPROTO;
		if (maps->count == capacity)
			return -ENOBUFS;
		error = parse_line(&entries[maps->count], text, end);
		if (error < 0)
			return error;
		maps->count++;
		text = end + 1;
	}
	return 0;
}

static long read_text(const char *path, char *text, size_t bytes)
{
	size_t used = 0;
	long got;
	int fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	while ((got = rf_sys_read(fd, text + used, bytes - used)) > 0)
		used += (size_t)got;
	rf_sys_close(fd);
	if (got < 0)
		return got;
	return used == bytes ? -ENOBUFS : (long)used;
}

long rf_maps_read_text(char *text, size_t bytes)
{
	return read_text("/proc/self/maps", text, bytes);
}

long rf_maps_read_text_of(pid_t pid, char *text, size_t bytes)
{
	char path[32];

	rf_format(path, sizeof(path), "/proc/%d/maps", (int)pid);
	return read_text(path, text, bytes);
}

int rf_maps_read(struct rf_maps *maps, void *buffer, size_t bytes)
{
	size_t entry_bytes = bytes / 2 / sizeof(struct rf_map) * sizeof(struct rf_map);
	char *text = (char *)buffer + entry_bytes;
	long text_bytes = rf_maps_read_text(text, bytes - entry_bytes);

	if (text_bytes < 0)
		return (int)text_bytes;
	return rf_maps_parse(maps, text, (size_t)text_bytes, buffer,
			     entry_bytes / sizeof(struct rf_map));
}

/* -- what becomes of them --------------------------------------------------------------------- */

bool rf_map_is_shared_memory(const struct rf_map *map)
{
	return map->deleted &&
	       (strcmp(map->path, "/dev/zero") == 0 || starts_with(map->path, "/memfd:") ||
		starts_with(map->path, "/SYSV") || starts_with(map->path, "/anon_hugepage"));
}

bool rf_map_stays_shared(const struct rf_map *map)
{
	if (!map->shared)
		return false;
	if (map->kind == RF_MAP_ANONYMOUS) /* shared without a path: it was given a name */
		return true;
	return map->kind == RF_MAP_FILE && rf_map_is_shared_memory(map) &&
	       !starts_with(map->path, "/memfd:");
}

/* The device that all shared memory of ordinary pages is on; 0 = not known. */
static uint64_t shared_memory_device(void)
{
	struct stat status = { 0 };
	long fd = rf_syscall(SYS_memfd_create, "rfork", MFD_CLOEXEC);

	if (fd < 0)
		return 0;
	rf_sys_fstat((int)fd, &status);
	rf_sys_close((int)fd);
	return status.st_dev;
}

enum rf_page_source rf_map_shared_source(const struct rf_map *map)
{
	/* Huge pages show neither in a fork child's page table nor to mincore(2). */
	bool is_huge = starts_with(map->path, "/anon_hugepage") ||
		       ((starts_with(map->path, "/SYSV") || starts_with(map->path, "/memfd:")) &&
			map->device != shared_memory_device());

	return is_huge ? RF_SOURCE_CONTENTS : RF_SOURCE_SHARED;
}

bool rf_map_is_at(const struct rf_map *map, const struct stat *status)
{
	return !map->deleted && status->st_ino == map->inode && status->st_dev == map->device;
}

struct rf_map_plan rf_map_plan(const struct rf_map *map, const struct stat *status,
			       bool by_reference)
{
	bool written_through = map->shared && map->protection & RF_PROTECTION_WRITE;

	/* of private huge pages the page table tells, as of others */
	if (!map->shared && rf_map_is_shared_memory(map) &&
	    starts_with(map->path, "/anon_hugepage"))
		return (struct rf_map_plan){ .source = RF_SOURCE_PRIVATE };
	if (rf_map_is_shared_memory(map))
		return (struct rf_map_plan){
			.source = map->shared ? rf_map_shared_source(map) : RF_SOURCE_CONTENTS,
		};
	/* files by which devices and buffers of devices are mapped */
	if (starts_with(map->path, "/sys/") || starts_with(map->path, "/dmabuf:"))
		return (struct rf_map_plan){ .refusal = "the memory of a device" };
	if (starts_with(map->path, "anon_inode:"))
		return (struct rf_map_plan){ .refusal = "the memory of a kernel object" };
	if (map->deleted && strcmp(map->path, "/[aio]") == 0)
		return (struct rf_map_plan){ .refusal = "asynchronous I/O of io_setup(2)" };
	if (map->deleted && strcmp(map->path, "/secretmem") == 0)
		return (struct rf_map_plan){ .refusal = "secret memory" };
	/* private: ordinary memory */
	if (status && S_ISCHR(status->st_mode) && strcmp(map->path, "/dev/zero") == 0)
		return (struct rf_map_plan){ .source = map->shared ? RF_SOURCE_SHARED
								   : RF_SOURCE_PRIVATE };
	if (status && !S_ISREG(status->st_mode))
		return (struct rf_map_plan){ .refusal = "the memory of a device" };
	if (status && by_reference)
		return (struct rf_map_plan){
			.source = map->shared ? RF_SOURCE_NONE : RF_SOURCE_PRIVATE,
			.is_reference = true,
		};
	if (written_through)
		return (struct rf_map_plan){
			.refusal = status ? "a shared writable file travels only by reference"
					  : "a shared writable file without a path",
		};
	return (struct rf_map_plan){ .source = RF_SOURCE_CONTENTS };
}
