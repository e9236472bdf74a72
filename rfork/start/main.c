/* SPDX-License-Identifier: MIT */
/*
 * rfork-start: what the kernel starts of an executable that undump wrote.  Reads the image from
 * the rest of its own file, builds it around itself, and leaves for the restorer.  Whatever goes
 * wrong before, it says in one line on standard error; nothing of the image has run then.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include <rfork.h>

#include "rfork/arch.h"
#include "rfork/boot_id.h"
#include "rfork/clocks.h"
#include "rfork/io.h"
#include "rfork/restore_attributes.h"
#include "rfork/restore_clocks.h"
#include "rfork/restore_locks.h"
#include "rfork/restore_objects.h"
#include "rfork/restore_region.h"
#include "rfork/restore_rights.h"
#include "rfork/restore_timers.h"
#include "rfork/start/runtime.h"
#include "rfork/start/start.h"
#include "rfork/sys.h"

/* As a shell has them. */
#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND 127

#define PAGE_BYTES 4096u
#define MIN_ADDRESS UINT64_C(4096) /* whatever is lower, the kernel refuses by itself */
/* What the tables of an image take, for each byte of its records; and what all need. */
#define MEMORY_FACTOR 8u
#define MEMORY_LEAST ((size_t)8 << 20)
/* The list of own mappings must not become wrong by a stack that grows. */
#define SETTLED_BYTES ((size_t)64 << 10)
#define KERNEL_SIGSET_BYTES 8u

void rf_start_main(uint64_t *stack);

/* -- the process as the kernel made it --------------------------------------------------------- */

static void take_arguments(struct rf_start_arguments *arguments, uint64_t *stack)
{
	uint64_t *next;

	arguments->argc = (int)stack[0];
	arguments->argv = (char **)&stack[1];
	arguments->envp = arguments->argv + arguments->argc + 1;
	for (next = (uint64_t *)arguments->envp; *next;)
		next++;
	for (next++; *next != AT_NULL; next += 2) {
		if (*next == AT_PHDR)
			arguments->phdr = next[1];
		else if (*next == AT_PHNUM)
			arguments->phdrs = next[1];
		else if (*next == AT_SYSINFO_EHDR)
			arguments->vdso = next[1];
		else if (*next == AT_EXECFN)
			arguments->file = (const char *)next[1];
	}
}

/* The kernel lays the strings out one behind the other.  Source: Linux, fs/binfmt_elf.c. */
static void find_strings(struct rf_start_arguments *arguments)
{
	const char *first = arguments->argc > 0 ? arguments->argv[0] : arguments->envp[0];
	const char *last = arguments->argc > 0 ? arguments->argv[arguments->argc - 1] : NULL;

	for (char **next = arguments->envp; *next; next++)
		last = *next;
	if (!last)
		return;
	arguments->strings = first;
	arguments->strings_bytes = (uint64_t)(last - first) + strlen(last) + 1;
}

static void settle_stack(void)
{
	/* the kernel lets it grow in one step */
	*(volatile char *)__builtin_alloca(SETTLED_BYTES) = 0;
}

static int map_memory(struct rf_start *start)
{
	extern const char __ehdr_start;
	uint64_t hint = (uintptr_t)&__ehdr_start + (UINT64_C(1) << 30);
	int error;

	start->memory_bytes = (MEMORY_LEAST + MEMORY_FACTOR * start->file.note.records_bytes) &
			      ~(uint64_t)(PAGE_BYTES - 1);
	error = rf_start_map_memory(hint, start->memory_bytes, &start->memory_start);
	return error < 0 ? rf_report(&start->report, -error, "memory for the image's tables: %m")
			 : 0;
}

/* Actions that were inherited as "ignore" would stay so; those of the image that are not the
 * default are steps of the plan. */
static void reset_signals(void)
{
	static const struct rf_image_sigaction none;
	const uint64_t every_signal = UINT64_MAX;

	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, NULL, KERNEL_SIGSET_BYTES);
	for (int signal = 1; signal <= RF_IMAGE_SIGNALS; signal++)
		rf_syscall(SYS_rt_sigaction, signal, &none, NULL, KERNEL_SIGSET_BYTES);
}

/* -- whether it can run here ------------------------------------------------------------------- */

/*
 * During the boot in which the image was made, the machine has what it had then.  It is the
 * common case, and each question to the CPU leaves a virtual machine: together they cost a
 * twentieth of a start.
 */
static bool is_same_machine(const struct rf_start *start)
{
	const struct rf_image *image = &start->file.image;

	return start->is_same_boot && rf_arch_facts_hold(&image->facts);
}

static bool is_same_boot(const struct rf_start *start)
{
	const struct rf_image *image = &start->file.image;

	return image->has_facts && rf_boot_id_is_same(start->boot_id, image->facts.boot_id);
}

/* Names may have been changed since the image was made. */
static void find_host_name(struct rf_machine_facts *facts)
{
	struct utsname names = { .nodename = "" };

	rf_syscall(SYS_uname, &names);
	memset(facts->host_name, 0, sizeof(facts->host_name));
	memcpy(facts->host_name, names.nodename,
	       strnlen(names.nodename, sizeof(facts->host_name) - 1));
}

static void find_facts(struct rf_start *start)
{
	rf_boot_id_read(start->boot_id);
	start->is_same_boot = is_same_boot(start);
	if (is_same_machine(start))
		start->facts = start->file.image.facts;
	else
		rf_arch_machine_facts(&start->facts);
	start->facts.page_bytes = PAGE_BYTES;
	start->facts.min_address = MIN_ADDRESS;
	memcpy(start->facts.boot_id, start->boot_id, sizeof(start->facts.boot_id));
	find_host_name(&start->facts);
}

static int compare_cpu(struct rf_start *start)
{
	char missing[RF_REPORT_BYTES / 2] = "";

	if (!start->file.image.has_facts ||
	    !rf_arch_missing_features(&start->file.image.facts, &start->facts, missing,
				      sizeof(missing)))
		return 0;
	return rf_report(&start->report, ENOEXEC, "this machine's CPU or kernel lacks %s", missing);
}

static int check_machine(struct rf_start *start)
{
	int error = compare_cpu(start);

	return error < 0 ? error
			 : rf_restore_vdso(&start->foreign_vdso, &start->file.image, &start->vdso,
					   &start->facts, &start->report);
}

/* -- the image --------------------------------------------------------------------------------- */

/* undump lays an increment over its parents when it writes an executable; here they are not. */
static int refuse_increment(struct rf_start *start)
{
	const char *parent = start->file.image.parent_path;

	return parent ? rf_report(&start->report, EBADMSG,
				  "it is incremental, and its parent (%s) is not in it", parent)
		      : 0;
}

static int read_image(struct rf_start *start)
{
	const char *path = start->arguments.file ? start->arguments.file : "the executable";
	int error = rf_start_open_self(start);

	if (error == 0)
		error = map_memory(start);
	if (error == 0)
		error = rf_statefile_read(&start->file, start->fd, path, MIN_ADDRESS,
					  rf_arch_max_address(), &start->report);
	if (error == 0)
		error = refuse_increment(start);
	if (error == 0)
		find_facts(start);
	return error;
}

static void go_on_in_time(struct rf_start *start)
{
	const struct rf_image *image = &start->file.image;
	uint64_t time_namespace =
		image->has_clocks && start->is_same_boot ? rf_clocks_namespace(RF_CLOCKS_OWN) : 0;

	if (!rf_restore_clocks_are_same(image, start->is_same_boot, time_namespace,
					start->started_ns))
		start->started_ns = rf_restore_clocks(image, start->started_ns);
}

static uint64_t page_align(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

static int build_image(struct rf_start *start)
{
	int error = rf_start_find_maps(start);

	if (error == 0)
		error = check_machine(start);
	if (error == 0)
		go_on_in_time(start);
	if (error == 0) {
		rf_attributes_collect(&start->own);
		rf_restore_raise_limits(&start->file.image, &start->own, &start->warnings);
	}
	start->places.region_bytes = rf_restore_region_bytes(&start->file.image, &start->facts) +
				     page_align(start->arguments.strings_bytes);
	if (error == 0)
		error = rf_start_make_contents(start);
	if (error == 0)
		error = rf_start_map_image(start);
	if (error == 0)
		error = rf_restore_vdso_fill(&start->foreign_vdso, &start->file.image,
					     &start->places, &start->report);
	if (error == 0)
		error = rf_start_make_descriptors(start);
	if (error == 0)
		error = rf_restore_locks(&start->file.image, &start->report);
	if (error == 0)
		error = rf_restore_marks(&start->file.image, &start->places, &start->report);
	if (error == 0)
		error = rf_restore_locked(&start->file.image, &start->places, &start->report);
	return error;
}

/* Who starts a file of his own decides where: a root that chroot(2) has set is no reason to refuse
 * him, unlike a node. */
static int limit_rights(struct rf_start *start)
{
	const struct rf_image_rights *rights = &start->file.image.rights;
	struct stat root = { 0 };

	if (rights->root_inode &&
	    (!start->is_same_boot || rf_sys_stat("/", &root) < 0 ||
	     root.st_dev != rights->root_device || root.st_ino != rights->root_inode))
		rf_warn(&start->warnings, 0, "root directory: chroot(2) does not confine it here");
	return rf_restore_rights(&start->file.image, &start->warnings, &start->report);
}

/* A program that went on from no call of ours has nobody to ask for them. */
static void show_warnings(const struct rf_start *start)
{
	const struct rf_warnings *warnings = &start->warnings;

	if (start->file.image.threads[0].image.flags & RF_THREAD_INTERRUPTED)
		rf_io_write_full(start->report_fd, warnings->text, warnings->bytes, RF_NO_DEADLINE);
}

static int become_image(struct rf_start *start, const char *failure)
{
	unsigned mm_map_bytes = 0;
	struct rf_thread_script *scripts = NULL;
	const struct rf_restore restore = {
		.image = &start->file.image,
		.places = &start->places,
		.facts = &start->facts,
		.shell = { .vdso = &start->vdso,
			   .min_address = start->facts.min_address,
			   .max_address = start->facts.max_address,
			   .has_mm_map = rf_sys_prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE,
						      (unsigned long)&mm_map_bytes, 0, 0) == 0 &&
					 mm_map_bytes == sizeof(struct prctl_mm_map) },
		.report_fd = start->report_fd,
		.failure = failure,
		.since_ns = start->started_ns,
		.own = &start->own,
		.warnings = &start->warnings,
		.scripts = &scripts,
		.arguments = start->arguments.strings,
		.arguments_bytes = start->arguments.strings_bytes,
		.argc = (uint32_t)start->arguments.argc,
		.transport = RFORK_TRANSPORT_FILE,
		.connection = start->arguments.file ? start->arguments.file : "",
	};
	int error = rf_restore_process(&start->file.image, &start->report);

	if (error == 0) {
		rf_restore_attributes(&start->file.image, &start->own, true, &start->warnings);
		rf_restore_warn_of_objects(&start->file.image, &start->warnings);
		error = limit_rights(start);
	}
	if (error == 0)
		error = rf_restore_try_threads(&scripts, &start->file.image, &start->own.thread,
					       &start->warnings, &start->report);
	if (error == 0) {
		show_warnings(start);
		error = rf_restore_fill(&restore, &start->report);
		rf_restore_seal(&restore);
	}
	if (error == 0)
		error = rf_restore_under_way(&start->file.image, start->started_ns, &start->report);
	if (error < 0)
		return error;
	rf_restore_leave(&restore);
}

_Noreturn static void give_up(const struct rf_start *start, const char *name)
{
	char line[RF_REPORT_BYTES + 256];
	size_t bytes = rf_format(line, sizeof(line), "%s: %s\n", name, start->report.sentence);

	rf_sys_write(start->report_fd, line, bytes);
	rf_sys_exit(start->report.error == ENOEXEC || start->report.error == ENOTSUP
			    ? EXIT_CANNOT_EXECUTE
			    : EXIT_NOT_FOUND);
}

void rf_start_main(uint64_t *stack)
{
	static struct rf_start start; /* all zero: it takes no room in the file */
	static char failure[RF_REPORT_BYTES / 2];
	const char *name;
	int error;

	start.report_fd = 2;
	start.started_ns = rf_io_now_ns();
	take_arguments(&start.arguments, stack);
	find_strings(&start.arguments);
	name = start.arguments.argc > 0 ? start.arguments.argv[0] : "executable";
	rf_format(failure, sizeof(failure), "%s: restoring: ", name);
	settle_stack();
	reset_signals();
	error = read_image(&start);
	if (error == 0)
		error = build_image(&start);
	if (error == 0)
		become_image(&start, failure);
	give_up(&start, name);
}
