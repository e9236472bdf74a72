/* SPDX-License-Identifier: MIT */
/*
 * Inside drop*.c: what a kind of state is in the records of an image.
 */
#ifndef RF_DROP_PARTS_H
#define RF_DROP_PARTS_H

#include "rfork/drop.h"

/* Of small processes, as tests are. */
#define RF_DROP_MAX_MAPPINGS 1024u
#define RF_DROP_MAX_FILES 256u
#define RF_DROP_MAX_OBJECTS 256u
#define RF_DROP_MAX_SEGMENTS 256u
#define RF_DROP_PAYLOAD_BYTES 65536u

/* Bytes of a record that become `value`, in the first four, and 0. */
struct rf_drop_field {
	uint16_t offset, bytes;
	uint32_t value;
};

/*
 * What changes a record: rf_drop_NAME() of drop_process.c, drop_descriptors.c,
 * drop_memory.c or drop_attributes.c.  It
 * returns the bytes that are left of the payload; 0 = the record is left out.
 */
#define RF_DROP_CHANGES(X)                                                                         \
	X(all)                                                                                     \
	X(directory)                                                                               \
	X(auxv)                                                                                    \
	X(break)                                                                                   \
	X(arguments)                                                                               \
	X(environment)                                                                             \
	X(code_ranges)                                                                             \
	X(interval_timers)                                                                         \
	X(posix_timers)                                                                            \
	X(vectors)                                                                                 \
	X(file)                                                                                    \
	X(open_directory)                                                                          \
	X(device)                                                                                  \
	X(pipe)                                                                                    \
	X(seals)                                                                                   \
	X(memfd)                                                                                   \
	X(eventfd)                                                                                 \
	X(timerfd)                                                                                 \
	X(signalfd)                                                                                \
	X(pidfd)                                                                                   \
	X(inotify)                                                                                 \
	X(own_pipe)                                                                                \
	X(pipe_contents)                                                                           \
	X(stream_socket)                                                                           \
	X(datagrams)                                                                               \
	X(seqpackets)                                                                              \
	X(listener)                                                                                \
	X(terminal)                                                                                \
	X(cloexec)                                                                                 \
	X(status_flags)                                                                            \
	X(offset)                                                                                  \
	X(duplicates)                                                                              \
	X(read_only)                                                                               \
	X(inaccessible)                                                                            \
	X(executable)                                                                              \
	X(growth)                                                                                  \
	X(huge_memory)                                                                             \
	X(protection_keys)                                                                         \
	X(sharing)                                                                                 \
	X(file_sharing)                                                                            \
	X(locks)                                                                                   \
	X(limits)                                                                                  \
	X(schedule)                                                                                \
	X(cpus)                                                                                    \
	X(io_priority)                                                                             \
	X(oom_score)                                                                               \
	X(core_filter)                                                                             \
	X(autogroup)                                                                               \
	X(timer_slack)                                                                             \
	X(no_new_privs)                                                                            \
	X(subreaper)                                                                               \
	X(securebits)                                                                              \
	X(death_signal)                                                                            \
	X(huge_pages)                                                                              \
	X(merging)                                                                                 \
	X(memory_deny)                                                                             \
	X(speculation)                                                                             \
	X(io_flusher)                                                                              \
	X(machine_checks)                                                                          \
	X(personality)                                                                             \
	X(components)                                                                              \
	X(barriers)                                                                                \
	X(memory_policy)                                                                           \
	X(dumpable)                                                                                \
	X(time_stamps)

/* Whose contents are dropped: rf_drop_is_NAME() of drop_memory.c. */
#define RF_DROP_CONTENTS(X)                                                                        \
	X(heap)                                                                                    \
	X(stack)                                                                                   \
	X(variables)                                                                               \
	X(mapped)                                                                                  \
	X(private_file)

#define RF_DROP_ENUM_CHANGE(name) RF_DROP_CHANGE_##name,
enum rf_drop_change { RF_DROP_CHANGE_NONE, RF_DROP_CHANGES(RF_DROP_ENUM_CHANGE) };

#define RF_DROP_ENUM_CONTENTS(name) RF_DROP_CONTENTS_##name,
enum rf_drop_contents { RF_DROP_CONTENTS_NONE, RF_DROP_CONTENTS(RF_DROP_ENUM_CONTENTS) };

/*
 * A kind is one of: members of a record, where each has the same; a record that is changed; the
 * contents of memory; guard pages.  Without pointers: a page that the dynamic linker writes to
 * would travel with every image.
 */
struct rf_drop_kind {
	char name[24];
	uint16_t type; /* enum rf_record_type: whose fields, or what is changed */
	uint8_t change;
	uint8_t contents;
	struct rf_drop_field fields[2];
	bool is_guards;
};

struct rf_drop {
	const struct rf_drop_kind *kind;
	/* what has been seen of the image */
	struct rf_image_process process;
	uint64_t fs_base;			/* of the main thread */
	uint32_t modes[RF_DROP_MAX_FILES];	/* of files, by index */
	bool is_program[RF_DROP_MAX_FILES];	/* some of it is mapped to be executed */
	uint32_t objects[RF_DROP_MAX_OBJECTS];	/* their kinds, by index */
	struct rf_image_descriptor opened_file; /* the last that is no duplicate */
	struct rf_image_mapping mappings[RF_DROP_MAX_MAPPINGS];
	size_t mapping_count;
	/* of an image at rest: which digests are those of dropped segments */
	struct {
		uint64_t first, count;
	} chunks[RF_DROP_MAX_SEGMENTS];
	size_t segment_count;
	uint64_t chunks_in_segments, chunks_in_chunks; /* so far */
	uint64_t dropped_pages;
	unsigned char payload[RF_DROP_PAYLOAD_BYTES] __attribute__((aligned(8)));
};

#define RF_DROP_DECLARE_CHANGE(name)                                                               \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes);
RF_DROP_CHANGES(RF_DROP_DECLARE_CHANGE)

#define RF_DROP_DECLARE_CONTENTS(name)                                                             \
	bool rf_drop_is_##name(const struct rf_drop *drop, size_t mapping);
RF_DROP_CONTENTS(RF_DROP_DECLARE_CONTENTS)

/* SEGMENTS and CHUNKS of dropped contents: 0 or a negative errno; and the bytes that are left. */
int rf_drop_segments(struct rf_drop *drop, int file, size_t bytes);
size_t rf_drop_chunks(struct rf_drop *drop, size_t bytes);

#endif
