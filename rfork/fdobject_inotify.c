/* SPDX-License-Identifier: MIT */
/*
 * What the inotify(7) instances of a process watch.  Called by fdobject.c in the caller, or in
 * undump.
 *
 * The kernel tells the inode of what is watched, and a handle of it, but no path.  With privilege
 * the handle can be opened, which gives one.  Else it is looked for where the process itself shows
 * that it is at home: below its working directory and in those above, around what it has open and
 * mapped, and in whatever has been found so.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rfork/fdobject.h"
#include "rfork/io.h"
#include "rfork/sys.h"

#define HANDLE_BYTES 128u /* MAX_HANDLE_SZ */
#define PATH_BYTES (RF_IMAGE_MAX_PATH_BYTES + 1)
#define TEXT_BYTES ((size_t)1 << 20)
/* So many directories are searched, and so much of a path's folders is remembered. */
#define MAX_FOLDERS 1024u

/* struct file_handle with room. */
struct handle {
	uint32_t bytes;
	int32_t type;
	unsigned char data[HANDLE_BYTES];
};

/* Something watched whose path is not known yet, or is. */
struct wanted {
	struct rf_fdobject *object;
	struct rf_image_watched watched;
	uint64_t inode, device; /* device: as the kernel has it, not as stat(2) */
	struct handle handle;
	const char *path; /* NULL = not found */
};

struct search {
	struct rf_fdtable *table;
	struct rf_arena *arena;
	struct wanted *wanted;
	size_t count, missing;
	const char **folders; /* that have been or will be searched */
	size_t folder_count;
	const char *directory; /* the working directory, unless that is the root */
	char *text;	       /* TEXT_BYTES */
};

/* -- whether a path leads to it ---------------------------------------------------------------- */

static uint64_t encode_device(dev_t device)
{
	return (uint64_t)major(device) << 20 | minor(device);
}

static bool has_handle(const char *path, const struct handle *expected)
{
	struct handle found = { .bytes = HANDLE_BYTES };
	int mount;

	return expected->bytes &&
	       rf_syscall(SYS_name_to_handle_at, AT_FDCWD, path, &found, &mount, 0) == 0 &&
	       found.bytes == expected->bytes && found.type == expected->type &&
	       memcmp(found.data, expected->data, found.bytes) == 0;
}

/* Some file systems show other device numbers than the kernel has; then the handle decides. */
static bool leads_to(const char *path, const struct wanted *wanted, mode_t *mode)
{
	struct stat status;

	if (rf_syscall(SYS_newfstatat, AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    status.st_ino != wanted->inode)
		return false;
	*mode = status.st_mode;
	return encode_device(status.st_dev) == wanted->device || has_handle(path, &wanted->handle);
}

static const char *keep(struct search *search, const char *path)
{
	size_t bytes = strlen(path) + 1;
	char *kept = rf_arena_take(search->arena, bytes);

	return kept ? memcpy(kept, path, bytes) : NULL;
}

/* A folder that is yet to be searched, unless it is one of those already. */
static void add_folder(struct search *search, const char *path)
{
	for (size_t i = search->folder_count; i-- > 0;)
		if (strcmp(search->folders[i], path) == 0)
			return;
	if (search->folder_count < MAX_FOLDERS) {
		const char *kept = keep(search, path);

		if (kept)
			search->folders[search->folder_count++] = kept;
	}
}

/* Sees whether a path is that of anything wanted. */
static void try_path(struct search *search, const char *path)
{
	for (size_t i = 0; i < search->count && search->missing; i++) {
		struct wanted *wanted = &search->wanted[i];
		mode_t mode;

		if (wanted->path || !leads_to(path, wanted, &mode))
			continue;
		wanted->path = keep(search, path);
		if (!wanted->path)
			return;
		wanted->watched.mode = mode;
		wanted->watched.path_bytes = (uint32_t)strlen(path);
		search->missing--;
		if (S_ISDIR(mode))
			add_folder(search, path);
	}
}

/* -- by its handle ----------------------------------------------------------------------------- */

/* Undoes what mountinfo does to blanks: "\040". */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* The mount point of a line of mountinfo, if that is of the device: "36 35 98:0 /root /mnt ...". */
static char *find_mount(char *line, uint64_t device)
{
	char *next = line, *fields[5];

	for (unsigned i = 0; i < 5; i++) {
		fields[i] = next;
		next = strchr(next, ' ');
		if (!next)
			return NULL;
		*next++ = '\0';
	}
	next = strchr(fields[2], ':');
	if (!next || (strtoull(fields[2], NULL, 10) << 20 | strtoull(next + 1, NULL, 10)) != device)
		return NULL;
	unescape(fields[4]);
	return fields[4];
}

static void try_handle(struct search *search, const struct wanted *wanted, const char *mount)
{
	char link[48], path[PATH_BYTES];
	long length, fd;
	int mount_fd = rf_sys_open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	if (mount_fd < 0)
		return;
	fd = rf_syscall(SYS_open_by_handle_at, mount_fd, &wanted->handle, O_PATH | O_CLOEXEC);
	rf_sys_close(mount_fd);
	if (fd < 0)
		return;
	rf_format(link, sizeof(link), "/proc/self/fd/%d", (int)fd);
	length = rf_syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
	rf_sys_close((int)fd);
	if (length <= 0)
		return;
	path[length] = '\0';
	if (path[0] == '/')
		try_path(search, path);
}

static void open_handles(struct search *search)
{
	for (size_t i = 0; i < search->count && search->missing; i++) {
		const struct wanted *wanted = &search->wanted[i];
		char *next, *line;

		if (wanted->path ||
		    rf_io_read_file("/proc/self/mountinfo", search->text, TEXT_BYTES) < 0)
			continue;
		for (line = search->text; line && *line && !wanted->path; line = next) {
			const char *mount;

			next = strchr(line, '\n');
			if (next)
				*next++ = '\0';
			mount = find_mount(line, wanted->device);
			if (mount)
				try_handle(search, wanted, mount);
		}
	}
}

/* -- where the process is at home -------------------------------------------------------------- */

/* What is at a path, the folder that holds it, and those above. */
static void add_place(struct search *search, const char *place)
{
	char path[PATH_BYTES];

	if (place[0] != '/' || strlen(place) >= sizeof(path))
		return;
	strcpy(path, place);
	try_path(search, path);
	for (char *slash; (slash = strrchr(path, '/')) && search->missing;) {
		slash[slash == path] = '\0';
		try_path(search, path);
		add_folder(search, path);
		if (slash == path)
			break;
	}
}

static void add_directory(struct search *search)
{
	char link[48], path[PATH_BYTES];
	long length;

	rf_format(link, sizeof(link), "/proc/%d/cwd", (int)search->table->process);
	length = rf_syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
	if (length <= 0)
		return;
	path[length] = '\0';
	add_place(search, path);
	add_folder(search, path);
	search->directory = path[1] ? keep(search, path) : NULL;
}

static void add_mapped(struct search *search)
{
	char path[48], *next, *line;

	rf_format(path, sizeof(path), "/proc/%d/maps", (int)search->table->process);
	if (rf_io_read_file(path, search->text, TEXT_BYTES) < 0)
		return;
	for (line = search->text; line && *line && search->missing; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line = strchr(line, '/');
		if (line)
			add_place(search, line);
	}
}

static bool is_wanted(const struct search *search, uint64_t inode)
{
	for (size_t i = 0; i < search->count; i++)
		if (!search->wanted[i].path && search->wanted[i].inode == inode)
			return true;
	return false;
}

static bool is_below_directory(const struct search *search, const char *folder)
{
	return search->directory &&
	       strncmp(folder, search->directory, strlen(search->directory)) == 0;
}

/* What has a name in a folder: something wanted, or a folder to be searched, too. */
static void see_entry(struct search *search, const char *folder, const struct dirent64 *entry)
{
	bool is_folder = entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
			 is_below_directory(search, folder);
	char path[PATH_BYTES];

	if ((!is_folder && !is_wanted(search, entry->d_ino)) ||
	    strlen(folder) + strlen(entry->d_name) + 2 > sizeof(path))
		return;
	rf_format(path, sizeof(path), "%s/%s", folder[1] ? folder : "", entry->d_name);
	try_path(search, path);
	if (is_folder)
		add_folder(search, path);
}

static void search_folder(struct search *search, const char *folder)
{
	char buffer[8192] __attribute__((aligned(8)));
	int fd = rf_sys_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	long got = 0;

	while (fd >= 0 && search->missing &&
	       (got = rf_syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (struct dirent64 *)(buffer + at);

			see_entry(search, folder, entry);
			at += entry->d_reclen;
		}
	if (fd >= 0)
		rf_sys_close(fd);
}

/* What has been found adds to the list while it is gone through. */
static void look_around(struct search *search)
{
	add_directory(search);
	for (size_t i = 0; i < search->table->count && search->missing; i++)
		add_place(search, search->table->entries[i].path);
	if (search->missing)
		add_mapped(search);
	for (size_t i = 0; i < search->folder_count && search->missing; i++)
		search_folder(search, search->folders[i]);
}

/* -- what the kernel tells --------------------------------------------------------------------- */

static uint64_t take(const char **next, const char *label)
{
	const char *found = strstr(*next, label);
	char *end;
	uint64_t value;

	if (!found)
		return 0;
	value = strtoull(found + strlen(label), &end, 16);
	*next = end;
	return value;
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void parse_handle(struct handle *handle, const char *text)
{
	handle->bytes = (uint32_t)take(&text, "fhandle-bytes:");
	handle->type = (int32_t)take(&text, "fhandle-type:");
	text = strstr(text, "f_handle:");
	if (!text || handle->bytes > HANDLE_BYTES) {
		handle->bytes = 0;
		return;
	}
	text += sizeof("f_handle:") - 1;
	for (uint32_t i = 0; i < handle->bytes && text[2 * i] > ' ' && text[2 * i + 1] > ' '; i++)
		handle->data[i] = (unsigned char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
}

/* "inotify wd:1 ino:3c51a sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 ..." */
static void parse(struct wanted *wanted, const char *line)
{
	const char *next = line;

	wanted->watched.number = (int32_t)take(&next, "wd:");
	wanted->inode = take(&next, "ino:");
	wanted->device = take(&next, "sdev:");
	wanted->watched.mask = (uint32_t)take(&next, "mask:") & RF_INOTIFY_MASK;
	parse_handle(&wanted->handle, next);
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (const char *line = text; (line = strstr(line, "inotify wd:")); line++)
		count++;
	return count;
}

/* Finds what one instance watches. */
static int list_wanted(struct search *search, struct rf_fdobject *object)
{
	char path[48];
	long length;
	size_t count;

	rf_format(path, sizeof(path), "/proc/self/fdinfo/%d", object->fd);
	length = rf_io_read_file(path, search->text, TEXT_BYTES);
	if (length < 0)
		return (int)length;
	count = count_lines(search->text);
	search->wanted = rf_arena_take(search->arena, (count + 1) * sizeof(*search->wanted));
	if (!search->wanted)
		return -ENOMEM;
	search->count = search->missing = 0;
	for (const char *line = search->text; (line = strstr(line, "inotify wd:")); line++) {
		struct wanted *wanted = &search->wanted[search->count++];

		*wanted = (struct wanted){ .object = object };
		parse(wanted, line);
		search->missing++;
	}
	return 0;
}

/* -- into the object --------------------------------------------------------------------------- */

static void refuse(struct rf_fdobject *object, const struct wanted *wanted,
		   struct rf_refusals *refusals)
{
	object->forgotten++;
	if (!refusals)
		return;
	rf_refuse(
		refusals,
		"descriptor %u (%s): watch %d is of inode %lu of device %u:%u, which is neither "
		"around what the process has open nor to be opened by a handle (CAP_DAC_READ_SEARCH)",
		object->number, object->path, wanted->watched.number, wanted->inode,
		(unsigned)(wanted->device >> 20), (unsigned)(wanted->device & 0xfffff));
	refusals->closable++;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return (x->watched.number > y->watched.number) - (x->watched.number < y->watched.number);
}

/* Lays the table out, and the paths behind it, as the record has them. */
static int fill(struct search *search, struct rf_fdobject *object, struct rf_refusals *refusals)
{
	size_t bytes = 0;
	uint32_t kept = 0;
	char *next;

	qsort(search->wanted, search->count, sizeof(search->wanted[0]), compare_numbers);
	for (size_t i = 0; i < search->count; i++)
		if (search->wanted[i].path)
			bytes += sizeof(struct rf_image_watched) +
				 search->wanted[i].watched.path_bytes;
	if (bytes > RF_WATCHED_MAX_BYTES)
		return -E2BIG;
	object->object.watched = rf_arena_take(search->arena, bytes + 1);
	if (!object->object.watched)
		return -ENOMEM;
	for (size_t i = 0; i < search->count; i++)
		if (search->wanted[i].path)
			object->object.watched[kept++] = search->wanted[i].watched;
		else
			refuse(object, &search->wanted[i], refusals);
	next = (char *)(object->object.watched + kept);
	for (size_t i = 0; i < search->count; i++)
		if (search->wanted[i].path) {
			memcpy(next, search->wanted[i].path, search->wanted[i].watched.path_bytes);
			next += search->wanted[i].watched.path_bytes;
		}
	object->object.inotify.watched = kept;
	object->object.watched_bytes = (uint32_t)bytes;
	return 0;
}

static int look_at(struct search *search, struct rf_fdobject *object, struct rf_refusals *refusals)
{
	int error = list_wanted(search, object);

	if (error < 0)
		return error;
	search->folder_count = 0;
	open_handles(search);
	if (search->missing)
		look_around(search);
	return fill(search, object, refusals);
}

int rf_fdobject_look_inotify(struct rf_fdtable *table, struct rf_arena *arena,
			     struct rf_refusals *refusals, struct rf_report *report)
{
	struct search search = { .table = table, .arena = arena };

	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int error;

		if (object->object.image.kind != RF_OBJECT_INOTIFY)
			continue;
		if (!search.text) {
			search.text = rf_arena_take(arena, TEXT_BYTES);
			search.folders =
				rf_arena_take(arena, MAX_FOLDERS * sizeof(*search.folders));
		}
		error = search.text && search.folders ? look_at(&search, object, refusals)
						      : -ENOMEM;
		if (error < 0)
			return rf_report(report, -error, "descriptor %u (%s): what it watches: %m",
					 object->number, object->path);
	}
	return 0;
}
