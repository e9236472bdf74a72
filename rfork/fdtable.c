/* SPDX-License-Identifier: MIT */
/*
 * Looks at every descriptor of the calling process and decides how it travels.
 * Called by rfork.c before the fork; changes nothing.
 */
#define _GNU_SOURCE
#include "rfork/fdtable.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/fdcontent.h"
#include "rfork/fdduplicate.h"
#include "rfork/fdname.h"
#include "rfork/fdobject.h"
#include "rfork/fdpath.h"
#include "rfork/file_identity.h"
#include "rfork/ghost_accept.h"
#include "rfork/ghost_channel.h"
#include "rfork/sys.h"

#define STDIO_COUNT ((int)RF_IMAGE_STANDARD_CHANNELS)
/* Before a descriptor is refused that another thread may be closing. */
#define CHANGING_LOOKS 4

/* The longest messages, and what AF_UNIX wants in a send buffer besides one
 * (net/unix/af_unix.c). */
#define UDP_MAX_BYTES 65507u
#define UDP6_MAX_BYTES 65527u
#define UNIX_OVERHEAD_BYTES 32u

static const char *read_path(struct rf_arena *arena, int fd)
{
	char link[32];
	char *path = (char *)arena->base + arena->used;
	size_t room = arena->bytes - arena->used;
	long length;

	rf_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (room > RF_IMAGE_MAX_PATH_BYTES)
		room = RF_IMAGE_MAX_PATH_BYTES;
	length = rf_syscall(SYS_readlinkat, AT_FDCWD, link, path, room);
	if (length < 0)
		return "?";
	path[length] = '\0';
	return rf_arena_take(arena, (size_t)length + 1) ? path : "?";
}

static int socket_option(int fd, int option)
{
	socklen_t bytes = sizeof(int);
	int value = 0;

	return rf_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &bytes) == 0 ? value : 0;
}

static bool is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof(peer);

	return rf_syscall(SYS_getpeername, fd, &peer, &bytes) == 0;
}

/* Those that carry messages for applications; a socket of the kernel's own kinds, such as netlink,
 * is of this machine. */
static bool is_datagram_socket(int fd)
{
	int domain = socket_option(fd, SO_DOMAIN);

	return domain == AF_UNIX || ((domain == AF_INET || domain == AF_INET6) &&
				     socket_option(fd, SO_PROTOCOL) == IPPROTO_UDP);
}

/* A socket that listens for connections of a kind that a node has, too. */
static bool is_listener(int fd)
{
	int domain = socket_option(fd, SO_DOMAIN);

	return socket_option(fd, SO_ACCEPTCONN) &&
	       (domain == AF_UNIX || domain == AF_INET || domain == AF_INET6);
}

/* What a socket is in the child; 0 if it cannot be relayed. */
static uint32_t find_socket(int fd)
{
	uint32_t both = RF_STREAM_READ | RF_STREAM_WRITE;

	switch (socket_option(fd, SO_TYPE)) {
	case SOCK_STREAM:
		if (is_listener(fd))
			return RF_STREAM_LISTENER | RF_STREAM_READ;
		return is_connected(fd) ? RF_STREAM_SOCKET | both : 0;
	case SOCK_SEQPACKET:
		if (socket_option(fd, SO_DOMAIN) != AF_UNIX)
			return 0;
		if (is_listener(fd))
			return RF_STREAM_LISTENER | RF_STREAM_READ |
			       RF_STREAM_CONNECTIONS_KEEP_MESSAGES;
		return is_connected(fd) ? RF_STREAM_SEQPACKET | both : 0;
	case SOCK_DGRAM:
		if (!is_datagram_socket(fd))
			return 0;
		return RF_STREAM_DATAGRAM | both | (is_connected(fd) ? 0 : RF_STREAM_HAS_NO_PEER);
	}
	return 0;
}

/* The send buffer of the child's socket: a message that is too long for the original fails in it
 * as it would at home. */
static uint64_t find_send_buffer(int fd, uint32_t stream)
{
	if ((stream & RF_STREAM_TYPE) != RF_STREAM_DATAGRAM &&
	    (stream & RF_STREAM_TYPE) != RF_STREAM_SEQPACKET)
		return 0;
	switch (socket_option(fd, SO_DOMAIN)) {
	case AF_INET:
		return UDP_MAX_BYTES + UNIX_OVERHEAD_BYTES;
	case AF_INET6:
		return UDP6_MAX_BYTES + UNIX_OVERHEAD_BYTES;
	}
	return (uint64_t)socket_option(fd, SO_SNDBUF);
}

/* What a pipe, FIFO or socket is in the child; 0 if it cannot be relayed. */
static uint32_t find_stream(int fd, const struct stat *status, unsigned access)
{
	if (S_ISSOCK(status->st_mode))
		return find_socket(fd);
	if (!S_ISFIFO(status->st_mode))
		return 0;
	switch (access) {
	case O_RDONLY:
		return RF_STREAM_PIPE | RF_STREAM_READ;
	case O_WRONLY:
		return RF_STREAM_PIPE | RF_STREAM_WRITE;
	}
	return RF_STREAM_SOCKET | RF_STREAM_READ | RF_STREAM_WRITE; /* a FIFO that is both */
}

/* A standard descriptor goes through the original whatever that is: files keep one offset.  A
 * device, or a second terminal, can be written to, but what it has to read cannot be looked at
 * without taking it. */
static uint32_t find_standard_stream(int fd, const struct stat *status, unsigned access)
{
	uint32_t stream = find_stream(fd, status, access);

	if (stream)
		return stream;
	if (access == O_WRONLY || (fd != STDIN_FILENO && access == O_RDWR))
		return RF_STREAM_PIPE | RF_STREAM_WRITE;
	if (S_ISREG(status->st_mode) && access != O_WRONLY)
		return RF_STREAM_PIPE | RF_STREAM_READ;
	return 0;
}

/* A terminal that was opened for neither can still be asked and set. */
static uint32_t find_terminal_stream(unsigned access)
{
	switch (access) {
	case O_RDONLY:
		return RF_STREAM_TERMINAL | RF_STREAM_READ;
	case O_WRONLY:
		return RF_STREAM_TERMINAL | RF_STREAM_WRITE;
	}
	return RF_STREAM_TERMINAL | RF_STREAM_READ | RF_STREAM_WRITE;
}

/* Decides how a descriptor travels; 0, or -ENOTSUP. */
static int classify(const struct rf_fdtable *table, struct rf_fd *entry, const struct stat *status,
		    const struct rf_terminal *terminal, struct rf_arena *arena)
{
	int fd = entry->fd;
	bool is_standard = (int)entry->image.number < STDIO_COUNT;
	unsigned access = entry->image.status_flags & O_ACCMODE;

	if (entry->image.status_flags & O_PATH)
		return rf_fdpath_classify(table, entry, status, arena);
	if (is_standard && rf_is_common_device(status))
		return rf_fdpath_classify(table, entry, status, arena);
	if (rf_fdobject_is(status, entry->path)) {
		int error = rf_fdobject_classify(table, entry);

		if (error == 0 || !is_standard)
			return error;
	}
	if (S_ISCHR(status->st_mode) && terminal && rf_terminal_is(terminal, fd))
		entry->image.stream = find_terminal_stream(access);
	else
		entry->image.stream = is_standard ? find_standard_stream(fd, status, access)
						  : find_stream(fd, status, access);
	if (entry->image.stream) {
		entry->image.kind = RF_DESCRIPTOR_RELAY;
		entry->image.offset = find_send_buffer(fd, entry->image.stream);
		return 0;
	}
	if (!is_standard)
		return S_ISREG(status->st_mode) ? rf_fdcontent_classify(table, entry, status, arena)
						: rf_fdpath_classify(table, entry, status, arena);
	entry->image.kind = RF_DESCRIPTOR_EMPTY;
	return 0;
}

/* Numbers the channel of a relay that is no duplicate. */
static int take_channel(struct rf_fdtable *table, struct rf_fd *entry)
{
	static const uint32_t standard[] = { RF_STREAM_PIPE | RF_STREAM_READ,
					     RF_STREAM_PIPE | RF_STREAM_WRITE,
					     RF_STREAM_PIPE | RF_STREAM_WRITE };
	uint32_t number = entry->image.number;

	if (entry->image.kind != RF_DESCRIPTOR_RELAY || entry->image.same_as != RF_IMAGE_NONE)
		return 0;
	if ((entry->image.stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL) {
		entry->image.file = RF_IMAGE_TERMINAL_CHANNEL;
		return 0;
	}
	if (number < RF_IMAGE_STANDARD_CHANNELS && entry->image.stream == standard[number]) {
		entry->image.file = number;
		return 0;
	}
	if (table->channels == RF_IMAGE_MAX_CHANNELS)
		return -ENOTSUP;
	entry->image.file = table->channels++;
	return 0;
}

/* It is left out, and refused where it must not be. */
static int refuse(const struct rf_fd *entry, struct rf_refusals *refusals, const char *why)
{
	if (!refusals)
		return 0;
	rf_refuse(refusals, "descriptor %u (%s): %s", entry->image.number, entry->path, why);
	refusals->closable++;
	return 0;
}

/* Of a process that does not go along its number helps. */
static const char *name_type(int fd, const struct stat *status, const char *path,
			     struct rf_arena *arena)
{
	long process = rf_fdobject_is_process(path) ? rf_fdobject_find_process(fd) : 0;
	char *text = process > 0 ? rf_arena_take(arena, 64) : NULL;

	if (!text)
		return rf_fdname_type(fd, status, path);
	rf_format(text, 64, "process %ld, which does not go along", process);
	return text;
}

static const char *name_refused(const struct rf_fdtable *table, const struct rf_fd *entry,
				const struct stat *status, struct rf_arena *arena)
{
	if (table->takes_contents && !table->copies_files && rf_fdcontent_can_copy(entry, status))
		return "a file that has no path any more (see RFORK_COPY_FILES)";
	return name_type(entry->fd, status, entry->path, arena);
}

/* Whether another thread has closed it and opened something else under its number: what is known may
 * be of both then, and it is as what is opened later. */
static bool has_changed(const struct rf_fd *entry, const struct stat *before,
			struct rf_arena *arena)
{
	struct stat now;

	/* again, for it may have been closed and opened between two questions each time */
	for (int looks = 0; looks < CHANGING_LOOKS; looks++)
		if (rf_sys_fstat(entry->fd, &now) < 0 || now.st_dev != before->st_dev ||
		    now.st_ino != before->st_ino || now.st_mode != before->st_mode ||
		    (*entry->path && strcmp(read_path(arena, entry->fd), entry->path) != 0))
			return true;
	return false;
}

/* Looks at one descriptor; 1 if it travels, 0 if it is left out, or -ENOMEM. */
static int collect_one(struct rf_fdtable *table, struct rf_fdduplicates *known,
		       struct rf_arena *arena, const struct rf_fd_copy *copy,
		       struct rf_refusals *refusals, const struct rf_terminal *terminal)
{
	struct rf_fd *entry = &table->entries[table->count];
	struct stat status;
	long flags = rf_syscall(SYS_fcntl, copy->fd, F_GETFL);
	int fd = copy->number;
	size_t place;

	if (flags < 0 || rf_sys_fstat(copy->fd, &status) < 0)
		return 0; /* closed by another thread since the directory was read */
	memset(entry, 0, sizeof(*entry));
	entry->image.number = (uint32_t)fd;
	entry->fd = copy->fd;
	entry->image.status_flags = (uint32_t)flags;
	entry->image.flags = copy->is_cloexec ? RF_DESCRIPTOR_CLOEXEC : 0;
	entry->image.flags |= refusals ? 0 : RF_DESCRIPTOR_MAY_CLOSE;
	entry->image.same_as = RF_IMAGE_NONE;
	entry->image.file = RF_IMAGE_NONE;
	entry->witness_fd = -1;
	/* the standard ones travel whatever they are, but a device or an object is named */
	entry->path = fd < STDIO_COUNT && !rf_is_common_device(&status) && !(flags & O_PATH) &&
				      status.st_mode & S_IFMT
			      ? ""
			      : read_path(arena, copy->fd);
	known->identities[table->count] = rf_file_identity(&status);
	if (fd >= STDIO_COUNT && rf_fdduplicates_find_standard(known, entry))
		return 1;
	if (classify(table, entry, &status, terminal, arena) < 0) {
		if (has_changed(entry, &status, arena))
			return 0;
		return refuse(entry, refusals, name_refused(table, entry, &status, arena));
	}
	place = rf_fdduplicates_find(known, entry);
	if (take_channel(table, entry) < 0)
		return refuse(entry, refusals, "more streams than an image can have");
	rf_fdduplicates_add(known, entry, place);
	return rf_fdobject_add(table, entry, arena) < 0 ? -ENOMEM : 1;
}

static int compare_numbers(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Lists the open descriptors, ascending; their number or a negative errno. */
static long list_numbers(int *numbers, size_t capacity)
{
	struct dirent64 *entry;
	char buffer[4096] __attribute__((aligned(8)));
	size_t count = 0;
	long got;
	int directory = rf_sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return directory;
	while ((got = rf_syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < got; at += entry->d_reclen) {
			entry = (struct dirent64 *)(buffer + at);
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
				continue;
			if (count == capacity) {
				rf_sys_close(directory);
				return -ENOBUFS;
			}
			numbers[count] = atoi(entry->d_name);
			count += numbers[count] != directory;
		}
	}
	rf_sys_close(directory);
	qsort(numbers, count, sizeof(numbers[0]), compare_numbers);
	return got < 0 ? got : (long)count;
}

/* Begins a table for `count` descriptors; 0 or -ENOMEM with a report. */
static int begin_table(struct rf_fdtable *table, struct rf_fdduplicates *known,
		       struct rf_arena *arena, size_t count, struct rf_report *report)
{
	table->entries = rf_arena_take(arena, (count + 1) * sizeof(*table->entries));
	if (!table->entries || rf_fdduplicates_begin(known, table, arena, count) < 0)
		return rf_report(report, ENOMEM, "no room for the list of descriptors");
	return 0;
}

static void take_flags(struct rf_fdtable *table, uint32_t flags)
{
	table->takes_contents = !(flags & RF_FDTABLE_NO_CONTENTS);
	table->copies_files = table->takes_contents && flags & RFORK_COPY_FILES;
	table->copies_named = table->copies_files && !(flags & RF_FDTABLE_AT_REST);
}

int rf_fdtable_collect_copies(struct rf_fdtable *table, struct rf_arena *arena, pid_t process,
			      const struct rf_fd_copy *copies, size_t count, uint32_t flags,
			      struct rf_refusals *refusals, const struct rf_terminal *terminal,
			      struct rf_report *report)
{
	struct rf_fdduplicates known;
	int error;

	*table = (struct rf_fdtable){ .goes_itself = table->goes_itself,
				      .process = process,
				      .thread = process,
				      .channels = RF_IMAGE_FIRST_CHANNEL };
	take_flags(table, flags);
	error = begin_table(table, &known, arena, count, report);
	if (error < 0)
		return error;
	for (size_t i = 0; i < count; i++) {
		int taken = collect_one(table, &known, arena, &copies[i], refusals, terminal);

		if (taken < 0)
			return rf_report(report, -taken, "no room for the list of descriptors");
		table->count += (size_t)taken;
	}
	return rf_fdobject_look(table, arena, refusals, report);
}

int rf_fdtable_collect(struct rf_fdtable *table, struct rf_arena *arena, uint32_t flags,
		       struct rf_refusals *refusals, const struct rf_terminal *terminal,
		       bool (*is_ours)(int fd), struct rf_report *report)
{
	struct rf_fdduplicates known;
	size_t capacity = RF_IMAGE_MAX_DESCRIPTORS;
	int *numbers = rf_arena_take(arena, capacity * sizeof(*numbers));
	long count;
	int error;

	*table = (struct rf_fdtable){ .goes_itself = table->goes_itself,
				      .process = (pid_t)rf_syscall(SYS_getpid),
				      .thread = (pid_t)rf_syscall(SYS_gettid),
				      .channels = RF_IMAGE_FIRST_CHANNEL,
				      .numbers = numbers };
	take_flags(table, flags);
	if (!numbers)
		return rf_report(report, ENOMEM, "no room for the list of descriptors");
	count = list_numbers(numbers, capacity);
	if (count == -ENOBUFS)
		return rf_report(report, ENOTSUP, "more than %zu open descriptors", capacity);
	if (count < 0)
		return rf_report(report, (int)-count, "/proc/self/fd: %m");
	error = begin_table(table, &known, arena, (size_t)count, report);
	if (error < 0)
		return error;
	for (long i = 0; i < count; i++) {
		long fd_flags = rf_syscall(SYS_fcntl, numbers[i], F_GETFD);
		struct rf_fd_copy own = { numbers[i], numbers[i], fd_flags & FD_CLOEXEC };
		int taken;

		if (is_ours(own.fd))
			continue;
		numbers[table->number_count++] = own.fd;
		if (fd_flags < 0)
			continue; /* closed by another thread since the directory was read */
		taken = collect_one(table, &known, arena, &own, refusals, terminal);
		if (taken < 0)
			return rf_report(report, -taken, "no room for the list of descriptors");
		table->count += (size_t)taken;
	}
	return rf_fdobject_look(table, arena, refusals, report);
}

void rf_fdtable_describe(int fd, struct rf_arena *arena, const char **path, const char **type)
{
	struct stat status = { 0 };

	rf_sys_fstat(fd, &status);
	*path = read_path(arena, fd);
	*type = name_type(fd, &status, *path, arena);
}

/* Errors and ends are told unasked. */
static short events_of(const struct rf_image_descriptor *image)
{
	return image->stream & RF_STREAM_READ || rf_accept_is_listener(image->stream)
		       ? POLLIN | POLLRDHUP
		       : 0;
}

bool rf_fdtable_has_news(const struct rf_fdtable *table, struct rf_arena *arena)
{
	struct pollfd *polled = rf_arena_take(arena, (table->count + 1) * sizeof(*polled));
	nfds_t count = 0;

	if (!polled)
		return true;
	for (size_t i = 0; i < table->count; i++) {
		const struct rf_image_descriptor *image = &table->entries[i].image;

		if (image->kind != RF_DESCRIPTOR_RELAY || image->same_as != RF_IMAGE_NONE ||
		    (image->stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL)
			continue;
		if (image->stream == (RF_STREAM_SOCKET | RF_STREAM_READ | RF_STREAM_WRITE) &&
		    rf_channel_is_shut((int)image->number))
			return true;
		polled[count++] =
			(struct pollfd){ .fd = (int)image->number, .events = events_of(image) };
	}
	return count && rf_sys_poll(polled, (unsigned)count, 0) != 0;
}
