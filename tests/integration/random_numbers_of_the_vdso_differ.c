/* SPDX-License-Identifier: MIT */
/*
 * Claim: random numbers that a process draws by the vdso, as later C libraries do in getrandom(3),
 * from memory that may be dropped and is wiped in fork children, are others in each child of
 * rfork(), at each start of an executable of rfork_undump() and of undump -p, and in the process
 * itself, though it had drawn some before and its numbers come from what is left of these.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/node.h"
#include "tests/support/undump.h"

#define NUMBER_BYTES 16u
#define ASK_FOR_PARAMETERS (~(size_t)0)

/* include/uapi/linux/random.h, Linux 6.11 */
struct parameters {
	uint32_t state_bytes, protection, flags, reserved[13];
};

typedef ssize_t draw_function(void *buffer, size_t bytes, unsigned flags, void *state,
			      size_t state_bytes);

static draw_function *draw;
static struct parameters parameters;
static void *state;
static struct node node;

static void draw_number(unsigned char number[NUMBER_BYTES])
{
	CHECK_EQUAL(draw(number, NUMBER_BYTES, 0, state, parameters.state_bytes), NUMBER_BYTES);
}

/* With what is left of a batch in it. */
static void make_state(void)
{
	unsigned char number[NUMBER_BYTES];
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	draw = vdso ? (draw_function *)dlsym(vdso, "__vdso_getrandom") : NULL;
	if (!draw || draw(NULL, 0, 0, &parameters, ASK_FOR_PARAMETERS) != 0)
		test_skip("the vdso draws no random numbers before Linux 6.11");
	state = mmap(NULL, TEST_PAGE_BYTES, (int)parameters.protection, (int)parameters.flags, -1,
		     0);
	CHECK(state != MAP_FAILED);
	draw_number(number);
}

/* -- who draws --------------------------------------------------------------------------------- */

_Noreturn static void draw_and_tell(void)
{
	unsigned char number[NUMBER_BYTES];

	draw_number(number);
	test_write(STDOUT_FILENO, number, sizeof(number));
	_exit(0);
}

static unsigned char drawn[8][NUMBER_BYTES];
static unsigned count;

/* Takes the number of one more; nobody has drawn it before. */
static void hear(int output)
{
	CHECK_EQUAL(test_read(output, drawn[count], NUMBER_BYTES), NUMBER_BYTES);
	for (unsigned i = 0; i < count; i++)
		if (memcmp(drawn[i], drawn[count], NUMBER_BYTES) == 0)
			test_fail(__FILE__, __LINE__, "number %u is number %u again", count, i);
	count++;
}

static void start(const char *path, int output)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		execl(path, path, NULL);
		_exit(99);
	}
	test_expect_exit(pid, 0);
	hear(output);
}

static void go_by_rfork(int output)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid)
		draw_and_tell();
	test_expect_exit(pid, 0);
	hear(output);
}

static void go_by_undump(int output)
{
	const char *path = checkpoint_path("app");
	pid_t pid = CHECK_CALL(fork());
	int result;

	if (!pid) {
		CHECK_CALL(close(output));
		make_state();
		result = rfork_undump(path);
		if (result == 0)
			draw_and_tell();
		CHECK_EQUAL(result, 1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	start(path, output);
	start(path, output);
	CHECK_CALL(unlink(path));
}

/* Stops, and draws when it goes on, here or as another process. */
_Noreturn static void stand(void)
{
	make_state();
	CHECK_CALL(raise(SIGSTOP));
	draw_and_tell();
}

static void go_by_process(int output)
{
	const char *path = checkpoint_path("app");
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (!pid) {
		CHECK_CALL(close(output));
		stand();
	}
	CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	undump_process(pid, path, "--thin");
	CHECK_CALL(kill(pid, SIGCONT));
	test_expect_exit(pid, 0);
	hear(output);
	start(path, output);
	start(path, output);
	undump_remove(path);
}

int main(void)
{
	int output;

	test_begin();
	make_state();
	output = test_pipe_output();
	node_start(&node, NULL);
	go_by_rfork(output);
	go_by_rfork(output);
	node_stop(&node);
	go_by_undump(output);
	go_by_process(output);
	CHECK_CALL(close(output));
	checkpoint_clean(NULL, 0);
	return test_end();
}
