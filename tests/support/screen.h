/* SPDX-License-Identifier: MIT */
/*
 * A small full-screen program, as editors and pagers are, for machines that have none.
 */
#ifndef TEST_SUPPORT_SCREEN_H
#define TEST_SUPPORT_SCREEN_H

/*
 * Fills the screen of standard input's terminal, and lives by its keys: each other one is shown,
 * ^Z stops the job and ^C is a key as any other; until `q`, with which it leaves all as it was.
 * Draws anew when the size changes or it is continued: "24x80 <key>" in the last line.  Returns
 * the exit status.
 */
int screen_run(void);

#endif
