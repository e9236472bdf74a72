/* SPDX-License-Identifier: MIT */
/*
 * The frames of a connection, as doc/protocol.txt defines them.  Structs are the
 * bytes on the wire: little-endian, naturally aligned, without padding.
 */
#ifndef RF_PROTOCOL_H
#define RF_PROTOCOL_H

#include <stdint.h>

#include "rfork/image_format.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the protocol is little-endian");

#define RF_PROTOCOL_MAGIC "RFORK\r\n\x1a"
#define RF_PROTOCOL_VERSION 1

#define RF_FRAME_MAX_BYTES 65536u
#define RF_REFUSAL_MAX_BYTES 1000u
#define RF_KEY_BYTES 32
#define RF_NONCE_BYTES 32
#define RF_PROOF_BYTES 32
#define RF_AUTHENTICATION_TIMEOUT_MS 10000

#define RF_CHANNELS_MAX RF_IMAGE_MAX_CHANNELS
#define RF_CHANNELS_STANDARD RF_IMAGE_STANDARD_CHANNELS /* standard input, output and error */
#define RF_CHANNEL_TERMINAL RF_IMAGE_TERMINAL_CHANNEL
#define RF_CHANNEL_CREDIT_BYTES 262144u /* from the node to the ghost */
#define RF_CHANNEL_AHEAD_BYTES 65536u	/* from the ghost to the node */
#define RF_TERMINAL_AHEAD_BYTES 4095u	/* likewise, of a terminal: a full line */
#define RF_MESSAGE_MAX_BYTES 1048576u
#define RF_MESSAGE_PEER_BYTES 4u     /* the correspondent, u32, before the bytes */
#define RF_MESSAGE_CREDIT_BYTES 512u /* what a message costs besides its bytes */
/* The ghost gives credit back in pieces, and may keep back less than one. */
#define RF_CREDIT_PIECE_BYTES (RF_CHANNEL_CREDIT_BYTES / 4)
#define RF_MESSAGE_COST_MAX_BYTES (RF_CHANNEL_CREDIT_BYTES - RF_CREDIT_PIECE_BYTES)
#define RF_CHANNEL_AHEAD_MAX_BYTES 1048576u /* the same, after AHEAD */

enum rf_frame_type {
	RF_FRAME_HELLO = 1,
	RF_FRAME_CHALLENGE = 2,
	RF_FRAME_PROOF = 3,
	RF_FRAME_REQUEST = 4,
	RF_FRAME_WELCOME = 5,
	RF_FRAME_REFUSED = 6,
	RF_FRAME_NEED = 7,
	RF_FRAME_RUNNING = 8,
	RF_FRAME_DATA = 9,
	RF_FRAME_EOF = 10,
	RF_FRAME_WINDOW = 11,
	RF_FRAME_EXITED = 12,
	RF_FRAME_SIGNAL = 13,
	RF_FRAME_STOPPED = 14,
	RF_FRAME_CONTINUED = 15,
	RF_FRAME_PING = 16,
	RF_FRAME_PONG = 17,
	RF_FRAME_CONSUMED = 18,
	RF_FRAME_NO_READER = 19,
	RF_FRAME_DETACH = 20,
	RF_FRAME_DETACHED = 21,
	RF_FRAME_TERMINAL = 22,
	RF_FRAME_MODE = 23,
	RF_FRAME_ASK = 24,
	RF_FRAME_TAKE = 25,
	RF_FRAME_MESSAGE = 26,
	RF_FRAME_CONNECTION = 27,
	RF_FRAME_CLOSED = 28,
	RF_FRAME_GO = 30,
	RF_FRAME_AHEAD = 29,
	RF_FRAME_ROAD = 31,
	RF_FRAME_TAKEN = 32,
	RF_FRAME_CHECKED = 33,
};

#define RF_NEED_LAST 1u
#define RF_NEED_CONTENT 0x80000000u /* in an index: that of an OBJECT, not of a mapping */
#define RF_REFUSED_MORE 1u
#define RF_RUNNING_WAITS 1u
#define RF_RUNNING_EXPECTS 2u
#define RF_EOF_SHUTDOWN 1u
#define RF_EXITED_STAYS 1u
#define RF_MESSAGE_MORE 1u

struct rf_frame_header {
	uint8_t type;
	uint8_t flags;
	uint16_t channel;
	uint32_t length_bytes;
};

struct rf_frame_hello {
	char magic[8];
	uint16_t version_min, version_max;
	uint32_t reserved;
	uint8_t nonce[RF_NONCE_BYTES];
};

struct rf_frame_challenge {
	uint16_t version, reserved1;
	uint32_t reserved2;
	uint8_t nonce[RF_NONCE_BYTES];
	uint8_t proof[RF_PROOF_BYTES];
};

struct rf_frame_proof {
	uint8_t proof[RF_PROOF_BYTES];
};

#define RF_CPU_WORDS 16

/* REQUEST: the caller has a terminal, and TERMINAL follows.  WELCOME: the child gets one. */
#define RF_FACTS_TERMINAL 1u
#define RF_FACTS_RDMA 2u
#define RF_FACTS_LZ4 4u /* REQUEST: pages may be packed so.  WELCOME: they can be unpacked */
#define RF_FACTS_ZSTD 8u
/* REQUEST: the node is only asked. */
#define RF_FACTS_CHECK 16u

/* What must fit together before an image may move: payload of REQUEST and WELCOME. */
struct rf_machine_facts {
	uint32_t architecture;
	uint32_t page_bytes;
	uint8_t boot_id[16];
	uint64_t xcr0;
	uint32_t xsave_bytes;
	uint32_t cpu_words;
	uint32_t cpu[RF_CPU_WORDS];
	uint64_t vdso_digest;
	uint32_t vdso_pages;
	uint32_t vvar_pages;
	char kernel_release[64];
	char host_name[64];
	uint64_t min_address;
	uint64_t max_address;
	char program[44]; /* WELCOME: struct rf_rights */
	uint32_t flags;	  /* RF_FACTS_* */
};

/* What a child on the node would have.  A mask has bit N for capability N. */
struct rf_rights {
	uint64_t root_device, root_inode; /* of its root directory */
	uint64_t permitted, bounding;
	uint32_t user_namespace; /* its inode, which they are of; 0 = unknown */
	uint32_t securebits;
};

/* As struct termios2 of the kernel. */
struct rf_terminal_mode {
	uint32_t input, output, control, local; /* c_iflag and so on */
	uint8_t line;
	uint8_t characters[19];
	uint32_t input_speed, output_speed;
};

struct rf_terminal_size {
	uint16_t rows, columns, width_pixels, height_pixels;
};

#define RF_TERMINAL_FOREGROUND 1u  /* the ghost's process group may read it */
#define RF_TERMINAL_READY 2u	   /* there is something to read, and it may be taken */
#define RF_TERMINAL_ANSWER 4u	   /* to ASK */
#define RF_TERMINAL_END_OF_FILE 8u /* what TAKE took was an end of file */
#define RF_TERMINAL_KNOWN_FLAGS 15u

struct rf_frame_terminal {
	uint32_t flags;
	uint32_t number; /* of the last MODE that has been received */
	struct rf_terminal_size size;
	struct rf_terminal_mode mode;
	uint32_t reserved;
};

#define RF_MODE_CHANGED 1u     /* mode is the child's wish */
#define RF_MODE_FLUSH_INPUT 2u /* what is typed ahead is to be dropped */
#define RF_MODE_KNOWN_FLAGS 3u

struct rf_frame_mode {
	uint32_t flags;
	uint32_t number; /* counts the MODE frames, from 1 on */
	struct rf_terminal_mode mode;
};

struct rf_frame_ask {
	uint32_t signal; /* by which the child was stopped: SIGTTIN or SIGTTOU */
};

struct rf_frame_refused {
	int32_t error;
	char sentence[]; /* 1 to RF_REFUSAL_MAX_BYTES, not terminated */
};

/* The private data of a page connection's request. */
#define RF_ROAD_MAGIC "RFORKRD1"

struct rf_road_hello {
	char magic[8];
	uint32_t index;
	uint32_t reserved;
	uint8_t token[RF_ROAD_TOKEN_BYTES];
};

_Static_assert(sizeof(struct rf_road_hello) == 48, "doc/protocol.txt, 8");

struct rf_frame_running {
	uint32_t pid;
	uint32_t reserved;
};

/* ROAD has the payload of REFUSED, whose sentence is empty where error is 0. */
struct rf_frame_taken {
	uint32_t records;
};

/* The credit that a message from the node uses up. */
static inline uint32_t rf_message_cost(uint32_t bytes)
{
	return bytes < RF_MESSAGE_COST_MAX_BYTES - RF_MESSAGE_CREDIT_BYTES
		       ? bytes + RF_MESSAGE_CREDIT_BYTES
		       : RF_MESSAGE_COST_MAX_BYTES;
}

struct rf_frame_window {
	uint32_t credit_bytes;
};

struct rf_frame_consumed {
	uint32_t count_bytes; /* or messages */
};

struct rf_frame_ahead {
	uint32_t limit_bytes; /* RF_CHANNEL_AHEAD_BYTES to RF_CHANNEL_AHEAD_MAX_BYTES */
};

/* The header has the channel of the listening socket. */
struct rf_frame_connection {
	uint32_t channel; /* of the connection; from the ghost, the first that one may have */
};

struct rf_frame_signal {
	uint32_t signal;
	int32_t code;	/* si_code */
	uint64_t value; /* si_value */
};

struct rf_frame_stopped {
	uint32_t signal;
};

struct rf_frame_exited {
	uint32_t status; /* as wait(2) */
};

_Static_assert(sizeof(struct rf_frame_header) == 8, "doc/protocol.txt, 2");
_Static_assert(sizeof(struct rf_frame_hello) == 48, "doc/protocol.txt, 3");
_Static_assert(sizeof(struct rf_frame_challenge) == 72, "doc/protocol.txt, 3");
_Static_assert(sizeof(struct rf_frame_signal) == 16, "doc/protocol.txt, 6");
_Static_assert(sizeof(struct rf_machine_facts) == 312, "doc/protocol.txt, 3");
_Static_assert(sizeof(struct rf_terminal_mode) == 44, "doc/protocol.txt, 7");
_Static_assert(sizeof(struct rf_frame_terminal) == 64, "doc/protocol.txt, 7");
_Static_assert(sizeof(struct rf_frame_mode) == 52, "doc/protocol.txt, 7");

#endif
