/* SPDX-License-Identifier: MIT */
/*
 * What stands against a fork or a move, all of it: for rfork_check(), and for the sentence of a
 * call that has found one thing.
 */
#ifndef RF_CHECK_H
#define RF_CHECK_H

#include "rfork/ghost.h"
#include "rfork/options.h"
#include "rfork/report.h"
#include "rfork/state.h"

/* 0 if rf_settle() has gathered no refusals; else looks for the rest, and returns the negative
 * errno of the first with a report that names all, as far as it has room. */
int rf_check_refuse(struct rf_flight *flight, const struct rf_options *options,
		    struct rf_ghost_order *order, struct rf_report *report);

#endif
