/* SPDX-License-Identifier: MIT */
/*
 * Run: 16-threads HOST...
 *
 * Lesson 16: rfork() from a program with threads.  The child has the thread that called, and the
 * memory as it was at that moment: what another thread was changing stays half done, and a lock
 * that another one held stays locked for ever.  rfork_atfork() is the place to take such locks
 * before, and to leave them on both sides; then the child may use them, and begin threads of its
 * own.
 */
#include <rfork.h>

#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define READERS 3

/* Two numbers that are equal whenever nobody holds the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long left, right;
static atomic_bool is_over;

static void take(void)
{
	pthread_mutex_lock(&lock);
}

static void leave(void)
{
	pthread_mutex_unlock(&lock);
}

/* At home, all the time. */
static void *change(void *unused)
{
	while (!is_over) {
		take();
		left++;
		right++;
		leave();
	}
	return unused;
}

/* Whether they are equal; NULL if not. */
static void *compare(void *argument)
{
	void *answer;

	take();
	answer = left == right ? argument : NULL;
	leave();
	return answer;
}

/* In the child: how many of its threads find them equal. */
static int count_content(void)
{
	pthread_t readers[READERS];
	void *answer;
	int count = 0;

	for (int i = 0; i < READERS; i++)
		if (pthread_create(&readers[i], NULL, compare, &lock) != 0)
			errx(1, "no thread in the child");
	for (int i = 0; i < READERS; i++)
		if (pthread_join(readers[i], &answer) == 0)
			count += answer != NULL;
	return count;
}

static void visit(const char *host)
{
	pid_t pid = rfork(host);
	int status;

	if (pid < 0)
		errx(1, "%s", rfork_error());
	if (pid == 0)
		_exit(count_content());
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		errx(1, "the child on %s did not end by itself", host);
	printf("%s: %d of %d threads found both numbers equal\n", host, WEXITSTATUS(status),
	       READERS);
	if (WEXITSTATUS(status) != READERS)
		exit(1);
}

int main(int argc, char **argv)
{
	pthread_t writer;

	if (argc < 2) {
		fprintf(stderr, "usage: %s HOST...\n", argv[0]);
		return 2;
	}
	if (rfork_atfork(take, leave, leave) < 0)
		errx(1, "%s", rfork_error());
	if (pthread_create(&writer, NULL, change, NULL) != 0)
		errx(1, "no thread");
	for (int i = 1; i < argc; i++)
		visit(argv[i]);
	is_over = 1;
	pthread_join(writer, NULL);
	printf("at home they are %s\n", left == right ? "equal" : "different");
	return left == right ? 0 : 1;
}
