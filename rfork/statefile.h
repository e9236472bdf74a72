/* SPDX-License-Identifier: MIT */
/*
 * Where the records of a statefile or an executable are (doc/image-format.txt, 18): the ELF
 * headers and the note, as bytes.  Shared by all that write, read or restart one.  No malloc, no
 * errno.
 */
#ifndef RF_STATEFILE_H
#define RF_STATEFILE_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/report.h"

/*
 * Bytes of the ELF header, program header and note of a statefile; pages of data may follow
 * the next page boundary.
 */
#define RF_STATEFILE_HEAD_BYTES 256u

/* Where the note's description begins in the head of a statefile. */
#define RF_STATEFILE_NOTE_OFFSET 144u

/*
 * Makes the head of a statefile; a note of which all is zero stands for one that is not
 * finished.
 */
void rf_statefile_make_head(unsigned char head[RF_STATEFILE_HEAD_BYTES],
			    const struct rf_statefile_note *note);

/*
 * Fills head_pages and head_digest for a head of so many bytes, in which the note's description
 * is still zero; in the file zeros follow to the next page boundary.
 */
void rf_statefile_set_head(struct rf_statefile_note *note, const void *head, size_t bytes);

/* Fills the note's digest: comes last. */
void rf_statefile_seal_note(struct rf_statefile_note *note);

/*
 * Computes the digest of the head of an open file, note->head_pages long, whatever stands where
 * the note's description is.  0, -ENODATA if the file is shorter, or a negative errno of read(2)
 * or mmap(2).
 */
int rf_statefile_digest_head(int fd, const struct rf_statefile_note *note, uint64_t note_offset,
			     uint64_t *digest);

/*
 * Finds and checks the note of an open file; the head's digest is left to
 * rf_statefile_digest_head().  note_offset: where its description begins; may be NULL.
 * 0; -ENOEXEC if it is no statefile or executable of ours, -EBADMSG if it is a broken one (the
 * report names the first fault and its offset), -EPROTONOSUPPORT for another version, or a
 * negative errno of read(2); each with a report that begins with `path`.
 */
int rf_statefile_find_note(int fd, const char *path, struct rf_statefile_note *note,
			   uint64_t *note_offset, struct rf_report *report);

#endif
