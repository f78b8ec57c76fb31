"""
Phrases: what the ancestor's clients say, understood, and what is said to them, written to the letter.

::

    {"channel": C, "sync": true, "from": TIME or null}                                        Sync
    {"id": ID, "channel": C, "rpc": true, "action": {"type": NAME, "payload": {…}}}           Call
    anything else                                                                             NotUnderstood
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeGuard

import msgspec

from partysync_widget.core.codec import check_value
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.party import ACT, ROW_MUTATORS, Party

from .records import Record

MOST_NAME = 256  # characters of an id, or a channel
SYNC_BYTES = 32 << 20  # of one answer to a sync; a larger table comes in several

WHAT_IT_IS = 'An action is {"type": the name of a mutator, "payload": {its arguments, by name}}.'

Json = dict[str, Any]


class NotUnderstood(Exception):
    """With the frame that says so."""

    def __init__(self, said: bytes) -> None:
        super().__init__(said)
        self.said = said


@dataclass(frozen=True)
class Sync:
    """The channel is asked for, since a time as the client has it. ``anew``: nobody asked, and all of it is needed."""

    channel: str
    since: Any = None
    anew: bool = False


@dataclass(frozen=True)
class Call:
    """A mutator is called. ``echo`` is the id as it came, if one did; ``id`` the same as JSON, or empty."""

    channel: str
    name: str
    payload: Any
    echo: Json = field(default_factory=dict)
    id: str = ""


def is_frame(message: str | bytes) -> bool:
    """Whether it is one of the dialect's, well made or not; anything else is for the party's ``on_message``."""
    if not isinstance(message, str) or not ('"sync"' in message or '"rpc"' in message):
        return False
    try:
        frame = msgspec.json.decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return False
    return isinstance(frame, dict) and bool(frame.get("sync") or frame.get("rpc"))


def understood(message: str | bytes) -> Sync | Call:
    """A message of whatever kind. Raises NotUnderstood."""
    try:
        frame = _parsed(message)
    except MutationRejected as error:
        raise NotUnderstood(exception(f"Failed to parse message: {error.message}")) from None
    if not isinstance(frame, dict):
        raise NotUnderstood(refused("A message is a JSON object: with sync, or with rpc and an action."))
    return _sync(frame) if frame.get("sync") else _call(frame)


def _parsed(message: str | bytes) -> Any:
    """Raises MutationRejected with what is wrong with it."""
    if not isinstance(message, str):
        raise MutationRejected("bad-value", "it is binary, and messages here are text.")
    try:
        frame = msgspec.json.decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise MutationRejected("bad-value", f"{error}.") from None
    check_value(frame)
    return frame


def _sync(frame: Json) -> Sync:
    channel = frame.get("channel")
    if not _is_name(channel):
        text = f"A sync names the channel that it asks for, in {MOST_NAME} characters at most."
        raise NotUnderstood(refused(text))
    return Sync(channel, frame.get("from"))


def _call(frame: Json) -> Call:
    id = msgspec.json.encode(frame["id"]).decode() if "id" in frame else ""
    echo = {"id": frame["id"]} if id and len(id) <= MOST_NAME else {}
    channel, action = frame.get("channel"), frame.get("action")
    if not _is_name(channel) or (id and not echo):
        text = f"An action names its channel; that and its id have {MOST_NAME} characters at most."
        raise NotUnderstood(refused(text, channel if _is_name(channel) else None, echo))
    name = action.get("type") if isinstance(action, dict) else None
    payload = action.get("payload") if isinstance(action, dict) else None
    if not _is_name(name):
        raise NotUnderstood(refused(WHAT_IT_IS, channel, echo))
    return Call(channel, name, payload, echo, "" if id == "null" else id)


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= MOST_NAME


def mutation(party: type[Party], call: Call) -> tuple[str, Json]:
    """A call as a mutation: the mutator and its arguments, or what is for the party's ``on_action``.

    The built-in mutators are told of the table by the channel. Raises NotUnderstood.
    """
    own = call.name in party.mutators
    if not own and party.acts():  # before the built-in ones: it may well have an "update" of its own
        return ACT, {"channel": call.channel, "type": call.name, "payload": call.payload}
    payload = {} if call.payload is None else call.payload
    if not isinstance(payload, dict):
        raise NotUnderstood(refused(WHAT_IT_IS, call.channel, call.echo))
    takes_table = call.name in ROW_MUTATORS and call.name != "batch" and not own
    return call.name, {"table": call.channel, **payload} if takes_table else payload


# --- said -----------------------------------------------------------------------------------------------------------


def exception(text: str) -> bytes:
    return msgspec.json.encode({"type": "exception", "rpc": True, "exception": [text]})


def refused(text: str, channel: str | None = None, echo: Json | None = None) -> bytes:
    """An error, with as much of what it is about as is known."""
    named = {"channel": channel} if channel is not None else {}
    return msgspec.json.encode({"type": "error", "rpc": True, **named, **(echo or {}), "error": [text]})


def succeeded(channel: str, echo: Json, records: list[Record]) -> bytes:
    return msgspec.json.encode({"type": "success", "rpc": True, "channel": channel, **echo, "result": records})


def update(channel: str, records: list[Record]) -> bytes:
    return msgspec.json.encode({"broadcast": True, "type": "update", "channel": channel, "payload": records})


def delete_all(channel: str) -> bytes:
    return msgspec.json.encode({"broadcast": True, "type": "delete-all", "channel": channel})


def synced(channel: str, records: list[Record]) -> list[bytes]:
    """One frame; several of a table that is very large."""
    frame = msgspec.json.encode({"sync": True, "channel": channel, "payload": records})
    if len(frame) <= SYNC_BYTES or len(records) < 2:
        return [frame]
    half = len(records) // 2
    return synced(channel, records[:half]) + synced(channel, records[half:])
