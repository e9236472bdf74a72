/* SPDX-License-Identifier: MIT */
/*
 * Checks what the caller passed to rfork_with().  A struct of another version of
 * the header is taken as long as what we do not know is zero.
 */
#define _GNU_SOURCE
#include "rfork/options.h"

#include <errno.h>
#include <string.h>

#include "rfork/io.h"

#define DEFAULT_TIMEOUT_MS 30000

#define KNOWN_FLAGS                                                                                \
	(RFORK_ASYNC | RFORK_SELF_CONTAINED | RFORK_COPY_FILES | RFORK_CLOSE_OTHERS |              \
	 RFORK_DETACH | RFORK_INSECURE_PLAINTEXT | RFORK_CHECK_MOVE)

static int copy_known(struct rfork_options *known, const struct rfork_options *options,
		      struct rf_report *report)
{
	const unsigned char *bytes = (const unsigned char *)options;
	size_t size;

	memcpy(&size, options, sizeof(size));
	if (size < sizeof(size))
		return rf_report(report, EINVAL, "options.size %zu is too small", size);
	for (size_t i = sizeof(*known); i < size; i++)
		if (bytes[i])
			return rf_report(
				report, E2BIG,
				"options has a nonzero field that this version does not know");
	memset(known, 0, sizeof(*known));
	memcpy(known, options, size < sizeof(*known) ? size : sizeof(*known));
	return 0;
}

int rf_options_check(struct rf_options *result, const struct rfork_options *options,
		     struct rf_report *report)
{
	struct rfork_options known = { 0 };
	int error = options ? copy_known(&known, options, report) : 0;

	if (error < 0)
		return error;
	if (known.flags & ~(uint64_t)KNOWN_FLAGS)
		return rf_report(report, EINVAL, "unknown flags %lx",
				 known.flags & ~(uint64_t)KNOWN_FLAGS);
	if (known.timeout_ms < -1)
		return rf_report(report, EINVAL, "timeout_ms is %d", known.timeout_ms);
	if (known.compression > RFORK_COMPRESS_AUTO)
		return rf_report(report, EINVAL, "unknown compression %u", known.compression);
	result->is_move = result->is_check = false;
	result->flags = (uint32_t)known.flags;
	result->compression = known.compression;
	result->key_file = known.key_file;
	result->timeout_ms = known.timeout_ms ? known.timeout_ms : DEFAULT_TIMEOUT_MS;
	rf_options_start_clock(result);
	return 0;
}

int rf_options_move(struct rf_options *options, struct rf_report *report)
{
	if (options->flags & RFORK_ASYNC)
		return rf_report(report, EINVAL, "RFORK_ASYNC has no meaning for a move");
	options->is_move = true;
	return 0;
}

void rf_options_start_clock(struct rf_options *options)
{
	options->deadline_ns = rf_io_deadline_ns(options->timeout_ms);
}
