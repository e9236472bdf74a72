/* SPDX-License-Identifier: MIT */
/*
 * Reads a text line by line: files of /proc may be long.  No malloc, no errno.
 */
#ifndef RF_LINES_H
#define RF_LINES_H

/* Longer ones are -EPROTO. */
#define RF_LINES_MAX_BYTES 8191u

typedef int (*rf_lines_take)(void *context, const char *line);

/* Hands over each line of an open file, from where that stands, without its newline; what has none
 * is no line.  0, the first negative errno of `take`, or one of reading. */
int rf_lines_read(int fd, rf_lines_take take, void *context);

#endif
