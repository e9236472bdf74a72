/* SPDX-License-Identifier: MIT */
/*
 * Bounding boxes around the shapes of a scene, in a binary tree, so that a ray meets few of
 * them.  Called by scene.c once the scene is read; trace.c walks the tree.
 */
#define _GNU_SOURCE
#include "examples/scene.h"

#include <stdlib.h>

#define LEAF_SHAPES 4

static void shape_bounds(const struct shape *shape, struct vec *low, struct vec *high)
{
	struct vec p = shape->a, q, r;

	if (shape->kind == SHAPE_SPHERE) {
		q = vec(shape->b.x, shape->b.x, shape->b.x);
		*low = vec_sub(p, q);
		*high = vec_add(p, q);
		return;
	}
	q = vec_add(p, shape->b);
	r = vec_add(p, shape->c);
	*low = vec(fmin(p.x, fmin(q.x, r.x)), fmin(p.y, fmin(q.y, r.y)), fmin(p.z, fmin(q.z, r.z)));
	*high = vec(fmax(p.x, fmax(q.x, r.x)), fmax(p.y, fmax(q.y, r.y)),
		    fmax(p.z, fmax(q.z, r.z)));
}

static double coordinate(struct vec point, unsigned axis)
{
	return axis == 0 ? point.x : axis == 1 ? point.y : point.z;
}

static int compare_middles(const void *a, const void *b, void *context)
{
	struct vec low, high;
	double first, second;

	shape_bounds(a, &low, &high);
	first = coordinate(vec_add(low, high), *(unsigned *)context);
	shape_bounds(b, &low, &high);
	second = coordinate(vec_add(low, high), *(unsigned *)context);
	return (first > second) - (first < second);
}

static void bound(struct box *box, const struct shape *shapes, size_t count)
{
	struct vec low, high;

	shape_bounds(&shapes[0], &box->low, &box->high);
	for (size_t i = 1; i < count; i++) {
		shape_bounds(&shapes[i], &low, &high);
		box->low = vec(fmin(box->low.x, low.x), fmin(box->low.y, low.y),
			       fmin(box->low.z, low.z));
		box->high = vec(fmax(box->high.x, high.x), fmax(box->high.y, high.y),
				fmax(box->high.z, high.z));
	}
}

static void build(struct scene *scene, size_t first, size_t count)
{
	struct box *box = &scene->boxes[scene->box_count++];
	struct vec extent;
	size_t half = count / 2;

	bound(box, scene->shapes + first, count);
	if (count <= LEAF_SHAPES) {
		box->first = (unsigned)first;
		box->shapes = (unsigned)count;
		return;
	}
	extent = vec_sub(box->high, box->low);
	box->axis = extent.x >= extent.y && extent.x >= extent.z ? 0 : extent.y >= extent.z ? 1 : 2;
	qsort_r(scene->shapes + first, count, sizeof(*scene->shapes), compare_middles, &box->axis);
	build(scene, first, half);
	box->first = (unsigned)scene->box_count;
	build(scene, first + half, count - half);
}

int boxes_build(struct scene *scene)
{
	if (scene->shape_count == 0)
		return 0;
	scene->boxes = calloc(scene->shape_count * 2, sizeof(*scene->boxes));
	if (!scene->boxes)
		return -1;
	build(scene, 0, scene->shape_count);
	return 0;
}
