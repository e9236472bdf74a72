/* SPDX-License-Identifier: MIT */
/*
 * Compares what an image has chosen with what the calling process has, which it knows from
 * before, and changes what differs.  In the common case, on a node that is as home is, nothing.
 */
#define _GNU_SOURCE
#include "rfork/restore_attributes.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/restore_thread.h"
#include "rfork/sys.h"

#define UNLIMITED UINT64_MAX
#define TILES 18u /* the component of XSAVE that must be asked for */

/* -- limits ------------------------------------------------------------------------------------ */

/* By RLIMIT_*; include/uapi/asm-generic/resource.h. */
static const char *const limit_names[RF_IMAGE_LIMITS] = {
	"CPU",	   "FSIZE", "DATA",  "STACK",	   "CORE",     "RSS",  "NPROC",	 "NOFILE",
	"MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
};

#define NUMBER_BYTES 24
/* An ordinary user may set the nice value of an autogroup ten times a second, all processes of
 * the system together.  Source: Linux, proc_sched_autogroup_set_nice(). */
#define BUSY_MS 10
#define BUSY_TRIES 50

static const char *describe_limit(char text[NUMBER_BYTES], uint64_t value)
{
	if (value == UNLIMITED)
		return "unlimited";
	rf_format(text, NUMBER_BYTES, "%lu", value);
	return text;
}

static void warn_of_limit(struct rf_warnings *warnings, uint32_t resource, const char *which,
			  uint64_t got, uint64_t wanted)
{
	char got_text[NUMBER_BYTES], wanted_text[NUMBER_BYTES];

	rf_warn(warnings, 0, "RLIMIT_%s: the %s limit is %s, not %s", limit_names[resource], which,
		describe_limit(got_text, got), describe_limit(wanted_text, wanted));
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a < b ? b : a;
}

/* A hard limit is raised by privilege only, and not beyond what the system allows. */
static void raise_limit(struct rf_image_limit *own, const struct rf_image_limit *image,
			uint32_t resource, struct rf_warnings *warnings)
{
	struct rf_image_limit raised = { .soft = larger(own->soft, image->soft),
					 .hard = larger(own->hard, image->hard) };

	if (rf_syscall(SYS_prlimit64, 0, resource, &raised, NULL) < 0) {
		raised.hard = own->hard;
		raised.soft = lesser(raised.soft, raised.hard);
		if (rf_syscall(SYS_prlimit64, 0, resource, &raised, NULL) < 0)
			raised = *own;
	}
	if (raised.soft < image->soft)
		warn_of_limit(warnings, resource, "soft", raised.soft, image->soft);
	if (raised.hard < image->hard)
		warn_of_limit(warnings, resource, "hard", raised.hard, image->hard);
	*own = raised;
}

void rf_restore_raise_limits(const struct rf_image *image, struct rf_attributes *own,
			     struct rf_warnings *warnings)
{
	const struct rf_image_state *state = &image->state;

	if (!(state->known & own->state.known & RF_STATE_LIMITS))
		return;
	for (uint32_t i = 0; i < RF_IMAGE_LIMITS; i++)
		if (state->limits[i].soft > own->state.limits[i].soft ||
		    state->limits[i].hard > own->state.limits[i].hard)
			raise_limit(&own->state.limits[i], &state->limits[i], i, warnings);
}

/* -- the process ------------------------------------------------------------------------------- */

static bool differs(const struct rf_image_state *image, const struct rf_image_state *own,
		    uint32_t what, uint64_t image_value, uint64_t own_value)
{
	if (!(image->known & what))
		return false;
	return own->known & what ? image_value != own_value : image_value != 0;
}

static void warn_of_option(struct rf_warnings *warnings, const char *name, long error)
{
	if (error < 0)
		rf_warn(warnings, (int)-error, "%s cannot be set: %m", name);
}

static long set_option(int option, uint64_t a, uint64_t b)
{
	return rf_syscall(SYS_prctl, option, a, b, 0, 0);
}

/* Writes what a file of /proc/self takes as decimal. */
static void write_number(const char *name, int32_t number, int32_t own,
			 struct rf_warnings *warnings)
{
	char path[48], text[NUMBER_BYTES];
	size_t bytes = rf_format(text, sizeof(text), "%d", number);
	int fd;
	long error;

	rf_format(path, sizeof(path), "/proc/self/%s", name);
	fd = rf_sys_open(path, O_WRONLY | O_CLOEXEC);
	error = fd < 0 ? fd : rf_sys_write(fd, text, bytes);
	for (int tries = 0; error == -EAGAIN && tries < BUSY_TRIES; tries++) {
		rf_sys_poll(NULL, 0, BUSY_MS);
		error = rf_sys_write(fd, text, bytes);
	}
	if (fd >= 0)
		rf_sys_close(fd);
	if (error < 0)
		rf_warn(warnings, (int)-error, "%s: it is %d, not %d: %m", name, own, number);
}

/* An autogroup is a session's: that of whoever starts an executable is not ours. */
static void restore_files(const struct rf_image_state *image, const struct rf_image_state *own,
			  bool is_alone, struct rf_warnings *warnings)
{
	if (differs(image, own, RF_STATE_OOM_SCORE, (uint64_t)image->oom_score_adj,
		    (uint64_t)own->oom_score_adj))
		write_number("oom_score_adj", image->oom_score_adj, own->oom_score_adj, warnings);
	if (differs(image, own, RF_STATE_CORE_FILTER, image->core_filter, own->core_filter))
		write_number("coredump_filter", (int32_t)image->core_filter,
			     (int32_t)own->core_filter, warnings);
	if (!is_alone && differs(image, own, RF_STATE_AUTOGROUP, (uint64_t)image->autogroup_nice,
				 (uint64_t)own->autogroup_nice))
		write_number("autogroup", image->autogroup_nice, own->autogroup_nice, warnings);
}

static void restore_huge_pages(const struct rf_image_state *image, const struct rf_image_state *own,
			       struct rf_warnings *warnings)
{
	const uint64_t flags = image->huge_pages & ~1u;

	if (differs(image, own, RF_STATE_HUGE_PAGES, image->huge_pages, own->huge_pages))
		warn_of_option(warnings, "whether huge pages are disabled (PR_SET_THP_DISABLE)",
			       set_option(PR_SET_THP_DISABLE, image->huge_pages & 1, flags));
	if (differs(image, own, RF_STATE_MERGE, image->flags & RF_STATE_MERGE,
		    own->flags & RF_STATE_MERGE))
		warn_of_option(warnings, "whether equal pages are merged (PR_SET_MEMORY_MERGE)",
			       set_option(RF_PR_SET_MEMORY_MERGE, !!(image->flags & RF_STATE_MERGE),
					  0));
}

/* One of them needs no privilege. */
static long set_securebits(uint32_t image, uint32_t own)
{
	if ((image ^ own) == SECBIT_KEEP_CAPS)
		return set_option(PR_SET_KEEPCAPS, !!(image & SECBIT_KEEP_CAPS), 0);
	return set_option(PR_SET_SECUREBITS, image, 0);
}

static void restore_rights(const struct rf_image_state *image, const struct rf_image_state *own,
			   bool has_threads, struct rf_warnings *warnings)
{
	long error = 0;

	if (differs(image, own, RF_STATE_SECUREBITS, image->securebits, own->securebits))
		error = set_securebits(image->securebits, own->securebits);
	if (error < 0)
		rf_warn(warnings, (int)-error, "securebits: they are 0x%x, not 0x%x: %m",
			own->securebits, image->securebits);
	if (!differs(image, own, RF_STATE_NO_NEW_PRIVS, image->flags & RF_STATE_NO_NEW_PRIVS,
		     own->flags & RF_STATE_NO_NEW_PRIVS))
		return;
	if (own->flags & RF_STATE_NO_NEW_PRIVS)
		rf_warn(warnings, 0, "no_new_privs: it is set, and cannot be undone");
	else if (!has_threads) /* others would inherit it */
		warn_of_option(warnings, "no_new_privs", set_option(PR_SET_NO_NEW_PRIVS, 1, 0));
}

static void restore_relations(const struct rf_image_state *image, const struct rf_image_state *own,
			      bool is_alone, struct rf_warnings *warnings)
{
	if (differs(image, own, RF_STATE_SUBREAPER, image->flags & RF_STATE_SUBREAPER,
		    own->flags & RF_STATE_SUBREAPER))
		warn_of_option(warnings, "whether orphans are adopted (PR_SET_CHILD_SUBREAPER)",
			       set_option(PR_SET_CHILD_SUBREAPER,
					  !!(image->flags & RF_STATE_SUBREAPER), 0));
	/* else that is the node's, which ends what it has lost */
	if (is_alone &&
	    differs(image, own, RF_STATE_DEATH_SIGNAL, image->death_signal, own->death_signal))
		warn_of_option(warnings, "the signal of the parent's death (PR_SET_PDEATHSIG)",
			       set_option(PR_SET_PDEATHSIG, image->death_signal, 0));
}

/* Registers of which a process has none before it asks. */
static void restore_components(const struct rf_image_state *image, const struct rf_image_state *own,
			       struct rf_warnings *warnings)
{
	if (image->components & ~own->components)
		warn_of_option(warnings, "the use of AMX (ARCH_REQ_XCOMP_PERM)",
			       rf_syscall(SYS_arch_prctl, RF_ASK_FOR_COMPONENT, TILES));
}

/* A program that has registered aborts, or is wrong, where it cannot use what it has registered
 * for. */
static void restore_barriers(const struct rf_image_state *image, const struct rf_image_state *own,
			     struct rf_warnings *warnings)
{
	uint32_t lacking = image->barriers & ~own->barriers;

	for (; lacking; lacking &= lacking - 1)
		warn_of_option(warnings, "a registration for membarrier(2)",
			       rf_syscall(SYS_membarrier, lacking & -lacking, 0, 0));
}

/* Not before the image is in its place: that some memory may be executed is decided then. */
static void look_at_memory_deny(const struct rf_image_state *image,
				const struct rf_image_state *own, struct rf_warnings *warnings)
{
	if (image->memory_deny && !(own->known & RF_STATE_MEMORY_DENY))
		rf_warn(warnings, 0, "PR_SET_MDWE: this kernel does not have it");
	else if (own->memory_deny & ~image->memory_deny)
		rf_warn(warnings, 0, "PR_SET_MDWE: it is set, and cannot be undone");
}

/* 2, which only a change of rights brings, cannot be set; to other users it is as 0. */
static void restore_dumpable(const struct rf_image_state *image, const struct rf_image_state *own)
{
	if (differs(image, own, RF_STATE_DUMPABLE, image->dumpable, own->dumpable))
		set_option(PR_SET_DUMPABLE, image->dumpable == 1, 0);
}

/* -- the whole --------------------------------------------------------------------------------- */

void rf_restore_attributes(const struct rf_image *image, const struct rf_attributes *own,
			   bool is_alone, struct rf_warnings *warnings)
{
	restore_files(&image->state, &own->state, is_alone, warnings);
	restore_huge_pages(&image->state, &own->state, warnings);
	restore_components(&image->state, &own->state, warnings);
	restore_barriers(&image->state, &own->state, warnings);
	restore_relations(&image->state, &own->state, is_alone, warnings);
	restore_rights(&image->state, &own->state, image->head.threads > 1, warnings);
	look_at_memory_deny(&image->state, &own->state, warnings);
	restore_dumpable(&image->state, &own->state);
	if (image->threads[0].attributes && image->head.threads == 1)
		rf_restore_thread(image->threads[0].attributes, &own->thread, NULL, warnings);
}

static struct rf_step step(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	return (struct rf_step){ .check = RF_STEP_SUCCEEDS,
				 .number = number,
				 .arguments = { a, b, c } };
}

static size_t limit_steps(struct rf_step *steps, const struct rf_image_state *image,
			  const struct rf_image_state *own, struct rf_image_limit *limits)
{
	size_t count = 0;

	if (!(image->known & own->known & RF_STATE_LIMITS))
		return 0;
	for (uint32_t i = 0; i < RF_IMAGE_LIMITS; i++) {
		limits[i].hard = lesser(image->limits[i].hard, own->limits[i].hard);
		limits[i].soft = lesser(image->limits[i].soft, limits[i].hard);
		if (limits[i].soft != own->limits[i].soft || limits[i].hard != own->limits[i].hard)
			steps[count++] = step(SYS_prlimit64, 0, i, (uintptr_t)&limits[i]);
	}
	return count;
}

/* What would change how memory is mapped, or which instructions work, comes when that is over. */
size_t rf_restore_attribute_steps(struct rf_step *steps, const struct rf_image *image,
				  const struct rf_attributes *own, struct rf_image_limit *limits)
{
	const struct rf_image_state *state = &image->state;
	const struct rf_thread_attributes *thread = image->threads[0].attributes;
	size_t count = limit_steps(steps, state, &own->state, limits);

	if (thread && (thread->image.flags ^ own->thread.image.flags) & RF_THREAD_STATE_TSC)
		steps[count++] = step(SYS_prctl, PR_SET_TSC,
				      thread->image.flags & RF_THREAD_STATE_TSC ? PR_TSC_SIGSEGV
										: PR_TSC_ENABLE,
				      0);
	if (state->memory_deny && own->state.known & RF_STATE_MEMORY_DENY &&
	    !own->state.memory_deny)
		steps[count++] = step(SYS_prctl, RF_PR_SET_MDWE, state->memory_deny, 0);
	if (differs(state, &own->state, RF_STATE_PERSONALITY, state->personality,
		    own->state.personality))
		steps[count++] = step(SYS_personality, state->personality, 0, 0);
	return count;
}
