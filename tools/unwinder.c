/* SPDX-License-Identifier: MIT */
/*
 * libunwind on an image.  Its own reader of cores stops where .eh_frame is in another segment than
 * the code; the search in a table that it also exports takes whatever our accessors read.  Called
 * by the backtrace.
 */
#define _GNU_SOURCE
#include "tools/unwinder.h"

#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "tools/frame_table.h"

/* Words that one step may read: hostile expressions may have loops.  A search in a table of a
 * million functions takes 40. */
#define MAX_WORDS_PER_STEP 20000u
#define MAX_TABLE_ENTRIES (16u << 20)
#define TABLE_ENTRY_BYTES 8u

/* Exported, and used so by perf, but in no header. */
int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t address,
				       unw_dyn_info_t *table, unw_proc_info_t *info,
				       int need_unwind_info, void *context);

/* Where libunwind believes that a table of our own lies: no process has memory there. */
#define OWN_TABLE UINT64_C(0xfff0000000000000)

struct rf_unwinder {
	struct rf_objects *objects;
	unw_addr_space_t space;
	const struct rf_image_thread *thread;
	unsigned words_left;
	const struct rf_object *table_of; /* whose table `table` is; NULL = none */
	struct rf_frame_table table;
};

/* -- call frame information ------------------------------------------------------------------- */

/* The head of .eh_frame_hdr, as every linker writes it: a table of 32-bit offsets from itself,
 * which can be searched. */
struct frame_header {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

#define ENCODING_UDATA4 0x03u
#define ENCODING_SDATA4 0x0bu
#define ENCODING_PCREL 0x10u
#define ENCODING_DATAREL 0x30u

static bool find_table(struct rf_unwinder *unwinder, const struct rf_object *object,
		       unw_dyn_info_t *table)
{
	struct frame_header header;

	if (!object->frame_header ||
	    !rf_image_memory_read(unwinder->objects->memory, object->frame_header, &header,
				  sizeof(header)) ||
	    header.version != 1 || header.frame_encoding != (ENCODING_PCREL | ENCODING_SDATA4) ||
	    header.count_encoding != ENCODING_UDATA4 ||
	    header.table_encoding != (ENCODING_DATAREL | ENCODING_SDATA4) || header.count == 0 ||
	    header.count > MAX_TABLE_ENTRIES)
		return false;
	*table = (unw_dyn_info_t){
		.start_ip = object->start,
		.end_ip = object->end,
		.format = UNW_INFO_FORMAT_REMOTE_TABLE,
	};
	table->u.rti.segbase = object->frame_header;
	table->u.rti.table_data = object->frame_header + sizeof(header);
	table->u.rti.table_len = header.count * TABLE_ENTRY_BYTES / sizeof(unw_word_t);
	return true;
}

/* The table that we make where there is none. */
static bool make_table(struct rf_unwinder *unwinder, const struct rf_object *object,
		       unw_dyn_info_t *table)
{
	if (object->frame_header)
		return false;
	if (unwinder->table_of != object) {
		rf_frame_table_release(&unwinder->table);
		if (rf_frame_table_read(&unwinder->table, unwinder->objects->memory, object) < 0)
			return false;
		unwinder->table_of = object;
	}
	*table = (unw_dyn_info_t){
		.start_ip = object->start,
		.end_ip = object->end,
		.format = UNW_INFO_FORMAT_REMOTE_TABLE,
	};
	table->u.rti.segbase = object->start;
	table->u.rti.table_data = OWN_TABLE;
	table->u.rti.table_len = unwinder->table.count * TABLE_ENTRY_BYTES / sizeof(unw_word_t);
	return unwinder->table.count > 0;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t address, unw_proc_info_t *info,
			  int need_unwind_info, void *context)
{
	struct rf_unwinder *unwinder = context;
	const struct rf_object *object = rf_objects_at(unwinder->objects, address);
	unw_dyn_info_t table;

	if (!object ||
	    (!find_table(unwinder, object, &table) && !make_table(unwinder, object, &table)))
		return -UNW_ENOINFO;
	return UNW_OBJ(dwarf_search_unwind_table)(space, address, &table, info, need_unwind_info,
						  context);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *context)
{
	(void)space, (void)info, (void)context;
}

static int get_dyn_info_list(unw_addr_space_t space, unw_word_t *list, void *context)
{
	(void)space, (void)list, (void)context;
	return -UNW_ENOINFO;
}

/* -- memory and registers --------------------------------------------------------------------- */

static int read_own_table(const struct rf_unwinder *unwinder, uint64_t offset, unw_word_t *word)
{
	const size_t bytes = unwinder->table.count * sizeof(*unwinder->table.entries);

	if (offset >= bytes || bytes - offset < sizeof(*word))
		return -UNW_EINVAL;
	memcpy(word, (const char *)unwinder->table.entries + offset, sizeof(*word));
	return 0;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *word, int write,
			 void *context)
{
	struct rf_unwinder *unwinder = context;

	(void)space;
	if (write || unwinder->words_left == 0)
		return -UNW_EINVAL;
	unwinder->words_left--;
	if (address >= OWN_TABLE)
		return read_own_table(unwinder, address - OWN_TABLE, word);
	return rf_image_memory_read(unwinder->objects->memory, address, word, sizeof(*word))
		       ? 0
		       : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *word, int write,
			   void *context)
{
	const struct rf_unwinder *unwinder = context;
	uint64_t value;

	(void)space;
	if (write || !rf_arch_dwarf_register(unwinder->thread, number, &value))
		return -UNW_EBADREG;
	*word = value;
	return 0;
}

static int access_float(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write,
			void *context)
{
	(void)space, (void)number, (void)value, (void)write, (void)context;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *context)
{
	(void)space, (void)cursor, (void)context;
	return -UNW_EINVAL;
}

/* -- walking ---------------------------------------------------------------------------------- */

struct rf_unwinder *rf_unwinder_new(struct rf_objects *objects)
{
	static unw_accessors_t accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = get_dyn_info_list,
		.access_mem = access_memory,
		.access_reg = access_register,
		.access_fpreg = access_float,
		.resume = resume,
	};
	struct rf_unwinder *unwinder = calloc(1, sizeof(*unwinder));

	if (!unwinder)
		return NULL;
	unwinder->objects = objects;
	unwinder->space = unw_create_addr_space(&accessors, 0);
	if (unwinder->space)
		return unwinder;
	free(unwinder);
	return NULL;
}

void rf_unwinder_free(struct rf_unwinder *unwinder)
{
	if (!unwinder)
		return;
	unw_destroy_addr_space(unwinder->space);
	rf_frame_table_release(&unwinder->table);
	free(unwinder);
}

/* libunwind tells it only of those that it passes without call frame information. */
static bool is_signal_return(struct rf_unwinder *unwinder, uint64_t address)
{
	unsigned char code[RF_ARCH_SIGNAL_RETURN_BYTES];

	return rf_image_memory_read(unwinder->objects->memory, address, code, sizeof(code)) &&
	       rf_arch_is_signal_return(code);
}

/* Whether there is a next frame, one that has not been met before. */
static bool take_frame(unw_cursor_t *cursor, struct rf_frame *frames, unsigned count)
{
	unw_word_t address, stack;

	if (unw_get_reg(cursor, UNW_REG_IP, &address) < 0 ||
	    unw_get_reg(cursor, UNW_REG_SP, &stack) < 0 || address == 0)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (frames[i].address == address && frames[i].stack == stack)
			return false;
	frames[count] = (struct rf_frame){ .address = address, .stack = stack };
	return true;
}

unsigned rf_unwinder_walk(struct rf_unwinder *unwinder, const struct rf_image_thread *thread,
			  struct rf_frame frames[RF_UNWINDER_MAX_FRAMES])
{
	unw_cursor_t cursor;
	unsigned count = 1;

	unwinder->thread = thread;
	unwinder->words_left = MAX_WORDS_PER_STEP;
	frames[0] = (struct rf_frame){
		.address = thread->registers.rip,
		.stack = thread->registers.rsp,
		.is_exact = true,
		.is_signal = is_signal_return(unwinder, thread->registers.rip),
	};
	if (unw_init_remote(&cursor, unwinder->space, unwinder) < 0)
		return count;
	while (count < RF_UNWINDER_MAX_FRAMES) {
		const struct rf_frame *last = &frames[count - 1];

		unwinder->words_left = MAX_WORDS_PER_STEP;
		if (unw_step(&cursor) <= 0 || !take_frame(&cursor, frames, count))
			break;
		/* what a signal has interrupted is where it was */
		frames[count].is_signal = is_signal_return(unwinder, frames[count].address);
		frames[count].is_exact = last->is_signal || frames[count].is_signal;
		count++;
	}
	return count;
}
