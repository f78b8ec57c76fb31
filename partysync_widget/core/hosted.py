"""
Hosted: what a party's hooks find in ``self``, where its room is open.

A party's mutators run in kernels and in the room alike and touch nothing but ``tx``. Its hooks (``on_start``,
``on_action``, ``on_alarm`` …) are methods, and run in the room alone: there is one instance of the party for each room
that is open, and behind it the room's host. A kernel, which has the class as well, makes no instance.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .errors import PartySyncError

When = float | dt.datetime | dt.timedelta  # seconds since 1970; a moment; so long from now


class Host(Protocol):
    """What is behind ``self`` in a room. The server has the one that does it."""

    name: str

    @property
    def user(self) -> str: ...
    @property
    def role(self) -> str: ...
    def sql(self, query: str, args: tuple[Any, ...]) -> list[dict[str, Any]]: ...
    def set_alarm(self, when: When) -> None: ...
    def get_alarm(self) -> float | None: ...
    def delete_alarm(self) -> None: ...
    def broadcast(self, message: str | bytes, exclude: Iterable[Any], tag: str | None) -> None: ...
    def connections(self, tag: str | None) -> list[Any]: ...
    def soon(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None: ...
    def connect(self, room: str, how: dict[str, Any]) -> Any: ...


class Hosted:
    """The part of a Party that only a room's server fills with life."""

    _host: Host | None = None

    @property
    def host(self) -> Host:
        """For this library. Raises PartySyncError where no room is."""
        if self._host is None:
            text = "Only the server makes an instance of a party, one for each open room; here there is none."
            raise PartySyncError(f"{text} In a notebook, use connect(…, party={type(self).__name__}).")
        return self._host

    @property
    def room(self) -> str:
        """The name of the room."""
        return self.host.name

    @property
    def user(self) -> str:
        """Whose action it is that runs, by name; empty in a hook that nobody has called."""
        return self.host.user

    @property
    def role(self) -> str:
        """What they are in this room: ``viewer``, ``editor`` or ``owner``."""
        return self.host.role

    def sql(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Run SQL on the room's tables; ``?`` takes the arguments. Rows as dicts, for a query.

        What one call of a hook does with it is decided as one, told to everybody, and gone if the hook raises. An
        ``async`` hook awaits first and then does all of its SQL: after its first ``sql`` it awaits nothing more.
        """
        return self.host.sql(query, args)

    def set_alarm(self, when: When) -> None:
        """Have ``on_alarm`` called then, also if nobody is in the room, and after a restart. A room has one alarm."""
        self.host.set_alarm(when)

    def get_alarm(self) -> float | None:
        """When it is set for, in seconds since 1970; None if it is not set."""
        return self.host.get_alarm()

    def delete_alarm(self) -> None:
        """Have it set no more."""
        self.host.delete_alarm()

    def broadcast(self, message: str | bytes, *, exclude: Iterable[Any] = (), tag: str | None = None) -> None:
        """Tell all web pages in the room something, or those with a tag: text, or bytes.

        ``exclude`` has connections, or their ids. It goes out when what the hook has done is durable, behind the rows
        of it, and not at all if that is undone. Kernels are told by rows.
        """
        self.host.broadcast(message, exclude, tag)

    def connections(self, tag: str | None = None) -> list[Any]:
        """The web pages that are in the room, or those with a tag."""
        return self.host.connections(tag)

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Have a function run as a hook is: in the party's thread, its SQL decided as one. From any thread.

        For whatever comes from elsewhere, as the callback of ``table.observe`` in another room does:
        ``self.soon(self.copy, id)``.
        """
        self.host.soon(function, args)

    def connect(self, room: str, **how: Any) -> Any:
        """Enter another room, as ``partysync_widget.connect`` does: of this server, unless ``url`` says otherwise.

        It waits for the first copy of that room. Let go of when this one closes.
        """
        return self.host.connect(room, how)
