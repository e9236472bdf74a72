/* SPDX-License-Identifier: MIT */
/*
 * Vectors of three doubles, for points, directions and colours.  Used by the
 * renderer's files; nothing here knows what a scene is.
 */
#ifndef EXAMPLES_VECTOR_H
#define EXAMPLES_VECTOR_H

#include <math.h>

struct vec {
	double x, y, z;
};

static inline struct vec vec(double x, double y, double z)
{
	return (struct vec){ x, y, z };
}

static inline struct vec vec_add(struct vec a, struct vec b)
{
	return vec(a.x + b.x, a.y + b.y, a.z + b.z);
}

static inline struct vec vec_sub(struct vec a, struct vec b)
{
	return vec(a.x - b.x, a.y - b.y, a.z - b.z);
}

static inline struct vec vec_scale(struct vec a, double k)
{
	return vec(a.x * k, a.y * k, a.z * k);
}

/* a + k b */
static inline struct vec vec_along(struct vec a, struct vec b, double k)
{
	return vec(a.x + k * b.x, a.y + k * b.y, a.z + k * b.z);
}

/* Component by component: a surface's colour times the light's. */
static inline struct vec vec_times(struct vec a, struct vec b)
{
	return vec(a.x * b.x, a.y * b.y, a.z * b.z);
}

static inline struct vec vec_mix(struct vec a, struct vec b, double k)
{
	return vec_along(vec_scale(a, 1 - k), b, k);
}

static inline double vec_dot(struct vec a, struct vec b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec vec_cross(struct vec a, struct vec b)
{
	return vec(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline double vec_length(struct vec a)
{
	return sqrt(vec_dot(a, a));
}

static inline struct vec vec_unit(struct vec a)
{
	return vec_scale(a, 1 / vec_length(a));
}

static inline struct vec vec_mirror(struct vec direction, struct vec normal)
{
	return vec_along(direction, normal, -2 * vec_dot(direction, normal));
}

/* Two unit vectors that make a right-handed frame with the unit vector w. */
static inline void vec_frame(struct vec w, struct vec *u, struct vec *v)
{
	*u = vec_unit(vec_cross(fabs(w.x) > 0.5 ? vec(0, 1, 0) : vec(1, 0, 0), w));
	*v = vec_cross(w, *u);
}

#endif
