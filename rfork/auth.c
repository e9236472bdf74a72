/* SPDX-License-Identifier: MIT */
/*
 * HELLO, CHALLENGE and PROOF.  Called by rfork() (caller) and by a session (node); must
 * not send anything to a peer that failed to prove itself, but the node's REFUSED.
 */
#define _GNU_SOURCE
#include "rfork/auth.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "rfork/frame.h"
#include "rfork/io.h"

_Static_assert(crypto_auth_KEYBYTES == RF_KEY_BYTES, "doc/protocol.txt, 3");
_Static_assert(crypto_auth_BYTES == RF_PROOF_BYTES, "doc/protocol.txt, 3");

/* A refusal must not hold a session long if the peer does not read. */
#define REFUSAL_TIMEOUT_MS 1000

static const char node_label[] = "rfork node proof";
static const char caller_label[] = "rfork caller proof";

static int fill_nonce(uint8_t nonce[RF_NONCE_BYTES], struct rf_report *report)
{
	size_t used = 0;

	while (used < RF_NONCE_BYTES) {
		ssize_t got = getrandom(nonce + used, RF_NONCE_BYTES - used, 0);

		if (got < 0 && errno != EINTR)
			return rf_report(report, errno, "random numbers: %m");
		if (got > 0)
			used += (size_t)got;
	}
	return 0;
}

/* crypto_auth over label || HELLO || the first challenge_bytes of CHALLENGE. */
static void make_proof(uint8_t proof[RF_PROOF_BYTES], const char *label,
		       const struct rf_frame_hello *hello,
		       const struct rf_frame_challenge *challenge, size_t challenge_bytes,
		       const struct rf_key *key)
{
	unsigned char text[sizeof(caller_label) + sizeof(*hello) + sizeof(*challenge)];
	size_t used = strlen(label);

	memcpy(text, label, used);
	memcpy(text + used, hello, sizeof(*hello));
	used += sizeof(*hello);
	memcpy(text + used, challenge, challenge_bytes);
	used += challenge_bytes;
	crypto_auth(proof, text, used, key->bytes);
}

static void make_node_proof(uint8_t proof[RF_PROOF_BYTES], const struct rf_frame_hello *hello,
			    const struct rf_frame_challenge *challenge, const struct rf_key *key)
{
	make_proof(proof, node_label, hello, challenge, offsetof(struct rf_frame_challenge, proof),
		   key);
}

static void make_caller_proof(uint8_t proof[RF_PROOF_BYTES], const struct rf_frame_hello *hello,
			      const struct rf_frame_challenge *challenge, const struct rf_key *key)
{
	make_proof(proof, caller_label, hello, challenge, sizeof(*challenge), key);
}

static int report_sending(struct rf_report *report, int error, const char *peer_name)
{
	if (error == -EPIPE || error == -ECONNRESET)
		return rf_report(report, ECONNRESET, "%s closed the connection", peer_name);
	if (error == -ETIMEDOUT)
		return rf_report(report, ETIMEDOUT, "%s did not answer in time", peer_name);
	return rf_report(report, -error, "connection to %s: %m", peer_name);
}

static int check_challenge(const struct rf_frame_hello *hello,
			   const struct rf_frame_challenge *challenge, const struct rf_key *key,
			   const char *peer_name, struct rf_report *report)
{
	uint8_t expected[RF_PROOF_BYTES];

	/* The proof comes first: an impostor gets no say in what the sentence is. */
	make_node_proof(expected, hello, challenge, key);
	if (sodium_memcmp(expected, challenge->proof, sizeof(expected)) != 0)
		return rf_report(report, EKEYREJECTED, "%s does not have our key", peer_name);
	if (challenge->version < hello->version_min || challenge->version > hello->version_max)
		return rf_report(report, EPROTONOSUPPORT,
				 "%s chose protocol version %u; this side speaks %u to %u",
				 peer_name, (unsigned)challenge->version,
				 (unsigned)hello->version_min, (unsigned)hello->version_max);
	if (challenge->reserved1 || challenge->reserved2)
		return rf_report(report, EBADMSG, "%s sent a malformed challenge", peer_name);
	return 0;
}

int rf_auth_hello(int fd, struct rf_frame_hello *hello, int64_t deadline_ns, const char *peer_name,
		  struct rf_report *report)
{
	int error;

	*hello = (struct rf_frame_hello){ .version_min = RF_PROTOCOL_VERSION,
					  .version_max = RF_PROTOCOL_VERSION };
	error = fill_nonce(hello->nonce, report);
	if (error < 0)
		return error;
	memcpy(hello->magic, RF_PROTOCOL_MAGIC, sizeof(hello->magic));
	error = rf_frame_send(fd, RF_FRAME_HELLO, 0, 0, hello, sizeof(*hello), deadline_ns);
	return error < 0 ? report_sending(report, error, peer_name) : 0;
}

int rf_auth_caller(int fd, const struct rf_frame_hello *hello, const struct rf_key *key,
		   const struct rf_machine_facts *request, int64_t deadline_ns,
		   const char *peer_name, struct rf_report *report)
{
	struct rf_frame_challenge challenge;
	struct rf_frame_proof proof;
	const struct rf_frame_out frames[] = {
		{ RF_FRAME_PROOF, &proof, sizeof(proof) },
		{ RF_FRAME_REQUEST, request, sizeof(*request) },
	};
	int error;

	error = rf_frame_expect(fd, RF_FRAME_CHALLENGE, &challenge, sizeof(challenge), deadline_ns,
				peer_name, report);
	if (error < 0)
		return error;
	error = check_challenge(hello, &challenge, key, peer_name, report);
	if (error < 0)
		return error;
	make_caller_proof(proof.proof, hello, &challenge, key);
	error = rf_frame_send_two(fd, &frames[0], &frames[1], deadline_ns);
	/* a node that has refused closes, but its sentence may still be read */
	if (error == -EPIPE || error == -ECONNRESET)
		return 0;
	return error < 0 ? report_sending(report, error, peer_name) : 0;
}

/* The peer may be gone or slow; the sentence is in our own report in any case. */
static int refuse(int fd, const struct rf_report *report)
{
	(void)rf_frame_refuse(fd, report, 0, rf_io_deadline_ns(REFUSAL_TIMEOUT_MS));
	return -report->error;
}

static int check_hello(const struct rf_frame_hello *hello, struct rf_report *report)
{
	if (memcmp(hello->magic, RF_PROTOCOL_MAGIC, sizeof(hello->magic)) != 0)
		return rf_report(report, EBADMSG, "the connection does not speak rfork");
	if (hello->version_min > hello->version_max)
		return rf_report(report, EBADMSG, "the caller sent a malformed greeting");
	if (hello->version_min > RF_PROTOCOL_VERSION || hello->version_max < RF_PROTOCOL_VERSION)
		return rf_report(report, EPROTONOSUPPORT,
				 "the caller speaks protocol version %u to %u, the node %u",
				 (unsigned)hello->version_min, (unsigned)hello->version_max,
				 (unsigned)RF_PROTOCOL_VERSION);
	return 0;
}

int rf_auth_node(int fd, const struct rf_key *key, int64_t deadline_ns, struct rf_report *report)
{
	static const char peer_name[] = "the caller";
	struct rf_frame_hello hello;
	struct rf_frame_challenge challenge = { .version = RF_PROTOCOL_VERSION };
	struct rf_frame_proof proof;
	uint8_t expected[RF_PROOF_BYTES];
	int error = rf_frame_expect(fd, RF_FRAME_HELLO, &hello, sizeof(hello), deadline_ns,
				    peer_name, report);

	if (error == 0)
		error = check_hello(&hello, report);
	if (error == 0)
		error = fill_nonce(challenge.nonce, report);
	if (error < 0)
		return error == -ECONNRESET ? error : refuse(fd, report);
	make_node_proof(challenge.proof, &hello, &challenge, key);
	error = rf_frame_send(fd, RF_FRAME_CHALLENGE, 0, 0, &challenge, sizeof(challenge),
			      deadline_ns);
	if (error < 0)
		return report_sending(report, error, peer_name);
	error = rf_frame_expect(fd, RF_FRAME_PROOF, &proof, sizeof(proof), deadline_ns, peer_name,
				report);
	if (error < 0)
		return error == -ECONNRESET ? error : refuse(fd, report);
	make_caller_proof(expected, &hello, &challenge, key);
	if (sodium_memcmp(expected, proof.proof, sizeof(expected)) != 0) {
		rf_report(report, EKEYREJECTED, "the caller does not have the node's key");
		return refuse(fd, report);
	}
	return 0;
}
