/* SPDX-License-Identifier: MIT */
/*
 * What the functions of a vdso become that belongs to another kernel: jumps, or system calls.
 * Called before an image runs; no malloc, no errno.
 */
#define _GNU_SOURCE
#include <linux/errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "rfork/arch.h"

/* A function, and the system call that does the same. */
struct replacement {
	const char *name;
	uint32_t number;
	bool has_query; /* a fifth argument of -1 asks for something that only a vdso has */
};

/* The arguments of each are those of the call, in the same registers. */
static const struct replacement replacements[] = {
	{ "clock_getres", SYS_clock_getres, false },
	{ "clock_gettime", SYS_clock_gettime, false },
	{ "getcpu", SYS_getcpu, false },
	{ "getrandom", SYS_getrandom, true },
	{ "gettimeofday", SYS_gettimeofday, false },
	{ "time", SYS_time, false },
};

/* endbr64: where indirect branches are tracked they must find it. */
static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };

size_t rf_arch_vdso_landing(const unsigned char *code, size_t bytes)
{
	return bytes >= sizeof(landing) && memcmp(code, landing, sizeof(landing)) == 0
		       ? sizeof(landing)
		       : 0;
}

/* The name under which a function is known, with or without it. */
const char *rf_arch_vdso_name(const char *symbol)
{
	static const char prefix[] = "__vdso_";

	return strncmp(symbol, prefix, sizeof(prefix) - 1) == 0 ? symbol + sizeof(prefix) - 1
								: symbol;
}

/* jmp *0(%rip), and the address behind it: no register changes, and any address is near enough. */
size_t rf_arch_vdso_jump(unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES], uint64_t target)
{
	static const unsigned char jump[] = { 0xff, 0x25, 0, 0, 0, 0 };

	memcpy(entry, jump, sizeof(jump));
	memcpy(entry + sizeof(jump), &target, sizeof(target));
	return sizeof(jump) + sizeof(target);
}

/* jmp rel32, counted from its end. */
size_t rf_arch_vdso_near_jump(unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES], int32_t distance)
{
	int32_t relative = distance - 5;

	entry[0] = 0xe9;
	memcpy(entry + 1, &relative, sizeof(relative));
	return 5;
}

static size_t append(unsigned char *entry, size_t used, const void *code, size_t bytes)
{
	memcpy(entry + used, code, bytes);
	return used + bytes;
}

/* mov $value,%eax, sign-extended; ret */
static size_t append_result(unsigned char *entry, size_t used, int32_t value)
{
	static const unsigned char move[] = { 0x48, 0xc7, 0xc0 }, leave[] = { 0xc3 };

	used = append(entry, used, move, sizeof(move));
	used = append(entry, used, &value, sizeof(value));
	return append(entry, used, leave, sizeof(leave));
}

/* mov $number,%eax; syscall; ret.  What a call changes no caller of a function relies on. */
static size_t append_call(unsigned char *entry, size_t used, uint32_t number)
{
	static const unsigned char move[] = { 0xb8 }, call[] = { 0x0f, 0x05, 0xc3 };

	used = append(entry, used, move, sizeof(move));
	used = append(entry, used, &number, sizeof(number));
	return append(entry, used, call, sizeof(call));
}

size_t rf_arch_vdso_stub(unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES], const char *name)
{
	/* cmp $-1,%r8; je to the result behind the call */
	static const unsigned char query[] = { 0x49, 0x83, 0xf8, 0xff, 0x74, 0x08 };
	const size_t count = sizeof(replacements) / sizeof(replacements[0]);
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, replacements[i].name) != 0)
			continue;
		if (!replacements[i].has_query)
			return append_call(entry, 0, replacements[i].number);
		used = append(entry, 0, query, sizeof(query));
		used = append_call(entry, used, replacements[i].number);
		break;
	}
	return append_result(entry, used, -ENOSYS);
}
