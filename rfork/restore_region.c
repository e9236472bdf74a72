/* SPDX-License-Identifier: MIT */
/*
 * Fills the restorer's region and jumps into it: the last act of whoever becomes an image.
 *
 * The region, in this order: code; struct head; steps of the process and its main thread; for each
 * other thread its steps, their memory, stack and signal frame; the main thread's signal frame;
 * arguments and warnings, if there are any; the stack that the restorer begins on; spare memory for
 * signal frames of the image, which stays if it is needed.
 */
#define _GNU_SOURCE
#include "rfork/restore_region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "rfork/arch.h"
#include "rfork/identity.h"
#include "rfork/io.h"
#include "rfork/plan_errands.h"
#include "rfork/restore_attributes.h"
#include "rfork/restore_frames.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define STACK_BYTES 4096u
/* The restorer needs far less, and no signal arrives. */
#define THREAD_STACK_BYTES 1024u
#define ALIGNMENT 64u
/* Handlers that have interrupted each other. */
#define SPARE_FRAMES 4u

struct head {
	struct rf_plan plan;
	struct rf_arrival arrival;
	struct rf_arrival_identity identity;
	unsigned char running[RF_SHELL_REPORT_SHORT_BYTES]; /* a report */
	struct rf_step last[RF_RESTORE_ATTRIBUTE_STEPS + 1 + RF_PLAN_LAST_STEPS];
	struct rf_image_limit limits[RF_IMAGE_LIMITS];
	char failure[RF_REPORT_BYTES];
	struct prctl_mm_map mm_map;
	unsigned char auxv[RF_IMAGE_MAX_AUXV_BYTES];
	struct rf_image_sigaction sigactions[RF_IMAGE_SIGNALS];
};

static uint64_t align(uint64_t bytes, uint64_t alignment)
{
	return (bytes + alignment - 1) & ~(alignment - 1);
}

static uint64_t code_bytes(void)
{
	return align((uint64_t)(rf_restorer_blob_end - rf_restorer_blob), PAGE_BYTES);
}

static uint64_t frame_bytes(const struct rf_image *image, const struct rf_machine_facts *facts,
			    uint32_t thread)
{
	return align(rf_arch_signal_frame_bytes(facts, &image->threads[thread].image), ALIGNMENT);
}

/* What a thread does to get what it had chosen, where there are several. */
static uint64_t script_steps(const struct rf_image *image, uint32_t thread)
{
	return image->threads[thread].attributes && image->head.threads > 1 ? RF_THREAD_SCRIPT_STEPS
									    : 0;
}

static uint64_t script_bytes(const struct rf_image *image, uint32_t thread)
{
	return script_steps(image, thread) ? RF_THREAD_SCRIPT_BYTES : 0;
}

/* Of a thread but the main one: steps, memory of its errands and of its script, stack. */
static uint64_t thread_bytes(const struct rf_image *image, uint32_t thread)
{
	size_t errands = rf_plan_count_errands(image, thread);
	size_t steps =
		RF_PLAN_THREAD_STEPS + errands * RF_PLAN_ERRAND_STEPS + script_steps(image, thread);

	return steps * sizeof(struct rf_step) + errands * sizeof(struct rf_plan_errand) +
	       script_bytes(image, thread) + THREAD_STACK_BYTES;
}

static uint64_t spare_bytes(const struct rf_machine_facts *facts)
{
	return align(SPARE_FRAMES * RF_ARCH_SPARE_FRAME_BYTES(facts), PAGE_BYTES);
}

/* Where what goes with the restorer ends. */
static uint64_t region_end(const struct rf_restore *restore)
{
	return restore->places->region_address + restore->places->region_bytes -
	       spare_bytes(restore->facts);
}

uint64_t rf_restore_region_bytes(const struct rf_image *image, const struct rf_machine_facts *facts)
{
	uint64_t steps = rf_plan_max_steps(image) + RF_PLAN_THREAD_STEPS;
	uint64_t bytes = align(sizeof(struct head), ALIGNMENT) + steps * sizeof(struct rf_step) +
			 script_steps(image, 0) * sizeof(struct rf_step) + script_bytes(image, 0) +
			 frame_bytes(image, facts, 0) + RF_WARNINGS_BYTES + STACK_BYTES;

	for (uint32_t i = 1; i < image->head.threads; i++)
		bytes += sizeof(struct rf_plan_thread) + thread_bytes(image, i) +
			 frame_bytes(image, facts, i);
	return code_bytes() + align(bytes + 2 * ALIGNMENT, PAGE_BYTES) + spare_bytes(facts);
}

/* -- memory ----------------------------------------------------------------------------------- */

/* MAP_FIXED_NOREPLACE: a place that is taken after all is an error, never an overwrite. */
long rf_restore_map(uint64_t address, uint64_t bytes, uint32_t protection, int flags, int fd,
		    uint64_t offset)
{
	long result = rf_sys_mmap(address, bytes, (int)protection, flags | MAP_FIXED_NOREPLACE, fd,
				  offset);

	if (result >= 0 && (uint64_t)result != address) {
		/* a kernel before 4.17 takes the flag for a hint */
		rf_sys_munmap((uintptr_t)result, bytes);
		return -EEXIST;
	}
	return result;
}

int rf_restore_map_region(const struct rf_places *places, struct rf_report *report)
{
	if (rf_restore_map(places->region_address, places->region_bytes,
			   RF_PROTECTION_READ | RF_PROTECTION_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0) < 0)
		return rf_report(report, ENOMEM, "the restorer's region: %m");
	return 0;
}

void rf_restore_warn_huge(const struct rf_image_mapping *mapping, long error,
			  struct rf_warnings *warnings)
{
	rf_warn(warnings, (int)-error,
		"memory %lx-%lx: in ordinary pages, not in huge ones of %lu kB: %m", mapping->start,
		mapping->end, rf_mapping_huge_bytes(mapping) >> 10);
}

_Static_assert(RF_MAPPING_HUGE_SHIFT == MAP_HUGE_SHIFT, "sizes go to the kernel as they are");

/* Reserves all of them: memory that is there can be touched. */
static long map_huge(const struct rf_image_mapping *mapping, uint64_t address, uint32_t protection)
{
	return rf_restore_map(address, mapping->end - mapping->start, protection,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
				      (int)(mapping->flags & RF_MAPPING_HUGE),
			      -1, 0);
}

long rf_restore_map_anonymous(const struct rf_image_mapping *mapping, uint64_t address,
			      uint32_t protection, struct rf_warnings *warnings)
{
	uint64_t bytes = mapping->end - mapping->start;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS |
		    (mapping->flags & RF_MAPPING_GROWSDOWN ? MAP_GROWSDOWN : 0);
	long result;

	if (rf_mapping_huge_bytes(mapping)) {
		result = map_huge(mapping, address, protection);
		if (result >= 0 || result == -EEXIST)
			return result;
		rf_restore_warn_huge(mapping, result, warnings);
	}
	result = rf_restore_map(address, bytes, protection, flags, -1, 0);

	/* What was reserved without commitment must be so here; but only then, for such memory does
	 * not join its neighbours. */
	if (result == -ENOMEM)
		result = rf_restore_map(address, bytes, protection, flags | MAP_NORESERVE, -1, 0);
	return result;
}

/* -- the process -------------------------------------------------------------------------- */

int rf_restore_process(const struct rf_image *image, struct rf_report *report)
{
	long error = rf_syscall(SYS_chdir, image->cwd);

	if (error < 0)
		return rf_report(report, ENOTSUP, "working directory %s: %s", image->cwd,
				 strerrordesc_np((int)-error));
	rf_syscall(SYS_umask, image->process.umask);
	rf_sys_prctl(PR_SET_NAME, (unsigned long)image->process.comm, 0, 0, 0);
	return 0;
}

/* The lock goes home with the memory.  What cannot be accessed is locked all the same, but
 * ENOMEM says that its pages could not be found. */
int rf_restore_locked(const struct rf_image *image, const struct rf_places *places,
		      struct rf_report *report)
{
	for (size_t i = 0; i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];
		long error;

		if (!(mapping->flags & RF_MAPPING_LOCKED))
			continue;
		error = rf_syscall(SYS_mlock2, places->mappings[i].address,
				   mapping->end - mapping->start,
				   mapping->flags & RF_MAPPING_ONFAULT ? MLOCK_ONFAULT : 0);
		if (error < 0 && (error != -ENOMEM || places->mappings[i].protection))
			return rf_report(report, ENOTSUP, "mapping %lx-%lx cannot be locked: %s",
					 mapping->start, mapping->end,
					 strerrordesc_np((int)-error));
	}
	return 0;
}

static void fill_mm_map(struct head *head, const struct rf_image *image)
{
	const struct rf_image_process *process = &image->process;

	memcpy(head->auxv, image->auxv, process->auxv_bytes);
	head->mm_map = (struct prctl_mm_map){
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
		.auxv = (void *)head->auxv,
		.auxv_size = process->auxv_bytes,
		.exe_fd = UINT32_MAX, /* needs no privilege */
	};
}

/* -- threads ------------------------------------------------------------------------------- */

/* Whether the image's memory says that libc caches the thread's id where the kernel clears it. */
static bool is_tid_cached(const struct rf_restore *restore, const struct rf_image_thread *thread)
{
	const struct rf_image *image = restore->image;
	const uint32_t needed = RF_PROTECTION_READ | RF_PROTECTION_WRITE;
	uint32_t cached;
	size_t index;

	if (!thread->tid_address)
		return false;
	index = rf_image_find_mapping(image, thread->tid_address,
				      thread->tid_address + sizeof(cached));
	if (index == SIZE_MAX || (image->mappings[index].protection & needed) != needed)
		return false;
	memcpy(&cached,
	       (const void *)(uintptr_t)(thread->tid_address - image->mappings[index].start +
					 restore->places->mappings[index].address),
	       sizeof(cached));
	return cached == thread->tid;
}

static size_t build_thread(const struct rf_restore *restore, struct rf_step *steps, uint32_t thread)
{
	const struct rf_image_thread *image = &restore->image->threads[thread].image;

	return rf_plan_build_thread(steps, image, is_tid_cached(restore, image));
}

/* Builds a thread's signal frame at *next, and moves that on; the stack pointer for the
 * restorer. */
static uint64_t build_frame(const struct rf_restore *restore, unsigned char **next, uint32_t thread,
			    const struct rf_arrival *arrival)
{
	const struct rf_reader_thread *image = &restore->image->threads[thread];
	uint64_t frame = align((uintptr_t)*next, ALIGNMENT);

	*next = (unsigned char *)frame + frame_bytes(restore->image, restore->facts, thread);
	return rf_arch_build_signal_frame((void *)frame, frame, restore->facts, &image->image,
					  image->xsave, (uintptr_t)arrival);
}

static struct rf_plan_thread fill_thread(const struct rf_restore *restore, uint32_t thread,
					 const struct rf_arrival *arrival, unsigned char **next)
{
	const struct rf_image *image = restore->image;
	size_t errands = rf_plan_count_errands(image, thread);
	struct rf_step *steps = (struct rf_step *)*next;
	struct rf_plan_errand *memory = (struct rf_plan_errand *)(steps + RF_PLAN_THREAD_STEPS +
								  errands * RF_PLAN_ERRAND_STEPS +
								  script_steps(image, thread));
	struct rf_plan_thread plan = { .steps = steps };

	*next += thread_bytes(image, thread);
	plan.stack_top = (uintptr_t)*next;
	plan.count = build_thread(restore, steps, thread);
	plan.count += rf_plan_build_errands(steps + plan.count, memory, image, thread,
					    (uint64_t)(rf_io_now_ns() - restore->since_ns),
					    (uint32_t)rf_syscall(SYS_getpid));
	if (script_steps(image, thread))
		plan.count += rf_restore_write_script(steps + plan.count,
						      (unsigned char *)(memory + errands),
						      &(*restore->scripts)[thread]);
	plan.stack = build_frame(restore, next, thread, arrival);
	return plan;
}

/* The main thread's: what others have from it before they have theirs is as they were tried. */
static void fill_own(const struct rf_restore *restore, struct head *head, unsigned char **next)
{
	struct rf_step *steps = (struct rf_step *)*next;
	unsigned char *memory = (unsigned char *)(steps + RF_THREAD_SCRIPT_STEPS);

	if (!script_steps(restore->image, 0))
		return;
	head->plan.own = steps;
	head->plan.own_count = rf_restore_write_script(steps, memory, &(*restore->scripts)[0]);
	*next = memory + RF_THREAD_SCRIPT_BYTES;
}

static void fill_threads(const struct rf_restore *restore, struct head *head, unsigned char **next)
{
	struct rf_plan_thread *threads = (struct rf_plan_thread *)*next;
	uint32_t count = restore->image->head.threads - 1;

	*next = (unsigned char *)align((uintptr_t)(threads + count), ALIGNMENT);
	for (uint32_t i = 0; i < count; i++)
		threads[i] = fill_thread(restore, i + 1, &head->arrival, next);
	head->plan.threads = threads;
	head->plan.thread_count = count;
}

/* Vector registers of another machine: the frames have those of this one. */
static int check_states(const struct rf_restore *restore, struct rf_report *report)
{
	int error = 0;

	for (uint32_t i = 0; i < restore->image->head.threads && error == 0; i++) {
		const struct rf_reader_thread *thread = &restore->image->threads[i];

		if (thread->image.xsave_bytes)
			error = rf_arch_xsave_fit(NULL, restore->facts, thread->xsave,
						  thread->image.xsave_bytes, report);
	}
	return error;
}

/* What handlers return to; *is_kept: some of it is in the spare memory. */
static int fit_frames(const struct rf_restore *restore, bool *is_kept, struct rf_report *report)
{
	struct rf_frames frames = { .image = restore->image,
				    .places = restore->places,
				    .facts = restore->facts,
				    .spare = { .address = region_end(restore),
					       .bytes = spare_bytes(restore->facts) } };
	int error;

	frames.spare.memory = (unsigned char *)(uintptr_t)frames.spare.address;
	error = rf_restore_frames(&frames, report);
	*is_kept = frames.spare.used > 0;
	return error;
}

/* -- the whole ---------------------------------------------------------------------------- */

static bool is_interrupted(const struct rf_image *image)
{
	return image->threads[0].image.flags & RF_THREAD_INTERRUPTED;
}

static struct head *find_head(const struct rf_restore *restore)
{
	return (struct head *)(uintptr_t)(restore->places->region_address + code_bytes());
}

static void fill_identity(struct rf_arrival_identity *identity, const struct rf_restore *restore)
{
	const struct rf_machine_facts *here = restore->facts;

	identity->image = restore->image->identity;
	identity->transport = restore->transport;
	memcpy(identity->boot_id, here->boot_id, sizeof(identity->boot_id));
	memcpy(identity->host_name, here->host_name, sizeof(identity->host_name));
	rf_format(identity->connection, sizeof(identity->connection), "%s",
		  restore->connection ? restore->connection : restore->image->connection);
}

/* What is left for the main thread to do, or is done in its name. */
static void fill_arrival(const struct rf_restore *restore, struct head *head, bool is_spare_kept)
{
	const struct rf_places *places = restore->places;
	uint64_t end = is_spare_kept ? region_end(restore)
				     : places->region_address + places->region_bytes;
	const struct rf_shell_report running = { .kind = RF_SHELL_RUNNING };
	bool is_heard = !restore->failure;

	head->arrival = (struct rf_arrival){
		.region_address = places->region_address,
		.region_bytes = restore->image->head.threads == 1 ? end - places->region_address
								  : 0,
		.report_fd = is_heard ? restore->report_fd : -1,
		.argc = restore->argc,
		.arguments_bytes = restore->arguments_bytes,
		.identity = (uintptr_t)&head->identity,
	};
	fill_identity(&head->identity, restore);
	memcpy(head->running, &running, sizeof(head->running));
	head->plan.last = head->last;
	head->plan.last_count =
		rf_restore_attribute_steps(head->last, restore->image, restore->own, head->limits);
	if (rf_plan_has_timers(restore->image))
		head->last[head->plan.last_count++] = rf_plan_leave_timer_ids();
	if (restore->report_fd >= 0 && (is_interrupted(restore->image) || !is_heard))
		head->plan.last_count +=
			rf_plan_build_last(head->last + head->plan.last_count, restore->report_fd,
					   is_heard ? (uintptr_t)head->running : 0);
}

static void fill_head(const struct rf_restore *restore, struct head *head, bool is_spare_kept)
{
	memcpy(head->sigactions, restore->image->sigactions, sizeof(head->sigactions));
	fill_mm_map(head, restore->image);
	fill_arrival(restore, head, is_spare_kept);
	head->plan.report_fd = restore->report_fd;
	if (!restore->failure)
		return;
	head->plan.failure = head->failure;
	head->plan.failure_bytes =
		rf_format(head->failure, sizeof(head->failure), "%s", restore->failure);
}

int rf_restore_fill(const struct rf_restore *restore, struct rf_report *report)
{
	unsigned char *code = (unsigned char *)(uintptr_t)restore->places->region_address;
	struct rf_plan_shell shell = restore->shell;
	struct head *head = find_head(restore);
	struct rf_step *steps = (struct rf_step *)align((uintptr_t)(head + 1), ALIGNMENT);
	unsigned char *next;
	bool is_spare_kept = false;
	int error = check_states(restore, report);

	if (error == 0)
		error = fit_frames(restore, &is_spare_kept, report);
	if (error < 0)
		return error;
	memcpy(code, rf_restorer_blob, (size_t)(rf_restorer_blob_end - rf_restorer_blob));
	fill_head(restore, head, is_spare_kept);
	shell.actions_address = (uintptr_t)head->sigactions;
	shell.mm_map_address = (uintptr_t)&head->mm_map;
	shell.mm_map_bytes = sizeof(head->mm_map);
	head->plan.steps = steps;
	head->plan.count = rf_plan_build(steps, restore->image, restore->places, &shell);
	head->plan.count += build_thread(restore, steps + head->plan.count, 0);
	/* behind the room for seals */
	next = (unsigned char *)(steps + rf_plan_max_steps(restore->image) + RF_PLAN_THREAD_STEPS);
	fill_threads(restore, head, &next);
	fill_own(restore, head, &next);
	head->plan.stack = build_frame(restore, &next, 0, &head->arrival);
	head->arrival.arguments = (uintptr_t)next;
	memcpy(next, restore->arguments, restore->arguments_bytes);
	next += restore->arguments_bytes;
	head->arrival.warnings = (uintptr_t)next;
	head->arrival.warnings_bytes = restore->warnings->bytes;
	memcpy(next, restore->warnings->text, restore->warnings->bytes);
	error = (int)rf_syscall(SYS_mprotect, code, code_bytes(), PROT_READ | PROT_EXEC);
	return error < 0 ? rf_report(report, -error, "the restorer's code: %m") : 0;
}

void rf_restore_seal(const struct rf_restore *restore)
{
	struct rf_plan *plan = &find_head(restore)->plan;
	struct rf_step *steps = (struct rf_step *)(uintptr_t)plan->steps;

	plan->count += rf_plan_build_seals(steps + plan->count, restore->image);
}

void rf_restore_leave(const struct rf_restore *restore)
{
	const struct rf_places *places = restore->places;

	rf_arch_jump(places->region_address, (uintptr_t)&find_head(restore)->plan,
		     region_end(restore));
}
