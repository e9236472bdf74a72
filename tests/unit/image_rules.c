/* SPDX-License-Identifier: MIT */
/*
 * The rules of doc/image-format.txt in words of their own: shares no code with the reader, whose
 * work it judges.
 */
#define _GNU_SOURCE
#include "tests/unit/image_rules.h"

#include <fcntl.h>
#include <string.h>

#include "tests/unit/image_sample.h"

static bool is_page_range(uint64_t start, uint64_t end)
{
	return start % SAMPLE_PAGE == 0 && end % SAMPLE_PAGE == 0 && start < end &&
	       start >= SAMPLE_MIN_ADDRESS && end <= SAMPLE_MAX_ADDRESS;
}

bool sample_is_content(const struct rf_image *image, uint32_t index)
{
	return index < image->head.objects && image->objects[index].object.image.kind == 7;
}

static const char *judge_mapped_content(const struct rf_image *image,
					const struct rf_image_mapping *mapping)
{
	const struct rf_object_content *content;
	bool is_written = mapping->flags & 1 && mapping->protection & 2;

	if (!sample_is_content(image, mapping->file) || mapping->file_offset % SAMPLE_PAGE ||
	    mapping->file_offset + (mapping->end - mapping->start) > INT64_MAX)
		return "the content of a mapping is wrong";
	content = &image->objects[mapping->file].object.content;
	if (mapping->flags & 2 ||
	    (mapping->flags & 4 && (is_written || content->file == RF_IMAGE_NONE)))
		return "a mapping of a content has another's flag";
	return is_written && content->seals & 8 ? "what is sealed is mapped to be written to"
						: NULL;
}

static const char *judge_mapping(const struct rf_image *image, uint32_t index)
{
	const struct rf_image_mapping *mapping = &image->mappings[index];
	const uint32_t huge = mapping->flags >> 26;
	const uint64_t offset = mapping->flags & 1 ? mapping->file_offset : 0;

	if (!is_page_range(mapping->start, mapping->end))
		return "a mapping is unaligned, empty or out of range";
	if (index && mapping->start < mapping[-1].end)
		return "mappings overlap";
	for (uint32_t i = 0; i < image->vdso.areas; i++)
		if (mapping->start < image->vdso_areas[i].end &&
		    image->vdso_areas[i].start < mapping->end)
			return "a mapping overlaps the vdso";
	if (huge && (huge < 13 || huge > 40 || mapping->kind || mapping->flags & 2 ||
		     (mapping->start | mapping->end | offset) & ((UINT64_C(1) << huge) - 1)))
		return "its huge pages are wrong";
	if (mapping->protection > 7 || mapping->flags & 0x3fff7f0 ||
	    (mapping->flags & 2056) == 2048 || mapping->kind > 3)
		return "a mapping has an unknown property";
	if (mapping->kind == 0 && mapping->flags & RF_MAPPING_SHARED)
		return mapping->file > index || mapping->file_offset % SAMPLE_PAGE ||
				       mapping->file_offset + (mapping->end - mapping->start) >
					       (uint64_t)1 << 47
			       ? "shared memory is out of range"
			       : NULL;
	if (mapping->kind == 3)
		return judge_mapped_content(image, mapping);
	if (mapping->kind == 0
		    ? mapping->file != RF_IMAGE_NONE
		    : mapping->file >= image->head.files || mapping->file_offset % SAMPLE_PAGE ||
			      mapping->file_offset + (mapping->end - mapping->start) > INT64_MAX)
		return "the file of a mapping is wrong";
	/* only a mapped file is shared or has a digest, only another mapping grows down */
	return mapping->flags & (mapping->kind == 1 ? 2 : 1 | 4) ? "a mapping has another's flag"
								 : NULL;
}

static const char *judge_relay(const struct rf_image *image, uint32_t index)
{
	/* a pipe read, a pipe written; sockets of three kinds read, written, or both; two that
	 * listen */
	static const uint32_t known[] = { 0x101, 0x201, 0x102, 0x202, 0x302, 0x103, 0x203,
					  0x303, 0xb03, 0x104, 0x204, 0x304, 0x105, 0x505 };
	static const uint32_t standard[] = { 0x101, 0x201, 0x201 };
	const struct rf_image_descriptor *relay = &image->descriptors[index];
	bool is_known = false;

	/* the terminal, which may have been opened several times */
	if (relay->file == 3)
		return (relay->stream & ~0x300u) != 6 || relay->stream < 0x100 || relay->offset
			       ? "a terminal is wrong"
			       : NULL;

	for (uint32_t i = 0; i < index; i++)
		if (image->descriptors[i].kind == RF_DESCRIPTOR_RELAY &&
		    image->descriptors[i].same_as == RF_IMAGE_NONE &&
		    image->descriptors[i].file == relay->file)
			return "two descriptors have one channel";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		is_known |= relay->stream == known[i];
	if (relay->offset && ((relay->stream & 0xff) < 3 || (relay->stream & 0xff) > 4 ||
			      relay->offset > 0x7fffffffu))
		return "a send buffer is wrong";
	if (!is_known || relay->file > 1023)
		return "a relay is wrong";
	return relay->file < 3 && relay->stream != standard[relay->file]
		       ? "a standard channel is wrong"
		       : NULL;
}

static const char *judge_pipe_end(const struct rf_image *image, uint32_t index)
{
	const struct rf_image_descriptor *end = &image->descriptors[index];

	if (end->file >= image->pipe_count || (end->stream != 0x101 && end->stream != 0x201))
		return "an end of no pipe";
	for (uint32_t i = 0; i < index; i++)
		if (image->descriptors[i].kind == RF_DESCRIPTOR_PIPE &&
		    image->descriptors[i].same_as == RF_IMAGE_NONE &&
		    image->descriptors[i].file == end->file &&
		    image->descriptors[i].stream == end->stream)
			return "an end of a pipe twice";
	return NULL;
}

static bool may_be_file(const struct rf_image *image, const struct rf_image_descriptor *descriptor)
{
	return descriptor->kind == RF_DESCRIPTOR_FILE ||
	       (descriptor->kind == RF_DESCRIPTOR_OBJECT &&
		sample_is_content(image, descriptor->file) &&
		image->objects[descriptor->file].object.content.file != RF_IMAGE_NONE);
}

static const char *judge_object_of(const struct rf_image *image, uint32_t index)
{
	uint32_t object = image->descriptors[index].file;

	for (uint32_t i = 0; i < index && !sample_is_content(image, object); i++)
		if (image->descriptors[i].kind == RF_DESCRIPTOR_OBJECT &&
		    image->descriptors[i].same_as == RF_IMAGE_NONE &&
		    image->descriptors[i].file == object)
			return "an object has two descriptors";
	return object < image->head.objects ? NULL : "a descriptor has no object";
}

static const char *judge_descriptor(const struct rf_image *image, uint32_t index)
{
	const struct rf_image_descriptor *descriptor = &image->descriptors[index];
	bool is_known = descriptor->same_as == RF_IMAGE_NONE;

	for (uint32_t i = 0; i < index; i++) {
		if (image->descriptors[i].number >= descriptor->number)
			return "descriptors do not ascend";
		is_known |= image->descriptors[i].number == descriptor->same_as;
	}
	if (!is_known || descriptor->number > RF_IMAGE_MAX_FD || descriptor->flags > 63 ||
	    descriptor->kind < RF_DESCRIPTOR_RELAY || descriptor->kind > RF_DESCRIPTOR_OBJECT ||
	    (descriptor->stream && descriptor->kind != RF_DESCRIPTOR_RELAY &&
	     descriptor->kind != RF_DESCRIPTOR_PIPE))
		return "a descriptor has a field out of range";
	if (descriptor->flags & 4
		    ? !may_be_file(image, descriptor) || descriptor->same_as != RF_IMAGE_NONE ||
			      descriptor->status_flags & (O_ACCMODE | O_PATH)
		    : descriptor->digest[0] || descriptor->digest[1])
		return "a descriptor has a digest that means nothing";
	if (descriptor->flags & 8
		    ? !may_be_file(image, descriptor) || descriptor->same_as != RF_IMAGE_NONE ||
			      descriptor->status_flags & O_PATH ||
			      (descriptor->status_flags & O_ACCMODE) % 3 == 0 ||
			      descriptor->witness >> 60 == 0 || descriptor->witness >> 60 > 3
		    : descriptor->witness != 0)
		return "a descriptor has a witness that means nothing";
	if (descriptor->flags & (16 | 32) &&
	    (descriptor->kind != RF_DESCRIPTOR_FILE || descriptor->same_as != RF_IMAGE_NONE))
		return "a descriptor goes by path, or to the end, of no file";
	if (descriptor->kind == RF_DESCRIPTOR_RELAY && descriptor->same_as == RF_IMAGE_NONE)
		return judge_relay(image, index);
	if (descriptor->kind == RF_DESCRIPTOR_PIPE && descriptor->same_as == RF_IMAGE_NONE)
		return judge_pipe_end(image, index);
	if (descriptor->kind == RF_DESCRIPTOR_OBJECT && descriptor->same_as == RF_IMAGE_NONE)
		return judge_object_of(image, index);
	if (descriptor->kind == RF_DESCRIPTOR_FILE && descriptor->same_as == RF_IMAGE_NONE &&
	    descriptor->file >= image->head.files)
		return "a descriptor has no file";
	return NULL;
}

static const char *judge_vdso(const struct rf_image *image)
{
	unsigned codes = 0;

	if (image->vdso.areas > RF_IMAGE_MAX_VDSO_AREAS)
		return "too many areas of the vdso";
	for (uint32_t i = 0; i < image->vdso.areas; i++) {
		const struct rf_image_vdso_area *area = &image->vdso_areas[i];

		if (!is_page_range(area->start, area->end) || (i && area->start < area[-1].end) ||
		    area->reserved || (area->kind != RF_VDSO_CODE && area->kind != RF_VDSO_DATA))
			return "an area of the vdso is wrong";
		codes += area->kind == RF_VDSO_CODE;
	}
	return image->vdso.areas && codes != 1 ? "not one vdso" : NULL;
}

static const char *judge_process(const struct rf_image *image)
{
	const struct rf_image_head *head = &image->head;

	if (memcmp(head->magic, "RFORKIMG", 8) != 0 || head->version != 1 ||
	    head->architecture != 1 || head->page_bytes != SAMPLE_PAGE || head->threads == 0 ||
	    head->threads > 4096 || head->reserved1 || head->files > 65536 ||
	    head->objects > 65536 || head->descriptors > 65536 || head->mappings > 262144 ||
	    head->mappings == 0)
		return "the head is wrong";
	if (image->files_read != head->files || image->objects_read != head->objects ||
	    image->descriptors_read != head->descriptors || image->mappings_read != head->mappings)
		return "the counts of the head are not those read";
	if (image->process.auxv_bytes > RF_IMAGE_MAX_AUXV_BYTES || image->process.auxv_bytes % 16 ||
	    image->process.umask > 0777 || image->cwd[0] != '/' ||
	    strlen(image->cwd) != image->process.cwd_bytes || image->process.comm[15])
		return "the process is wrong";
	if (image->threads[0].image.registers.cs != 0x33 ||
	    image->threads[0].image.registers.ss != 0x2b ||
	    image->threads[0].image.registers.rip >= SAMPLE_MAX_ADDRESS ||
	    image->threads[0].image.registers.rsp >= SAMPLE_MAX_ADDRESS ||
	    image->threads[0].image.xsave_bytes > RF_IMAGE_MAX_XSAVE_BYTES)
		return "the thread is wrong";
	return NULL;
}

static const char *judge_state(const struct rf_image *image)
{
	const struct rf_image_state *state = &image->state;
	const struct rf_thread_attributes *thread = image->threads[0].attributes;

	for (unsigned i = 0; i < RF_IMAGE_LIMITS; i++)
		if (state->limits[i].soft > state->limits[i].hard)
			return "a limit is wrong";
	if (state->known > 32767 || state->flags & ~(state->known & 1792) || state->dumpable > 2 ||
	    state->huge_pages > 3 || state->memory_deny > 3 || state->death_signal > 64 ||
	    state->autogroup_nice < -20 || state->autogroup_nice > 19 || state->barriers & ~340u ||
	    state->oom_score_adj < -1000 || state->oom_score_adj > 1000)
		return "a state has a field out of range";
	if (!thread)
		return NULL;
	if (thread->image.thread || thread->image.known > 2047 || thread->image.reserved ||
	    thread->image.flags & ~(thread->image.known & 1920) || thread->image.comm[15] ||
	    thread->image.cpu_bytes > 1024 || thread->image.cpu_bytes % 8 ||
	    thread->image.node_bytes > 128 || thread->image.node_bytes % 8 ||
	    thread->image.schedule.nice < -20 || thread->image.schedule.nice > 19)
		return "a thread's state has a field out of range";
	return NULL;
}

static const char *judge_timer(const struct rf_image_timer *timer, uint32_t threads)
{
	/* a signal for the process, nothing, a signal for the thread; what a clock may be */
	static const uint32_t notify[] = { 0, 1, 4 };
	bool is_known = false;

	for (size_t i = 0; i < sizeof(notify) / sizeof(notify[0]); i++)
		is_known |= timer->notify == notify[i];
	if (timer->kind > 3 || !is_known || timer->id >> 31 || timer->remaining_ns >> 63 ||
	    timer->interval_ns >> 63 || timer->signal > 64)
		return "a timer is out of range";
	if (timer->thread >= (timer->kind == 3 && timer->notify == 4 ? threads : 1))
		return "a timer is for no thread";
	if (timer->kind < 3)
		return timer->id || timer->clock || timer->signal || timer->value || timer->notify
			       ? "an interval timer has fields of another"
			       : NULL;
	if (timer->signal == 0 && timer->notify != 1)
		return "a timer has no signal";
	return timer->clock < -8 || timer->clock == -5 || timer->clock == -1
		       ? "a timer has no clock of its own"
		       : NULL;
}

static const char *judge_under_way(const struct rf_image *image)
{
	const char *fault = NULL;

	if (image->timer_count > 4096 || image->pending_count > 8192)
		return "too much is under way";
	for (uint32_t i = 0; i < image->timer_count && !fault; i++) {
		const struct rf_image_timer *timer = &image->timers[i];

		fault = judge_timer(timer, image->head.threads);
		if (i && (timer->kind < timer[-1].kind ||
			  (timer->kind == timer[-1].kind &&
			   (timer->kind < 3 || timer->id <= timer[-1].id))))
			fault = "timers do not ascend";
	}
	for (uint32_t i = 0; i < image->pending_count && !fault; i++)
		if (image->pending[i].flags > 1 ||
		    image->pending[i].thread >=
			    (image->pending[i].flags ? image->head.threads : 1) ||
		    image->pending[i].signal < 1 || image->pending[i].signal > 64 ||
		    image->pending[i].signal == 9 || image->pending[i].signal == 19)
			fault = "no signal is pending";
	return fault;
}

static const char *judge_pipe(const struct rf_reader_pipe *pipe, uint32_t index)
{
	uint64_t bytes = 0;

	if (pipe->image.index != index || index > 1023 || pipe->image.capacity_bytes < 4096 ||
	    pipe->image.capacity_bytes > 1048576 ||
	    __builtin_popcount(pipe->image.capacity_bytes) != 1 ||
	    pipe->image.bytes > pipe->image.capacity_bytes ||
	    pipe->image.packets > pipe->image.capacity_bytes / 4096)
		return "a pipe is out of range";
	for (uint32_t i = 0; i < pipe->image.packets; i++) {
		if (pipe->lengths[i] == 0 || pipe->lengths[i] > 4096)
			return "a packet is out of range";
		bytes += pipe->lengths[i];
	}
	return pipe->image.packets && bytes != pipe->image.bytes ? "packets are not the contents"
								 : NULL;
}

static const char *judge_timerfd(const struct rf_object_timer *timer)
{
	bool is_wall = timer->clock == 0 || timer->clock == 8;

	if ((!is_wall && timer->clock != 1 && timer->clock != 7 && timer->clock != 9) ||
	    timer->flags > 3 || timer->remaining_ns >> 63 || timer->interval_ns >> 63)
		return "a timerfd is wrong";
	return timer->due_ns < 0 || (timer->due_ns &&
				     (!is_wall || !(timer->flags & 1) || !timer->remaining_ns))
		       ? "a timerfd is due at no time"
		       : NULL;
}

static const char *judge_inotify(const struct rf_object_state *object)
{
	const struct rf_image_watched *watched = object->watched;
	const char *path = (const char *)(watched + object->inotify.watched);
	uint64_t bytes = object->inotify.watched * 16ull;

	if (object->inotify.watched > 65536 || object->inotify.reserved)
		return "an inotify is wrong";
	for (uint32_t i = 0; i < object->inotify.watched; i++) {
		if (watched[i].number < 1 || (i && watched[i].number <= watched[i - 1].number) ||
		    watched[i].mask == 0 || watched[i].mask & ~0x84002fffu ||
		    watched[i].path_bytes - 1 > 4094)
			return "a watch is wrong";
		bytes += watched[i].path_bytes;
		if (bytes > object->watched_bytes || *path != '/' ||
		    memchr(path, 0, watched[i].path_bytes))
			return "a watch has a wrong path";
		path += watched[i].path_bytes;
	}
	return bytes == object->watched_bytes ? NULL : "an inotify has more than it says";
}

static const char *judge_content(const struct rf_image *image, const struct rf_object_state *object)
{
	const struct rf_object_content *content = &object->content;
	bool is_memory = content->flags == 1, is_named = content->file != RF_IMAGE_NONE;

	if (content->flags > 1 || content->reserved || content->size_bytes >> 63 ||
	    content->mode >> 12 != 8 || content->seals > 0x3f ||
	    strlen(object->name) != content->name_bytes)
		return "a content has a field out of range";
	if (is_memory)
		return is_named || content->name_bytes > 249 ? "memory is misnamed" : NULL;
	if (content->seals || (is_named && content->file >= image->head.files))
		return "a content is of no file, or sealed";
	return is_named == (content->name_bytes > 0) || content->name_bytes > 4095
		       ? "a content is misnamed"
		       : NULL;
}

static const char *judge_object(const struct rf_image *image, const struct rf_object_state *object,
				uint32_t index)
{
	if (object->image.index != index || object->image.reserved)
		return "an object is wrong";
	switch (object->image.kind) {
	case 1:
		return object->event.count == UINT64_MAX || object->event.flags > 2 ||
				       object->event.reserved
			       ? "an event counter is wrong"
			       : NULL;
	case 2:
		return judge_timerfd(&object->timer);
	case 3:
	case 4:
		return NULL;
	case 5:
		return judge_inotify(object);
	case 6:
		return object->process.flags > 1 || object->process.reserved ? "a process is wrong"
									     : NULL;
	case 7:
		return judge_content(image, object);
	}
	return "an object is of no kind";
}

static const char *judge_watches(const struct rf_image *image, const struct rf_object_state *object)
{
	if (object->watch_count > 262144 || (object->watch_count && object->image.kind != 4))
		return "what watches is none that can";
	for (uint32_t i = 0; i < object->watch_count; i++) {
		const struct rf_image_watch *watch = &object->watches[i];
		bool is_known = false;

		for (uint32_t j = 0; j < image->descriptors_read; j++)
			is_known |= image->descriptors[j].number == watch->descriptor;
		if (!is_known || watch->number > RF_IMAGE_MAX_FD || watch->reserved)
			return "what is watched is wrong";
	}
	return NULL;
}

static const char *judge_origin(const struct rf_image *image)
{
	const char *parent = image->parent_path;
	uint8_t bits = 0;

	for (unsigned i = 0; i < 16; i++)
		bits |= image->origin.parent[i];
	if ((bits != 0) != (parent != NULL))
		return "a parent without a path, or a path without a parent";
	if (parent && (!*parent || strlen(parent) > 4095 || strcmp(parent, "..") == 0 ||
		       strcmp(parent, ".") == 0 || (strchr(parent, '/') && *parent != '/')))
		return "the parent has a path that leads elsewhere";
	if (image->has_facts &&
	    (image->facts.architecture != 1 || image->facts.page_bytes != SAMPLE_PAGE ||
	     image->facts.cpu_words > 16 || !memchr(image->facts.kernel_release, 0, 64) ||
	     !memchr(image->facts.host_name, 0, 64) || !memchr(image->facts.program, 0, 44)))
		return "the machine is wrong";
	if (image->has_clocks && (image->clocks.monotonic_ns > UINT64_C(1) << 62 ||
				  image->clocks.boottime_ns > UINT64_C(1) << 62))
		return "the clocks are wrong";
	if (image->has_identity &&
	    (!memchr(image->identity.origin.host_name, 0, 64) ||
	     !memchr(image->identity.home.host_name, 0, 64) || image->identity.hops == UINT32_MAX ||
	     image->identity.ghost > INT32_MAX ||
	     strlen(image->connection) != image->identity.connection_bytes))
		return "the identity is wrong";
	if (image->lost && (!*image->lost || image->lost[strlen(image->lost) - 1] != '\n'))
		return "what is lost is no text";
	return image->lock_count > 32768 ? "too many locks" : NULL;
}

static const char *judge_lock(const struct rf_image *image, const struct rf_image_lock *lock)
{
	bool is_file = false;

	for (uint32_t i = 0; i < image->head.descriptors; i++)
		is_file |= image->descriptors[i].number == lock->descriptor &&
			   image->descriptors[i].kind == RF_DESCRIPTOR_FILE;
	if (!is_file || lock->kind < 1 || lock->kind > 3 || lock->type < 1 || lock->type > 2 ||
	    lock->reserved)
		return "a lock is wrong";
	if (lock->start >> 63 || lock->bytes >> 63 || (lock->start + lock->bytes) >> 63)
		return "a lock is out of range";
	return lock->kind == 3 && (lock->start || lock->bytes) ? "flock(2) knows no ranges" : NULL;
}

const char *sample_judge_layout(const struct rf_image *image)
{
	const char *fault = judge_process(image);

	if (!fault)
		fault = judge_state(image);
	if (!fault)
		fault = judge_origin(image);
	for (uint32_t i = 0; i < image->lock_count && !fault; i++)
		fault = judge_lock(image, &image->locks[i]);

	if (!fault)
		fault = judge_under_way(image);

	if (!fault)
		fault = judge_vdso(image);
	for (uint32_t i = 0; i < image->files_read && !fault; i++)
		if (image->files[i].image.index != i || image->files[i].path[0] != '/' ||
		    strlen(image->files[i].path) > RF_IMAGE_MAX_PATH_BYTES)
			fault = "a file is wrong";
	for (uint32_t i = 0; i < image->pipe_count && !fault; i++)
		fault = judge_pipe(&image->pipes[i], i);
	for (uint32_t i = 0; i < image->objects_read && !fault; i++)
		fault = judge_object(image, &image->objects[i].object, i);
	for (uint32_t i = 0; i < image->objects_read && !fault; i++)
		fault = judge_watches(image, &image->objects[i].object);
	for (uint32_t i = 0; i < image->descriptors_read && !fault; i++)
		fault = judge_descriptor(image, i);
	for (uint32_t i = 0; i < image->mappings_read && !fault; i++)
		fault = judge_mapping(image, i);
	return fault;
}

static const char *judge_expected_run(const struct rf_reader_forecast *forecast, uint32_t index)
{
	const struct rf_image_run *run = &forecast->runs[index];
	const struct rf_image *image = &forecast->image;

	if (run->address % SAMPLE_PAGE || run->pages == 0 || run->kind != RF_RUN_DATA ||
	    (index && run->address < run[-1].address + (uint64_t)run[-1].pages * SAMPLE_PAGE))
		return "a run of the forecast is malformed";
	for (uint32_t i = 0; i < image->head.mappings; i++)
		if (run->address >= image->mappings[i].start &&
		    run->address < image->mappings[i].end)
			return run->pages > (image->mappings[i].end - run->address) / SAMPLE_PAGE
				       ? "a run of the forecast is not within its mapping"
				       : NULL;
	return "a run of the forecast is in no mapping";
}

const char *sample_judge_forecast(const struct rf_reader_forecast *forecast)
{
	const struct rf_image *image = &forecast->image;
	const char *fault = NULL;

	if (image->files_read != image->head.files ||
	    image->mappings_read != image->head.mappings || image->head.files > 128 ||
	    image->head.mappings > 128 || forecast->run_count > 256)
		return "a count of the forecast is wrong";
	for (uint32_t i = 0; i < image->files_read && !fault; i++)
		if (image->files[i].image.index != i || image->files[i].path[0] != '/' ||
		    strlen(image->files[i].path) > RF_IMAGE_MAX_PATH_BYTES)
			fault = "a file of the forecast is wrong";
	for (uint32_t i = 0; i < image->mappings_read && !fault; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		fault = judge_mapping(image, i);
		if (mapping->flags & RF_MAPPING_SHARED ||
		    (mapping->kind != RF_MAPPING_FILE && mapping->end - mapping->start >= 0x200000))
			fault = "what cannot be forecast";
	}
	for (uint32_t i = 0; i < forecast->run_count && !fault; i++)
		fault = judge_expected_run(forecast, i);
	return fault;
}
