/* SPDX-License-Identifier: MIT */
/*
 * Reads core files: calls the parts in their order.  Called by undump; restarts nothing.
 */
#define _GNU_SOURCE
#include "tools/core_reader.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/machine_facts.h"
#include "tools/core_reader_parts.h"

int core_no_memory(const struct core *core)
{
	return core_report(core, ENOMEM, "no memory to read it");
}

bool core_read(const struct core *core, uint64_t address, void *buffer, size_t bytes)
{
	return rf_source_read(core->source, address, buffer, bytes) == (ssize_t)bytes;
}

int core_lose_of_threads(struct core *core, size_t count, uint32_t tid, const char *what)
{
	int error = 0;

	if (count == 1)
		error = rf_source_lose(core->source, "thread %u: %s", tid, what);
	else if (count > 1)
		error = rf_source_lose(core->source, "thread %u and %zu more: %s", tid, count - 1,
				       what);
	return error < 0 ? core_no_memory(core) : 0;
}

const struct core_load *core_find_load(const struct core *core, uint64_t address)
{
	size_t low = 0, high = core->load_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (core->loads[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < core->load_count && core->loads[low].start <= address ? &core->loads[low]
									   : NULL;
}

struct rf_image_registers core_registers(const struct core_thread *thread)
{
	struct rf_image_registers registers;

	_Static_assert(sizeof(registers) == sizeof(thread->status.pr_reg),
		       "struct user_regs_struct");
	memcpy(&registers, thread->status.pr_reg, sizeof(registers));
	return registers;
}

bool core_auxv(const struct core *core, uint64_t type, uint64_t *value)
{
	for (size_t i = 0; i + sizeof(Elf64_auxv_t) <= core->auxv_bytes;
	     i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t entry;

		memcpy(&entry, core->auxv + i, sizeof(entry));
		if (entry.a_type == type) {
			*value = entry.a_un.a_val;
			return true;
		}
	}
	return false;
}

static int open_core(struct core *core)
{
	struct stat status;
	int fd = rf_io_above_stdio(open(core->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0)
		return core_report(core, errno, "%m");
	core->fd = rf_source_own(core->source, fd);
	if (core->fd < 0)
		return core_no_memory(core);
	if (fstat(fd, &status) < 0)
		return core_report(core, errno, "%m");
	if (!S_ISREG(status.st_mode))
		return core_report(core, EINVAL, "it is not a regular file");
	core->bytes = (uint64_t)status.st_size;
	core->written_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
	core->source->path = strdup(core->path);
	return core->source->path ? 0 : core_no_memory(core);
}

static void take_origin(struct core *core)
{
	struct rf_image *image = &core->source->image;
	struct rf_image_head *head = &image->head;

	memcpy(head->magic, RF_IMAGE_MAGIC, sizeof(head->magic));
	head->version = RF_IMAGE_VERSION;
	head->architecture = RF_ARCHITECTURE_X86_64;
	head->page_bytes = CORE_PAGE_BYTES;
	head->threads = image->threads_read;
	head->files = image->files_read;
	head->descriptors = image->descriptors_read;
	for (uint32_t i = 0; i < image->mappings_read; i++)
		head->data_pages += image->mappings[i].data_pages;
	core->source->origin.captured_ns = core->written_ns;
	core->source->origin.pid = (uint32_t)core->process.pr_pid;
}

static int read_core(struct core *core)
{
	static int (*const parts[])(struct core *) = {
		open_core,	  core_take_headers, core_take_notes,	core_take_vdso,
		core_take_memory, core_take_threads, core_take_process, core_take_libc,
	};
	int error = rf_machine_facts_collect(&core->here);

	if (error < 0)
		return core_report(core, -error, "facts of this machine: %m");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && error == 0; i++)
		error = parts[i](core);
	if (error == 0)
		take_origin(core);
	return error;
}

int rf_core_open(struct rf_source *source, const char *path, const struct rf_core_options *options,
		 struct rf_report *report)
{
	struct core core = {
		.path = path, .source = source, .report = report, .fd = -1, .spare_fd = -1
	};
	int error;

	if (options)
		core.options = *options;
	rf_source_init(source);
	error = read_core(&core);
	elf_end(core.elf);
	free(core.loads);
	free(core.mapped);
	free(core.threads);
	free(core.proofs);
	free(core.missing);
	if (error < 0)
		rf_source_close(source);
	return error;
}
