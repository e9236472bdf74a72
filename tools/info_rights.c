/* SPDX-License-Identifier: MIT */
/*
 * What undump --info says of what the process was not allowed to do.  Called by info.c and
 * info_json.c.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "rfork/rights.h"
#include "tools/info.h"

#define LABEL_COLUMNS 12
#define NAMES_BYTES 1024

static const char *name(uint64_t capabilities, char text[NAMES_BYTES])
{
	text[0] = '\0';
	rf_rights_name(capabilities, text, NAMES_BYTES);
	return text;
}

void undump_info_rights(const struct rf_image *image)
{
	const struct rf_image_rights *rights = &image->rights;
	const char *separator = "";
	char text[NAMES_BYTES];

	if (!image->has_rights)
		return;
	printf("%-*s", LABEL_COLUMNS, "Rights");
	if (~rights->permitted) {
		printf("root without %s", name(~rights->permitted, text));
		separator = "; ";
	}
	if (rights->permitted & ~rights->effective) {
		printf("%swithout effect %s", separator,
		       name(rights->permitted & ~rights->effective, text));
		separator = "; ";
	}
	if (~rights->bounding) {
		printf("%sbounding set without %s", separator, name(~rights->bounding, text));
		separator = "; ";
	}
	if (rights->root_inode)
		printf("%sroot directory set by chroot", separator);
	putchar('\n');
}

void undump_info_json_rights(struct json *json, const struct rf_image *image)
{
	const struct rf_image_rights *rights = &image->rights;
	char text[NAMES_BYTES];

	if (!image->has_rights) {
		json_string(json, "rights", NULL);
		return;
	}
	json_open(json, "rights", '{');
	json_string(json, "root_without", name(~rights->permitted, text));
	json_string(json, "without_effect", name(rights->permitted & ~rights->effective, text));
	json_string(json, "bounding_set_without", name(~rights->bounding, text));
	json_bool(json, "chroot", rights->root_inode != 0);
	json_close(json, '{');
}
