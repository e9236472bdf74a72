/* SPDX-License-Identifier: MIT */
/*
 * Makes a source of a statefile or an executable: follows the chain of its parents, and lays
 * their segments one over the other.  Called by undump and by whatever sends an image at rest.
 */
#define _GNU_SOURCE
#include "rfork/statefile_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/statefile_image.h"
#include "rfork/statefile_layers.h"

/* A file of the chain while it is read. */
struct link {
	struct rf_statefile file;
	char *path;
	int fd; /* the source's */
};

struct chain {
	struct link *links; /* the youngest first */
	size_t count;
	uint64_t min_address, max_address;
	struct rf_report *report;
};

static void release_chain(struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++) {
		rf_statefile_release(&chain->links[i].file);
		free(chain->links[i].path);
	}
	free(chain->links);
}

static int no_memory(struct chain *chain, const char *path)
{
	return rf_report(chain->report, ENOMEM, "%s: no memory to read it", path);
}

/* Reads another file; takes fd for the source and path for the chain. */
static int add_link(struct rf_source *source, struct chain *chain, int fd, char *path)
{
	struct link *grown = reallocarray(chain->links, chain->count + 1, sizeof(*grown));
	struct link *link;
	int error;

	fd = rf_source_own(source, fd);
	if (!path || !grown || fd < 0) {
		chain->links = grown ? grown : chain->links;
		free(path);
		return no_memory(chain, "a statefile");
	}
	chain->links = grown;
	link = &grown[chain->count];
	link->fd = fd;
	link->path = path;
	error = rf_statefile_read(&link->file, fd, path, chain->min_address, chain->max_address,
				  chain->report);
	if (error < 0)
		free(path);
	else
		chain->count++;
	return error;
}

static const struct rf_image_origin *origin_of(const struct link *link)
{
	return &link->file.image.origin;
}

/* A name stands for a file in the folder of the child. */
static char *make_parent_path(const struct link *child)
{
	const char *parent = child->file.image.parent_path;
	const char *slash = strrchr(child->path, '/');
	size_t folder_bytes = parent[0] == '/' || !slash ? 0 : (size_t)(slash - child->path) + 1;
	char *path = malloc(folder_bytes + strlen(parent) + 1);

	if (path) {
		memcpy(path, child->path, folder_bytes);
		memcpy(path + folder_bytes, parent, strlen(parent) + 1);
	}
	return path;
}

/* A long chain may need more descriptors than are usual; as many as there may be. */
static bool raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int open_regular(const char *path)
{
	/* O_NONBLOCK: a FIFO must not hang us before it is refused */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = rf_io_above_stdio(open(path, flags));
	struct stat status;

	if (fd < 0 && errno == EMFILE && raise_file_limit())
		fd = rf_io_above_stdio(open(path, flags));
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* A parent is the image that the child names, and none that has been read already. */
static int check_parent(struct chain *chain)
{
	const struct link *parent = &chain->links[chain->count - 1];
	const struct link *child = parent - 1;

	if (memcmp(origin_of(parent)->id, origin_of(child)->parent, RF_IMAGE_ID_BYTES) != 0)
		return rf_report(chain->report, ESTALE,
				 "%s: it is not the parent of %s, but another image", parent->path,
				 child->path);
	for (const struct link *link = chain->links; link < parent; link++)
		if (memcmp(origin_of(link)->id, origin_of(parent)->id, RF_IMAGE_ID_BYTES) == 0)
			return rf_report(chain->report, ELOOP, "%s: it is its own ancestor",
					 parent->path);
	if (chain->count > RF_IMAGE_MAX_CHAIN)
		return rf_report(chain->report, ELOOP, "%s: it has more than %u ancestors",
				 chain->links[0].path, RF_IMAGE_MAX_CHAIN - 1);
	return 0;
}

static int add_parent(struct rf_source *source, struct chain *chain)
{
	const struct link *child = &chain->links[chain->count - 1];
	char *path = make_parent_path(child);
	int fd, error;

	if (!path)
		return no_memory(chain, child->path);
	fd = open_regular(path);
	if (fd < 0) {
		error = rf_report(chain->report, -fd, "%s: the parent of %s: %m", path,
				  child->path);
		free(path);
		return error;
	}
	error = add_link(source, chain, fd, path);
	return error < 0 ? error : check_parent(chain);
}

/* -- the source --------------------------------------------------------------------------- */

/* What a source has of its own moves there. */
static int take_layout(struct rf_source *source, struct link *link, bool is_whole)
{
	struct rf_image *image = &source->image;

	*image = link->file.image;
	link->file.image = (struct rf_image){ 0 };
	rf_source_take_image(source);
	/* with its parents it is whole */
	if (!is_whole) {
		memset(source->origin.parent, 0, sizeof(source->origin.parent));
		source->origin.path_bytes = 0;
	}
	source->path = strdup(source->chain[0].path);
	return source->path ? 0 : -ENOMEM;
}

static int take_files(struct rf_source *source, struct chain *chain)
{
	source->chain = calloc(chain->count, sizeof(*source->chain));
	if (!source->chain)
		return -ENOMEM;
	for (size_t i = 0; i < chain->count; i++) {
		struct link *link = &chain->links[i];

		source->chain[i] = (struct rf_source_file){ .path = link->path,
							    .fd = link->fd,
							    .note = link->file.note,
							    .note_offset = link->file.note_offset,
							    .origin = link->file.image.origin,
							    .index = link->file.index };
		link->path = NULL;
		link->file.index = (struct rf_reader_index){ 0 };
	}
	source->chain_count = chain->count;
	return 0;
}

/* Those of the youngest: its layout is whole, and so are its files. */
static int take_contents(struct rf_source *source, const struct link *link)
{
	const struct rf_reader_index *index = &link->file.index;
	int error = 0;

	for (size_t i = 0; i < index->content_count && error == 0; i++)
		error = rf_source_add_content(
			source,
			&(struct rf_source_content){ .object = index->contents[i].object,
						     .fd = link->fd,
						     .offset = index->contents[i].offset,
						     .bytes = index->contents[i].bytes,
						     .at = index->contents[i].file_offset });
	return error;
}

/* Lays the segments over each other, from the oldest on. */
static int lay_segments(struct rf_source *source, const struct chain *chain)
{
	struct rf_layers layers = { 0 };
	int error = 0;

	for (size_t i = chain->count; i-- && error == 0;)
		error = rf_layers_add(&layers, &chain->links[i].file.image,
				      &chain->links[i].file.index, chain->links[i].fd);
	source->segments = layers.segments;
	source->segment_count = layers.count;
	return error;
}

static int open_chain(struct rf_source *source, struct chain *chain)
{
	int error = 0;

	while (error == 0 && chain->links[chain->count - 1].file.image.parent_path)
		error = add_parent(source, chain);
	if (error < 0)
		return error;
	error = lay_segments(source, chain);
	if (error == -E2BIG)
		return rf_report(chain->report, E2BIG,
				 "%s: it and its parents have too many segments",
				 chain->links[0].path);
	if (error == 0)
		error = take_contents(source, &chain->links[0]);
	if (error == 0)
		error = take_files(source, chain);
	if (error == 0)
		error = take_layout(source, &chain->links[0], chain->count == 1);
	return error < 0 ? no_memory(chain, "a statefile") : 0;
}

/* Takes fd. */
static int open_from(struct rf_source *source, int fd, const char *path, uint64_t min_address,
		     uint64_t max_address, struct rf_report *report)
{
	struct chain chain = { .min_address = min_address,
			       .max_address = max_address,
			       .report = report };
	int error = add_link(source, &chain, fd, strdup(path));

	if (error == 0)
		error = open_chain(source, &chain);
	release_chain(&chain);
	if (error < 0)
		rf_source_close(source);
	return error;
}

int rf_statefile_open(struct rf_source *source, const char *path, uint64_t min_address,
		      uint64_t max_address, struct rf_report *report)
{
	int fd = open_regular(path);

	rf_source_init(source);
	if (fd < 0)
		return rf_report(report, -fd, "%s: %m", path);
	return open_from(source, fd, path, min_address, max_address, report);
}

int rf_statefile_open_fd(struct rf_source *source, int fd, const char *path, uint64_t min_address,
			 uint64_t max_address, struct rf_report *report)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	rf_source_init(source);
	if (own < 0)
		return rf_report(report, errno, "%s: %m", path);
	return open_from(source, own, path, min_address, max_address, report);
}
