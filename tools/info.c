/* SPDX-License-Identifier: MIT */
/*
 * undump --info: what rests in a file, as people read it.  The same for programs is in info_json.c.
 */
#define _GNU_SOURCE
#include "tools/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "rfork/arch.h"
#include "tools/describe.h"
#include "tools/text.h"

#define PAGE_BYTES 4096u
#define LABEL_COLUMNS 12
#define LINE_COLUMNS 80

static void print_label(const char *label)
{
	printf("%-*s", LABEL_COLUMNS, label);
}

/* -- words in lines ------------------------------------------------------------------------- */

struct words {
	int column;
	const char *separator; /* " ", or ", " where words have blanks */
};

static void begin_words(struct words *words, const char *label, const char *separator)
{
	print_label(label);
	*words = (struct words){ LABEL_COLUMNS, separator };
}

static void print_word(struct words *words, const char *word)
{
	size_t separator = strlen(words->separator);
	int bytes = (int)strlen(word);

	if (words->column > LABEL_COLUMNS &&
	    words->column + (int)separator + bytes > LINE_COLUMNS) {
		/* without the blank that ends the separator */
		printf("%.*s\n%*s", (int)separator - 1, words->separator, LABEL_COLUMNS, "");
		words->column = LABEL_COLUMNS;
	} else if (words->column > LABEL_COLUMNS) {
		words->column += printf("%s", words->separator);
	}
	words->column += bytes;
	fputs(word, stdout);
}

/* -- process and machine ---------------------------------------------------------------------- */

static void print_time(int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm parts;
	char text[64];

	if (!gmtime_r(&seconds, &parts) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts) == 0)
		printf("%ld ns after 1970", time_ns);
	else
		printf("%s UTC", text);
}

static void print_seconds(uint64_t time_ns)
{
	printf("%lu.%03lu s", time_ns / 1000000000, time_ns / 1000000 % 1000);
}

static void print_process(const struct rf_source *source)
{
	print_label("Process");
	printf("%u (",
	       source->origin.pid ? source->origin.pid : source->image.threads[0].image.tid);
	text_print(stdout, source->image.process.comm);
	printf(")");
	if (source->origin.captured_ns) {
		printf(", captured ");
		print_time(source->origin.captured_ns);
	}
	putchar('\n');
	print_label("Directory");
	text_print(stdout, source->image.cwd);
	printf(", umask %03o\n", source->image.process.umask);
}

static void print_features(const struct rf_machine_facts *facts)
{
	struct words words;

	begin_words(&words, "CPU", " ");
	for (uint32_t word = 0; word < facts->cpu_words; word++)
		for (unsigned bit = 0; bit < 32; bit++)
			if (facts->cpu[word] >> bit & 1)
				print_word(&words, rf_arch_feature_name(word, bit));
	putchar('\n');
	begin_words(&words, "Vector", ", ");
	for (unsigned bit = 0; bit < 64; bit++)
		if (facts->xcr0 >> bit & 1)
			print_word(&words, rf_arch_component_name(bit));
	putchar('\n');
}

static void print_machine(const struct rf_source *source)
{
	const struct rf_machine_facts *facts = &source->facts;

	if (!source->has_facts)
		return;
	print_label("Machine");
	text_print(stdout, facts->host_name);
	printf(", Linux ");
	text_print(stdout, facts->kernel_release);
	printf(", x86_64\n");
	print_features(facts);
}

static void print_clocks(const struct rf_image *image)
{
	if (!image->has_clocks)
		return;
	print_label("Clocks");
	printf("monotonic ");
	print_seconds(image->clocks.monotonic_ns);
	printf(", boottime ");
	print_seconds(image->clocks.boottime_ns);
	putchar('\n');
}

static void print_whereabouts(const struct rf_image_whereabouts *where)
{
	printf("process %u on ", where->pid);
	text_print(stdout, where->host_name);
}

static void print_identity(const struct rf_image *image)
{
	if (!image->has_identity)
		return;
	print_label("Captured");
	print_whereabouts(&image->identity.home);
	if (image->identity.hops) {
		printf(", which had arrived %u times, first from ", image->identity.hops);
		print_whereabouts(&image->identity.origin);
	}
	putchar('\n');
}

static void print_chain(const struct rf_source *source)
{
	for (size_t i = 1; i < source->chain_count; i++) {
		print_label(i == 1 ? "Parents" : "");
		text_print(stdout, source->chain[i].path);
		putchar('\n');
	}
}

/* -- memory ------------------------------------------------------------------------------------ */

static void print_amount(uint64_t bytes, int columns)
{
	char amount[TEXT_AMOUNT_BYTES];

	printf("%*s", columns, text_amount(amount, bytes));
}

static void print_range(uint64_t start, uint64_t end, const char *rights)
{
	printf("  %012lx-%012lx", start, end);
	print_amount(end - start, 9);
	printf("  %s", rights);
}

static void print_mapping(const struct rf_source *source, size_t index)
{
	const struct rf_image_mapping *mapping = &source->image.mappings[index];
	struct describe_carried carried = describe_carried(source, index);
	const char *what = describe_what(&source->image, mapping);
	char rights[5];

	describe_rights(rights, mapping);
	print_range(mapping->start, mapping->end, rights);
	if (carried.data_pages)
		printf("%8lu", carried.data_pages);
	else
		printf("%8s", "-");
	printf(what ? "  %-9s  " : "  %s", describe_how(mapping, &carried));
	if (what)
		text_print(stdout, what);
	if (mapping->kind != RF_MAPPING_ANONYMOUS && mapping->file_offset)
		printf(" +%#lx", mapping->file_offset);
	if (mapping->flags & RF_MAPPING_LOCKED)
		printf(mapping->flags & RF_MAPPING_ONFAULT ? "  locked once touched" : "  locked");
	if (rf_mapping_huge_bytes(mapping))
		printf("  huge pages of %lu kB", rf_mapping_huge_bytes(mapping) >> 10);
	if (carried.guard_pages)
		printf("  %lu guard page%s", carried.guard_pages, text_plural(carried.guard_pages));
	putchar('\n');
}

static void print_vdso_area(const struct rf_image_vdso_area *area)
{
	bool is_code = area->kind == RF_VDSO_CODE;

	print_range(area->start, area->end, is_code ? "r-xp" : "r--p");
	printf("%8s  %-9s  %s\n", "-", "kernel", is_code ? "[vdso]" : "[vvar]");
}

/* Mappings and what is the kernel's, by address. */
static void print_mappings(const struct rf_source *source)
{
	const struct rf_image *image = &source->image;
	uint32_t area = 0;

	printf("  %-25s%9s  %s%8s  %-9s  %s\n", "ADDRESS", "SIZE", "MODE", "PAGES", "BY", "WHAT");
	for (uint32_t i = 0; i < image->head.mappings; i++) {
		while (area < image->vdso.areas &&
		       image->vdso_areas[area].start < image->mappings[i].start)
			print_vdso_area(&image->vdso_areas[area++]);
		print_mapping(source, i);
	}
	while (area < image->vdso.areas)
		print_vdso_area(&image->vdso_areas[area++]);
}

static void print_memory(const struct rf_source *source)
{
	uint64_t bytes = 0, pages = 0, files = 0;
	char whole[TEXT_AMOUNT_BYTES], content[TEXT_AMOUNT_BYTES], reference[TEXT_AMOUNT_BYTES];

	for (size_t i = 0; i < source->image.head.mappings; i++) {
		const struct rf_image_mapping *mapping = &source->image.mappings[i];

		bytes += mapping->end - mapping->start;
		pages += describe_carried(source, i).data_pages;
		if (mapping->kind == RF_MAPPING_FILE)
			files += mapping->end - mapping->start;
	}
	printf("\nMemory: %u mappings of %s; %s carried, files of %s by reference\n",
	       source->image.head.mappings, text_amount(whole, bytes),
	       text_amount(content, pages * PAGE_BYTES), text_amount(reference, files));
	print_mappings(source);
	undump_info_marks(&source->image);
}

static void print_files(const struct rf_image *image)
{
	if (image->head.files == 0)
		return;
	printf("\nFiles: %u\n  %8s  %-23s  %-7s  %10s  %s\n", image->head.files, "SIZE", "MODIFIED",
	       "DEVICE", "INODE", "PATH");
	for (uint32_t i = 0; i < image->head.files; i++) {
		const struct rf_reader_file *file = &image->files[i];
		char device[32];

		print_amount(file->image.size_bytes, 10);
		printf("  ");
		print_time(file->image.mtime_ns);
		snprintf(device, sizeof(device), "%u:%u", major(file->image.device),
			 minor(file->image.device));
		printf("  %-7s  %10lu  ", device, file->image.inode);
		text_print(stdout, file->path);
		putchar('\n');
	}
}

/* -- descriptors ------------------------------------------------------------------------------- */

static void print_file_of(const struct rf_image *image,
			  const struct rf_image_descriptor *descriptor)
{
	text_print(stdout, image->files[descriptor->file].path);
	if (descriptor->flags & RF_DESCRIPTOR_AT_END)
		printf(", at its end");
	else
		printf(", at %lu", descriptor->offset);
	if (descriptor->flags & RF_DESCRIPTOR_BY_PATH)
		printf(", whatever has this path");
}

static void print_object(const struct rf_object_state *object)
{
	printf("%-14s  ", describe_object_kind(object));
	switch (object->image.kind) {
	case RF_OBJECT_EVENT:
		printf("count %lu%s%s", object->event.count,
		       object->event.flags & RF_EVENT_SEMAPHORE ? ", semaphore" : "",
		       object->event.flags & RF_EVENT_UNTOLD ? ", perhaps a semaphore" : "");
		break;
	case RF_OBJECT_TIMER:
		if (object->timer.remaining_ns) {
			printf("goes off in ");
			print_seconds(object->timer.remaining_ns);
		} else {
			printf("not armed");
		}
		printf(", %lu not read", object->timer.expirations);
		break;
	case RF_OBJECT_SIGNALS:
		printf("mask %lx", object->signals.mask);
		break;
	case RF_OBJECT_POLL:
		printf("watches %u", object->watch_count);
		break;
	case RF_OBJECT_INOTIFY:
		printf("watches %u paths", object->inotify.watched);
		break;
	case RF_OBJECT_PROCESS:
		printf("the process itself");
		break;
	case RF_OBJECT_CONTENT:
		text_print(stdout, object->name);
		printf(", %lu bytes%s", object->content.size_bytes,
		       object->content.flags & RF_CONTENT_MEMORY ? ", a memfd" : "");
		break;
	}
}

static void print_descriptor(const struct rf_image *image,
			     const struct rf_image_descriptor *descriptor)
{
	printf("  %6u  %-6s  ", descriptor->number, describe_descriptor_kind(descriptor));
	if (descriptor->same_as != RF_IMAGE_NONE) {
		printf("%-14s  the same as %u", "", descriptor->same_as);
	} else if (descriptor->kind == RF_DESCRIPTOR_EMPTY) {
		printf("%-14s  reads as end of file", "");
	} else if (descriptor->kind == RF_DESCRIPTOR_FILE) {
		printf("%-14s  ", describe_access(descriptor));
		print_file_of(image, descriptor);
	} else if (descriptor->kind == RF_DESCRIPTOR_PIPE) {
		const struct rf_reader_pipe *pipe = &image->pipes[descriptor->file];

		printf("%-14s  pipe %u, %u of %u bytes",
		       descriptor->stream & RF_STREAM_READ ? "read" : "write", descriptor->file,
		       pipe->image.bytes, pipe->image.capacity_bytes);
	} else if (descriptor->kind == RF_DESCRIPTOR_OBJECT) {
		print_object(&image->objects[descriptor->file].object);
	} else if (descriptor->kind == RF_DESCRIPTOR_RELAY) {
		static const char *const standard[] = { "input", "output", "error" };

		printf("%-14s  ", describe_access(descriptor));
		if (descriptor->file < RF_IMAGE_STANDARD_CHANNELS)
			printf("standard %s", standard[descriptor->file]);
		else
			printf("%s", describe_stream(descriptor));
	}
	if (descriptor->flags & RF_DESCRIPTOR_CLOEXEC)
		printf(", close-on-exec");
	putchar('\n');
}

static void print_descriptors(const struct rf_image *image)
{
	printf("\nDescriptors: %u\n", image->head.descriptors);
	for (uint32_t i = 0; i < image->head.descriptors; i++)
		print_descriptor(image, &image->descriptors[i]);
}

static void print_locks(const struct rf_source *source)
{
	if (source->lock_count)
		printf("\nLocks: %zu\n", source->lock_count);
	for (size_t i = 0; i < source->lock_count; i++) {
		const struct rf_image_lock *lock = &source->locks[i];

		printf("  %6u  %-11s  %-9s  ", lock->descriptor, describe_lock_kind(lock),
		       lock->type == RF_LOCK_EXCLUSIVE ? "exclusive" : "shared");
		if (lock->kind == RF_LOCK_WHOLE || (!lock->start && !lock->bytes))
			printf("the whole file\n");
		else if (lock->bytes)
			printf("%lu bytes at %lu\n", lock->bytes, lock->start);
		else
			printf("from %lu on\n", lock->start);
	}
}

/* -- signals and timers ------------------------------------------------------------------------ */

static void print_timer(const struct rf_image_timer *timer)
{
	printf("  %-14s  ", describe_timer_kind(timer));
	if (timer->remaining_ns) {
		printf("goes off in ");
		print_seconds(timer->remaining_ns);
	} else {
		printf("not armed");
	}
	if (timer->interval_ns) {
		printf(", then every ");
		print_seconds(timer->interval_ns);
	}
	if (timer->kind == RF_TIMER_POSIX) {
		const char *clock = describe_clock(timer->clock);

		printf(", %s", clock ? clock : "a CPU clock");
		if (timer->signal)
			printf(", %s", describe_signal(timer->signal));
	}
	putchar('\n');
}

static void print_timers(const struct rf_image *image)
{
	if (image->timer_count)
		printf("\nTimers: %u\n", image->timer_count);
	for (uint32_t i = 0; i < image->timer_count; i++)
		print_timer(&image->timers[i]);
}

/* Of the signals with this disposition, the names; with handler 0, of those that are caught. */
static void print_actions(const struct rf_image *image, const char *label, uint64_t handler)
{
	struct words words;
	bool is_begun = false;

	for (unsigned i = 0; i < RF_IMAGE_SIGNALS; i++) {
		uint64_t action = image->sigactions[i].handler;

		if (handler ? action != handler : action <= 1)
			continue;
		if (!is_begun)
			begin_words(&words, label, " ");
		is_begun = true;
		print_word(&words, describe_signal(i + 1));
	}
	if (is_begun)
		putchar('\n');
}

static void print_pending(const struct rf_image *image)
{
	struct words words;

	if (!image->pending_count)
		return;
	begin_words(&words, "Pending", " ");
	for (uint32_t i = 0; i < image->pending_count; i++)
		print_word(&words, describe_signal((unsigned)image->pending[i].signal));
	putchar('\n');
}

/* -- threads ----------------------------------------------------------------------------------- */

static void print_registers(const struct rf_image_thread *thread)
{
	/* as gdb orders them; of segments only the bases say anything */
	static const unsigned order[] = { 10, 5, 11, 12, 13, 14, 4,  19, 9,  8,
					  7,  6, 3,  2,	 1,  0,	 16, 18, 21, 22 };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		printf("%s%-7s %016lx",
		       i % 3 ? "  "
		       : i   ? "\n    "
			     : "    ",
		       describe_registers[order[i]], describe_register(thread, order[i]));
	putchar('\n');
}

static void print_thread(const struct rf_reader_thread *thread)
{
	const struct rf_image_thread *image = &thread->image;
	struct words words;

	printf("  %u, %s", image->tid,
	       image->flags & RF_THREAD_INTERRUPTED ? "interrupted"
						    : "in the call that captured it");
	if (image->xsave_bytes)
		printf(", %u bytes of vector state", image->xsave_bytes);
	if (image->altstack_bytes)
		printf(", signal stack %lx of %lu bytes", image->altstack_address,
		       image->altstack_bytes);
	putchar('\n');
	if (image->signal_mask) {
		begin_words(&words, "    blocked ", " ");
		for (unsigned i = 0; i < RF_IMAGE_SIGNALS; i++)
			if (image->signal_mask >> i & 1)
				print_word(&words, describe_signal(i + 1));
		putchar('\n');
	}
	if (thread->attributes)
		undump_info_thread_state(thread->attributes);
	print_registers(image);
}

static void print_threads(const struct rf_image *image)
{
	printf("\nThreads: %u\n", image->head.threads);
	for (uint32_t i = 0; i < image->head.threads; i++)
		print_thread(&image->threads[i]);
}

static void print_lost(const struct rf_source *source)
{
	char *rest = source->lost ? strdup(source->lost) : NULL, *next = rest, *line;

	if (rest)
		printf("\nLost\n");
	/* each line ends with a newline, behind the last there is nothing */
	while (next && (line = strsep(&next, "\n")) && next) {
		printf("  ");
		text_print(stdout, line);
		putchar('\n');
	}
	free(rest);
}

static void print_source(const struct rf_source *source)
{
	text_print(stdout, source->path);
	printf(": %s\n", describe_source(source));
	print_process(source);
	print_machine(source);
	print_clocks(&source->image);
	print_identity(&source->image);
	undump_info_rights(&source->image);
	undump_info_state(&source->image.state);
	print_chain(source);
	print_actions(&source->image, "Caught", 0);
	print_actions(&source->image, "Ignored", 1);
	print_pending(&source->image);
	print_memory(source);
	print_files(&source->image);
	print_descriptors(&source->image);
	print_locks(source);
	print_timers(&source->image);
	print_threads(&source->image);
	print_lost(source);
}

int undump_info(const struct undump_request *request, struct rf_report *report)
{
	struct rf_source source;
	int error = undump_open(&source, request->file, report);

	if (error < 0)
		return error;
	if (request->json)
		undump_info_json(&source);
	else
		print_source(&source);
	rf_source_close(&source);
	return 0;
}
