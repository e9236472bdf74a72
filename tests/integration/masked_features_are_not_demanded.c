/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node whose CPU lacks features is refused with the names of all of them; a process that
 * was started with GLIBC_TUNABLES that mask them goes there and on from there, dynamically linked
 * or not, but for what it has not masked.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rfork/protocol.h"
#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define REACHED 23
#define REFUSED 24

#define TUNABLES "GLIBC_TUNABLES=glibc.cpu.hwcaps="
#define MASKS_AVX512 "-AVX512F,-AVX512CD,-AVX512BW,-AVX512DQ,-AVX512VL,-AVX512ER,-AVX512PF,"
#define MASKS MASKS_AVX512 "-AVX2,-AVX,-FMA,-FMA4,-LZCNT,-MOVBE,-BMI1"
#define ALL_MASKS MASKS ",-BMI2,-AVX_Fast_Unaligned_Load"

/* Where the facts lie in what a node says: after CHALLENGE. */
#define FACTS_OFFSET (2 * sizeof(struct rf_frame_header) + sizeof(struct rf_frame_challenge))

/* What the lesser node's CPU lacks, word by word of the facts. */
static const uint32_t lacking[RF_CPU_WORDS] = {
	[0] = 0x30401000, /* fma movbe avx f16c */
	[2] = 0xfc230128, /* bmi1 avx2 bmi2 avx512* sha_ni */
	[3] = 0x00005f42, [4] = 0xffffffff, [5] = 0xffffffff, [6] = 0xffffffff, [8] = 0x00010820,
};

static const char *const names[] = {
	"fma",		 "movbe",
	"avx",		 "f16c",
	"bmi1",		 "avx2",
	"bmi2",		 "avx512f",
	"avx512dq",	 "avx512ifma",
	"avx512cd",	 "sha_ni",
	"avx512bw",	 "avx512vl",
	"avx512vbmi",	 "avx512_vbmi2",
	"gfni",		 "vaes",
	"vpclmulqdq",	 "avx512_vnni",
	"avx512_bitalg", "avx_vnni",
	"avx512_bf16",	 "avx512_vpopcntdq",
	"abm",		 "avx512_vp2intersect",
	"fma4",		 "xop",
	"avx512_fp16",	 "amx_tile",
};

static struct node node;
static bool has_avx_state; /* of the node */

static void make_lesser(int64_t start, unsigned char *bytes, size_t count)
{
	struct rf_machine_facts kept;
	const unsigned char *mask = (const unsigned char *)&kept;

	memset(&kept, 0xff, sizeof(kept));
	for (size_t i = 0; i < RF_CPU_WORDS; i++)
		kept.cpu[i] = ~lacking[i];
	kept.xcr0 = has_avx_state ? 7 : 3;
	for (size_t i = 0; i < count; i++) {
		uint64_t offset = (uint64_t)start + i - FACTS_OFFSET;

		if (offset < sizeof(kept))
			bytes[i] &= mask[offset];
	}
}

/* Runs `program` with these masks; its exit status, and what it says. */
static int run(const char *program, const char *masks, const char *first, const char *then,
	       char *text, size_t bytes)
{
	char tunables[512];
	int ends[2];
	pid_t pid;

	snprintf(tunables, sizeof(tunables), TUNABLES "%s", masks ? masks : "");
	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		putenv(masks ? tunables : "NOTHING=1");
		CHECK_CALL(dup2(ends[1], 2));
		execl(program, program, first, then, NULL);
		_exit(1);
	}
	close(ends[1]);
	text[test_read(ends[0], text, bytes - 1)] = '\0';
	close(ends[0]);
	return test_wait(pid) >> 8;
}

static int try_lesser(const char *program, const char *masks, char *text, size_t bytes)
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct proxy proxy;
	int status;

	plan.edit_answer = make_lesser;
	proxy_start(&proxy, node.port, &plan);
	status = run(program, masks, proxy.host, NULL, text, bytes);
	proxy_finish(&proxy);
	dprintf(2, "%s: %d %s\n", masks ? masks : "no mask", status, text);
	return status;
}

/* -- what this CPU has ------------------------------------------------------------------------- */

static char flags[16384];

static void read_flags(void)
{
	FILE *cpuinfo = fopen("/proc/cpuinfo", "re");

	CHECK(cpuinfo);
	while (fgets(flags, sizeof(flags), cpuinfo) && strncmp(flags, "flags", 5))
		;
	fclose(cpuinfo);
	flags[strcspn(flags, "\n")] = ' ';
}

static bool has(const char *name)
{
	char word[64];

	snprintf(word, sizeof(word), " %s ", name);
	return strstr(flags, word);
}

/* -- claims ------------------------------------------------------------------------------------ */

static bool is_named(const char *sentence, const char *name)
{
	size_t length = strlen(name);

	for (const char *found = strstr(sentence, name); found; found = strstr(found + 1, name))
		if (found[-1] == ' ' && strchr(",\n", found[length]))
			return true;
	return false;
}

static void expect_all_names(const char *program)
{
	char text[2048];

	CHECK_EQUAL(try_lesser(program, NULL, text, sizeof(text)), REFUSED);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (has(names[i]) != is_named(text, names[i]))
			test_fail(__FILE__, __LINE__, "%s: %s", names[i], text);
	CHECK(strstr(text, "the AVX state"));
}

static void expect_masks_to_help(const char *program)
{
	char text[2048];

	expect_all_names(program);
	CHECK_EQUAL(try_lesser(program, ALL_MASKS, text, sizeof(text)), REACHED);
	/* glibc goes on using each that is not masked by name */
	CHECK_EQUAL(try_lesser(program, MASKS ",-AVX_Fast_Unaligned_Load", text, sizeof(text)),
		    REFUSED);
	CHECK(strstr(text, "lacks bmi2\n"));
	CHECK_EQUAL(try_lesser(program, MASKS ",-BMI2", text, sizeof(text)), REFUSED);
	CHECK(strstr(text, "lacks avx, the AVX state\n"));
	if (!has("avx512vl"))
		return;
	CHECK_EQUAL(try_lesser(program, "-AVX512F", text, sizeof(text)), REFUSED);
	CHECK(!is_named(text, "avx512f") && is_named(text, "avx512vl") &&
	      is_named(text, "avx512bw") && is_named(text, "avx2"));
}

/* The mask holds for the process, wherever it is. */
static void expect_masks_to_travel(const char *program)
{
	struct proxy_plan plan = PROXY_PLAIN;
	struct proxy proxy;
	char text[2048];

	plan.edit_answer = make_lesser;
	proxy_start(&proxy, node.port, &plan);
	CHECK_EQUAL(run(program, ALL_MASKS, node.host, proxy.host, text, sizeof(text)), REACHED);
	proxy_finish(&proxy);
}

int main(void)
{
	char program[512];

#if !__has_include(<sys/platform/x86.h>)
	test_skip("this C library does not tell what has been masked");
#endif
#ifdef __AVX2__
	test_skip("the library was built for CPUs with AVX2");
#endif
	test_begin();
	read_flags();
	if (!has("avx2") || !has("bmi2") || !has("xsave"))
		test_skip("this CPU lacks avx2 or bmi2 itself");
	node_start(&node, NULL);
	snprintf(program, sizeof(program), "%s", test_build_path("tests/support/lesser"));
	expect_masks_to_help(program);
	expect_masks_to_travel(program);
	snprintf(program, sizeof(program), "%s", test_build_path("tests/support/lesser_static"));
	expect_masks_to_help(program);
	node_stop(&node);
	return test_end();
}
