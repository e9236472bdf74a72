/* SPDX-License-Identifier: MIT */
/*
 * Names and amounts for --info.  Called by info.c and info_json.c; what records say has been
 * checked by the reader.
 */
#define _GNU_SOURCE
#include "tools/describe.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/undump.h"

#define PAGE_BYTES 4096u

struct describe_carried describe_carried(const struct rf_source *source, size_t index)
{
	const struct rf_image_mapping *mapping = &source->image.mappings[index];
	struct describe_carried carried = { 0 };

	for (size_t i = rf_source_find(source, mapping->start);
	     i < source->segment_count && source->segments[i].address < mapping->end; i++) {
		uint64_t pages = source->segments[i].bytes / PAGE_BYTES;

		switch (source->segments[i].kind) {
		case RF_SEGMENT_DATA:
			carried.data_pages += pages;
			break;
		case RF_SEGMENT_ZERO:
			carried.zero_pages += pages;
			break;
		case RF_SEGMENT_GUARD:
			carried.guard_pages += pages;
		}
	}
	return carried;
}

const char *describe_how(const struct rf_image_mapping *mapping,
			 const struct describe_carried *carried)
{
	if (mapping->kind == RF_MAPPING_FILE)
		return "reference";
	return carried->data_pages ? "content" : "zero";
}

const char *describe_what(const struct rf_image *image, const struct rf_image_mapping *mapping)
{
	const struct rf_image_process *process = &image->process;

	if (mapping->kind == RF_MAPPING_OBJECT)
		return image->objects[mapping->file].object.name;
	if (mapping->kind != RF_MAPPING_ANONYMOUS)
		return image->files[mapping->file].path;
	if (mapping->start < process->brk && mapping->end > process->start_brk)
		return "[heap]";
	if (mapping->start <= process->start_stack && process->start_stack < mapping->end)
		return "[stack]";
	return NULL;
}

void describe_rights(char rights[5], const struct rf_image_mapping *mapping)
{
	rights[0] = mapping->protection & RF_PROTECTION_READ ? 'r' : '-';
	rights[1] = mapping->protection & RF_PROTECTION_WRITE ? 'w' : '-';
	rights[2] = mapping->protection & RF_PROTECTION_EXECUTE ? 'x' : '-';
	rights[3] = mapping->flags & RF_MAPPING_SHARED ? 's' : 'p';
	rights[4] = '\0';
}

const char *describe_descriptor_kind(const struct rf_image_descriptor *descriptor)
{
	static const char *const kinds[] = { [RF_DESCRIPTOR_RELAY] = "relay",
					     [RF_DESCRIPTOR_EMPTY] = "empty",
					     [RF_DESCRIPTOR_FILE] = "file",
					     [RF_DESCRIPTOR_PIPE] = "pipe",
					     [RF_DESCRIPTOR_OBJECT] = "object" };

	return descriptor->kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[descriptor->kind]
		       ? kinds[descriptor->kind]
		       : "unknown";
}

const char *describe_object_kind(const struct rf_object_state *object)
{
	static const char *const kinds[] = {
		[RF_OBJECT_EVENT] = "eventfd",	  [RF_OBJECT_TIMER] = "timerfd",
		[RF_OBJECT_SIGNALS] = "signalfd", [RF_OBJECT_POLL] = "epoll",
		[RF_OBJECT_INOTIFY] = "inotify",  [RF_OBJECT_PROCESS] = "pidfd",
		[RF_OBJECT_CONTENT] = "content"
	};

	return object->image.kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[object->image.kind]
		       ? kinds[object->image.kind]
		       : "unknown";
}

const char *describe_access(const struct rf_image_descriptor *descriptor)
{
	if (descriptor->status_flags & O_PATH)
		return "path";
	switch (descriptor->status_flags & O_ACCMODE) {
	case O_RDONLY:
		return "read";
	case O_WRONLY:
		return "write";
	case O_RDWR:
		return "read and write";
	}
	return "none";
}

const char *describe_stream(const struct rf_image_descriptor *descriptor)
{
	static const char *const streams[] = { [RF_STREAM_PIPE] = "pipe",
					       [RF_STREAM_SOCKET] = "stream socket",
					       [RF_STREAM_DATAGRAM] = "datagram socket",
					       [RF_STREAM_SEQPACKET] = "seqpacket socket",
					       [RF_STREAM_LISTENER] = "listening socket",
					       [RF_STREAM_TERMINAL] = "terminal" };
	uint32_t type = descriptor->stream & RF_STREAM_TYPE;

	return type < sizeof(streams) / sizeof(streams[0]) && streams[type] ? streams[type]
									    : "unknown";
}

const char *describe_lock_kind(const struct rf_image_lock *lock)
{
	switch (lock->kind) {
	case RF_LOCK_RECORD:
		return "F_SETLK";
	case RF_LOCK_OPEN_FILE:
		return "F_OFD_SETLK";
	}
	return "flock";
}

const char *describe_timer_kind(const struct rf_image_timer *timer)
{
	static const char *const kinds[] = { "ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF",
					     "timer_create" };

	return timer->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[timer->kind] : "unknown";
}

const char *describe_clock(int32_t clock)
{
	static const struct {
		int32_t clock;
		const char *name;
	} clocks[] = {
		{ CLOCK_REALTIME, "CLOCK_REALTIME" },
		{ CLOCK_MONOTONIC, "CLOCK_MONOTONIC" },
		{ CLOCK_BOOTTIME, "CLOCK_BOOTTIME" },
		{ CLOCK_REALTIME_ALARM, "CLOCK_REALTIME_ALARM" },
		{ CLOCK_BOOTTIME_ALARM, "CLOCK_BOOTTIME_ALARM" },
		{ CLOCK_TAI, "CLOCK_TAI" },
		{ CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID" },
		{ CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID" },
		/* the same, as the kernel calls them: the complement of pid 0, and their kind */
		{ -6, "CLOCK_PROCESS_CPUTIME_ID" },
		{ -2, "CLOCK_THREAD_CPUTIME_ID" },
	};

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		if (clocks[i].clock == clock)
			return clocks[i].name;
	return NULL;
}

const char *describe_signal(unsigned number)
{
	static char text[32];
	const char *name = sigabbrev_np((int)number);

	if (name)
		snprintf(text, sizeof(text), "SIG%s", name);
	else if (number >= 34) /* SIGRTMIN, as the C library counts */
		snprintf(text, sizeof(text), "SIGRTMIN+%u", number - 34);
	else
		snprintf(text, sizeof(text), "signal %u", number);
	return text;
}

const char *const describe_registers[DESCRIBE_REGISTERS] = {
	"r15",	  "r14", "r13", "r12",	   "rbp",     "rbx", "r11",	 "r10", "r9",
	"r8",	  "rax", "rcx", "rdx",	   "rsi",     "rdi", "orig_rax", "rip", "cs",
	"eflags", "rsp", "ss",	"fs_base", "gs_base", "ds",  "es",	 "fs",	"gs",
};

_Static_assert(sizeof(struct rf_image_registers) == DESCRIBE_REGISTERS * sizeof(uint64_t),
	       "one name for each");

uint64_t describe_register(const struct rf_image_thread *thread, unsigned index)
{
	uint64_t values[DESCRIBE_REGISTERS];

	memcpy(values, &thread->registers, sizeof(values));
	return values[index];
}

/* Statefiles and executables are told apart by their header alone; a core says nothing of its
 * origin. */
const char *describe_source(const struct rf_source *source)
{
	static const uint8_t none[RF_IMAGE_ID_BYTES];
	Elf64_Ehdr header;

	if (source->chain_count == 0)
		return memcmp(source->origin.id, none, sizeof(none)) == 0 ? "core" : "stream";
	if (pread(source->chain[0].fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return "statefile";
	return header.e_type == ET_EXEC ? "executable" : "statefile";
}
