/* SPDX-License-Identifier: MIT */
/*
 * Reads scene files (scenes/FORMAT.md): one statement a line, a word and its arguments.
 * Called by render.c before the fork.  Errors name file and line.
 */
#include "examples/scene.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 32
#define MAX_FLAKE_DEPTH 6

struct parser {
	struct scene *scene;
	FILE *messages;
	const char *path;
	unsigned line;
	char *words[MAX_WORDS];
	unsigned count, next; /* of words */
	int failed;
};

/* -- words ------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void fail(struct parser *parser, const char *format,
						       ...)
{
	va_list arguments;

	if (parser->failed)
		return; /* the first error is the cause */
	parser->failed = 1;
	fprintf(parser->messages, "%s:%u: ", parser->path, parser->line);
	va_start(arguments, format);
	vfprintf(parser->messages, format, arguments);
	va_end(arguments);
	fputc('\n', parser->messages);
}

static const char *take_word(struct parser *parser, const char *what)
{
	if (parser->next < parser->count)
		return parser->words[parser->next++];
	fail(parser, "%s: %s is missing", parser->words[0], what);
	return "";
}

static double take_number(struct parser *parser, const char *what, double lowest, double highest)
{
	const char *word = take_word(parser, what);
	char *end;
	double number;

	if (parser->failed)
		return lowest;
	number = strtod(word, &end);
	if (end == word || *end || !isfinite(number))
		fail(parser, "%s: %s is \"%s\", not a number", parser->words[0], what, word);
	else if (number < lowest || number > highest)
		fail(parser, "%s: %s is %g, not between %g and %g", parser->words[0], what, number,
		     lowest, highest);
	else
		return number;
	return lowest;
}

static unsigned take_count(struct parser *parser, const char *what, unsigned lowest,
			   unsigned highest)
{
	double number = take_number(parser, what, lowest, highest);

	if (number != floor(number))
		fail(parser, "%s: %s is %g, not a whole number", parser->words[0], what, number);
	return (unsigned)number;
}

static struct vec take_point(struct parser *parser, const char *what)
{
	struct vec point;

	point.x = take_number(parser, what, -1e6, 1e6);
	point.y = take_number(parser, what, -1e6, 1e6);
	point.z = take_number(parser, what, -1e6, 1e6);
	return point;
}

static struct vec take_color(struct parser *parser, const char *what, double highest)
{
	struct vec color;

	color.x = take_number(parser, what, 0, highest);
	color.y = take_number(parser, what, 0, highest);
	color.z = take_number(parser, what, 0, highest);
	return color;
}

static unsigned take_material(struct parser *parser)
{
	const char *name = take_word(parser, "the material");

	for (size_t i = 0; i < parser->scene->material_count; i++)
		if (!strcmp(parser->scene->materials[i].name, name))
			return (unsigned)i;
	fail(parser, "%s: there is no material \"%s\" above", parser->words[0], name);
	return 0;
}

/* -- growing arrays ---------------------------------------------------------------- */

/* Appends an item to an array whose capacity is the next power of two of its count. */
static void append(struct parser *parser, void *array, size_t *count, const void *item,
		   size_t bytes)
{
	void *items;

	if (parser->failed)
		return;
	memcpy(&items, array, sizeof(items));
	if ((*count & (*count - 1)) == 0) {
		items = reallocarray(items, *count ? 2 * *count : 1, bytes);
		if (!items) {
			fail(parser, "%s", strerror(errno));
			return;
		}
		memcpy(array, &items, sizeof(items));
	}
	memcpy((char *)items + *count * bytes, item, bytes);
	++*count;
}

static void add_shape(struct parser *parser, const struct shape *shape)
{
	struct scene *scene = parser->scene;

	append(parser, &scene->shapes, &scene->shape_count, shape, sizeof(*shape));
}

static void add_sphere(struct parser *parser, unsigned material, struct vec center, double radius)
{
	struct shape sphere = {
		.kind = SHAPE_SPHERE,
		.material = material,
		.a = center,
		.b = vec(radius, 0, 0),
	};

	add_shape(parser, &sphere);
}

/* -- statements --------------------------------------------------------------------- */

static void parse_picture(struct parser *parser)
{
	parser->scene->width = take_count(parser, "the width", 1, SCENE_MAX_SIZE);
	parser->scene->height = take_count(parser, "the height", 1, SCENE_MAX_SIZE);
}

static void parse_samples(struct parser *parser)
{
	unsigned samples = take_count(parser, "the number of samples", 1, 4096);

	if (samples & (samples - 1))
		fail(parser, "samples: %u is not a power of two", samples);
	parser->scene->samples = samples;
}

static void parse_depth(struct parser *parser)
{
	parser->scene->depth = take_count(parser, "the depth", 0, 32);
}

static void parse_exposure(struct parser *parser)
{
	parser->scene->exposure = take_number(parser, "the exposure", 0.001, 1000);
}

static void parse_camera(struct parser *parser)
{
	struct scene *scene = parser->scene;
	struct vec view;

	scene->eye = take_point(parser, "the place of the eye");
	scene->target = take_point(parser, "the point looked at");
	scene->view_degrees = take_number(parser, "the angle of view", 1, 150);
	view = vec_sub(scene->target, scene->eye);
	if (view.x * view.x + view.z * view.z < 1e-12)
		fail(parser, "camera: it must not look straight up or down");
}

static void parse_lens(struct parser *parser)
{
	parser->scene->lens_radius = take_number(parser, "the lens's radius", 0, 1e3);
	parser->scene->focus = take_number(parser, "the focus distance", 1e-3, 1e6);
}

static void parse_sky(struct parser *parser)
{
	parser->scene->horizon = take_color(parser, "the horizon's colour", 1e3);
	parser->scene->zenith = take_color(parser, "the zenith's colour", 1e3);
}

static void parse_haze(struct parser *parser)
{
	parser->scene->haze = take_number(parser, "the distance", 1e-3, 1e6);
}

static void parse_light(struct parser *parser)
{
	struct scene *scene = parser->scene;
	struct light light;

	light.center = take_point(parser, "the center");
	light.radius = take_number(parser, "the radius", 1e-3, 1e5);
	light.power = take_color(parser, "the power", 1e9);
	append(parser, &scene->lights, &scene->light_count, &light, sizeof(light));
}

static void parse_property(struct parser *parser, struct material *material)
{
	const char *word = take_word(parser, "the property");

	if (!strcmp(word, "color")) {
		material->color = take_color(parser, "the colour", 1);
	} else if (!strcmp(word, "checker")) {
		material->color2 = take_color(parser, "the second colour", 1);
		material->checker = take_number(parser, "the edge of a field", 1e-3, 1e6);
	} else if (!strcmp(word, "reflect")) {
		material->reflect = take_number(parser, "the reflection", 0, 1);
	} else if (!strcmp(word, "rough")) {
		material->rough = take_number(parser, "the roughness", 0, 1);
	} else if (!strcmp(word, "refract")) {
		material->refract = take_number(parser, "the refraction", 1, 4);
	} else if (!strcmp(word, "metal")) {
		material->metal = 1;
	} else {
		fail(parser, "material: unknown property \"%s\"", word);
	}
}

static void parse_material(struct parser *parser)
{
	struct material material = { .color = { 0.8, 0.8, 0.8 } };
	struct scene *scene = parser->scene;
	const char *name = take_word(parser, "the name");

	if (strlen(name) >= sizeof(material.name))
		fail(parser, "material: the name \"%s\" is longer than %zu letters", name,
		     sizeof(material.name) - 1);
	else
		strcpy(material.name, name);
	for (size_t i = 0; i < scene->material_count; i++)
		if (!strcmp(scene->materials[i].name, name))
			fail(parser, "material: \"%s\" is already defined", name);
	while (!parser->failed && parser->next < parser->count)
		parse_property(parser, &material);
	append(parser, &scene->materials, &scene->material_count, &material, sizeof(material));
}

static void parse_sphere(struct parser *parser)
{
	unsigned material = take_material(parser);
	struct vec center = take_point(parser, "the center");

	add_sphere(parser, material, center, take_number(parser, "the radius", 1e-4, 1e6));
}

static void parse_plane(struct parser *parser)
{
	struct scene *scene = parser->scene;
	struct plane plane;

	plane.material = take_material(parser);
	plane.point = take_point(parser, "the point");
	plane.normal = take_point(parser, "the normal");
	if (vec_length(plane.normal) < 1e-9)
		fail(parser, "plane: the normal has no direction");
	else
		plane.normal = vec_unit(plane.normal);
	append(parser, &scene->planes, &scene->plane_count, &plane, sizeof(plane));
}

static void parse_triangle(struct parser *parser)
{
	struct shape triangle = { .kind = SHAPE_TRIANGLE };

	triangle.material = take_material(parser);
	triangle.a = take_point(parser, "the first corner");
	triangle.b = vec_sub(take_point(parser, "the second corner"), triangle.a);
	triangle.c = vec_sub(take_point(parser, "the third corner"), triangle.a);
	if (vec_length(vec_cross(triangle.b, triangle.c)) < 1e-12)
		fail(parser, "triangle: the corners are in one line");
	add_shape(parser, &triangle);
}

/* A sphere with nine smaller ones on it, six around and three above, and so on. */
static void add_flake(struct parser *parser, unsigned material, struct vec center, struct vec axis,
		      double radius, unsigned depth)
{
	struct vec u, v, around, direction;

	add_sphere(parser, material, center, radius);
	if (depth == 0 || parser->failed)
		return;
	vec_frame(axis, &u, &v);
	for (unsigned i = 0; i < 9; i++) {
		double turn = i < 6 ? i * M_PI / 3 : (i + 0.25) * M_PI * 2 / 3;
		double lift = i < 6 ? 0.08 : M_PI / 3.2;

		around = vec_along(vec_scale(u, cos(turn)), v, sin(turn));
		direction = vec_along(vec_scale(around, cos(lift)), axis, sin(lift));
		add_flake(parser, material, vec_along(center, direction, radius * 4 / 3), direction,
			  radius / 3, depth - 1);
	}
}

static void parse_flake(struct parser *parser)
{
	unsigned material = take_material(parser);
	struct vec center = take_point(parser, "the center");
	double radius = take_number(parser, "the radius", 1e-3, 1e6);
	unsigned depth = take_count(parser, "the depth", 0, MAX_FLAKE_DEPTH);

	add_flake(parser, material, center, vec(0, 1, 0), radius, depth);
}

static const struct statement {
	const char *word;
	void (*parse)(struct parser *parser);
} statements[] = {
	{ "picture", parse_picture },	{ "samples", parse_samples }, { "depth", parse_depth },
	{ "exposure", parse_exposure }, { "camera", parse_camera },   { "lens", parse_lens },
	{ "sky", parse_sky },		{ "haze", parse_haze },	      { "light", parse_light },
	{ "material", parse_material }, { "sphere", parse_sphere },   { "plane", parse_plane },
	{ "triangle", parse_triangle }, { "flake", parse_flake },
};

static void parse_line(struct parser *parser, char *line)
{
	char *rest = NULL;

	line[strcspn(line, "#\r\n")] = '\0';
	parser->line++;
	parser->count = 0;
	parser->next = 1;
	for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (parser->count == MAX_WORDS) {
			fail(parser, "more than %d words", MAX_WORDS);
			return;
		}
		parser->words[parser->count++] = word;
	}
	if (parser->count == 0)
		return;
	for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
		if (strcmp(statements[i].word, parser->words[0]))
			continue;
		statements[i].parse(parser);
		if (!parser->failed && parser->next < parser->count)
			fail(parser, "%s: \"%s\" is one word too many", parser->words[0],
			     parser->words[parser->next]);
		return;
	}
	fail(parser, "unknown statement \"%s\"", parser->words[0]);
}

/* -- the whole file ------------------------------------------------------------------- */

static const struct scene defaults = {
	.width = 640,
	.height = 400,
	.samples = 16,
	.depth = 6,
	.exposure = 1,
	.eye = { 0, 2, 8 },
	.target = { 0, 1, 0 },
	.view_degrees = 40,
	.focus = 8,
	.horizon = { 0.75, 0.85, 1.0 },
	.zenith = { 0.2, 0.35, 0.7 },
};

int scene_load(struct scene *scene, const char *path, FILE *messages)
{
	struct parser parser = { .scene = scene, .messages = messages, .path = path };
	size_t capacity = 0;
	char *line = NULL;
	FILE *file;

	*scene = defaults;
	file = fopen(path, "re");
	if (!file) {
		fprintf(messages, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	errno = 0;
	while (!parser.failed && getline(&line, &capacity, file) != -1) {
		parse_line(&parser, line);
		errno = 0;
	}
	if (!parser.failed && errno)
		fail(&parser, "%s", strerror(errno));
	if (!parser.failed && boxes_build(scene) == -1)
		fail(&parser, "%s", strerror(errno));
	free(line);
	fclose(file);
	return parser.failed ? -1 : 0;
}

void scene_free(struct scene *scene)
{
	free(scene->materials);
	free(scene->lights);
	free(scene->planes);
	free(scene->shapes);
	free(scene->boxes);
	*scene = (struct scene){ 0 };
}
