/* SPDX-License-Identifier: MIT */
/*
 * What a process may do, and what the programs that it executes could: asked, and given up.
 */
#ifndef TEST_SUPPORT_RIGHTS_H
#define TEST_SUPPORT_RIGHTS_H

#include <linux/capability.h>

#include "tests/support/test.h"

/* Skips the test unless this is root with a capability to drop, and the right to drop it. */
void rights_need_root(unsigned capability);

/* Whether it is in the permitted set, the effective set, the inheritable set, the bounding set. */
bool rights_may(unsigned capability);
bool rights_are_in_effect(unsigned capability);
bool rights_would_pass_on(unsigned capability);
bool rights_could(unsigned capability);

void rights_pass_on(unsigned capability); /* makes it inheritable */
void rights_drop(unsigned capability);	  /* from the permitted set, and so the effective one */
void rights_suspend(unsigned capability); /* from the effective set alone */
void rights_drop_bounding(unsigned capability);

#endif
