/* SPDX-License-Identifier: MIT */
/*
 * Claim: whatever an image was made of, two hundred of two hundred restarts succeed, at addresses
 * that the kernel chooses anew each time, for an ordinary user: executables of rfork_undump(), of
 * statefiles (self-contained, thin, copied), of a chain of increments, of a static program, of
 * cores by the kernel and by gcore and of a running process, those three with eight threads; and a
 * statefile and a core that a node restarts.
 *
 * As root the test starts itself again as the user nobody.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/cores.h"
#include "tests/support/node.h"

#define TIMES 200
#define NOBODY 65534
#define RIGHT 23 /* of resumer.c */

static char program[512], static_program[512], undump[512];

static void become_nobody(char **arguments)
{
	CHECK_CALL(setgroups(0, NULL));
	CHECK_CALL(setgid(NOBODY));
	CHECK_CALL(setuid(NOBODY));
	if (access(undump, X_OK))
		test_skip("the user nobody cannot reach the build folder");
	/* A program started anew is dumpable again, as that of a user is. */
	execv("/proc/self/exe", arguments);
	test_skip("the user nobody cannot start this test: %s", strerror(errno));
}

/* Runs a program with empty input; its exit status. */
static int run(char *const arguments[])
{
	pid_t pid = CHECK_CALL(fork());
	int status;

	if (pid == 0) {
		execv(arguments[0], arguments);
		_exit(127);
	}
	status = test_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int call(const char *path, const char *first, const char *second, const char *third,
		const char *fourth)
{
	char *const arguments[] = { (char *)path,  (char *)first,  (char *)second,
				    (char *)third, (char *)fourth, NULL };

	return run(arguments);
}

static void restart(const char *kind, const char *first, const char *second, const char *third,
		    const char *fourth)
{
	int64_t start = test_now_ms();

	for (int i = 0; i < TIMES; i++) {
		int status = call(first, second, third, fourth, NULL);

		if (status != RIGHT)
			test_fail(__FILE__, __LINE__, "%s: restart %d ended with %d", kind, i,
				  status);
	}
	dprintf(1, "%s: %d of %d, %ld ms\n", kind, TIMES, TIMES, (long)(test_now_ms() - start));
}

/* -- kinds ------------------------------------------------------------------------------------ */

static void restart_undumped(const char *kind, const char *from, const char *app)
{
	CHECK_EQUAL(call(from, "undump", app, NULL, NULL), 0);
	restart(kind, app, NULL, NULL, NULL);
	CHECK_CALL(unlink(app));
}

static void restart_statefile(const char *kind, const char *call_name, const char *option,
			      const char *state, const char *app)
{
	CHECK_EQUAL(call(program, call_name, state, NULL, NULL), 0);
	CHECK_EQUAL(call(undump, state, "-o", app, option), 0);
	restart(kind, app, NULL, NULL, NULL);
	core_remove_executable(app);
	CHECK_CALL(unlink(state));
}

static void restart_by_a_node(const char *kind, const char *file)
{
	struct node node;

	node_start(&node, NULL);
	restart(kind, undump, file, "--to", node.host);
	node_stop(&node);
	CHECK_CALL(unlink(file));
}

static struct core_program start_threads(void)
{
	char *arguments[] = { program, "wait", "", NULL };
	struct core_program started = core_start(arguments, 0x33);

	core_expect_line(&started, "ready");
	return started;
}

static void restart_core(const char *kind, enum core_origin origin, const char *core,
			 const char *app)
{
	struct core_program dumped = start_threads();

	core_dump(&dumped, origin, core);
	CHECK_EQUAL(call(undump, core, "-o", app, NULL), 0);
	restart(kind, app, NULL, NULL, NULL);
	core_remove_executable(app);
	if (origin == CORE_BY_KERNEL)
		restart_by_a_node("kernel core on a node", core);
	else
		CHECK_CALL(unlink(core));
}

static void restart_process(const char *app)
{
	struct core_program running = start_threads();
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", running.pid);
	CHECK_EQUAL(call(undump, "-p", pid, "-o", app), 0);
	restart("running process, eight threads", app, NULL, NULL, NULL);
	core_remove_executable(app);
	close(running.input);
	running.input = -1;
	core_expect_exit(&running, RIGHT);
}

int main(int count, char **arguments)
{
	static const char *const chain[] = { "state.0", "state.1", "state.2", "state.3" };
	char state[512], app[512];

	(void)count;
	test_begin();
	snprintf(program, sizeof(program), "%s", test_build_path("tests/support/resumer"));
	snprintf(static_program, sizeof(static_program), "%s",
		 test_build_path("tests/support/resumer_static"));
	snprintf(undump, sizeof(undump), "%s", test_build_path("tools/undump"));
	if (geteuid() == 0)
		become_nobody(arguments);
	if (personality(0xffffffff) & ADDR_NO_RANDOMIZE)
		test_skip("addresses are not chosen at random here");
	snprintf(state, sizeof(state), "%s", checkpoint_path("state"));
	snprintf(app, sizeof(app), "%s", checkpoint_path("app"));
	restart_undumped("rfork_undump()", program, app);
	restart_undumped("rfork_undump() of a static program", static_program, app);
	restart_statefile("statefile, self-contained", "state", NULL, state, app);
	restart_statefile("statefile, thin", "state", "--thin", state, app);
	restart_statefile("statefile, copied", "state", "--copy", state, app);
	restart_statefile("increments", "increments", NULL, state, app);
	for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]); i++)
		CHECK_CALL(unlink(checkpoint_path(chain[i])));
	CHECK_EQUAL(call(program, "state", state, NULL, NULL), 0);
	restart_by_a_node("statefile on a node", state);
	restart_process(app);
	core_need(CORE_BY_GDB);
	restart_core("gcore, eight threads", CORE_BY_GDB, state, app);
	core_need(CORE_BY_KERNEL);
	restart_core("kernel core, eight threads", CORE_BY_KERNEL, state, app);
	checkpoint_clean(NULL, 0);
	return test_end();
}
