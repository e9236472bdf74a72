/* SPDX-License-Identifier: MIT */
/*
 * The renderer's arithmetic: rays, shapes, light.  Called by a clone, or by the
 * caller for what no clone delivered.  It allocates nothing and keeps no state; all random
 * numbers come from the pixel and the number of the sample.
 */
#include "examples/trace.h"

#define FAR 1e30
#define NEAR 1e-6
#define STACK_BOXES 64
#define BRIGHTEST 5.0 /* of one sample: what is above only makes speckles */

struct ray {
	struct vec origin, direction; /* unit direction */
};

struct hit {
	double distance;
	struct vec point, normal; /* the normal is that of the surface's outside */
	const struct material *material;
	const struct light *light; /* instead of a material */
};

/* -- random numbers ----------------------------------------------------------------- */

/* Sample `index` of a pixel; each pair of numbers drawn is a point of another scrambled
 * (0,2)-sequence, so that the samples of a pixel are spread evenly in every use. */
struct sampler {
	uint32_t index, mask, pixel, pairs;
};

static uint32_t hash(uint32_t x)
{
	x = (x ^ (x >> 16)) * 0x7feb352du;
	x = (x ^ (x >> 15)) * 0x846ca68bu;
	return x ^ (x >> 16);
}

static uint32_t reverse_bits(uint32_t x)
{
	x = (x & 0x55555555u) << 1 | (x >> 1 & 0x55555555u);
	x = (x & 0x33333333u) << 2 | (x >> 2 & 0x33333333u);
	x = (x & 0x0f0f0f0fu) << 4 | (x >> 4 & 0x0f0f0f0fu);
	return __builtin_bswap32(x);
}

/* The second dimension of Sobol's sequence. */
static uint32_t sobol(uint32_t index)
{
	uint32_t direction = 1u << 31, result = 0;

	for (; index; index >>= 1, direction ^= direction >> 1)
		if (index & 1)
			result ^= direction;
	return result;
}

static void draw_pair(struct sampler *sampler, double *u, double *v)
{
	uint32_t seed = hash(sampler->pixel + 0x9e3779b9u * ++sampler->pairs);
	uint32_t index = sampler->index ^ (seed & sampler->mask);

	*u = (reverse_bits(index) ^ hash(seed + 1)) * 0x1p-32;
	*v = (sobol(index) ^ hash(seed + 2)) * 0x1p-32;
}

static double draw(struct sampler *sampler)
{
	double u, v;

	draw_pair(sampler, &u, &v);
	return u;
}

static struct vec draw_around(struct sampler *sampler, struct vec axis, double cosine_limit)
{
	double u, v, cosine, sine;
	struct vec s, t;

	draw_pair(sampler, &u, &v);
	cosine = 1 - u * (1 - cosine_limit);
	sine = sqrt(fmax(0, 1 - cosine * cosine));
	vec_frame(axis, &s, &t);
	s = vec_along(vec_scale(s, cos(2 * M_PI * v) * sine), t, sin(2 * M_PI * v) * sine);
	return vec_along(s, axis, cosine);
}

/* A direction over a matt surface, as likely as the light from there counts. */
static struct vec draw_over(struct sampler *sampler, struct vec normal)
{
	double u, v, radius;
	struct vec s, t;

	draw_pair(sampler, &u, &v);
	radius = sqrt(u);
	vec_frame(normal, &s, &t);
	s = vec_along(vec_scale(s, cos(2 * M_PI * v) * radius), t, sin(2 * M_PI * v) * radius);
	return vec_along(s, normal, sqrt(fmax(0, 1 - u)));
}

/* -- what a ray meets ---------------------------------------------------------------- */

/* The nearest distance in (NEAR, limit) at which a ray meets a sphere, or FAR. */
static double meet_sphere(const struct ray *ray, struct vec center, double radius, double limit)
{
	struct vec way = vec_sub(ray->origin, center);
	double half = vec_dot(way, ray->direction);
	/* The distance of the line from the center, without the cancellation of b*b - c. */
	struct vec apart = vec_along(way, ray->direction, -half);
	double rest = radius * radius - vec_dot(apart, apart);
	double root, near;

	if (rest < 0)
		return FAR;
	root = sqrt(rest);
	near = -half - root > NEAR ? -half - root : -half + root;
	return near > NEAR && near < limit ? near : FAR;
}

static double meet_triangle(const struct ray *ray, const struct shape *shape, double limit)
{
	struct vec p = vec_cross(ray->direction, shape->c), q, way;
	double determinant = vec_dot(shape->b, p), u, v, distance;

	if (fabs(determinant) < 1e-14)
		return FAR;
	way = vec_sub(ray->origin, shape->a);
	u = vec_dot(way, p) / determinant;
	if (u < 0 || u > 1)
		return FAR;
	q = vec_cross(way, shape->b);
	v = vec_dot(ray->direction, q) / determinant;
	if (v < 0 || u + v > 1)
		return FAR;
	distance = vec_dot(shape->c, q) / determinant;
	return distance > NEAR && distance < limit ? distance : FAR;
}

static double meet_shape(const struct ray *ray, const struct shape *shape, double limit)
{
	if (shape->kind == SHAPE_SPHERE)
		return meet_sphere(ray, shape->a, shape->b.x, limit);
	return meet_triangle(ray, shape, limit);
}

static int meets_box(const struct box *box, struct vec origin, struct vec inverse, double limit)
{
	double x1 = (box->low.x - origin.x) * inverse.x, x2 = (box->high.x - origin.x) * inverse.x;
	double y1 = (box->low.y - origin.y) * inverse.y, y2 = (box->high.y - origin.y) * inverse.y;
	double z1 = (box->low.z - origin.z) * inverse.z, z2 = (box->high.z - origin.z) * inverse.z;
	double enter = x1 < x2 ? x1 : x2, leave = x1 < x2 ? x2 : x1;

	enter = y1 < y2 ? (y1 > enter ? y1 : enter) : (y2 > enter ? y2 : enter);
	leave = y1 < y2 ? (y2 < leave ? y2 : leave) : (y1 < leave ? y1 : leave);
	enter = z1 < z2 ? (z1 > enter ? z1 : enter) : (z2 > enter ? z2 : enter);
	leave = z1 < z2 ? (z2 < leave ? z2 : leave) : (z1 < leave ? z1 : leave);
	return leave >= enter && leave > 0 && enter < limit;
}

/* The nearest shape before *limit, or with `any` set the first one found; lowers *limit. */
static const struct shape *meet_shapes(const struct scene *scene, const struct ray *ray,
				       double *limit, int any)
{
	struct vec d = ray->direction, inverse = vec(1 / d.x, 1 / d.y, 1 / d.z);
	const struct shape *nearest = NULL;
	unsigned stack[STACK_BOXES], waiting = 0;

	if (scene->box_count)
		stack[waiting++] = 0;
	while (waiting) {
		unsigned number = stack[--waiting];
		const struct box *box = &scene->boxes[number];

		if (!meets_box(box, ray->origin, inverse, *limit))
			continue;
		if (!box->shapes) {
			double towards = box->axis == 0 ? d.x : box->axis == 1 ? d.y : d.z;

			stack[waiting++] = towards < 0 ? number + 1 : box->first;
			stack[waiting++] = towards < 0 ? box->first : number + 1;
			continue;
		}
		for (unsigned i = box->first; i < box->first + box->shapes; i++) {
			double distance = meet_shape(ray, &scene->shapes[i], *limit);

			if (distance >= *limit)
				continue;
			*limit = distance;
			nearest = &scene->shapes[i];
			if (any)
				return nearest;
		}
	}
	return nearest;
}

static double meet_plane(const struct ray *ray, const struct plane *plane, double limit)
{
	double slope = vec_dot(ray->direction, plane->normal), distance;

	if (fabs(slope) < 1e-12)
		return FAR;
	distance = vec_dot(vec_sub(plane->point, ray->origin), plane->normal) / slope;
	return distance > NEAR && distance < limit ? distance : FAR;
}

static int meets_something(const struct scene *scene, const struct ray *ray, double limit)
{
	for (size_t i = 0; i < scene->plane_count; i++)
		if (meet_plane(ray, &scene->planes[i], limit) < limit)
			return 1;
	return meet_shapes(scene, ray, &limit, 1) != NULL;
}

static struct vec shape_normal(const struct shape *shape, struct vec point)
{
	if (shape->kind == SHAPE_SPHERE)
		return vec_unit(vec_sub(point, shape->a));
	return vec_unit(vec_cross(shape->b, shape->c));
}

/* Fills *hit and returns 1, or returns 0 where there is only sky. */
static int meet(const struct scene *scene, const struct ray *ray, int lights, struct hit *hit)
{
	const struct plane *plane = NULL;
	const struct light *light = NULL;
	const struct shape *shape;
	double limit = FAR, distance;

	for (size_t i = 0; i < scene->plane_count; i++) {
		distance = meet_plane(ray, &scene->planes[i], limit);
		if (distance < limit)
			limit = distance, plane = &scene->planes[i];
	}
	shape = meet_shapes(scene, ray, &limit, 0);
	for (size_t i = 0; lights && i < scene->light_count; i++) {
		distance =
			meet_sphere(ray, scene->lights[i].center, scene->lights[i].radius, limit);
		if (distance < limit)
			limit = distance, light = &scene->lights[i];
	}
	if (limit == FAR)
		return 0;
	*hit = (struct hit){ .distance = limit, .light = light };
	hit->point = vec_along(ray->origin, ray->direction, limit);
	if (light)
		return 1;
	hit->material = &scene->materials[shape ? shape->material : plane->material];
	hit->normal = shape ? shape_normal(shape, hit->point) : plane->normal;
	return 1;
}

/* -- light -------------------------------------------------------------------------- */

static struct vec sky(const struct scene *scene, struct vec direction)
{
	return vec_mix(scene->horizon, scene->zenith, sqrt(fmax(0, direction.y)));
}

static struct vec surface_color(const struct material *material, struct vec point)
{
	double edge = material->checker;

	if (edge == 0)
		return material->color;
	/* The small shift keeps a floor at y = 0 from flickering between two fields. */
	if ((long)(floor(point.x / edge) + floor(point.y / edge + 1e-4) + floor(point.z / edge)) &
	    1)
		return material->color2;
	return material->color;
}

/* What the lights give to a matt surface; each is sampled once, on its visible disc. */
static struct vec direct_light(const struct scene *scene, struct vec point, struct vec normal,
			       struct sampler *sampler)
{
	struct vec sum = vec(0, 0, 0);

	for (size_t i = 0; i < scene->light_count; i++) {
		const struct light *light = &scene->lights[i];
		struct vec way = vec_sub(light->center, point);
		double distance = vec_length(way), sine = light->radius / distance, cosine;
		struct ray ray = { .origin = point };

		if (sine >= 1)
			continue; /* inside the light */
		ray.direction =
			draw_around(sampler, vec_scale(way, 1 / distance), sqrt(1 - sine * sine));
		cosine = vec_dot(ray.direction, normal);
		if (cosine <= 0 || meets_something(scene, &ray, distance - light->radius))
			continue;
		sum = vec_along(sum, light->power, cosine / (distance * distance));
	}
	return sum;
}

/* Light that came from the sky, or from the next surface once. */
static struct vec matt_light(const struct scene *scene, const struct hit *hit, struct vec normal,
			     struct sampler *sampler)
{
	struct vec point = vec_along(hit->point, normal, 1e-4);
	struct vec sum = direct_light(scene, point, normal, sampler), around, color;
	struct ray ray = { point, draw_over(sampler, normal) };
	struct hit next;

	if (!meet(scene, &ray, 0, &next)) {
		around = sky(scene, ray.direction);
	} else {
		if (vec_dot(next.normal, ray.direction) > 0)
			next.normal = vec_scale(next.normal, -1);
		color = surface_color(next.material, next.point);
		around = direct_light(scene, vec_along(next.point, next.normal, 1e-4), next.normal,
				      sampler);
		around = vec_along(around, sky(scene, next.normal), 0.3);
		around = vec_times(color, around);
	}
	return vec_times(surface_color(hit->material, hit->point), vec_add(sum, around));
}

static struct vec radiance(const struct scene *scene, struct ray ray, unsigned depth,
			   struct sampler *sampler);

static struct vec mirror_light(const struct scene *scene, const struct hit *hit,
			       const struct ray *ray, struct vec normal, unsigned depth,
			       struct sampler *sampler)
{
	struct ray next = { vec_along(hit->point, normal, 1e-4),
			    vec_mirror(ray->direction, normal) };

	if (hit->material->rough > 0) {
		double rough = hit->material->rough * hit->material->rough;
		struct vec direction = draw_around(sampler, next.direction, 1 - rough);

		if (vec_dot(direction, normal) > 0)
			next.direction = direction;
	}
	return radiance(scene, next, depth + 1, sampler);
}

/* The ray behind the surface of glass; 0 where all light is reflected. */
static int refract_ray(const struct hit *hit, const struct ray *ray, struct vec normal,
		       int entering, struct ray *next)
{
	double ratio = entering ? 1 / hit->material->refract : hit->material->refract;
	double cosine = -vec_dot(ray->direction, normal);
	double rest = 1 - ratio * ratio * (1 - cosine * cosine);

	if (rest <= 0)
		return 0;
	next->origin = vec_along(hit->point, normal, -1e-4);
	next->direction = vec_unit(
		vec_along(vec_scale(ray->direction, ratio), normal, ratio * cosine - sqrt(rest)));
	return 1;
}

/* The share that a surface mirrors: more at grazing angles (Schlick's approximation). */
static double mirrored_share(double normal_share, double cosine)
{
	double rest = 1 - fmin(1, fmax(0, cosine));

	return normal_share + (1 - normal_share) * rest * rest * rest * rest * rest;
}

static struct vec glass_light(const struct scene *scene, const struct hit *hit,
			      const struct ray *ray, struct vec normal, int entering,
			      unsigned depth, struct sampler *sampler)
{
	double index = hit->material->refract, share = (index - 1) / (index + 1);
	double cosine = -vec_dot(ray->direction, normal);
	struct vec mirror, through;
	struct ray next;

	if (!refract_ray(hit, ray, normal, entering, &next))
		return mirror_light(scene, hit, ray, normal, depth, sampler);
	if (!entering)
		cosine = -vec_dot(next.direction, normal);
	share = mirrored_share(share * share, cosine);
	/* Both ways from the eye, one by lot further on: the number of rays stays small. */
	if (depth > 0 && draw(sampler) < share)
		return mirror_light(scene, hit, ray, normal, depth, sampler);
	through = radiance(scene, next, depth + 1, sampler);
	if (entering)
		through = vec_times(through, hit->material->color);
	if (depth > 0)
		return through;
	mirror = mirror_light(scene, hit, ray, normal, depth, sampler);
	return vec_mix(through, mirror, share);
}

static struct vec opaque_light(const struct scene *scene, const struct hit *hit,
			       const struct ray *ray, struct vec normal, unsigned depth,
			       struct sampler *sampler)
{
	const struct material *material = hit->material;
	double share = material->reflect;
	struct vec mirror = vec(0, 0, 0), matt = vec(0, 0, 0);

	if (share > 0)
		share = mirrored_share(share, -vec_dot(ray->direction, normal));
	if (depth > 1 && share > 0)
		share = draw(sampler) < share ? 1 : 0;
	if (share > 0)
		mirror = mirror_light(scene, hit, ray, normal, depth, sampler);
	if (material->metal)
		mirror = vec_times(mirror, material->color);
	if (share < 1)
		matt = matt_light(scene, hit, normal, sampler);
	return vec_mix(matt, mirror, share);
}

static struct vec radiance(const struct scene *scene, struct ray ray, unsigned depth,
			   struct sampler *sampler)
{
	struct vec normal, color, haze;
	struct hit hit;
	int entering;

	if (!meet(scene, &ray, 1, &hit) || depth > scene->depth)
		return sky(scene, ray.direction);
	if (hit.light)
		return vec_scale(hit.light->power, 1 / (hit.light->radius * hit.light->radius));
	entering = vec_dot(hit.normal, ray.direction) < 0;
	normal = entering ? hit.normal : vec_scale(hit.normal, -1);
	if (hit.material->refract > 0)
		color = glass_light(scene, &hit, &ray, normal, entering, depth, sampler);
	else
		color = opaque_light(scene, &hit, &ray, normal, depth, sampler);
	if (scene->haze == 0)
		return color;
	haze = sky(scene, vec(ray.direction.x, 0, ray.direction.z));
	return vec_mix(haze, color, exp(-hit.distance / scene->haze));
}

/* -- picture ------------------------------------------------------------------------- */

struct view {
	struct vec right, up, forward; /* right and up: of one half of the picture's height */
};

static struct view make_view(const struct scene *scene)
{
	double half = tan(scene->view_degrees * M_PI / 360);
	struct view view;

	view.forward = vec_unit(vec_sub(scene->target, scene->eye));
	view.right = vec_unit(vec_cross(view.forward, vec(0, 1, 0)));
	view.up = vec_scale(vec_cross(view.right, view.forward), half);
	view.right = vec_scale(view.right, half);
	return view;
}

static struct ray eye_ray(const struct scene *scene, const struct view *view, unsigned column,
			  unsigned row, struct sampler *sampler)
{
	double height = scene->height, u, v, x, y, radius;
	struct ray ray = { .origin = scene->eye };
	struct vec point;

	draw_pair(sampler, &u, &v);
	x = (2 * (column + u) - scene->width) / height;
	y = (height - 2 * (row + v)) / height;
	point = vec_along(vec_along(view->forward, view->right, x), view->up, y);
	point = vec_along(scene->eye, point, scene->focus);
	if (scene->lens_radius > 0) {
		draw_pair(sampler, &u, &v);
		radius = scene->lens_radius * sqrt(u);
		ray.origin =
			vec_along(ray.origin, vec_unit(view->right), radius * cos(2 * M_PI * v));
		ray.origin = vec_along(ray.origin, vec_unit(view->up), radius * sin(2 * M_PI * v));
	}
	ray.direction = vec_unit(vec_sub(point, ray.origin));
	return ray;
}

/* The screen's curve: a little contrast in the dark, and room for what is brighter than white. */
static uint8_t screen_value(double light)
{
	double shown = light * (2.2 * light + 0.05) / (light * (2.2 * light + 0.65) + 0.16);

	return (uint8_t)(255 * pow(fmin(1, fmax(0, shown)), 1 / 2.2) + 0.5);
}

static struct vec trace_pixel(const struct scene *scene, const struct view *view, unsigned column,
			      unsigned row)
{
	struct sampler sampler = {
		.mask = scene->samples - 1,
		.pixel = hash(hash(row) + column),
	};
	struct vec sum = vec(0, 0, 0), light;
	double brightest;

	for (unsigned i = 0; i < scene->samples; i++) {
		sampler.index = i;
		sampler.pairs = 0;
		light = radiance(scene, eye_ray(scene, view, column, row, &sampler), 0, &sampler);
		brightest = fmax(light.x, fmax(light.y, light.z));
		sum = vec_along(sum, light, brightest > BRIGHTEST ? BRIGHTEST / brightest : 1);
	}
	return vec_scale(sum, scene->exposure / scene->samples);
}

void trace_row(const struct scene *scene, unsigned row, uint8_t *pixels)
{
	struct view view = make_view(scene);

	for (unsigned column = 0; column < scene->width; column++) {
		struct vec light = trace_pixel(scene, &view, column, row);

		*pixels++ = screen_value(light.x);
		*pixels++ = screen_value(light.y);
		*pixels++ = screen_value(light.z);
	}
}
