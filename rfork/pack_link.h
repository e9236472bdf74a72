/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows of a connection, for pack_choice.h.
 */
#ifndef RF_PACK_LINK_H
#define RF_PACK_LINK_H

#include "rfork/pack_choice.h"

/* Looks at a connection; false if it is not one of TCP, of which nothing is known. */
bool rf_pack_link_look(int connection, struct rf_pack_link *link);

#endif
