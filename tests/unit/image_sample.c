/* SPDX-License-Identifier: MIT */
/*
 * Makes images for the tests of readers.  Shares no code with image_writer.c, so that reader and
 * writer must both follow the document.
 */
#define _GNU_SOURCE
#include "tests/unit/image_sample.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/digest.h"

#define TEXT UINT64_C(0x555555554000)
#define STACK_END UINT64_C(0x7ffffffde000)
#define VVAR UINT64_C(0x7ffff7fc0000)

unsigned char sample_remote[SAMPLE_REMOTE_PAGES * SAMPLE_PAGE];

static void *reserve(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* -- records ------------------------------------------------------------------------------- */

void sample_insert(struct sample *sample, unsigned index, uint16_t type, uint16_t flags,
		   const void *payload, uint32_t bytes)
{
	struct sample_record *record = &sample->records[index];

	if (sample->count == SAMPLE_RECORDS || index > sample->count)
		abort();
	memmove(record + 1, record, (sample->count - index) * sizeof(*record));
	*record = (struct sample_record){ .type = type, .flags = flags };
	sample_resize(record, bytes);
	if (bytes)
		memcpy(record->payload, payload, bytes);
	sample->count++;
}

static void append(struct sample *sample, uint16_t type, const void *payload, size_t bytes)
{
	sample_insert(sample, sample->count, type, 0, payload, (uint32_t)bytes);
}

void sample_resize(struct sample_record *record, uint32_t bytes)
{
	record->payload = reserve(realloc(record->payload, bytes + 1ul));
	if (bytes > record->bytes)
		memset(record->payload + record->bytes, 0, bytes - record->bytes);
	record->bytes = bytes;
}

void sample_remove(struct sample *sample, unsigned index)
{
	struct sample_record *record = &sample->records[index];

	free(record->payload);
	sample->count--;
	memmove(record, record + 1, (sample->count - index) * sizeof(*record));
}

void sample_copy(struct sample *copy, const struct sample *sample)
{
	copy->count = 0;
	for (unsigned i = 0; i < sample->count; i++) {
		const struct sample_record *record = &sample->records[i];

		sample_insert(copy, i, record->type, record->flags, record->payload, record->bytes);
		copy->records[i].sequence_error = record->sequence_error;
		copy->records[i].remote_bytes = record->remote_bytes;
	}
}

void sample_free(struct sample *sample)
{
	while (sample->count)
		free(sample->records[--sample->count].payload);
}

unsigned sample_index(struct sample *sample, uint16_t type, unsigned nth)
{
	for (unsigned i = 0; i < sample->count; i++)
		if (sample->records[i].type == type && nth-- == 0)
			return i;
	abort();
}

struct sample_record *sample_find(struct sample *sample, uint16_t type, unsigned nth)
{
	return &sample->records[sample_index(sample, type, nth)];
}

void *sample_payload(struct sample *sample, uint16_t type, unsigned nth)
{
	return sample_find(sample, type, nth)->payload;
}

struct rf_image_head *sample_head(struct sample *sample)
{
	return sample_payload(sample, RF_RECORD_IMAGE, 0);
}

struct rf_image_mapping *sample_mapping(struct sample *sample, enum sample_mapping mapping)
{
	return (struct rf_image_mapping *)sample_payload(sample, RF_RECORD_MAPPING, 0) + mapping;
}

struct rf_image_run *sample_run(struct sample *sample, unsigned nth)
{
	struct rf_image_pages *pages = sample_payload(sample, RF_RECORD_PAGES, 0);

	return (struct rf_image_run *)(pages + 1) + nth;
}

struct sample_forecast *sample_forecast(struct sample *sample)
{
	return sample_payload(sample, RF_RECORD_FORECAST, 0);
}

void sample_move(struct sample *sample, uint16_t type, unsigned index)
{
	unsigned from = sample_index(sample, type, 0);
	struct sample_record record = sample->records[from];

	/* a copy of it, and then not the first */
	sample_insert(sample, index, record.type, record.flags, record.payload, record.bytes);
	sample->records[index].remote_bytes = record.remote_bytes;
	sample_remove(sample, index <= from ? from + 1 : from);
}

void sample_recount(struct sample *sample)
{
	struct rf_image_end *end = sample_payload(sample, RF_RECORD_END, 0);

	end->records = sample->count;
}

/* -- the good sample ----------------------------------------------------------------------- */

/* Says what will come but for the last run, and a heap that is going to grow. */
static void append_forecast(struct sample *sample)
{
	const struct sample_forecast forecast = {
		.head = { .files = 1, .mappings = 3, .runs = 2, .path_bytes = 16 },
		.files = { { .mode = 0100755, .device = 0x801, .inode = 77, .size_bytes = 0x4000 } },
		.mappings = { { .start = TEXT,
				.end = TEXT + 0x4000,
				.protection = 5,
				.flags = RF_MAPPING_DIGEST,
				.kind = RF_MAPPING_FILE,
				.digest = { 1, 2 } },
			      { .start = TEXT + 0x4000,
				.end = TEXT + 0xa000,
				.protection = 3,
				.file = RF_IMAGE_NONE,
				.data_pages = 2 },
			      { .start = STACK_END - 0x10000,
				.end = STACK_END,
				.protection = 3,
				.flags = RF_MAPPING_GROWSDOWN,
				.file = RF_IMAGE_NONE,
				.data_pages = 1 } },
		.runs = { { .address = TEXT + 0x5000, .pages = 2 },
			  { .address = STACK_END - 0x3000, .pages = 1 } },
		.path = "/usr/bin/sample",
	};

	sample_insert(sample, sample->count, RF_RECORD_FORECAST, RF_RECORD_OPTIONAL, &forecast,
		      sizeof(forecast));
}

static void append_optional(struct sample *sample, uint16_t type, const void *payload, size_t bytes)
{
	sample_insert(sample, sample->count, type, RF_RECORD_OPTIONAL, payload, (uint32_t)bytes);
}

static void append_origin(struct sample *sample)
{
	const struct rf_image_origin origin = { .id = { 'i', 'd' },
						.captured_ns = INT64_C(1795651200000000000),
						.pid = 4711 };
	const struct rf_machine_facts machine = { .architecture = RF_ARCHITECTURE_X86_64,
						  .page_bytes = SAMPLE_PAGE,
						  .xcr0 = 7,
						  .xsave_bytes = 832,
						  .cpu_words = 2,
						  .cpu = { 1, 1u << 25 | 1u << 26 },
						  .kernel_release = "6.18.0-sample",
						  .host_name = "somewhere",
						  .program = "sample" };
	const struct rf_image_clocks clocks = { .monotonic_ns = UINT64_C(7200000000123),
						.boottime_ns = UINT64_C(9000000000456),
						.time_namespace = UINT64_C(4026531834) };

	const struct {
		struct rf_image_identity identity;
		char connection[8];
	} identity = {
		.identity = { .origin = { { 'o' }, "first", 10, 0 },
			      .home = { { 'h' }, "somewhere", 4711, 0 },
			      .hops = 2,
			      .ghost = 4712,
			      .connection_bytes = sizeof(identity.connection) },
		.connection = "tcp://n1",
	};
	const struct rf_image_rights rights = { .permitted = ~(UINT64_C(1) << 13),
						.effective = ~(UINT64_C(1) << 21),
						.bounding = ~(UINT64_C(1) << 24),
						.root_device = 64769,
						.root_inode = 131073,
						.user_namespace = 4026531837 };

	append_optional(sample, RF_RECORD_ORIGIN, &origin, sizeof(origin));
	append_optional(sample, RF_RECORD_MACHINE, &machine, sizeof(machine));
	append_optional(sample, RF_RECORD_CLOCKS, &clocks, sizeof(clocks));
	append_optional(sample, RF_RECORD_IDENTITY, &identity, sizeof(identity));
	append(sample, RF_RECORD_RIGHTS, &rights, sizeof(rights));
}

static void append_locks(struct sample *sample)
{
	static const char lost[] = "descriptor 5: /dev/sample\nthe rest of it\n";
	const struct rf_image_lock locks[] = {
		{ .descriptor = 9,
		  .kind = RF_LOCK_RECORD,
		  .type = RF_LOCK_SHARED,
		  .start = 100,
		  .bytes = INT64_MAX - 100 },
		{ .descriptor = 9, .kind = RF_LOCK_WHOLE, .type = RF_LOCK_EXCLUSIVE },
	};

	append(sample, RF_RECORD_LOCKS, locks, sizeof(locks));
	append_optional(sample, RF_RECORD_LOST, lost, sizeof(lost) - 1);
}

static void append_process(struct sample *sample)
{
	static const char directory[] = "/home/user";
	struct {
		struct rf_image_process process;
		uint64_t auxv[4];
		char directory[sizeof(directory) - 1];
	} record = {
		.process = { .start_code = TEXT,
			     .end_code = TEXT + 0x1000,
			     .start_brk = TEXT + 0x4000,
			     .brk = TEXT + 0xc000,
			     .start_stack = STACK_END - 0x1000,
			     .auxv_bytes = sizeof(record.auxv),
			     .umask = 022,
			     .cwd_bytes = sizeof(record.directory),
			     .comm = "sample" },
		.auxv = { 6, 4096, 0, 0 },
	};

	memcpy(record.directory, directory, sizeof(record.directory));
	append(sample, RF_RECORD_PROCESS, &record,
	       sizeof(record.process) + sizeof(record.auxv) + sizeof(record.directory));
}

static void append_state(struct sample *sample)
{
	struct rf_image_state state = { .known = RF_STATE_ALL,
					.flags = RF_STATE_SUBREAPER,
					.personality = 0x0040000,
					.dumpable = 1,
					.oom_score_adj = -1000,
					.core_filter = 0x33,
					.death_signal = 64,
					.autogroup_nice = 19,
					.barriers = 20 };

	for (unsigned i = 0; i < RF_IMAGE_LIMITS; i++)
		state.limits[i] =
			(struct rf_image_limit){ 1000 + i, i % 2 ? UINT64_MAX : 1000 + i };
	append(sample, RF_RECORD_STATE, &state, sizeof(state));
}

static void append_thread_state(struct sample *sample)
{
	const struct {
		struct rf_image_thread_state state;
		uint64_t cpus[2], nodes[1];
	} record = {
		.state = { .known = RF_THREAD_STATE_ALL,
			   .comm = "sample",
			   .schedule = { .bytes = 56, .nice = -20, .util_max = 1024 },
			   .timer_slack_ns = 50000,
			   .flags = RF_THREAD_STATE_TSC | RF_THREAD_STATE_CORE_COOKIE,
			   .memory_policy = 2,
			   .cpu_bytes = 16,
			   .node_bytes = 8 },
		.cpus = { 6, 1 },
		.nodes = { 1 },
	};

	append(sample, RF_RECORD_THREAD_STATE, &record, sizeof(record));
}

static void append_thread(struct sample *sample)
{
	struct rf_image_thread thread = {
		.registers = { .rip = TEXT + 0x100,
			       .rsp = STACK_END - 0x2000,
			       .cs = 0x33,
			       .ss = 0x2b,
			       .eflags = 0x246,
			       .fs_base = TEXT + 0x5000 },
		.signal_mask = 1,
		.tid = 4711,
		.rseq_address = TEXT + 0x5020,
		.rseq_bytes = 32,
		.rseq_signature = 0x53053053,
		.robust_list = TEXT + 0x5100,
		.robust_list_bytes = 24,
		.tid_address = TEXT + 0x5200,
		.mxcsr = 0x1f80,
		.x87_control = 0x37f,
	};

	append(sample, RF_RECORD_THREAD, &thread, sizeof(thread));
}

static void append_under_way(struct sample *sample)
{
	const struct rf_image_timer timers[] = {
		{ .kind = RF_TIMER_REAL, .remaining_ns = 5, .interval_ns = 7 },
		{ .kind = RF_TIMER_POSIX,
		  .id = 2,
		  .remaining_ns = INT64_MAX,
		  .clock = -6,
		  .notify = RF_TIMER_THREAD,
		  .signal = 64,
		  .value = UINT64_MAX },
		{ .kind = RF_TIMER_POSIX, .id = 9, .clock = 1, .notify = RF_TIMER_NONE },
	};
	const struct rf_image_pending pending[] = { { .signal = 10 },
						    { .flags = RF_PENDING_THREAD, .signal = 34 } };

	append(sample, RF_RECORD_TIMERS, timers, sizeof(timers));
	append(sample, RF_RECORD_PENDING, pending, sizeof(pending));
}

static void append_vdso(struct sample *sample)
{
	struct {
		struct rf_image_vdso vdso;
		struct rf_image_vdso_area areas[2];
	} record = {
		.vdso = { .digest = 0x1234, .areas = 2 },
		.areas = { { .start = VVAR, .end = VVAR + 0x4000, .kind = RF_VDSO_DATA },
			   { .start = VVAR + 0x4000, .end = VVAR + 0x6000, .kind = RF_VDSO_CODE } },
	};

	append(sample, RF_RECORD_VDSO, &record, sizeof(record));
}

static void append_file(struct sample *sample, uint32_t index, const char *path)
{
	unsigned char record[sizeof(struct rf_image_file) + 64];
	struct rf_image_file file = { .index = index,
				      .mode = 0100755,
				      .device = 0x801,
				      .inode = 77 + index,
				      .size_bytes = 0x4000 };
	size_t length = strlen(path);

	memcpy(record, &file, sizeof(file));
	memcpy(record + sizeof(file), path, length);
	append(sample, RF_RECORD_FILE, record, sizeof(file) + length);
}

static void append_pipe(struct sample *sample)
{
	const struct {
		struct rf_image_pipe pipe;
		uint32_t lengths[2];
		char contents[6];
	} record = {
		.pipe = { .capacity_bytes = 8192, .packets = 2, .bytes = 6 },
		.lengths = { 4, 2 },
		.contents = { 'a', 'b', 'c', 'd', 'e', 'f' },
	};

	append(sample, RF_RECORD_PIPE, &record,
	       offsetof(__typeof__(record), contents) + sizeof(record.contents));
}

static void append_inotify(struct sample *sample)
{
	const struct {
		struct rf_image_object object;
		struct rf_object_inotify inotify;
		struct rf_image_watched watched[2];
		char paths[8];
	} record = { { .index = 5, .kind = RF_OBJECT_INOTIFY },
		     { .watched = 2 },
		     { { .number = 1, .mask = 0xfff, .mode = 040755, .path_bytes = 5 },
		       { .number = 7, .mask = 0x84000002, .mode = 0100644, .path_bytes = 3 } },
		     { '/', 'a', '/', 'b', 'c', '/', 'd', 'e' } };

	append(sample, RF_RECORD_OBJECT, &record, sizeof(record));
}

static void append_objects(struct sample *sample)
{
	const struct {
		struct rf_image_object object;
		struct rf_object_event event;
	} event = { { .index = 0, .kind = RF_OBJECT_EVENT },
		    { .count = UINT64_MAX - 1, .flags = RF_EVENT_SEMAPHORE } };

	const struct {
		struct rf_image_object object;
		struct rf_object_timer timer;
	} timer = { { .index = 1, .kind = RF_OBJECT_TIMER },
		    { .clock = 0,
		      .flags = 3,
		      .remaining_ns = 5,
		      .interval_ns = INT64_MAX,
		      .expirations = UINT64_MAX,
		      .due_ns = INT64_C(1795651200000000000) } };
	const struct {
		struct rf_image_object object;
		struct rf_object_signals signals;
	} signals = { { .index = 2, .kind = RF_OBJECT_SIGNALS }, { .mask = 0x4200 } };
	const struct rf_image_object poll = { .index = 3, .kind = RF_OBJECT_POLL };
	const struct {
		struct rf_image_object object;
		struct rf_object_process process;
	} process = { { .index = 4, .kind = RF_OBJECT_PROCESS }, { .flags = 1 } };

	append(sample, RF_RECORD_OBJECT, &event, sizeof(event));
	append(sample, RF_RECORD_OBJECT, &timer, sizeof(timer));
	append(sample, RF_RECORD_OBJECT, &signals, sizeof(signals));
	append(sample, RF_RECORD_OBJECT, &poll, sizeof(poll));
	append(sample, RF_RECORD_OBJECT, &process, sizeof(process));
	append_inotify(sample);
}

static void append_watches(struct sample *sample)
{
	const struct {
		struct rf_image_watches head;
		struct rf_image_watch watches[2];
	} record = { { .object = 3 },
		     { { .number = 20, .descriptor = 20, .events = 0x19, .data = UINT64_MAX },
		       { .number = 1000, .descriptor = 7, .events = 0xc0000001 } } };

	append(sample, RF_RECORD_WATCHES, &record, sizeof(record));
}

static void append_descriptors(struct sample *sample)
{
	const struct rf_image_descriptor descriptors[] = {
		{ .number = 0, .kind = RF_DESCRIPTOR_EMPTY },
		{ .number = 1,
		  .kind = RF_DESCRIPTOR_RELAY,
		  .status_flags = 1,
		  .file = 1,
		  .stream = RF_STREAM_PIPE | RF_STREAM_WRITE },
		{ .number = 2, .kind = RF_DESCRIPTOR_RELAY, .status_flags = 1, .same_as = 1 },
		{ .number = 7,
		  .kind = RF_DESCRIPTOR_RELAY,
		  .status_flags = 2,
		  .file = 1023,
		  .stream = RF_STREAM_SOCKET | RF_STREAM_READ | RF_STREAM_WRITE },
		{ .number = 9,
		  .kind = RF_DESCRIPTOR_FILE,
		  .flags = RF_DESCRIPTOR_CLOEXEC | RF_DESCRIPTOR_DIGEST,
		  .offset = 100,
		  .digest = { 1, 2 } },
		{ .number = 12,
		  .kind = RF_DESCRIPTOR_PIPE,
		  .stream = RF_STREAM_PIPE | RF_STREAM_WRITE },
		{ .number = 13,
		  .kind = RF_DESCRIPTOR_PIPE,
		  .stream = RF_STREAM_PIPE | RF_STREAM_READ },
		{ .number = 20, .kind = RF_DESCRIPTOR_OBJECT, .status_flags = O_RDWR | O_NONBLOCK },
		{ .number = 21, .kind = RF_DESCRIPTOR_OBJECT, .file = 3 },
	};

	for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
		struct rf_image_descriptor descriptor = descriptors[i];

		if (descriptor.same_as == 0)
			descriptor.same_as = RF_IMAGE_NONE;
		if (descriptor.kind == RF_DESCRIPTOR_EMPTY)
			descriptor.file = RF_IMAGE_NONE;
		append(sample, RF_RECORD_DESCRIPTOR, &descriptor, sizeof(descriptor));
	}
}

static void append_mappings(struct sample *sample)
{
	const struct rf_image_mapping mappings[SAMPLE_MAPPINGS] = {
		[SAMPLE_TEXT] = { .start = TEXT,
				  .end = TEXT + 0x4000,
				  .protection = 5,
				  .flags = RF_MAPPING_DIGEST,
				  .kind = RF_MAPPING_FILE,
				  .digest = { 1, 2 } },
		[SAMPLE_HEAP] = { .start = TEXT + 0x4000,
				  .end = TEXT + 0xc000,
				  .protection = 3,
				  .file = RF_IMAGE_NONE,
				  .data_pages = 2 },
		[SAMPLE_SHARED] = { .start = TEXT + 0x20000,
				    .end = TEXT + 0x22000,
				    .protection = 3,
				    .flags = RF_MAPPING_SHARED,
				    .kind = RF_MAPPING_FILE,
				    .file = 1,
				    .file_offset = 0x1000 },
		[SAMPLE_STACK] = { .start = STACK_END - 0x10000,
				   .end = STACK_END,
				   .protection = 3,
				   .flags = RF_MAPPING_GROWSDOWN,
				   .file = RF_IMAGE_NONE,
				   .data_pages = 1 },
	};

	append(sample, RF_RECORD_MAPPING, mappings, sizeof(mappings));
}

static void append_pages(struct sample *sample)
{
	struct {
		struct rf_image_pages pages;
		struct rf_image_run runs[3];
		unsigned char data[3 * SAMPLE_PAGE];
	} record = {
		.pages = { .runs = 3 },
		.runs = { { .address = TEXT + 0x5000, .pages = 2 },
			  { .address = TEXT + 0x8000, .pages = 1, .kind = RF_RUN_GUARD },
			  { .address = STACK_END - 0x1000, .pages = 1 } },
	};

	for (size_t i = 0; i < sizeof(record.data); i++)
		record.data[i] = (unsigned char)(i * 2654435761u >> 11);
	append(sample, RF_RECORD_PAGES, &record, sizeof(record));
}

void sample_make(struct sample *sample)
{
	static const unsigned char no_actions[RF_IMAGE_SIGNALS * sizeof(struct rf_image_sigaction)];
	struct rf_image_head head = { .magic = { 'R', 'F', 'O', 'R', 'K', 'I', 'M', 'G' },
				      .version = RF_IMAGE_VERSION,
				      .architecture = RF_ARCHITECTURE_X86_64,
				      .page_bytes = SAMPLE_PAGE,
				      .threads = 1,
				      .files = 2,
				      .objects = SAMPLE_OBJECTS,
				      .descriptors = 9,
				      .mappings = SAMPLE_MAPPINGS,
				      .data_pages = 3 };
	struct rf_image_end end = { .data_pages = 3 };

	memset(sample, 0, sizeof(*sample));
	append_forecast(sample);
	append(sample, RF_RECORD_IMAGE, &head, sizeof(head));
	append_origin(sample);
	append_process(sample);
	append(sample, RF_RECORD_SIGACTIONS, no_actions, sizeof(no_actions));
	append_state(sample);
	append_thread(sample);
	append_thread_state(sample);
	append_under_way(sample);
	append_vdso(sample);
	append_file(sample, 0, "/usr/bin/sample");
	append_file(sample, 1, "/var/tmp/shared");
	append_pipe(sample);
	append_objects(sample);
	append_descriptors(sample);
	append_watches(sample);
	append_locks(sample);
	append_mappings(sample);
	append(sample, RF_RECORD_LAYOUT, NULL, 0);
	append_pages(sample);
	append(sample, RF_RECORD_END, &end, sizeof(end));
	sample_recount(sample);
}

struct rf_image_road *sample_road(struct sample *sample)
{
	return sample_payload(sample, RF_RECORD_ROAD, 0);
}

struct rf_image_remote_pages *sample_remote_pages(struct sample *sample)
{
	return sample_payload(sample, RF_RECORD_REMOTE_PAGES, 0);
}

void sample_add_road(struct sample *sample)
{
	const struct rf_image_road road = { .kind = RF_ROAD_RDMA,
					    .flags = RF_ROAD_NEEDS_TAKEN,
					    .family = 2,
					    .port = 4791,
					    .connections = 2,
					    .address = { 10, 77, 0, 1 },
					    .token = { 't' },
					    .connect_ms = 1000 };
	const struct {
		struct rf_image_remote_pages pages;
		struct rf_image_run runs[2];
	} record = {
		.pages = { .runs = 2,
			   .remote_key = SAMPLE_REMOTE_KEY,
			   .remote_address = SAMPLE_REMOTE },
		.runs = { { .address = TEXT + 0x9000, .pages = 1 },
			  { .address = STACK_END - 0x3000, .pages = 1 } },
	};
	struct rf_image_end *end = sample_payload(sample, RF_RECORD_END, 0);
	unsigned index = sample_index(sample, RF_RECORD_PAGES, 0);

	for (size_t i = 0; i < sizeof(sample_remote); i++)
		sample_remote[i] = (unsigned char)(i * 2246822519u >> 13);
	sample_insert(sample, index, RF_RECORD_ROAD, 0, &road, sizeof(road));
	sample_insert(sample, index + 2, RF_RECORD_REMOTE_PAGES, 0, &record, sizeof(record));
	sample->records[index + 2].remote_bytes = sizeof(sample_remote);
	end->data_pages += SAMPLE_REMOTE_PAGES;
	sample_recount(sample);
}

static void add_objects(struct sample *sample)
{
	const struct {
		struct rf_image_object object;
		struct rf_object_content content;
		char name[6];
	} memory = { { .index = SAMPLE_FIRST_CONTENT, .kind = RF_OBJECT_CONTENT },
		     { .size_bytes = SAMPLE_CONTENT_BYTES,
		       .data_bytes = 0x1000,
		       .mode = 0100777,
		       .flags = RF_CONTENT_MEMORY,
		       .seals = 1,
		       .file = RF_IMAGE_NONE,
		       .name_bytes = 6 },
		     { 'm', 'e', 'm', 'o', 'r', 'y' } };
	const struct {
		struct rf_image_object object;
		struct rf_object_content content;
	} file = { { .index = SAMPLE_FIRST_CONTENT + 1, .kind = RF_OBJECT_CONTENT },
		   { .size_bytes = 0x4000, .mode = 0100755 } };
	unsigned index = sample_index(sample, RF_RECORD_DESCRIPTOR, 0);

	sample_insert(sample, index, RF_RECORD_OBJECT, 0, &memory,
		      offsetof(__typeof__(memory), name) + sizeof(memory.name));
	sample_insert(sample, index + 1, RF_RECORD_OBJECT, 0, &file, sizeof(file));
	sample_head(sample)->objects += 2;
}

static void add_descriptors_of_contents(struct sample *sample)
{
	const struct rf_image_descriptor descriptors[] = {
		{ .number = 40, .file = SAMPLE_FIRST_CONTENT, .status_flags = 2, .offset = 9 },
		{ .number = 41, .file = SAMPLE_FIRST_CONTENT },
		{ .number = 42,
		  .file = SAMPLE_FIRST_CONTENT + 1,
		  .flags = RF_DESCRIPTOR_DIGEST,
		  .digest = { 3, 4 } },
	};

	for (unsigned i = 0; i < 3; i++) {
		struct rf_image_descriptor descriptor = descriptors[i];
		unsigned index =
			sample_index(sample, RF_RECORD_DESCRIPTOR, SAMPLE_FIRST_OF_CONTENT - 1 + i);

		descriptor.kind = RF_DESCRIPTOR_OBJECT;
		descriptor.same_as = RF_IMAGE_NONE;
		sample_insert(sample, index + 1, RF_RECORD_DESCRIPTOR, 0, &descriptor,
			      sizeof(descriptor));
		sample_head(sample)->descriptors++;
	}
}

void sample_add_contents(struct sample *sample)
{
	const struct {
		struct rf_image_content content;
		char bytes[6];
	} record = { { .object = SAMPLE_FIRST_CONTENT, .offset = SAMPLE_CONTENT_BYTES - 6, .bytes = 6 },
		     "bytes" };
	struct rf_image_mapping *mapping = sample_mapping(sample, SAMPLE_SHARED);

	add_objects(sample);
	add_descriptors_of_contents(sample);
	mapping->kind = RF_MAPPING_OBJECT;
	mapping->file = SAMPLE_FIRST_CONTENT;
	sample_insert(sample, sample_index(sample, RF_RECORD_LAYOUT, 0) + 1, RF_RECORD_CONTENT, 0,
		      &record, offsetof(__typeof__(record), bytes) + sizeof(record.bytes));
	sample_recount(sample);
}

/* The digest of what a record says, here and elsewhere. */
static uint64_t digest_record(const struct sample_record *record)
{
	struct iovec all[] = { { record->payload, record->bytes },
			       { sample_remote, record->remote_bytes } };

	return rf_digest64_iov(all, record->remote_bytes ? 2 : 1);
}

unsigned char *sample_encode(const struct sample *sample, size_t *bytes)
{
	unsigned char *stream, *next;

	*bytes = 0;
	for (unsigned i = 0; i < sample->count; i++)
		*bytes += sizeof(struct rf_record_header) + sample->records[i].bytes;
	next = stream = reserve(malloc(*bytes + 1));
	for (unsigned i = 0; i < sample->count; i++) {
		const struct sample_record *record = &sample->records[i];
		struct rf_record_header header = {
			.type = record->type,
			.flags = record->flags,
			.length_bytes = record->bytes,
			.sequence = i + (uint64_t)record->sequence_error,
			.payload_digest = digest_record(record),
		};

		header.header_digest = rf_digest64(&header, 24);
		memcpy(next, &header, sizeof(header));
		memcpy(next + sizeof(header), record->payload, record->bytes);
		next += sizeof(header) + record->bytes;
	}
	return stream;
}
