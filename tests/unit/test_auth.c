/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/auth.c: both sides over a socket pair, and each side against a peer that
 * does not keep to doc/protocol.txt, 3.
 */
#define _GNU_SOURCE
#include "rfork/auth.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/frame.h"
#include "rfork/io.h"

/* Ends a hanging test; nothing waits for it where the code is right. */
#define PATIENCE_MS 5000

static int ends[2]; /* 0 the caller, 1 the node */
static struct rf_key caller_key, node_key;
static struct rf_report caller_report, node_report;
static int node_result;
static const struct rf_machine_facts request = { .program = "caller" };

static void set_up(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	memset(&caller_report, 0, sizeof(caller_report));
	memset(&node_report, 0, sizeof(node_report));
	ck_assert_int_eq(rf_key_allocate(&caller_key, NULL), 0);
	ck_assert_int_eq(rf_key_allocate(&node_key, NULL), 0);
	memset(caller_key.bytes, 0x5a, RF_KEY_BYTES);
	memset(node_key.bytes, 0x5a, RF_KEY_BYTES);
}

static void tear_down(void)
{
	rf_key_wipe(&caller_key);
	rf_key_wipe(&node_key);
	close(ends[0]);
	close(ends[1]);
}

static void *run_node(void *unused)
{
	(void)unused;
	node_result =
		rf_auth_node(ends[1], &node_key, rf_io_deadline_ns(PATIENCE_MS), &node_report);
	if (node_result < 0)
		shutdown(ends[1], SHUT_RDWR);
	return NULL;
}

static int say_hello_and_prove(int fd, const struct rf_key *key, int64_t deadline_ns,
			       const char *peer_name, struct rf_report *report)
{
	struct rf_frame_hello hello;
	int error = rf_auth_hello(fd, &hello, deadline_ns, peer_name, report);

	return error < 0
		       ? error
		       : rf_auth_caller(fd, &hello, key, &request, deadline_ns, peer_name, report);
}

static int run_caller(void)
{
	return say_hello_and_prove(ends[0], &caller_key, rf_io_deadline_ns(PATIENCE_MS), "node7",
				   &caller_report);
}

static void start_node(pthread_t *thread)
{
	ck_assert_int_eq(pthread_create(thread, NULL, run_node, NULL), 0);
}

static void join_node(pthread_t thread)
{
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(equal_keys_prove_themselves)
{
	struct rf_machine_facts received;
	pthread_t node;
	char byte;

	start_node(&node);
	ck_assert_int_eq(run_caller(), 0);
	join_node(node);
	ck_assert_int_eq(node_result, 0);
	/* Neither side has taken or left a byte of what follows. */
	ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(rf_frame_expect(ends[1], RF_FRAME_REQUEST, &received, sizeof(received),
					 rf_io_deadline_ns(PATIENCE_MS), "the caller",
					 &node_report),
			 0);
	ck_assert_mem_eq(&received, &request, sizeof(request));
	ck_assert_int_eq(recv(ends[1], &byte, 1, MSG_DONTWAIT), -1);
}
END_TEST

START_TEST(caller_tells_a_wrong_node_nothing)
{
	pthread_t node;

	node_key.bytes[31] ^= 1;
	start_node(&node);
	ck_assert_int_eq(run_caller(), -EKEYREJECTED);
	ck_assert_ptr_nonnull(strstr(caller_report.sentence, "node7"));
	shutdown(ends[0], SHUT_WR);
	join_node(node);
	/* The node saw HELLO and then the end of the stream: no proof, not even a wrong one. */
	ck_assert_int_eq(node_result, -ECONNRESET);
}
END_TEST

/* Plays a caller up to the challenge. */
static void greet(struct rf_frame_hello *hello, struct rf_frame_challenge *challenge)
{
	memset(hello, 0, sizeof(*hello));
	memcpy(hello->magic, RF_PROTOCOL_MAGIC, sizeof(hello->magic));
	hello->version_min = 1;
	hello->version_max = 3;
	ck_assert_int_eq(rf_frame_send(ends[0], RF_FRAME_HELLO, 0, 0, hello, sizeof(*hello),
				       RF_NO_DEADLINE),
			 0);
	ck_assert_int_eq(rf_frame_expect(ends[0], RF_FRAME_CHALLENGE, challenge, sizeof(*challenge),
					 rf_io_deadline_ns(PATIENCE_MS), "node7", &caller_report),
			 0);
}

static int refused_with(void)
{
	struct rf_frame_running nothing;

	return rf_frame_expect(ends[0], RF_FRAME_RUNNING, &nothing, sizeof(nothing),
			       rf_io_deadline_ns(PATIENCE_MS), "node7", &caller_report);
}

START_TEST(proofs_are_those_of_the_protocol)
{
	unsigned char text[18 + 48 + 72];
	struct rf_frame_challenge challenge;
	struct rf_frame_hello hello;
	struct rf_frame_proof proof;
	pthread_t node;

	start_node(&node);
	greet(&hello, &challenge);
	ck_assert_int_eq(challenge.version, 1);
	memcpy(text, "rfork node proof", 16);
	memcpy(text + 16, &hello, 48);
	memcpy(text + 64, &challenge, 40);
	ck_assert_int_eq(crypto_auth_verify(challenge.proof, text, 104, node_key.bytes), 0);
	memcpy(text, "rfork caller proof", 18);
	memcpy(text + 18, &hello, 48);
	memcpy(text + 66, &challenge, 72);
	crypto_auth(proof.proof, text, sizeof(text), caller_key.bytes);
	ck_assert_int_eq(rf_frame_send(ends[0], RF_FRAME_PROOF, 0, 0, &proof, sizeof(proof),
				       RF_NO_DEADLINE),
			 0);
	join_node(node);
	ck_assert_int_eq(node_result, 0);
}
END_TEST

START_TEST(node_refuses_a_wrong_proof)
{
	struct rf_frame_challenge challenge;
	struct rf_frame_hello hello;
	struct rf_frame_proof proof;
	pthread_t node;

	start_node(&node);
	greet(&hello, &challenge);
	/* The node's own proof, sent back. */
	memcpy(proof.proof, challenge.proof, sizeof(proof.proof));
	ck_assert_int_eq(rf_frame_send(ends[0], RF_FRAME_PROOF, 0, 0, &proof, sizeof(proof),
				       RF_NO_DEADLINE),
			 0);
	ck_assert_int_eq(refused_with(), -EKEYREJECTED);
	join_node(node);
	ck_assert_int_eq(node_result, -EKEYREJECTED);
}
END_TEST

START_TEST(node_refuses_versions_that_it_does_not_speak)
{
	static const uint16_t ranges[][2] = { { 2, 9 }, { 0, 0 } };

	for (size_t i = 0; i < 2; i++) {
		struct rf_frame_hello hello = { .version_min = ranges[i][0],
						.version_max = ranges[i][1] };
		pthread_t node;

		memcpy(hello.magic, RF_PROTOCOL_MAGIC, sizeof(hello.magic));
		start_node(&node);
		ck_assert_int_eq(rf_frame_send(ends[0], RF_FRAME_HELLO, 0, 0, &hello, sizeof(hello),
					       RF_NO_DEADLINE),
				 0);
		ck_assert_int_eq(refused_with(), -EPROTONOSUPPORT);
		join_node(node);
		ck_assert_int_eq(node_result, -EPROTONOSUPPORT);
		tear_down();
		set_up();
	}
}
END_TEST

START_TEST(node_refuses_what_is_no_greeting)
{
	struct rf_frame_hello hello = { .magic = "RFORK\r\n", .version_max = 1 };
	pthread_t node;

	start_node(&node);
	ck_assert_int_eq(rf_frame_send(ends[0], RF_FRAME_HELLO, 0, 0, &hello, sizeof(hello),
				       RF_NO_DEADLINE),
			 0);
	ck_assert_int_eq(refused_with(), -EBADMSG);
	join_node(node);
	ck_assert_int_eq(node_result, -EBADMSG);
}
END_TEST

/* Plays a node with the right key that chooses a version. */
static void *answer_with_version(void *version)
{
	static const char label[] = "rfork node proof";
	struct rf_frame_challenge challenge = { .version = *(uint16_t *)version };
	unsigned char text[16 + 48 + 40];
	struct rf_frame_hello hello;

	if (rf_frame_expect(ends[1], RF_FRAME_HELLO, &hello, sizeof(hello),
			    rf_io_deadline_ns(PATIENCE_MS), "caller", &node_report) < 0)
		return NULL;
	memcpy(text, label, 16);
	memcpy(text + 16, &hello, 48);
	memcpy(text + 64, &challenge, 40);
	crypto_auth(challenge.proof, text, sizeof(text), node_key.bytes);
	node_result = rf_frame_send(ends[1], RF_FRAME_CHALLENGE, 0, 0, &challenge,
				    sizeof(challenge), RF_NO_DEADLINE);
	return NULL;
}

START_TEST(caller_refuses_a_version_that_it_did_not_offer)
{
	uint16_t version = RF_PROTOCOL_VERSION + 1;
	pthread_t node;

	ck_assert_int_eq(pthread_create(&node, NULL, answer_with_version, &version), 0);
	ck_assert_int_eq(run_caller(), -EPROTONOSUPPORT);
	join_node(node);
	ck_assert_int_eq(node_result, 0);
}
END_TEST

START_TEST(silent_peers_end_at_the_deadline)
{
	ck_assert_int_eq(say_hello_and_prove(ends[0], &caller_key, rf_io_deadline_ns(20), "node7",
					     &caller_report),
			 -ETIMEDOUT);
	tear_down();
	set_up();
	ck_assert_int_eq(rf_auth_node(ends[1], &node_key, rf_io_deadline_ns(20), &node_report),
			 -ETIMEDOUT);
}
END_TEST

START_TEST(challenges_are_never_the_same)
{
	struct rf_frame_challenge first, second;
	struct rf_frame_hello hello;
	pthread_t node;

	start_node(&node);
	greet(&hello, &first);
	shutdown(ends[0], SHUT_WR);
	join_node(node);
	tear_down();
	set_up();
	start_node(&node);
	greet(&hello, &second);
	shutdown(ends[0], SHUT_WR);
	join_node(node);
	ck_assert_mem_ne(first.nonce, second.nonce, sizeof(first.nonce));
	ck_assert_mem_ne(first.proof, second.proof, sizeof(first.proof));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth");
	TCase *tcase = tcase_create("auth");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, equal_keys_prove_themselves);
	tcase_add_test(tcase, caller_tells_a_wrong_node_nothing);
	tcase_add_test(tcase, proofs_are_those_of_the_protocol);
	tcase_add_test(tcase, node_refuses_a_wrong_proof);
	tcase_add_test(tcase, node_refuses_versions_that_it_does_not_speak);
	tcase_add_test(tcase, node_refuses_what_is_no_greeting);
	tcase_add_test(tcase, caller_refuses_a_version_that_it_did_not_offer);
	tcase_add_test(tcase, silent_peers_end_at_the_deadline);
	tcase_add_test(tcase, challenges_are_never_the_same);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
