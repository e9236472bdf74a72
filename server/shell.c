/* SPDX-License-Identifier: MIT */
/*
 * rfork-shell: started by a session as the target user, before any caller is there.
 * Prepares, waits for its order, reads the image from the connection, and becomes it.
 * Whatever goes wrong before, it tells its session in one report and exits.
 */
#define _GNU_SOURCE
#include "server/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rfork/clocks.h"
#include "rfork/frame.h"
#include "rfork/io.h"
#include "rfork/restore_attributes.h"
#include "rfork/restore_clocks.h"
#include "rfork/restore_plan.h"
#include "rfork/sys.h"
#include "server/shell_protocol.h"
#include "server/shell_road.h"

/* Room for the kernel's limit of mappings; only what is used is touched. */
#define MAPS_BUFFER_BYTES ((size_t)32 << 20)
/* Below malloc's threshold for a mapping of its own, above what the tables of a small image
 * take. */
#define SETTLED_BYTES ((size_t)96 << 10)
/* Within this time the image of a small process begins to arrive. */
#define IMAGE_NS 300000

/* Makes the heap and the stack as large as a small image needs them, so that the list of mappings
 * which is read now still holds when the order comes. */
static void settle(void)
{
	volatile char stack[SETTLED_BYTES];

	for (size_t i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 0;
	free(malloc(SETTLED_BYTES));
}

/* The administrator's choice: else only memory that asks for them gets huge pages. */
static bool are_huge_pages_always(void)
{
	static const char always[] = "[always]";
	char text[64];

	return rf_io_read_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)) >=
		       (long)sizeof(always) - 1 &&
	       memcmp(text, always, sizeof(always) - 1) == 0;
}

static int prepare(struct rf_shell *shell)
{
	unsigned mm_map_bytes = 0;
	int error;

	shell->has_mm_map = prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &mm_map_bytes, 0, 0) == 0 &&
			    mm_map_bytes == sizeof(struct prctl_mm_map);
	rf_attributes_collect(&shell->own);
	shell->time_namespace = rf_clocks_namespace(RF_CLOCKS_OWN);
	shell->huge_pages_are_always = are_huge_pages_always();
	shell->maps_bytes = MAPS_BUFFER_BYTES;
	shell->maps_buffer = mmap(NULL, shell->maps_bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shell->maps_buffer == MAP_FAILED)
		return rf_report(&shell->report, ENOMEM, "no memory for the list of mappings");
	error = rf_reader_init(&shell->reader, -1, 0, 0, &shell->report);
	if (error < 0)
		return error;
	settle();
	error = rf_maps_read(&shell->maps, shell->maps_buffer, shell->maps_bytes);
	if (error == 0)
		error = rf_vdso_locate(&shell->vdso, &shell->maps);
	return error < 0 ? rf_report(&shell->report, -error, "the mappings of the shell: %m") : 0;
}

/* Waits for an order, and takes what is attached; 0, or -ECONNRESET if the session has no more
 * use for this shell. */
static int receive_order(struct rf_shell *shell, struct rf_shell_order *order, int *attached)
{
	struct iovec iov = { order, sizeof(*order) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header;
	ssize_t got;

	do
		got = recvmsg(RF_SHELL_SESSION_FD, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return -ECONNRESET;
	header = CMSG_FIRSTHDR(&message);
	if (got != (ssize_t)sizeof(*order) || order->version != RF_SHELL_ORDER_VERSION || !header ||
	    header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return rf_report(&shell->report, EPROTONOSUPPORT,
				 "rfork-shell and rfork-server are of different versions");
	memcpy(attached, CMSG_DATA(header), sizeof(int));
	return 0;
}

/* The program that has another road for pages takes this one's place, and waits for the next
 * order. */
static int change_program(struct rf_shell *shell, int program)
{
	static char *const arguments[] = { (char *)RF_SHELL_RDMA_NAME, NULL };
	int error = (int)rf_syscall(SYS_execveat, program, "", arguments, environ, AT_EMPTY_PATH);
	struct rf_shell_order unused;

	/* A socket that is closed before the order is sent, or read, would tell the session no more
	 * than that. */
	(void)receive_order(shell, &unused, &program);
	return rf_report(&shell->report, -error, "%s cannot be executed: %m", RF_SHELL_RDMA_NAME);
}

static int find_family(int connection)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t bytes = sizeof(address);

	return getsockname(connection, (struct sockaddr *)&address, &bytes) == 0 ? address.ss_family
										 : AF_UNSPEC;
}

static void accept_order(struct rf_shell *shell, const struct rf_shell_order *order, int connection)
{
	shell->connection = connection;
	shell->family = find_family(connection);
	shell->facts = order->facts;
	shell->has_terminal = order->has_terminal;
	shell->is_check = order->is_check;
	shell->vdso.digest = order->facts.vdso_digest;
	shell->reader.fd = connection;
	shell->reader.min_address = order->facts.min_address;
	shell->reader.max_address = order->facts.max_address;
	rf_unpacker_init(shell->unpacker, order->codecs);
	shell->reader.unpacker = &shell->unpacker->face;
	shell->reader.road = rf_shell_road(shell, order->rdma_device);
}

/* Waits until it is to become an image; 0, or as receive_order(). */
static int await_order(struct rf_shell *shell)
{
	struct rf_shell_order order;
	int attached = -1, error = receive_order(shell, &order, &attached);

	if (error < 0)
		return error;
	order.rdma_device[sizeof(order.rdma_device) - 1] = '\0';
	if (order.kind == RF_SHELL_CHANGE_PROGRAM)
		return change_program(shell, attached);
	accept_order(shell, &order, attached);
	return 0;
}

/* From here on the clock may be another.  Before it, nothing was timed that still counts. */
static void go_on_in_time(struct rf_shell *shell)
{
	if (!rf_restore_clocks_are_same(&shell->image, rf_shell_is_same_boot(shell, &shell->image),
					shell->time_namespace, shell->layout_ns))
		shell->layout_ns = rf_restore_clocks(&shell->image, shell->layout_ns);
}

static int overlay(struct rf_shell *shell)
{
	int error;

	rf_io_spin(shell->connection, IMAGE_NS);
	error = rf_reader_forecast(&shell->reader, &shell->forecast.said);
	if (error < 0)
		return error;
	rf_shell_follow_forecast(shell);
	/* The caller forks, and its ghost lists what it has. */
	rf_io_spin(shell->connection, IMAGE_NS);
	error = rf_reader_layout(&shell->reader, &shell->image);
	shell->layout_ns = rf_io_now_ns();
	if (error == 0)
		error = rf_restore_vdso(&shell->foreign_vdso, &shell->image, &shell->vdso,
					&shell->facts, &shell->report);
	if (error == 0) {
		go_on_in_time(shell);
		rf_restore_raise_limits(&shell->image, &shell->own, &shell->warnings);
		error = rf_shell_map_image(shell);
	}
	if (error == 0)
		error = rf_shell_receive_pages(shell);
	if (error == 0)
		error = rf_restore_vdso_fill(&shell->foreign_vdso, &shell->image, &shell->places,
					     &shell->report);
	if (error == 0)
		error = rf_shell_make_descriptors(shell);
	return error == 0 ? rf_shell_become_image(shell) : error;
}

int rf_shell_object(struct rf_shell *shell)
{
	struct rf_report *report = &shell->report;
	int error;

	if (!shell->is_check)
		return rf_refuse_reported(&shell->refusals, report);
	if (!rf_is_refusal(report->error))
		return -report->error;
	error = rf_frame_refuse(shell->connection, report, RF_REFUSED_MORE, RF_NO_DEADLINE);
	*report = (struct rf_report){ 0 };
	return error < 0 ? rf_report(report, -error, "telling the caller: %m") : 0;
}

int rf_shell_insist(struct rf_shell *shell)
{
	return rf_refusals_report(&shell->refusals, "", "", &shell->report);
}

/* The shell has failed; or it has looked at all, and is not to become it. */
_Noreturn static void give_up(const struct rf_shell *shell)
{
	struct rf_shell_report report = { .kind = shell->report.error ? RF_SHELL_FAILED
								      : RF_SHELL_CHECKED,
					  .error = shell->report.error };

	_Static_assert(sizeof(report.sentence) == sizeof(shell->report.sentence), "one sentence");
	memcpy(report.sentence, shell->report.sentence, sizeof(report.sentence));
	/* If the session is gone, nobody is left to tell. */
	rf_io_write_full(shell->report_fd, &report, sizeof(report), RF_NO_DEADLINE);
	rf_sys_exit(EXIT_FAILURE);
}

int main(int argc, char *argv[])
{
	static struct rf_unpacker unpacker; /* large, and untouched where nothing is packed */
	static struct rf_shell shell = { .connection = -1,
					 .report_fd = RF_SHELL_SESSION_FD,
					 .unpacker = &unpacker };
	int error;

	if (argc == 2 && strcmp(argv[1], RF_SHELL_CHECK) == 0)
		return EXIT_SUCCESS;
	rf_refusals_begin(&shell.refusals, shell.lines, sizeof(shell.lines));
	error = prepare(&shell);
	if (error == 0) {
		error = await_order(&shell);
		if (error == -ECONNRESET)
			return EXIT_SUCCESS;
	}
	if (error == 0)
		overlay(&shell);
	give_up(&shell);
}
