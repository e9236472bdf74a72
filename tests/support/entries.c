/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/entries.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/test.h"

/* Not readdir(3), which would read ahead. */
bool test_read_entries(int directory, unsigned *seen, int count)
{
	char buffer[512] __attribute__((aligned(8)));
	long got = CHECK_CALL(syscall(SYS_getdents64, directory, buffer, sizeof(buffer)));

	for (long at = 0; at < got;) {
		const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);

		if (entry->d_name[0] != '.') {
			int number = atoi(entry->d_name);

			CHECK(number >= 0 && number < count);
			seen[number]++;
		}
		at += entry->d_reclen;
	}
	return got > 0;
}
