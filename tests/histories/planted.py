"""
Planted anomalies: a clean history with one thing broken, at least one way for each name that the checker has.

Each takes the records of a clean history (their own copy) and some chance, breaks something in place, and gives True;
or False when it found nothing there that could be broken in this way. Its docstring is the name that must be found.
"""

from . import planted_orders, planted_sessions, planted_values

PLANTED = (
    planted_values.own_append_unseen,
    planted_values.list_changes_under_a_mutation,
    planted_values.append_is_done_twice,
    planted_values.last_append_is_done_twice,
    planted_values.two_orders,
    planted_values.value_out_of_nowhere,
    planted_values.rejected_is_seen,
    planted_values.view_keeps_what_was_rejected,
    planted_values.half_is_seen,
    planted_values.accepted_is_gone,
    planted_orders.writes_cross,
    planted_orders.order_of_time_is_turned,
    planted_orders.each_sees_the_other,
    planted_orders.the_future_is_read,
    planted_orders.half_of_two_lists,
    planted_orders.update_is_lost,
    planted_orders.old_list_is_read,
    planted_orders.each_misses_the_other,
    planted_orders.three_miss_the_next,
    planted_orders.two_old_lists_cross,
    planted_sessions.base_goes_back,
    planted_sessions.view_goes_back,
    planted_sessions.own_edit_is_not_in_the_base,
    planted_sessions.own_edit_is_not_in_the_view,
    planted_sessions.own_edits_change_places,
    planted_sessions.later_edit_is_seen_first,
    planted_sessions.answer_comes_before_its_question,
    planted_sessions.two_copies_differ,
    planted_sessions.version_goes_back,
    planted_sessions.view_shows_what_nobody_decided,
)
