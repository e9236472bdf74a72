/* SPDX-License-Identifier: MIT */
/*
 * The last act of the shell: fills the restorer's region and jumps into it.
 *
 * The region, in this order: code; struct rf_plan, arrival, prctl_mm_map and auxv; sigactions;
 * steps; signal frame; stack.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/rseq.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "rfork/arch.h"
#include "rfork/plan_builder.h"
#include "rfork/sys.h"
#include "server/shell.h"

#define PAGE_BYTES 4096u
#define STACK_BYTES 4096u
#define FRAME_ALIGNMENT 64u

/* glibc's registration, see rfork/procstate.c. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
#define RSEQ_REGISTERED_BYTES 32u
#define RSEQ_SIGNATURE 0x53053053u

struct region {
	struct rf_plan plan;
	struct rf_arrival arrival;
	struct prctl_mm_map mm_map;
	unsigned char auxv[RF_IMAGE_MAX_AUXV_BYTES];
	struct rf_image_sigaction sigactions[RF_IMAGE_SIGNALS];
	struct rf_step steps[];
};

static uint64_t page_align(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

static uint64_t code_bytes(void)
{
	return page_align((uint64_t)(rf_restorer_blob_end - rf_restorer_blob));
}

uint64_t rf_shell_region_bytes(const struct rf_shell *shell)
{
	return code_bytes() +
	       page_align(
		       sizeof(struct region) +
		       rf_plan_max_steps(&shell->image) * sizeof(struct rf_step) + FRAME_ALIGNMENT +
		       rf_arch_signal_frame_bytes(&shell->facts, &shell->image.threads[0].image) +
		       STACK_BYTES);
}

static void fill_mm_map(struct region *region, const struct rf_image *image)
{
	const struct rf_image_process *process = &image->process;

	memcpy(region->auxv, image->auxv, process->auxv_bytes);
	region->mm_map = (struct prctl_mm_map){
		.start_code = process->start_code,
		.end_code = process->end_code,
		.start_data = process->start_data,
		.end_data = process->end_data,
		.start_brk = process->start_brk,
		.brk = process->brk,
		.start_stack = process->start_stack,
		.arg_start = process->arg_start,
		.arg_end = process->arg_end,
		.env_start = process->env_start,
		.env_end = process->env_end,
		.auxv = (void *)region->auxv,
		.auxv_size = process->auxv_bytes,
		.exe_fd = UINT32_MAX, /* needs no privilege */
	};
}

/* Whether the image's memory says that libc caches the thread's id where the kernel clears it. */
static bool is_tid_cached(const struct rf_shell *shell)
{
	const struct rf_image_thread *thread = &shell->image.threads[0].image;
	uint32_t cached;
	size_t index;

	if (!thread->tid_address)
		return false;
	index = rf_image_find_mapping(&shell->image, thread->tid_address, thread->tid_address + 4);
	if (index == SIZE_MAX || !(shell->image.mappings[index].protection & RF_PROTECTION_READ) ||
	    !(shell->image.mappings[index].protection & RF_PROTECTION_WRITE))
		return false;
	memcpy(&cached,
	       (const void *)(uintptr_t)(thread->tid_address - shell->image.mappings[index].start +
					 shell->places.mappings[index].address),
	       sizeof(cached));
	return cached == thread->tid;
}

static int restore_process(struct rf_shell *shell)
{
	const struct rf_image *image = &shell->image;
	long error = rf_syscall(SYS_chdir, image->cwd);

	if (error < 0)
		return rf_report(&shell->report, ENOTSUP, "working directory %s: %s", image->cwd,
				 strerrordesc_np((int)-error));
	rf_syscall(SYS_umask, image->process.umask);
	rf_sys_prctl(PR_SET_NAME, (unsigned long)image->process.comm, 0, 0, 0);
	return 0;
}

static struct rf_plan_shell describe_shell(const struct rf_shell *shell,
					   const struct region *region)
{
	struct rf_plan_shell plan_shell = {
		.vdso = &shell->vdso,
		.min_address = shell->facts.min_address,
		.max_address = shell->facts.max_address,
		.has_mm_map = shell->has_mm_map,
		.is_tid_cached = is_tid_cached(shell),
		.actions_address = (uintptr_t)region->sigactions,
		.mm_map_address = (uintptr_t)&region->mm_map,
		.mm_map_bytes = sizeof(region->mm_map),
	};

	if (&__rseq_size && __rseq_size) {
		plan_shell.rseq_address =
			(uint64_t)((char *)__builtin_thread_pointer() + __rseq_offset);
		plan_shell.rseq_bytes = RSEQ_REGISTERED_BYTES;
		plan_shell.rseq_signature = RSEQ_SIGNATURE;
	}
	return plan_shell;
}

/* Fills the region behind its steps; the stack pointer for the restorer. */
static void finish_region(struct rf_shell *shell, struct region *region, size_t steps)
{
	const struct rf_places *places = &shell->places;
	uint64_t frame = (uintptr_t)&region->steps[steps];

	frame = (frame + FRAME_ALIGNMENT - 1) & ~(uint64_t)(FRAME_ALIGNMENT - 1);
	region->arrival = (struct rf_arrival){
		.region_address = places->region_address,
		.region_bytes = places->region_bytes,
		.report_fd = shell->report_fd,
	};
	region->plan = (struct rf_plan){
		.steps = region->steps,
		.count = steps,
		.report_fd = shell->report_fd,
		.stack = rf_arch_build_signal_frame((void *)(uintptr_t)frame, frame, &shell->facts,
						    &shell->image.threads[0].image,
						    shell->image.threads[0].xsave,
						    (uintptr_t)&region->arrival),
	};
}

int rf_shell_become_image(struct rf_shell *shell)
{
	const struct rf_places *places = &shell->places;
	unsigned char *code = (unsigned char *)(uintptr_t)places->region_address;
	struct region *region = (struct region *)(code + code_bytes());
	struct rf_plan_shell plan_shell = describe_shell(shell, region);
	const uint64_t every_signal = UINT64_MAX;
	int error = restore_process(shell);

	if (error < 0)
		return error;
	memcpy(region->sigactions, shell->image.sigactions, sizeof(region->sigactions));
	fill_mm_map(region, &shell->image);
	memcpy(code, rf_restorer_blob, (size_t)(rf_restorer_blob_end - rf_restorer_blob));
	finish_region(shell, region,
		      rf_plan_build(region->steps, &shell->image, places, &plan_shell));
	error = (int)rf_syscall(SYS_mprotect, code, code_bytes(), PROT_READ | PROT_EXEC);
	if (error < 0)
		return rf_report(&shell->report, -error, "the restorer's code: %m");
	/* The image's handlers must not run before its thread does; rt_sigreturn sets its mask. */
	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, NULL, sizeof(every_signal));
	error = rf_shell_restore_under_way(shell);
	if (error < 0)
		return error;
	rf_arch_jump((uintptr_t)code, (uintptr_t)&region->plan,
		     places->region_address + places->region_bytes);
}
