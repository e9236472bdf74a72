/* SPDX-License-Identifier: MIT */
/*
 * Finds files whose bytes travel, and reads them.  After rf_fdcontent_open() all runs in the frozen
 * ghost: no malloc, no errno.
 */
#define _GNU_SOURCE
#include "rfork/fdcontent.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "rfork/fdobject.h"
#include "rfork/fdpath.h"
#include "rfork/file_identity.h"
#include "rfork/map_proof.h"
#include "rfork/restore_contents.h"
#include "rfork/sys.h"
#include "rfork/zero_page.h"

#define MEMORY_PREFIX "/memfd:"
#define DELETED_SUFFIX " (deleted)"
/* ipc/mqueue.c of the kernel; missing in its headers. */
#define MQUEUE_MAGIC 0x19800202
#define PIECE_BYTES RF_CONTENT_MAX_BYTES

/* -- which files ------------------------------------------------------------------------------- */

static long find_type(int fd)
{
	struct statfs status;

	return rf_syscall(SYS_fstatfs, fd, &status) < 0 ? 0 : status.f_type;
}

static bool is_memory(int fd, const char *path)
{
	/* huge pages cannot be written by write(2) */
	return strncmp(path, MEMORY_PREFIX, strlen(MEMORY_PREFIX)) == 0 &&
	       find_type(fd) == TMPFS_MAGIC;
}

bool rf_fdcontent_can_copy(const struct rf_fd *entry, const struct stat *status)
{
	if (entry->path[0] != '/' || !S_ISREG(status->st_mode) ||
	    entry->image.status_flags & O_PATH)
		return false;
	/* files of these are the kernel's words, or no bytes that can be written again */
	switch (find_type(entry->fd)) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case BPF_FS_MAGIC:
	case MQUEUE_MAGIC:
	case HUGETLBFS_MAGIC:
	case SECRETMEM_MAGIC:
		return false;
	}
	return true;
}

static int take(struct rf_fd *entry, const struct stat *status, bool has_path)
{
	long offset = rf_syscall(SYS_lseek, entry->fd, 0, SEEK_CUR);

	entry->image.kind = RF_DESCRIPTOR_OBJECT;
	entry->image.offset = offset > 0 ? (uint64_t)offset : 0;
	entry->object = RF_OBJECT_CONTENT;
	entry->identity = rf_file_identity(status);
	entry->has_path = has_path;
	return 0;
}

int rf_fdcontent_classify(const struct rf_fdtable *table, struct rf_fd *entry,
			  const struct stat *status, struct rf_arena *arena)
{
	int error;

	if (table->takes_contents && is_memory(entry->fd, entry->path))
		return take(entry, status, false);
	error = rf_fdpath_classify(table, entry, status, arena);
	if (!table->copies_files)
		return error;
	if (error == -ENOTSUP && rf_fdcontent_can_copy(entry, status))
		return take(entry, status, false);
	/* what goes by path whatever the node has there is never copied */
	return error < 0 || entry->image.flags & RF_DESCRIPTOR_BY_PATH || !table->copies_named
		       ? error
		       : take(entry, status, true);
}

bool rf_fdcontent_is(const struct rf_fd *entry)
{
	return entry->image.kind == RF_DESCRIPTOR_OBJECT && entry->image.same_as == RF_IMAGE_NONE &&
	       entry->object == RF_OBJECT_CONTENT;
}

/* -- the table --------------------------------------------------------------------------------- */

static struct rf_fdobject *find(const struct rf_fdtable *table, uint64_t device, uint64_t inode)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];

		if (object->content && object->content->identity.device == device &&
		    object->content->identity.inode == inode)
			return object;
	}
	return NULL;
}

static struct rf_fdobject *append(struct rf_fdtable *table, const struct rf_image_file *identity,
				  const char *path, struct rf_arena *arena)
{
	struct rf_fdcontent *content = rf_arena_take(arena, sizeof(*content));
	struct rf_fdobject *object = content ? rf_fdobject_append(table, arena) : NULL;

	if (!object)
		return NULL;
	*content = (struct rf_fdcontent){ .identity = *identity,
					  .path = path,
					  .map_device = identity->device,
					  .map_inode = identity->inode,
					  .fd = -EBADF };
	object->content = content;
	object->path = path;
	object->number = RF_IMAGE_NONE;
	object->fd = -1;
	object->object.image.kind = RF_OBJECT_CONTENT;
	object->object.content.file = RF_IMAGE_NONE;
	return object;
}

/* What memfd_create(2) was told: behind the prefix, without what the kernel says of its end. */
static int name_memory(struct rf_fdobject *object, struct rf_arena *arena)
{
	const char *name = object->path + strlen(MEMORY_PREFIX);
	size_t bytes = strlen(name), suffix = strlen(DELETED_SUFFIX);
	char *copy;

	if (bytes >= suffix && strcmp(name + bytes - suffix, DELETED_SUFFIX) == 0)
		bytes -= suffix;
	copy = rf_arena_take(arena, bytes + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, name, bytes);
	object->object.name = copy;
	object->object.content.name_bytes = (uint32_t)bytes;
	object->object.content.flags = RF_CONTENT_MEMORY;
	return 0;
}

/* A file without a path: its name is for sentences, and says where it was. */
static void name_nameless(struct rf_fdobject *object, const struct rf_fd *entry)
{
	struct rf_map shown;

	object->object.name = (char *)object->path;
	object->object.content.name_bytes = (uint32_t)strlen(object->path);
	/* other numbers than those of fstat(2), on some file systems */
	if ((entry->image.status_flags & O_ACCMODE) != O_WRONLY &&
	    rf_map_probe(entry->fd, &shown)) {
		object->content->map_device = shown.device;
		object->content->map_inode = shown.inode;
	}
}

static int name(struct rf_fdobject *object, const struct rf_fd *entry, struct rf_arena *arena)
{
	if (is_memory(entry->fd, entry->path))
		return name_memory(object, arena);
	object->content->has_path = entry->has_path;
	if (!object->content->has_path)
		name_nameless(object, entry);
	return 0;
}

static bool can_read(int fd)
{
	long flags = rf_syscall(SYS_fcntl, fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
}

int rf_fdcontent_add(struct rf_fdtable *table, struct rf_fd *entry, struct rf_arena *arena)
{
	const struct rf_image_file *identity = &entry->identity;
	struct rf_fdobject *object = find(table, identity->device, identity->inode);
	int error = 0;

	if (!object) {
		object = append(table, identity, entry->path, arena);
		error = object ? name(object, entry, arena) : -ENOMEM;
	}
	if (error < 0)
		return error;
	/* one that it can be read by, if there is any */
	if (object->number == RF_IMAGE_NONE || !can_read(object->fd)) {
		object->number = entry->image.number;
		object->fd = entry->fd;
	}
	entry->image.file = object->object.image.index;
	return 0;
}

uint32_t rf_fdcontent_find(const struct rf_fdtable *table, const struct rf_map *map,
			   const struct stat *status)
{
	for (size_t i = 0; i < table->object_count; i++) {
		const struct rf_fdcontent *content = table->objects[i].content;

		if (content && (status ? content->identity.device == status->st_dev &&
						 content->identity.inode == status->st_ino
				       : content->map_device == map->device &&
						 content->map_inode == map->inode))
			return (uint32_t)i;
	}
	return RF_IMAGE_NONE;
}

uint32_t rf_fdcontent_add_mapped(struct rf_fdtable *table, const struct rf_map *map,
				 const struct stat *status, struct rf_arena *arena)
{
	const struct rf_image_file identity = rf_file_identity(status);
	struct rf_fdobject *object = append(table, &identity, map->path, arena);

	if (!object)
		return RF_IMAGE_NONE;
	object->content->has_path = true;
	return object->object.image.index;
}

/* -- in the process that sends them ------------------------------------------------------------ */

static int open_link(int fd)
{
	char link[32];

	rf_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	/* O_NONBLOCK: a lease on it would hold us up, until the process that waits for us gives it up */
	return rf_sys_open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool is_same_file(int fd, const struct rf_image_file *identity)
{
	struct stat status;

	return rf_sys_fstat(fd, &status) == 0 && status.st_dev == identity->device &&
	       status.st_ino == identity->inode;
}

static int open_path(const struct rf_fdcontent *content)
{
	int fd = rf_sys_open(content->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || is_same_file(fd, &content->identity))
		return fd;
	rf_sys_close(fd);
	return -ESTALE;
}

/* A description of our own: an offset that is moved to look for holes is nobody else's.  Where its
 * mode denies it, or a lease, the process may still have one that it can read. */
static void open_content(const struct rf_fdobject *object)
{
	struct rf_fdcontent *content = object->content;

	content->is_ours = true;
	if (object->number == RF_IMAGE_NONE) {
		content->fd = open_path(content);
		return;
	}
	content->fd = open_link(object->fd);
	if (content->fd < 0 && can_read(object->fd)) {
		content->fd = object->fd;
		content->is_ours = false;
	}
}

static int look_at(struct rf_fdobject *object)
{
	struct rf_object_content *content = &object->object.content;
	struct stat status;
	int fd = object->content->fd;
	int error = fd < 0 ? fd : rf_sys_fstat(fd, &status);

	if (error < 0)
		return error;
	content->mode = status.st_mode;
	content->size_bytes = (uint64_t)status.st_size;
	content->data_bytes = (uint64_t)status.st_blocks * 512;
	if (content->flags & RF_CONTENT_MEMORY) {
		long seals = rf_syscall(SYS_fcntl, fd, F_GET_SEALS);

		if (seals < 0)
			return (int)seals;
		content->seals = (uint32_t)seals;
	}
	return 0;
}

/* A file that the node may have need not be read. */
static void expect_unread(struct rf_fdobject *object)
{
	object->object.content.mode = object->content->identity.mode;
	object->object.content.size_bytes = object->content->identity.size_bytes;
}

int rf_fdcontent_open(struct rf_fdtable *table, struct rf_report *report)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int error;

		if (!object->content)
			continue;
		open_content(object);
		error = look_at(object);
		if (error < 0 && !object->content->has_path)
			return rf_report(report, ENOTSUP,
					 "descriptor %u (%s): its content cannot be read: %s",
					 object->number, object->path, strerrordesc_np(-error));
		if (error < 0)
			expect_unread(object);
	}
	return 0;
}

void rf_fdcontent_close(struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdcontent *content = table->objects[i].content;

		if (content && content->is_ours && content->fd >= 0)
			rf_sys_close(content->fd);
		if (content)
			content->fd = -EBADF;
	}
}

size_t rf_fdcontent_count_named(const struct rf_fdtable *table)
{
	size_t count = 0;

	for (size_t i = 0; i < table->object_count; i++)
		count += table->objects[i].content && table->objects[i].content->has_path;
	return count;
}

/* -- their bytes ------------------------------------------------------------------------------- */

/* Where a file system does not tell, all is data. */
bool rf_fdcontent_find_data(const struct rf_fdobject *object, uint64_t *start, uint64_t *end)
{
	const struct rf_fdcontent *content = object->content;
	uint64_t size = object->object.content.size_bytes;
	long data = -EINVAL, hole = -EINVAL;

	if (*start >= size)
		return false;
	if (content->is_ours)
		data = rf_syscall(SYS_lseek, content->fd, *start, SEEK_DATA);
	if (data == -ENXIO)
		return false;
	if (data >= 0)
		hole = rf_syscall(SYS_lseek, content->fd, data, SEEK_HOLE);
	if (data > 0)
		*start = (uint64_t)data;
	*end = hole > data && (uint64_t)hole < size ? (uint64_t)hole : size;
	return *start < *end;
}

/* buffer: whole pages, of which the last is zero behind `bytes`. */
static bool is_zero(const unsigned char *buffer, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += RF_ZERO_PAGE_BYTES)
		if (!rf_is_zero_page(buffer + at))
			return false;
	return true;
}

/* Reads as much as there is; what has been cut off meanwhile reads as a hole. */
static ssize_t read_piece(int fd, uint64_t offset, unsigned char *buffer, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t got = rf_sys_pread(fd, buffer + done, bytes - done, offset + done);

		if (got < 0 && got != -EINTR)
			return got;
		if (got == 0)
			break;
		done += got > 0 ? (size_t)got : 0;
	}
	memset(buffer + done, 0, -done % RF_ZERO_PAGE_BYTES);
	return (ssize_t)done;
}

static int report_unreadable(const struct rf_fdobject *object, int error, struct rf_report *report)
{
	return rf_report(report, -error, "the content of %s cannot be read: %m", object->path);
}

/* The bounce memory holds pages of a record until that is sent. */
static int write_data(const struct rf_fdobject *object, uint64_t start, uint64_t end,
		      struct rf_image_writer *writer, struct rf_report *report)
{
	int error = rf_image_writer_flush(writer);

	for (; start < end && error >= 0; start += PIECE_BYTES) {
		size_t bytes = end - start < PIECE_BYTES ? end - start : PIECE_BYTES;
		ssize_t got = read_piece(object->content->fd, start, writer->bounce, bytes);

		if (got < 0)
			return report_unreadable(object, (int)got, report);
		if (!is_zero(writer->bounce, (size_t)got))
			error = rf_image_write_content(writer, object->object.image.index, start,
						       writer->bounce, (size_t)got);
	}
	return error;
}

static int write_content(const struct rf_fdobject *object, struct rf_image_writer *writer,
			 struct rf_report *report)
{
	uint64_t start = 0, end;
	int error = 0;

	if (object->content->fd < 0)
		return report_unreadable(object, object->content->fd, report);

	for (; error >= 0 && rf_fdcontent_find_data(object, &start, &end); start = end)
		error = write_data(object, start, end, writer, report);
	return error;
}

int rf_fdcontent_write_nameless(const struct rf_fdtable *table, struct rf_image_writer *writer,
				struct rf_report *report)
{
	int error = 0;

	for (size_t i = 0; i < table->object_count && error >= 0; i++)
		if (table->objects[i].content && !table->objects[i].content->has_path)
			error = write_content(&table->objects[i], writer, report);
	return error;
}

int rf_fdcontent_write_lacking(const struct rf_fdtable *table, struct rf_image_writer *writer,
			       uint32_t index, struct rf_report *report)
{
	const struct rf_fdobject *object = index < table->object_count ? &table->objects[index]
								       : NULL;

	if (!object || !object->content || !object->content->has_path)
		return -EBADMSG;
	return write_content(object, writer, report);
}

/* -- copies ------------------------------------------------------------------------------------ */

static int copy_data(int from, int to, uint64_t start, uint64_t end, unsigned char *bounce)
{
	int error = 0;

	for (; start < end && error == 0; start += PIECE_BYTES) {
		size_t bytes = end - start < PIECE_BYTES ? end - start : PIECE_BYTES;
		ssize_t got = read_piece(from, start, bounce, bytes);

		if (got < 0)
			return (int)got;
		if (!is_zero(bounce, (size_t)got))
			error = rf_restore_content_put(to, start, bounce, (size_t)got);
	}
	return error;
}

/* Its descriptor, at or above `lowest`, or a negative errno. */
static int copy_content(const struct rf_fdobject *object, unsigned lowest, unsigned char *bounce)
{
	const struct rf_fdcontent *content = object->content;
	uint64_t start = 0, end;
	int made = rf_restore_content_make(&object->object, object->path);
	int copy = made < 0 ? made : (int)rf_syscall(SYS_fcntl, made, F_DUPFD_CLOEXEC, lowest);
	int error = 0;

	if (made >= 0)
		rf_sys_close(made);
	if (copy < 0)
		return copy;
	for (; error == 0 && rf_fdcontent_find_data(object, &start, &end); start = end)
		error = copy_data(content->fd, copy, start, end, bounce);
	if (error == 0)
		return copy;
	rf_sys_close(copy);
	return error;
}

int rf_fdcontent_copy(struct rf_fdtable *table, unsigned lowest, unsigned char *bounce,
		      struct rf_report *report)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int copy;

		if (!object->content)
			continue;
		copy = copy_content(object, lowest, bounce);
		if (copy < 0)
			return rf_report(report, -copy, "descriptor %u (%s): a copy of it: %m",
					 object->number, object->path);
		if (object->content->is_ours)
			rf_sys_close(object->content->fd);
		object->content->fd = copy;
		object->content->is_ours = true;
		lowest = (unsigned)copy + 1;
	}
	return 0;
}
