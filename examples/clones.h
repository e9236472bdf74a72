/* SPDX-License-Identifier: MIT */
/*
 * The renderer's clones: forked to hosts, each computes every n-th row and writes it into a pipe
 * that it shares with the caller, as after fork().
 */
#ifndef EXAMPLES_CLONES_H
#define EXAMPLES_CLONES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "examples/picture.h"
#include "examples/scene.h"

struct clone {
	const char *host;
	pid_t pid;	   /* here; -1 = the host refused */
	int fd;		   /* where its rows come in; -1 = closed */
	double fork_ms;	   /* how long the pipe and rfork() took */
	int status;	   /* as waitpid() gave it */
	int complete;	   /* it delivered its share and said so */
	unsigned rows;	   /* delivered */
	char node[65];	   /* host name there; "" until it has spoken */
	uint32_t node_pid; /* there */
	double render_s;
	uint8_t *buffer; /* a message that has not all come yet */
	size_t filled;
	char trouble[512]; /* why not complete; "" = no trouble */
};

/*
 * Forks clone k to clones[k].host, which the caller has filled in; the rest may be zero.  A host
 * that refuses is no error here: see clone.trouble.  `plaintext` allows hosts beyond loopback,
 * to which this version of rfork does not encrypt.
 */
void clones_start(struct clone *clones, size_t count, const struct scene *scene, int plaintext);

/* Collects rows until every clone has ended; calls progress() after rows have come. */
void clones_collect(struct clone *clones, size_t count, struct picture *picture,
		    void (*progress)(const struct picture *picture));

void clones_free(struct clone *clones, size_t count);

#endif
