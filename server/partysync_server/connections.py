"""
Connections: the web pages in a room as its party sees them, and the hooks that are called for them, in order.

::

    a page's line    opened ─▶ get_connection_tags ─▶ on_connect ─▶ on_message, on_message … ─▶ on_close
    the party        connection.send, self.broadcast ─▶ when what the hook did is durable (R9) ─▶ the page's next frames

A page's hooks run one after the other; pages do not wait for each other. What a page says waits in its own line, whose
next frame is not read while much of it waits; what a page is to be told waits in a bounded heap, and a page that does
not take it is hung up on (R12). Whatever a hook raises is logged, told to that page in a sentence, and to nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from partysync_widget.core import messages as m
from partysync_widget.core.codec import check_value
from partysync_widget.core.errors import PartySyncError, StorageFailed

from .session import Session
from .wire import Binary

log = logging.getLogger("partysync.server")

STATE_BYTES = 4096  # of one connection's state, as JSON
MOST_TAGS, TAG_LENGTH = 9, 256  # as the ancestor's
MESSAGE_BYTES = 1 << 20  # of one message to a page
MOST_HEARD, HEARD_BYTES = 64, 1 << 20  # of one page that wait for on_message, after which its next frame is not read

Message = str | bytes


class Caller(Protocol):
    """Whoever runs the party's hooks."""

    async def call(self, hook: str, *args: Any) -> Any: ...
    def afterwards(self, function: Callable[[], None]) -> None: ...


class Place(Protocol):
    """What connections need of the open room that they are in."""

    party: str
    held: int
    connections: Connections

    @property
    def host(self) -> Caller: ...
    async def hosted(self) -> Caller:
        """The same, once its file is open and the party has begun. Raises StorageFailed."""

    def wake(self) -> None: ...


class Line(Protocol):
    """What is told to a page besides the room's rows."""

    def say(self, frame: bytes) -> None: ...
    def complain(self, text: str) -> None: ...


def has(party: object, hook: str) -> bool:
    """Whether a party, or its class, has a hook."""
    return callable(getattr(party, hook, None))


def framed(message: Message) -> bytes:
    """A message as it goes to a page. Raises TypeError or ValueError with what to write instead."""
    if isinstance(message, str):
        frame = message.encode()
    elif isinstance(message, bytes | bytearray | memoryview):
        frame = Binary(message)
    else:
        raise TypeError(f"A message is text or bytes, not {type(message).__name__}. Write json.dumps(…).")
    if len(frame) > MESSAGE_BYTES:
        raise ValueError(f"A message has {len(frame):,} bytes, and a page is sent {MESSAGE_BYTES:,} at most at a time.")
    return frame


class Connection:
    """A page's socket, as the party's hooks are given it. Its methods are for them, in whichever thread they run."""

    def __init__(self, place: Place, session: Session, line: Line, id: str, query: Mapping[str, str]) -> None:
        self.id = id  # what the page calls itself (``_pk``) whenever it comes; or made up
        self.query = MappingProxyType(dict(query))  # of its address, without token and ``_pk``
        self.tags: tuple[str, ...] = ()
        self._place = place
        self._session = session
        self._line = line
        self._state = b"null"

    def __repr__(self) -> str:
        return f"<Connection {self.id} of {self.user!r}, {self.role or 'nobody any more'}>"

    @property
    def user(self) -> str:
        """Their name, as the others see it."""
        return self._session.peer.name

    @property
    def role(self) -> str:
        """What they are in this room now: ``viewer``, ``editor``, ``owner``; empty when that was taken back."""
        return self._session.role

    @property
    def state(self) -> Any:
        """What was last given to ``set_state``, or None. It stays while the socket does, also while the room sleeps."""
        return msgspec.json.decode(self._state)

    def set_state(self, value: Any) -> None:
        """Keep a value that JSON has, for as long as this connection is open. Raises ValueError for a large one."""
        plain = msgspec.to_builtins(value)
        check_value(plain)
        kept = msgspec.json.encode(plain)
        if len(kept) > STATE_BYTES:
            text = f"A connection keeps {STATE_BYTES:,} bytes, and this has {len(kept):,}. Put it into a table."
            raise ValueError(text)
        self._state = kept

    def send(self, message: Message) -> None:
        """Tell this page something: text, or bytes. When what the hook has done is durable; not if it is undone."""
        frame = framed(message)
        self._place.host.afterwards(lambda: self.tell(frame))

    def close(self, reason: str = "The party has closed this connection.") -> None:
        """Hang up, and say why. The page may come again."""
        self._place.host.afterwards(lambda: self.end(reason))

    # --- on the room's loop -----------------------------------------------------------------------------------------

    def tell(self, frame: bytes) -> None:
        if self._session.ended is None:
            self._line.say(frame)
            self._place.wake()

    def complain(self, text: str) -> None:
        self._line.complain(text)
        self._place.wake()

    def end(self, reason: str) -> None:
        self._session.end(m.Bye(reason))
        self._place.wake()


class Connections:
    """Those of one open room."""

    def __init__(self) -> None:
        self._here: dict[Connection, None] = {}

    def enter(self, connection: Connection) -> None:
        self._here[connection] = None

    def leave(self, connection: Connection) -> None:
        self._here.pop(connection, None)

    def all(self, tag: str | None = None) -> list[Connection]:
        """Who is here, or has that tag, in the order in which they came. From any thread."""
        here = list(self._here)
        return here if tag is None else [each for each in here if tag in each.tags]

    def tell(self, frame: bytes, exclude: frozenset[str], tag: str | None) -> None:
        """On the room's loop."""
        for each in self.all(tag):
            if each.id not in exclude:
                each.tell(frame)


class Visitor:
    """The hooks of one page, called one after the other. On the room's loop."""

    def __init__(self, place: Place, party: type, session: Session, connection: Connection) -> None:
        self._place = place
        self._party = party
        self._session = session
        self._connection = connection
        self._calls: deque[tuple[str, tuple[Any, ...], int]] = deque()
        self._bytes = 0
        self._calling: asyncio.Task[None] | None = None
        self._eased = asyncio.Event()
        self._refused = False  # the party has not let it in
        self._untagged: BaseException | None = None  # why

    async def prepare(self) -> None:
        """Have it tagged before its socket opens: whoever is here is found by its tags. Raises StorageFailed."""
        if not has(self._party, "get_connection_tags"):
            return
        self._place.held += 1  # the room neither closes nor sleeps meanwhile
        try:
            host = await self._place.hosted()
            self._connection.tags = _tags(await host.call("get_connection_tags", self._connection))
        except (asyncio.CancelledError, StorageFailed):
            raise
        except BaseException as error:  # noqa: BLE001  # as in ``_call``; it is told when there is a line to tell it on
            self._untagged = error
        finally:
            self._place.held -= 1

    def come(self) -> None:
        if self._untagged is not None:
            self._failed("get_connection_tags", self._untagged)
            return
        self._place.connections.enter(self._connection)
        if has(self._party, "on_connect"):
            self._push("on_connect")

    @property
    def hears(self) -> bool:
        """Whether the party wants what is no frame of the dialect."""
        return has(self._party, "on_message")

    def hear(self, message: Message) -> None:
        if self._session.ended is None and not self._refused:
            self._push("on_message", message, size=len(message))

    @property
    def crowded(self) -> bool:
        """Whether its next frame should wait."""
        return len(self._calls) >= MOST_HEARD or self._bytes >= HEARD_BYTES

    async def eased(self, seconds: float) -> None:
        """Until one of its hooks has ended, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._eased.wait()

    def leave(self) -> None:
        """What it has said is heard first; a line that was never let in is not closed."""
        if has(self._party, "on_close") and not self._refused:
            self._push("on_close")
        else:
            self._place.connections.leave(self._connection)

    def _push(self, hook: str, *args: Any, size: int = 0) -> None:
        self._calls.append((hook, args, size))
        self._bytes += size
        if self._calling is None:
            self._place.held += 1  # the room neither closes nor sleeps meanwhile
            self._calling = asyncio.create_task(self._call_all())

    async def _call_all(self) -> None:
        try:
            while self._calls:
                hook, args, size = self._calls.popleft()
                await self._call(hook, args)
                self._bytes = max(0, self._bytes - size)
                self._eased.set()
                self._eased.clear()
        finally:
            self._calling = None
            self._place.held -= 1

    async def _call(self, hook: str, args: tuple[Any, ...]) -> None:
        connection = self._connection
        if hook == "on_close":
            self._place.connections.leave(connection)
        try:
            host = await self._place.hosted()
            await host.call(hook, connection, *args)
        except asyncio.CancelledError:
            raise
        except StorageFailed as error:
            if hook != "on_close":
                self._session.end(m.Error("storage", str(error), "backoff"))
                self._place.wake()
        except BaseException as error:  # noqa: BLE001  # a party may raise what it likes: it ends no room and no server
            self._failed(hook, error)

    def _failed(self, hook: str, error: BaseException) -> None:
        meant = isinstance(error, PartySyncError)
        if not meant:
            log.error("the party %s failed in %s", self._place.party, hook, exc_info=error)
        text = str(error) if meant else f"The party {self._place.party!r} failed in {hook}; the server's log says how."
        if hook in ("get_connection_tags", "on_connect"):  # it was not let in, so nothing else is called for it
            self._refused = True
            self._calls.clear()
            self._bytes = 0
            self._place.connections.leave(self._connection)
            self._connection.end(text)
        elif hook == "on_message":
            self._connection.complain(text)


def _tags(said: Any) -> tuple[str, ...]:
    """What ``get_connection_tags`` returned. Raises TypeError or ValueError for what cannot be tags."""
    if isinstance(said, str) or not isinstance(said, Iterable):
        raise TypeError(f"get_connection_tags returns a list of texts, not {said!r:.80}.")
    tags = tuple(said)
    if len(tags) > MOST_TAGS or not all(isinstance(tag, str) and 0 < len(tag) <= TAG_LENGTH for tag in tags):
        text = f"A connection has {MOST_TAGS} tags at most, of 1 to {TAG_LENGTH} characters each, not {tags!r:.200}."
        raise ValueError(text)
    return tags
