/* SPDX-License-Identifier: MIT */
/*
 * Makes images for the tests of the reader and judges what the reader lets through.  Called by
 * test_reader.c and test_reader_fuzz.c; shares no code with image_writer.c, so that reader and
 * writer must both follow the document.
 */
#define _GNU_SOURCE
#include "tests/unit/image_sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/digest.h"

#define TEXT UINT64_C(0x555555554000)
#define STACK_END UINT64_C(0x7ffffffde000)
#define VVAR UINT64_C(0x7ffff7fc0000)
/* Twice a record's worth, so that no two runs of one record share memory. */
#define SCRATCH_PAGES (2 * RF_PAGES_MAX_DATA_PAGES)

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
	} record = { { .object = SAMPLE_FIRST_CONTENT, .offset = SAMPLE_CONTENT_BYTES - 6 },
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

/* -- the rules ----------------------------------------------------------------------------- */

static bool is_page_range(uint64_t start, uint64_t end)
{
	return start % SAMPLE_PAGE == 0 && end % SAMPLE_PAGE == 0 && start < end &&
	       start >= SAMPLE_MIN_ADDRESS && end <= SAMPLE_MAX_ADDRESS;
}

static bool is_content(const struct rf_image *image, uint32_t index)
{
	return index < image->head.objects && image->objects[index].object.image.kind == 7;
}

static const char *judge_mapped_content(const struct rf_image *image,
					const struct rf_image_mapping *mapping)
{
	const struct rf_object_content *content;
	bool is_written = mapping->flags & 1 && mapping->protection & 2;

	if (!is_content(image, mapping->file) || mapping->file_offset % SAMPLE_PAGE ||
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

	if (!is_page_range(mapping->start, mapping->end))
		return "a mapping is unaligned, empty or out of range";
	if (index && mapping->start < mapping[-1].end)
		return "mappings overlap";
	for (uint32_t i = 0; i < image->vdso.areas; i++)
		if (mapping->start < image->vdso_areas[i].end &&
		    image->vdso_areas[i].start < mapping->end)
			return "a mapping overlaps the vdso";
	if (mapping->protection > 7 || mapping->flags > 15 || mapping->kind > 3)
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
	       (descriptor->kind == RF_DESCRIPTOR_OBJECT && is_content(image, descriptor->file) &&
		image->objects[descriptor->file].object.content.file != RF_IMAGE_NONE);
}

static const char *judge_object_of(const struct rf_image *image, uint32_t index)
{
	uint32_t object = image->descriptors[index].file;

	for (uint32_t i = 0; i < index && !is_content(image, object); i++)
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
	if (thread->image.thread || thread->image.known > 1023 || thread->image.reserved ||
	    thread->image.flags & ~(thread->image.known & 896) || thread->image.comm[15] ||
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
		return object->event.count == UINT64_MAX || object->event.flags > 1 ||
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

static const char *judge_forecast(const struct rf_reader_forecast *forecast)
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

/* -- reading ------------------------------------------------------------------------------- */

struct target {
	struct sample_reading *reading;
	unsigned char *scratch;
	uint32_t used_pages;
	const char *fault;
	bool is_open; /* the road */
	uint64_t fetched_pages;
};

static const char *judge_run(const struct rf_image *image, size_t index,
			     const struct rf_image_run *run)
{
	const struct rf_image_mapping *mapping;

	if (index >= image->head.mappings)
		return "a run is in no mapping";
	mapping = &image->mappings[index];
	if (run->address % SAMPLE_PAGE || run->pages == 0 || run->kind > RF_RUN_GUARD)
		return "a run is malformed";
	if (run->address < mapping->start ||
	    run->pages > (mapping->end - run->address) / SAMPLE_PAGE)
		return "a run is not within its mapping";
	if (mapping->kind % 2 == 1 && mapping->flags & RF_MAPPING_SHARED)
		return "a run is in a shared file";
	if (run->kind == RF_RUN_DATA && run->pages > RF_PAGES_MAX_DATA_PAGES)
		return "a run has too many pages";
	return NULL;
}

static int locate(void *context, size_t index, const struct rf_image_run *run, uint64_t *offset)
{
	struct target *target = context;

	target->fault = judge_run(&target->reading->image, index, run);
	if (target->fault)
		return -EUCLEAN;
	target->reading->located++;
	if (run->kind != RF_RUN_DATA)
		return 0;
	if (target->used_pages + run->pages > SCRATCH_PAGES)
		target->used_pages = 0;
	*offset = (uintptr_t)target->scratch + (uint64_t)target->used_pages * SAMPLE_PAGE -
		  run->address;
	if (index < SAMPLE_MAPPINGS)
		target->reading->pages[index] =
			target->scratch + (size_t)target->used_pages * SAMPLE_PAGE;
	target->used_pages += run->pages;
	return 0;
}

/* -- the road ------------------------------------------------------------------------------ */

static int open_road(void *context, const struct rf_image_road *road)
{
	struct target *target = context;

	if (road->connections == 0 || road->connections > RF_ROAD_MAX_CONNECTIONS || !road->port)
		target->fault = "a road is malformed";
	target->is_open = true;
	return 0;
}

static const char *judge_record(const struct target *target, const struct rf_page_record *record)
{
	size_t bytes = 0;

	if (!target->is_open)
		return "remote pages without a road";
	if (record->data_pages > RF_PAGES_MAX_DATA_PAGES || record->data_count > record->head.runs)
		return "a record has too many remote pages";
	for (uint32_t i = 0; i < record->data_count; i++)
		bytes += record->data[i].iov_len;
	if (bytes != (size_t)record->data_pages * SAMPLE_PAGE)
		return "remote pages are not where they are counted";
	if (record->head.remote.remote_address + bytes < bytes)
		return "remote addresses wrap";
	return NULL;
}

/* Whether the other side has all of it. */
static bool has_remote(const struct rf_image_remote_pages *head, size_t bytes)
{
	uint64_t offset = head->remote_address - SAMPLE_REMOTE;

	return head->remote_key == SAMPLE_REMOTE_KEY && offset <= sizeof(sample_remote) &&
	       bytes <= sizeof(sample_remote) - offset;
}

static int fetch(void *context, const struct rf_page_record *record)
{
	struct target *target = context;
	const struct rf_image_remote_pages *head = &record->head.remote;
	const unsigned char *from;

	target->fault = judge_record(target, record);
	if (target->fault)
		return -EUCLEAN;
	if (target->reading->is_road_lost ||
	    !has_remote(head, (size_t)record->data_pages * SAMPLE_PAGE)) {
		target->reading->is_road_lost = true;
		return 0;
	}
	from = sample_remote + (head->remote_address - SAMPLE_REMOTE);
	for (uint32_t i = 0; i < record->data_count; i++) {
		memcpy(record->data[i].iov_base, from, record->data[i].iov_len);
		from += record->data[i].iov_len;
	}
	if (rf_page_record_digest(record) != record->payload_digest)
		return rf_report(&target->reading->report, EBADMSG, "remote pages are damaged");
	target->fetched_pages += record->data_pages;
	return 0;
}

static int await_stream(void *context)
{
	struct target *target = context;

	if (!target->is_open)
		target->fault = "a road that is not open is waited for";
	return 0;
}

static int finish_road(void *context, uint64_t *pages)
{
	struct target *target = context;

	*pages = target->fetched_pages;
	return 0;
}

bool sample_refuses_contents;
bool sample_has_road;
const struct rf_page_unpacker *sample_unpacker;

static int open_stream(const unsigned char *stream, size_t bytes)
{
	static int fd = -1;

	/* One file for all: thousands of streams are read. */
	if (fd < 0)
		fd = memfd_create("stream", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, stream, bytes, 0) != (ssize_t)bytes ||
	    lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

void sample_forget(struct sample_reading *reading)
{
	rf_image_release(&reading->image);
	memset(reading, 0, sizeof(*reading));
}

static int take_content(void *context, uint32_t index, uint64_t offset, const void *data,
			size_t bytes)
{
	struct target *target = context;
	struct sample_reading *reading = target->reading;
	const struct rf_image *image = &reading->image;

	if (!is_content(image, index) || bytes == 0 ||
	    offset + bytes > image->objects[index].object.content.size_bytes)
		target->fault = "bytes are of no file, or behind its end";
	if (sample_refuses_contents)
		return rf_report(&reading->report, ENOSPC, "no room");
	reading->content_offset = offset;
	reading->content_bytes = bytes;
	memcpy(reading->content, data,
	       bytes < sizeof(reading->content) ? bytes : sizeof(reading->content));
	return 0;
}

int sample_read(struct sample_reading *reading, const unsigned char *stream, size_t bytes,
		const char **fault)
{
	static unsigned char *scratch;
	struct target target = { .reading = reading };
	const struct rf_page_road road = { .open = open_road,
					   .fetch = fetch,
					   .await_stream = await_stream,
					   .finish = finish_road,
					   .context = &target };
	const struct rf_content_sink contents = { .put = take_content, .context = &target };
	static struct rf_reader reader;
	int fd = open_stream(stream, bytes);
	int answer;

	if (!scratch)
		scratch = reserve(malloc(SCRATCH_PAGES * SAMPLE_PAGE));
	target.scratch = scratch;
	sample_forget(reading);
	*fault = NULL;
	answer = rf_reader_init(&reader, fd, SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS,
				&reading->report);
	if (answer < 0)
		abort();
	reader.road = sample_has_road ? &road : NULL;
	reader.unpacker = sample_unpacker;
	reader.contents = &contents;
	answer = rf_reader_forecast(&reader, &reading->forecast);
	if (answer == 0) {
		*fault = judge_forecast(&reading->forecast);
		answer = rf_reader_layout(&reader, &reading->image);
	}
	if (answer == 0) {
		reading->is_layout_read = true;
		if (!*fault)
			*fault = sample_judge_layout(&reading->image);
		if (!*fault)
			answer = rf_reader_pages(&reader, &reading->image, locate, &target);
	}
	if (!*fault)
		*fault = target.fault;
	if (!*fault && answer < 0 &&
	    (reading->report.error != -answer || !reading->report.sentence[0]))
		*fault = "a refusal without a sentence";
	reading->consumed = (size_t)lseek(fd, 0, SEEK_CUR);
	rf_reader_release(&reader);
	rf_reader_release_forecast(&reading->forecast);
	return answer;
}

bool sample_is_refusal(int answer)
{
	return answer == -EBADMSG || answer == -ENOTSUP || answer == -EPROTONOSUPPORT ||
	       answer == -ENOEXEC || answer == -ECONNRESET;
}
