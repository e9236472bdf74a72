/* SPDX-License-Identifier: MIT */
/*
 * rfork.h - fork() whose child wakes up on another machine.
 *
 * The whole public interface of librfork.  Every call follows the POSIX habit:
 * -1 and errno on failure.  After a failure rfork_error() holds one sentence
 * that names the object at fault.
 *
 * Thread safety: every call may be made by several threads at once.
 * Signal safety: no call is async-signal-safe.
 */
#ifndef RFORK_H
#define RFORK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RFORK_VERSION_MAJOR 0
#define RFORK_VERSION_MINOR 1
#define RFORK_VERSION_PATCH 0

/* The library is built with hidden symbols; these are the ones it exports. */
#pragma GCC visibility push(default)

/* TCP port of rfork-server where none is given. */
#define RFORK_DEFAULT_PORT 21062

/* Flags of struct rfork_options. */

/* Return once the snapshot exists; if the hand-over fails later, the ghost
 * says why on standard error and dies by SIGKILL. */
#define RFORK_ASYNC (1u << 0)
/* Take nothing by reference: every mapped file travels by content. */
#define RFORK_SELF_CONTAINED (1u << 1)
/* Files that the node lacks, or that have no path any more, travel by content:
 * the child has copies of its own. */
#define RFORK_COPY_FILES (1u << 2)
/* Close in the child what cannot travel, instead of refusing. */
#define RFORK_CLOSE_OTHERS (1u << 3)
/* The child outlives the link; the ghost exits 0 once the child runs. */
#define RFORK_DETACH (1u << 4)
/* Allow a connection beyond loopback and unix sockets without encryption. */
#define RFORK_INSECURE_PLAINTEXT (1u << 5)

/* A flag of rfork_check() alone. */

/* List what rfork_move_with() would refuse. */
#define RFORK_CHECK_MOVE (1u << 8)

/* Flags of rfork_checkpoint() alone. */

/* Write only what has changed since the last checkpoint of this kind, if that is written. */
#define RFORK_INCREMENTAL (1u << 6)
/* Take the calling thread only, as a fork does, instead of refusing where there are others. */
#define RFORK_THIS_THREAD (1u << 7)

/* Values of rfork_options.compression: how memory, and bytes of files that go by content, are packed
 * on their way to the node; AUTO packs by what the library sees of link and data, where that is
 * quicker. */
#define RFORK_COMPRESS_NONE 0u
#define RFORK_COMPRESS_LZ4 1u
#define RFORK_COMPRESS_ZSTD 2u
#define RFORK_COMPRESS_AUTO 3u

/*
 * Options of rfork_with().  Zero every field that is not set; a zeroed struct
 * with only `size` filled in means all defaults.
 */
struct rfork_options {
	size_t size;	      /* sizeof(struct rfork_options); unknown nonzero tail: E2BIG */
	uint64_t flags;	      /* RFORK_*; an unknown flag: EINVAL */
	int timeout_ms;	      /* whole hand-over; 0 = 30 000, -1 = none */
	unsigned compression; /* RFORK_COMPRESS_* */
	const char *key_file; /* NULL = RFORK_KEY_FILE, else the default file */
};

/*
 * rfork - create a child process on another machine.
 *
 * host: NUL-terminated, 1 to 255 bytes, not kept: "name", "name:port",
 *       "[v6]:port", "tcp://...", "rdma://...", "auto://...", or "unix:PATH".
 *       The port defaults to RFORK_PORT from the environment, else to
 *       RFORK_DEFAULT_PORT.  With rdma:// the pages of a large process go by
 *       RDMA, with auto:// where both machines can.
 *
 * Returns the pid of a local child, the ghost, in the caller: waitpid() on it
 * gives the remote child's own status.  Returns 0 in the child, on the node.
 * Returns -1 and sets errno when no child was created; the caller is then as
 * it was, and nothing is left on either side.
 *
 * The child has the calling thread only, as after fork(); in a threaded caller
 * it may do only what a fork child may.
 *
 * Errors:
 *   EINVAL          host is not of one of the forms above
 *   EDEADLK         it was called by a function of rfork_atfork()
 *   EPERM           host is beyond loopback, or with rdma:// its pages would go
 *                   beyond it, without RFORK_INSECURE_PLAINTEXT
 *   EHOSTUNREACH    host is unknown, or cannot be reached
 *   ECONNREFUSED    no server listens there
 *   ENOKEY          there is no key file
 *   EKEYREJECTED    the key differs from the server's, or the key file is
 *                   malformed or can be read by others
 *   EPROTONOSUPPORT no common protocol version
 *   ENOEXEC         the node's CPU or kernel cannot run the image
 *   ENOTSUP         the process holds something that cannot travel
 *   EBADMSG         the stream was corrupted on its way
 *   EAGAIN          the node runs its maximum of children, or fork() said so; or
 *                   huge pages were written to meanwhile, and there are too few
 *   ETIMEDOUT       the hand-over took longer than the time limit
 *   ECONNRESET      the node or its server died during the hand-over
 *   ENODEV          rdma://: this machine or the node has no RDMA device, or the
 *                   node is told not to use it
 *   ENOMEM, ENOSPC  either side ran out of memory or space
 *   EIO             with RFORK_CHECK_FROZEN: the image changed while it was sent
 *   ENOSYS          host begins with ssh://, which this version does not implement
 *
 * Rights: none beyond those of the process itself.  Linux 4.18 or later.
 */
pid_t rfork(const char *host);

/*
 * rfork_with - rfork() with options.
 *
 * options: NULL means all defaults; otherwise not kept after the return.
 *
 * Errors: those of rfork(), and
 *   EINVAL  an unknown flag, compression or a timeout below -1
 *   E2BIG   options->size is larger than this library knows, with a nonzero tail
 *   ENOTSUP the node cannot unpack what is packed so
 */
pid_t rfork_with(const char *host, const struct rfork_options *options);

/*
 * rfork_move - go on on another machine.
 *
 * host: as for rfork().
 *
 * Returns 0 in the process that goes on, on the node.  At home its pid stays,
 * as that of its ghost: the process's parent waits for it, signals it, and
 * talks to it through pipes as before, and whatever was open goes on working
 * as in a child of rfork().  Returns -1 and sets errno if the process could
 * not go: it is then as it was, and nothing is left on the node.  At no time do
 * both execute.
 *
 * The process must have no other thread, no child processes, be they
 * running or only not waited for, and no locks on files.
 *
 * Errors: those of rfork(), and
 *   ENOTSUP  there are other threads or child processes, or memory or
 *            descriptors are shared with the parent, or files are locked
 *
 * Rights: none beyond those of the process itself.  Linux 4.18 or later.
 */
int rfork_move(const char *host);

/*
 * rfork_move_with - rfork_move() with options.
 *
 * options: NULL means all defaults; otherwise not kept after the return.
 * With RFORK_DETACH the ghost exits 0 as soon as the process runs on the node.
 *
 * Errors: those of rfork_move() and rfork_with(), and
 *   EINVAL  RFORK_ASYNC, which has no meaning for a move
 */
int rfork_move_with(const char *host, const struct rfork_options *options);

/*
 * rfork_atfork - have functions called before and after the process is copied.
 *
 * prepare: called in the caller of rfork(), rfork_move(), rfork_checkpoint() and
 *       rfork_undump(), once their arguments have been checked and before anything of
 *       the process is looked at; those that were registered last are called first.
 * parent: called in the caller afterwards, also if the call has failed; in the order of
 *       registration.
 * child: called in the process that goes on from the copy, in the order of registration,
 *       before the call returns 0 there: in the child on the node, in a process that has
 *       moved, and each time that one is restarted.
 *
 * Each may be NULL.  They are called by the thread that makes the call, with its signal mask.
 * What prepare closes or frees does not travel; rfork_check() calls prepare and parent, too.  The
 * time limit of the hand-over begins after prepare.
 *
 * Functions of a library must be removed before that is unloaded.  One of these functions
 * cannot itself call what it is called by: EDEADLK.  Each must return: leaving one by longjmp(), an
 * exception or pthread_exit() is undefined.
 *
 * Returns 0, or -1 and sets errno:
 *   ENOMEM  there is not enough memory
 */
int rfork_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/*
 * rfork_atfork_remove - take back what rfork_atfork() was called with.
 *
 * prepare, parent, child: as then; what was registered last with these three is removed.
 *
 * Returns 0, or -1 and sets errno:
 *   ENOENT  nothing is registered with these three
 */
int rfork_atfork_remove(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* Values of rfork_identity.transport: by what the process came where it is. */
#define RFORK_TRANSPORT_NONE 0u /* it has never arrived anywhere */
#define RFORK_TRANSPORT_TCP 1u
#define RFORK_TRANSPORT_UNIX 2u
#define RFORK_TRANSPORT_RDMA 3u /* TCP, with pages by RDMA where that worked */
#define RFORK_TRANSPORT_FILE 4u /* it was restarted by executing a file */

/* A process, and the machine that it was or is on. */
struct rfork_process {
	pid_t pid;		   /* in its own pid namespace */
	char host[64];		   /* as uname -n, with a zero */
	unsigned char boot_id[16]; /* of the machine's boot; 0 = unknown */
};

/*
 * What rfork_self() tells.  The names are those of processes that have been, and their pids may be
 * other processes' by now.
 */
struct rfork_identity {
	size_t size;		     /* in: sizeof(struct rfork_identity) */
	unsigned hops;		     /* how often this process, as each that it is a copy of, has
				       * arrived somewhere; 0 = never */
	unsigned transport;	     /* RFORK_TRANSPORT_* of the last hop */
	struct rfork_process origin; /* who left its machine first */
	struct rfork_process home;   /* who was copied, or went on, by the last hop */
	struct rfork_process node;   /* who arrived here: a fork child of it is told the same */
	pid_t ghost;		     /* that stood for it where it came from; 0 = none */
	int64_t arrived_ns; /* when it arrived, in nanoseconds since 1970 by the clock here */
	unsigned char generation[16]; /* random, new at each arrival; 0 = never */
	char connection[256]; /* the node's name as the caller gave it; of a file its name */
};

/*
 * rfork_self - who this process is, and where.
 *
 * identity: identity->size is set, all else is filled.  A process that has never arrived anywhere
 *       has 0 hops, and is its own origin, home and node.
 *
 * Returns 0, or -1 and sets errno:
 *   EINVAL  identity is NULL, or identity->size is too small
 *
 * Of what rfork_self() tells of a process that has arrived, nothing is looked up: the call takes a
 * fraction of a microsecond.  What undump(1) took from a running process is restarted without its
 * knowledge, and is told what was true before.
 */
int rfork_self(struct rfork_identity *identity);

/*
 * rfork_check - what rfork() would refuse.
 *
 * host: as for rfork(); NULL: only what the process by itself cannot take along.
 * options: as for rfork_with(); with RFORK_CHECK_MOVE as for rfork_move_with().
 * list: takes a line for each refusal: the descriptor with its path, the address range, or
 *       the state by name, and why.  Terminated by a zero; what has no room is left out by whole
 *       lines.  May be NULL if bytes is 0.
 * bytes: room in list; beyond 1 MiB no more is used.
 *
 * Looks at the process as rfork() does, by the same code, and asks the node; nothing is sent but
 * what describes the process, nothing is executed on the node, and no signal or wait() tells of
 * it.  What changes between the check and the call can still be refused by that.
 *
 * Returns 0 if rfork() would go, else how many refusals there are, whether they have room in the
 * list or not.  Returns -1 and sets errno if that could not be found out: rfork() would fail with
 * the same error.
 *
 * Errors: those of rfork_with(), but ENOTSUP, ENOEXEC and ENOSPC, which are refusals
 */
int rfork_check(const char *host, const struct rfork_options *options, char *list, size_t bytes);

/*
 * rfork_error - why the last rfork call of this thread failed.
 *
 * Returns one sentence without a newline; "no error" before the first failure.
 * Never NULL.  The string belongs to the library and holds until the thread's
 * next rfork call.
 */
const char *rfork_error(void);

/*
 * rfork_report - what the last successful call of this thread could not give the child.
 *
 * In the process that goes on elsewhere, or is restarted: what it did not get as it had it, such as
 * a limit, a priority or a CPU that is not to be had there.  In the caller of rfork() the same of
 * the child.
 *
 * Returns lines, each with its newline, one for each such thing; "" if there is none, and after a
 * call with RFORK_ASYNC, which has not waited to hear.  Never NULL.  The string belongs to the
 * library and holds until the thread's next call.
 */
const char *rfork_report(void);

/*
 * rfork_version - the library's version, such as "0.1.0".
 *
 * Returns a constant string; never NULL.
 */
const char *rfork_version(void);

/* Identifier of a checkpoint held in memory: positive, local to the process,
 * never reused. */
typedef int64_t rfork_crid_t;

/*
 * rfork_checkpoint - hold a checkpoint of the calling process in memory.
 *
 * flags: 0 or a union of
 *   RFORK_SELF_CONTAINED  nothing by reference: mapped files go into the checkpoint
 *   RFORK_COPY_FILES      files that are open and have no path any more go into the checkpoint,
 *                         instead of refused
 *   RFORK_CLOSE_OTHERS    descriptors that cannot be kept are closed in the restarted
 *                         process, instead of refused
 *   RFORK_INCREMENTAL     what is written is only what has changed since the last checkpoint
 *                         with this flag, if that has been written to a named file, which is
 *                         still there
 *   RFORK_THIS_THREAD     other threads are not kept, instead of refused; the restarted
 *                         process may do only what a fork child may
 *
 * Returns a positive identifier in the caller, as soon as the snapshot exists: the pause is that
 * of a fork().  Returns 0 in a process that is restarted from the checkpoint.  Returns -1 and sets
 * errno on failure; the caller is then as it was.
 *
 * The snapshot is held by a process, a copy of the caller, of which neither SIGCHLD nor
 * wait() nor waitpid(-1) tell; it ends with rfork_discard(), and when the caller ends or executes
 * another program.  At most 256 are held at a time.  A fork child does not inherit them.
 *
 * Errors:
 *   EINVAL   an unknown flag
 *   EDEADLK  it was called by a function of rfork_atfork()
 *   ENOTSUP  the process holds something that cannot be kept: the sentence names all of it, as
 *            far as it has room
 *   EAGAIN   256 checkpoints are held, or fork() said so; or huge pages were written to
 *            meanwhile, and there are too few
 *   ENOMEM   there is not enough memory
 *   EMFILE   no descriptor is free
 *   ECONNRESET  the process that was to hold it was killed
 *
 * Rights: none beyond those of the process itself.  Linux 5.3 or later.
 */
rfork_crid_t rfork_checkpoint(unsigned flags);

/*
 * rfork_commit - begin to write a held checkpoint.
 *
 * crid: from rfork_checkpoint(), in this process.
 * fd: open for writing; it stays open, and the caller's.  A named file is replaced, once the
 *     checkpoint is written and durable, by another one of mode 0600 under its name: fd goes on to
 *     name the file of before.  A file without a name, of O_TMPFILE or memfd_create(2), is
 *     overwritten from its start.  A pipe or socket takes a stream.
 *
 * Returns 0 once it has begun; the program runs on meanwhile, and rfork_commit_wait() or
 * rfork_discard() tell how it ended.  Returns -1 and sets errno if nothing has begun.
 *
 * Errors:
 *   EINVAL  there is no such checkpoint, or fd is of a kind that nothing can be written to
 *   ECHILD  it is held by the parent of this process
 *   EBUSY   it is being written, or nobody has heard yet how that ended
 *   EBADF   fd is not open for writing
 *   ESTALE  the file no longer has a name: a checkpoint has replaced it, or it was removed
 *   ECONNRESET  the process that holds the checkpoint was killed
 *   EACCES, EROFS, ENOSPC and others of open(2), for a file beside the named one
 */
int rfork_commit(rfork_crid_t crid, int fd);

/*
 * rfork_commit_wait - wait until a checkpoint is written.
 *
 * crid: as for rfork_commit(), which has begun to write it.
 * timeout_ms: 0 or more; -1 = no limit.
 *
 * Returns 0 once it is written and durable.  Returns -1 and sets errno if it could not be written:
 * then what was under the file's name is still there, and the checkpoint is still held.
 *
 * Errors:
 *   EINVAL     there is no such checkpoint, it is not being written, or a timeout below -1
 *   ECHILD     it is held by the parent of this process
 *   EBUSY      another thread uses it
 *   ETIMEDOUT  it is still being written
 *   ECONNRESET the process that holds the checkpoint was killed
 *   ENOSPC, EDQUOT, EFBIG, EIO, EPIPE and others of write(2), fsync(2) and rename(2)
 */
int rfork_commit_wait(rfork_crid_t crid, int timeout_ms);

/*
 * rfork_discard - drop a held checkpoint.
 *
 * crid: from rfork_checkpoint(), in this process.  Waits until a commit under way has ended.
 *
 * Returns 0.  Returns -1 and sets errno if a commit has failed of which nobody has heard yet, as
 * rfork_commit_wait() would; the checkpoint is dropped all the same.
 *
 * Errors: those of rfork_commit_wait(), without ETIMEDOUT; with EINVAL, ECHILD and EBUSY nothing
 * is dropped.
 */
int rfork_discard(rfork_crid_t crid);

/*
 * rfork_undump - write an executable that resumes the calling process.
 *
 * path: the file to write, of mode 0700; what has that name is replaced when the
 *       new file is complete.
 *
 * Returns 1 in the program that wrote it.  Returns 0 each time the executable is
 * started, in a process that goes on from this call, whose standard input, output
 * and error are those that it was started with.  Returns -1 and sets errno on
 * failure: what had the name is still there then.
 *
 * The executable is complete: it needs neither this library nor the files that
 * the process had mapped, only a machine whose CPU has what the process may use.  Files that are
 * open must be there when it is started, but for those that have no path: they go into it.
 *
 * Errors: those of rfork_checkpoint(), and
 *   EINVAL        there is no path
 *   EISDIR, ENAMETOOLONG, ENOENT, EACCES, EROFS, ENOSPC, EDQUOT, ...
 *                 path cannot be written to
 *
 * Rights: none beyond those of the process itself.  Linux 4.18 or later.
 */
int rfork_undump(const char *path);

/*
 * rfork_restart_args - what the restarted program was started with.
 *
 * argc, argv, envp: take the count and the lists that main() of a new program would
 *       get; each may be NULL.  The lists belong to the library, and stay until the
 *       process is restarted again.
 *
 * Returns 0, or -1 and sets errno:
 *   ENOENT  the process was not restarted from an executable of rfork_undump()
 *           or undump(1)
 */
int rfork_restart_args(int *argc, char ***argv, char ***envp);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
