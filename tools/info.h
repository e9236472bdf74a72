/* SPDX-License-Identifier: MIT */
/*
 * The two halves of undump --info.
 */
#ifndef TOOLS_INFO_H
#define TOOLS_INFO_H

#include "rfork/attributes.h"
#include "tools/json.h"
#include "tools/undump.h"

/* Prints what a source says, for programs (info_json.c; undump.1 names the members). */
void undump_info_json(const struct rf_source *source);

/* The part of either that is about marks of memory (info_marks.c). */
void undump_info_marks(const struct rf_image *image);
void undump_info_json_marks(struct json *json, const struct rf_image *image);

/* The part of either that is about rights (info_rights.c). */
void undump_info_rights(const struct rf_image *image);
void undump_info_json_rights(struct json *json, const struct rf_image *image);

/* The part of either that is about attributes (info_state.c).  Those of a thread go into its own
 * object. */
void undump_info_state(const struct rf_image_state *state);
void undump_info_thread_state(const struct rf_thread_attributes *thread);
void undump_info_json_state(struct json *json, const struct rf_image_state *state);
void undump_info_json_thread_state(struct json *json, const struct rf_thread_attributes *thread);

#endif
