/* SPDX-License-Identifier: MIT */
/*
 * undump --info --json: what rests in a file, for programs.  Addresses and registers are strings of
 * hexadecimal digits, amounts are numbers of bytes or pages, times are nanoseconds.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "tools/describe.h"
#include "tools/info.h"
#include "tools/json.h"

static void write_origin(struct json *json, const struct rf_source *source)
{
	static const uint8_t none[RF_IMAGE_ID_BYTES];

	json_string(json, "file", source->path);
	json_string(json, "kind", describe_source(source));
	if (memcmp(source->origin.id, none, sizeof(none)) != 0)
		json_bytes(json, "id", source->origin.id, sizeof(none));
	else
		json_string(json, "id", NULL);
	json_signed(json, "captured_ns", source->origin.captured_ns);
	json_open(json, "parents", '[');
	for (size_t i = 1; i < source->chain_count; i++) {
		json_open(json, NULL, '{');
		json_string(json, "file", source->chain[i].path);
		json_bytes(json, "id", source->chain[i].origin.id, RF_IMAGE_ID_BYTES);
		json_close(json, '{');
	}
	json_close(json, '[');
}

static void write_machine(struct json *json, const struct rf_source *source)
{
	const struct rf_machine_facts *facts = &source->facts;

	if (!source->has_facts) {
		json_string(json, "machine", NULL);
		return;
	}
	json_open(json, "machine", '{');
	json_string(json, "architecture", "x86_64");
	json_string(json, "host", facts->host_name);
	json_string(json, "kernel", facts->kernel_release);
	json_number(json, "page_bytes", facts->page_bytes);
	json_bytes(json, "boot_id", facts->boot_id, sizeof(facts->boot_id));
	json_hex(json, "vdso_digest", facts->vdso_digest);
	json_number(json, "xsave_bytes", facts->xsave_bytes);
	json_open(json, "cpu_features", '[');
	for (uint32_t word = 0; word < facts->cpu_words; word++)
		for (unsigned bit = 0; bit < 32; bit++)
			if (facts->cpu[word] >> bit & 1)
				json_string(json, NULL, rf_arch_feature_name(word, bit));
	json_close(json, '[');
	json_open(json, "vector_state", '[');
	for (unsigned bit = 0; bit < 64; bit++)
		if (facts->xcr0 >> bit & 1)
			json_string(json, NULL, rf_arch_component_name(bit));
	json_close(json, '[');
	json_close(json, '{');
}

static void write_clocks(struct json *json, const struct rf_image *image)
{
	if (!image->has_clocks) {
		json_string(json, "clocks", NULL);
		return;
	}
	json_open(json, "clocks", '{');
	json_number(json, "monotonic_ns", image->clocks.monotonic_ns);
	json_number(json, "boottime_ns", image->clocks.boottime_ns);
	json_number(json, "time_namespace", image->clocks.time_namespace);
	json_close(json, '{');
}

static void write_whereabouts(struct json *json, const char *name,
			      const struct rf_image_whereabouts *where)
{
	json_open(json, name, '{');
	json_number(json, "pid", where->pid);
	json_string(json, "host", where->host_name);
	json_bytes(json, "boot_id", where->boot_id, sizeof(where->boot_id));
	json_close(json, '{');
}

static void write_identity(struct json *json, const struct rf_image *image)
{
	if (!image->has_identity) {
		json_string(json, "identity", NULL);
		return;
	}
	json_open(json, "identity", '{');
	json_number(json, "hops", image->identity.hops);
	write_whereabouts(json, "origin", &image->identity.origin);
	write_whereabouts(json, "home", &image->identity.home);
	json_close(json, '{');
}

static void write_process(struct json *json, const struct rf_source *source)
{
	const struct rf_image_process *process = &source->image.process;

	json_open(json, "process", '{');
	json_number(json, "pid", source->origin.pid);
	json_string(json, "name", process->comm);
	json_string(json, "directory", source->image.cwd);
	json_number(json, "umask", process->umask);
	json_hex(json, "start_brk", process->start_brk);
	json_hex(json, "brk", process->brk);
	json_hex(json, "start_stack", process->start_stack);
	json_close(json, '{');
}

static void write_mapping(struct json *json, const struct rf_source *source, size_t index)
{
	const struct rf_image_mapping *mapping = &source->image.mappings[index];
	struct describe_carried carried = describe_carried(source, index);
	char rights[5];

	describe_rights(rights, mapping);
	json_open(json, NULL, '{');
	json_hex(json, "start", mapping->start);
	json_hex(json, "end", mapping->end);
	json_number(json, "bytes", mapping->end - mapping->start);
	json_string(json, "mode", rights);
	json_string(json, "by", describe_how(mapping, &carried));
	json_number(json, "data_pages", carried.data_pages);
	json_number(json, "zero_pages", carried.zero_pages);
	json_number(json, "guard_pages", carried.guard_pages);
	json_string(json, "what", describe_what(&source->image, mapping));
	if (mapping->kind != RF_MAPPING_ANONYMOUS) {
		json_number(json, mapping->kind == RF_MAPPING_OBJECT ? "object" : "file",
			    mapping->file);
		json_number(json, "file_offset", mapping->file_offset);
	}
	if (rf_mapping_is_shared_memory(mapping)) {
		json_number(json, "shared_memory", mapping->file);
		json_number(json, "shared_memory_offset", mapping->file_offset);
	}
	if (mapping->flags & RF_MAPPING_DIGEST)
		json_bytes(json, "digest", (const uint8_t *)mapping->digest,
			   sizeof(mapping->digest));
	json_bool(json, "grows_down", mapping->flags & RF_MAPPING_GROWSDOWN);
	json_bool(json, "locked", mapping->flags & RF_MAPPING_LOCKED);
	json_number(json, "huge_page_bytes", rf_mapping_huge_bytes(mapping));
	json_close(json, '{');
}

static void write_memory(struct json *json, const struct rf_source *source)
{
	json_open(json, "memory", '[');
	for (size_t i = 0; i < source->image.head.mappings; i++)
		write_mapping(json, source, i);
	json_close(json, '[');
	undump_info_json_marks(json, &source->image);
	json_open(json, "vdso", '[');
	for (uint32_t i = 0; i < source->image.vdso.areas; i++) {
		const struct rf_image_vdso_area *area = &source->image.vdso_areas[i];

		json_open(json, NULL, '{');
		json_hex(json, "start", area->start);
		json_hex(json, "end", area->end);
		json_string(json, "kind", area->kind == RF_VDSO_CODE ? "code" : "data");
		json_close(json, '{');
	}
	json_close(json, '[');
}

static void write_files(struct json *json, const struct rf_image *image)
{
	json_open(json, "files", '[');
	for (uint32_t i = 0; i < image->head.files; i++) {
		const struct rf_image_file *file = &image->files[i].image;

		json_open(json, NULL, '{');
		json_string(json, "path", image->files[i].path);
		json_number(json, "bytes", file->size_bytes);
		json_number(json, "mode", file->mode);
		json_number(json, "device", file->device);
		json_number(json, "inode", file->inode);
		json_signed(json, "mtime_ns", file->mtime_ns);
		json_signed(json, "ctime_ns", file->ctime_ns);
		json_close(json, '{');
	}
	json_close(json, '[');
}

static void write_descriptor(struct json *json, const struct rf_image_descriptor *descriptor)
{
	json_open(json, NULL, '{');
	json_number(json, "number", descriptor->number);
	json_string(json, "kind", describe_descriptor_kind(descriptor));
	json_bool(json, "close_on_exec", descriptor->flags & RF_DESCRIPTOR_CLOEXEC);
	if (descriptor->same_as != RF_IMAGE_NONE) {
		json_number(json, "same_as", descriptor->same_as);
		json_close(json, '{');
		return;
	}
	json_string(json, "access", describe_access(descriptor));
	json_hex(json, "status_flags", descriptor->status_flags);
	if (descriptor->kind == RF_DESCRIPTOR_FILE) {
		json_number(json, "file", descriptor->file);
		json_number(json, "offset", descriptor->offset);
		json_bool(json, "by_path", descriptor->flags & RF_DESCRIPTOR_BY_PATH);
		json_bool(json, "at_end", descriptor->flags & RF_DESCRIPTOR_AT_END);
	} else if (descriptor->kind == RF_DESCRIPTOR_PIPE) {
		json_number(json, "pipe", descriptor->file);
	} else if (descriptor->kind == RF_DESCRIPTOR_OBJECT) {
		json_number(json, "object", descriptor->file);
	} else if (descriptor->kind == RF_DESCRIPTOR_RELAY) {
		json_number(json, "channel", descriptor->file);
		json_string(json, "stream", describe_stream(descriptor));
	}
	json_close(json, '{');
}

static void write_watches(struct json *json, const struct rf_object_state *object)
{
	json_open(json, "watches", '[');
	for (uint32_t i = 0; i < object->watch_count; i++) {
		json_open(json, NULL, '{');
		json_number(json, "number", object->watches[i].number);
		json_number(json, "descriptor", object->watches[i].descriptor);
		json_hex(json, "events", object->watches[i].events);
		json_hex(json, "data", object->watches[i].data);
		json_close(json, '{');
	}
	json_close(json, '[');
}

static void write_object(struct json *json, const struct rf_object_state *object)
{
	json_open(json, NULL, '{');
	json_string(json, "kind", describe_object_kind(object));
	switch (object->image.kind) {
	case RF_OBJECT_EVENT:
		json_number(json, "count", object->event.count);
		if (!(object->event.flags & RF_EVENT_UNTOLD))
			json_bool(json, "semaphore", object->event.flags & RF_EVENT_SEMAPHORE);
		break;
	case RF_OBJECT_TIMER:
		json_number(json, "remaining_ns", object->timer.remaining_ns);
		json_number(json, "interval_ns", object->timer.interval_ns);
		json_number(json, "expirations", object->timer.expirations);
		break;
	case RF_OBJECT_SIGNALS:
		json_hex(json, "mask", object->signals.mask);
		break;
	case RF_OBJECT_INOTIFY:
		json_number(json, "watched", object->inotify.watched);
		break;
	case RF_OBJECT_POLL:
		write_watches(json, object);
		break;
	case RF_OBJECT_CONTENT:
		json_string(json, "name", object->name);
		json_number(json, "bytes", object->content.size_bytes);
		json_number(json, "mode", object->content.mode);
		json_bool(json, "memfd", object->content.flags & RF_CONTENT_MEMORY);
		json_number(json, "seals", object->content.seals);
		break;
	}
	json_close(json, '{');
}

static void write_objects(struct json *json, const struct rf_image *image)
{
	json_open(json, "objects", '[');
	for (uint32_t i = 0; i < image->head.objects; i++)
		write_object(json, &image->objects[i].object);
	json_close(json, '[');
}

static void write_descriptors(struct json *json, const struct rf_image *image)
{
	json_open(json, "descriptors", '[');
	for (uint32_t i = 0; i < image->head.descriptors; i++)
		write_descriptor(json, &image->descriptors[i]);
	json_close(json, '[');
	json_open(json, "pipes", '[');
	for (uint32_t i = 0; i < image->pipe_count; i++) {
		json_open(json, NULL, '{');
		json_number(json, "capacity_bytes", image->pipes[i].image.capacity_bytes);
		json_number(json, "bytes", image->pipes[i].image.bytes);
		json_close(json, '{');
	}
	json_close(json, '[');
	write_objects(json, image);
}

static void write_locks(struct json *json, const struct rf_source *source)
{
	json_open(json, "locks", '[');
	for (size_t i = 0; i < source->lock_count; i++) {
		const struct rf_image_lock *lock = &source->locks[i];

		json_open(json, NULL, '{');
		json_number(json, "descriptor", lock->descriptor);
		json_string(json, "kind", describe_lock_kind(lock));
		json_bool(json, "exclusive", lock->type == RF_LOCK_EXCLUSIVE);
		json_number(json, "start", lock->start);
		json_number(json, "bytes", lock->bytes);
		json_close(json, '{');
	}
	json_close(json, '[');
}

static void write_timers(struct json *json, const struct rf_image *image)
{
	json_open(json, "timers", '[');
	for (uint32_t i = 0; i < image->timer_count; i++) {
		const struct rf_image_timer *timer = &image->timers[i];

		json_open(json, NULL, '{');
		json_string(json, "kind", describe_timer_kind(timer));
		json_number(json, "remaining_ns", timer->remaining_ns);
		json_number(json, "interval_ns", timer->interval_ns);
		if (timer->kind == RF_TIMER_POSIX) {
			json_number(json, "id", timer->id);
			json_signed(json, "clock", timer->clock);
			json_string(json, "signal",
				    timer->signal ? describe_signal(timer->signal) : NULL);
		}
		json_close(json, '{');
	}
	json_close(json, '[');
}

static void write_signals(struct json *json, const struct rf_image *image)
{
	json_open(json, "signal_actions", '[');
	for (unsigned i = 0; i < RF_IMAGE_SIGNALS; i++) {
		const struct rf_image_sigaction *action = &image->sigactions[i];

		if (!action->handler)
			continue;
		json_open(json, NULL, '{');
		json_string(json, "signal", describe_signal(i + 1));
		if (action->handler == 1)
			json_string(json, "handler", "ignore");
		else
			json_hex(json, "handler", action->handler);
		json_hex(json, "flags", action->flags);
		json_hex(json, "mask", action->mask);
		json_close(json, '{');
	}
	json_close(json, '[');
	json_open(json, "pending_signals", '[');
	for (uint32_t i = 0; i < image->pending_count; i++)
		json_string(json, NULL, describe_signal((unsigned)image->pending[i].signal));
	json_close(json, '[');
}

static void write_thread(struct json *json, const struct rf_reader_thread *reader)
{
	const struct rf_image_thread *thread = &reader->image;

	json_open(json, NULL, '{');
	json_number(json, "tid", thread->tid);
	json_bool(json, "interrupted", thread->flags & RF_THREAD_INTERRUPTED);
	json_hex(json, "signal_mask", thread->signal_mask);
	json_hex(json, "signal_stack", thread->altstack_address);
	json_number(json, "signal_stack_bytes", thread->altstack_bytes);
	json_hex(json, "rseq", thread->rseq_address);
	json_hex(json, "robust_list", thread->robust_list);
	json_hex(json, "tid_address", thread->tid_address);
	json_hex(json, "mxcsr", thread->mxcsr);
	json_hex(json, "x87_control", thread->x87_control);
	json_number(json, "xsave_bytes", thread->xsave_bytes);
	if (reader->attributes)
		undump_info_json_thread_state(json, reader->attributes);
	json_open(json, "registers", '{');
	for (unsigned i = 0; i < DESCRIBE_REGISTERS; i++)
		json_hex(json, describe_registers[i], describe_register(thread, i));
	json_close(json, '{');
	json_close(json, '{');
}

static void write_threads(struct json *json, const struct rf_image *image)
{
	json_open(json, "threads", '[');
	for (uint32_t i = 0; i < image->head.threads; i++)
		write_thread(json, &image->threads[i]);
	json_close(json, '[');
}

/* One string for each line; they were checked to end with a newline. */
static void write_lost(struct json *json, const struct rf_source *source)
{
	char *rest = source->lost ? strdup(source->lost) : NULL, *next = rest, *line;

	json_open(json, "lost", '[');
	while (next && (line = strsep(&next, "\n")) && next)
		json_string(json, NULL, line);
	json_close(json, '[');
	free(rest);
}

void undump_info_json(const struct rf_source *source)
{
	struct json json = { .to = stdout };

	json_open(&json, NULL, '{');
	write_origin(&json, source);
	write_machine(&json, source);
	write_clocks(&json, &source->image);
	write_identity(&json, &source->image);
	write_process(&json, source);
	undump_info_json_rights(&json, &source->image);
	undump_info_json_state(&json, &source->image.state);
	write_memory(&json, source);
	write_files(&json, &source->image);
	write_descriptors(&json, &source->image);
	write_locks(&json, source);
	write_timers(&json, &source->image);
	write_signals(&json, &source->image);
	write_threads(&json, &source->image);
	write_lost(&json, source);
	json_close(&json, '{');
}
