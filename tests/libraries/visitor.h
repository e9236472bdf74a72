/* SPDX-License-Identifier: MIT */
/*
 * The claims of the visitor: what a process does before it goes, and there.  Each fails the test by
 * checks, and says what it has found.
 */
#ifndef TESTS_LIBRARIES_VISITOR_H
#define TESTS_LIBRARIES_VISITOR_H

#include "tests/support/test.h"

struct visit {
	const char *claim;
	void (*before)(void); /* or NULL */
	void (*there)(void);
	void (*home)(void); /* after there(), when it has come home; or NULL */
};

/* Whether the C library there is later than ours, and so release.sh has furnished the place. */
extern bool visit_is_later;

/* A file is mapped whose name ends so. */
bool visit_has_mapped(const char *end);

/* visitor_libraries.c: what is loaded, and what is loaded there */
void visit_find_libraries(void);
void visit_check_libraries(void);
void visit_recheck_libraries(void);
void visit_use_memory(void);
void visit_start_threads(void);
void visit_open_library(void);
void visit_keep_library(void);
void visit_open_later(void);
void visit_open_parts(void);
void visit_use_parts(void);

/* visitor_data.c: what the C library reads of the node's files */
void visit_miss_user(void);
void visit_find_user(void);
void visit_load_module(void);
void visit_load_later_module(void);
void visit_set_locale(void);
void visit_use_locale(void);
void visit_load_locale(void);
void visit_check_locale(void);
void visit_begin_conversion(void);
void visit_go_on_converting(void);
void visit_load_conversion(void);
void visit_end_conversion(void);
void visit_miss_host(void);
void visit_find_host(void);
void visit_run_program(void);
void visit_run_home_program(void);

#endif
