/* SPDX-License-Identifier: MIT */
/*
 * Log lines of the server on standard error, one write each, so that the lines of
 * the listener and of its sessions never mix.  Control characters, which a peer may have
 * sent, are replaced.  No stdio.
 */
#ifndef RF_LOG_H
#define RF_LOG_H

#include <stdint.h>

/* From now on every line of this process carries "[cN]"; 0 = none. */
void rf_log_set_connection(uint32_t connection_id);

/* The formats of rf_report(), without %m. */
void rf_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
