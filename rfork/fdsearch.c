/* SPDX-License-Identifier: MIT */
/*
 * Finds the paths of inodes.  Called by fdobject_inotify.c.  Nothing else of the process is asked
 * than /proc shows; nothing changes.
 */
#define _GNU_SOURCE
#include "rfork/fdsearch.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rfork/io.h"
#include "rfork/sys.h"

#define PATH_BYTES (RF_IMAGE_MAX_PATH_BYTES + 1)
/* So many directories are searched, and so much of a path's folders is remembered. */
#define MAX_FOLDERS 1024u
/* Address space; what is used of it is what the paths and handles of all that is wanted need. */
#define SEARCH_BYTES ((size_t)32 << 20)

struct rf_mount {
	uint64_t device; /* as the kernel has it */
	const char *point;
	bool is_closed; /* no handle can be opened there, without privilege */
};

/* -- what is wanted ---------------------------------------------------------------------------- */

static bool grow(struct rf_fdsearch *search)
{
	size_t capacity = search->capacity ? 2 * search->capacity : 16;
	struct rf_wanted *grown = rf_arena_take(&search->arena, capacity * sizeof(*grown));

	if (!grown)
		return false;
	if (search->count)
		memcpy(grown, search->wanted, search->count * sizeof(*grown));
	search->wanted = grown;
	search->capacity = capacity;
	return true;
}

struct rf_wanted *rf_fdsearch_add(struct rf_fdsearch *search)
{
	if (search->count == search->capacity && !grow(search))
		return NULL;
	search->missing++;
	search->wanted[search->count] = (struct rf_wanted){ 0 };
	return &search->wanted[search->count++];
}

struct rf_handle *rf_fdsearch_take_handle(struct rf_fdsearch *search, uint32_t bytes)
{
	struct rf_handle *handle = rf_arena_take(&search->arena, sizeof(*handle) + bytes);

	if (handle)
		handle->bytes = bytes;
	return handle;
}

/* -- whether a path leads to it ---------------------------------------------------------------- */

static uint64_t encode_device(dev_t device)
{
	return (uint64_t)major(device) << 20 | minor(device);
}

static bool has_handle(const char *path, const struct rf_handle *expected)
{
	uint32_t room[(sizeof(struct rf_handle) + RF_HANDLE_MAX_BYTES) / sizeof(uint32_t)];
	struct rf_handle *found = (struct rf_handle *)room;
	int mount;

	found->bytes = RF_HANDLE_MAX_BYTES;
	return expected &&
	       rf_syscall(SYS_name_to_handle_at, AT_FDCWD, path, found, &mount, 0) == 0 &&
	       found->bytes == expected->bytes && found->type == expected->type &&
	       memcmp(found->data, expected->data, found->bytes) == 0;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct rf_wanted *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* The first that has the inode, of those that are in order; or where it would be. */
static size_t find_inode(const struct rf_fdsearch *search, uint64_t inode)
{
	size_t low = 0, high = search->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (search->wanted[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_wanted(const struct rf_fdsearch *search, uint64_t inode)
{
	for (size_t i = find_inode(search, inode);
	     i < search->count && search->wanted[i].inode == inode; i++)
		if (!search->wanted[i].path)
			return true;
	return false;
}

static const char *keep(struct rf_fdsearch *search, const char *path)
{
	size_t bytes = strlen(path) + 1;
	char *kept = rf_arena_take(&search->arena, bytes);

	search->is_full |= !kept;
	return kept ? memcpy(kept, path, bytes) : NULL;
}

/* A folder that is yet to be searched, unless it is one of those already. */
static void add_folder(struct rf_fdsearch *search, const char *path)
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

static void take_path(struct rf_fdsearch *search, struct rf_wanted *wanted, const char *path,
		      mode_t mode)
{
	wanted->path = keep(search, path);
	if (!wanted->path)
		return;
	wanted->mode = mode;
	search->missing--;
	if (S_ISDIR(mode))
		add_folder(search, path);
}

/* Sees whether a path is that of anything wanted.  Some file systems show other device numbers than
 * the kernel has; then the handle decides. */
static void try_path(struct rf_fdsearch *search, const char *path)
{
	struct stat status;

	if (rf_syscall(SYS_newfstatat, AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	for (size_t i = find_inode(search, status.st_ino);
	     i < search->count && search->wanted[i].inode == status.st_ino; i++) {
		struct rf_wanted *wanted = &search->wanted[i];

		if (!wanted->path && (encode_device(status.st_dev) == wanted->device ||
				      has_handle(path, wanted->handle)))
			take_path(search, wanted, path, status.st_mode);
	}
}

/* Reads a file into memory of the search's own; NULL if it cannot be. */
static char *read_text(struct rf_fdsearch *search, const char *path)
{
	size_t room;
	char *text = rf_arena_rest(&search->arena, &room);
	long length = room > 1 ? rf_io_read_file(path, text, room) : -ENOMEM;

	return length < 0 ? NULL : rf_arena_take(&search->arena, (size_t)length + 1);
}

/* The line at *next, which becomes a text of its own; NULL at the end. */
static char *take_line(char **next)
{
	char *line = *next, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*next = end;
	return line;
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

/* Reads a line of mountinfo: "36 35 98:0 /root /mnt ...". */
static bool parse_mount(char *line, struct rf_mount *mount)
{
	char *next = line, *fields[5];

	for (unsigned i = 0; i < 5; i++) {
		fields[i] = next;
		next = strchr(next, ' ');
		if (!next)
			return false;
		*next++ = '\0';
	}
	next = strchr(fields[2], ':');
	if (!next)
		return false;
	unescape(fields[4]);
	mount->device = strtoull(fields[2], NULL, 10) << 20 | strtoull(next + 1, NULL, 10);
	mount->point = fields[4];
	return true;
}

static size_t count_lines(const char *text)
{
	size_t count = 1;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

static void list_mounts(struct rf_fdsearch *search)
{
	char *line, *next = read_text(search, "/proc/self/mountinfo");
	size_t count = next ? count_lines(next) : 0;

	search->mounts = rf_arena_take(&search->arena, (count + 1) * sizeof(*search->mounts));
	while (search->mounts && (line = take_line(&next)))
		search->mount_count += parse_mount(line, &search->mounts[search->mount_count]);
}

static void try_handle(struct rf_fdsearch *search, const struct rf_handle *handle,
		       struct rf_mount *mount)
{
	char link[48], path[PATH_BYTES];
	long length, fd;
	int mount_fd = rf_sys_open(mount->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	if (mount_fd < 0)
		return;
	fd = rf_syscall(SYS_open_by_handle_at, mount_fd, handle, O_PATH | O_CLOEXEC);
	rf_sys_close(mount_fd);
	mount->is_closed = fd == -EPERM;
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

static void open_handles(struct rf_fdsearch *search)
{
	for (size_t i = 0; i < search->count && search->missing; i++) {
		const struct rf_wanted *wanted = &search->wanted[i];

		for (size_t j = 0; wanted->handle && !wanted->path && j < search->mount_count; j++)
			if (search->mounts[j].device == wanted->device &&
			    !search->mounts[j].is_closed)
				try_handle(search, wanted->handle, &search->mounts[j]);
	}
}

/* -- where the process is at home -------------------------------------------------------------- */

/* What is at a path, the folder that holds it, and those above. */
static void add_place(struct rf_fdsearch *search, const char *place)
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

static void add_directory(struct rf_fdsearch *search)
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

static void add_mapped(struct rf_fdsearch *search)
{
	char path[48], *next, *line;

	rf_format(path, sizeof(path), "/proc/%d/maps", (int)search->table->process);
	next = read_text(search, path);
	while (search->missing && (line = take_line(&next))) {
		line = strchr(line, '/');
		if (line)
			add_place(search, line);
	}
}

static bool is_below_directory(const struct rf_fdsearch *search, const char *folder)
{
	return search->directory &&
	       strncmp(folder, search->directory, strlen(search->directory)) == 0;
}

/* What has a name in a folder: something wanted, or a folder to be searched, too. */
static void see_entry(struct rf_fdsearch *search, const char *folder, const struct dirent64 *entry)
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

static void search_folder(struct rf_fdsearch *search, const char *folder)
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
static void look_around(struct rf_fdsearch *search)
{
	add_directory(search);
	for (size_t i = 0; i < search->table->count && search->missing; i++)
		add_place(search, search->table->entries[i].path);
	if (search->missing)
		add_mapped(search);
	for (size_t i = 0; i < search->folder_count && search->missing; i++)
		search_folder(search, search->folders[i]);
}

/* -- all --------------------------------------------------------------------------------------- */

int rf_fdsearch_begin(struct rf_fdsearch *search, const struct rf_fdtable *table)
{
	*search = (struct rf_fdsearch){ .table = table };
	if (rf_arena_map(&search->arena, SEARCH_BYTES) < 0)
		return -ENOMEM;
	search->folders = rf_arena_take(&search->arena, MAX_FOLDERS * sizeof(*search->folders));
	list_mounts(search);
	search->kept_bytes = search->arena.used;
	return search->folders && search->mounts ? 0 : -ENOMEM;
}

void rf_fdsearch_clear(struct rf_fdsearch *search)
{
	search->arena.used = search->kept_bytes;
	search->count = search->missing = search->capacity = search->folder_count = 0;
}

void rf_fdsearch_end(struct rf_fdsearch *search)
{
	rf_arena_unmap(&search->arena);
}

int rf_fdsearch_find(struct rf_fdsearch *search)
{
	qsort(search->wanted, search->count, sizeof(search->wanted[0]), compare_inodes);
	open_handles(search);
	if (search->missing)
		look_around(search);
	return search->is_full ? -ENOMEM : 0;
}
