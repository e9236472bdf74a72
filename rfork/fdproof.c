/* SPDX-License-Identifier: MIT */
/*
 * Proofs for the node that it has a descriptor's file.  Digests are made by rfork.c before the
 * fork, witnesses by the ghost; neither changes anything of the caller's.
 */
#define _GNU_SOURCE
#include "rfork/fdproof.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/fdcontent.h"
#include "rfork/file_identity.h"
#include "rfork/io.h"
#include "rfork/state.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u

static bool is_regular(const struct rf_fd *entry)
{
	bool is_file = entry->image.kind == RF_DESCRIPTOR_FILE ||
		       (rf_fdcontent_is(entry) && entry->has_path);

	return is_file && entry->image.same_as == RF_IMAGE_NONE && S_ISREG(entry->identity.mode) &&
	       !(entry->image.status_flags & O_PATH) &&
	       !(entry->image.flags & RF_DESCRIPTOR_BY_PATH);
}

/* -- digests ---------------------------------------------------------------------------- */

static bool is_only_read(const struct rf_fd *entry)
{
	return is_regular(entry) && (entry->image.status_flags & O_ACCMODE) == O_RDONLY;
}

/* Whether the descriptor still has open what it had, unchanged, and its size is the truth: files of
 * /proc and /sys have more bytes or less. */
static bool is_as_collected(const struct rf_fd *entry)
{
	unsigned char end[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))); /* for O_DIRECT */
	uint64_t size = entry->identity.size_bytes;
	uint64_t last = size ? (size - 1) & ~(uint64_t)(PAGE_BYTES - 1) : 0;
	int fd = (int)entry->image.number;
	struct rf_image_file now;
	struct stat status;

	if (rf_sys_fstat(fd, &status) < 0)
		return false;
	now = rf_file_identity(&status);
	return memcmp(&now, &entry->identity, sizeof(now)) == 0 &&
	       rf_sys_pread(fd, end, sizeof(end), last) == (ssize_t)(size - last);
}

static bool find_digest(const struct rf_digest_cache *cache, struct rf_fd *entry)
{
	bool found;

	rf_state_lock();
	found = rf_digest_cache_find(cache, &entry->identity, 0, entry->identity.size_bytes,
				     entry->image.digest);
	rf_state_unlock();
	return found;
}

/* Reads the file through the caller's own descriptor, whose offset stays.  Without the lock: it may
 * take long. */
static int read_digest(struct rf_digest_cache *cache, struct rf_fd *entry, int64_t deadline_ns)
{
	uint64_t digest[2];
	int error = rf_digest_file((int)entry->image.number, 0, entry->identity.size_bytes,
				   deadline_ns, digest);

	if (error < 0)
		return error;
	if (!is_as_collected(entry))
		return -EAGAIN;
	memcpy(entry->image.digest, digest, sizeof(digest));
	rf_state_lock();
	rf_digest_cache_add(cache, &entry->identity, 0, entry->identity.size_bytes, digest);
	rf_state_unlock();
	return 0;
}

int rf_fdproof_digest(struct rf_fdtable *table, struct rf_digest_cache *cache, int64_t deadline_ns,
		      struct rf_report *report)
{
	for (size_t i = 0; i < table->count; i++) {
		struct rf_fd *entry = &table->entries[i];
		int error = 0;

		if (!is_only_read(entry))
			continue;
		if (!find_digest(cache, entry))
			error = read_digest(cache, entry, deadline_ns);
		if (error == -ETIMEDOUT)
			return rf_report(report, ETIMEDOUT,
					 "descriptor %u (%s): reading the file for its digest took "
					 "longer than the time limit",
					 entry->image.number, entry->path);
		if (error == 0)
			entry->image.flags |= RF_DESCRIPTOR_DIGEST;
	}
	return 0;
}

static bool is_identical(int fd, const struct rf_image_file *identity)
{
	struct rf_image_file now;
	struct stat status;

	if (rf_sys_fstat(fd, &status) < 0)
		return false;
	now = rf_file_identity(&status);
	now.index = identity->index;
	return memcmp(&now, identity, sizeof(now)) == 0;
}

int rf_fdproof_digest_path(const char *path, const struct rf_image_file *identity,
			   uint64_t digest[2])
{
	int fd, error = -ESTALE;

	if (identity->size_bytes > RF_FDPROOF_MAX_BYTES)
		return -EFBIG;
	fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (is_identical(fd, identity))
		error = rf_digest_file(fd, 0, identity->size_bytes, RF_NO_DEADLINE, digest);
	if (error == 0 && !is_identical(fd, identity))
		error = -ESTALE;
	rf_sys_close(fd);
	return error;
}

void rf_fdproof_digest_by_path(struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct rf_fd *entry = &table->entries[i];
		uint64_t digest[2];

		if (!is_only_read(entry) || entry->image.flags & RF_DESCRIPTOR_DIGEST ||
		    rf_fdproof_digest_path(entry->path, &entry->identity, digest) < 0)
			continue;
		memcpy(entry->image.digest, digest, sizeof(digest));
		entry->image.flags |= RF_DESCRIPTOR_DIGEST;
	}
}

/* -- witnesses ---------------------------------------------------------------------------- */

static bool is_written(const struct rf_fd *entry)
{
	uint32_t access = entry->image.status_flags & O_ACCMODE;

	return is_regular(entry) && (access == O_WRONLY || access == O_RDWR);
}

/* Locks one byte; the descriptor that holds the lock, or a negative errno. */
static int lock_byte(uint32_t number, uint64_t offset)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = 1
	};
	char link[32];
	long error;
	int fd;

	rf_format(link, sizeof(link), "/proc/self/fd/%u", number);
	fd = rf_sys_open(link, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fd;
	error = rf_syscall(SYS_fcntl, fd, F_OFD_SETLK, &lock);
	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return (int)error;
}

void rf_fdproof_witness(struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct rf_fd *entry = &table->entries[i];
		uint64_t random;

		if (!is_written(entry) ||
		    rf_syscall(SYS_getrandom, &random, sizeof(random), 0) != sizeof(random))
			continue;
		random = RF_WITNESS_FIRST + random % (RF_WITNESS_END - RF_WITNESS_FIRST);
		entry->witness_fd = lock_byte(entry->image.number, random);
		if (entry->witness_fd < 0)
			continue;
		entry->image.witness = random;
		entry->image.flags |= RF_DESCRIPTOR_WITNESS;
	}
}

void rf_fdproof_release(struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->entries[i].witness_fd >= 0)
			rf_sys_close(table->entries[i].witness_fd);
		table->entries[i].witness_fd = -1;
	}
}
