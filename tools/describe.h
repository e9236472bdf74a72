/* SPDX-License-Identifier: MIT */
/*
 * What --info says to people and to programs alike: names for what records have as numbers, and
 * what of a mapping is carried.
 */
#ifndef TOOLS_DESCRIBE_H
#define TOOLS_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/source.h"

/* What an image has of a mapping. */
struct describe_carried {
	uint64_t data_pages, zero_pages, guard_pages;
};

struct describe_carried describe_carried(const struct rf_source *source, size_t mapping);

/*
 * "reference": the file is mapped, and carried pages are laid over it; "content": all that is
 * not zero is carried; "zero": nothing is.
 */
const char *describe_how(const struct rf_image_mapping *mapping,
			 const struct describe_carried *carried);

/* The path of a mapping's file, "[heap]", "[stack]", or NULL. */
const char *describe_what(const struct rf_image *image, const struct rf_image_mapping *mapping);

/* As in /proc/PID/maps, "rw-p". */
void describe_rights(char rights[5], const struct rf_image_mapping *mapping);

const char *describe_descriptor_kind(const struct rf_image_descriptor *descriptor);
/* "eventfd" */
const char *describe_object_kind(const struct rf_object_state *object);
/* "read", "write", "read and write", "path". */
const char *describe_access(const struct rf_image_descriptor *descriptor);
/* What a RELAY is at the child's end. */
const char *describe_stream(const struct rf_image_descriptor *descriptor);
const char *describe_lock_kind(const struct rf_image_lock *lock);
const char *describe_timer_kind(const struct rf_image_timer *timer);
/* "CLOCK_REALTIME" and so on; NULL for one without a name. */
const char *describe_clock(int32_t clock);
/* "SIGUSR1", "SIGRTMIN+3"; a static buffer. */
const char *describe_signal(unsigned number);

#define DESCRIBE_REGISTERS 27u
/* Names of the registers, in the order of struct rf_image_registers. */
extern const char *const describe_registers[DESCRIBE_REGISTERS];
uint64_t describe_register(const struct rf_image_thread *thread, unsigned index);

/* The kind of file that a source was made from. */
const char *describe_source(const struct rf_source *source);

#endif
