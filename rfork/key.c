/* SPDX-License-Identifier: MIT */
/*
 * Loads, makes and wipes the shared key.  Called by rfork() before the fork and by
 * rfork-server.  The key and its text are only ever in the private page: never on the
 * stack, in the heap or in a stdio buffer, all of which an image would carry along.
 */
#define _GNU_SOURCE
#include "rfork/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES (2 * RF_KEY_BYTES)
#define TEMPORARY_SUFFIX ".XXXXXX"

/* The path stands here too: 4 KiB less on the caller's stack, which travels. */
struct key_page {
	uint8_t key[RF_KEY_BYTES];
	char text[TEXT_BYTES + 2]; /* a newline, and one byte that must not be there */
	char path[PATH_MAX];
	char temporary[PATH_MAX + sizeof(TEMPORARY_SUFFIX)];
};

static struct key_page *page_of(const struct rf_key *key)
{
	return (struct key_page *)(void *)key->bytes;
}

int rf_key_allocate(struct rf_key *key, struct rf_report *report)
{
	void *page = mmap(NULL, sizeof(struct key_page), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	key->bytes = NULL;
	if (page == MAP_FAILED)
		return rf_report(report, errno, "memory for the key: %m");
	if (madvise(page, sizeof(struct key_page), MADV_DONTFORK) < 0 ||
	    madvise(page, sizeof(struct key_page), MADV_DONTDUMP) < 0) {
		int error = errno;

		munmap(page, sizeof(struct key_page));
		return rf_report(report, error, "private memory for the key: %m");
	}
	key->bytes = page;
	return 0;
}

void rf_key_wipe(struct rf_key *key)
{
	if (!key->bytes)
		return;
	sodium_memzero(key->bytes, sizeof(struct key_page));
	munmap(key->bytes, sizeof(struct key_page));
	key->bytes = NULL;
}

/* Writes directory and name into path; false if it does not fit. */
static bool join_path(char path[PATH_MAX], const char *directory, const char *name)
{
	size_t length = strlen(directory) + strlen(name);

	if (length >= PATH_MAX)
		return false;
	rf_format(path, PATH_MAX, "%s%s", directory, name);
	return true;
}

static int default_path(char path[PATH_MAX], struct rf_report *report)
{
	const char *config = secure_getenv("XDG_CONFIG_HOME");
	const char *home = secure_getenv("HOME");
	bool fits;

	if (config && config[0] == '/')
		fits = join_path(path, config, "/rfork/key");
	else if (home && home[0] == '/')
		fits = join_path(path, home, "/.config/rfork/key");
	else
		return rf_report(report, ENOKEY,
				 "no key: neither HOME nor XDG_CONFIG_HOME names a folder");
	return fits ? 0 : rf_report(report, ENAMETOOLONG, "path of the key file: %m");
}

/* O_NONBLOCK: a FIFO in the file's place must not hang the caller. */
static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* Opens the key file and leaves its path in the page; a descriptor or a negative errno. */
static int find_file(struct key_page *page, const char *path, struct rf_report *report)
{
	const char *named = path ? NULL : secure_getenv("RFORK_KEY_FILE");
	int error;
	int fd;

	if (named && *named && join_path(page->path, named, "")) {
		fd = open_file(page->path);
		if (fd >= 0)
			return fd;
	}
	if (path && !join_path(page->path, path, ""))
		return rf_report(report, ENAMETOOLONG, "path of the key file: %m");
	if (!path) {
		error = default_path(page->path, report);
		if (error < 0)
			return error;
	}
	fd = open_file(page->path);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return rf_report(report, ENOKEY, "there is no key file %s", page->path);
	if (fd < 0)
		return rf_report(report, fd == -EACCES ? EKEYREJECTED : -fd,
				 "key file %s cannot be opened: %s", page->path,
				 strerrordesc_np(-fd));
	return fd;
}

static int check_file(const struct stat *status, const char *path, struct rf_report *report)
{
	if (!S_ISREG(status->st_mode))
		return rf_report(report, EKEYREJECTED, "key file %s is not a regular file", path);
	if (status->st_uid != geteuid() && status->st_uid != 0)
		return rf_report(report, EKEYREJECTED, "key file %s belongs to another user", path);
	if (status->st_mode & (S_IRWXG | S_IRWXO))
		return rf_report(report, EKEYREJECTED,
				 "key file %s can be used by others; chmod 600 it", path);
	return 0;
}

static ssize_t read_text(int fd, char *text, size_t bytes)
{
	size_t used = 0;

	while (used < bytes) {
		ssize_t got = read(fd, text + used, bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

static int decode_text(struct key_page *page, size_t length)
{
	size_t decoded = 0;

	if (length == TEXT_BYTES + 1 && page->text[TEXT_BYTES] == '\n')
		length--;
	if (length != TEXT_BYTES || sodium_hex2bin(page->key, sizeof(page->key), page->text, length,
						   NULL, &decoded, NULL) != 0)
		return -EKEYREJECTED;
	return decoded == RF_KEY_BYTES ? 0 : -EKEYREJECTED;
}

static int load_file(struct key_page *page, int fd, struct rf_report *report)
{
	struct stat status;
	ssize_t length;
	int error;

	if (fstat(fd, &status) < 0)
		return rf_report(report, errno, "key file %s: %m", page->path);
	error = check_file(&status, page->path, report);
	if (error < 0)
		return error;
	length = read_text(fd, page->text, sizeof(page->text));
	if (length < 0)
		return rf_report(report, (int)-length, "key file %s: %m", page->path);
	error = decode_text(page, (size_t)length);
	sodium_memzero(page->text, sizeof(page->text));
	if (error < 0)
		return rf_report(report, EKEYREJECTED,
				 "key file %s does not hold 64 hexadecimal digits", page->path);
	return 0;
}

int rf_key_load(struct rf_key *key, const char *path, struct rf_report *report)
{
	int error = rf_key_allocate(key, report);
	int fd;

	if (error < 0)
		return error;
	fd = find_file(page_of(key), path, report);
	error = fd;
	if (fd >= 0) {
		error = load_file(page_of(key), fd, report);
		close(fd);
	}
	if (error < 0)
		rf_key_wipe(key);
	return error;
}

/* Makes the folders on the way to path, which is put back together before the return. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int made;

		*slash = '\0';
		made = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
		*slash = '/';
		/* A folder that exists may say EACCES or EROFS first: opening the file decides. */
		if (made < 0 && made != -EACCES && made != -EROFS && made != -EPERM)
			return made;
	}
	return 0;
}

static int random_text(struct key_page *page)
{
	size_t used = 0;

	while (used < sizeof(page->key)) {
		ssize_t got = getrandom(page->key + used, sizeof(page->key) - used, 0);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			used += (size_t)got;
	}
	sodium_bin2hex(page->text, sizeof(page->text), page->key, sizeof(page->key));
	page->text[TEXT_BYTES] = '\n';
	return 0;
}

static int write_text(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t put = write(fd, text, bytes);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			text += put;
			bytes -= (size_t)put;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Gives the finished file its name, unless another has it already: then that one counts. */
static int publish_file(const char *temporary, const char *path)
{
	if (link(temporary, path) == 0 || errno == EEXIST)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP)
		return -errno;
	/* A file system without hard links. */
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EEXIST ? 0 : -errno;
}

static int create_file(struct key_page *page)
{
	int error = make_folders(page->path);
	int fd;

	if (error < 0)
		return error;
	rf_format(page->temporary, sizeof(page->temporary), "%s%s", page->path, TEMPORARY_SUFFIX);
	fd = mkostemp(page->temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = random_text(page);
	if (error == 0)
		error = write_text(fd, page->text, TEXT_BYTES + 1);
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error == 0)
		error = publish_file(page->temporary, page->path);
	unlink(page->temporary);
	return error;
}

int rf_key_load_or_create(struct rf_key *key, const char *path, struct rf_report *report)
{
	struct rf_report missing = { 0 };
	int error = rf_key_load(key, path, &missing);

	if (error != -ENOKEY)
		return error < 0 ? rf_report(report, missing.error, "%s", missing.sentence) : 0;
	error = rf_key_allocate(key, report);
	if (error < 0)
		return error;
	if (!path)
		error = default_path(page_of(key)->path, report);
	else if (!join_path(page_of(key)->path, path, ""))
		error = rf_report(report, ENAMETOOLONG, "path of the key file: %m");
	if (error == 0) {
		error = create_file(page_of(key));
		if (error < 0)
			rf_report(report, -error, "key file %s cannot be made: %m",
				  page_of(key)->path);
	}
	rf_key_wipe(key);
	return error < 0 ? error : rf_key_load(key, path, report);
}
