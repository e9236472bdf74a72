/* SPDX-License-Identifier: MIT */
/*
 * The records of an image, as doc/image-format.txt defines them.  Included by
 * the writer, the reader and the plan.  Structs are the bytes on the wire:
 * little-endian, naturally aligned, without padding.
 */
#ifndef RF_IMAGE_FORMAT_H
#define RF_IMAGE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

#define RF_IMAGE_MAGIC "RFORKIMG"
#define RF_IMAGE_VERSION 1

#define RF_ARCHITECTURE_X86_64 1u

#define RF_RECORD_MAX_BYTES (1114112u)
#define RF_IMAGE_MAX_FILES 65536u
#define RF_IMAGE_MAX_DESCRIPTORS 65536u
#define RF_IMAGE_MAX_MAPPINGS 262144u
#define RF_IMAGE_MAX_MARKS 262144u
#define RF_IMAGE_MAX_THREADS 4096u
#define RF_IMAGE_MAX_PATH_BYTES 4095u
#define RF_IMAGE_MAX_AUXV_BYTES 1024u
#define RF_IMAGE_MAX_XSAVE_BYTES 16384u
#define RF_IMAGE_MAX_VDSO_AREAS 8u
#define RF_IMAGE_MAX_FD 1048575u
#define RF_IMAGE_MAX_CHANNELS 1024u
#define RF_IMAGE_STANDARD_CHANNELS 3u
#define RF_IMAGE_TERMINAL_CHANNEL 3u
#define RF_IMAGE_FIRST_CHANNEL 4u /* of those that DESCRIPTOR records number freely */
#define RF_IMAGE_SIGNALS 64
#define RF_IMAGE_MAX_TIMERS 4096u
#define RF_IMAGE_MAX_PENDING 8192u
#define RF_IMAGE_SIGINFO_BYTES 128u
#define RF_IMAGE_MAX_PIPES 1024u
#define RF_IMAGE_MAX_OBJECTS 65536u
#define RF_IMAGE_MAX_WATCHES 262144u
#define RF_PIPE_MIN_CAPACITY 4096u
#define RF_PIPE_MAX_CAPACITY 1048576u
#define RF_PIPE_MAX_PACKET_BYTES 4096u
#define RF_PIPE_MAX_PACKETS (RF_PIPE_MAX_CAPACITY / 4096u)
#define RF_IMAGE_MAX_PIPE_BYTES 67108864u
#define RF_PAGES_MAX_RUNS 256u
#define RF_PAGES_MAX_DATA_PAGES 256u
#define RF_IMAGE_NONE UINT32_MAX
#define RF_IMAGE_MAX_SEGMENTS 1048576u
#define RF_IMAGE_MAX_LOCKS 32768u
#define RF_IMAGE_MAX_LOST_BYTES 65536u
#define RF_IMAGE_ID_BYTES 16u
#define RF_IMAGE_MAX_CHAIN 4096u
#define RF_IMAGE_MAX_VDSO_CODE_BYTES 65536u
#define RF_IMAGE_MAX_SHARED_BYTES ((uint64_t)1 << 47) /* of one shared memory */
#define RF_IMAGE_MAX_CLOCK_NS ((uint64_t)1 << 62)     /* 146 years */
#define RF_IMAGE_HOST_NAME_BYTES 64u
#define RF_IMAGE_MAX_CONNECTION_BYTES 255u
#define RF_IMAGE_LIMITS 16	     /* RLIMIT_* of Linux */
#define RF_IMAGE_MAX_CPU_BYTES 1024u /* of a set of CPUs */
#define RF_IMAGE_MAX_NODE_BYTES 128u /* of a set of NUMA nodes */
#define RF_ROAD_TOKEN_BYTES 32u
#define RF_ROAD_MAX_CONNECTIONS 16u
#define RF_FORECAST_MAX_FILES 128u
#define RF_FORECAST_MAX_MAPPINGS 128u
#define RF_FORECAST_MAX_RUNS 256u
#define RF_FORECAST_MAX_BYTES 32768u

enum rf_record_type {
	RF_RECORD_IMAGE = 1,
	RF_RECORD_PROCESS = 2,
	RF_RECORD_SIGACTIONS = 3,
	RF_RECORD_THREAD = 4,
	RF_RECORD_VDSO = 5,
	RF_RECORD_FILE = 6,
	RF_RECORD_DESCRIPTOR = 7,
	RF_RECORD_MAPPING = 8,
	RF_RECORD_LAYOUT = 9,
	RF_RECORD_PAGES = 10,
	RF_RECORD_END = 11,
	RF_RECORD_FORECAST = 12, /* stands first, if at all */
	RF_RECORD_TIMERS = 13,
	RF_RECORD_PENDING = 14,
	RF_RECORD_PIPE = 15,
	RF_RECORD_SEGMENTS = 16, /* from here on, of images at rest */
	RF_RECORD_CHUNKS = 17,
	RF_RECORD_ORIGIN = 18,
	RF_RECORD_MACHINE = 19, /* struct rf_machine_facts, protocol.h */
	RF_RECORD_LOCKS = 20,
	RF_RECORD_LOST = 21, /* lines of text */
	RF_RECORD_ROAD = 22, /* from here on, of streams and images at rest alike */
	RF_RECORD_REMOTE_PAGES = 23,
	RF_RECORD_VDSO_CODE = 24, /* the pages of the vdso's code */
	RF_RECORD_CLOCKS = 25,
	RF_RECORD_OBJECT = 26,
	RF_RECORD_WATCHES = 27,
	RF_RECORD_CONTENT = 28, /* bytes of a file, behind the layout */
	RF_RECORD_STATE = 29,
	RF_RECORD_THREAD_STATE = 30,
	RF_RECORD_IDENTITY = 31,
	RF_RECORD_RIGHTS = 32,
	RF_RECORD_MARKS = 33,  /* how mappings are marked */
	RF_RECORD_FILLED = 34, /* all pages and contents have come */
};

#define RF_RECORD_LAST RF_RECORD_FILLED

#define RF_RECORD_OPTIONAL 1u

struct rf_record_header {
	uint16_t type;
	uint16_t flags;
	uint32_t length_bytes;
	uint64_t sequence;
	uint64_t payload_digest;
	uint64_t header_digest;
};

struct rf_image_head {
	char magic[8];
	uint16_t version;
	uint16_t reserved1;
	uint32_t architecture;
	uint32_t page_bytes;
	uint32_t objects;
	uint8_t boot_id[16];
	uint32_t threads;
	uint32_t files;
	uint32_t descriptors;
	uint32_t mappings;
	uint64_t data_pages;
};

struct rf_image_process {
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk;
	uint64_t start_stack, arg_start, arg_end, env_start, env_end;
	uint32_t auxv_bytes;
	uint32_t umask;
	uint32_t cwd_bytes;
	uint32_t protection_keys; /* that are allocated, a bit for each */
	char comm[16];
	uint64_t reserved2;
};

struct rf_image_sigaction {
	uint64_t handler, flags, restorer, mask;
};

/* The order of struct user_regs_struct, <sys/user.h>. */
struct rf_image_registers {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

/* rf_image_thread.flags */
#define RF_THREAD_INTERRUPTED                                                                      \
	1u /* it goes on with these very registers; else it returns from a call */
#define RF_THREAD_KEY_RIGHTS 2u /* key_rights is known */

struct rf_image_thread {
	struct rf_image_registers registers;
	uint64_t signal_mask;
	uint64_t altstack_address;
	uint64_t altstack_bytes;
	uint32_t altstack_flags;
	uint32_t tid;
	uint64_t rseq_address;
	uint32_t rseq_bytes;
	uint32_t rseq_signature;
	uint64_t robust_list;
	uint64_t robust_list_bytes;
	uint64_t tid_address;
	uint32_t mxcsr;
	uint16_t x87_control;
	uint16_t flags;
	uint32_t xsave_bytes;
	uint32_t key_rights; /* what it may do with memory under protection keys: PKRU */
};

/* As prlimit(2) takes it: all ones = unlimited. */
struct rf_image_limit {
	uint64_t soft, hard;
};

/* rf_image_state.known: what the writer could tell; a restorer leaves the rest as it is. */
#define RF_STATE_LIMITS 1u
#define RF_STATE_PERSONALITY 2u
#define RF_STATE_DUMPABLE 4u
#define RF_STATE_SECUREBITS 8u
#define RF_STATE_OOM_SCORE 16u
#define RF_STATE_CORE_FILTER 32u
#define RF_STATE_HUGE_PAGES 64u
#define RF_STATE_MEMORY_DENY 128u
#define RF_STATE_MERGE 256u
#define RF_STATE_NO_NEW_PRIVS 512u
#define RF_STATE_SUBREAPER 1024u
#define RF_STATE_DEATH_SIGNAL 2048u
#define RF_STATE_AUTOGROUP 4096u
#define RF_STATE_COMPONENTS 8192u
#define RF_STATE_BARRIERS 16384u
#define RF_STATE_ALL 32767u

/* All registrations for membarrier(2) that there are, by their commands. */
#define RF_STATE_ALL_BARRIERS (4u | 16u | 64u | 256u)

/* What a process has chosen, or was given, for itself; of members that are no part of this
 * structure by the names of the calls that tell them, see doc/image-format.txt. */
struct rf_image_state {
	struct rf_image_limit limits[RF_IMAGE_LIMITS]; /* by RLIMIT_* */
	uint32_t known;
	uint32_t flags; /* of MERGE, NO_NEW_PRIVS and SUBREAPER: whether they are on */
	uint32_t personality;
	uint32_t dumpable;
	uint32_t securebits;
	int32_t oom_score_adj;
	uint32_t core_filter;
	uint32_t huge_pages;  /* PR_GET_THP_DISABLE */
	uint32_t memory_deny; /* PR_GET_MDWE */
	uint32_t death_signal;
	int32_t autogroup_nice;
	uint32_t barriers;   /* membarrier(2): what it has registered for */
	uint64_t components; /* of XSAVE, that must be asked for: ARCH_GET_XCOMP_PERM */
};

/* struct sched_attr of the kernel. */
struct rf_image_schedule {
	uint32_t bytes;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	uint32_t util_min, util_max;
};

/* rf_image_thread_state.known */
#define RF_THREAD_STATE_SCHEDULE 1u
#define RF_THREAD_STATE_TIMER_SLACK 2u
#define RF_THREAD_STATE_IO_PRIORITY 4u
#define RF_THREAD_STATE_MACHINE_CHECKS 8u
#define RF_THREAD_STATE_SPECULATION 16u
#define RF_THREAD_STATE_MEMORY_POLICY 32u
#define RF_THREAD_STATE_CPUS 64u
#define RF_THREAD_STATE_TSC 128u
#define RF_THREAD_STATE_IO_FLUSHER 256u
#define RF_THREAD_STATE_CORE_COOKIE 512u
#define RF_THREAD_STATE_NO_NEW_PRIVS 1024u
#define RF_THREAD_STATE_ALL 2047u

enum { RF_SPECULATIONS = 3 }; /* PR_SPEC_STORE_BYPASS and those after it */

/* Followed by the CPUs and the NUMA nodes, a bit for each. */
struct rf_image_thread_state {
	uint32_t thread; /* which THREAD, from 0 on */
	uint32_t known;
	char comm[16];
	struct rf_image_schedule schedule;
	uint64_t timer_slack_ns;
	uint32_t io_priority;
	uint32_t flags; /* of TSC, IO_FLUSHER, CORE_COOKIE: TSC is forbidden, the others are on */
	uint32_t machine_checks; /* PR_MCE_KILL_GET */
	uint32_t speculation[RF_SPECULATIONS];
	uint32_t memory_policy; /* get_mempolicy(2) */
	uint32_t cpu_bytes;	/* 0 = any CPU */
	uint32_t node_bytes;
	uint32_t reserved;
};

enum rf_vdso_kind { RF_VDSO_CODE = 1, RF_VDSO_DATA = 2 };

struct rf_image_vdso_area {
	uint64_t start, end;
	uint32_t kind;
	uint32_t reserved;
};

struct rf_image_vdso {
	uint64_t digest;
	uint32_t areas;
	uint32_t reserved;
};

struct rf_image_file {
	uint32_t index;
	uint32_t mode;
	uint64_t device;
	uint64_t inode;
	uint64_t size_bytes;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

enum rf_descriptor_kind {
	RF_DESCRIPTOR_RELAY = 1,
	RF_DESCRIPTOR_EMPTY = 2,
	RF_DESCRIPTOR_FILE = 3,
	RF_DESCRIPTOR_PIPE = 4,
	RF_DESCRIPTOR_OBJECT = 5,
};

#define RF_DESCRIPTOR_CLOEXEC 1u
#define RF_DESCRIPTOR_MAY_CLOSE 2u
#define RF_DESCRIPTOR_DIGEST 4u
#define RF_DESCRIPTOR_WITNESS 8u
#define RF_DESCRIPTOR_BY_PATH 16u /* whatever file has the path */
#define RF_DESCRIPTOR_AT_END 32u  /* goes on at the file's end, not at offset */

/* rf_image_descriptor.witness: far behind what any file holds */
#define RF_WITNESS_FIRST ((uint64_t)1 << 60)
#define RF_WITNESS_END ((uint64_t)1 << 62)

/* rf_image_descriptor.stream */
#define RF_STREAM_PIPE 1u
#define RF_STREAM_SOCKET 2u
#define RF_STREAM_DATAGRAM 3u
#define RF_STREAM_SEQPACKET 4u
#define RF_STREAM_TERMINAL 6u
#define RF_STREAM_LISTENER 5u
#define RF_STREAM_TYPE 0xffu
#define RF_STREAM_READ 0x100u
#define RF_STREAM_WRITE 0x200u
#define RF_STREAM_HAS_NO_PEER 0x800u /* of a datagram socket: messages have correspondents */
#define RF_STREAM_CONNECTIONS_KEEP_MESSAGES 0x400u /* of a listener: SOCK_SEQPACKET */

struct rf_image_descriptor {
	uint32_t number;
	uint16_t kind;
	uint16_t flags;
	uint32_t status_flags;
	uint32_t same_as;
	uint64_t offset; /* or the send buffer of a socket that keeps messages */
	uint32_t file;	 /* or the channel of a RELAY, or the index of a PIPE or OBJECT */
	uint32_t stream;
	uint64_t digest[2];
	uint64_t witness;
};

enum rf_mapping_kind {
	RF_MAPPING_ANONYMOUS = 0,
	RF_MAPPING_FILE = 1,
	RF_MAPPING_CONTENTS = 2, /* anonymous memory; file and file_offset say whose bytes it had */
	RF_MAPPING_OBJECT = 3,	 /* of an OBJECT of kind CONTENT */
};

#define RF_PROTECTION_READ 1u
#define RF_PROTECTION_WRITE 2u
#define RF_PROTECTION_EXECUTE 4u

#define RF_MAPPING_SHARED 1u /* of ANONYMOUS: `file` is the number of a shared memory */
#define RF_MAPPING_GROWSDOWN 2u
#define RF_MAPPING_DIGEST 4u
#define RF_MAPPING_LOCKED 8u	 /* mlock(2) */
#define RF_MAPPING_ONFAULT 2048u /* LOCKED, each page once it is touched: mlock2(2) */
#define RF_MAPPING_LOCKS (RF_MAPPING_LOCKED | RF_MAPPING_ONFAULT)
/* Of ANONYMOUS memory in huge pages, MAP_HUGETLB: from this bit on the logarithm of their size. */
#define RF_MAPPING_HUGE_SHIFT 26
#define RF_MAPPING_MIN_HUGE_BITS 13u
#define RF_MAPPING_MAX_HUGE_BITS 40u
#define RF_MAPPING_HUGE (0x3fu << RF_MAPPING_HUGE_SHIFT)

/* What a MARKS record says of memory, by madvise(2) and mseal(2). */
#define RF_MAPPING_WIPEONFORK 16u
#define RF_MAPPING_DONTDUMP 32u
#define RF_MAPPING_DONTFORK 64u
#define RF_MAPPING_HUGEPAGE 128u
#define RF_MAPPING_NOHUGEPAGE 256u
#define RF_MAPPING_MERGEABLE 512u
#define RF_MAPPING_SEALED 1024u
#define RF_MAPPING_RANDOM 4096u
#define RF_MAPPING_SEQUENTIAL 8192u
#define RF_MAPPING_DROPPABLE 16384u /* MAP_DROPPABLE of mmap(2) */
#define RF_MAPPING_MARKS                                                                           \
	(RF_MAPPING_WIPEONFORK | RF_MAPPING_DONTDUMP | RF_MAPPING_DONTFORK | RF_MAPPING_HUGEPAGE | \
	 RF_MAPPING_NOHUGEPAGE | RF_MAPPING_MERGEABLE | RF_MAPPING_SEALED | RF_MAPPING_RANDOM |    \
	 RF_MAPPING_SEQUENTIAL | RF_MAPPING_DROPPABLE)

struct rf_image_mapping {
	uint64_t start, end;
	uint32_t protection;
	uint32_t flags;
	uint32_t kind;
	uint32_t file;
	uint64_t file_offset;
	uint64_t data_pages;
	uint64_t digest[2];
};

/* Whether a mapping is memory that the process shares with its children, by no file. */
static inline bool rf_mapping_is_shared_memory(const struct rf_image_mapping *mapping)
{
	return mapping->kind == RF_MAPPING_ANONYMOUS && mapping->flags & RF_MAPPING_SHARED;
}

/* The size of the huge pages of a mapping; 0 = it has ordinary ones. */
static inline uint64_t rf_mapping_huge_bytes(const struct rf_image_mapping *mapping)
{
	uint32_t bits = mapping->flags >> RF_MAPPING_HUGE_SHIFT;

	return bits ? UINT64_C(1) << bits : 0;
}

/* Whether a mapping's pages are those of a file that others see, and never in an image. */
static inline bool rf_mapping_is_shared_file(const struct rf_image_mapping *mapping)
{
	return (mapping->kind == RF_MAPPING_FILE || mapping->kind == RF_MAPPING_OBJECT) &&
	       mapping->flags & RF_MAPPING_SHARED;
}

struct rf_image_mark {
	uint64_t start, end;
	uint32_t flags; /* of RF_MAPPING_MARKS */
	uint32_t key;	/* its protection key; 0 = none */
};

enum rf_run_kind { RF_RUN_DATA = 0, RF_RUN_GUARD = 1 };

struct rf_image_run {
	uint64_t address;
	uint32_t pages;
	uint32_t kind;
};

/* How the data of a PAGES record are packed. */
enum rf_codec {
	RF_CODEC_NONE = 0,
	RF_CODEC_LZ4 = 1,  /* one block of the LZ4 block format */
	RF_CODEC_ZSTD = 2, /* one frame of RFC 8878 */
};

#define RF_CODEC_LAST RF_CODEC_ZSTD
#define RF_CODEC_BIT(codec) (1u << (codec))

struct rf_image_pages {
	uint32_t runs;
	uint32_t codec;
};

/* rf_image_road.kind */
enum rf_road_kind { RF_ROAD_RDMA = 1 };

/* rf_image_road.flags */
#define RF_ROAD_NEEDS_TAKEN 1u /* memory that was read is used again only after TAKEN */

#define RF_ROAD_MAX_CONNECT_MS 60000u /* nobody waits longer for connections */

/* Where the memory is that REMOTE_PAGES name, and how it is reached. */
struct rf_image_road {
	uint32_t kind;
	uint32_t flags;
	uint16_t family; /* AF_INET or AF_INET6 of Linux */
	uint16_t port;	 /* of the RDMA connection manager's TCP port space */
	uint32_t connections;
	uint8_t address[16];
	uint8_t token[RF_ROAD_TOKEN_BYTES];
	uint32_t connect_ms; /* so long the caller waits for all connections */
	uint32_t reserved;
};

/* Followed by runs as in PAGES; the data of those of kind DATA lie one after the other at
 * remote_address. */
struct rf_image_remote_pages {
	uint32_t runs;
	uint32_t remote_key;
	uint64_t remote_address;
};

struct rf_image_clocks {
	uint64_t monotonic_ns;
	uint64_t boottime_ns;
	uint64_t time_namespace; /* inode number; 0 = unknown */
};

/* A process, and the machine it was on. */
struct rf_image_whereabouts {
	uint8_t boot_id[16];
	char host_name[RF_IMAGE_HOST_NAME_BYTES]; /* ends with a zero */
	uint32_t pid;
	uint32_t reserved;
};

/* Followed by what the node was called when the image was sent to it. */
struct rf_image_identity {
	struct rf_image_whereabouts origin; /* who left its machine first */
	struct rf_image_whereabouts home;   /* who was captured */
	uint32_t hops;			    /* how often that had arrived somewhere */
	uint32_t ghost;			    /* pid where the image is sent from; 0 = none */
	uint32_t connection_bytes;
	uint32_t reserved;
};

/* Sets of capabilities, a bit for each by its number; and a root directory. */
struct rf_image_rights {
	uint64_t permitted;
	uint64_t effective;
	uint64_t bounding;
	uint64_t root_device; /* of a root set by chroot(2); both 0 = there is none */
	uint64_t root_inode;
	uint32_t user_namespace; /* its inode, which the sets are of; 0 = unknown */
	uint32_t reserved;
};

struct rf_image_forecast {
	uint8_t boot_id[16];
	uint32_t files;
	uint32_t mappings;
	uint32_t runs;
	uint32_t path_bytes;
};

enum rf_timer_kind {
	RF_TIMER_REAL = 0, /* the first three as setitimer(2) numbers them */
	RF_TIMER_VIRTUAL = 1,
	RF_TIMER_PROF = 2,
	RF_TIMER_POSIX = 3,
};

/* Of rf_image_timer.notify, as sigevent(7) has them. */
#define RF_TIMER_SIGNAL 0u
#define RF_TIMER_NONE 1u
#define RF_TIMER_THREAD 4u

struct rf_image_timer {
	uint32_t kind;
	uint32_t id;
	uint64_t remaining_ns;
	uint64_t interval_ns;
	int32_t clock;
	uint32_t notify;
	uint32_t signal;
	uint32_t thread; /* with RF_TIMER_THREAD: which THREAD; else 0 */
	uint64_t value;
};

#define RF_PENDING_THREAD 1u

struct rf_image_pending {
	uint32_t flags;
	uint32_t thread; /* with RF_PENDING_THREAD: for which THREAD; else 0 */
	union {
		int32_t signal;
		unsigned char siginfo[RF_IMAGE_SIGINFO_BYTES];
	};
};

/* Followed by `packets` lengths, then the contents. */
struct rf_image_pipe {
	uint32_t index;
	uint32_t capacity_bytes;
	uint32_t packets;
	uint32_t bytes;
};

enum rf_object_kind {
	RF_OBJECT_EVENT = 1,   /* eventfd(2) */
	RF_OBJECT_TIMER = 2,   /* timerfd_create(2) */
	RF_OBJECT_SIGNALS = 3, /* signalfd(2) */
	RF_OBJECT_POLL = 4,    /* epoll_create(2) */
	RF_OBJECT_INOTIFY = 5, /* inotify_init(2) */
	RF_OBJECT_PROCESS = 6, /* pidfd_open(2) of the process itself */
	RF_OBJECT_CONTENT = 7, /* a regular file whose bytes travel */
};

/* Followed by what the kind has. */
struct rf_image_object {
	uint32_t index;
	uint32_t kind;
	uint64_t reserved;
};

#define RF_EVENT_SEMAPHORE 1u
#define RF_EVENT_UNTOLD 2u /* nobody knows whether it is one */
#define RF_EVENT_MAX_COUNT (UINT64_MAX - 1)

struct rf_object_event {
	uint64_t count;
	uint32_t flags;
	uint32_t reserved;
};

/* rf_object_timer.flags, as timerfd_settime(2) has them */
#define RF_TIMER_ABSOLUTE 1u
#define RF_TIMER_CANCEL_ON_SET 2u

struct rf_object_timer {
	int32_t clock;
	uint32_t flags;
	uint64_t remaining_ns; /* 0 = not armed */
	uint64_t interval_ns;
	uint64_t expirations; /* not read yet */
	int64_t due_ns;	      /* of the wall clock, if absolute */
};

struct rf_object_signals {
	uint64_t mask;
};

#define RF_INOTIFY_MAX_WATCHED 65536u
/* IN_ALL_EVENTS, IN_UNMOUNT, IN_EXCL_UNLINK, IN_ONESHOT */
#define RF_INOTIFY_MASK 0x84002fffu
/* What fits into a record besides its heads: watches and their paths. */
#define RF_WATCHED_MAX_BYTES (RF_RECORD_MAX_BYTES - 64u)

/* Followed by what is watched, then by the paths. */
struct rf_object_inotify {
	uint32_t watched;
	uint32_t reserved;
};

struct rf_image_watched {
	int32_t number;
	uint32_t mask;
	uint32_t mode;
	uint32_t path_bytes;
};

#define RF_PROCESS_THREAD 1u

struct rf_object_process {
	uint32_t flags;
	uint32_t reserved;
};

/* Followed by what is watched. */
struct rf_image_watches {
	uint32_t object;
	uint32_t reserved;
};

struct rf_image_watch {
	uint32_t number; /* when it was added */
	uint32_t descriptor;
	uint32_t events;
	uint32_t reserved;
	uint64_t data;
};

#define RF_CONTENT_MEMORY 1u /* memfd_create(2) */
#define RF_CONTENT_MAX_NAME_BYTES 249u
#define RF_CONTENT_MAX_BYTES 1048576u /* in one record */

/* Followed by the name. */
struct rf_object_content {
	uint64_t size_bytes;
	uint64_t data_bytes; /* about as many are no hole */
	uint32_t mode;
	uint32_t flags;
	uint32_t seals;
	uint32_t file; /* by which the node may have it; or RF_IMAGE_NONE */
	uint32_t name_bytes;
	uint32_t reserved;
};

/* Followed by bytes of the file, packed or not. */
struct rf_image_content {
	uint32_t object;
	uint32_t codec; /* enum rf_codec */
	uint64_t offset;
	uint32_t bytes; /* of the file */
	uint32_t reserved;
};

/* -- at rest ------------------------------------------------------------------------------- */

#define RF_STATEFILE_NOTE_NAME "RFORK"
#define RF_STATEFILE_NOTE_TYPE 1u
#define RF_STATEFILE_VERSION 1u
#define RF_STATEFILE_MAX_PROGRAM_HEADERS 64u
#define RF_STATEFILE_MAX_NOTE_BYTES 65536u
#define RF_STATEFILE_MAX_HEAD_PAGES 4096u
#define RF_CHUNK_BYTES ((uint64_t)1 << 20) /* of a segment: what one digest is of */

/* The description of the ELF note that leads to the records. */
struct rf_statefile_note {
	uint32_t version;
	uint32_t head_pages; /* ELF headers and code: page data begin behind them */
	uint64_t records_offset;
	uint64_t records_bytes;
	uint64_t file_bytes;
	uint8_t id[RF_IMAGE_ID_BYTES];
	uint64_t head_digest; /* of the head, where this description counts as zero */
	uint64_t digest;      /* of what precedes it */
};

enum rf_segment_kind {
	RF_SEGMENT_DATA = 0,
	RF_SEGMENT_ZERO = 1, /* reads as zero, whatever the parent or the file has there */
	RF_SEGMENT_GUARD = 2,
};

struct rf_image_segment {
	uint64_t address;
	uint64_t bytes;
	uint64_t offset; /* in the file, of DATA */
	uint32_t kind;
	uint32_t reserved;
};

/* Followed by the parent's path. */
struct rf_image_origin {
	uint8_t id[RF_IMAGE_ID_BYTES];
	uint8_t parent[RF_IMAGE_ID_BYTES]; /* 0 = none: the image is whole */
	int64_t captured_ns;		   /* since 1970 */
	uint32_t pid;
	uint32_t path_bytes;
};

enum rf_lock_kind {
	RF_LOCK_RECORD = 1,    /* fcntl(F_SETLK) */
	RF_LOCK_OPEN_FILE = 2, /* fcntl(F_OFD_SETLK) */
	RF_LOCK_WHOLE = 3,     /* flock(2) */
};

enum rf_lock_type { RF_LOCK_SHARED = 1, RF_LOCK_EXCLUSIVE = 2 };

struct rf_image_lock {
	uint32_t descriptor;
	uint16_t kind;
	uint16_t type;
	uint64_t start;
	uint64_t bytes; /* 0 = to the end, however far that will be */
	uint64_t reserved;
};

struct rf_image_end {
	uint64_t records;
	uint64_t data_pages;
};

_Static_assert(sizeof(struct rf_record_header) == 32, "doc/image-format.txt, 1");
_Static_assert(sizeof(struct rf_image_head) == 64, "doc/image-format.txt, 3");
_Static_assert(sizeof(struct rf_image_process) == 128, "doc/image-format.txt, 4");
_Static_assert(sizeof(struct rf_image_sigaction) == 32, "doc/image-format.txt, 5");
_Static_assert(sizeof(struct rf_image_thread) == 304, "doc/image-format.txt, 6");
_Static_assert(sizeof(struct rf_image_state) == 312, "doc/image-format.txt, 33");
_Static_assert(sizeof(struct rf_image_schedule) == 56, "doc/image-format.txt, 34");
_Static_assert(sizeof(struct rf_image_thread_state) == 128, "doc/image-format.txt, 34");
_Static_assert(sizeof(struct rf_image_vdso) == 16, "doc/image-format.txt, 7");
_Static_assert(sizeof(struct rf_image_vdso_area) == 24, "doc/image-format.txt, 7");
_Static_assert(sizeof(struct rf_image_file) == 48, "doc/image-format.txt, 8");
_Static_assert(sizeof(struct rf_image_descriptor) == 56, "doc/image-format.txt, 9");
_Static_assert(sizeof(struct rf_image_mapping) == 64, "doc/image-format.txt, 10");
_Static_assert(sizeof(struct rf_image_mark) == 24, "doc/image-format.txt, 36");
_Static_assert(sizeof(struct rf_image_run) == 16, "doc/image-format.txt, 12");
_Static_assert(sizeof(struct rf_image_end) == 16, "doc/image-format.txt, 13");
_Static_assert(sizeof(struct rf_image_road) == 72, "doc/image-format.txt, 25");
_Static_assert(sizeof(struct rf_image_remote_pages) == 16, "doc/image-format.txt, 26");
_Static_assert(sizeof(struct rf_image_clocks) == 24, "doc/image-format.txt, 28");
_Static_assert(sizeof(struct rf_image_rights) == 48, "doc/image-format.txt, 32");
_Static_assert(sizeof(struct rf_image_whereabouts) == 88, "doc/image-format.txt, 30");
_Static_assert(sizeof(struct rf_image_identity) == 192, "doc/image-format.txt, 30");
_Static_assert(sizeof(struct rf_image_forecast) == 32, "doc/image-format.txt, 14");
_Static_assert(sizeof(struct rf_image_timer) == 48, "doc/image-format.txt, 15");
_Static_assert(sizeof(struct rf_image_pipe) == 16, "doc/image-format.txt, 17");
_Static_assert(sizeof(struct rf_image_object) == 16, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_object_event) == 16, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_object_timer) == 40, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_object_signals) == 8, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_object_inotify) == 8, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_image_watched) == 16, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_object_process) == 8, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_image_watches) == 8, "doc/image-format.txt, 31");
_Static_assert(sizeof(struct rf_image_watch) == 24, "doc/image-format.txt, 31");
_Static_assert(sizeof(struct rf_object_content) == 40, "doc/image-format.txt, 29");
_Static_assert(sizeof(struct rf_image_content) == 24, "doc/image-format.txt, 35");
_Static_assert(sizeof(struct rf_statefile_note) == 64, "doc/image-format.txt, 18");
_Static_assert(sizeof(struct rf_image_segment) == 32, "doc/image-format.txt, 19");
_Static_assert(sizeof(struct rf_image_origin) == 48, "doc/image-format.txt, 21");
_Static_assert(sizeof(struct rf_image_lock) == 32, "doc/image-format.txt, 23");
_Static_assert(sizeof(struct rf_image_pending) == 136, "doc/image-format.txt, 16");

#endif
