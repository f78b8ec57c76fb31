"""
The frames: every message between a kernel and a room, one struct each, tagged by ``type``.

::

    up     hello  push  seen  presence  draft  barrier  ask  ping
    down   welcome  delta  begin part end  peers  drafts  barrier  answer  pong  error  bye

A row travels as ``[position, id, value, …]``, its values in the order of the column names that stand beside it in the
same frame, so a new column breaks nobody. ``position`` is the row's place in the order of insertion. Unknown fields
are skipped, so that a frame can grow; an unknown type is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

PRESENCE_BYTES = 4096  # of one presence frame as JSON
DRAFT_BYTES = 8192  # of one draft frame as JSON
MOST_DRAFTS = 32  # that one session may have told and not ended

# Every version of the frames, with the hash of their shape and what has changed. A test compares the last one with the
# structs below: to change those is a new version, and the test says what else it takes
# (docs/decisions/frames-are-pinned.md).
#
#   1  23ee615a2ba13e59  The first, as it had grown when this list began.
PROTOCOL = 1

Count = Annotated[int, Meta(ge=0, le=2**53)]
Mid = Annotated[int, Meta(ge=1, le=2**53)]
Name = Annotated[str, Meta(max_length=256)]

ColumnType = Literal["text", "integer", "real", "boolean", "json", "datetime", "date", "choice", "bytes"]
Retry = Literal["now", "backoff", "never"]


class Column(Struct, frozen=True, omit_defaults=True):
    """One column of a table as both sides know it: its type, and what a value must be."""

    name: Name
    type: ColumnType
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()


class TableSpec(Struct, frozen=True, omit_defaults=True):
    """A table and its columns, ``id`` not among them: every row has that."""

    name: Name
    columns: tuple[Column, ...]


class TableChange(Struct, omit_defaults=True):
    """The net change of one table: rows as they are now, and ids that are gone.

    ``by``: the clients that wrote the ``put`` rows, one for each; one for all if it is the same; none where that is not
    known (old versions, snapshots, many rows by several); an empty one where it is not known of that row.
    """

    table: Name
    columns: list[str]
    put: list[list[Any]] = []
    gone: list[str] = []
    by: list[str] = []


class Result(Struct, omit_defaults=True):
    """What became of one mutation: ``value`` if it was accepted, ``code`` and ``message`` if it was rejected."""

    client: Name
    mid: Mid
    value: Any = None
    code: str | None = None
    message: str | None = None


class Mutation(Struct):
    """One call of a mutator. ``mid`` counts 1, 2, 3 … within its client."""

    mid: Mid
    name: Name
    args: dict[str, Any]


class Peer(Struct, omit_defaults=True):
    """Somebody in the room, as the server vouches for them, and what they say of themselves (``state``)."""

    name: Name
    color: Name = ""
    state: dict[str, Any] = {}
    role: Name = ""


class Limits(Struct):
    """What the room takes: bytes in one frame, mutations in one push."""

    frame: Count
    mutations: Count


# --- up -------------------------------------------------------------------------------------------------------------


class Hello(Struct, tag="hello", omit_defaults=True):
    """Who I am and what I hold. Sent first, and again whenever I find that a frame is missing."""

    protocol: Count
    client: Name
    party: Name = ""  # fingerprint of the party's class here; empty where there is none
    epoch: Name = ""  # what I hold: nothing, or a version of an epoch
    version: Count = 0
    settled: Count = 0  # the highest mid of mine that I know to be decided
    name: Name = ""
    color: Name = ""
    line: Count = 0  # grows with each connection of this client, so that a late hello out of a dead one is known
    sight: Name = ""  # what I hold was told to somebody with this sight, as their welcome had it
    schema: Count = 0  # version of the schema of the party's class here; 0 where there is none


class Push(Struct, tag="push"):
    """Mutations, in order, for the incarnation of the room that I was welcomed by."""

    epoch: Name
    mutations: list[Mutation]

    def free_values(self) -> Iterator[Any]:
        return (mutation.args for mutation in self.mutations)


class Seen(Struct, tag="seen"):
    """I have settled everything up to ``mid``; its results may be forgotten."""

    mid: Count


class Presence(Struct, tag="presence"):
    """What I show of myself; the last one counts. Never stored."""

    state: dict[str, Any]

    def free_values(self) -> Iterator[Any]:
        yield self.state


class Draft(Struct, tag="draft", omit_defaults=True):
    """An undecided edit as others may see it: what the cells of ``rows`` would hold. Never stored (R11).

    ``rows``: row id -> column -> value; None where the row would be deleted; none at all: this draft is over.
    ``mid``: 0 while it is being typed; else it is that mutation of its client now, and ends in the delta that acks it.
    """

    key: Name
    table: Name = ""
    rows: dict[str, dict[str, Any] | None] = {}
    mid: Count = 0

    def free_values(self) -> Iterator[Any]:
        yield self.rows


class Barrier(Struct, tag="barrier", omit_defaults=True):
    """Up: tell me when all that I sent is decided. Down: it is, by ``version``, and you have been sent that."""

    n: Count
    version: Count = 0


class Ask(Struct, tag="ask", omit_defaults=True):
    """About who may enter: ``share`` and ``revoke``, which owners may, and ``people``. Answered by its ``n``."""

    n: Count
    what: Literal["share", "revoke", "people"]
    args: dict[str, Any] = {}

    def free_values(self) -> Iterator[Any]:
        yield self.args


class Ping(Struct, tag="ping"):
    """I am here, at ``version``."""

    version: Count


Up = Hello | Push | Seen | Presence | Draft | Barrier | Ask | Ping

# --- down -----------------------------------------------------------------------------------------------------------


class Welcome(Struct, tag="welcome", omit_defaults=True):
    """The room's answer to hello; a delta or a snapshot follows at once.

    ``known`` is false when this history does not contain what the client has seen, ``reason`` then says so in a
    sentence: the client keeps nothing, and takes a new id (R10). ``user``, ``role`` and ``sight`` are the client's own:
    who made its edits, what it may do, and a name for what it is shown, empty where that is everything.
    """

    protocol: Count
    epoch: Name
    version: Count
    last_mid: Count
    limits: Limits
    party: Name
    mutators: list[str]
    known: bool = True
    reason: str = ""
    peers: dict[str, Peer] = {}
    drafts: dict[str, list[Draft]] = {}  # by client, as in Drafts
    user: Name = ""
    role: Name = "owner"
    sight: Name = ""
    schema: Count = 1  # version of the party's schema


class Delta(Struct, tag="delta", omit_defaults=True):
    """Everything decided after version ``base`` up to ``version``: rows, new tables, acks and results, at once (R2)."""

    epoch: Name
    base: Count
    version: Count
    tables: list[TableChange] = []
    schema: list[TableSpec] = []
    acks: dict[str, Count] = {}
    results: list[Result] = []


class Begin(Struct, tag="begin", omit_defaults=True):
    """A large delta, or with no ``base`` a snapshot, follows in parts; it counts only when its end is here (R8)."""

    epoch: Name
    base: Count | None = None
    schema: list[TableSpec] = []


class Part(Struct, tag="part", omit_defaults=True):
    """Some of the rows of what has begun, and tables that came or grew meanwhile."""

    tables: list[TableChange]
    schema: list[TableSpec] = []


class End(Struct, tag="end", omit_defaults=True):
    """The last of what has begun: the version it leads to, the acks and results that belong to it."""

    version: Count
    acks: dict[str, Count] = {}
    results: list[Result] = []
    parts: Count | None = None  # how many there were; a lost one is noticed


class Peers(Struct, tag="peers"):
    """Who came, changed or (``None``) left."""

    peers: dict[str, Peer | None]


class Drafts(Struct, tag="drafts"):
    """What others are about to change, by client; the last draft of a key counts, one without rows is over."""

    drafts: dict[str, list[Draft]]


class Answer(Struct, tag="answer", omit_defaults=True):
    """To an ``ask``: ``value``, or why not."""

    n: Count
    value: Any = None
    code: str | None = None
    message: str | None = None


class Pong(Struct, tag="pong"):
    """I am here too, and ``version`` is the last that I sent you (R3)."""

    version: Count


class Error(Struct, tag="error"):
    """The room will not go on with this session. ``retry`` says whether to come back."""

    kind: Literal[
        "bad-frame", "too-large", "gap", "stale-epoch", "replaced", "storage", "protocol", "schema", "forbidden", "busy"
    ]
    message: str
    retry: Retry


class Bye(Struct, tag="bye", omit_defaults=True):
    """The server is going away on purpose. Come back after ``after`` seconds."""

    reason: str
    after: float = 0.0


Down = Welcome | Delta | Begin | Part | End | Peers | Drafts | Barrier | Answer | Pong | Error | Bye
