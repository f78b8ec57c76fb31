"""
Everything that can go wrong, in the words of the person it happens to.

::

    PartySyncError
    ├── MutationRejected(code, message)   the edit broke a rule; nothing of it was kept
    ├── ProtocolError(kind, message)      the two sides do not understand each other
    │   └── FrameTooLarge                 a frame is over the limit the room has set
    ├── NotConnected                      no server, or no answer from it
    ├── PermissionDenied                  the server knows you, or does not, and says no
    ├── SchemaMismatch                    two notions of one table or party
    ├── OutcomeUnknown                    the room's history was replaced before it told us
    └── StorageFailed                     the room's file cannot be written or trusted

A message is one or two sentences: what is wrong, with the value; what to do. ``code`` and ``kind`` are short, stable
and for programs.
"""

from __future__ import annotations


class PartySyncError(Exception):
    """Base of every error this library raises on purpose."""


class MutationRejected(PartySyncError):
    """A mutation was refused, by the check in this kernel or by the room. Nothing of it was kept.

    ``code`` is one of ``CODES``.
    """

    CODES = frozenset(
        {
            "unknown-table",
            "unknown-column",
            "unknown-mutator",
            "unknown-row",
            "bad-name",
            "bad-value",
            "bad-arguments",
            "missing-value",
            "table-exists",
            "constraint",
            "mutator-raised",
            "bad-sql",
            "changed-since",
            "too-large",
            "too-slow",
            "forbidden",
        }
    )

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ProtocolError(PartySyncError):
    """A frame that cannot be: broken bytes, an unknown type, a promise of the protocol not kept."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class FrameTooLarge(ProtocolError):
    """A frame over the room's limit; it is refused before it is queued, so that it cannot block later ones."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            "too-large",
            f"This edit is {size:,} bytes, and the room takes at most {limit:,} in one. Split it into smaller edits.",
        )


class NotConnected(PartySyncError):
    """There is no server to be found, or it did not answer in time."""


class PermissionDenied(PartySyncError):
    """The server refused this person, or this person may not do this."""


class SchemaMismatch(PartySyncError):
    """A table or a party is declared in two ways that cannot both be true."""


class OutcomeUnknown(PartySyncError):
    """The room's history was replaced (a backup was restored, its file was deleted) before it decided this mutation.

    ``name`` and ``args`` are the mutation's, so that it can be made again.
    """

    def __init__(self, message: str, name: str, args: dict[str, object]) -> None:
        super().__init__(message)
        self.name = name
        self.args_of_mutation = args


class StorageFailed(PartySyncError):
    """The file behind a room or a cache cannot be opened, written or trusted."""
