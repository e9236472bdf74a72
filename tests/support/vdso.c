/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/vdso.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/image_format.h"
#include "rfork/statefile.h"
#include "tests/support/footprint.h"

#define NS_PER_S INT64_C(1000000000)
#define RUN_NS 2000000
#define EXIT_READ 7

typedef ssize_t (*getrandom_function)(void *buffer, size_t bytes, unsigned flags, void *state,
				      size_t state_bytes);

static struct {
	int (*clock_gettime)(clockid_t clock, struct timespec *time);
	int (*clock_getres)(clockid_t clock, struct timespec *time);
	int (*gettimeofday)(struct timeval *time, struct timezone *zone);
	time_t (*time)(time_t *time);
	int (*getcpu)(unsigned *cpu, unsigned *node, void *unused);
	getrandom_function getrandom;
	bool is_read; /* clocks, without a system call */
} vdso;

static int64_t ns_of(struct timespec time)
{
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

static int64_t ask_kernel(clockid_t clock)
{
	struct timespec time;

	CHECK_CALL((int)syscall(SYS_clock_gettime, clock, &time));
	return ns_of(time);
}

static int64_t ask_vdso(clockid_t clock)
{
	struct timespec time;

	CHECK_EQUAL(vdso.clock_gettime(clock, &time), 0);
	return ns_of(time);
}

/* -- without a system call ----------------------------------------------------------------- */

static void forbid_call(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	CHECK_CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* In a child that has no such call. */
static bool is_clock_read(void)
{
	struct timespec time;
	int status;
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		forbid_call();
		_exit(vdso.clock_gettime(CLOCK_MONOTONIC, &time) == 0 ? EXIT_READ : 0);
	}
	status = test_wait(pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status) == EXIT_READ;
}

/* -- functions ----------------------------------------------------------------------------- */

void vdso_look_up(void)
{
	void *object = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	if (!object)
		test_skip("this process has no vdso");
	vdso.clock_gettime = dlsym(object, "__vdso_clock_gettime");
	vdso.clock_getres = dlsym(object, "__vdso_clock_getres");
	vdso.gettimeofday = dlsym(object, "__vdso_gettimeofday");
	vdso.time = dlsym(object, "__vdso_time");
	vdso.getcpu = dlsym(object, "__vdso_getcpu");
	vdso.getrandom = dlsym(object, "__vdso_getrandom");
	CHECK(vdso.clock_gettime && vdso.gettimeofday && vdso.time && vdso.getcpu);
	CHECK(dlsym(object, "clock_gettime") == vdso.clock_gettime);
	vdso.is_read = is_clock_read();
	dprintf(2, "clocks are read %s a system call; getrandom: %s\n",
		vdso.is_read ? "without" : "with", vdso.getrandom ? "yes" : "no");
}

static void expect_clock(clockid_t clock)
{
	int64_t low_ns = ask_kernel(clock), got_ns = ask_vdso(clock);

	CHECK(low_ns <= got_ns);
	CHECK(got_ns <= ask_kernel(clock));
}

static void expect_clocks(void)
{
	const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC,	     CLOCK_BOOTTIME,
				     CLOCK_TAI,	     CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE };
	int64_t start_ns, now_ns;
	struct timespec resolution;

	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		expect_clock(clocks[i]);
	start_ns = ask_vdso(CLOCK_MONOTONIC);
	do
		now_ns = ask_vdso(CLOCK_MONOTONIC);
	while (ask_kernel(CLOCK_MONOTONIC) < start_ns + RUN_NS);
	CHECK(now_ns > start_ns);
	if (vdso.clock_getres) {
		CHECK_EQUAL(vdso.clock_getres(CLOCK_MONOTONIC, &resolution), 0);
		CHECK(ns_of(resolution) > 0);
	}
}

/* Also by the pointers of the C library. */
static void expect_times(void)
{
	struct timeval day, library_day;
	int64_t low_ns = ask_kernel(CLOCK_REALTIME_COARSE), high_ns;
	time_t seconds = vdso.time(NULL), library_seconds = time(NULL);
	struct timespec monotonic;

	CHECK_EQUAL(vdso.gettimeofday(&day, NULL), 0);
	CHECK_EQUAL(gettimeofday(&library_day, NULL), 0);
	CHECK_EQUAL(clock_gettime(CLOCK_MONOTONIC, &monotonic), 0);
	CHECK(ns_of(monotonic) <= ask_kernel(CLOCK_MONOTONIC));
	high_ns = ask_kernel(CLOCK_REALTIME);
	CHECK(seconds >= low_ns / NS_PER_S && seconds <= high_ns / NS_PER_S);
	CHECK(library_seconds >= seconds && library_seconds <= high_ns / NS_PER_S);
	CHECK(day.tv_sec >= seconds && day.tv_sec <= high_ns / NS_PER_S);
	CHECK(timercmp(&day, &library_day, <=));
}

static void expect_cpu(void)
{
	unsigned cpu, kernel_cpu, node, kernel_node;
	unsigned tries = 0;

	do { /* the thread may be moved between two calls */
		CHECK_CALL((int)syscall(SYS_getcpu, &kernel_cpu, &kernel_node, NULL));
		CHECK_EQUAL(vdso.getcpu(&cpu, &node, NULL), 0);
		CHECK(tries++ < 1000);
	} while (cpu != kernel_cpu || node != kernel_node);
}

/* Without a state that the function would have to know the layout of. */
static void expect_randomness(void)
{
	unsigned char first[32] = { 0 }, second[32] = { 0 };

	if (!vdso.getrandom)
		return;
	CHECK_EQUAL(vdso.getrandom(first, sizeof(first), 0, NULL, 0), sizeof(first));
	CHECK_EQUAL(vdso.getrandom(second, sizeof(second), 0, NULL, 0), sizeof(second));
	CHECK(memcmp(first, second, sizeof(first)) != 0);
}

void vdso_expect_service(bool is_read)
{
	expect_clocks();
	expect_times();
	expect_cpu();
	expect_randomness();
	if (is_read && vdso.is_read)
		CHECK(is_clock_read());
}

/* -- other builds -------------------------------------------------------------------------- */

bool vdso_is_redirected(void)
{
	uint64_t address = getauxval(AT_SYSINFO_EHDR);
	static struct footprint footprint;

	footprint_read_maps(&footprint);
	for (unsigned i = 0; i < footprint.map_count; i++)
		if (footprint.maps[i].start <= address && address < footprint.maps[i].end)
			return footprint.maps[i].name[0] == '\0';
	test_fail(__FILE__, __LINE__, "nothing is mapped at the vdso's place");
}

/* The identifier of the build, in a note. */
static void change_build(unsigned char *code, size_t bytes)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)code;
	const Elf64_Phdr *segments = (const Elf64_Phdr *)(code + header->e_phoff);

	for (unsigned i = 0; i < header->e_phnum; i++) {
		size_t at = segments[i].p_offset, end = at + segments[i].p_filesz;

		while (segments[i].p_type == PT_NOTE && at < end && end <= bytes) {
			const Elf64_Nhdr *note = (const Elf64_Nhdr *)(code + at);
			size_t name = at + sizeof(*note);
			size_t description = name + ((note->n_namesz + 3) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz) {
				code[description] ^= 0xff;
				return;
			}
			at = description + ((note->n_descsz + 3) & ~3u);
		}
	}
	test_skip("the vdso of this kernel has no build id");
}

static void seal(struct rf_record_header *header)
{
	header->payload_digest = rf_digest64(header + 1, header->length_bytes);
	header->header_digest = rf_digest64(header, 24);
}

/* The record of a type in the records of a statefile. */
static struct rf_record_header *find_record(unsigned char *records, size_t bytes,
					    enum rf_record_type type)
{
	for (size_t at = 0; at < bytes;) {
		struct rf_record_header *header = (struct rf_record_header *)(records + at);

		if (header->type == type)
			return header;
		at += sizeof(*header) + header->length_bytes;
	}
	test_fail(__FILE__, __LINE__, "no record of type %d", (int)type);
}

void vdso_forge(const char *path)
{
	int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));
	struct rf_statefile_note note;
	struct rf_report report = { 0 };
	struct rf_record_header *header, *code;
	unsigned char *file, *records;

	CHECK_EQUAL(rf_statefile_find_note(fd, path, &note, NULL, &report), 0);
	file = CHECK_CALL(mmap(NULL, note.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	records = file + note.records_offset;
	header = find_record(records, note.records_bytes, RF_RECORD_VDSO);
	code = find_record(records, note.records_bytes, RF_RECORD_VDSO_CODE);
	change_build((unsigned char *)(code + 1), code->length_bytes);
	((struct rf_image_vdso *)(header + 1))->digest = rf_digest64(code + 1, code->length_bytes);
	seal(header);
	seal(code);
	CHECK_CALL(munmap(file, note.file_bytes));
	close(fd);
}
