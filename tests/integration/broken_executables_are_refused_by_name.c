/* SPDX-License-Identifier: MIT */
/*
 * Claim: an executable that is cut off, whose records are damaged, that is but an increment, or
 * that needs another CPU or kernel than there is says so in one line that names it, and nothing of
 * the program runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/image_format.h"
#include "rfork/protocol.h"
#include "rfork/statefile.h"
#include "tests/support/restart.h"

static unsigned char *whole; /* the good executable */
static size_t whole_bytes;
static struct rf_statefile_note note;

static int body(void)
{
	restart_point();
	dprintf(2, "it runs\n");
	return RESTART_RIGHT;
}

static void load(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	struct rf_report report = { 0 };
	struct stat status;

	CHECK_CALL(fstat(fd, &status));
	whole_bytes = (size_t)status.st_size;
	whole = malloc(whole_bytes);
	CHECK(whole);
	CHECK_EQUAL(test_read(fd, whole, whole_bytes), whole_bytes);
	CHECK_EQUAL(rf_statefile_find_note(fd, path, &note, NULL, &report), 0);
	close(fd);
}

static void store(const char *path, const unsigned char *bytes, size_t count)
{
	int fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));

	test_write(fd, bytes, count);
	close(fd);
}

static unsigned char *copy_whole(void)
{
	unsigned char *copy = malloc(whole_bytes);

	CHECK(copy);
	return memcpy(copy, whole, whole_bytes);
}

/* The record of a type in a copy. */
static struct rf_record_header *find_record(unsigned char *copy, enum rf_record_type type)
{
	size_t at = note.records_offset;

	while (at < whole_bytes) {
		struct rf_record_header *header = (struct rf_record_header *)(copy + at);

		if (header->type == type)
			return header;
		at += sizeof(*header) + header->length_bytes;
	}
	test_fail(__FILE__, __LINE__, "no record of type %d", (int)type);
}

static void seal(struct rf_record_header *header)
{
	header->payload_digest = rf_digest64(header + 1, header->length_bytes);
	header->header_digest = rf_digest64(header, 24);
}

static void expect_cut(const char *path)
{
	const size_t lengths[] = { whole_bytes - 1, note.records_offset + 40, note.records_offset,
				   note.records_offset - 5000 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		store(path, whole, lengths[i]);
		restart_expect_refusal(path, "app");
	}
}

/* Everywhere in the records, a byte of each in turn. */
static void expect_damaged(const char *path)
{
	uint64_t seed = test_seed();

	for (unsigned i = 0; i < 30; i++) {
		unsigned char *copy = copy_whole();
		size_t at = note.records_offset + test_random(&seed) % note.records_bytes;

		copy[at] ^= (unsigned char)(1u << i % 8);
		store(path, copy, whole_bytes);
		restart_expect_refusal(path, "corrupt");
		free(copy);
	}
}

static void expect_foreign_cpu(const char *path)
{
	unsigned char *copy = copy_whole();
	struct rf_record_header *header = find_record(copy, RF_RECORD_MACHINE);
	struct rf_machine_facts *facts = (struct rf_machine_facts *)(header + 1);

	facts->xcr0 |= UINT64_C(1) << 62;
	seal(header);
	store(path, copy, whole_bytes);
	restart_expect_refusal(path, "CPU or kernel lacks state component 62");
	free(copy);
}

/* The CPU is asked again: what was made in another boot runs on it, or is refused. */
static void expect_other_boot(const char *path)
{
	unsigned char *copy = copy_whole();
	struct rf_record_header *header = find_record(copy, RF_RECORD_MACHINE);
	struct rf_machine_facts *facts = (struct rf_machine_facts *)(header + 1);

	facts->boot_id[0] ^= 1;
	seal(header);
	store(path, copy, whole_bytes);
	restart_expect(path);
	facts->cpu[0] |= 1u << 31; /* that a hypervisor is there, which is no feature of ours */
	seal(header);
	store(path, copy, whole_bytes);
	restart_expect_refusal(path, "CPU or kernel lacks CPU feature 0.31");
	free(copy);
}

/* One record less: all that follow have another number. */
static void renumber(unsigned char *copy, struct rf_record_header *header)
{
	while ((unsigned char *)header < copy + whole_bytes) {
		header->sequence--;
		if (header->type == RF_RECORD_END)
			((struct rf_image_end *)(header + 1))->records--;
		seal(header);
		header = (struct rf_record_header *)((unsigned char *)(header + 1) +
						     header->length_bytes);
	}
}

/* The parent's path takes the place of the record that follows. */
static void expect_increment(const char *path)
{
	unsigned char *copy = copy_whole();
	struct rf_record_header *header = find_record(copy, RF_RECORD_ORIGIN);
	struct rf_record_header *taken = find_record(copy, RF_RECORD_MACHINE);
	struct rf_image_origin *origin = (struct rf_image_origin *)(header + 1);

	CHECK_EQUAL((unsigned char *)taken - (unsigned char *)(origin + 1), 0);
	origin->parent[0] ^= 1;
	origin->path_bytes = (uint32_t)sizeof(*taken) + taken->length_bytes;
	header->length_bytes = (uint32_t)sizeof(*origin) + origin->path_bytes;
	memset(origin + 1, 'p', origin->path_bytes);
	seal(header);
	renumber(copy,
		 (struct rf_record_header *)((unsigned char *)(header + 1) + header->length_bytes));
	store(path, copy, whole_bytes);
	restart_expect_refusal(path, "incremental");
	free(copy);
}

static void expect_foreign_kernel(const char *path)
{
	unsigned char *copy = copy_whole();
	struct rf_record_header *header = find_record(copy, RF_RECORD_VDSO);
	struct rf_record_header *code = find_record(copy, RF_RECORD_VDSO_CODE);
	struct rf_image_vdso *vdso = (struct rf_image_vdso *)(header + 1);

	vdso->digest ^= 1;
	seal(header);
	store(path, copy, whole_bytes);
	restart_expect_refusal(path, "VDSO_CODE");
	memset(code + 1, 0, code->length_bytes);
	vdso->digest = rf_digest64(code + 1, code->length_bytes);
	seal(header);
	seal(code);
	store(path, copy, whole_bytes);
	restart_expect_refusal(path, "another kernel build");
	free(copy);
}

static void expect_missing_folder(const char *path)
{
	unsigned char *copy = copy_whole();
	struct rf_record_header *header = find_record(copy, RF_RECORD_PROCESS);
	struct rf_image_process *process = (struct rf_image_process *)(header + 1);
	char *folder = (char *)(process + 1) + process->auxv_bytes;

	CHECK(process->cwd_bytes > 1);
	folder[process->cwd_bytes - 1] = '?';
	seal(header);
	store(path, copy, whole_bytes);
	restart_expect_refusal(path, "working directory");
	free(copy);
}

int main(void)
{
	static const char *const names[] = { "app", "bad-app" };
	const char *path, *bad;

	test_begin();
	CHECK_CALL(chdir("/usr"));
	path = checkpoint_path("app");
	bad = checkpoint_path("bad-app");
	restart_write(path, body);
	load(path);
	store(bad, whole, whole_bytes);
	restart_expect(bad);
	expect_cut(bad);
	expect_damaged(bad);
	expect_foreign_cpu(bad);
	expect_other_boot(bad);
	expect_foreign_kernel(bad);
	expect_increment(bad);
	expect_missing_folder(bad);
	free(whole);
	checkpoint_clean(names, 2);
	return test_end();
}
