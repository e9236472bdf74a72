/* SPDX-License-Identifier: MIT */
/*
 * The little of libc that the reader of images calls, for a program that has none.  Memory comes
 * from one mapping and is never given back: it vanishes with the program.
 */
#define _GNU_SOURCE
#include "rfork/start/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define ALIGNMENT 16u

/* -- strings ------------------------------------------------------------------------------ */

/* The compiler is told not to make calls of the same name of these loops: see local.mk. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return start;
}

void *memset(void *to, int value, size_t bytes)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	unsigned char *target = to;
	const unsigned char *source = from;

	if ((uintptr_t)to - (uintptr_t)from >= bytes)
		return memcpy(to, from, bytes);
	while (bytes--)
		target[bytes] = source[bytes];
	return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *left = a, *right = b;

	for (; bytes && *left == *right; bytes--)
		left++, right++;
	return bytes ? *left - *right : 0;
}

void *memchr(const void *memory, int value, size_t bytes)
{
	const unsigned char *next = memory;

	for (; bytes; bytes--, next++)
		if (*next == (unsigned char)value)
			return (void *)next;
	return NULL;
}

size_t strnlen(const char *string, size_t most)
{
	size_t length = 0;

	while (length < most && string[length])
		length++;
	return length;
}

size_t strlen(const char *string)
{
	return strnlen(string, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t most)
{
	for (; most && *a && *a == *b; most--)
		a++, b++;
	return most ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *string, int value)
{
	return memchr(string, value, strlen(string) + 1);
}

char *strrchr(const char *string, int value)
{
	for (size_t i = strlen(string) + 1; i-- > 0;)
		if (string[i] == (char)value)
			return (char *)string + i;
	return NULL;
}

/* What can go wrong here, in the words of strerror(3); others are told by number. */
const char *strerrordesc_np(int error)
{
	static const struct {
		int error;
		const char *description;
	} errors[] = {
		{ EPERM, "Operation not permitted" },
		{ ENOENT, "No such file or directory" },
		{ EINTR, "Interrupted system call" },
		{ EIO, "Input/output error" },
		{ ENXIO, "No such device or address" },
		{ EBADF, "Bad file descriptor" },
		{ EAGAIN, "Resource temporarily unavailable" },
		{ ENOMEM, "Cannot allocate memory" },
		{ EACCES, "Permission denied" },
		{ EFAULT, "Bad address" },
		{ EBUSY, "Device or resource busy" },
		{ EEXIST, "File exists" },
		{ ENODEV, "No such device" },
		{ ENOTDIR, "Not a directory" },
		{ EISDIR, "Is a directory" },
		{ EINVAL, "Invalid argument" },
		{ ENFILE, "Too many open files in system" },
		{ EMFILE, "Too many open files" },
		{ ETXTBSY, "Text file busy" },
		{ ENOSPC, "No space left on device" },
		{ ESPIPE, "Illegal seek" },
		{ EROFS, "Read-only file system" },
		{ ENAMETOOLONG, "File name too long" },
		{ ENOSYS, "Function not implemented" },
		{ ELOOP, "Too many levels of symbolic links" },
		{ EPROTO, "Protocol error" },
		{ EOVERFLOW, "Value too large for defined data type" },
		{ EBADMSG, "Bad message" },
		{ ESTALE, "Stale file handle" },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == error)
			return errors[i].description;
	return NULL;
}

/* -- memory ------------------------------------------------------------------------------- */

static unsigned char *next_memory, *memory_end;

int rf_start_map_memory(uint64_t hint, size_t bytes, uint64_t *start)
{
	long memory = rf_sys_mmap(hint, bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory < 0 && memory > -4096)
		return (int)memory;
	*start = (uint64_t)memory;
	next_memory = (unsigned char *)memory;
	memory_end = next_memory + bytes;
	return 0;
}

static size_t round_up(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Each piece is preceded by its size, for realloc(). */
void *malloc(size_t bytes)
{
	size_t left = (size_t)(memory_end - next_memory);
	unsigned char *piece = next_memory + ALIGNMENT;

	if (left < ALIGNMENT || bytes > left - ALIGNMENT || round_up(bytes) > left - ALIGNMENT)
		return NULL;
	memcpy(next_memory, &bytes, sizeof(bytes));
	next_memory = piece + round_up(bytes);
	return piece;
}

/* Fresh memory is zero, and what was given out is never given out again. */
void *calloc(size_t count, size_t bytes)
{
	size_t all;

	return __builtin_mul_overflow(count, bytes, &all) ? NULL : malloc(all);
}

/* The last piece grows where it is: tables that grow record by record would fill the memory
 * with copies. */
void *realloc(void *memory, size_t bytes)
{
	unsigned char *piece = memory;
	void *grown;
	size_t old;

	if (!memory)
		return malloc(bytes);
	memcpy(&old, piece - ALIGNMENT, sizeof(old));
	if (bytes <= old)
		return memory;
	if (piece + round_up(old) == next_memory)
		next_memory = piece - ALIGNMENT;
	grown = malloc(bytes);
	return grown && grown != memory ? memcpy(grown, memory, old) : grown;
}

void free(void *memory)
{
	(void)memory;
}

int getpagesize(void)
{
	return PAGE_BYTES;
}
