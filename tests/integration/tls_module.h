/* SPDX-License-Identifier: MIT */
/*
 * What tls_module.so offers to the tests that open it by name.
 */
#ifndef TEST_TLS_MODULE_H
#define TEST_TLS_MODULE_H

/* 64 integers that begin as 0, and one that begins as 4711, of the calling thread. */
int *tls_module_zeroed(void);
int *tls_module_preset(void);

#endif
