/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/plan_builder.c: its steps are executed on a model of an address space, a
 * list of ranges with owners.  Whatever the image and the shell look like, at the end there is
 * the image, its vdso and the restorer's region, and nothing of them was ever unmapped.
 */
#define _GNU_SOURCE
#include "rfork/plan_builder.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define PAGE UINT64_C(4096)
#define MIN_ADDRESS UINT64_C(0x10000)
#define MAX_ADDRESS UINT64_C(0x7ffffffff000)
#define VSYSCALL UINT64_C(0xffffffffff600000)
#define MAX_RANGES 512
#define MAX_MAPPINGS 48
#define ROUNDS 20000

/* -- the model ----------------------------------------------------------------------------- */

enum owner { SHELL, KERNEL, REGION, MAPPING, VDSO };

struct range {
	uint64_t start, end;
	enum owner owner;
	uint32_t index; /* of the mapping or the area */
	uint32_t protection;
};

static struct range model[MAX_RANGES];
static size_t model_count;
/* The random case at hand, to be named when it fails. */
static uint64_t case_number;

/* Check's own assertions write to a pipe each time, and there are millions here. */
#define CHECK_CASE(condition)                                                                      \
	((condition) ? (void)0                                                                     \
		     : ck_abort_msg("line %d, case %" PRIu64 ": %s", __LINE__, case_number,        \
				    #condition))

static bool is_free(uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < model_count; i++)
		if (model[i].start < end && start < model[i].end)
			return false;
	return true;
}

static void add_range(uint64_t start, uint64_t end, enum owner owner, uint32_t index,
		      uint32_t protection)
{
	CHECK_CASE(start < end);
	CHECK_CASE(is_free(start, end)); /* MAP_FIXED_NOREPLACE, and mremap by an exact plan */
	ck_assert_uint_lt(model_count, MAX_RANGES);
	model[model_count++] = (struct range){ start, end, owner, index, protection };
}

static struct range *find_range(uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < model_count; i++)
		if (model[i].start == start && model[i].end == end)
			return &model[i];
	return NULL;
}

static void remove_range(struct range *range)
{
	*range = model[--model_count];
}

static void unmap(uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < model_count; i++) {
		struct range *range = &model[i];
		struct range left = *range, right = *range;

		if (range->start >= end || start >= range->end)
			continue;
		CHECK_CASE(range->owner == SHELL || range->owner == VDSO);
		/* a vdso only as a whole: the image had none */
		CHECK_CASE(range->owner == SHELL || (start <= range->start && range->end <= end));
		remove_range(range);
		i--;
		left.end = start;
		right.start = end;
		if (left.start < left.end)
			model[model_count++] = left;
		if (right.start < right.end)
			model[model_count++] = right;
	}
}

static void move_range(uint64_t from, uint64_t to, uint64_t bytes)
{
	struct range *range = find_range(from, from + bytes);
	struct range moved;

	CHECK_CASE(range);
	moved = *range;
	CHECK_CASE(moved.owner == MAPPING || moved.owner == VDSO);
	CHECK_CASE(from + bytes <= to || to + bytes <= from); /* else the kernel says EINVAL */
	remove_range(range);
	add_range(to, to + bytes, moved.owner, moved.index, moved.protection);
}

/* -- cases --------------------------------------------------------------------------------- */

static struct {
	struct rf_map maps[MAX_MAPPINGS];
	struct rf_maps shell;
	struct rf_image_mapping mappings[MAX_MAPPINGS];
	struct rf_image image;
	struct rf_reader_thread threads[1];
	struct rf_vdso vdso;
	struct rf_place place[MAX_MAPPINGS];
	struct rf_places places;
	struct rf_plan_shell facts;
	uint64_t min_address, max_address;
	struct rf_step *steps;
	size_t step_count;
	struct rf_report report;
} plan;

static void begin_case(void)
{
	free(plan.steps);
	memset(&plan, 0, sizeof(plan));
	plan.shell.entries = plan.maps;
	plan.image.mappings = plan.mappings;
	plan.places.mappings = plan.place;
	plan.places.region_bytes = 5 * PAGE;
	plan.min_address = MIN_ADDRESS;
	plan.max_address = MAX_ADDRESS;
	model_count = 0;
}

static void add_map(uint64_t start, uint64_t pages, enum rf_map_kind kind)
{
	plan.maps[plan.shell.count++] = (struct rf_map){
		.start = start, .end = start + pages * PAGE, .protection = 3, .kind = kind
	};
}

static void add_mapping(uint64_t start, uint64_t pages, uint32_t protection)
{
	plan.mappings[plan.image.head.mappings++] = (struct rf_image_mapping){
		.start = start, .end = start + pages * PAGE, .protection = protection
	};
}

/* The kernel's three areas; both sides have the same build. */
static const struct {
	uint64_t pages;
	uint32_t kind;
} vdso_areas[] = { { 4, RF_VDSO_DATA }, { 2, RF_VDSO_DATA }, { 2, RF_VDSO_CODE } };

#define VDSO_AREAS (sizeof(vdso_areas) / sizeof(vdso_areas[0]))
#define VDSO_PAGES 8

static void set_vdso_areas(struct rf_image_vdso_area *areas, uint64_t start)
{
	for (size_t i = 0; i < VDSO_AREAS; i++) {
		areas[i] = (struct rf_image_vdso_area){ .start = start,
							.end = start + vdso_areas[i].pages * PAGE,
							.kind = vdso_areas[i].kind };
		start = areas[i].end;
	}
}

static void add_shell_vdso(uint64_t start)
{
	plan.vdso.count = VDSO_AREAS;
	plan.vdso.code_pages = 2;
	plan.vdso.data_pages = 6;
	plan.vdso.digest = 1;
	set_vdso_areas(plan.vdso.areas, start);
	for (size_t i = 0; i < VDSO_AREAS; i++)
		add_map(plan.vdso.areas[i].start, vdso_areas[i].pages,
			vdso_areas[i].kind == RF_VDSO_CODE ? RF_MAP_VDSO : RF_MAP_VVAR);
}

static void add_image_vdso(uint64_t start)
{
	plan.image.vdso.areas = VDSO_AREAS;
	plan.image.vdso.digest = 1;
	set_vdso_areas(plan.image.vdso_areas, start);
}

/* -- carrying a plan out ------------------------------------------------------------------- */

static uint64_t block_end(void)
{
	return plan.places.staging_address + plan.places.staging_bytes;
}

/* A page is free on either side of the block of region, parking and staging area. */
static void check_gap(void)
{
	uint64_t start = plan.places.region_address - PAGE;
	uint64_t end = block_end() + PAGE;

	CHECK_CASE(start >= plan.min_address && end <= plan.max_address);
	CHECK_CASE(plan.places.parking_address ==
		   plan.places.region_address + plan.places.region_bytes);
	CHECK_CASE(plan.places.parking_bytes >=
		   (plan.vdso.code_pages + plan.vdso.data_pages) * PAGE);
	CHECK_CASE(plan.places.staging_address ==
		   plan.places.parking_address + plan.places.parking_bytes);
	for (size_t i = 0; i < plan.shell.count; i++)
		CHECK_CASE(plan.maps[i].end <= start || end <= plan.maps[i].start);
	for (uint32_t i = 0; i < plan.image.head.mappings; i++)
		CHECK_CASE(plan.mappings[i].end <= start || end <= plan.mappings[i].start);
	for (uint32_t i = 0; i < plan.image.vdso.areas; i++)
		CHECK_CASE(plan.image.vdso_areas[i].end <= start ||
			   end <= plan.image.vdso_areas[i].start);
}

static bool is_staged(const struct rf_place *place, uint64_t bytes)
{
	return place->address >= plan.places.staging_address &&
	       place->address + bytes <= block_end();
}

/* What the shell has done when it leaves. */
static void map_everything(void)
{
	for (size_t i = 0; i < plan.shell.count; i++)
		if (plan.maps[i].kind != RF_MAP_VDSO && plan.maps[i].kind != RF_MAP_VVAR)
			add_range(plan.maps[i].start, plan.maps[i].end,
				  plan.maps[i].kind == RF_MAP_KERNEL ? KERNEL : SHELL, 0, 3);
	for (uint32_t i = 0; i < plan.vdso.count; i++)
		add_range(plan.vdso.areas[i].start, plan.vdso.areas[i].end, VDSO, i, 5);
	add_range(plan.places.region_address, plan.places.parking_address, REGION, 0, 7);
	for (uint32_t i = 0; i < plan.image.head.mappings; i++) {
		uint64_t bytes = plan.mappings[i].end - plan.mappings[i].start;

		CHECK_CASE(plan.place[i].address == plan.mappings[i].start ||
			   is_staged(&plan.place[i], bytes));
		plan.place[i].protection = plan.mappings[i].protection |
					   (i % 2 ? RF_PROTECTION_WRITE : 0);
		add_range(plan.place[i].address, plan.place[i].address + bytes, MAPPING, i,
			  plan.place[i].protection);
	}
}

static void protect(uint64_t start, uint64_t bytes, uint32_t protection)
{
	struct range *range = find_range(start, start + bytes);

	CHECK_CASE(range && range->owner == MAPPING);
	range->protection = protection;
}

static bool is_in_region(uint64_t address)
{
	return address >= plan.places.region_address && address < plan.places.parking_address;
}

/* The system calls that do not change the address space, and what must be true before. */
static void check_other_step(const struct rf_step *step, unsigned *stage)
{
	const uint64_t *arguments = step->arguments;

	switch (step->number) {
	case SYS_rseq:
		if (arguments[2]) { /* the shell's own area still stands */
			CHECK_CASE(*stage == 0);
			CHECK_CASE(arguments[0] == plan.facts.rseq_address);
			return;
		}
		CHECK_CASE(arguments[0] == plan.threads[0].image.rseq_address);
		CHECK_CASE(step == &plan.steps[plan.step_count - 1]);
		break;
	case SYS_prctl:
		CHECK_CASE(arguments[0] == PR_SET_MM && is_in_region(arguments[2]));
		break;
	case SYS_rt_sigaction:
		CHECK_CASE(is_in_region(arguments[1]) && arguments[2] == 0 && arguments[3] == 8);
		CHECK_CASE(plan.image.sigactions[arguments[0] - 1].handler);
		break;
	default:
		CHECK_CASE(step->number == SYS_arch_prctl || step->number == SYS_set_tid_address ||
			   step->number == SYS_set_robust_list);
	}
	*stage = 2; /* the address space is complete */
}

static void execute(void)
{
	unsigned stage = 0;

	for (size_t i = 0; i < plan.step_count; i++) {
		const struct rf_step *step = &plan.steps[i];
		const uint64_t *arguments = step->arguments;

		switch (step->number) {
		case SYS_munmap:
			CHECK_CASE(stage < 2 && arguments[1] && arguments[1] % PAGE == 0);
			unmap(arguments[0], arguments[0] + arguments[1]);
			break;
		case SYS_mremap:
			CHECK_CASE(stage < 2 && arguments[1] == arguments[2]);
			CHECK_CASE(arguments[3] == (MREMAP_MAYMOVE | MREMAP_FIXED));
			CHECK_CASE(step->check == RF_STEP_EQUALS && step->expected == arguments[4]);
			move_range(arguments[0], arguments[4], arguments[1]);
			break;
		case SYS_mprotect:
			CHECK_CASE(stage < 2);
			protect(arguments[0], arguments[1], (uint32_t)arguments[2]);
			break;
		default:
			check_other_step(step, &stage);
			continue;
		}
		stage = 1;
	}
}

/* At the end: exactly the image, its vdso, the region, and what is the kernel's. */
static void check_end(void)
{
	size_t expected = plan.image.head.mappings + plan.image.vdso.areas + 1;

	for (uint32_t i = 0; i < plan.image.head.mappings; i++) {
		struct range *range = find_range(plan.mappings[i].start, plan.mappings[i].end);

		CHECK_CASE(range && range->owner == MAPPING && range->index == i);
		CHECK_CASE(range->protection == plan.mappings[i].protection);
	}
	for (uint32_t i = 0; i < plan.image.vdso.areas; i++) {
		struct range *range =
			find_range(plan.image.vdso_areas[i].start, plan.image.vdso_areas[i].end);

		CHECK_CASE(range && range->owner == VDSO && range->index == i);
	}
	CHECK_CASE(find_range(plan.places.region_address, plan.places.parking_address));
	for (size_t i = 0; i < model_count; i++)
		expected += model[i].owner == KERNEL;
	CHECK_CASE(model_count == expected);
}

static void set_facts(void)
{
	plan.facts = (struct rf_plan_shell){
		.vdso = &plan.vdso,
		.rseq_address = plan.maps[0].start,
		.rseq_bytes = 32,
		.rseq_signature = 0x53053053,
		.has_mm_map = true,
		.min_address = plan.min_address,
		.max_address = plan.max_address,
		.actions_address = plan.places.region_address + PAGE,
		.mm_map_address = plan.places.region_address + 2 * PAGE,
		.mm_map_bytes = sizeof(struct prctl_mm_map),
	};
	plan.image.threads = plan.threads;
	plan.threads[0].image = (struct rf_image_thread){
		.rseq_address = plan.mappings[0].start,
		.rseq_bytes = 32,
		.rseq_signature = 0x53053053,
		.tid_address = plan.mappings[0].start,
		.robust_list = plan.mappings[0].start,
		.robust_list_bytes = 24,
	};
	for (int i = 0; i < RF_IMAGE_SIGNALS; i++)
		plan.image.sigactions[i].handler = 1;
}

static int place(void)
{
	return rf_plan_place(&plan.places, &plan.image, &plan.shell, &plan.vdso, plan.min_address,
			     plan.max_address, &plan.report);
}

/* Plans the case, carries the plan out and looks at what has become of the model. */
static void carry_out(void)
{
	size_t capacity = rf_plan_max_steps(&plan.image);

	check_gap();
	map_everything();
	set_facts();
	/* exactly as much room as was promised, for the sanitizer to watch */
	plan.steps = malloc((capacity + RF_PLAN_THREAD_STEPS) * sizeof(*plan.steps));
	plan.step_count = rf_plan_build(plan.steps, &plan.image, &plan.places, &plan.facts);
	CHECK_CASE(plan.step_count <= capacity);
	plan.step_count +=
		rf_plan_build_thread(plan.steps + plan.step_count, &plan.threads[0].image, true);
	execute();
	check_end();
}

static void place_and_carry_out(void)
{
	ck_assert_msg(place() == 0, "case %" PRIu64 ": %s", case_number, plan.report.sentence);
	carry_out();
}

/* -- particular cases ---------------------------------------------------------------------- */

static size_t staged_mappings(void)
{
	size_t count = 0;

	for (uint32_t i = 0; i < plan.image.head.mappings; i++)
		count += plan.place[i].address != plan.mappings[i].start;
	return count;
}

START_TEST(free_homes_are_used_at_once)
{
	begin_case();
	add_map(0x400000, 100, RF_MAP_FILE);
	add_shell_vdso(0x7ffff7fc0000);
	add_mapping(0x555555554000, 10, 5);
	add_mapping(0x55555555e000, 10, 3);
	add_mapping(0x7ffff7000000, 10, 0);
	add_image_vdso(0x7ffff7f00000);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), 0);
	ck_assert_uint_eq(plan.places.staging_bytes, 0);
}
END_TEST

START_TEST(total_collision_is_solved)
{
	static const uint64_t starts[] = { 0x555555554000, 0x55555555e000, 0x7ffff7d00000,
					   0x7ffffffde000 };

	begin_case();
	for (size_t i = 0; i < 4; i++) {
		if (i == 3)
			add_shell_vdso(0x7ffff7fc0000);
		add_map(starts[i], 10, RF_MAP_ANONYMOUS);
		add_mapping(starts[i], 10, 3);
	}
	add_map(VSYSCALL, 1, RF_MAP_KERNEL);
	add_image_vdso(0x7ffff7fc0000);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), 4);
}
END_TEST

START_TEST(steps_for_many_collisions_fit)
{
	begin_case();
	add_shell_vdso(0x7ffff7fc0000);
	for (uint64_t i = 0; i < MAX_MAPPINGS - VDSO_AREAS; i++) {
		add_map(0x7ffff8000000 + i * 4 * PAGE, 2, RF_MAP_ANONYMOUS);
		add_mapping(0x7ffff8000000 + i * 4 * PAGE, 3, 1);
	}
	add_image_vdso(0x7ffff7fc1000);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), MAX_MAPPINGS - VDSO_AREAS);
}
END_TEST

START_TEST(vdso_and_mappings_may_change_places)
{
	begin_case();
	add_shell_vdso(0x7ffff7fc0000);
	add_map(0x7ffff7fd0000, 20, RF_MAP_STACK);
	add_mapping(0x7ffff7fbf000, 3, 3);
	add_mapping(0x7ffff7fc2000, 6, 5);
	add_image_vdso(0x7ffff7fd4000);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), 2);
}
END_TEST

START_TEST(vdso_moves_by_less_than_its_size)
{
	begin_case();
	add_shell_vdso(0x7ffff7fc0000);
	add_mapping(0x555555554000, 1, 3);
	add_image_vdso(0x7ffff7fc1000);
	place_and_carry_out();
}
END_TEST

static size_t count_moves(void)
{
	size_t count = 0;

	for (size_t i = 0; i < plan.step_count; i++)
		count += plan.steps[i].number == SYS_mremap;
	return count;
}

/* Also between mappings that are at home, and above the last. */
START_TEST(vdso_moves_once_where_its_home_is_free)
{
	static const uint64_t homes[] = { 0x7ffff7f00000, 0x555555550000, 0x7ffff7fd8000 };

	for (size_t i = 0; i < 3; i++) {
		begin_case();
		add_map(0x400000, 3, RF_MAP_FILE);
		add_shell_vdso(0x7ffff7fc0000);
		add_mapping(0x555555558000, 1, 3);
		add_mapping(0x7ffff7fd0000, 8, 3);
		add_image_vdso(homes[i]);
		place_and_carry_out();
		ck_assert(plan.places.is_vdso_home_free);
		ck_assert_uint_eq(count_moves(), VDSO_AREAS);
	}
}
END_TEST

START_TEST(vdso_waits_where_the_shell_is_at_its_home)
{
	begin_case();
	add_shell_vdso(0x7ffff7fc0000);
	add_map(0x7ffff7fd0000, 1, RF_MAP_ANONYMOUS);
	add_mapping(0x555555554000, 1, 3);
	add_image_vdso(0x7ffff7fd0000 - 7 * PAGE);
	place_and_carry_out();
	ck_assert(!plan.places.is_vdso_home_free);
	ck_assert_uint_eq(count_moves(), 2 * VDSO_AREAS);
}
END_TEST

START_TEST(vdso_goes_where_the_image_has_none)
{
	begin_case();
	add_map(0x400000, 3, RF_MAP_FILE);
	add_shell_vdso(0x7ffff7fc0000);
	add_mapping(0x7ffff7fc1000, 1, 3);
	place_and_carry_out();
}
END_TEST

START_TEST(neighbours_of_the_shell_stay_whole)
{
	begin_case();
	add_map(0x400000, 3, RF_MAP_FILE);
	add_map(0x405000, 3, RF_MAP_FILE);
	add_shell_vdso(0x7ffff7fc0000);
	add_mapping(0x3ff000, 1, 3);
	add_mapping(0x403000, 2, 3);
	add_mapping(0x408000, 1, 3);
	add_image_vdso(0x7ffff7fc0000);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), 0);
}
END_TEST

START_TEST(whole_address_space_can_be_used)
{
	begin_case();
	add_map(MIN_ADDRESS, 16, RF_MAP_FILE);
	add_map(MAX_ADDRESS - 16 * PAGE, 16, RF_MAP_STACK);
	add_mapping(MIN_ADDRESS, 1, 3);
	add_mapping(MAX_ADDRESS - PAGE, 1, 3);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), 2);
}
END_TEST

/* All of the address space but `pages` pages at `hole` belongs to the image. */
static void leave_a_hole(uint64_t hole, uint64_t pages)
{
	add_mapping(MIN_ADDRESS, (hole - MIN_ADDRESS) / PAGE, 3);
	if (hole + pages * PAGE < MAX_ADDRESS)
		add_mapping(hole + pages * PAGE, (MAX_ADDRESS - hole) / PAGE - pages, 3);
}

START_TEST(only_gap_is_found)
{
	static const uint64_t holes[] = { 0x100000, 0x7ff000000000, MAX_ADDRESS - 7 * PAGE };

	begin_case();
	leave_a_hole(holes[_i], 7); /* the region, and a page on either side */
	add_map(VSYSCALL, 1, RF_MAP_KERNEL);
	place_and_carry_out();
	ck_assert_uint_eq(plan.places.region_address, holes[_i] + PAGE);
}
END_TEST

START_TEST(missing_gap_is_an_error)
{
	static const uint64_t holes[] = { 0x100000, 0x7ff000000000, MAX_ADDRESS - 6 * PAGE };

	begin_case();
	leave_a_hole(holes[_i], 6);
	/* what lies above all that can be mapped is no bound of a gap */
	add_map(VSYSCALL, 1, RF_MAP_KERNEL);
	ck_assert_int_eq(place(), -ENOMEM);
	ck_assert_int_eq(plan.report.error, ENOMEM);
}
END_TEST

START_TEST(huge_mappings_keep_their_offset_within_huge_pages)
{
	const uint64_t huge = UINT64_C(2) << 20;

	begin_case();
	add_map(0x7ffff0001000, 3000, RF_MAP_ANONYMOUS);
	add_map(0x7ffff8000000, 1024, RF_MAP_ANONYMOUS);
	add_mapping(0x7ffff0123000, 2048, 3);
	add_mapping(0x7ffff8002000, 3, 3);
	add_mapping(0x7ffff8005000, 512, 3);
	place_and_carry_out();
	ck_assert_uint_eq(staged_mappings(), 3);
	ck_assert_uint_eq((plan.place[0].address - 0x7ffff0123000) % huge, 0);
	ck_assert_uint_eq((plan.place[2].address - 0x7ffff8005000) % huge, 0);
}
END_TEST

START_TEST(cached_thread_id_is_renewed_only_where_there_is_one)
{
	bool stores = false;

	begin_case();
	add_map(0x400000, 3, RF_MAP_FILE);
	add_mapping(0x500000, 3, 3);
	place_and_carry_out();
	for (size_t i = 0; i < plan.step_count; i++)
		stores |= plan.steps[i].check == RF_STEP_STORES &&
			  plan.steps[i].number == SYS_set_tid_address &&
			  plan.steps[i].expected == 0x500000;
	ck_assert(stores);
	plan.step_count = rf_plan_build_thread(plan.steps, &plan.threads[0].image, false);
	for (size_t i = 0; i < plan.step_count; i++)
		ck_assert_uint_ne(plan.steps[i].check, RF_STEP_STORES);
}
END_TEST

START_TEST(thread_has_only_what_it_had)
{
	struct rf_step steps[RF_PLAN_THREAD_STEPS];
	struct rf_image_thread thread = { .registers = { .fs_base = 1, .gs_base = 2 } };

	/* also what it did not have, lest it is the shell's; but no rseq of nobody's */
	ck_assert_uint_eq(rf_plan_build_thread(steps, &thread, true), RF_PLAN_THREAD_STEPS - 1);
	for (size_t i = 0; i < RF_PLAN_THREAD_STEPS - 1; i++) {
		ck_assert_uint_ne(steps[i].number, SYS_rseq);
		ck_assert_uint_eq(steps[i].check, RF_STEP_SUCCEEDS);
	}
	thread.rseq_address = 0x1000;
	ck_assert_uint_eq(rf_plan_build_thread(steps, &thread, true), RF_PLAN_THREAD_STEPS);
	ck_assert_uint_eq(steps[RF_PLAN_THREAD_STEPS - 1].number, SYS_rseq);
}
END_TEST

START_TEST(last_word_is_said_before_its_descriptor_is_closed)
{
	struct rf_step steps[RF_PLAN_LAST_STEPS];

	ck_assert_uint_eq(rf_plan_build_last(steps, 7, 0x1000), 2);
	ck_assert_uint_eq(steps[0].number, SYS_write);
	ck_assert_uint_eq(steps[0].arguments[0], 7);
	ck_assert_uint_eq(steps[0].arguments[1], 0x1000);
	ck_assert_uint_eq(steps[0].arguments[2], RF_SHELL_REPORT_SHORT_BYTES);
	ck_assert_uint_eq(steps[1].number, SYS_close);
	ck_assert_uint_eq(steps[1].arguments[0], 7);
	ck_assert_uint_eq(rf_plan_build_last(steps, 7, 0), 1);
	ck_assert_uint_eq(rf_plan_build_last(steps, -1, 0), 0);
	ck_assert_uint_eq(steps[0].number, SYS_close);
}
END_TEST

START_TEST(default_actions_cost_nothing)
{
	begin_case();
	add_map(0x400000, 3, RF_MAP_FILE);
	add_mapping(0x500000, 3, 3);
	place_and_carry_out();
	memset(plan.image.sigactions, 0, sizeof(plan.image.sigactions));
	plan.image.sigactions[10 - 1].flags = 0x10000000;
	plan.step_count = rf_plan_build(plan.steps, &plan.image, &plan.places, &plan.facts);
	for (size_t i = 0; i < plan.step_count; i++)
		ck_assert(plan.steps[i].number != SYS_rt_sigaction ||
			  plan.steps[i].arguments[0] == 10);
}
END_TEST

/* Between two programs the larger gap, and there the middle. */
START_TEST(far_place_is_far_from_everything)
{
	const uint64_t pages = 20;
	uint64_t place;

	begin_case();
	plan.min_address = 0x10000;
	plan.max_address = 0x7ffffffff000;
	add_mapping(0x400000, 16, 5);
	add_image_vdso(0x600000000000);
	add_mapping(0x7f0000000000, 16, 3);
	place = rf_plan_find_far_place(&plan.image, plan.min_address, plan.max_address,
				       pages * PAGE);
	ck_assert_uint_eq(place % PAGE, 0);
	ck_assert_uint_gt(place, 0x200000000000);
	ck_assert_uint_lt(place, 0x400000000000);
	/* all is taken but less than that */
	plan.max_address = plan.min_address + (pages + 1) * PAGE;
	ck_assert_uint_eq(rf_plan_find_far_place(&plan.image, plan.min_address, plan.max_address,
						 pages * PAGE),
			  0);
}
END_TEST

START_TEST(only_the_same_vdso_fits)
{
	begin_case();
	add_shell_vdso(0x7ffff7fc0000);
	ck_assert(rf_plan_vdso_fits(&plan.image, &plan.vdso)); /* the image has none */
	add_image_vdso(0x7ffff7f00000);
	ck_assert(rf_plan_vdso_fits(&plan.image, &plan.vdso));
	plan.image.vdso.digest ^= 1;
	ck_assert(!rf_plan_vdso_fits(&plan.image, &plan.vdso));
	plan.image.vdso.digest ^= 1;
	plan.image.vdso.areas--;
	ck_assert(!rf_plan_vdso_fits(&plan.image, &plan.vdso));
	plan.image.vdso.areas++;
	plan.image.vdso_areas[0].end -= PAGE;
	ck_assert(!rf_plan_vdso_fits(&plan.image, &plan.vdso));
	plan.image.vdso_areas[0].end += PAGE;
	plan.image.vdso_areas[2].kind = RF_VDSO_DATA;
	ck_assert(!rf_plan_vdso_fits(&plan.image, &plan.vdso));
}
END_TEST

/* -- random cases -------------------------------------------------------------------------- */

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t mixed = state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

static uint64_t below(uint64_t limit)
{
	return draw() % limit;
}

/* Lays out one side within a window: pieces with or without gaps between them, and the vdso. */
static void draw_side(uint64_t base, uint64_t window_pages, bool is_shell, bool has_vdso)
{
	uint64_t at = base + below(4) * PAGE;
	uint64_t end = base + window_pages * PAGE;
	uint64_t vdso_turn = has_vdso ? below(10) : UINT64_MAX;
	bool is_vdso_placed = false;

	for (uint64_t turn = 0; at < end; turn++) {
		uint64_t pages = 1 + below(8);

		at += below(3) ? 0 : below(9) * PAGE;
		if (at + (pages + VDSO_PAGES) * PAGE > end)
			break;
		if (turn >= vdso_turn && !is_vdso_placed) {
			is_vdso_placed = true;
			(is_shell ? add_shell_vdso : add_image_vdso)(at);
			at += VDSO_PAGES * PAGE;
		}
		if ((is_shell ? plan.shell.count : plan.image.head.mappings) >= MAX_MAPPINGS - 8)
			break;
		if (is_shell)
			add_map(at, pages, RF_MAP_ANONYMOUS);
		else
			add_mapping(at, pages, (uint32_t)below(8));
		at += pages * PAGE;
	}
}

static void copy_shell(void)
{
	for (size_t i = 0; i < plan.shell.count; i++)
		if (plan.maps[i].kind == RF_MAP_ANONYMOUS)
			add_mapping(plan.maps[i].start,
				    (plan.maps[i].end - plan.maps[i].start) / PAGE, 3);
	if (plan.vdso.count)
		add_image_vdso(plan.vdso.areas[0].start);
}

static void draw_case(uint64_t base, uint64_t window_pages)
{
	do {
		begin_case();
		draw_side(base, window_pages, true, below(8));
		if (below(8))
			draw_side(base, window_pages, false, plan.vdso.count && below(8));
		else
			copy_shell();
	} while (!plan.image.head.mappings || !plan.shell.count ||
		 (plan.image.vdso.areas && !plan.vdso.count));
	if (below(2))
		add_map(VSYSCALL, 1, RF_MAP_KERNEL);
}

START_TEST(random_cases_end_as_planned)
{
	static const uint64_t bases[] = { MIN_ADDRESS, 0x555555554000, 0x7ffff7d00000 };

	for (uint64_t round = 0; round < ROUNDS; round++) {
		case_number = state = round;
		draw_case(bases[below(3)], 40 + below(100));
		place_and_carry_out();
	}
}
END_TEST

/* Whether so many pages in a row belong to nobody, page by page. */
static bool has_gap(uint64_t bytes)
{
	uint64_t run = 0;

	for (uint64_t at = plan.min_address; at < plan.max_address; at += PAGE) {
		bool is_taken = false;

		for (size_t i = 0; i < plan.shell.count && !is_taken; i++)
			is_taken = plan.maps[i].start <= at && at < plan.maps[i].end;
		for (uint32_t i = 0; i < plan.image.head.mappings && !is_taken; i++)
			is_taken = plan.mappings[i].start <= at && at < plan.mappings[i].end;
		for (uint32_t i = 0; i < plan.image.vdso.areas && !is_taken; i++)
			is_taken = plan.image.vdso_areas[i].start <= at &&
				   at < plan.image.vdso_areas[i].end;
		run = is_taken ? 0 : run + PAGE;
		if (run >= bytes)
			return true;
	}
	return false;
}

START_TEST(gap_is_missed_only_where_there_is_none)
{
	unsigned missed = 0;

	for (uint64_t round = 0; round < ROUNDS / 10; round++) {
		uint64_t bytes;
		int answer;

		case_number = state = round;
		draw_case(MIN_ADDRESS, 60 + below(60));
		/* an address space that ends soon behind what is taken */
		plan.max_address = plan.min_address + (130 + below(40)) * PAGE;
		answer = place();
		bytes = plan.places.region_bytes + plan.places.parking_bytes +
			plan.places.staging_bytes + 2 * PAGE;
		CHECK_CASE(answer == (has_gap(bytes) ? 0 : -ENOMEM));
		missed += answer != 0;
		if (answer == 0)
			carry_out();
	}
	ck_assert_uint_gt(missed, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan");
	TCase *tcase = tcase_create("plan");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60); /* with sanitizers */
	tcase_add_test(tcase, free_homes_are_used_at_once);
	tcase_add_test(tcase, total_collision_is_solved);
	tcase_add_test(tcase, steps_for_many_collisions_fit);
	tcase_add_test(tcase, vdso_and_mappings_may_change_places);
	tcase_add_test(tcase, vdso_moves_by_less_than_its_size);
	tcase_add_test(tcase, vdso_moves_once_where_its_home_is_free);
	tcase_add_test(tcase, vdso_waits_where_the_shell_is_at_its_home);
	tcase_add_test(tcase, vdso_goes_where_the_image_has_none);
	tcase_add_test(tcase, neighbours_of_the_shell_stay_whole);
	tcase_add_test(tcase, whole_address_space_can_be_used);
	tcase_add_loop_test(tcase, only_gap_is_found, 0, 3);
	tcase_add_loop_test(tcase, missing_gap_is_an_error, 0, 3);
	tcase_add_test(tcase, huge_mappings_keep_their_offset_within_huge_pages);
	tcase_add_test(tcase, cached_thread_id_is_renewed_only_where_there_is_one);
	tcase_add_test(tcase, thread_has_only_what_it_had);
	tcase_add_test(tcase, last_word_is_said_before_its_descriptor_is_closed);
	tcase_add_test(tcase, default_actions_cost_nothing);
	tcase_add_test(tcase, far_place_is_far_from_everything);
	tcase_add_test(tcase, only_the_same_vdso_fits);
	tcase_add_test(tcase, random_cases_end_as_planned);
	tcase_add_test(tcase, gap_is_missed_only_where_there_is_none);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
