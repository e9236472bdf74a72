/* SPDX-License-Identifier: MIT */
/*
 * What happens before the fork of a call.  Called by rfork.c and check.c; changes nothing of the
 * process.
 */
#define _GNU_SOURCE
#include "rfork/settle.h"

#include <errno.h>
#include <string.h>

#include <rfork.h>

#include "rfork/approach.h"
#include "rfork/boot_id.h"
#include "rfork/fdobject.h"
#include "rfork/fdproof.h"
#include "rfork/identity.h"
#include "rfork/move.h"
#include "rfork/rights.h"
#include "rfork/sandbox.h"

static int collect_descriptors(struct rf_flight *flight, struct rf_ghost_order *order,
			       const struct rf_terminal *terminal, struct rf_report *report)
{
	bool may_close = order->request.flags & RFORK_CLOSE_OTHERS;

	return rf_fdtable_collect(&order->fds, &flight->arena, order->request.flags,
				  may_close ? NULL : &order->refusals, terminal, rf_flight_owns,
				  report);
}

/* What a move would lose beside descriptors and memory.  Its timers are listed once more when they
 * are stopped. */
static int look_at_move(struct rf_flight *flight, const struct rf_options *options,
			struct rf_ghost_order *order, struct rf_report *report)
{
	int error = rf_move_refuse(&order->refusals, report);

	if (error < 0)
		return error;
	rf_move_refuse_locks(&order->fds, &order->refusals);
	for (size_t i = 0; i < order->fds.object_count; i++)
		if (rf_fdobject_has_unread(&order->fds.objects[i]))
			rf_refuse(&order->refusals,
				  "descriptor %u (%s): it has events that have not been read",
				  order->fds.objects[i].number, order->fds.objects[i].path);
	return options->is_check ? rf_move_refuse_signals(&flight->arena, &order->refusals, report)
				 : 0;
}

/* Looks at the process: what it has open, and its memory.  Without a survey the ghost finds the
 * reason again, and tells it: it does not have all of the caller's memory. */
static int survey(struct rf_flight *flight, const struct rf_options *options,
		  struct rf_ghost_order *order, struct rf_report *report)
{
	struct rf_snapshot *survey = rf_arena_take(&flight->arena, sizeof(*survey));
	struct rf_snapshot_request request = order->request;
	struct rf_report unheard = { 0 };
	int error = collect_descriptors(flight, order, &order->terminal, report);

	if (error == 0 && options->is_move)
		error = look_at_move(flight, options, order, report);
	if (error < 0)
		return error;
	request.refusals = NULL;
	if (survey && rf_snapshot_survey(survey, &flight->arena, &request, &unheard) == 0) {
		order->request.survey = survey;
		rf_forecast_make(&order->forecast, &flight->arena, survey);
	}
	return 0;
}

/* A node without pseudo-terminals: what is on the terminal travels in another way. */
static int lose_terminal(struct rf_flight *flight, const struct rf_options *options,
			 struct rf_ghost_order *order, const struct rf_machine_facts *node,
			 struct rf_report *report)
{
	int error;

	if (!order->terminal.device || node->flags & RF_FACTS_TERMINAL)
		return 0;
	order->terminal.device = 0;
	order->request.survey = NULL; /* it is of the other table's objects */
	rf_refusals_clear(&order->refusals);
	rf_state_lock();
	error = collect_descriptors(flight, order, NULL, report);
	if (error == 0 && options->is_move)
		error = look_at_move(flight, options, order, report);
	rf_state_unlock();
	return error;
}

/* Adds to the order what depends on the node: another machine knows files by their digests. */
static int complete_order(struct rf_ghost_order *order, const struct rf_machine_facts *here,
			  const struct rf_machine_facts *node, struct rf_report *report)
{
	struct rf_digest_cache *digests;

	memcpy(order->request.boot_id, here->boot_id, sizeof(order->request.boot_id));
	order->request.same_boot = rf_boot_id_is_same(node->boot_id, here->boot_id);
	order->request.node_vdso = node->vdso_digest;
	rf_identity_describe(&order->request.identity, rf_state_identity(), here);
	order->request.connection = order->host;
	order->request.identity.connection_bytes = (uint32_t)strlen(order->host);
	if (order->request.same_boot)
		return 0;
	digests = rf_state_digests();
	if (!digests)
		return rf_report(report, ENOMEM, "no memory for the digests of files");
	rf_state_lock();
	rf_snapshot_warm_digests(digests);
	rf_state_unlock();
	order->request.digests = digests;
	return rf_fdproof_digest(&order->fds, digests, order->deadline_ns, report);
}

/* A peer that has closed may have said why, and the ghost will read that. */
static int send_forecast(struct rf_ghost_order *order, struct rf_report *report)
{
	int error = rf_forecast_send(&order->forecast, order->writer, order->request.boot_id,
				     order->request.digests);

	if (error == 0 || error == -EPIPE || error == -ECONNRESET)
		return 0;
	return rf_report(report, -error, "connection to %s: %m", order->host);
}

static void limit_rights(struct rf_ghost_order *order, const struct rf_machine_facts *node)
{
	struct rf_image_rights *rights = &order->request.rights;
	const bool same_boot = order->request.same_boot;

	rf_rights_collect(rights);
	rf_rights_refuse(rights, &order->attributes.state, node, same_boot, &order->refusals);
	order->request.limits_rights = rf_rights_limit(rights, node, same_boot);
}

/* What a node has to do with it, once it has answered. */
static int settle_with_node(struct rf_flight *flight, const struct rf_options *options,
			    struct rf_ghost_order *order, struct rf_report *report)
{
	const struct rf_machine_facts *here =
		rf_state_facts(&(int){ 0 }); /* they are known by now */
	struct rf_machine_facts node;
	int error = rf_approach_agree(flight, options, order, here, &node, report);

	if (error == 0)
		error = rf_state_check_resolver(&node, report);
	if (error == 0)
		error = lose_terminal(flight, options, order, &node, report);
	if (error < 0)
		return error;
	error = complete_order(order, here, &node, report);
	if (error < 0)
		return error;
	limit_rights(order, &node);
	return send_forecast(order, report);
}

struct rf_ghost_order *rf_settle_begin(struct rf_flight *flight, const char *host,
				       const struct rf_options *options, struct rf_report *report)
{
	struct rf_refusals unheard;

	rf_refusals_begin(&unheard, NULL, 0);
	rf_sandbox_refuse(&unheard);
	if (options->is_move && !options->is_check && rf_move_refuse(&unheard, report) < 0)
		return NULL;
	return unheard.count || (!host && options->is_check)
		       ? rf_approach_nobody(flight, options, report)
		       : rf_approach(flight, host, options, NULL, report);
}

int rf_settle(struct rf_flight *flight, const struct rf_options *options,
	      struct rf_ghost_order *order, struct rf_report *report)
{
	int error;

	if (order->connection < 0)
		rf_sandbox_refuse(&order->refusals);
	order->fds.goes_itself = options->is_move;
	/* The node checks the proof and wakes its shell meanwhile. */
	rf_state_lock();
	error = survey(flight, options, order, report);
	rf_state_unlock();
	if (error < 0 || order->connection < 0 || (order->refusals.count && !options->is_check))
		return error;
	error = settle_with_node(flight, options, order, report);
	if (error < 0 && options->is_check) {
		error = rf_refuse_reported(&order->refusals, report);
		order->connection = -1; /* it has said all that it will say */
	}
	return error;
}
