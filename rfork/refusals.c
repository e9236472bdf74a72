/* SPDX-License-Identifier: MIT */
/*
 * Gathers refusals.  Called by hold.c.
 */
#define _GNU_SOURCE
#include "rfork/refusals.h"

#include <errno.h>
#include <string.h>

void rf_refuse(struct rf_refusals *refusals, const char *format, ...)
{
	char item[RF_REPORT_BYTES];
	va_list arguments;
	size_t bytes;

	va_start(arguments, format);
	bytes = rf_vformat(item, sizeof(item), 0, format, arguments);
	va_end(arguments);
	refusals->count++;
	/* the first one is named, however long it is */
	if (refusals->used && refusals->used + bytes + 2 >= sizeof(refusals->text)) {
		refusals->unnamed++;
		return;
	}
	refusals->used += rf_format(refusals->text + refusals->used,
				    sizeof(refusals->text) - refusals->used, "%s%s",
				    refusals->used ? "; " : "", item);
}

int rf_refusals_report(const struct rf_refusals *refusals, const char *advice,
		       struct rf_report *report)
{
	if (!refusals->count)
		return 0;
	if (refusals->unnamed)
		return rf_report(report, ENOTSUP, "cannot be kept: %s; and %u more%s",
				 refusals->text, refusals->unnamed, advice);
	return rf_report(report, ENOTSUP, "cannot be kept: %s%s", refusals->text, advice);
}
