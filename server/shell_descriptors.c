/* SPDX-License-Identifier: MIT */
/*
 * Gives the shell the image's descriptors, and no others but the one that carries the
 * report and the connection.  Runs after the pages have arrived.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "rfork/restore_contents.h"
#include "rfork/restore_objects.h"
#include "rfork/restore_watches.h"
#include "rfork/sys.h"
#include "server/shell.h"
#include "server/shell_protocol.h"

/* What does not describe an open file but how it was opened. */
#define CREATION_FLAGS (O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | (O_TMPFILE & ~O_DIRECTORY))

/* What means something for a stream that is not opened by its own path. */
#define STREAM_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK)

/* What the shell needs above the image's numbers: its own six, and a stream's two while it is
 * made. */
#define SPARE_FDS 10u
/* The lowest number that none of the shell's own has. */
#define FIRST_FREE_FD (RF_SHELL_TERMINAL_FD + 2u)

/* Descriptors of the shell, moved above all of the image's. */
struct high_fds {
	unsigned first;
	int report, standard[RF_CHANNELS_STANDARD];
	int terminal; /* -1 = none */
	int connection;
};

int rf_shell_open_flags(const struct rf_image_descriptor *descriptor)
{
	return (int)(descriptor->status_flags & ~(uint32_t)CREATION_FLAGS) | O_NOCTTY;
}

unsigned rf_shell_first_free_fd(const struct rf_image *image)
{
	unsigned first = rf_restore_first_spare(image);

	return first < FIRST_FREE_FD ? FIRST_FREE_FD : first;
}

/* The image may hold more than this node's default allows; the hard limit decides. */
void rf_shell_raise_limit(struct rf_shell *shell, uint32_t more)
{
	rlim_t needed = (rlim_t)rf_shell_first_free_fd(&shell->image) + SPARE_FDS + more;
	struct rlimit now, raised;

	if (rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &now) < 0 || now.rlim_cur >= needed ||
	    now.rlim_cur >= now.rlim_max)
		return;
	raised = (struct rlimit){ now.rlim_max, now.rlim_max };
	if (!shell->is_limit_raised)
		shell->limit = now;
	shell->is_limit_raised |= rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &raised, NULL) == 0;
}

static int duplicate(int fd, unsigned lowest)
{
	return (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lowest);
}

static int move_up(struct rf_shell *shell, struct high_fds *high)
{
	const struct rf_image *image = &shell->image;
	int lowest;

	*high = (struct high_fds){ .first = rf_shell_first_free_fd(image), .terminal = -1 };
	rf_shell_raise_limit(shell,
			     image->pipe_count + (shell->contents ? image->head.objects : 0));
	high->report = lowest = duplicate(shell->report_fd, high->first);
	for (unsigned i = 0; i < RF_CHANNELS_STANDARD; i++) {
		high->standard[i] = duplicate((int)(RF_SHELL_STANDARD_FD + i), high->first);
		lowest = high->standard[i] < lowest ? high->standard[i] : lowest;
	}
	if (shell->has_terminal) {
		high->terminal = duplicate(RF_SHELL_TERMINAL_FD, high->first);
		lowest = high->terminal < lowest ? high->terminal : lowest;
	}
	high->connection = duplicate(shell->connection, high->first);
	lowest = high->connection < lowest ? high->connection : lowest;
	if (lowest < 0)
		return rf_report(&shell->report, ENOTSUP,
				 "descriptor %u is above the node's limit of open files",
				 high->first - 1);
	shell->report_fd = high->report;
	shell->connection = shell->reader.fd = high->connection;
	return 0;
}

/* All that was the shell's; those that moved up are the only ones that stay. */
static void close_low(const struct high_fds *high)
{
	rf_sys_close_between(0, high->first - 1);
}

/* Gives the session an end of a stream. */
static int send_end(const struct high_fds *high, const struct rf_image_descriptor *descriptor,
		    enum rf_shell_end end, int fd, uint32_t inode)
{
	struct rf_shell_stream stream = { .kind = RF_SHELL_STREAM,
					  .channel = descriptor->file,
					  .stream = descriptor->stream,
					  .end = end,
					  .inode = inode };
	struct iovec iov = { &stream, sizeof(stream) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	do
		sent = rf_sys_sendmsg(high->report, &message, MSG_NOSIGNAL);
	while (sent == -EINTR);
	return sent < 0 ? (int)sent : 0;
}

static int make_ends(const struct rf_image_descriptor *descriptor, int ends[2])
{
	switch (descriptor->stream & RF_STREAM_TYPE) {
	case RF_STREAM_PIPE:
		return (int)rf_syscall(SYS_pipe2, ends, 0);
	case RF_STREAM_DATAGRAM:
		return (int)rf_syscall(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends);
	case RF_STREAM_SEQPACKET:
		return (int)rf_syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, ends);
	default:
		return (int)rf_syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
	}
}

/* The session's end, before the child can do anything: it refuses descriptors, which could not be
 * carried on, so that sendmsg() gets EPERM (since Linux 6.16; before, they are dropped and nobody
 * hears of it), and all that a child sends which only reads. */
static void set_up_socket(int fd, const struct rf_image_descriptor *descriptor)
{
	int no = 0;

	rf_syscall(SYS_setsockopt, fd, SOL_SOCKET, RF_SO_PASSRIGHTS, &no, sizeof(no));
	if (!(descriptor->stream & RF_STREAM_WRITE))
		rf_syscall(SYS_shutdown, fd, SHUT_RD);
}

/* What was too long at home is to be so here.  The kernel doubles the number; a node that allows
 * less refuses shorter messages. */
static void set_send_buffer(int fd, uint64_t bytes)
{
	int half = (int)((bytes + 1) / 2);

	if (bytes)
		rf_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
}

/* Binds the socket in the first folder that lets us; the name's own descriptor, O_PATH, is all that
 * is left of it.  Or a negative errno. */
static int bind_unseen(int fd, uint32_t channel)
{
	static const char *const folders[] = { "/tmp", "/dev/shm", "/var/tmp" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	long mask = rf_syscall(SYS_umask, 0177); /* for others not even in between */
	int error = -ENOENT, name = -1;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && error < 0; i++) {
		rf_format(address.sun_path, sizeof(address.sun_path), "%s/.rfork-%d-%u", folders[i],
			  (int)rf_syscall(SYS_getpid), channel);
		error = (int)rf_syscall(SYS_bind, fd, &address, sizeof(address));
	}
	rf_syscall(SYS_umask, mask);
	if (error < 0)
		return error;
	name = rf_sys_open(address.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	rf_syscall(SYS_unlinkat, AT_FDCWD, address.sun_path, 0);
	return name;
}

/* Gives the session the name of a socket of the child's, to which only the session can connect
 * then. */
static int send_name(const struct high_fds *high, const struct rf_image_descriptor *descriptor,
		     int fd)
{
	struct stat status;
	int name = bind_unseen(fd, descriptor->file), error;

	if (name < 0)
		return name;
	error = rf_sys_fstat(fd, &status);
	if (error == 0)
		error = send_end(high, descriptor, RF_SHELL_END_SESSION, name,
				 (uint32_t)status.st_ino);
	rf_sys_close(name);
	return error;
}

/* Makes the child's listening socket. */
static int open_listener(const struct high_fds *high, const struct rf_image_descriptor *descriptor)
{
	bool keeps_messages = descriptor->stream & RF_STREAM_CONNECTIONS_KEEP_MESSAGES;
	int fd = (int)rf_syscall(SYS_socket, AF_UNIX, keeps_messages ? SOCK_SEQPACKET : SOCK_STREAM,
				 0);
	int error;

	if (fd < 0)
		return fd;
	error = send_name(high, descriptor, fd);
	if (error == 0)
		error = (int)rf_syscall(SYS_listen, fd, SOMAXCONN);
	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return error;
}

/* Makes the child's datagram socket that has no peer. */
static int open_without_peer(const struct high_fds *high,
			     const struct rf_image_descriptor *descriptor)
{
	int fd = (int)rf_syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
	int error;

	if (fd < 0)
		return fd;
	set_send_buffer(fd, descriptor->offset);
	error = send_name(high, descriptor, fd);
	if (error == 0)
		error = send_end(high, descriptor, RF_SHELL_END_CHILD, fd, 0);
	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return error;
}

/* Makes the stream of a channel: the child's end under any number, the session's sent to it. */
static int open_stream(const struct high_fds *high, const struct rf_image_descriptor *descriptor)
{
	unsigned mine = descriptor->stream & RF_STREAM_READ ? 0 : 1;
	int ends[2], error;

	if (descriptor->file < RF_CHANNELS_STANDARD)
		return (int)rf_syscall(SYS_dup, high->standard[descriptor->file]);
	if ((descriptor->stream & RF_STREAM_TYPE) == RF_STREAM_LISTENER)
		return open_listener(high, descriptor);
	if (descriptor->stream & RF_STREAM_HAS_NO_PEER)
		return open_without_peer(high, descriptor);
	error = make_ends(descriptor, ends);
	if (error < 0)
		return error;
	if ((descriptor->stream & RF_STREAM_TYPE) != RF_STREAM_PIPE)
		set_up_socket(ends[1 - mine], descriptor);
	set_send_buffer(ends[mine], descriptor->offset);
	error = send_end(high, descriptor, RF_SHELL_END_SESSION, ends[1 - mine], 0);
	if (error == 0 && (descriptor->stream & RF_STREAM_TYPE) == RF_STREAM_DATAGRAM)
		error = send_end(high, descriptor, RF_SHELL_END_CHILD, ends[mine], 0);
	rf_sys_close(ends[1 - mine]);
	if (error == 0)
		return ends[mine];
	rf_sys_close(ends[mine]);
	return error;
}

/* Opens the terminal once more, for each open file description has its own flags. */
static int open_terminal(const struct high_fds *high, int flags)
{
	char path[32];
	int fd;

	if (high->terminal < 0)
		return -ENXIO;
	rf_format(path, sizeof(path), "/proc/self/fd/%d", high->terminal);
	fd = rf_sys_open(path, (flags & STREAM_FLAGS) | O_NOCTTY);
	return fd == -ENOENT ? (int)rf_syscall(SYS_dup, high->terminal) : fd; /* no /proc */
}

/* Opens what the descriptor shows, under any number; a negative errno where the node cannot. */
static int open_descriptor(struct rf_shell *shell, const struct high_fds *high,
			   const struct rf_image_descriptor *descriptor)
{
	int flags = rf_shell_open_flags(descriptor);
	int fd;

	if (descriptor->same_as != RF_IMAGE_NONE)
		return (int)rf_syscall(SYS_dup, descriptor->same_as);
	switch (descriptor->kind) {
	case RF_DESCRIPTOR_RELAY:
		if (descriptor->file == RF_CHANNEL_TERMINAL)
			return open_terminal(high, flags);
		fd = open_stream(high, descriptor);
		if (fd >= 0 && flags & O_NONBLOCK)
			rf_syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK);
		return fd;
	case RF_DESCRIPTOR_PIPE:
		return rf_restore_take_pipe_end(&shell->pipes[descriptor->file],
						&shell->image.pipes[descriptor->file], descriptor,
						high->first);
	case RF_DESCRIPTOR_OBJECT:
		if (shell->image.objects[descriptor->file].object.image.kind == RF_OBJECT_CONTENT)
			return rf_restore_content_open(shell->contents[descriptor->file].fd,
						       descriptor->status_flags,
						       descriptor->offset);
		return rf_restore_object(&shell->image, descriptor, shell->layout_ns);
	case RF_DESCRIPTOR_EMPTY:
		return rf_sys_open("/dev/null", flags & STREAM_FLAGS);
	}
	fd = rf_shell_reopen(shell, descriptor, flags);
	if (fd >= 0 && descriptor->offset &&
	    rf_syscall(SYS_lseek, fd, descriptor->offset, SEEK_SET) < 0) {
		rf_sys_close(fd);
		return -ESPIPE;
	}
	return fd;
}

/* Why the node cannot provide a descriptor. */
static const char *name_fault(const struct rf_shell *shell,
			      const struct rf_image_descriptor *descriptor, int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return "no such file";
	case -ESTALE:
		if (descriptor->offset && S_ISDIR(shell->image.files[descriptor->file].image.mode))
			return "it has been read in part, and what has that path is not provably "
			       "the same directory";
		return descriptor->flags & RF_DESCRIPTOR_DIGEST
			       ? "another file has that path"
			       : "what has that path is not provably the same object";
	}
	return strerrordesc_np(-error);
}

static const char *name_what(const struct rf_shell *shell,
			     const struct rf_image_descriptor *descriptor)
{
	if (descriptor->kind == RF_DESCRIPTOR_PIPE)
		return "pipe";
	if (descriptor->kind == RF_DESCRIPTOR_OBJECT)
		return rf_restore_name_object(&shell->image, descriptor);
	return descriptor->kind == RF_DESCRIPTOR_FILE && descriptor->same_as == RF_IMAGE_NONE
		       ? shell->image.files[descriptor->file].path
		       : "a stream or a duplicate";
}

/* A file that the node lacks can be sent. */
static const char *advise(const struct rf_shell *shell,
			  const struct rf_image_descriptor *descriptor)
{
	bool is_file = descriptor->kind == RF_DESCRIPTOR_FILE &&
		       descriptor->same_as == RF_IMAGE_NONE &&
		       !(descriptor->status_flags & O_PATH) &&
		       S_ISREG(shell->image.files[descriptor->file].image.mode);

	return is_file ? "; RFORK_COPY_FILES carries its content" : "";
}

static int refuse(struct rf_shell *shell, const struct rf_image_descriptor *descriptor, int error)
{
	rf_report(&shell->report, ENOTSUP, "descriptor %u (%s): on the node: %s%s",
		  descriptor->number, name_what(shell, descriptor),
		  name_fault(shell, descriptor, error), advise(shell, descriptor));
	return rf_shell_object(shell);
}

/* Puts one descriptor in its place.  All lower numbers are done, so the number is free. */
static int make_descriptor(struct rf_shell *shell, const struct high_fds *high,
			   const struct rf_image_descriptor *descriptor)
{
	int number = (int)descriptor->number;
	int cloexec = descriptor->flags & RF_DESCRIPTOR_CLOEXEC ? FD_CLOEXEC : 0;
	int fd = open_descriptor(shell, high, descriptor);
	int error = fd < 0 ? fd : 0;

	if (fd >= 0 && fd != number) {
		error = (int)rf_syscall(SYS_dup3, fd, number, 0);
		rf_sys_close(fd);
	}
	if (error >= 0)
		error = (int)rf_syscall(SYS_fcntl, number, F_SETFD, cloexec);
	if (error < 0 && descriptor->flags & RF_DESCRIPTOR_MAY_CLOSE)
		return 0;
	return error < 0 ? refuse(shell, descriptor, error) : 0;
}

int rf_shell_make_descriptors(struct rf_shell *shell)
{
	struct high_fds high;
	int error = move_up(shell, &high);

	if (error < 0)
		return error;
	close_low(&high);
	for (uint32_t i = 0; i < shell->image.head.descriptors; i++) {
		error = make_descriptor(shell, &high, &shell->image.descriptors[i]);
		if (error < 0)
			return error;
	}
	error = rf_shell_finish_contents(shell);
	if (error < 0)
		return error;
	rf_restore_close_pipes(shell->pipes, shell->image.pipe_count);
	error = rf_restore_watches(&shell->image, high.first, &shell->report);
	if (error < 0)
		return error;
	for (unsigned i = 0; i < RF_CHANNELS_STANDARD; i++)
		rf_sys_close(high.standard[i]);
	if (high.terminal >= 0)
		rf_sys_close(high.terminal);
	/* what is open stays open under a lower limit */
	if (shell->is_limit_raised)
		rf_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &shell->limit, NULL);
	return 0;
}
