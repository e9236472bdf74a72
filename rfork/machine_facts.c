/* SPDX-License-Identifier: MIT */
/*
 * Collects and compares the facts of machines (REQUEST and WELCOME of
 * doc/protocol.txt).  Called by rfork() before the fork, by rfork-server at its start and
 * by a session; must not allocate, since the caller's heap is about to be imaged.
 */
#define _GNU_SOURCE
#include "rfork/machine_facts.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/boot_id.h"
#include "rfork/io.h"
#include "rfork/maps.h"
#include "rfork/sys.h"
#include "rfork/vdso.h"

#define MAPS_FIRST_BYTES ((size_t)256 << 10)
#define MAPS_LIMIT_BYTES ((size_t)512 << 20)
#define MIN_ADDRESS_UNKNOWN 65536u

/* The areas are in the list of mappings only, which takes a buffer as long as the list. */
static int find_vdso_with(struct rf_vdso *vdso, size_t bytes)
{
	struct rf_maps maps;
	int error;
	long buffer = rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buffer < 0 && buffer > -4096)
		return (int)buffer;
	error = rf_maps_read(&maps, (void *)buffer, bytes);
	if (error == 0)
		error = rf_vdso_find(vdso, &maps);
	rf_sys_munmap((uintptr_t)buffer, bytes);
	return error;
}

static int find_vdso(struct rf_vdso *vdso)
{
	size_t bytes = MAPS_FIRST_BYTES;
	int error = find_vdso_with(vdso, bytes);

	while (error == -ENOBUFS && bytes < MAPS_LIMIT_BYTES) {
		bytes *= 8;
		error = find_vdso_with(vdso, bytes);
	}
	return error;
}

static uint64_t read_min_address(uint32_t page_bytes)
{
	char text[32];
	uint64_t address = 0;

	if (rf_io_read_file("/proc/sys/vm/mmap_min_addr", text, sizeof(text)) <= 0 ||
	    text[0] < '0' || text[0] > '9')
		return MIN_ADDRESS_UNKNOWN;
	for (const char *c = text; *c >= '0' && *c <= '9'; c++)
		address = address * 10 + (uint64_t)(*c - '0');
	/* Zero would make address 0 mappable, which no image needs. */
	return address < page_bytes ? page_bytes : address;
}

int rf_machine_facts_collect(struct rf_machine_facts *facts)
{
	struct utsname names;
	struct rf_vdso vdso;
	int error;

	memset(facts, 0, sizeof(*facts));
	error = find_vdso(&vdso);
	if (error < 0)
		return error;
	error = (int)rf_syscall(SYS_uname, &names);
	if (error < 0)
		return error;
	facts->vdso_digest = vdso.digest;
	facts->vdso_pages = vdso.code_pages;
	facts->vvar_pages = vdso.data_pages;
	facts->page_bytes = (uint32_t)getpagesize();
	facts->min_address = read_min_address(facts->page_bytes);
	rf_boot_id_read(facts->boot_id);
	memcpy(facts->kernel_release, names.release,
	       strnlen(names.release, sizeof(facts->kernel_release) - 1));
	memcpy(facts->host_name, names.nodename,
	       strnlen(names.nodename, sizeof(facts->host_name) - 1));
	rf_arch_machine_facts(facts);
	return 0;
}

int rf_machine_facts_compare(const struct rf_machine_facts *caller,
			     const struct rf_machine_facts *node, struct rf_report *report)
{
	char missing[RF_REPORT_BYTES - 64] = "";

	if (caller->architecture != node->architecture)
		return rf_report(report, ENOEXEC,
				 "the node's architecture is %u, the caller's is %u (1 = x86_64)",
				 node->architecture, caller->architecture);
	if (caller->page_bytes != node->page_bytes)
		return rf_report(report, ENOEXEC,
				 "the node's pages are of %u bytes, the caller's of %u",
				 node->page_bytes, caller->page_bytes);
	if (caller->cpu_words > RF_CPU_WORDS || node->cpu_words > RF_CPU_WORDS)
		return rf_report(report, ENOEXEC, "the CPU facts have %u words; %u are known",
				 caller->cpu_words > node->cpu_words ? caller->cpu_words
								     : node->cpu_words,
				 (unsigned)RF_CPU_WORDS);
	if (rf_arch_missing_features(caller, node, missing, sizeof(missing)))
		return rf_report(report, ENOEXEC, "the node's CPU or kernel lacks %s", missing);
	return 0;
}
