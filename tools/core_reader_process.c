/* SPDX-License-Identifier: MIT */
/*
 * What the process was made from, and what it has of the kernel, as far as its own memory tells:
 * where the program, the heap, arguments and environment are.  The kernel puts those at fixed
 * places when a program starts.  Source: Linux, fs/binfmt_elf.c.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/core_reader_parts.h"

#define MAX_PROGRAM_HEADERS 64u
#define MAX_VECTOR_BYTES                                                                           \
	(UINT64_C(8) << 20) /* argc, argv, environ: a third of the largest arguments */
#define MAX_STRINGS_BYTES (UINT64_C(8) << 20)
#define MAX_HEAP_GAP (UINT64_C(1) << 30) /* what randomization puts between program and heap */
#define STATIC_PIE_HEAP UINT64_C(0x555555554000) /* ELF_ET_DYN_BASE of x86_64 */
#define DEFAULT_UMASK 022u

static uint64_t page_end(uint64_t address)
{
	return (address + CORE_PAGE_BYTES - 1) & ~(uint64_t)(CORE_PAGE_BYTES - 1);
}

/* -- the program ----------------------------------------------------------------------------- */

/* What has to be added to addresses in the headers, which lie at `address`. */
static bool find_bias(const struct core *core, const Elf64_Phdr *headers, size_t count,
		      uint64_t address, uint64_t *bias)
{
	uint64_t start = address & ~(uint64_t)(CORE_PAGE_BYTES - 1);
	Elf64_Ehdr elf;

	for (size_t i = 0; i < count; i++) {
		if (headers[i].p_type != PT_PHDR)
			continue;
		*bias = address - headers[i].p_vaddr;
		return true;
	}
	if (!core_read(core, start, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || start + elf.e_phoff != address)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (headers[i].p_type != PT_LOAD || headers[i].p_offset != 0)
			continue;
		*bias = start - headers[i].p_vaddr;
		return true;
	}
	return false;
}

/* The ranges as the kernel computes them when it loads a program. */
static void take_ranges(struct core *core, const Elf64_Phdr *headers, size_t count)
{
	struct rf_image_process *process = &core->source->image.process;

	process->start_code = UINT64_MAX;
	core->first = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		uint64_t start = headers[i].p_vaddr + core->bias;
		uint64_t file_end = start + headers[i].p_filesz;

		if (headers[i].p_type != PT_LOAD)
			continue;
		if (start < core->first)
			core->first = start;
		if (start + headers[i].p_memsz > core->end)
			core->end = start + headers[i].p_memsz;
		if (headers[i].p_flags & PF_X && start < process->start_code)
			process->start_code = start;
		if (headers[i].p_flags & PF_X && file_end > process->end_code)
			process->end_code = file_end;
		if (start > process->start_data)
			process->start_data = start;
		if (file_end > process->end_data)
			process->end_data = file_end;
	}
}

static int take_program(struct core *core)
{
	const struct rf_image_process *process = &core->source->image.process;
	Elf64_Phdr headers[MAX_PROGRAM_HEADERS];
	uint64_t address, count, bytes;

	if (!core_auxv(core, AT_PHDR, &address) || !core_auxv(core, AT_PHNUM, &count) ||
	    !core_auxv(core, AT_PHENT, &bytes) || bytes != sizeof(headers[0]) || count == 0 ||
	    count > MAX_PROGRAM_HEADERS)
		return core_report(core, ENOTSUP,
				   "the auxiliary vector does not say where the program is");
	if (!core_read(core, address, headers, count * sizeof(headers[0])) ||
	    !find_bias(core, headers, count, address, &core->bias))
		return core_report(core, ENOTSUP, "the program's headers at %lx cannot be read",
				   (unsigned long)address);
	take_ranges(core, headers, count);
	if (process->start_code >= process->end_code || process->start_data > process->end_data ||
	    core->end < process->end_data || core->end > core->here.max_address)
		return core_report(core, EBADMSG, "the program's headers at %lx are corrupt",
				   (unsigned long)address);
	return 0;
}

/* -- the heap -------------------------------------------------------------------------------- */

static bool can_be_heap(const struct rf_image_mapping *mapping)
{
	return !(mapping->flags & RF_MAPPING_GROWSDOWN) &&
	       mapping->protection == (RF_PROTECTION_READ | RF_PROTECTION_WRITE);
}

/* The C library remembers where its heap ends.  Where it begins; 0 if it does not end there.  In a
 * process that was restarted its first part may be mapped from the executable. */
static uint64_t find_known_heap(const struct core *core, uint64_t end)
{
	const struct rf_image *image = &core->source->image;
	size_t index = end ? rf_image_find_mapping(image, end - 1, end) : SIZE_MAX;
	const struct rf_image_mapping *mapping;

	if (index == SIZE_MAX || image->mappings[index].end != page_end(end) ||
	    !can_be_heap(&image->mappings[index]))
		return 0;
	for (mapping = &image->mappings[index]; mapping > image->mappings; mapping--)
		if (mapping[-1].end != mapping->start || !can_be_heap(&mapping[-1]) ||
		    (mapping[-1].start < page_end(core->end) && mapping[-1].end > core->first))
			break;
	return mapping->start;
}

/* Memory without a file; or of the same one as the program, which in a restarted process has all of
 * it. */
static bool is_like_program(const struct core *core, const struct rf_image_mapping *mapping)
{
	const struct rf_image *image = &core->source->image;
	size_t program = rf_image_find_mapping(image, core->first, core->first + 1);

	return mapping->kind == RF_MAPPING_ANONYMOUS ||
	       (program != SIZE_MAX && mapping->file == image->mappings[program].file);
}

/* Behind which the kernel puts a heap: the program, unless that is static and without an address of
 * its own. */
static uint64_t heap_base(const struct core *core)
{
	uint64_t interpreter = 0;

	core_auxv(core, AT_BASE, &interpreter);
	return core->bias && !interpreter ? STATIC_PIE_HEAP : page_end(core->end);
}

/* Else it is the first memory there, and ends with it. */
static uint64_t find_heap(const struct core *core, uint64_t *end)
{
	const struct rf_image *image = &core->source->image;
	uint64_t base = heap_base(core), start = 0;

	for (uint32_t i = 0; i < image->mappings_read; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		if (mapping->start < base)
			continue;
		if (!can_be_heap(mapping) || !is_like_program(core, mapping) ||
		    (start ? mapping->start != *end : mapping->start - base >= MAX_HEAP_GAP))
			break;
		start = start ? start : mapping->start;
		*end = mapping->end;
	}
	if (start)
		return start;
	/* no heap yet, and nobody has a pointer to one: it begins behind the program */
	*end = page_end(core->end);
	return *end;
}

static int take_heap(struct core *core)
{
	struct rf_image_process *process = &core->source->image.process;
	uint64_t variable;

	if (!core_find_symbol(core, "__curbrk", &variable) ||
	    !core_read(core, variable, &process->brk, sizeof(process->brk)))
		process->brk = 0;
	process->start_brk = find_known_heap(core, process->brk);
	if (!process->start_brk)
		process->start_brk = find_heap(core, &process->brk);
	return 0;
}

/* -- arguments and environment ----------------------------------------------------------------- */

/* Where the kernel put the vectors and the strings. */
struct stack {
	uint64_t base;	 /* of `words` in memory */
	uint64_t *words; /* what lies below the auxiliary vector */
	size_t count;
	uint64_t strings, strings_end; /* AT_EXECFN is the last of them */
};

/* The auxiliary vector lies in memory as the note has it; the words before it, or none. */
static void find_vectors(const struct core *core, struct stack *stack)
{
	uint64_t random, execfn, first[2];
	size_t mapping, end;

	if (!core_auxv(core, AT_RANDOM, &random) || !core_auxv(core, AT_EXECFN, &execfn) ||
	    core->auxv_bytes < sizeof(first))
		return;
	mapping = rf_image_find_mapping(&core->source->image, random, random + 1);
	if (mapping == SIZE_MAX)
		return;
	stack->base = core->source->image.mappings[mapping].start;
	if (random - stack->base > MAX_VECTOR_BYTES)
		stack->base = random - MAX_VECTOR_BYTES;
	stack->base = (stack->base + 15) & ~UINT64_C(15);
	random &= ~UINT64_C(15);
	if (random <= stack->base)
		return;
	stack->words = malloc(random - stack->base);
	if (!stack->words || !core_read(core, stack->base, stack->words, random - stack->base))
		return;
	memcpy(first, core->auxv, sizeof(first));
	end = (random - stack->base) / sizeof(uint64_t);
	/* the highest one: what is below are copies on the stack proper */
	for (size_t i = end - 1; i-- > 0;) {
		size_t bytes = (end - i) * sizeof(uint64_t);

		if (stack->words[i] != first[0] || stack->words[i + 1] != first[1])
			continue;
		if (bytes > core->auxv_bytes)
			bytes = core->auxv_bytes;
		if (memcmp(&stack->words[i], core->auxv, bytes) != 0)
			continue;
		stack->count = i;
		stack->strings = stack->base + i * sizeof(uint64_t) + core->auxv_bytes;
		stack->strings_end = execfn;
		return;
	}
}

/* Goes down a vector of pointers that ends with a 0, to what stands before it: another 0, or its
 * length.  The lowest string among them; a program may have changed their order. */
static uint64_t find_strings(const struct stack *stack, size_t *at, bool is_counted)
{
	uint64_t lowest = stack->strings_end;
	size_t i = *at;

	for (size_t length = 0; i-- > 0; length++) {
		uint64_t word = stack->words[i];

		if (is_counted ? word == length : word == 0) {
			*at = i;
			return lowest;
		}
		if (word >= stack->strings && word < lowest)
			lowest = word;
	}
	*at = SIZE_MAX;
	return 0;
}

static bool take_vectors(struct core *core, const struct stack *stack)
{
	struct rf_image_process *process = &core->source->image.process;
	size_t at = stack->count;

	if (at < 3 || stack->words[at - 1] != 0)
		return false;
	at--;
	process->env_end = stack->strings_end;
	process->env_start = find_strings(stack, &at, false);
	if (at == SIZE_MAX)
		return false;
	process->arg_start = find_strings(stack, &at, true);
	if (at == SIZE_MAX)
		return false;
	if (process->arg_start > process->env_start)
		process->arg_start = process->env_start;
	process->arg_end = process->env_start;
	process->start_stack = stack->base + at * sizeof(uint64_t);
	return true;
}

static int take_arguments(struct core *core)
{
	struct rf_image_process *process = &core->source->image.process;
	uint64_t stack_pointer = core->source->image.threads[0].image.registers.rsp;
	struct stack stack = { 0 };

	find_vectors(core, &stack);
	if (!take_vectors(core, &stack)) {
		process->start_stack = process->arg_start = process->arg_end = stack_pointer;
		process->env_start = process->env_end = stack_pointer;
		if (rf_source_lose(core->source, "where the command line and the environment are") <
		    0) {
			free(stack.words);
			return core_no_memory(core);
		}
	}
	free(stack.words);
	return 0;
}

/* -- what a core does not say ------------------------------------------------------------------ */

/* The value of a variable that the process was started with, to be freed; NULL if there is none. */
static char *find_variable(const struct core *core, const char *name)
{
	const struct rf_image_process *process = &core->source->image.process;
	uint64_t bytes = process->env_end - process->env_start;
	size_t length = strlen(name);
	char *value = NULL, *strings;

	if (bytes == 0 || bytes > MAX_STRINGS_BYTES)
		return NULL;
	strings = malloc(bytes);
	if (strings && core_read(core, process->env_start, strings, bytes)) {
		strings[bytes - 1] = '\0';
		for (size_t i = 0; i < bytes && !value; i += strlen(strings + i) + 1)
			if (strncmp(strings + i, name, length) == 0 && strings[i + length] == '=')
				value = strdup(strings + i + length + 1);
	}
	free(strings);
	return value;
}

/* Most programs stay where they were started. */
static int take_directory(struct core *core)
{
	struct rf_image *image = &core->source->image;
	char *directory = find_variable(core, "PWD");
	struct stat status;
	bool is_there = directory && directory[0] == '/' &&
			strlen(directory) <= RF_IMAGE_MAX_PATH_BYTES &&
			stat(directory, &status) == 0 && S_ISDIR(status.st_mode);

	strcpy(image->cwd, is_there ? directory : "/");
	image->process.cwd_bytes = (uint32_t)strlen(image->cwd);
	free(directory);
	if (rf_source_lose(core->source, "the working directory: %s%s is taken", image->cwd,
			   is_there ? ", where it was started," : "") < 0)
		return core_no_memory(core);
	return 0;
}

/* Standard input, output and error of whoever restarts it. */
static int take_descriptors(struct core *core)
{
	struct rf_image *image = &core->source->image;

	image->descriptors = calloc(RF_IMAGE_STANDARD_CHANNELS, sizeof(*image->descriptors));
	if (!image->descriptors)
		return core_no_memory(core);
	for (uint32_t i = 0; i < RF_IMAGE_STANDARD_CHANNELS; i++)
		image->descriptors[image->descriptors_read++] = (struct rf_image_descriptor){
			.number = i,
			.kind = RF_DESCRIPTOR_RELAY,
			.status_flags = i ? O_WRONLY : O_RDONLY,
			.same_as = RF_IMAGE_NONE,
			.file = i,
			.stream = RF_STREAM_PIPE | (i ? RF_STREAM_WRITE : RF_STREAM_READ),
		};
	image->channels[0] |= (UINT64_C(1) << RF_IMAGE_STANDARD_CHANNELS) - 1;
	return 0;
}

/* A signal that the thread has brought on itself will come again. */
static const char *describe_signal(const struct core *core)
{
	switch (core->has_signal ? core->signal.si_signo : 0) {
	case SIGABRT:
		return core->signal.si_code == SI_TKILL ? "it has called abort()" : NULL;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
		return core->signal.si_code > 0 && core->signal.si_code != SI_KERNEL
			       ? "it stands at an instruction that fails"
			       : NULL;
	}
	return NULL;
}

static int lose_the_rest(struct core *core)
{
	const char *end = describe_signal(core);
	int error = 0;

	if (end)
		error = rf_source_lose(core->source, "that it goes on: %s (%s), and will end again",
				       end, sigdescr_np(core->signal.si_signo));
	if (error == 0)
		error = rf_source_lose(
			core->source,
			"open files: 0 to 2 are those of who starts it, all others are closed");
	if (error == 0)
		error = rf_source_lose(core->source,
				       "signal actions: all signals have their default action");
	if (error == 0 && core->is_by_gdb)
		error = rf_source_lose(core->source, "blocked signals: no signal is blocked");
	if (error == 0)
		error = rf_source_lose(
			core->source,
			"alternate signal stacks, timers, signals pending for the process, locks, and the umask: %03o is taken",
			DEFAULT_UMASK);
	if (error == 0)
		error = rf_source_lose(
			core->source,
			"limits, scheduling, capabilities that were dropped, and other options");
	return error < 0 ? core_no_memory(core) : 0;
}

int core_take_process(struct core *core)
{
	struct rf_image *image = &core->source->image;
	int error = take_program(core);

	if (error == 0)
		error = take_heap(core);
	if (error == 0)
		error = take_arguments(core);
	if (error == 0)
		error = take_directory(core);
	if (error == 0)
		error = take_descriptors(core);
	if (error < 0)
		return error;
	memcpy(image->auxv, core->auxv, core->auxv_bytes);
	image->process.auxv_bytes = (uint32_t)core->auxv_bytes;
	image->process.umask = DEFAULT_UMASK;
	memcpy(image->process.comm, core->process.pr_fname, sizeof(image->process.comm));
	image->process.comm[sizeof(image->process.comm) - 1] = '\0';
	return lose_the_rest(core);
}
