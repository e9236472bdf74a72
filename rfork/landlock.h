/* SPDX-License-Identifier: MIT */
/*
 * Whether the calling thread is in a Landlock domain.  The kernel tells nobody.
 */
#ifndef RF_LANDLOCK_H
#define RF_LANDLOCK_H

/*
 * How many layers its domain has; 0 = none.  To find out takes a process, and some 60 us, so it is
 * only tried where there are signs: no_new_privs, which whoever makes a domain needs unless
 * privileged; or that root may not look at its own parent.  So a domain that a privileged process
 * has made without no_new_privs is not found in an ordinary user's process, nor where the parent is
 * in it, too.
 */
unsigned rf_landlock_layers(void);

#endif
