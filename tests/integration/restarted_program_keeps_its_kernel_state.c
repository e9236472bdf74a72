/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the kernel keeps of a process is restored in a restarted program: signal actions,
 * mask and pending signals, alternate stack, timers, floating point control, umask, working
 * directory, name, thread id, robust list, pipes with their contents, descriptors and their
 * flags, duplicates, memory protections and locks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "tests/support/restart.h"

#define ALTSTACK_BYTES 65536u
#define REMAINING_S 1000
#define MXCSR_UPWARD 0x5f80u

static unsigned char altstack[ALTSTACK_BYTES];
static volatile sig_atomic_t handled, value_handled, is_on_altstack;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	unsigned char here;

	(void)context;
	handled = signal;
	value_handled = info->si_value.sival_int;
	is_on_altstack = &here >= altstack && &here < altstack + ALTSTACK_BYTES;
}

/* -- what is set up ---------------------------------------------------------------------------- */

struct state {
	int ends[2], duplicate;
	timer_t timer;
	unsigned char *read_only, *forbidden;
};

static void set_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = altstack, .ss_size = ALTSTACK_BYTES };
	sigset_t set;

	CHECK_CALL(sigaltstack(&stack, NULL));
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	CHECK_CALL(sigaction(SIGRTMIN, &action, NULL));
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	CHECK_CALL(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 77 }));
}

static void set_timers(struct state *state)
{
	struct itimerval interval = { .it_value.tv_sec = REMAINING_S };
	struct itimerspec spec = { .it_value.tv_sec = REMAINING_S };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	CHECK_CALL(setitimer(ITIMER_REAL, &interval, NULL));
	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &state->timer));
	CHECK_CALL(timer_settime(state->timer, 0, &spec, NULL));
}

static void set_descriptors(struct state *state)
{
	CHECK_CALL(pipe2(state->ends, O_CLOEXEC));
	CHECK_CALL(fcntl(state->ends[0], F_SETFL, O_NONBLOCK));
	test_write(state->ends[1], "contents", 8);
	state->duplicate = CHECK_CALL(dup(state->ends[1]));
}

static void set_memory(struct state *state)
{
	state->read_only = CHECK_CALL(mmap(NULL, 16 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	state->forbidden = CHECK_CALL(mmap(NULL, 64 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(state->read_only, 3, 16 * TEST_PAGE_BYTES);
	memset(state->forbidden, 4, 64 * TEST_PAGE_BYTES);
	CHECK_CALL(mprotect(state->read_only, 16 * TEST_PAGE_BYTES, PROT_READ));
	CHECK_CALL(mprotect(state->forbidden, 64 * TEST_PAGE_BYTES, PROT_NONE));
}

/* -- what is found ----------------------------------------------------------------------------- */

static bool has_signals(void)
{
	struct sigaction action;
	sigset_t set;

	if (sigaction(SIGUSR2, NULL, &action) < 0 || action.sa_handler != SIG_IGN)
		return false;
	if (sigaction(SIGVTALRM, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
		return false;
	if (sigprocmask(SIG_BLOCK, NULL, &set) < 0 || !sigismember(&set, SIGRTMIN) || handled)
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* delivered here */
	if (handled != SIGRTMIN || value_handled != 77 || !is_on_altstack)
		return false;
	return raise(SIGUSR1) == 0 && handled == SIGUSR1;
}

static bool has_timers(const struct state *state)
{
	struct itimerval interval;
	struct itimerspec spec;

	return getitimer(ITIMER_REAL, &interval) == 0 && timer_gettime(state->timer, &spec) == 0 &&
	       interval.it_value.tv_sec > REMAINING_S - 100 &&
	       interval.it_value.tv_sec <= REMAINING_S &&
	       spec.it_value.tv_sec > REMAINING_S - 100 && spec.it_value.tv_sec <= REMAINING_S;
}

static bool has_descriptors(const struct state *state)
{
	char text[16];

	if (read(state->ends[0], text, sizeof(text)) != 8 || memcmp(text, "contents", 8) != 0)
		return false;
	if (read(state->ends[0], text, sizeof(text)) != -1 || errno != EAGAIN)
		return false;
	if (write(state->duplicate, "x", 1) != 1 || read(state->ends[0], text, 16) != 1)
		return false;
	close(state->ends[1]);
	close(state->duplicate);
	return read(state->ends[0], text, 1) == 0 && fcntl(state->ends[0], F_GETFD) == FD_CLOEXEC;
}

static bool has_process(void)
{
	char name[17] = "", folder[256];
	mode_t mask = umask(0);

	prctl(PR_GET_NAME, name);
	return mask == 0135 && strcmp(name, "restart-test") == 0 &&
	       getcwd(folder, sizeof(folder)) && strcmp(folder, "/usr") == 0;
}

static bool has_thread(void)
{
	void *head = NULL;
	size_t bytes;

	return syscall(SYS_get_robust_list, 0, &head, &bytes) == 0 && head &&
	       gettid() == syscall(SYS_gettid) && gettid() == getpid();
}

static volatile sig_atomic_t faults_seen;
static unsigned char *volatile repaired;

static void on_fault(int signal)
{
	(void)signal;
	if (faults_seen++ > 100)
		_exit(97);
	mprotect(repaired, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE);
}

static bool faults_when(unsigned char *page, bool is_written)
{
	int before = faults_seen;

	repaired = page;
	if (is_written)
		*(volatile unsigned char *)page = 9;
	else
		(void)*(volatile unsigned char *)page;
	return faults_seen == before + 1;
}

static bool has_memory(const struct state *state)
{
	signal(SIGSEGV, on_fault);
	return state->read_only[5] == 3 && faults_when(state->read_only, true) &&
	       faults_when(state->forbidden, false) && state->forbidden[1] == 4;
}

/* So much that an ordinary user may lock it, too. */
static unsigned char locked[4 * TEST_PAGE_BYTES] __attribute__((aligned(TEST_PAGE_BYTES)));

static bool has_locked_memory(void)
{
	char line[256];
	unsigned long kilobytes = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "VmLck: %lu", &kilobytes);
	if (status)
		fclose(status);
	return kilobytes * 1024 >= sizeof(locked);
}

static int body(void)
{
	struct state state;
	unsigned faults;

	set_signals();
	set_timers(&state);
	set_descriptors(&state);
	set_memory(&state);
	CHECK_CALL(mlock(locked, sizeof(locked)));
	umask(0135);
	CHECK_CALL(chdir("/usr"));
	CHECK_CALL(prctl(PR_SET_NAME, "restart-test"));
	_mm_setcsr(MXCSR_UPWARD);
	restart_point();
	faults = !has_signals() << 0 | !has_timers(&state) << 1 | !has_descriptors(&state) << 2 |
		 !has_process() << 3 | !has_thread() << 4 | !has_memory(&state) << 5 |
		 (_mm_getcsr() != MXCSR_UPWARD) << 6 | !has_locked_memory() << 7;
	if (faults)
		dprintf(2, "restarted: faults %#x\n", faults);
	return faults ? 1 : RESTART_RIGHT;
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;

	test_begin();
	path = checkpoint_path("app");
	restart_write(path, body);
	/* what the new process ignores is not ignored by the program */
	CHECK(signal(SIGVTALRM, SIG_IGN) != SIG_ERR);
	CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	for (unsigned i = 0; i < 5; i++)
		restart_expect(path);
	checkpoint_clean(names, 1);
	return test_end();
}
