/* SPDX-License-Identifier: MIT */
/*
 * The records of attributes.  Called by snapshot.c and source_writer.c; apart from attributes.c,
 * for who restores an image writes none.
 */
#include "rfork/attributes.h"
#include "rfork/image_writer.h"

int rf_attributes_write_process(const struct rf_image_state *state, struct rf_image_writer *writer)
{
	struct iovec piece = { (void *)state, sizeof(*state) };

	return rf_image_write(writer, RF_RECORD_STATE, &piece, 1);
}

int rf_attributes_write_thread(const struct rf_thread_attributes *thread, uint32_t index,
			       struct rf_image_writer *writer)
{
	struct rf_image_thread_state state = thread->image;
	struct iovec pieces[] = {
		{ &state, sizeof(state) },
		{ (void *)thread->cpus, thread->image.cpu_bytes },
		{ (void *)thread->nodes, thread->image.node_bytes },
	};

	state.thread = index;
	return rf_image_write(writer, RF_RECORD_THREAD_STATE, pieces, 3);
}
