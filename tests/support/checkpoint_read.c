/* SPDX-License-Identifier: MIT */
#include "rfork/statefile_reader.h"
#include "tests/support/checkpoint.h"

#define LOWEST 4096u
#define HIGHEST ((UINT64_C(1) << 47) - 4096)

void checkpoint_read(struct rf_source *source, const char *path)
{
	struct rf_report report = { 0 };

	rf_source_init(source);
	if (rf_statefile_open(source, path, LOWEST, HIGHEST, &report) < 0 ||
	    rf_statefile_check(source, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
}
