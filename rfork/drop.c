/* SPDX-License-Identifier: MIT */
/*
 * Leaves one kind of state out of an image.  Called by image_writer.c for tests.  What takes the
 * state's place is what a process of the node would have: 0, or the default.
 */
#define _GNU_SOURCE
#include "rfork/drop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/drop_parts.h"

#define DEFAULT_UMASK 022u
#define DEFAULT_MXCSR 0x1f80u
#define DEFAULT_X87_CONTROL 0x37fu
/* In the legacy area of XSAVE, which a thread that was interrupted has behind its record. */
#define XSAVE sizeof(struct rf_image_thread)
#define XSAVE_X87_CONTROL 0
#define XSAVE_MXCSR 24
#define SIGACTIONS_BYTES (RF_IMAGE_SIGNALS * sizeof(struct rf_image_sigaction))

/* -- the table --------------------------------------------------------------------------------- */

#define OFFSET(record, member) offsetof(struct rf_image_##record, member)
#define SIZE(record, member) sizeof(((struct rf_image_##record *)0)->member)

/* A member of a record; and members that lie side by side. */
#define FIELD(record, member, value)                                                               \
	{                                                                                          \
		OFFSET(record, member), SIZE(record, member), value                                \
	}
#define ZEROS(record, first, last)                                                                 \
	{                                                                                          \
		OFFSET(record, first),                                                             \
			OFFSET(record, last) + SIZE(record, last) - OFFSET(record, first), 0       \
	}

#define FIELDS(name, type, ...)                                                                    \
	{                                                                                          \
		name, RF_RECORD_##type, .fields = { __VA_ARGS__ }                                  \
	}
#define CHANGE(name, type, function)                                                               \
	{                                                                                          \
		name, RF_RECORD_##type, .change = RF_DROP_CHANGE_##function                        \
	}
#define CONTENTS(name, function)                                                                   \
	{                                                                                          \
		name, .contents = RF_DROP_CONTENTS_##function                                      \
	}
#define GUARDS(name)                                                                               \
	{                                                                                          \
		name, .is_guards = true                                                            \
	}

/* In the order of doc/state.md, which has a row for each. */
static const struct rf_drop_kind kinds[] = {
	/* the process */
	FIELDS("umask", PROCESS, FIELD(process, umask, DEFAULT_UMASK)),
	CHANGE("working-directory", PROCESS, directory),
	FIELDS("name", PROCESS, FIELD(process, comm, 0)),
	CHANGE("arguments", PROCESS, arguments),
	CHANGE("environment", PROCESS, environment),
	CHANGE("auxiliary-vector", PROCESS, auxv),
	CHANGE("code-ranges", PROCESS, code_ranges),
	CHANGE("clocks", CLOCKS, all),
	CHANGE("capabilities", RIGHTS, all),
	CHANGE("identity", IDENTITY, all),
	/* what it has chosen for itself */
	CHANGE("limits", STATE, limits),
	CHANGE("scheduling", THREAD_STATE, schedule),
	CHANGE("cpu-affinity", THREAD_STATE, cpus),
	CHANGE("io-priority", THREAD_STATE, io_priority),
	CHANGE("oom-score", STATE, oom_score),
	CHANGE("core-dump-filter", STATE, core_filter),
	CHANGE("autogroup", STATE, autogroup),
	CHANGE("timer-slack", THREAD_STATE, timer_slack),
	CHANGE("no-new-privs", STATE, no_new_privs),
	CHANGE("subreaper", STATE, subreaper),
	CHANGE("securebits", STATE, securebits),
	CHANGE("death-signal", STATE, death_signal),
	CHANGE("huge-page-disable", STATE, huge_pages),
	CHANGE("memory-merging", STATE, merging),
	CHANGE("memory-deny", STATE, memory_deny),
	CHANGE("memory-barriers", STATE, barriers),
	CHANGE("tile-registers", STATE, components),
	CHANGE("speculation", THREAD_STATE, speculation),
	CHANGE("io-flusher", THREAD_STATE, io_flusher),
	CHANGE("machine-checks", THREAD_STATE, machine_checks),
	CHANGE("personality", STATE, personality),
	CHANGE("memory-policy", THREAD_STATE, memory_policy),
	CHANGE("dumpable", STATE, dumpable),
	CHANGE("time-stamp-counter", THREAD_STATE, time_stamps),
	/* signals and timers */
	FIELDS("signal-actions", SIGACTIONS, { 0, SIGACTIONS_BYTES, 0 }),
	FIELDS("signal-mask", THREAD, FIELD(thread, signal_mask, 0)),
	FIELDS("alternate-stack", THREAD, ZEROS(thread, altstack_address, altstack_bytes),
	       FIELD(thread, altstack_flags, SS_DISABLE)),
	CHANGE("pending-signals", PENDING, all),
	CHANGE("interval-timers", TIMERS, interval_timers),
	CHANGE("posix-timers", TIMERS, posix_timers),
	/* the thread */
	FIELDS("registers", THREAD, ZEROS(thread, registers.r15, registers.rdi),
	       FIELD(thread, registers.rsp, 0)),
	FIELDS("mxcsr", THREAD, FIELD(thread, mxcsr, DEFAULT_MXCSR),
	       { XSAVE + XSAVE_MXCSR, 4, DEFAULT_MXCSR }),
	FIELDS("x87-control", THREAD, FIELD(thread, x87_control, DEFAULT_X87_CONTROL),
	       { XSAVE + XSAVE_X87_CONTROL, 2, DEFAULT_X87_CONTROL }),
	CHANGE("vector-registers", THREAD, vectors),
	FIELDS("fs-base", THREAD, FIELD(thread, registers.fs_base, 0)),
	FIELDS("gs-base", THREAD, FIELD(thread, registers.gs_base, 0)),
	FIELDS("thread-id", THREAD, FIELD(thread, tid, 0)),
	FIELDS("tid-address", THREAD, FIELD(thread, tid_address, 0)),
	FIELDS("robust-list", THREAD, ZEROS(thread, robust_list, robust_list_bytes)),
	FIELDS("rseq", THREAD, ZEROS(thread, rseq_address, rseq_signature)),
	/* memory */
	CHANGE("break", PROCESS, break),
	CONTENTS("heap", heap),
	CONTENTS("stack", stack),
	CONTENTS("variables", variables),
	CONTENTS("mapped-memory", mapped),
	CONTENTS("private-file-pages", private_file),
	CHANGE("read-only-memory", MAPPING, read_only),
	CHANGE("inaccessible-memory", MAPPING, inaccessible),
	CHANGE("executable-memory", MAPPING, executable),
	CHANGE("growing-stack", MAPPING, growth),
	CHANGE("locked-memory", MAPPING, locks),
	CHANGE("shared-memory", MAPPING, sharing),
	CHANGE("shared-file-memory", MAPPING, file_sharing),
	GUARDS("guard-pages"),
	CHANGE("memory-marks", MARKS, all),
	CHANGE("huge-pages", MAPPING, huge_memory),
	CHANGE("protection-keys", MARKS, protection_keys),
	/* descriptors */
	CHANGE("file", DESCRIPTOR, file),
	CHANGE("open-directory", DESCRIPTOR, open_directory),
	CHANGE("device", DESCRIPTOR, device),
	CHANGE("file-offset", DESCRIPTOR, offset),
	CHANGE("status-flags", DESCRIPTOR, status_flags),
	CHANGE("close-on-exec", DESCRIPTOR, cloexec),
	CHANGE("duplicates", DESCRIPTOR, duplicates),
	CHANGE("file-locks", LOCKS, all),
	CHANGE("pipe", DESCRIPTOR, pipe),
	CHANGE("own-pipe", DESCRIPTOR, own_pipe),
	CHANGE("pipe-contents", PIPE, pipe_contents),
	CHANGE("stream-socket", DESCRIPTOR, stream_socket),
	CHANGE("datagram-socket", DESCRIPTOR, datagrams),
	CHANGE("seqpacket-socket", DESCRIPTOR, seqpackets),
	CHANGE("listening-socket", DESCRIPTOR, listener),
	CHANGE("terminal", DESCRIPTOR, terminal),
	/* what has no name */
	CHANGE("eventfd", DESCRIPTOR, eventfd),
	CHANGE("timerfd", DESCRIPTOR, timerfd),
	CHANGE("signalfd", DESCRIPTOR, signalfd),
	CHANGE("epoll", WATCHES, all),
	CHANGE("pidfd", DESCRIPTOR, pidfd),
	CHANGE("inotify", DESCRIPTOR, inotify),
	CHANGE("memfd", DESCRIPTOR, memfd),
	CHANGE("file-contents", CONTENT, all),
	CHANGE("seals", OBJECT, seals),
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *rf_drop_name(size_t index)
{
	return index < KINDS ? kinds[index].name : NULL;
}

int rf_drop_choose(struct rf_drop **drop, struct rf_arena *arena, struct rf_report *report)
{
	const char *name = secure_getenv("RFORK_TEST_DROP");
	size_t index = 0;

	*drop = NULL;
	if (!name || !*name)
		return 0;
	while (index < KINDS && strcmp(kinds[index].name, name) != 0)
		index++;
	if (index == KINDS)
		return rf_report(report, EINVAL, "RFORK_TEST_DROP: %s is no kind of state", name);
	*drop = rf_arena_take(arena, sizeof(**drop));
	if (!*drop)
		return rf_report(report, ENOMEM, "memory for RFORK_TEST_DROP: %m");
	(*drop)->kind = &kinds[index];
	return 0;
}

/* -- what is seen of an image ------------------------------------------------------------------ */

/* Of a checkpoint, several images may be written. */
static void begin(struct rf_drop *drop)
{
	const struct rf_drop_kind *kind = drop->kind;

	memset(drop, 0, sizeof(*drop));
	drop->kind = kind;
}

static int see_file(struct rf_drop *drop)
{
	const struct rf_image_file *file = (const struct rf_image_file *)drop->payload;

	if (file->index >= RF_DROP_MAX_FILES)
		return -EMSGSIZE;
	drop->modes[file->index] = file->mode;
	return 0;
}

static int see_object(struct rf_drop *drop)
{
	const struct rf_image_object *object = (const struct rf_image_object *)drop->payload;

	if (object->index >= RF_DROP_MAX_OBJECTS)
		return -EMSGSIZE;
	drop->objects[object->index] = object->kind;
	return 0;
}

static int see_mappings(struct rf_drop *drop, size_t bytes)
{
	const struct rf_image_mapping *mappings = (const struct rf_image_mapping *)drop->payload;
	size_t count = bytes / sizeof(*mappings);

	if (count > RF_DROP_MAX_MAPPINGS - drop->mapping_count)
		return -EMSGSIZE;
	memcpy(drop->mappings + drop->mapping_count, mappings, bytes);
	drop->mapping_count += count;
	for (size_t i = 0; i < count; i++)
		if (mappings[i].kind != RF_MAPPING_ANONYMOUS &&
		    mappings[i].protection & RF_PROTECTION_EXECUTE &&
		    mappings[i].file < RF_DROP_MAX_FILES)
			drop->is_program[mappings[i].file] = true;
	return 0;
}

static void see_descriptor(struct rf_drop *drop)
{
	const struct rf_image_descriptor *descriptor =
		(const struct rf_image_descriptor *)drop->payload;

	if (descriptor->kind == RF_DESCRIPTOR_FILE && descriptor->same_as == RF_IMAGE_NONE)
		drop->opened_file = *descriptor;
}

static int see(struct rf_drop *drop, enum rf_record_type type, size_t bytes)
{
	switch (type) {
	case RF_RECORD_PROCESS:
		memcpy(&drop->process, drop->payload, sizeof(drop->process));
		return 0;
	case RF_RECORD_THREAD:
		if (!drop->fs_base)
			drop->fs_base =
				((const struct rf_image_thread *)drop->payload)->registers.fs_base;
		return 0;
	case RF_RECORD_FILE:
		return see_file(drop);
	case RF_RECORD_OBJECT:
		return see_object(drop);
	case RF_RECORD_DESCRIPTOR:
		see_descriptor(drop);
		return 0;
	case RF_RECORD_MAPPING:
		return see_mappings(drop, bytes);
	default:
		return 0;
	}
}

/* -- what is left of it ------------------------------------------------------------------------ */

static void set_fields(struct rf_drop *drop, size_t bytes)
{
	const struct rf_drop_field *fields = drop->kind->fields;
	size_t count = sizeof(drop->kind->fields) / sizeof(fields[0]);

	for (size_t i = 0; i < count; i++) {
		uint32_t value = fields[i].value;
		size_t length = fields[i].bytes;

		if (fields[i].offset + length > bytes)
			continue;
		memset(drop->payload + fields[i].offset, 0, length);
		memcpy(drop->payload + fields[i].offset, &value,
		       length < sizeof(value) ? length : sizeof(value));
	}
}

#define CALL_CHANGE(name)                                                                          \
	case RF_DROP_CHANGE_##name:                                                                \
		return rf_drop_##name(drop, drop->payload, bytes);

/* The bytes that are left; 0 = the record is left out. */
static size_t change(struct rf_drop *drop, size_t bytes)
{
	switch ((enum rf_drop_change)drop->kind->change) {
		RF_DROP_CHANGES(CALL_CHANGE)
	case RF_DROP_CHANGE_NONE:
		set_fields(drop, bytes);
	}
	return bytes;
}

/* Without the kind that is dropped: 1, 0 if the record is left out, or a negative errno. */
static int reduce(struct rf_drop *drop, int file, enum rf_record_type type, size_t *bytes)
{
	struct rf_image_end *end = (struct rf_image_end *)drop->payload;
	int error;

	switch (type) {
	case RF_RECORD_SEGMENTS:
		error = rf_drop_segments(drop, file, *bytes);
		return error < 0 ? error : 1;
	case RF_RECORD_CHUNKS:
		*bytes = rf_drop_chunks(drop, *bytes);
		return *bytes > 0;
	case RF_RECORD_END:
		end->data_pages -= drop->dropped_pages;
		return 1;
	default:
		if (type != drop->kind->type)
			return 1;
		*bytes = change(drop, *bytes);
		return *bytes > 0;
	}
}

/* What becomes of a record that has no room here.  What fills pipes and files says nothing of
 * others, and is left out as a whole. */
static int judge_long(const struct rf_drop *drop, enum rf_record_type type)
{
	if (type == drop->kind->type)
		return drop->kind->change == RF_DROP_CHANGE_all ? 0 : -EMSGSIZE;
	return type == RF_RECORD_MAPPING || type == RF_RECORD_SEGMENTS || type == RF_RECORD_CHUNKS
		       ? -EMSGSIZE
		       : RF_DROP_UNCHANGED;
}

static bool is_left_out(const struct rf_drop *drop, enum rf_record_type type)
{
	return type == drop->kind->type && drop->kind->change == RF_DROP_CHANGE_all;
}

int rf_drop_record(struct rf_drop *drop, int file, enum rf_record_type type,
		   const struct iovec *pieces, int count, struct iovec *payload)
{
	size_t bytes = 0;
	int result;

	if (type == RF_RECORD_IMAGE)
		begin(drop);
	if (is_left_out(drop, type))
		return 0; /* however long it is */
	for (int i = 0; i < count; i++) {
		if (pieces[i].iov_len > sizeof(drop->payload) - bytes)
			return judge_long(drop, type);
		memcpy(drop->payload + bytes, pieces[i].iov_base, pieces[i].iov_len);
		bytes += pieces[i].iov_len;
	}
	result = see(drop, type, bytes);
	if (result == 0)
		result = reduce(drop, file, type, &bytes);
	*payload = (struct iovec){ drop->payload, bytes };
	return result;
}

#define ASK_CONTENTS(name)                                                                         \
	case RF_DROP_CONTENTS_##name:                                                              \
		return rf_drop_is_##name(drop, mapping);

static bool has_contents(const struct rf_drop *drop, size_t mapping)
{
	switch ((enum rf_drop_contents)drop->kind->contents) {
		RF_DROP_CONTENTS(ASK_CONTENTS)
	case RF_DROP_CONTENTS_NONE:
		return false;
	}
	return false;
}

bool rf_drop_has_data(const struct rf_drop *drop, uint64_t address)
{
	if (!drop->kind->contents)
		return false;
	for (size_t i = 0; i < drop->mapping_count; i++)
		if (address >= drop->mappings[i].start && address < drop->mappings[i].end)
			return has_contents(drop, i);
	return false;
}

bool rf_drop_has_guards(const struct rf_drop *drop)
{
	return drop->kind->is_guards;
}
