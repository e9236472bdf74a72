/* SPDX-License-Identifier: MIT */
/*
 * Frames of a connection: header and payload in one system call.  Called by the
 * caller's side, the ghost, the session and the shell.
 */
#define _GNU_SOURCE
#include "rfork/frame.h"

#include <errno.h>
#include <string.h>

#include "rfork/io.h"

/* Within this time the answers of a handshake come. */
#define ANSWER_NS 60000

_Static_assert(RF_REPORT_BYTES <= RF_REFUSAL_MAX_BYTES, "every report fits in a REFUSED frame");

int rf_frame_send(int fd, enum rf_frame_type type, unsigned flags, unsigned channel,
		  const void *payload, size_t bytes, int64_t deadline_ns)
{
	struct rf_frame_header header = { .type = (uint8_t)type,
					  .flags = (uint8_t)flags,
					  .channel = (uint16_t)channel,
					  .length_bytes = (uint32_t)bytes };
	struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)payload, bytes } };

	if (bytes > RF_FRAME_MAX_BYTES)
		return -EMSGSIZE;
	return rf_io_writev_full(fd, iov, bytes ? 2 : 1, deadline_ns);
}

int rf_frame_send_two(int fd, const struct rf_frame_out *first, const struct rf_frame_out *second,
		      int64_t deadline_ns)
{
	struct rf_frame_header headers[2] = {
		{ .type = (uint8_t)first->type, .length_bytes = (uint32_t)first->bytes },
		{ .type = (uint8_t)second->type, .length_bytes = (uint32_t)second->bytes },
	};
	struct iovec iov[4] = { { &headers[0], sizeof(headers[0]) },
				{ (void *)first->payload, first->bytes },
				{ &headers[1], sizeof(headers[1]) },
				{ (void *)second->payload, second->bytes } };

	if (first->bytes > RF_FRAME_MAX_BYTES || second->bytes > RF_FRAME_MAX_BYTES)
		return -EMSGSIZE;
	return rf_io_writev_full(fd, iov, 4, deadline_ns);
}

int rf_frame_receive(int fd, struct rf_frame_header *header, void *payload, size_t bytes,
		     int64_t deadline_ns)
{
	int error;

	rf_io_spin(fd, ANSWER_NS);
	error = rf_io_read_full(fd, header, sizeof(*header), deadline_ns);
	if (error < 0)
		return error;
	if (header->length_bytes > RF_FRAME_MAX_BYTES || header->length_bytes > bytes)
		return -EBADMSG;
	return rf_io_read_full(fd, payload, header->length_bytes, deadline_ns);
}

int rf_frame_refused(const void *payload, size_t bytes, struct rf_report *report)
{
	struct rf_frame_refused refused;
	struct rf_report received = { 0 };

	if (bytes <= sizeof(refused) || bytes > sizeof(refused) + RF_REFUSAL_MAX_BYTES)
		return rf_report(report, EBADMSG, "the node sent a malformed refusal");
	memcpy(&refused, payload, sizeof(refused));
	bytes -= sizeof(refused);
	if (bytes >= sizeof(received.sentence))
		bytes = sizeof(received.sentence) - 1;
	memcpy(received.sentence, (const char *)payload + sizeof(refused), bytes);
	received.error = refused.error > 0 && refused.error < 4096 ? refused.error : EBADMSG;
	rf_report_sanitize(&received);
	return rf_report(report, received.error, "%s", received.sentence);
}

static int report_failure(struct rf_report *report, int error, const char *peer)
{
	switch (-error) {
	case ETIMEDOUT:
		return rf_report(report, ETIMEDOUT, "%s did not answer in time", peer);
	case ECONNRESET:
	case EPIPE:
		return rf_report(report, ECONNRESET, "%s closed the connection", peer);
	case EBADMSG:
		return rf_report(report, EBADMSG, "%s sent a malformed frame", peer);
	}
	return rf_report(report, -error, "connection to %s: %m", peer);
}

int rf_frame_expect(int fd, enum rf_frame_type type, void *payload, size_t bytes,
		    int64_t deadline_ns, const char *peer, struct rf_report *report)
{
	union {
		char bytes[sizeof(struct rf_frame_refused) + RF_REFUSAL_MAX_BYTES];
		struct rf_frame_refused refused;
	} refusal;
	struct rf_frame_header header;
	int error;

	rf_io_spin(fd, ANSWER_NS);
	error = rf_io_read_full(fd, &header, sizeof(header), deadline_ns);
	if (error < 0)
		return report_failure(report, error, peer);
	if (header.type == RF_FRAME_REFUSED && header.length_bytes <= sizeof(refusal)) {
		error = rf_io_read_full(fd, &refusal, header.length_bytes, deadline_ns);
		if (error < 0)
			return report_failure(report, error, peer);
		return rf_frame_refused(&refusal, header.length_bytes, report);
	}
	if (header.type != type || header.flags || header.channel || header.length_bytes != bytes)
		return report_failure(report, -EBADMSG, peer);
	error = rf_io_read_full(fd, payload, bytes, deadline_ns);
	return error < 0 ? report_failure(report, error, peer) : 0;
}

int rf_frame_refuse(int fd, const struct rf_report *report, unsigned flags, int64_t deadline_ns)
{
	struct {
		int32_t error;
		char sentence[RF_REPORT_BYTES];
	} payload = { .error = report->error ? report->error : EBADMSG };
	const char *sentence = report->sentence[0] ? report->sentence : "refused";
	size_t bytes = strlen(sentence);

	memcpy(payload.sentence, sentence, bytes);
	return rf_frame_send(fd, RF_FRAME_REFUSED, flags, 0, &payload,
			     sizeof(payload.error) + bytes, deadline_ns);
}
