# SPDX-License-Identifier: MIT
#
# One program per claim, named by it; each starts a server of its own, so they may run side by
# side.  All are made of one source and the support library: a new one is a line in the list
# and one below it.

rf_integration_tests = \
	%D%/accepting_child_and_parent_take_turns \
	%D%/address_collisions_are_solved \
	%D%/alternate_stack_is_kept \
	%D%/async_failures_are_told_on_stderr \
	%D%/async_returns_at_the_snapshot \
	%D%/auto_compresses_for_slow_links \
	%D%/back_pressure_is_bounded \
	%D%/background_reader_is_stopped \
	%D%/bad_answers_to_a_check_are_reported \
	%D%/bad_arguments_are_refused \
	%D%/breaking_a_chain_ends_what_is_beyond \
	%D%/broken_executables_are_refused_by_name \
	%D%/broken_ghosts_lose_only_their_child \
	%D%/broken_nodes_are_reported \
	%D%/broken_nodes_lose_only_their_ghost \
	%D%/broken_nodes_lose_what_stays \
	%D%/broken_socket_is_not_reset \
	%D%/busy_threads_do_not_matter \
	%D%/callee_saved_registers_are_kept \
	%D%/caller_may_close_stdio \
	%D%/caller_that_execs_keeps_its_child \
	%D%/caller_that_exits_leaves_its_child \
	%D%/cancelled_threads_leave_nothing \
	%D%/chains_pass_signals_and_stops \
	%D%/changed_library_goes_by_content \
	%D%/checkerboards_travel \
	%D%/checkpoint_is_of_one_moment \
	%D%/checkpoint_keeps_what_fork_drops \
	%D%/checkpoints_are_asked_for_beforehand \
	%D%/checkpoints_are_taken_in_pid_namespaces \
	%D%/checkpoints_do_not_hinder_moves \
	%D%/checkpoints_without_a_parent_are_whole \
	%D%/child_accepts_for_the_parent \
	%D%/child_has_equal_mappings \
	%D%/child_has_no_terminal_of_the_server \
	%D%/child_has_offsets_of_its_own \
	%D%/child_has_the_attributes_of_a_fork_child \
	%D%/child_is_where_the_node_is \
	%D%/child_sees_equal_memory \
	%D%/children_may_move_on \
	%D%/clocks_are_the_nodes_without_privilege \
	%D%/clocks_come_home_with_a_process \
	%D%/clocks_go_on \
	%D%/clocks_go_on_with_privilege \
	%D%/closed_ends_show_before_signals \
	%D%/closed_listener_refuses_clients \
	%D%/closed_reader_is_sigpipe \
	%D%/closing_with_unread_bytes_is_seen_at_home \
	%D%/command_line_and_environment_are_kept \
	%D%/commands_run_on_both_sides \
	%D%/commits_go_to_any_file \
	%D%/compressed_memory_is_the_same \
	%D%/connection_not_accepted_stays_at_home \
	%D%/contents_are_refused_by_name \
	%D%/continue_on_the_node_wakes_the_ghost \
	%D%/continuing_and_stopping_at_once_is_not_lost \
	%D%/continuing_the_child_leaves_its_children_stopped \
	%D%/copies_have_generators_of_their_own \
	%D%/cores_of_programs_resume \
	%D%/cores_of_threads_resume \
	%D%/cores_that_lack_memory_are_refused \
	%D%/cut_streams_leave_nothing \
	%D%/daemon_accepts_after_the_child_has_ended \
	%D%/daemon_returns_when_ready \
	%D%/daemons_keep_the_streams_of_the_child \
	%D%/daemons_of_detached_children_survive \
	%D%/daemons_with_full_streams_hold_up_no_end \
	%D%/daemons_without_streams_cost_nothing_at_home \
	%D%/damage_to_statefiles_is_found \
	%D%/datagrams_keep_their_boundaries \
	%D%/dead_spare_is_replaced \
	%D%/deadline_policy_is_as_with_fork \
	%D%/death_by_signal_comes_home \
	%D%/death_while_stopped_comes_home \
	%D%/debuggers_stay_at_home \
	%D%/deep_recursion_returns_after_the_move \
	%D%/deleted_files_rest_with_their_bytes \
	%D%/detached_child_keeps_an_ended_terminal \
	%D%/detached_child_outlives_the_link \
	%D%/devices_are_known_by_their_numbers \
	%D%/directories_are_reopened \
	%D%/directories_go_by_path \
	%D%/dispatch_of_system_calls_ends \
	%D%/distant_host_needs_the_flag \
	%D%/dlopen_works_after_the_move \
	%D%/dontfork_memory_stays_home \
	%D%/dropped_capabilities_stay_dropped \
	%D%/duplicates_share_one_stream \
	%D%/end_comes_home_though_nobody_reads \
	%D%/end_is_told_while_others_write_to_the_terminal \
	%D%/end_of_file_on_a_terminal \
	%D%/epolls_travel \
	%D%/epolls_watch_relayed_streams \
	%D%/equal_files_go_by_digest \
	%D%/event_loop_goes_on \
	%D%/eventfds_travel \
	%D%/every_kind_restarts_two_hundred_times \
	%D%/every_register_of_a_running_thread_goes_on \
	%D%/every_sort_of_mapping_is_as_after_a_fork \
	%D%/executable_resumes_the_program \
	%D%/executables_go_on_in_time \
	%D%/executables_run_in_bare_places \
	%D%/exit_status_comes_home \
	%D%/failed_move_leaves_the_caller_unharmed \
	%D%/failing_shells_say_why \
	%D%/failures_keep_other_signals \
	%D%/few_descriptors_refuse_a_start \
	%D%/fifo_works \
	%D%/fifty_children_at_once \
	%D%/files_go_by_content \
	%D%/files_may_be_written_meanwhile \
	%D%/files_may_change_while_they_are_copied \
	%D%/files_of_another_machine_are_refused_by_name \
	%D%/files_of_overlays_go_by_reference \
	%D%/files_open_for_reading_go_by_digest \
	%D%/files_stay_open_until_the_node_has_them \
	%D%/files_without_a_path_are_refused \
	%D%/flipped_bits_are_refused \
	%D%/float_control_is_kept \
	%D%/foreign_machines_are_refused \
	%D%/fork_handlers_run_at_home \
	%D%/full_disk_keeps_the_old_file \
	%D%/full_node_says_again \
	%D%/full_screen_program_runs_on_the_node \
	%D%/functions_of_atfork_run_on_both_sides \
	%D%/gcores_of_threads_resume \
	%D%/generations_of_executables_stay_the_same \
	%D%/grown_windows_are_enforced \
	%D%/guard_pages_are_kept \
	%D%/hangup_rereads_the_key \
	%D%/heap_grows_as_one_mapping \
	%D%/held_image_is_frozen \
	%D%/hidden_holders_keep_pipes_relayed \
	%D%/holes_stay_holes \
	%D%/holder_ends_with_its_caller \
	%D%/holders_are_no_children \
	%D%/hostile_mappings_are_refused \
	%D%/hostile_timers_and_pipes_are_refused \
	%D%/huge_pages_travel \
	%D%/idle_relays_cost_nothing \
	%D%/idle_terminal_costs_nothing \
	%D%/ignored_sigchld_leaves_no_zombie \
	%D%/image_is_frozen \
	%D%/images_may_have_several_threads \
	%D%/increments_add_up_to_the_memory \
	%D%/increments_hold_only_what_has_changed \
	%D%/inotifies_travel \
	%D%/joined_threads_hold_nothing_up \
	%D%/key_is_never_in_the_image \
	%D%/kill_zero_stays_among_its_own \
	%D%/killed_holder_leaves_no_statefile \
	%D%/killing_the_ghost_ends_the_child \
	%D%/killing_the_server_ends_everything \
	%D%/killing_the_session_ends_the_ghost \
	%D%/killing_the_stand_in_ends_the_daemons \
	%D%/lacking_codecs_are_refused_by_name \
	%D%/large_output_arrives \
	%D%/leases_hold_nothing_up \
	%D%/lesser_nodes_give_warnings \
	%D%/link_to_the_program_is_the_nodes \
	%D%/listening_child_may_move_on \
	%D%/locks_refuse_a_move \
	%D%/locks_survive_a_call \
	%D%/long_messages_follow_short_ones \
	%D%/losing_the_link_ends_the_child \
	%D%/lost_output_is_told \
	%D%/lost_roads_send_pages_again \
	%D%/malloc_works_after_the_move \
	%D%/many_connections_are_accepted \
	%D%/many_descendants_end_at_once \
	%D%/many_mappings_travel \
	%D%/many_small_buffers_are_all_read \
	%D%/many_streams_at_once \
	%D%/many_watches_travel \
	%D%/mapped_files_go_by_reference \
	%D%/mapped_memfds_stay_shared \
	%D%/marks_of_memory_travel \
	%D%/masked_features_are_not_demanded \
	%D%/memfds_travel \
	%D%/memory_may_change_until_the_fork \
	%D%/memory_that_fork_drops_moves \
	%D%/missing_cpus_are_reported \
	%D%/missing_key_is_reported \
	%D%/move_from_signal_handler_on_altstack \
	%D%/moved_process_is_waited_for_by_its_parent \
	%D%/moved_process_keeps_its_attributes \
	%D%/moved_process_keeps_its_pid_at_home \
	%D%/moved_process_keeps_its_terminal \
	%D%/moved_process_leaves_a_small_ghost \
	%D%/moved_process_may_rfork \
	%D%/moved_process_never_executes_twice \
	%D%/moved_process_stops_with_its_job \
	%D%/moves_are_checked_beforehand \
	%D%/moves_chain_over_three_nodes \
	%D%/nocldwait_leaves_no_zombie \
	%D%/node_out_of_descriptors_is_told \
	%D%/node_without_terminals_gives_pipes \
	%D%/nodes_are_asked_beforehand \
	%D%/nonblocking_is_private_to_the_child \
	%D%/nothing_live_is_lost_at_a_call \
	%D%/one_thread_of_several_is_kept \
	%D%/openmp_teams_are_lost_as_by_fork \
	%D%/ordinary_user_can_move \
	%D%/other_streams_pass_bulk \
	%D%/other_versions_are_refused \
	%D%/output_arrives_in_order \
	%D%/output_before_a_stop_can_be_read \
	%D%/outputs_never_replace_what_is_read \
	%D%/oversized_counts_are_refused \
	%D%/parents_that_are_gone_are_named \
	%D%/paths_alone_are_reopened \
	%D%/pending_signals_move \
	%D%/pidfds_of_oneself_travel \
	%D%/pipe_from_the_parent_works \
	%D%/pipe_to_the_parent_works \
	%D%/pipes_inside_move_with_their_bytes \
	%D%/plain_call_is_a_fork \
	%D%/policies_of_mappings_are_not_kept \
	%D%/poll_and_epoll_work_in_the_child \
	%D%/proc_files_are_the_childs_own \
	%D%/process_knows_where_it_is \
	%D%/programs_may_close_all_descriptors \
	%D%/protected_memory_is_kept \
	%D%/protection_keys_travel \
	%D%/queued_values_reach_the_child \
	%D%/random_numbers_of_the_vdso_differ \
	%D%/raw_mode_travels_home \
	%D%/read_only_files_are_reopened \
	%D%/reader_gone_is_sigpipe \
	%D%/refused_connection_is_reported \
	%D%/refusals_are_known_beforehand \
	%D%/refusals_name_all \
	%D%/render_over_distant_hosts \
	%D%/replaced_files_go_by_content \
	%D%/replayed_image_runs \
	%D%/restarted_program_dumps_core \
	%D%/restarted_program_gets_new_arguments \
	%D%/restarted_program_keeps_its_kernel_state \
	%D%/restarted_program_has_what_fork_drops \
	%D%/restarted_program_keeps_its_attributes \
	%D%/restarted_program_may_rfork \
	%D%/restarted_program_reopens_directories \
	%D%/restarted_program_reopens_its_files \
	%D%/rights_stay_dropped_at_rest \
	%D%/roads_need_devices \
	%D%/robust_list_is_kept \
	%D%/sandboxes_are_not_left \
	%D%/sched_getcpu_follows_the_child \
	%D%/second_sigterm_ends_everything \
	%D%/segment_bases_are_kept \
	%D%/segments_of_its_own_are_refused \
	%D%/semaphore_adjustments_stay_at_home \
	%D%/sent_descriptors_are_refused \
	%D%/seqpacket_socket_works \
	%D%/server_needs_explicit_trust \
	%D%/server_takes_sockets_from_systemd \
	%D%/several_threads_may_move \
	%D%/shared_memory_stays_shared_below_the_child \
	%D%/shared_pipes_are_relayed_after_a_move \
	%D%/shell_with_job_control_runs_on_the_node \
	%D%/shutdown_and_socket_errors \
	%D%/shutdown_two_hops_away_comes_home \
	%D%/signal_actions_are_kept \
	%D%/signal_storms_lose_nothing \
	%D%/signalfds_travel \
	%D%/signals_before_a_stop_come_first \
	%D%/signals_keep_their_order_with_output \
	%D%/signals_of_files_stay_at_home \
	%D%/signals_of_short_lived_senders_come_home \
	%D%/signals_reach_many_children \
	%D%/signals_reach_the_child \
	%D%/signals_to_the_parent_come_home \
	%D%/silent_network_ends_both_sides \
	%D%/silent_node_times_out \
	%D%/socketpair_works_across \
	%D%/stack_grows_after_the_move \
	%D%/stale_socket_file_is_replaced \
	%D%/standard_files_keep_one_offset \
	%D%/standard_input_is_read_from_home \
	%D%/statefile_is_restarted_by_a_node \
	%D%/statefiles_say_what_they_hold \
	%D%/stop_and_continue_show_at_home \
	%D%/stopped_ghost_notices_a_silent_network \
	%D%/stopped_ghost_stops_the_child \
	%D%/stopped_peers_are_not_lost \
	%D%/stopping_the_server_waits_for_its_children \
	%D%/strangers_cannot_connect_to_a_relayed_listener \
	%D%/strangers_get_nothing \
	%D%/streams_become_executables \
	%D%/tcp_connection_is_served_by_the_child \
	%D%/ten_hops_round_three_nodes \
	%D%/ten_moves_in_a_row \
	%D%/tenth_increment_is_restarted \
	%D%/terminal_is_a_terminal_on_the_node \
	%D%/terminal_lines_are_read_by_who_asks \
	%D%/terminal_output_is_exact \
	%D%/terminal_signals_act_on_the_job \
	%D%/terminal_works_over_two_hops \
	%D%/thin_executables_need_the_same_files \
	%D%/thread_id_is_renewed \
	%D%/thread_local_data_is_kept \
	%D%/thread_other_than_main_may_move \
	%D%/threads_and_children_refuse_a_move \
	%D%/threads_keep_their_connections_apart \
	%D%/threads_keep_their_own_attributes \
	%D%/threads_start_after_the_move \
	%D%/threads_with_other_rights_are_refused \
	%D%/timerfds_travel \
	%D%/timers_move_with_their_remaining_time \
	%D%/two_pipes_make_a_coprocess \
	%D%/udp_server_answers_its_clients \
	%D%/udp_socket_is_served_by_the_child \
	%D%/umask_and_directory_are_kept \
	%D%/unfinished_outputs_are_removed \
	%D%/unix_socket_works \
	%D%/unknown_host_is_refused \
	%D%/unread_bytes_stay_for_others \
	%D%/unread_bytes_stay_in_a_socket \
	%D%/unread_messages_stay_for_others \
	%D%/unreadable_files_are_refused_by_name \
	%D%/unsupported_descriptor_is_named \
	%D%/untouched_memory_costs_nothing \
	%D%/usage_begins_anew \
	%D%/user_is_dropped_for_good \
	%D%/vector_registers_survive_below_a_handler \
	%D%/wait_for_any_child_meets_each_ghost_once \
	%D%/waiting_processes_go_on_by_one_word \
	%D%/watches_of_nobody_are_refused \
	%D%/what_is_there_is_seen_at_once \
	%D%/vdso_of_another_kernel_is_redirected \
	%D%/vectors_of_a_caller_outlive_the_call \
	%D%/window_size_changes_reach_the_child \
	%D%/windows_grow_and_shrink \
	%D%/wiped_memory_is_empty_at_each_start \
	%D%/writable_files_are_known_by_a_lock \
	%D%/writable_files_are_the_same_file \
	%D%/wrong_forecasts_change_nothing \
	%D%/wrong_keys_are_refused

check_PROGRAMS += $(rf_integration_tests)
TESTS += $(rf_integration_tests)

# The support library has its own copy of the common part: librfork hides those symbols.
check_LTLIBRARIES += tests/support/libsupport.la
tests_support_libsupport_la_SOURCES = \
	tests/support/attributes.c tests/support/attributes.h \
	tests/support/checkpoint.c tests/support/checkpoint.h tests/support/checkpoint_read.c \
	tests/support/clocks.c tests/support/clocks.h \
	tests/support/core_threads.c tests/support/core_threads.h \
	tests/support/cores.c tests/support/cores.h \
	tests/support/entries.c tests/support/entries.h \
	tests/support/fake_node.c tests/support/fake_node.h \
	tests/support/footprint.c tests/support/footprint.h \
	tests/support/foreign_node.c tests/support/foreign_node.h \
	tests/support/foreseen.c tests/support/foreseen.h \
	tests/support/handshake.c tests/support/handshake.h \
	tests/support/image.c tests/support/image.h \
	tests/support/listening.c tests/support/listening.h \
	tests/support/mover.c tests/support/mover.h \
	tests/support/network.c tests/support/network.h \
	tests/support/node.c tests/support/node.h \
	tests/support/proxy.c tests/support/proxy.h \
	tests/support/restart.c tests/support/restart.h \
	tests/support/rights.c tests/support/rights.h \
	tests/support/road_node.c tests/support/road_node.h \
	tests/support/scripted_node.c tests/support/scripted_node.h \
	tests/support/screen.c tests/support/screen.h \
	tests/support/stream.c tests/support/stream.h \
	tests/support/signals.c tests/support/signals.h \
	tests/support/process.c tests/support/process.h \
	tests/support/target.c tests/support/target.h \
	tests/support/undump.c tests/support/undump.h \
	tests/support/vdso.c tests/support/vdso.h \
	tests/support/ways.c tests/support/ways.h \
	tests/support/terminal.c tests/support/terminal.h \
	tests/support/test.c tests/support/test.h
tests_support_libsupport_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSODIUM_CFLAGS)
tests_support_libsupport_la_LIBADD = rfork/librfork_common.la $(LIBSODIUM_LIBS)

# What gdb is shown: a program itself, not libtool's script, and with every variable in its place.
check_PROGRAMS += %D%/debuggee
%C%_debuggee_SOURCES = %D%/debuggee.c
%C%_debuggee_CFLAGS = $(AM_CFLAGS)
%C%_checkerboards_travel_LDADD = $(rf_integration_ldadd)
%C%_debuggee_LDADD = librfork.la
%C%_debuggee_LDFLAGS = -no-install
%D%/debuggee-%.o: override CFLAGS += -g -O0

# Opened by name: a shared object although it is never installed.
check_LTLIBRARIES += %D%/tls_module.la
%C%_tls_module_la_SOURCES = %D%/tls_module.c %D%/tls_module.h
%C%_tls_module_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# What cplusplus_goes_on_on_nodes.sh runs.
if HAVE_CXX
check_PROGRAMS += tests/support/cplusplus
endif
tests_support_cplusplus_SOURCES = %D%/cplusplus_goes_on_on_nodes.cc
tests_support_cplusplus_CXXFLAGS = $(AM_CXXFLAGS) -pthread
tests_support_cplusplus_LDADD = librfork.la

EXTRA_DIST += \
	%D%/perl_goes_on_on_nodes.pl \
	%D%/python_goes_on_on_nodes.py

# What lost_roads_send_pages_again gives to ghosts for rfork-pages.
check_PROGRAMS += tests/support/page_helper
tests_support_page_helper_SOURCES = tests/support/page_helper.c rfork/pages_protocol.h

# What every_kind_restarts_two_hundred_times restarts; not a script of libtool's, whose cores would be bash's.
check_PROGRAMS += tests/support/resumer tests/support/resumer_static
tests_support_resumer_SOURCES = tests/support/resumer.c
tests_support_resumer_LDADD = librfork.la
tests_support_resumer_LDFLAGS = -no-install
tests_support_resumer_static_SOURCES = tests/support/resumer.c
tests_support_resumer_static_LDADD = librfork.la $(rf_archive_libs)
tests_support_resumer_static_LDFLAGS = -all-static

# What masked_features_are_not_demanded starts with masks.
check_PROGRAMS += tests/support/lesser tests/support/lesser_static
tests_support_lesser_SOURCES = tests/support/lesser.c
tests_support_lesser_LDADD = librfork.la
tests_support_lesser_LDFLAGS = -no-install
tests_support_lesser_static_SOURCES = tests/support/lesser.c
tests_support_lesser_static_LDADD = librfork.la $(rf_archive_libs)
tests_support_lesser_static_LDFLAGS = -all-static

# A program that tests dump, in all the ways that programs are linked; nothing of ours is in it, and no libtool.
rf_counting_link = $(CC) $(AM_CFLAGS) $(CFLAGS) $(LDFLAGS) -pthread -o $@
check_PROGRAMS += \
	tests/support/counting_threads \
	tests/support/counting_threads_no_pie \
	tests/support/counting_threads_static \
	tests/support/counting_threads_static_pie
tests_support_counting_threads_SOURCES = tests/support/counting_threads.c
tests_support_counting_threads_CFLAGS = $(AM_CFLAGS) -fPIE
tests_support_counting_threads_LINK = $(rf_counting_link) -pie
tests_support_counting_threads_no_pie_SOURCES = tests/support/counting_threads.c
tests_support_counting_threads_no_pie_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_support_counting_threads_no_pie_LINK = $(rf_counting_link) -no-pie
tests_support_counting_threads_static_SOURCES = tests/support/counting_threads.c
tests_support_counting_threads_static_CFLAGS = $(AM_CFLAGS) -fno-pie
tests_support_counting_threads_static_LINK = $(rf_counting_link) -static -no-pie
tests_support_counting_threads_static_pie_SOURCES = tests/support/counting_threads.c
tests_support_counting_threads_static_pie_CFLAGS = $(AM_CFLAGS) -fPIE
tests_support_counting_threads_static_pie_LINK = $(rf_counting_link) -static-pie

rf_integration_ldadd = tests/support/libsupport.la librfork.la
# With what reads images at rest.
rf_statefile_ldadd = tests/support/libsupport.la $(rf_plain_reader) \
	rfork/librfork_common.la librfork.la $(rf_archive_libs)
%C%_accepting_child_and_parent_take_turns_LDADD = $(rf_integration_ldadd)
%C%_address_collisions_are_solved_LDADD = $(rf_integration_ldadd)
%C%_alternate_stack_is_kept_LDADD = $(rf_integration_ldadd)
%C%_async_failures_are_told_on_stderr_LDADD = $(rf_integration_ldadd)
%C%_async_returns_at_the_snapshot_LDADD = $(rf_integration_ldadd)
%C%_auto_compresses_for_slow_links_LDADD = $(rf_integration_ldadd)
%C%_back_pressure_is_bounded_LDADD = $(rf_integration_ldadd)
%C%_background_reader_is_stopped_LDADD = $(rf_integration_ldadd)
%C%_bad_answers_to_a_check_are_reported_LDADD = $(rf_integration_ldadd)
%C%_bad_arguments_are_refused_LDADD = $(rf_integration_ldadd)
%C%_breaking_a_chain_ends_what_is_beyond_LDADD = $(rf_integration_ldadd)
%C%_broken_executables_are_refused_by_name_LDADD = $(rf_integration_ldadd)
%C%_broken_ghosts_lose_only_their_child_LDADD = $(rf_integration_ldadd)
%C%_broken_nodes_are_reported_LDADD = $(rf_integration_ldadd)
%C%_broken_nodes_lose_only_their_ghost_LDADD = $(rf_integration_ldadd)
%C%_broken_nodes_lose_what_stays_LDADD = $(rf_integration_ldadd)
%C%_broken_socket_is_not_reset_LDADD = $(rf_integration_ldadd)
%C%_busy_threads_do_not_matter_LDADD = $(rf_integration_ldadd)
%C%_callee_saved_registers_are_kept_LDADD = $(rf_integration_ldadd)
%C%_caller_may_close_stdio_LDADD = $(rf_integration_ldadd)
%C%_caller_that_execs_keeps_its_child_LDADD = $(rf_integration_ldadd)
%C%_caller_that_exits_leaves_its_child_LDADD = $(rf_integration_ldadd)
%C%_cancelled_threads_leave_nothing_LDADD = $(rf_integration_ldadd)
%C%_chains_pass_signals_and_stops_LDADD = $(rf_integration_ldadd)
%C%_changed_library_goes_by_content_LDADD = $(rf_integration_ldadd)
%C%_checkpoint_is_of_one_moment_LDADD = $(rf_integration_ldadd)
%C%_checkpoint_keeps_what_fork_drops_LDADD = $(rf_statefile_ldadd)
%C%_checkpoints_are_asked_for_beforehand_LDADD = $(rf_integration_ldadd)
%C%_checkpoints_are_taken_in_pid_namespaces_LDADD = $(rf_integration_ldadd)
%C%_checkpoints_do_not_hinder_moves_LDADD = $(rf_integration_ldadd)
%C%_checkpoints_without_a_parent_are_whole_LDADD = $(rf_statefile_ldadd)
%C%_child_accepts_for_the_parent_LDADD = $(rf_integration_ldadd)
%C%_child_has_equal_mappings_LDADD = $(rf_integration_ldadd)
%C%_child_has_no_terminal_of_the_server_LDADD = $(rf_integration_ldadd)
%C%_child_has_offsets_of_its_own_LDADD = $(rf_integration_ldadd)
%C%_child_has_the_attributes_of_a_fork_child_LDADD = $(rf_integration_ldadd)
%C%_child_is_where_the_node_is_LDADD = $(rf_integration_ldadd)
%C%_child_sees_equal_memory_LDADD = $(rf_integration_ldadd)
%C%_children_may_move_on_LDADD = $(rf_integration_ldadd)
%C%_clocks_are_the_nodes_without_privilege_LDADD = $(rf_integration_ldadd)
%C%_clocks_come_home_with_a_process_LDADD = $(rf_integration_ldadd)
%C%_clocks_go_on_LDADD = $(rf_integration_ldadd)
%C%_clocks_go_on_with_privilege_LDADD = $(rf_integration_ldadd)
%C%_closed_ends_show_before_signals_LDADD = $(rf_integration_ldadd)
%C%_closed_listener_refuses_clients_LDADD = $(rf_integration_ldadd)
%C%_closed_reader_is_sigpipe_LDADD = $(rf_integration_ldadd)
%C%_closing_with_unread_bytes_is_seen_at_home_LDADD = $(rf_integration_ldadd)
%C%_command_line_and_environment_are_kept_LDADD = $(rf_integration_ldadd)
%C%_commands_run_on_both_sides_LDADD = $(rf_integration_ldadd)
%C%_commits_go_to_any_file_LDADD = $(rf_statefile_ldadd)
%C%_compressed_memory_is_the_same_LDADD = $(rf_integration_ldadd)
%C%_connection_not_accepted_stays_at_home_LDADD = $(rf_integration_ldadd)
%C%_contents_are_refused_by_name_LDADD = $(rf_integration_ldadd)
%C%_continue_on_the_node_wakes_the_ghost_LDADD = $(rf_integration_ldadd)
%C%_continuing_and_stopping_at_once_is_not_lost_LDADD = $(rf_integration_ldadd)
%C%_continuing_the_child_leaves_its_children_stopped_LDADD = $(rf_integration_ldadd)
%C%_copies_have_generators_of_their_own_LDADD = $(rf_integration_ldadd)
%C%_cores_of_programs_resume_LDADD = $(rf_integration_ldadd)
%C%_cores_of_threads_resume_LDADD = $(rf_integration_ldadd)
%C%_cores_that_lack_memory_are_refused_LDADD = $(rf_integration_ldadd)
%C%_cut_streams_leave_nothing_LDADD = $(rf_integration_ldadd)
%C%_daemon_accepts_after_the_child_has_ended_LDADD = $(rf_integration_ldadd)
%C%_daemon_returns_when_ready_LDADD = $(rf_integration_ldadd)
%C%_daemons_keep_the_streams_of_the_child_LDADD = $(rf_integration_ldadd)
%C%_daemons_of_detached_children_survive_LDADD = $(rf_integration_ldadd)
%C%_daemons_with_full_streams_hold_up_no_end_LDADD = $(rf_integration_ldadd)
%C%_daemons_without_streams_cost_nothing_at_home_LDADD = $(rf_integration_ldadd)
%C%_damage_to_statefiles_is_found_LDADD = $(rf_integration_ldadd)
%C%_datagrams_keep_their_boundaries_LDADD = $(rf_integration_ldadd)
%C%_dead_spare_is_replaced_LDADD = $(rf_integration_ldadd)
%C%_deadline_policy_is_as_with_fork_LDADD = $(rf_integration_ldadd)
%C%_death_by_signal_comes_home_LDADD = $(rf_integration_ldadd)
%C%_death_while_stopped_comes_home_LDADD = $(rf_integration_ldadd)
%C%_debuggers_stay_at_home_LDADD = $(rf_integration_ldadd)
%C%_deep_recursion_returns_after_the_move_LDADD = $(rf_integration_ldadd)
%C%_deleted_files_rest_with_their_bytes_LDADD = $(rf_integration_ldadd)
%C%_detached_child_keeps_an_ended_terminal_LDADD = $(rf_integration_ldadd)
%C%_detached_child_outlives_the_link_LDADD = $(rf_integration_ldadd)
%C%_devices_are_known_by_their_numbers_LDADD = $(rf_integration_ldadd)
%C%_directories_are_reopened_LDADD = $(rf_integration_ldadd)
%C%_directories_go_by_path_LDADD = $(rf_integration_ldadd)
%C%_dispatch_of_system_calls_ends_LDADD = $(rf_integration_ldadd)
%C%_distant_host_needs_the_flag_LDADD = $(rf_integration_ldadd)
%C%_dlopen_works_after_the_move_LDADD = $(rf_integration_ldadd)
%C%_dontfork_memory_stays_home_LDADD = $(rf_integration_ldadd)
%C%_dropped_capabilities_stay_dropped_LDADD = $(rf_integration_ldadd)
%C%_duplicates_share_one_stream_LDADD = $(rf_integration_ldadd)
%C%_end_comes_home_though_nobody_reads_LDADD = $(rf_integration_ldadd)
%C%_end_is_told_while_others_write_to_the_terminal_LDADD = $(rf_integration_ldadd)
%C%_end_of_file_on_a_terminal_LDADD = $(rf_integration_ldadd)
%C%_epolls_travel_LDADD = $(rf_integration_ldadd)
%C%_epolls_watch_relayed_streams_LDADD = $(rf_integration_ldadd)
%C%_equal_files_go_by_digest_LDADD = $(rf_integration_ldadd)
%C%_event_loop_goes_on_LDADD = $(rf_integration_ldadd)
%C%_eventfds_travel_LDADD = $(rf_integration_ldadd)
%C%_every_kind_restarts_two_hundred_times_LDADD = $(rf_integration_ldadd)
%C%_every_register_of_a_running_thread_goes_on_LDADD = $(rf_integration_ldadd)
%C%_every_sort_of_mapping_is_as_after_a_fork_LDADD = $(rf_integration_ldadd)
%C%_executable_resumes_the_program_LDADD = $(rf_integration_ldadd)
%C%_executables_go_on_in_time_LDADD = $(rf_integration_ldadd)
%C%_executables_run_in_bare_places_LDADD = $(rf_integration_ldadd)
%C%_exit_status_comes_home_LDADD = $(rf_integration_ldadd)
%C%_failed_move_leaves_the_caller_unharmed_LDADD = $(rf_integration_ldadd)
%C%_failing_shells_say_why_LDADD = $(rf_integration_ldadd)
%C%_failures_keep_other_signals_LDADD = $(rf_integration_ldadd)
%C%_few_descriptors_refuse_a_start_LDADD = $(rf_integration_ldadd)
%C%_fifo_works_LDADD = $(rf_integration_ldadd)
%C%_fifty_children_at_once_LDADD = $(rf_integration_ldadd)
%C%_files_go_by_content_LDADD = $(rf_integration_ldadd)
%C%_files_may_change_while_they_are_copied_LDADD = $(rf_integration_ldadd)
%C%_files_may_be_written_meanwhile_LDADD = $(rf_integration_ldadd)
%C%_files_of_another_machine_are_refused_by_name_LDADD = $(rf_integration_ldadd)
%C%_files_of_overlays_go_by_reference_LDADD = $(rf_integration_ldadd)
%C%_files_open_for_reading_go_by_digest_LDADD = $(rf_integration_ldadd)
%C%_files_stay_open_until_the_node_has_them_LDADD = $(rf_integration_ldadd)
%C%_files_without_a_path_are_refused_LDADD = $(rf_integration_ldadd)
%C%_flipped_bits_are_refused_LDADD = $(rf_integration_ldadd)
%C%_float_control_is_kept_LDADD = $(rf_integration_ldadd)
%C%_foreign_machines_are_refused_LDADD = $(rf_integration_ldadd)
%C%_fork_handlers_run_at_home_LDADD = $(rf_integration_ldadd)
%C%_full_disk_keeps_the_old_file_LDADD = $(rf_statefile_ldadd)
%C%_full_node_says_again_LDADD = $(rf_integration_ldadd)
%C%_full_screen_program_runs_on_the_node_LDADD = $(rf_integration_ldadd)
%C%_functions_of_atfork_run_on_both_sides_LDADD = $(rf_integration_ldadd)
%C%_gcores_of_threads_resume_LDADD = $(rf_integration_ldadd)
%C%_generations_of_executables_stay_the_same_LDADD = $(rf_integration_ldadd)
%C%_grown_windows_are_enforced_LDADD = $(rf_integration_ldadd)
%C%_guard_pages_are_kept_LDADD = $(rf_integration_ldadd)
%C%_hangup_rereads_the_key_LDADD = $(rf_integration_ldadd)
%C%_heap_grows_as_one_mapping_LDADD = $(rf_integration_ldadd)
%C%_held_image_is_frozen_LDADD = $(rf_statefile_ldadd)
%C%_hidden_holders_keep_pipes_relayed_LDADD = $(rf_integration_ldadd)
%C%_holes_stay_holes_LDADD = $(rf_integration_ldadd)
%C%_holder_ends_with_its_caller_LDADD = $(rf_integration_ldadd)
%C%_holders_are_no_children_LDADD = $(rf_integration_ldadd)
%C%_hostile_mappings_are_refused_LDADD = $(rf_integration_ldadd)
%C%_hostile_timers_and_pipes_are_refused_LDADD = $(rf_integration_ldadd)
%C%_huge_pages_travel_LDADD = $(rf_integration_ldadd)
%C%_idle_relays_cost_nothing_LDADD = $(rf_integration_ldadd)
%C%_idle_terminal_costs_nothing_LDADD = $(rf_integration_ldadd)
%C%_ignored_sigchld_leaves_no_zombie_LDADD = $(rf_integration_ldadd)
%C%_image_is_frozen_LDADD = $(rf_integration_ldadd)
%C%_images_may_have_several_threads_LDADD = $(rf_integration_ldadd)
%C%_increments_add_up_to_the_memory_LDADD = $(rf_statefile_ldadd)
%C%_increments_hold_only_what_has_changed_LDADD = $(rf_statefile_ldadd)
%C%_inotifies_travel_LDADD = $(rf_integration_ldadd)
%C%_joined_threads_hold_nothing_up_LDADD = $(rf_integration_ldadd)
%C%_key_is_never_in_the_image_LDADD = $(rf_integration_ldadd)
%C%_kill_zero_stays_among_its_own_LDADD = $(rf_integration_ldadd)
%C%_killing_the_ghost_ends_the_child_LDADD = $(rf_integration_ldadd)
%C%_killed_holder_leaves_no_statefile_LDADD = $(rf_statefile_ldadd)
%C%_killing_the_server_ends_everything_LDADD = $(rf_integration_ldadd)
%C%_killing_the_session_ends_the_ghost_LDADD = $(rf_integration_ldadd)
%C%_killing_the_stand_in_ends_the_daemons_LDADD = $(rf_integration_ldadd)
%C%_lacking_codecs_are_refused_by_name_LDADD = $(rf_integration_ldadd)
%C%_large_output_arrives_LDADD = $(rf_integration_ldadd)
%C%_leases_hold_nothing_up_LDADD = $(rf_integration_ldadd)
%C%_lesser_nodes_give_warnings_LDADD = $(rf_integration_ldadd)
%C%_link_to_the_program_is_the_nodes_LDADD = $(rf_integration_ldadd)
%C%_listening_child_may_move_on_LDADD = $(rf_integration_ldadd)
%C%_locks_refuse_a_move_LDADD = $(rf_integration_ldadd)
%C%_locks_survive_a_call_LDADD = $(rf_integration_ldadd)
%C%_long_messages_follow_short_ones_LDADD = $(rf_integration_ldadd)
%C%_losing_the_link_ends_the_child_LDADD = $(rf_integration_ldadd)
%C%_lost_output_is_told_LDADD = $(rf_integration_ldadd)
%C%_lost_roads_send_pages_again_LDADD = $(rf_integration_ldadd)
%C%_malloc_works_after_the_move_LDADD = $(rf_integration_ldadd)
%C%_many_connections_are_accepted_LDADD = $(rf_integration_ldadd)
%C%_many_descendants_end_at_once_LDADD = $(rf_integration_ldadd)
%C%_many_mappings_travel_LDADD = $(rf_integration_ldadd)
%C%_many_small_buffers_are_all_read_LDADD = $(rf_integration_ldadd)
%C%_many_streams_at_once_LDADD = $(rf_integration_ldadd)
%C%_many_watches_travel_LDADD = $(rf_integration_ldadd)
%C%_mapped_files_go_by_reference_LDADD = $(rf_integration_ldadd)
%C%_mapped_memfds_stay_shared_LDADD = $(rf_integration_ldadd)
%C%_marks_of_memory_travel_LDADD = $(rf_integration_ldadd)
%C%_masked_features_are_not_demanded_LDADD = $(rf_integration_ldadd)
%C%_memfds_travel_LDADD = $(rf_integration_ldadd)
%C%_memory_may_change_until_the_fork_LDADD = $(rf_integration_ldadd)
%C%_memory_that_fork_drops_moves_LDADD = $(rf_integration_ldadd)
%C%_missing_cpus_are_reported_LDADD = $(rf_integration_ldadd)
%C%_missing_key_is_reported_LDADD = $(rf_integration_ldadd)
%C%_move_from_signal_handler_on_altstack_LDADD = $(rf_integration_ldadd)
%C%_moved_process_is_waited_for_by_its_parent_LDADD = $(rf_integration_ldadd)
%C%_moved_process_keeps_its_attributes_LDADD = $(rf_integration_ldadd)
%C%_moved_process_keeps_its_pid_at_home_LDADD = $(rf_integration_ldadd)
%C%_moved_process_keeps_its_terminal_LDADD = $(rf_integration_ldadd)
%C%_moved_process_leaves_a_small_ghost_LDADD = $(rf_integration_ldadd)
%C%_moved_process_may_rfork_LDADD = $(rf_integration_ldadd)
%C%_moved_process_never_executes_twice_LDADD = $(rf_integration_ldadd)
%C%_moved_process_stops_with_its_job_LDADD = $(rf_integration_ldadd)
%C%_moves_are_checked_beforehand_LDADD = $(rf_integration_ldadd)
%C%_moves_chain_over_three_nodes_LDADD = $(rf_integration_ldadd)
%C%_nocldwait_leaves_no_zombie_LDADD = $(rf_integration_ldadd)
%C%_node_out_of_descriptors_is_told_LDADD = $(rf_integration_ldadd)
%C%_node_without_terminals_gives_pipes_LDADD = $(rf_integration_ldadd)
%C%_nodes_are_asked_beforehand_LDADD = $(rf_integration_ldadd)
%C%_nonblocking_is_private_to_the_child_LDADD = $(rf_integration_ldadd)
%C%_nothing_live_is_lost_at_a_call_LDADD = $(rf_integration_ldadd)
%C%_one_thread_of_several_is_kept_LDADD = $(rf_integration_ldadd)
%C%_openmp_teams_are_lost_as_by_fork_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)
%C%_openmp_teams_are_lost_as_by_fork_LDADD = $(rf_integration_ldadd)
%C%_ordinary_user_can_move_LDADD = $(rf_integration_ldadd)
%C%_other_streams_pass_bulk_LDADD = $(rf_integration_ldadd)
%C%_other_versions_are_refused_LDADD = $(rf_integration_ldadd)
%C%_output_arrives_in_order_LDADD = $(rf_integration_ldadd)
%C%_output_before_a_stop_can_be_read_LDADD = $(rf_integration_ldadd)
%C%_outputs_never_replace_what_is_read_LDADD = $(rf_integration_ldadd)
%C%_oversized_counts_are_refused_LDADD = $(rf_integration_ldadd)
%C%_parents_that_are_gone_are_named_LDADD = $(rf_statefile_ldadd)
%C%_paths_alone_are_reopened_LDADD = $(rf_integration_ldadd)
%C%_pending_signals_move_LDADD = $(rf_integration_ldadd)
%C%_pidfds_of_oneself_travel_LDADD = $(rf_integration_ldadd)
%C%_pipe_from_the_parent_works_LDADD = $(rf_integration_ldadd)
%C%_pipe_to_the_parent_works_LDADD = $(rf_integration_ldadd)
%C%_pipes_inside_move_with_their_bytes_LDADD = $(rf_integration_ldadd)
%C%_plain_call_is_a_fork_LDADD = $(rf_integration_ldadd)
%C%_policies_of_mappings_are_not_kept_LDADD = $(rf_integration_ldadd)
%C%_poll_and_epoll_work_in_the_child_LDADD = $(rf_integration_ldadd)
%C%_proc_files_are_the_childs_own_LDADD = $(rf_integration_ldadd)
%C%_process_knows_where_it_is_LDADD = $(rf_integration_ldadd)
%C%_programs_may_close_all_descriptors_LDADD = $(rf_integration_ldadd)
%C%_protected_memory_is_kept_LDADD = $(rf_integration_ldadd)
%C%_protection_keys_travel_LDADD = $(rf_integration_ldadd)
%C%_queued_values_reach_the_child_LDADD = $(rf_integration_ldadd)
%C%_random_numbers_of_the_vdso_differ_LDADD = $(rf_integration_ldadd)
%C%_raw_mode_travels_home_LDADD = $(rf_integration_ldadd)
%C%_read_only_files_are_reopened_LDADD = $(rf_integration_ldadd)
%C%_reader_gone_is_sigpipe_LDADD = $(rf_integration_ldadd)
%C%_refused_connection_is_reported_LDADD = $(rf_integration_ldadd)
%C%_refusals_are_known_beforehand_LDADD = $(rf_integration_ldadd)
%C%_refusals_name_all_LDADD = $(rf_statefile_ldadd)
%C%_render_over_distant_hosts_LDADD = $(rf_integration_ldadd)
%C%_replaced_files_go_by_content_LDADD = $(rf_statefile_ldadd)
%C%_replayed_image_runs_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_dumps_core_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_gets_new_arguments_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_keeps_its_kernel_state_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_has_what_fork_drops_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_keeps_its_attributes_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_may_rfork_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_reopens_directories_LDADD = $(rf_integration_ldadd)
%C%_restarted_program_reopens_its_files_LDADD = $(rf_integration_ldadd)
%C%_rights_stay_dropped_at_rest_LDADD = $(rf_integration_ldadd)
%C%_roads_need_devices_LDADD = $(rf_integration_ldadd)
%C%_robust_list_is_kept_LDADD = $(rf_integration_ldadd)
%C%_sandboxes_are_not_left_LDADD = $(rf_integration_ldadd)
%C%_sched_getcpu_follows_the_child_LDADD = $(rf_integration_ldadd)
%C%_second_sigterm_ends_everything_LDADD = $(rf_integration_ldadd)
%C%_segment_bases_are_kept_LDADD = $(rf_integration_ldadd)
%C%_segments_of_its_own_are_refused_LDADD = $(rf_integration_ldadd)
%C%_semaphore_adjustments_stay_at_home_LDADD = $(rf_integration_ldadd)
%C%_sent_descriptors_are_refused_LDADD = $(rf_integration_ldadd)
%C%_seqpacket_socket_works_LDADD = $(rf_integration_ldadd)
%C%_server_needs_explicit_trust_LDADD = $(rf_integration_ldadd)
%C%_server_takes_sockets_from_systemd_LDADD = $(rf_integration_ldadd)
%C%_several_threads_may_move_LDADD = $(rf_integration_ldadd)
%C%_shared_memory_stays_shared_below_the_child_LDADD = $(rf_integration_ldadd)
%C%_shared_pipes_are_relayed_after_a_move_LDADD = $(rf_integration_ldadd)
%C%_shell_with_job_control_runs_on_the_node_LDADD = $(rf_integration_ldadd)
%C%_shutdown_and_socket_errors_LDADD = $(rf_integration_ldadd)
%C%_shutdown_two_hops_away_comes_home_LDADD = $(rf_integration_ldadd)
%C%_signal_actions_are_kept_LDADD = $(rf_integration_ldadd)
%C%_signal_storms_lose_nothing_LDADD = $(rf_integration_ldadd)
%C%_signalfds_travel_LDADD = $(rf_integration_ldadd)
%C%_signals_before_a_stop_come_first_LDADD = $(rf_integration_ldadd)
%C%_signals_keep_their_order_with_output_LDADD = $(rf_integration_ldadd)
%C%_signals_of_files_stay_at_home_LDADD = $(rf_integration_ldadd)
%C%_signals_of_short_lived_senders_come_home_LDADD = $(rf_integration_ldadd)
%C%_signals_reach_many_children_LDADD = $(rf_integration_ldadd)
%C%_signals_reach_the_child_LDADD = $(rf_integration_ldadd)
%C%_signals_to_the_parent_come_home_LDADD = $(rf_integration_ldadd)
%C%_silent_network_ends_both_sides_LDADD = $(rf_integration_ldadd)
%C%_silent_node_times_out_LDADD = $(rf_integration_ldadd)
%C%_socketpair_works_across_LDADD = $(rf_integration_ldadd)
%C%_stack_grows_after_the_move_LDADD = $(rf_integration_ldadd)
%C%_stale_socket_file_is_replaced_LDADD = $(rf_integration_ldadd)
%C%_standard_files_keep_one_offset_LDADD = $(rf_integration_ldadd)
%C%_standard_input_is_read_from_home_LDADD = $(rf_integration_ldadd)
%C%_statefile_is_restarted_by_a_node_LDADD = $(rf_integration_ldadd)
%C%_statefiles_say_what_they_hold_LDADD = $(rf_integration_ldadd)
%C%_stop_and_continue_show_at_home_LDADD = $(rf_integration_ldadd)
%C%_stopped_ghost_notices_a_silent_network_LDADD = $(rf_integration_ldadd)
%C%_stopped_ghost_stops_the_child_LDADD = $(rf_integration_ldadd)
%C%_stopped_peers_are_not_lost_LDADD = $(rf_integration_ldadd)
%C%_stopping_the_server_waits_for_its_children_LDADD = $(rf_integration_ldadd)
%C%_strangers_cannot_connect_to_a_relayed_listener_LDADD = $(rf_integration_ldadd)
%C%_strangers_get_nothing_LDADD = $(rf_integration_ldadd)
%C%_streams_become_executables_LDADD = $(rf_statefile_ldadd)
%C%_tcp_connection_is_served_by_the_child_LDADD = $(rf_integration_ldadd)
%C%_ten_hops_round_three_nodes_LDADD = $(rf_integration_ldadd)
%C%_ten_moves_in_a_row_LDADD = $(rf_integration_ldadd)
%C%_tenth_increment_is_restarted_LDADD = $(rf_integration_ldadd)
%C%_terminal_is_a_terminal_on_the_node_LDADD = $(rf_integration_ldadd)
%C%_terminal_lines_are_read_by_who_asks_LDADD = $(rf_integration_ldadd)
%C%_terminal_output_is_exact_LDADD = $(rf_integration_ldadd)
%C%_terminal_signals_act_on_the_job_LDADD = $(rf_integration_ldadd)
%C%_terminal_works_over_two_hops_LDADD = $(rf_integration_ldadd)
%C%_thin_executables_need_the_same_files_LDADD = $(rf_integration_ldadd)
%C%_thread_id_is_renewed_LDADD = $(rf_integration_ldadd)
%C%_thread_local_data_is_kept_LDADD = $(rf_integration_ldadd)
%C%_thread_other_than_main_may_move_LDADD = $(rf_integration_ldadd)
%C%_threads_and_children_refuse_a_move_LDADD = $(rf_integration_ldadd)
%C%_threads_keep_their_connections_apart_LDADD = $(rf_integration_ldadd)
%C%_threads_keep_their_own_attributes_LDADD = $(rf_integration_ldadd)
%C%_threads_start_after_the_move_LDADD = $(rf_integration_ldadd)
%C%_threads_with_other_rights_are_refused_LDADD = $(rf_integration_ldadd)
%C%_timerfds_travel_LDADD = $(rf_integration_ldadd)
%C%_timers_move_with_their_remaining_time_LDADD = $(rf_integration_ldadd)
%C%_two_pipes_make_a_coprocess_LDADD = $(rf_integration_ldadd)
%C%_udp_server_answers_its_clients_LDADD = $(rf_integration_ldadd)
%C%_udp_socket_is_served_by_the_child_LDADD = $(rf_integration_ldadd)
%C%_umask_and_directory_are_kept_LDADD = $(rf_integration_ldadd)
%C%_unfinished_outputs_are_removed_LDADD = $(rf_integration_ldadd)
%C%_unix_socket_works_LDADD = $(rf_integration_ldadd)
%C%_unknown_host_is_refused_LDADD = $(rf_integration_ldadd)
%C%_unread_bytes_stay_for_others_LDADD = $(rf_integration_ldadd)
%C%_unread_bytes_stay_in_a_socket_LDADD = $(rf_integration_ldadd)
%C%_unread_messages_stay_for_others_LDADD = $(rf_integration_ldadd)
%C%_unreadable_files_are_refused_by_name_LDADD = $(rf_integration_ldadd)
%C%_unsupported_descriptor_is_named_LDADD = $(rf_integration_ldadd)
%C%_untouched_memory_costs_nothing_LDADD = $(rf_integration_ldadd)
%C%_usage_begins_anew_LDADD = $(rf_integration_ldadd)
%C%_user_is_dropped_for_good_LDADD = $(rf_integration_ldadd)
%C%_vector_registers_survive_below_a_handler_SOURCES = \
	%D%/vector_registers_survive_below_a_handler.c tests/support/vectors.c tests/support/vectors.h
%C%_vector_registers_survive_below_a_handler_LDADD = $(rf_statefile_ldadd)
%C%_wait_for_any_child_meets_each_ghost_once_LDADD = $(rf_integration_ldadd)
%C%_waiting_processes_go_on_by_one_word_LDADD = $(rf_integration_ldadd)
%C%_watches_of_nobody_are_refused_LDADD = $(rf_integration_ldadd)
%C%_what_is_there_is_seen_at_once_LDADD = $(rf_integration_ldadd)
%C%_vdso_of_another_kernel_is_redirected_LDADD = $(rf_integration_ldadd)
%C%_vectors_of_a_caller_outlive_the_call_LDADD = $(rf_integration_ldadd)
%C%_window_size_changes_reach_the_child_LDADD = $(rf_integration_ldadd)
%C%_windows_grow_and_shrink_LDADD = $(rf_integration_ldadd)
%C%_wiped_memory_is_empty_at_each_start_LDADD = $(rf_integration_ldadd)
%C%_writable_files_are_known_by_a_lock_LDADD = $(rf_integration_ldadd)
%C%_writable_files_are_the_same_file_LDADD = $(rf_integration_ldadd)
%C%_wrong_forecasts_change_nothing_LDADD = $(rf_integration_ldadd)
%C%_wrong_keys_are_refused_LDADD = $(rf_integration_ldadd)

# Running processes, looked at from outside: with the reader that undump -p has.
rf_process_tests = \
	%D%/descriptors_may_be_closed_meanwhile \
	%D%/descriptors_of_a_process_are_judged \
	%D%/eight_threads_are_read \
	%D%/killed_undump_leaves_the_process_running \
	%D%/memory_below_a_stack_is_kept \
	%D%/memory_of_a_process_is_read_whole \
	%D%/ordinary_user_makes_an_executable_of_python \
	%D%/ordinary_user_reads_a_process \
	%D%/redirected_process_is_undumped \
	%D%/restarted_process_is_undumped_again \
	%D%/running_process_becomes_an_executable \
	%D%/running_process_is_read_as_it_is \
	%D%/signals_reach_a_process_that_is_read \
	%D%/stopped_process_stays_stopped \
	%D%/threads_stopped_in_the_vdso_go_on \
	%D%/unsuitable_processes_are_refused_by_name

check_PROGRAMS += $(rf_process_tests)
TESTS += $(rf_process_tests)

rf_process_ldadd = tests/support/libsupport.la tools/libprocess.la rfork/librfork_undump.la \
	rfork/librfork_restore.la $(rf_checked_capture) $(rf_checked_common) $(rf_archive_libs)
%C%_descriptors_of_a_process_are_judged_CFLAGS = $(SANITIZED_CFLAGS)
%C%_descriptors_may_be_closed_meanwhile_LDADD = $(rf_integration_ldadd)
%C%_descriptors_of_a_process_are_judged_LDADD = $(rf_process_ldadd)
%C%_eight_threads_are_read_CFLAGS = $(SANITIZED_CFLAGS)
%C%_eight_threads_are_read_LDADD = $(rf_process_ldadd)
%C%_killed_undump_leaves_the_process_running_CFLAGS = $(SANITIZED_CFLAGS)
%C%_killed_undump_leaves_the_process_running_LDADD = $(rf_process_ldadd)
%C%_memory_below_a_stack_is_kept_CFLAGS = $(SANITIZED_CFLAGS)
%C%_memory_below_a_stack_is_kept_LDADD = $(rf_process_ldadd)
%C%_memory_of_a_process_is_read_whole_CFLAGS = $(SANITIZED_CFLAGS)
%C%_memory_of_a_process_is_read_whole_LDADD = $(rf_process_ldadd)
%C%_ordinary_user_makes_an_executable_of_python_CFLAGS = $(SANITIZED_CFLAGS)
%C%_ordinary_user_makes_an_executable_of_python_LDADD = $(rf_process_ldadd)
%C%_ordinary_user_reads_a_process_CFLAGS = $(SANITIZED_CFLAGS)
%C%_ordinary_user_reads_a_process_LDADD = $(rf_process_ldadd)
%C%_redirected_process_is_undumped_LDADD = $(rf_integration_ldadd)
%C%_restarted_process_is_undumped_again_CFLAGS = $(SANITIZED_CFLAGS)
%C%_restarted_process_is_undumped_again_LDADD = $(rf_process_ldadd)
%C%_running_process_becomes_an_executable_CFLAGS = $(SANITIZED_CFLAGS)
%C%_running_process_becomes_an_executable_LDADD = $(rf_process_ldadd)
%C%_running_process_is_read_as_it_is_CFLAGS = $(SANITIZED_CFLAGS)
%C%_running_process_is_read_as_it_is_LDADD = $(rf_process_ldadd)
%C%_signals_reach_a_process_that_is_read_CFLAGS = $(SANITIZED_CFLAGS)
%C%_signals_reach_a_process_that_is_read_LDADD = $(rf_process_ldadd)
%C%_stopped_process_stays_stopped_CFLAGS = $(SANITIZED_CFLAGS)
%C%_stopped_process_stays_stopped_LDADD = $(rf_process_ldadd)
%C%_threads_stopped_in_the_vdso_go_on_LDADD = $(rf_integration_ldadd)
%C%_unsuitable_processes_are_refused_by_name_CFLAGS = $(SANITIZED_CFLAGS)
%C%_unsuitable_processes_are_refused_by_name_LDADD = $(rf_process_ldadd)
