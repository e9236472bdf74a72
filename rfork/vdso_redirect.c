/* SPDX-License-Identifier: MIT */
/*
 * A function of a vdso has one entry and many names.  Each entry is overwritten where it is, for
 * programs keep its address; where it is shorter than what it becomes, that goes to the zeros
 * behind all code, and a short jump leads there.
 */
#define _GNU_SOURCE
#include "rfork/vdso_redirect.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/vdso_symbols.h"

#define ENTRY_ALIGNMENT ((size_t)16)

struct redirect {
	unsigned char *copy;
	struct rf_vdso_symbols from, to; /* to.count 0 = there is none */
	uint64_t to_address;
	size_t spare; /* from here on there is nothing but zeros */
	struct rf_report *report;
};

static bool is_same_name(const char *a, const char *b)
{
	return strcmp(rf_arch_vdso_name(a), rf_arch_vdso_name(b)) == 0;
}

static bool find_by_name(const struct rf_vdso_symbols *symbols, const char *name,
			 struct rf_vdso_function *function)
{
	for (uint32_t i = 0; i < symbols->count; i++)
		if (rf_vdso_symbols_function(symbols, i, function) &&
		    is_same_name(function->name, name))
			return true;
	return false;
}

/* Looks for a function under each name that its entry has. */
static bool find_target(const struct redirect *redirect, size_t offset,
			struct rf_vdso_function *target)
{
	struct rf_vdso_function alias;

	for (uint32_t i = 0; i < redirect->from.count; i++)
		if (rf_vdso_symbols_function(&redirect->from, i, &alias) &&
		    alias.offset == offset && find_by_name(&redirect->to, alias.name, target))
			return true;
	return false;
}

/* -- room ---------------------------------------------------------------------------------- */

/* Section headers are no part of what is loaded, but debuggers read them. */
static size_t end_of_headers(const struct rf_vdso_symbols *symbols)
{
	Elf64_Ehdr header;
	uint64_t bytes;

	memcpy(&header, symbols->code, sizeof(header));
	bytes = (uint64_t)header.e_shnum * header.e_shentsize;
	return header.e_shoff <= symbols->bytes && bytes <= symbols->bytes - header.e_shoff
		       ? (size_t)(header.e_shoff + bytes)
		       : symbols->bytes;
}

static size_t find_spare(const struct rf_vdso_symbols *symbols)
{
	size_t end = end_of_headers(symbols), used = symbols->bytes;

	while (used > end && !symbols->code[used - 1])
		used--;
	/* the zero behind the last byte that is not may be that byte's */
	return (used + ENTRY_ALIGNMENT) & ~(ENTRY_ALIGNMENT - 1);
}

/* How far a function reaches; but no further than to where the next one begins. */
static size_t find_room(const struct redirect *redirect, const struct rf_vdso_function *function)
{
	size_t room = function->bytes;
	struct rf_vdso_function other;

	for (uint32_t i = 0; i < redirect->from.count; i++) {
		if (!rf_vdso_symbols_function(&redirect->from, i, &other))
			continue;
		if (other.offset == function->offset && other.bytes < room)
			room = other.bytes;
		else if (other.offset > function->offset && other.offset - function->offset < room)
			room = other.offset - function->offset;
	}
	return room;
}

/* -- entries ------------------------------------------------------------------------------- */

static int write_entry(struct redirect *redirect, const struct rf_vdso_function *function,
		       const unsigned char *entry, size_t bytes)
{
	size_t room = find_room(redirect, function);
	size_t landing = rf_arch_vdso_landing(redirect->from.code + function->offset, room);
	size_t offset = function->offset + landing;
	unsigned char jump[RF_ARCH_VDSO_ENTRY_BYTES];
	size_t jump_bytes;

	room -= landing;
	if (bytes <= room) {
		memcpy(redirect->copy + offset, entry, bytes);
		return 0;
	}
	jump_bytes = rf_arch_vdso_near_jump(jump, (int32_t)(redirect->spare - offset));
	if (jump_bytes > room || redirect->spare > redirect->from.bytes ||
	    bytes > redirect->from.bytes - redirect->spare)
		return rf_report(redirect->report, ENOEXEC,
				 "the image's vdso is of another kernel build, and its function %s "
				 "(%zu bytes) has no room for a jump to this one's",
				 function->name, function->bytes);
	memcpy(redirect->copy + offset, jump, jump_bytes);
	memcpy(redirect->copy + redirect->spare, entry, bytes);
	redirect->spare += (bytes + ENTRY_ALIGNMENT - 1) & ~(ENTRY_ALIGNMENT - 1);
	return 0;
}

static int redirect_function(struct redirect *redirect, const struct rf_vdso_function *function)
{
	unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES];
	struct rf_vdso_function target;
	size_t bytes;

	if (find_target(redirect, function->offset, &target))
		bytes = rf_arch_vdso_jump(entry, redirect->to_address + target.offset);
	else
		bytes = rf_arch_vdso_stub(entry, rf_arch_vdso_name(function->name));
	return write_entry(redirect, function, entry, bytes);
}

/* Whether no symbol before this one has the same entry. */
static bool is_first_name(const struct redirect *redirect, uint32_t index, size_t offset)
{
	struct rf_vdso_function other;

	for (uint32_t i = 0; i < index; i++)
		if (rf_vdso_symbols_function(&redirect->from, i, &other) && other.offset == offset)
			return false;
	return true;
}

int rf_vdso_redirect(unsigned char *copy, const unsigned char *code, size_t bytes,
		     const struct rf_vdso_target *target, struct rf_report *report)
{
	struct redirect redirect = { .copy = copy,
				     .to_address = target->address,
				     .report = report };
	struct rf_vdso_function function;
	int error = 0;

	if (rf_vdso_symbols_open(&redirect.from, code, bytes) < 0)
		return rf_report(report, ENOEXEC,
				 "the image's vdso is of another kernel build, and has no symbols "
				 "that can be read");
	if (target->code && rf_vdso_symbols_open(&redirect.to, target->code, target->bytes) < 0)
		return rf_report(report, ENOEXEC, "the vdso of this kernel has no symbols");
	redirect.spare = find_spare(&redirect.from);
	for (uint32_t i = 0; i < redirect.from.count && error == 0; i++)
		if (rf_vdso_symbols_function(&redirect.from, i, &function) &&
		    is_first_name(&redirect, i, function.offset))
			error = redirect_function(&redirect, &function);
	return error;
}
