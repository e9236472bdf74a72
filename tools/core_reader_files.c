/* SPDX-License-Identifier: MIT */
/*
 * Files that the process had mapped, as far as the core lacks what they hold.  One may stand for it
 * if it has the ELF headers and the build-id that the core has in memory; others only on demand.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/file_identity.h"
#include "rfork/io.h"
#include "tools/core_reader_parts.h"

/* The beginning of an ELF file, as the file and the memory of a process have it alike. */
struct head {
	unsigned char page[CORE_PAGE_BYTES];
	size_t bytes;
};

/* -- the image's files ----------------------------------------------------------------------- */

static int add_file(struct core *core, const char *path)
{
	struct rf_image *image = &core->source->image;
	uint32_t count = image->files_read;
	struct rf_reader_file *files;
	struct core_proof *proofs;

	if (count == RF_IMAGE_MAX_FILES)
		return core_report(core, ENOTSUP, "it has more than %u files", RF_IMAGE_MAX_FILES);
	files = reallocarray(image->files, count + 1, sizeof(*files));
	if (!files)
		return core_no_memory(core);
	image->files = files;
	proofs = reallocarray(core->proofs, count + 1, sizeof(*proofs));
	if (!proofs)
		return core_no_memory(core);
	core->proofs = proofs;
	proofs[count] = (struct core_proof){ 0 };
	files[count] = (struct rf_reader_file){
		.image = { .index = count, .mode = S_IFREG },
		.path = strdup(path),
	};
	if (!files[count].path)
		return core_no_memory(core);
	image->files_read++;
	return 0;
}

/* Whether the name is that of a file that others can open, too, and not of memory. */
static bool is_file(const char *path)
{
	static const char *const memory[] = { "/dev/zero", "/SYSV", "/memfd:", "/anon_hugepage",
					      "/[aio]" };

	if (path[0] != '/' || strlen(path) > RF_IMAGE_MAX_PATH_BYTES)
		return false;
	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
		if (strncmp(path, memory[i], strlen(memory[i])) == 0)
			return false;
	return true;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct core_mapped *)a)->path, ((const struct core_mapped *)b)->path);
}

static void keep(void *mapped)
{
	(void)mapped;
}

/* Finds the first entry with the same path, or adds a file. */
static int find_file(struct core *core, void **tree, struct core_mapped *mapped)
{
	struct core_mapped **node = tsearch(mapped, tree, compare_paths);

	if (!node)
		return core_no_memory(core);
	mapped->file = *node == mapped ? core->source->image.files_read : (*node)->file;
	return *node == mapped ? add_file(core, mapped->path) : 0;
}

int core_take_files(struct core *core)
{
	void *tree = NULL;
	int error = 0;

	for (size_t i = 0; i < core->mapped_count && error == 0; i++) {
		struct core_mapped *mapped = &core->mapped[i];

		if (!is_file(mapped->path))
			continue;
		error = find_file(core, &tree, mapped);
		if (error == 0 && mapped->offset == 0 && !core->proofs[mapped->file].beginning)
			core->proofs[mapped->file].beginning = mapped;
	}
	tdestroy(tree, keep);
	return error;
}

/* -- whether it is the same ------------------------------------------------------------------ */

/* The program headers, if all of them are in the first page. */
static bool read_headers(const struct head *head, Elf64_Ehdr *elf)
{
	if (head->bytes < sizeof(*elf))
		return false;
	memcpy(elf, head->page, sizeof(*elf));
	return memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0 && elf->e_ident[EI_CLASS] == ELFCLASS64 &&
	       elf->e_phentsize == sizeof(Elf64_Phdr) && elf->e_phoff <= head->bytes &&
	       elf->e_phnum <= (head->bytes - elf->e_phoff) / sizeof(Elf64_Phdr);
}

static Elf64_Phdr get_header(const struct head *head, const Elf64_Ehdr *elf, size_t index)
{
	Elf64_Phdr header;

	memcpy(&header, head->page + elf->e_phoff + index * sizeof(header), sizeof(header));
	return header;
}

/* Finds a build-id among notes; where its bytes are in the page, 0 if there is none. */
static size_t find_build_id(const struct head *head, size_t offset, size_t end, size_t *bytes)
{
	while (offset + sizeof(Elf64_Nhdr) <= end) {
		Elf64_Nhdr note;
		size_t name = offset + sizeof(note), description;

		memcpy(&note, head->page + offset, sizeof(note));
		if (note.n_namesz > end || note.n_descsz > end)
			return 0;
		description = name + ((note.n_namesz + 3u) & ~3u);
		offset = description + ((note.n_descsz + 3u) & ~3u);
		if (description + note.n_descsz > end)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(head->page + name, "GNU", 4) == 0 && note.n_descsz) {
			*bytes = note.n_descsz;
			return description;
		}
	}
	return 0;
}

static size_t build_id(const struct head *head, size_t *bytes)
{
	Elf64_Ehdr elf;

	if (!read_headers(head, &elf))
		return 0;
	for (size_t i = 0; i < elf.e_phnum; i++) {
		Elf64_Phdr header = get_header(head, &elf, i);
		size_t found;

		if (header.p_type != PT_NOTE || header.p_offset > head->bytes ||
		    header.p_filesz > head->bytes - header.p_offset)
			continue;
		found = find_build_id(head, header.p_offset, header.p_offset + header.p_filesz,
				      bytes);
		if (found)
			return found;
	}
	return 0;
}

/* Why the two are not the same by what they say; NULL if they are. */
static const char *compare_heads(const struct head *memory, const struct head *file)
{
	size_t memory_bytes, file_bytes;
	size_t memory_id = build_id(memory, &memory_bytes);
	size_t file_id = build_id(file, &file_bytes);
	Elf64_Ehdr elf;

	if (!memory_id || !file_id)
		return "no build-id proves that it is the same";
	if (memory_bytes != file_bytes ||
	    memcmp(memory->page + memory_id, file->page + file_id, file_bytes) != 0)
		return "the file has another build-id";
	read_headers(memory, &elf);
	/* tools that change a file leave its build-id */
	if (memcmp(memory->page, file->page, sizeof(elf)) != 0 ||
	    memcmp(memory->page + elf.e_phoff, file->page + elf.e_phoff,
		   elf.e_phnum * sizeof(Elf64_Phdr)) != 0)
		return "the file has other program headers";
	return NULL;
}

/* The first page of the file in memory, if the core holds it. */
static bool read_memory_head(const struct core *core, const struct core_mapped *beginning,
			     struct head *head)
{
	const struct core_load *load = beginning ? core_find_load(core, beginning->start) : NULL;

	if (!load || beginning->start + CORE_PAGE_BYTES > load->held)
		return false;
	head->bytes = sizeof(head->page);
	return pread(core->fd, head->page, sizeof(head->page),
		     (off_t)(load->offset + (beginning->start - load->start))) ==
	       (ssize_t)sizeof(head->page);
}

static const char *find_fault(struct core *core, const struct core_mapped *beginning, int fd,
			      const struct stat *status)
{
	struct head memory, file;
	const char *fault = "nothing in the core proves that it is the same";
	ssize_t got = pread(fd, file.page, sizeof(file.page), 0);

	if (!S_ISREG(status->st_mode))
		return "it is not a regular file";
	file.bytes = got > 0 ? (size_t)got : 0;
	if (read_memory_head(core, beginning, &memory)) {
		size_t bytes;

		fault = compare_heads(&memory, &file);
		if (!fault || build_id(&memory, &bytes))
			return fault; /* proven, the one way or the other */
	}
	if (!core->options.assumes_unchanged) {
		core->has_unproven = true;
		return fault;
	}
	if (rf_file_identity(status).ctime_ns > core->written_ns)
		return "the file has been changed since the core was written";
	return NULL;
}

static void prove(struct core *core, uint32_t index, struct core_proof *proof)
{
	struct rf_reader_file *file = &core->source->image.files[index];
	int fd = rf_io_above_stdio(open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
	struct stat status;

	proof->fd = -1;
	if (fd < 0 || fstat(fd, &status) < 0) {
		proof->why = strerrordesc_np(errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	proof->why = find_fault(core, proof->beginning, fd, &status);
	if (proof->why) {
		close(fd);
		return;
	}
	proof->fd = rf_source_own(core->source, fd);
	if (proof->fd < 0)
		proof->why = "no memory";
	file->image = rf_file_identity(&status);
	file->image.index = index;
}

const struct core_proof *core_prove(struct core *core, uint32_t index)
{
	struct core_proof *proof = &core->proofs[index];

	/* descriptors of the source are above standard error */
	if (!proof->fd)
		prove(core, index, proof);
	return proof;
}

/* -- what it holds ---------------------------------------------------------------------------- */

/* The file's last page is no whole one: a copy of it is, behind which memory is zero. */
static int complete_last_page(struct core *core, int fd, uint64_t address, uint64_t offset)
{
	unsigned char page[CORE_PAGE_BYTES] = { 0 };

	if (core->spare_fd < 0) {
		core->spare_fd = rf_io_above_stdio(memfd_create("undump", MFD_CLOEXEC));
		if (core->spare_fd < 0)
			return core_report(core, errno, "memory for parts of files: %m");
		core->spare_fd = rf_source_own(core->source, core->spare_fd);
	}
	if (pread(fd, page, sizeof(page), (off_t)offset) < 0 ||
	    pwrite(core->spare_fd, page, sizeof(page), (off_t)core->spare_bytes) !=
		    (ssize_t)sizeof(page))
		return core_report(core, errno, "memory for parts of files: %m");
	core->spare_bytes += sizeof(page);
	return core_add_segment(core, address, sizeof(page), core->spare_fd,
				core->spare_bytes - sizeof(page));
}

int core_complete(struct core *core, uint32_t index, uint64_t start, uint64_t end, uint64_t offset)
{
	const struct rf_image *image = &core->source->image;
	const struct core_proof *proof = core_prove(core, index);
	uint64_t visible, whole;
	int error;

	if (proof->fd < 0) {
		/* a gap between the segments of a library */
		if (!image->mappings[image->mappings_read - 1].protection)
			return 0;
		return core_miss(core, start, end, image->files[index].path, proof->why);
	}
	visible = rf_file_visible_bytes(&image->files[index].image, offset, end - start);
	whole = visible & ~(uint64_t)(CORE_PAGE_BYTES - 1);
	error = core_add_segment(core, start, whole, proof->fd, offset);
	if (error < 0 || whole == visible)
		return error;
	return complete_last_page(core, proof->fd, start + whole, offset + whole);
}

uint32_t core_protection(struct core *core, uint32_t index, uint64_t address)
{
	const struct core_proof *proof = core_prove(core, index);
	const struct core_mapped *beginning = proof->beginning;
	uint64_t bias = 0, protection = 0;
	bool has_bias = false;
	struct head file;
	Elf64_Ehdr elf;

	file.bytes = 0;
	if (proof->fd >= 0 && pread(proof->fd, file.page, sizeof(file.page), 0) > 0)
		file.bytes = sizeof(file.page);
	if (!beginning || !read_headers(&file, &elf)) {
		if (core->guessed_count++ == 0)
			core->guessed = address;
		return RF_PROTECTION_READ;
	}
	for (size_t i = 0; i < elf.e_phnum; i++) {
		Elf64_Phdr header = get_header(&file, &elf, i);
		uint64_t first = header.p_vaddr & ~(uint64_t)(CORE_PAGE_BYTES - 1);

		if (header.p_type != PT_LOAD)
			continue;
		if (!has_bias)
			bias = beginning->start - first;
		has_bias = true;
		if (address - bias >= first && address - bias < header.p_vaddr + header.p_memsz)
			protection = (header.p_flags & PF_R ? RF_PROTECTION_READ : 0) |
				     (header.p_flags & PF_W ? RF_PROTECTION_WRITE : 0) |
				     (header.p_flags & PF_X ? RF_PROTECTION_EXECUTE : 0);
	}
	return (uint32_t)protection;
}
