/* SPDX-License-Identifier: MIT */
/*
 * The head of statefiles and executables: makes it, finds the note in it, and checks what leads
 * there.  Called by the frozen process that holds a checkpoint, by what restarts an executable,
 * and by undump; so it uses system calls only.
 */
#define _GNU_SOURCE
#include "rfork/statefile.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "rfork/digest.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define NAME_BYTES sizeof(RF_STATEFILE_NOTE_NAME)

/* As it lies in a statefile: the description is 8-byte aligned, the note itself 4-byte. */
struct head {
	Elf64_Ehdr elf;
	Elf64_Phdr segment;
	uint32_t padding;
	Elf64_Nhdr note;
	char name[8];
	struct rf_statefile_note description;
};

_Static_assert(offsetof(struct head, description) == RF_STATEFILE_NOTE_OFFSET, "statefile.h");
_Static_assert(sizeof(struct head) <= RF_STATEFILE_HEAD_BYTES, "statefile.h");
_Static_assert(sizeof(struct rf_statefile_note) == 64, "doc/image-format.txt, 18");

/* -- making one ----------------------------------------------------------------------------- */

void rf_statefile_make_head(unsigned char head[RF_STATEFILE_HEAD_BYTES],
			    const struct rf_statefile_note *note)
{
	const struct head fields = {
		.elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				      EV_CURRENT },
			 .e_type = ET_NONE,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = offsetof(struct head, segment),
			 .e_ehsize = sizeof(fields.elf),
			 .e_phentsize = sizeof(fields.segment),
			 .e_phnum = 1 },
		.segment = { .p_type = PT_NOTE,
			     .p_flags = PF_R,
			     .p_offset = offsetof(struct head, note),
			     .p_filesz = sizeof(fields) - offsetof(struct head, note),
			     .p_align = 4 },
		.note = { .n_namesz = NAME_BYTES,
			  .n_descsz = sizeof(fields.description),
			  .n_type = RF_STATEFILE_NOTE_TYPE },
		.name = RF_STATEFILE_NOTE_NAME,
		.description = *note,
	};

	memset(head, 0, RF_STATEFILE_HEAD_BYTES);
	memcpy(head, &fields, sizeof(fields));
}

void rf_statefile_set_head(struct rf_statefile_note *note, const void *head, size_t bytes)
{
	static const unsigned char zeros[PAGE_BYTES];
	size_t padding = -bytes % PAGE_BYTES;
	const struct iovec pieces[] = { { (void *)(uintptr_t)head, bytes },
					{ (void *)(uintptr_t)zeros, padding } };

	note->head_pages = (uint32_t)((bytes + padding) / PAGE_BYTES);
	note->head_digest = rf_digest64_iov(pieces, 2);
}

static uint64_t digest_note(const struct rf_statefile_note *note)
{
	return rf_digest64(note, offsetof(struct rf_statefile_note, digest));
}

void rf_statefile_seal_note(struct rf_statefile_note *note)
{
	note->digest = digest_note(note);
}

/* Reads exactly `bytes`; -ENODATA at the file's end. */
static int read_at(int fd, uint64_t offset, void *buffer, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t got = rf_sys_pread(fd, (char *)buffer + done, bytes - done, offset + done);

		if (got <= 0 && got != -EINTR)
			return got ? (int)got : -ENODATA;
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

int rf_statefile_digest_head(int fd, const struct rf_statefile_note *note, uint64_t note_offset,
			     uint64_t *digest)
{
	uint64_t bytes = (uint64_t)note->head_pages * PAGE_BYTES;
	/* not of the file: who cuts that off meanwhile would end us */
	long head =
		rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (head < 0 && head > -4096)
		return (int)head;
	error = read_at(fd, 0, (void *)head, bytes);
	if (error == 0) {
		memset((char *)head + note_offset, 0, sizeof(*note));
		*digest = rf_digest64((void *)head, bytes);
	}
	rf_sys_munmap((uintptr_t)head, bytes);
	return error;
}

/* -- finding one ---------------------------------------------------------------------------- */

struct search {
	int fd;
	const char *path;
	uint64_t bytes; /* of the file */
	struct rf_report *report;
};

static int fault(const struct search *search, int error, uint64_t offset, const char *what)
{
	return rf_report(search->report, error, "%s: offset %lu: %s", search->path, offset, what);
}

/* Reads exactly `bytes`, or reports why not. */
static int get(const struct search *search, uint64_t offset, void *buffer, size_t bytes)
{
	int error;

	if (offset > search->bytes || bytes > search->bytes - offset)
		return fault(search, EBADMSG, search->bytes, "the file ends here, too early");
	error = read_at(search->fd, offset, buffer, bytes);
	if (error == -ENODATA)
		return fault(search, EBADMSG, offset, "the file became shorter");
	return error < 0 ? rf_report(search->report, -error, "%s: %m", search->path) : 0;
}

static int read_elf(const struct search *search, Elf64_Ehdr *elf)
{
	size_t there = search->bytes < sizeof(*elf) ? search->bytes : sizeof(*elf);
	int error;

	memset(elf, 0, sizeof(*elf));
	error = get(search, 0, elf, there);
	if (error < 0)
		return error;
	if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0)
		return fault(search, ENOEXEC, 0, "neither a statefile nor an executable");
	if (there < sizeof(*elf))
		return fault(search, EBADMSG, there, "the file ends here, too early");
	if (elf->e_ident[EI_CLASS] != ELFCLASS64)
		return fault(search, ENOEXEC, EI_CLASS, "it is not of the 64-bit class");
	if (elf->e_ident[EI_DATA] != ELFDATA2LSB)
		return fault(search, ENOEXEC, EI_DATA, "it is not little-endian");
	if (elf->e_machine != EM_X86_64)
		return fault(search, ENOEXEC, offsetof(Elf64_Ehdr, e_machine),
			     "it is of another machine than x86_64");
	if (elf->e_type != ET_NONE && elf->e_type != ET_EXEC)
		return fault(search, ENOEXEC, offsetof(Elf64_Ehdr, e_type),
			     "it is of no type of statefiles or executables");
	if (elf->e_phentsize != sizeof(Elf64_Phdr))
		return fault(search, EBADMSG, offsetof(Elf64_Ehdr, e_phentsize),
			     "its program headers have another length");
	if (elf->e_phnum == 0 || elf->e_phnum > RF_STATEFILE_MAX_PROGRAM_HEADERS)
		return fault(search, ENOEXEC, offsetof(Elf64_Ehdr, e_phnum),
			     "it has no program headers, or too many");
	if (elf->e_phoff > INT64_MAX)
		return fault(search, EBADMSG, offsetof(Elf64_Ehdr, e_phoff),
			     "its program headers are out of range");
	return 0;
}

static bool is_ours(const Elf64_Nhdr *note)
{
	return note->n_type == RF_STATEFILE_NOTE_TYPE && note->n_namesz == NAME_BYTES &&
	       note->n_descsz == sizeof(struct rf_statefile_note);
}

/* Looks for our note between two offsets; where its description is, 0 if there is none. */
static int search_segment(const struct search *search, uint64_t at, uint64_t end,
			  uint64_t *description)
{
	while (end - at >= sizeof(Elf64_Nhdr)) {
		char name[NAME_BYTES];
		Elf64_Nhdr note;
		uint64_t bytes;
		int error = get(search, at, &note, sizeof(note));

		if (error < 0)
			return error;
		bytes = sizeof(note) + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3)) +
			((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
		if (bytes > end - at)
			return fault(search, EBADMSG, at, "a note is longer than its segment");
		if (is_ours(&note)) {
			error = get(search, at + sizeof(note), name, sizeof(name));
			if (error < 0)
				return error;
			if (memcmp(name, RF_STATEFILE_NOTE_NAME, sizeof(name)) == 0) {
				*description = at + bytes - sizeof(struct rf_statefile_note);
				return 0;
			}
		}
		at += bytes;
	}
	return 0;
}

static int find_description(const struct search *search, const Elf64_Ehdr *elf,
			    uint64_t *description)
{
	*description = 0;
	for (uint16_t i = 0; i < elf->e_phnum && *description == 0; i++) {
		uint64_t at = elf->e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr segment;
		int error = get(search, at, &segment, sizeof(segment));

		if (error < 0)
			return error;
		if (segment.p_type != PT_NOTE)
			continue;
		if (segment.p_filesz > RF_STATEFILE_MAX_NOTE_BYTES)
			return fault(search, EBADMSG, at + offsetof(Elf64_Phdr, p_filesz),
				     "a segment of notes is too long");
		if (segment.p_offset > INT64_MAX)
			return fault(search, EBADMSG, at + offsetof(Elf64_Phdr, p_offset),
				     "a segment of notes is out of range");
		error = search_segment(search, segment.p_offset,
				       segment.p_offset + segment.p_filesz, description);
		if (error < 0)
			return error;
	}
	if (*description)
		return 0;
	return fault(search, ENOEXEC, elf->e_phoff,
		     elf->e_type == ET_EXEC
			     ? "it is an executable, but none of undump: no note RFORK"
			     : "it is no statefile: no note RFORK");
}

static bool is_zero(const void *data, size_t bytes)
{
	const unsigned char *byte = data;

	while (bytes && byte[bytes - 1] == 0)
		bytes--;
	return bytes == 0;
}

/* The field at fault, as its offset in the note, and why; NULL if there is none. */
static const char *find_fault(const struct rf_statefile_note *note, uint64_t offset_in_file,
			      size_t *field)
{
	uint64_t head_bytes = (uint64_t)note->head_pages * PAGE_BYTES;
	uint64_t end;

	*field = offsetof(struct rf_statefile_note, head_pages);
	if (note->head_pages > RF_STATEFILE_MAX_HEAD_PAGES ||
	    offset_in_file + sizeof(*note) > head_bytes)
		return "the head's length is out of range";
	*field = offsetof(struct rf_statefile_note, records_offset);
	if (note->records_offset % PAGE_BYTES || note->records_offset < head_bytes ||
	    note->records_offset > INT64_MAX)
		return "the place of the records is out of range";
	*field = offsetof(struct rf_statefile_note, file_bytes);
	if (__builtin_add_overflow(note->records_offset, note->records_bytes, &end) ||
	    end != note->file_bytes)
		return "the file's length is not that of its parts";
	*field = offsetof(struct rf_statefile_note, id);
	return is_zero(note->id, sizeof(note->id)) ? "it has no identifier" : NULL;
}

static int check_note(const struct search *search, const struct rf_statefile_note *note,
		      uint64_t offset)
{
	const char *what;
	size_t field;

	if (is_zero(note, sizeof(*note)))
		return fault(search, EBADMSG, offset, "it was never finished: the note is empty");
	if (note->digest != digest_note(note))
		return fault(search, EBADMSG, offset, "the note differs from its digest");
	if (note->version != RF_STATEFILE_VERSION)
		return rf_report(search->report, EPROTONOSUPPORT,
				 "%s: offset %lu: version %u of statefiles is not supported",
				 search->path, offset, note->version);
	what = find_fault(note, offset, &field);
	if (what)
		return fault(search, EBADMSG, offset + field, what);
	if (search->bytes < note->file_bytes)
		return rf_report(search->report, EBADMSG,
				 "%s: offset %lu: the file ends here, %lu bytes too early",
				 search->path, search->bytes, note->file_bytes - search->bytes);
	if (search->bytes > note->file_bytes)
		return rf_report(search->report, EBADMSG,
				 "%s: offset %lu: %lu bytes follow the end", search->path,
				 note->file_bytes, search->bytes - note->file_bytes);
	return 0;
}

int rf_statefile_find_note(int fd, const char *path, struct rf_statefile_note *note,
			   uint64_t *note_offset, struct rf_report *report)
{
	struct search search = { .fd = fd, .path = path, .report = report };
	struct stat status;
	uint64_t offset = 0;
	Elf64_Ehdr elf;
	int error = rf_sys_fstat(fd, &status);

	if (error < 0)
		return rf_report(report, -error, "%s: %m", path);
	search.bytes = (uint64_t)status.st_size;
	error = read_elf(&search, &elf);
	if (error == 0)
		error = find_description(&search, &elf, &offset);
	if (error == 0)
		error = get(&search, offset, note, sizeof(*note));
	if (error == 0)
		error = check_note(&search, note, offset);
	if (error == 0 && note_offset)
		*note_offset = offset;
	return error;
}
