/* SPDX-License-Identifier: MIT */
/*
 * READs: posted for the pieces of a record, by each queue pair in turn, and taken when they are
 * completed.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "server/road.h"

#define COMPLETIONS 32

static struct rf_road_piece *find_free_piece(struct rf_road *road)
{
	for (uint32_t i = 0; i < RF_ROAD_PIECES; i++)
		if (!road->pieces[i].record)
			return &road->pieces[i];
	return NULL;
}

/* The next connection that may have one READ more; NULL if none may. */
static struct rf_road_connection *find_connection(struct rf_road *road)
{
	for (uint32_t i = 0; i < road->where.connections; i++) {
		struct rf_road_connection *connection =
			&road->connections[(road->next_connection + i) % road->where.connections];

		if (connection->reads < road->reads_per_connection) {
			road->next_connection = (uint32_t)(connection - road->connections) + 1;
			return connection;
		}
	}
	return NULL;
}

static int post(struct rf_road *road, const struct rf_road_piece *piece, uint64_t address)
{
	const struct rf_image_remote_pages *head = &piece->record->pages.head.remote;
	const struct ibv_mr *region = piece->region ? piece->region : road->bounce.region;
	struct ibv_sge place = { .addr = address, .length = piece->bytes, .lkey = region->lkey };
	struct ibv_send_wr request = {
		.wr_id = (uint64_t)(piece - road->pieces),
		.sg_list = &place,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = head->remote_address + piece->offset,
			     .rkey = head->remote_key },
	};
	struct ibv_send_wr *failed;

	return -ibv_post_send(piece->connection->id->qp, &request, &failed);
}

int rf_road_read_piece(struct rf_road *road, struct rf_road_record *record, uint64_t offset)
{
	struct rf_road_piece *piece = find_free_piece(road);
	struct rf_road_connection *connection = piece ? find_connection(road) : NULL;
	uint64_t address = 0;
	int error;

	if (!connection)
		return -EAGAIN;
	*piece = (struct rf_road_piece){ .record = record,
					 .connection = connection,
					 .offset = offset };
	error = rf_road_take_memory(road, piece, &address);
	if (error == 0 && (error = post(road, piece, address)) < 0) {
		rf_road_lose(road, -error, "reading pages by RDMA: %m");
		rf_road_give_memory(road, piece, false);
		error = 0;
	} else if (error == 0) {
		connection->reads++;
		record->pieces++;
		return (int)piece->bytes;
	}
	piece->record = NULL;
	return error;
}

int rf_road_finish_record(struct rf_road *road, struct rf_road_record *record)
{
	if (!record->is_posted || record->pieces)
		return 0;
	if (rf_page_record_digest(&record->pages) != record->pages.payload_digest)
		return rf_report(&road->shell->report, EBADMSG,
				 "the image is corrupt: record %lu, the pages' digest is wrong",
				 record->pages.sequence);
	record->is_done = true;
	return 0;
}

static int name_error(enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_RETRY_EXC_ERR:
	case IBV_WC_RNR_RETRY_EXC_ERR:
	case IBV_WC_RESP_TIMEOUT_ERR:
		return ETIMEDOUT;
	case IBV_WC_REM_ACCESS_ERR:
	case IBV_WC_REM_INV_REQ_ERR:
	case IBV_WC_LOC_PROT_ERR:
		return EACCES;
	case IBV_WC_WR_FLUSH_ERR:
	case IBV_WC_REM_ABORT_ERR:
		return ECONNRESET;
	default:
		return EIO;
	}
}

static int take_completion(struct rf_road *road, const struct ibv_wc *completion)
{
	struct rf_road_piece *piece = &road->pieces[completion->wr_id];
	struct rf_road_record *record = piece->record;
	bool is_good = completion->status == IBV_WC_SUCCESS;
	int error;

	if (!is_good)
		rf_road_lose(road, name_error(completion->status),
			     "reading %u bytes of pages by RDMA: %s", piece->bytes,
			     ibv_wc_status_str(completion->status));
	error = rf_road_give_memory(road, piece, is_good);
	piece->record = NULL;
	piece->connection->reads--;
	record->pieces--;
	/* of a lost road nothing more is taken: the ghost sends it again */
	return error < 0 || rf_road_is_lost(road) ? error : rf_road_finish_record(road, record);
}

int rf_road_complete(struct rf_road *road)
{
	struct ibv_wc completions[COMPLETIONS];
	int count = ibv_poll_cq(road->queue, COMPLETIONS, completions);
	int error = 0;

	if (count < 0) {
		rf_road_lose(road, EIO, "the queue of completed READs: %m");
		return 0;
	}
	for (int i = 0; i < count && error == 0; i++)
		error = take_completion(road, &completions[i]);
	return error < 0 ? error : count > 0;
}
