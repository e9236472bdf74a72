/* SPDX-License-Identifier: MIT */
/*
 * Finds the pipes that move, and writes them.  Finding is the caller's, called by rfork.c; writing
 * is the frozen ghost's.
 */
#define _GNU_SOURCE
#include "rfork/pipes.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "rfork/pipe_holders.h"
#include "rfork/sys.h"

#define PIPE_LINK "pipe:["

/* -- which pipes ------------------------------------------------------------------------------- */

static struct rf_pipe *find_pipe(const struct rf_pipes *pipes, uint64_t inode)
{
	for (size_t i = 0; i < pipes->count; i++)
		if (pipes->entries[i].inode == inode)
			return &pipes->entries[i];
	return NULL;
}

static bool is_pipe_end(const struct rf_image_descriptor *image)
{
	return image->kind == RF_DESCRIPTOR_RELAY && image->same_as == RF_IMAGE_NONE &&
	       (image->stream & RF_STREAM_TYPE) == RF_STREAM_PIPE;
}

/* A standard stream goes through the original, and has no name here; a FIFO has a path that others
 * can open; and an end that was opened twice would be two. */
static void note_end(struct rf_pipes *pipes, const struct rf_fd *entry, uint64_t inode)
{
	struct rf_pipe *pipe = find_pipe(pipes, inode);
	bool writes = entry->image.stream & RF_STREAM_WRITE;

	if (!pipe) {
		pipe = &pipes->entries[pipes->count++];
		*pipe = (struct rf_pipe){ .inode = inode, .ends = { -1, -1 } };
	}
	if (pipe->ends[writes] >= 0 || strncmp(entry->path, PIPE_LINK, sizeof(PIPE_LINK) - 1) != 0)
		pipe->is_shared = true;
	pipe->ends[writes] = entry->fd;
	pipe->numbers[writes] = entry->image.number;
	if (writes)
		pipe->is_packets = entry->image.status_flags & O_DIRECT;
}

/* What the format has no room for is relayed. */
static void check_capacity(struct rf_pipe *pipe, uint64_t *total_bytes, size_t *kept)
{
	long capacity = pipe->ends[0] < 0 || pipe->ends[1] < 0
				? -1
				: rf_syscall(SYS_fcntl, pipe->ends[0], F_GETPIPE_SZ);

	if (pipe->is_shared || capacity < (long)RF_PIPE_MIN_CAPACITY ||
	    capacity > (long)RF_PIPE_MAX_CAPACITY || *kept == RF_IMAGE_MAX_PIPES ||
	    *total_bytes + (uint64_t)capacity > RF_IMAGE_MAX_PIPE_BYTES) {
		pipe->is_shared = true;
		return;
	}
	pipe->capacity_bytes = (uint32_t)capacity;
	*total_bytes += (uint64_t)capacity;
	++*kept;
}

/* Whether any is left that is not shared. */
static bool share(void *context, uint64_t inode)
{
	const struct rf_pipes *pipes = context;
	struct rf_pipe *pipe = find_pipe(pipes, inode);

	if (!pipe)
		return true;
	pipe->is_shared = true;
	for (size_t i = 0; i < pipes->count; i++)
		if (!pipes->entries[i].is_shared)
			return true;
	return false;
}

/* Drops those that are shared; the index of a pipe is its place among the others. */
static void drop_shared(struct rf_pipes *pipes)
{
	size_t kept = 0;

	for (size_t i = 0; i < pipes->count; i++)
		if (!pipes->entries[i].is_shared)
			pipes->entries[kept++] = pipes->entries[i];
	pipes->count = kept;
}

static void turn_descriptors(const struct rf_pipes *pipes, struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct rf_image_descriptor *image = &table->entries[i].image;
		uint32_t first = image->same_as == RF_IMAGE_NONE ? image->number : image->same_as;

		if (image->kind != RF_DESCRIPTOR_RELAY)
			continue;
		for (size_t j = 0; j < pipes->count; j++) {
			const struct rf_pipe *pipe = &pipes->entries[j];

			if (first != pipe->numbers[0] && first != pipe->numbers[1])
				continue;
			image->kind = RF_DESCRIPTOR_PIPE;
			/* who closes it in silence loses what is in it */
			image->flags &= (uint16_t)~RF_DESCRIPTOR_MAY_CLOSE;
			if (image->same_as == RF_IMAGE_NONE)
				image->file = (uint32_t)j;
		}
	}
}

/* Those that may be kept, as far as the table tells. */
static void find_candidates(struct rf_pipes *pipes, const struct rf_fdtable *table,
			    struct rf_arena *arena)
{
	uint64_t total_bytes = 0;
	size_t kept = 0;

	*pipes = (struct rf_pipes){
		.entries = rf_arena_take(arena, (table->count + 1) * sizeof(*pipes->entries)),
	};
	if (!pipes->entries)
		return;
	for (size_t i = 0; i < table->count; i++) {
		const struct rf_fd *entry = &table->entries[i];
		struct stat status;

		if (is_pipe_end(&entry->image) && rf_sys_fstat(entry->fd, &status) == 0)
			note_end(pipes, entry, status.st_ino);
	}
	for (size_t i = 0; i < pipes->count; i++)
		check_capacity(&pipes->entries[i], &total_bytes, &kept);
	drop_shared(pipes);
}

void rf_pipes_find(struct rf_pipes *pipes, struct rf_fdtable *table, struct rf_arena *arena,
		   pid_t node_session)
{
	find_candidates(pipes, table, arena);
	if (pipes->count && !rf_pipe_holders_visit(node_session, share, pipes))
		pipes->count = 0;
	drop_shared(pipes);
	turn_descriptors(pipes, table);
}

bool rf_pipes_find_of(struct rf_pipes *pipes, struct rf_fdtable *table, struct rf_arena *arena,
		      pid_t pid)
{
	bool is_certain;

	find_candidates(pipes, table, arena);
	is_certain = !pipes->count || rf_pipe_holders_visit_of(pid, share, pipes);
	drop_shared(pipes);
	turn_descriptors(pipes, table);
	return is_certain || !pipes->count;
}

/* -- what is in them --------------------------------------------------------------------------- */

/* A pipe to which tee(2) copies: with as many slots as the other has, which it may fill one by
 * one. */
static int open_scratch(uint32_t capacity_bytes, int scratch[2])
{
	long got = rf_syscall(SYS_pipe2, scratch, O_CLOEXEC | O_NONBLOCK);

	if (got < 0)
		return (int)got;
	got = rf_syscall(SYS_fcntl, scratch[1], F_SETPIPE_SZ, capacity_bytes);
	if (got >= (long)capacity_bytes)
		return 0;
	rf_sys_close(scratch[0]);
	rf_sys_close(scratch[1]);
	return got < 0 ? (int)got : -ENOBUFS;
}

/* Reads the copies: each read ends with a packet, where there are such. */
static int read_copies(int fd, struct rf_image_pipe *image, uint32_t bytes, bool is_packets,
		       unsigned char *contents, uint32_t *lengths)
{
	while (image->bytes < bytes) {
		uint32_t most = is_packets ? RF_PIPE_MAX_PACKET_BYTES : bytes - image->bytes;
		ssize_t got = rf_sys_read(fd, contents + image->bytes, most);

		if (got == -EINTR)
			continue;
		if (got <= 0 || (is_packets && image->packets == RF_PIPE_MAX_PACKETS))
			return -EIO;
		if (is_packets)
			lengths[image->packets++] = (uint32_t)got;
		image->bytes += (uint32_t)got;
	}
	return 0;
}

static int copy_contents(const struct rf_pipe *pipe, struct rf_image_pipe *image, int scratch[2],
			 unsigned char *contents, uint32_t *lengths)
{
	int held = 0;
	long copied;

	rf_sys_ioctl(pipe->ends[0], FIONREAD, &held);
	do
		copied = rf_syscall(SYS_tee, pipe->ends[0], scratch[1], pipe->capacity_bytes,
				    SPLICE_F_NONBLOCK);
	while (copied == -EINTR);
	if (copied == -EAGAIN)
		copied = 0;
	if (copied != held)
		return copied < 0 ? (int)copied : -EIO;
	return read_copies(scratch[0], image, (uint32_t)held, pipe->is_packets, contents, lengths);
}

int rf_pipes_copy(const struct rf_pipe *pipe, struct rf_image_pipe *image, void *contents,
		  uint32_t *lengths)
{
	int scratch[2];
	int error = open_scratch(pipe->capacity_bytes, scratch);

	*image = (struct rf_image_pipe){ .capacity_bytes = pipe->capacity_bytes };
	if (error < 0)
		return error;
	error = copy_contents(pipe, image, scratch, contents, lengths);
	rf_sys_close(scratch[0]);
	rf_sys_close(scratch[1]);
	return error;
}

int rf_pipes_read(struct rf_pipes *pipes, struct rf_arena *arena, struct rf_report *report)
{
	for (size_t i = 0; i < pipes->count; i++) {
		struct rf_pipe *pipe = &pipes->entries[i];
		size_t packets = pipe->is_packets ? RF_PIPE_MAX_PACKETS : 0;
		uint32_t *lengths = rf_arena_take(arena, packets * sizeof(*lengths));
		unsigned char *contents = rf_arena_take(arena, pipe->capacity_bytes);
		int error = lengths && contents
				    ? rf_pipes_copy(pipe, &pipe->image, contents, lengths)
				    : -ENOMEM;

		if (error < 0)
			return rf_report(report, -error, "what is in the pipe of descriptor %d: %m",
					 pipe->ends[0]);
		pipe->lengths = lengths;
		pipe->contents = contents;
		pipe->is_read = true;
	}
	return 0;
}

static int write_pipe(const struct rf_pipe *pipe, uint32_t index, struct rf_image_writer *writer,
		      unsigned char *bounce)
{
	uint32_t read_lengths[RF_PIPE_MAX_PACKETS];
	const unsigned char *contents = pipe->is_read ? pipe->contents : bounce;
	const uint32_t *lengths = pipe->is_read ? pipe->lengths : read_lengths;
	struct rf_image_pipe image = pipe->image;
	struct iovec pieces[3];
	int error = pipe->is_read ? 0 : rf_pipes_copy(pipe, &image, bounce, read_lengths);

	if (error < 0)
		return error;
	image.index = index;
	pieces[0] = (struct iovec){ &image, sizeof(image) };
	pieces[1] = (struct iovec){ (void *)lengths, image.packets * sizeof(lengths[0]) };
	pieces[2] = (struct iovec){ (void *)contents, image.bytes };
	return rf_image_write(writer, RF_RECORD_PIPE, pieces, 3);
}

int rf_pipes_write(const struct rf_pipes *pipes, struct rf_image_writer *writer, void *bounce)
{
	int error = 0;

	for (size_t i = 0; i < pipes->count && error == 0; i++)
		error = write_pipe(&pipes->entries[i], (uint32_t)i, writer, bounce);
	return error;
}
