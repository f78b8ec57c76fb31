"""
Undecided: what others are shown of an action that the room still waits for.

Nobody can guess what an ``on_action`` will do. But an action about a row says which, by the ``id`` in its payload, and
mostly what is to become of it, by the names of columns. That is told as a draft of its author, and is no data (R11).
"""

from __future__ import annotations

from typing import Any

from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode
from partysync_widget.core.columns import coerce, wire
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.store import Store


def channel_of(action: m.Mutation) -> str:
    """Which channel it names. Raises MutationRejected if it is no action."""
    if not {"channel", "type"} <= action.args.keys() <= {"channel", "type", "payload"}:
        raise MutationRejected("bad-arguments", "An action has a channel, a type and a payload, and nothing else.")
    channel, kind = action.args["channel"], action.args["type"]
    if not isinstance(channel, str) or not isinstance(kind, str):
        raise MutationRejected("bad-arguments", "The channel and the type of an action are text.")
    return channel


def undecided(store: Store, action: m.Mutation) -> m.Draft | None:
    """The row that it is about, as it would be; None if it says of none. The channel was looked up."""
    payload, entry = action.args.get("payload"), store.table(action.args["channel"])
    id = payload.get("id") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(id, str) or not id:
        return None
    row: dict[str, Any] = {}
    stands = store.fetch(entry.spec.name, [id]).get(id)
    for place, column in enumerate(entry.spec.columns, 2):
        if stands is not None:
            row[column.name] = wire(column, stands[place])
        if column.name in payload:
            try:
                row[column.name] = wire(column, coerce(column, payload[column.name]))
            except MutationRejected:
                return None  # it says something else by that name
    draft = m.Draft(f"action-{action.mid}", entry.spec.name, {id: row}, action.mid)
    return draft if len(encode(draft, "json")) <= m.DRAFT_BYTES else None
