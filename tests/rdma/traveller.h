/* SPDX-License-Identifier: MIT */
/*
 * What a traveller looks at on each machine: state that it makes at home, and that must be right
 * wherever it wakes up.  A check that fails ends the process, as in every test.
 */
#ifndef TEST_RDMA_TRAVELLER_H
#define TEST_RDMA_TRAVELLER_H

#include <stdbool.h>
#include <stddef.h>

/* Clocks, processor numbers and random bytes, by pointers into the vdso that were looked up at
 * home. */
void vdso_remember(void);
void vdso_check(void);

/* Memory of many small blocks and a large one of `mib` MiB of noise, with their digests; freed, and
 * allocated again, at each check. */
void heap_fill(size_t mib);
void heap_check(void);

/* rseq, robust lists, thread id. */
void thread_remember(void);
void thread_check(void);

/*
 * Calls move() in a signal handler while all vector registers that the C library may use in this
 * process hold noise, and returns whether they still do: the handler returns by a frame
 * that another kernel may have written, for another CPU.
 */
bool vectors_survive(void (*move)(void));

/* The widest registers that were live: "SSE", "AVX" or "AVX-512". */
const char *vectors_name(void);

#endif
