/* SPDX-License-Identifier: MIT */
/*
 * Run: 05-pool [-k] HOST...
 *
 * Lesson 5: a pool of workers.  Each is forked once, takes task after task over a socket pair, and
 * ends when the caller closes its side.  Who is free gets the next task; the task of a worker that dies
 * goes to another.  -k kills the first worker half-way, to show that.
 *
 * The job: in how many ways can N queens stand on a board without attacking each other?  A task
 * is a place for each of the first two; some tasks take long and some no time.
 */
#include <rfork.h>

#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEENS 13
#define TASKS (QUEENS * QUEENS)
#define NONE (-1)

struct worker {
	const char *host;
	pid_t pid;
	int fd;	  /* our side of the pair; NONE once it has ended */
	int task; /* what it works on, or NONE */
	int done; /* tasks */
};

struct pool {
	struct worker *workers;
	int count;
	int todo[TASKS], left; /* tasks that nobody has */
	int done;
	long ways;
};

/* -- the job ------------------------------------------------------------------------------- */

/* Ways to fill the other rows; bits are columns that are taken, straight and along diagonals. */
static long count_ways(unsigned columns, unsigned left, unsigned right)
{
	const unsigned all = (1u << QUEENS) - 1;
	long ways = columns == all;

	for (unsigned open = all & ~(columns | left | right); open; open &= open - 1) {
		unsigned queen = open & -open;

		ways += count_ways(columns | queen, (left | queen) << 1, (right | queen) >> 1);
	}
	return ways;
}

static long do_task(int task)
{
	unsigned first = 1u << task / QUEENS, second = 1u << task % QUEENS;

	if (second & (first | first << 1 | first >> 1))
		return 0;
	return count_ways(first | second, (first << 1 | second) << 1, (first >> 1 | second) >> 1);
}

/* -- in the worker ------------------------------------------------------------------------- */

_Noreturn static void work(int fd)
{
	int task;

	while (recv(fd, &task, sizeof(task), MSG_WAITALL) == sizeof(task)) {
		long ways = do_task(task);

		if (send(fd, &ways, sizeof(ways), MSG_NOSIGNAL) != sizeof(ways))
			_exit(1);
	}
	_exit(0);
}

/* -- in the caller ------------------------------------------------------------------------- */

/* As with fork(): our side of the pairs so far came along, and would keep them open. */
static void start(struct pool *pool, const char *host)
{
	struct worker *worker = &pool->workers[pool->count++];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		err(1, "socketpair");
	*worker = (struct worker){ .host = host, .fd = pair[0], .task = NONE };
	worker->pid = rfork(host);
	if (worker->pid == -1)
		errx(1, "%s: %s", host, rfork_error());
	if (worker->pid == 0) {
		for (int i = 0; i < pool->count; i++)
			close(pool->workers[i].fd);
		work(pair[1]);
	}
	close(pair[1]);
}

/* Sees a worker end. */
static void bury(struct worker *worker)
{
	int status;

	close(worker->fd);
	worker->fd = NONE;
	if (waitpid(worker->pid, &status, 0) == -1)
		err(1, "waitpid");
	printf("%s: %d tasks, ", worker->host, worker->done);
	if (WIFSIGNALED(status))
		printf("died of signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		printf("ended with %d\n", WEXITSTATUS(status));
}

/* Gives a task to everyone who is free. */
static void feed(struct pool *pool)
{
	for (int i = 0; i < pool->count && pool->left; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->fd == NONE || worker->task != NONE)
			continue;
		worker->task = pool->todo[--pool->left];
		/* where that fails the worker has died, and take() will see it */
		send(worker->fd, &worker->task, sizeof(worker->task), MSG_NOSIGNAL);
	}
}

/* A worker has answered, or died: then its task is to be done again. */
static void take(struct pool *pool, struct worker *worker)
{
	long ways;

	if (recv(worker->fd, &ways, sizeof(ways), MSG_WAITALL) == sizeof(ways)) {
		pool->ways += ways;
		pool->done++;
		worker->done++;
	} else {
		bury(worker);
		if (worker->task != NONE)
			pool->todo[pool->left++] = worker->task;
	}
	worker->task = NONE;
}

/* Waits until somebody has something to say, and listens to all who have. */
static void listen_to_all(struct pool *pool)
{
	struct pollfd polls[pool->count];
	int alive = 0;

	for (int i = 0; i < pool->count; i++) {
		polls[i] = (struct pollfd){ .fd = pool->workers[i].fd, .events = POLLIN };
		alive += polls[i].fd != NONE;
	}
	if (!alive)
		errx(1, "no worker is left, and %d tasks are", TASKS - pool->done);
	if (poll(polls, (nfds_t)pool->count, -1) == -1)
		err(1, "poll");
	for (int i = 0; i < pool->count; i++)
		if (polls[i].revents)
			take(pool, &pool->workers[i]);
}

int main(int argc, char **argv)
{
	int kills = argc > 1 && strcmp(argv[1], "-k") == 0;
	struct worker workers[argc];
	struct pool pool = { .workers = workers };

	if (argc - kills < 2)
		errx(2, "usage: %s [-k] HOST...", argv[0]);
	setvbuf(stdout, NULL, _IONBF, 0); /* nothing buffered that a worker would have too */
	for (int i = 1 + kills; i < argc; i++)
		start(&pool, argv[i]);
	while (pool.left < TASKS) {
		pool.todo[pool.left] = pool.left;
		pool.left++;
	}
	while (pool.done < TASKS) {
		feed(&pool);
		if (kills && pool.done > TASKS / 2) {
			kill(workers[0].pid, SIGKILL);
			kills = 0;
		}
		listen_to_all(&pool);
	}
	for (int i = 0; i < pool.count; i++)
		if (workers[i].fd != NONE)
			bury(&workers[i]);
	printf("%d queens can stand in %ld ways\n", QUEENS, pool.ways);
	return 0;
}
