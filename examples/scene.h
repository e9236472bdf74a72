/* SPDX-License-Identifier: MIT */
/*
 * A scene: what the renderer draws, from a text file (scenes/FORMAT.md).  Built once by the
 * caller; the clones use it where they woke up.
 */
#ifndef EXAMPLES_SCENE_H
#define EXAMPLES_SCENE_H

#include <stddef.h>
#include <stdio.h>

#include "examples/vector.h"

#define SCENE_MAX_SIZE 16384 /* pixels, either way */

struct material {
	char name[32];
	struct vec color, color2; /* color2: the other fields of a checker */
	double checker;		  /* edge of a field; 0 = plain */
	double reflect;		  /* mirrored share at normal incidence, 0 to 1 */
	double rough;		  /* blur of the mirror image, 0 to 1 */
	double refract;		  /* index of refraction; 0 = opaque */
	int metal;		  /* the mirror image takes the colour */
};

struct light {
	struct vec center, power; /* power: illumination at distance 1 */
	double radius;
};

struct plane {
	struct vec point, normal;
	unsigned material;
};

enum shape_kind { SHAPE_SPHERE, SHAPE_TRIANGLE };

struct shape {
	enum shape_kind kind;
	unsigned material;
	struct vec a; /* center, or first corner */
	struct vec b; /* x = radius, or the edge from the first to the second corner */
	struct vec c; /* the edge from the first to the third corner */
};

/* A box of the bounding volume hierarchy (boxes.c). */
struct box {
	struct vec low, high;
	unsigned first;	 /* leaf: first shape; inner: the second child (the first follows) */
	unsigned shapes; /* 0 = inner */
	unsigned axis;	 /* inner: along which the children were split */
};

struct scene {
	unsigned width, height; /* pixels */
	unsigned samples;	/* for each pixel, a power of two */
	unsigned depth;		/* of reflections */
	double exposure;
	struct vec eye, target;
	double view_degrees; /* vertically */
	double lens_radius, focus;
	struct vec horizon, zenith;
	double haze; /* distance at which 63 % is haze; 0 = none */

	struct material *materials;
	struct light *lights;
	struct plane *planes;
	struct shape *shapes;
	struct box *boxes;
	size_t material_count, light_count, plane_count, shape_count, box_count;
};

/*
 * Reads a scene file and builds its boxes.  0, or -1 after a message "FILE:LINE: ..." on
 * `messages`.  scene_free() is right after both.
 */
int scene_load(struct scene *scene, const char *path, FILE *messages);
void scene_free(struct scene *scene);

/* Builds scene->boxes and puts the shapes in their order; 0, or -1 and errno. */
int boxes_build(struct scene *scene);

#endif
