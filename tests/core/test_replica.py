"""A replica: what it makes of every frame in every state, and how it keeps in step with a real room."""

import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, decode_up, encode
from partysync_widget.core.errors import (
    FrameTooLarge,
    MutationRejected,
    OutcomeUnknown,
    ProtocolError,
    SchemaMismatch,
)
from partysync_widget.core.party import Main, Party
from partysync_widget.core.replica import MOST_RESYNCS, Link, Replica
from tests.stage import Todos, rows_of

COLUMNS = ["text", "done"]
LIMITS = m.Limits(frame=1 << 20, mutations=256)
both_formats = pytest.mark.parametrize("format", ["json", "msgpack"])


# --- the table of transitions ---------------------------------------------------------------------------------------


def welcome(party=Todos, **differences):
    fields = {
        "protocol": m.PROTOCOL, "epoch": "e", "version": 5, "last_mid": 0, "limits": LIMITS,
        "party": party.fingerprint(), "mutators": [*party.mutators, *party.built_in],
    }  # fmt: skip
    return m.Welcome(**{**fields, **differences})


def rows(version, text="x"):
    return [m.TableChange("todos", COLUMNS, [[version, f"r{version}", text, 0]])]


FRAMES = {
    "welcome": welcome(),
    "delta": m.Delta("e", 5, 6, rows(6)),
    "delta, gap": m.Delta("e", 6, 7, rows(7)),
    "delta, old": m.Delta("e", 4, 5, rows(5)),
    "delta, epoch": m.Delta("f", 5, 6, rows(6)),
    "begin": m.Begin("e", 5),
    "begin, gap": m.Begin("e", 6),
    "begin, epoch": m.Begin("f", 5),
    "snapshot": m.Begin("e"),
    "snapshot, epoch": m.Begin("f"),
    "part": m.Part(rows(6)),
    "end": m.End(6),
    "peers": m.Peers({"you": m.Peer("you")}),
    "drafts": m.Drafts({"you": [m.Draft("c1", "todos", {"r1": {"text": "y"}})]}),
    "barrier": m.Barrier(1, 5),
    "barrier, other": m.Barrier(1, 6),
    "answer": m.Answer(1, "yes"),
    "pong": m.Pong(5),
    "pong, other": m.Pong(6),
    "error": m.Error("gap", "Greet again.", "now"),
    "bye": m.Bye("Maintenance."),
}

# What each state makes of a frame: it is taken (+), skipped (.), asked about again (?), or ends the conversation (!).
TABLE = """
                  idle  greeting  welcomed  live  in parts  in a snapshot
welcome           ?     +         ?         ?     ?         ?
delta             ?     .         +         +     ?         ?
delta, gap        ?     .         ?         ?     ?         ?
delta, old        ?     .         ?         ?     ?         ?
delta, epoch      ?     .         ?         ?     ?         ?
begin             +     .         +         +     +         +
begin, gap        ?     .         ?         ?     ?         ?
begin, epoch      ?     .         ?         ?     ?         ?
snapshot          +     .         +         +     +         +
snapshot, epoch   ?     .         ?         ?     ?         ?
part              ?     .         ?         ?     +         +
end               ?     .         ?         ?     +         +
peers             +     +         +         +     +         +
drafts            +     +         +         +     +         +
barrier           +     .         +         +     +         +
barrier, other    ?     .         ?         ?     ?         ?
answer            +     +         +         +     +         +
pong              .     ?         ?         .     ?         ?
pong, other       ?     ?         ?         ?     ?         ?
error             !     !         !         !     !         !
bye               !     !         !         !     !         !
"""
# What a frame that is taken leads to, where that is another state.
LEADS = {
    ("welcome", "greeting"): Link.WELCOMED,
    ("delta", "welcomed"): Link.LIVE,
    ("end", "in parts"): Link.LIVE,
    ("end", "in a snapshot"): Link.LIVE,
}


def read_table():
    head, *lines = TABLE.strip("\n").splitlines()
    starts = [head.index(state) for state in ("idle", "greeting", "welcomed", "live", "in parts", "in a snapshot")]
    states = [head[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
    for line in lines:
        for state, start in zip(states, starts, strict=True):
            yield state, line[: starts[0]].strip(), line[start]


def in_state(state, *, party=Todos):
    """A replica at version 5 of epoch e, one pending edit over it, in one of the states."""
    replica = Replica(party, "me", user="ada")
    replica.opened("spare")
    replica.receive(
        [
            welcome(party, version=0),
            m.Begin("e"),
            m.Part([m.TableChange("todos", COLUMNS, [[1, "r1", "x", 0]])]),
            m.End(5),
        ]
    )
    replica.mutate("create", {"id": "mine", "text": "mine"})
    match state:
        case "idle":
            replica.closed()
        case "greeting":
            replica.opened("spare")
        case "welcomed":
            replica.opened("spare")
            replica.receive([welcome()])
        case "in parts":
            replica.receive([m.Begin("e", 5)])
        case "in a snapshot":
            replica.opened("spare")
            replica.receive([welcome(), m.Begin("e")])
    return replica


def wired(frame, format="json"):
    return decode_down(encode(frame, format), format)


def test_the_table_has_every_frame():
    tags = {frame.__struct_config__.tag for frame in m.Down.__args__}

    assert {type(frame).__struct_config__.tag for frame in FRAMES.values()} == tags - {"part", "end"} | {"part", "end"}
    assert {frame for _, frame, _ in read_table()} == FRAMES.keys()


@pytest.mark.parametrize(("state", "frame", "outcome"), list(read_table()))
def test_every_state_takes_every_frame_as_the_table_says(state, frame, outcome):
    """R3, H8, C2. What does not fit is asked about again, and never applied."""
    replica = in_state(state)
    before = replica.link
    view = rows_of(replica.view, "todos")

    step = replica.receive([wired(FRAMES[frame])])

    asked = [type(each) for each in step.send] == [m.Hello]
    assert asked == (outcome == "?")
    assert (step.ended is not None) == (outcome == "!")
    if outcome == "?":
        assert (replica.link, step.send[0].version, step.send[0].epoch) == (Link.GREETING, 5, "e")
    else:
        assert replica.link is LEADS.get((frame, state), before)
    if outcome in ".?!":
        assert (step.changed, step.based, step.rebased, step.peers, step.barriers) == ({}, [], False, False, [])
        assert rows_of(replica.view, "todos") == view
    assert step.failed is None


# --- saying hello ---------------------------------------------------------------------------------------------------


def test_hello_says_who_and_what_is_held():
    """F1."""
    replica = Replica(Todos, "me", user="ada", color="red")
    assert replica.opened("spare").send == [
        m.Hello(m.PROTOCOL, "me", Todos.fingerprint(), "", 0, 0, "ada", "red", 1, schema=1)
    ]

    held = in_state("live")
    held.closed()
    assert held.opened("spare").send[0] == m.Hello(
        m.PROTOCOL, "me", Todos.fingerprint(), "e", 5, 0, "ada", line=2, schema=1
    )


def test_each_line_has_a_higher_number_than_the_one_before():
    """H4. So that the room knows a late hello out of a dead one, also after the kernel has started again."""
    replica = Replica(Todos, "me")

    lines = [replica.opened("spare", line).send[0].line for line in (0, 0, 1000, 7, 2000)]

    assert lines == [1, 2, 1000, 1001, 2000]


def test_a_kernel_without_the_partys_code_says_so():
    assert Replica(Todos, "me", typed=False).opened("spare").send[0].party == ""


def test_a_kernel_that_leaves_forgets_who_was_there_and_keeps_its_edits():
    """R11."""
    replica = in_state("live")
    replica.receive([m.Peers({"you": m.Peer("you")})])

    step = replica.closed()

    assert (replica.peers, step.peers, replica.link) == ({}, True, Link.IDLE)
    assert "mine" in rows_of(replica.view, "todos")


def test_ping_says_the_version():
    assert in_state("live").ping() == m.Ping(5)


@pytest.mark.parametrize(
    ("protocol", "older"), [(m.PROTOCOL - 1, "server"), (m.PROTOCOL + 1, "library in this kernel")]
)
def test_another_protocol_is_refused_with_which_side_to_upgrade(protocol, older):
    """H2."""
    replica = in_state("greeting")

    step = replica.receive([wired(welcome(protocol=protocol))])

    assert isinstance(step.failed, ProtocolError)
    assert (step.failed.kind, f"The {older} is the older one" in str(step.failed)) == ("protocol", True)
    assert (replica.link, step.peers) == (Link.GREETING, False)
    assert "pip install --upgrade partysync-widget" in str(step.failed)


def test_another_class_of_the_same_name_is_refused():
    replica = in_state("greeting")

    step = replica.receive([welcome(party=Main, mutators=[])])

    assert isinstance(step.failed, SchemaMismatch)
    assert "'todos'" in str(step.failed)
    assert (replica.link, step.peers) == (Link.GREETING, False)


def test_a_kernel_without_the_partys_code_takes_any_class():
    replica = Replica(type("Todos", (Party,), {}), "me", typed=False)
    replica.opened("spare")

    replica.receive([welcome(Todos)])

    assert replica.link is Link.WELCOMED
    assert replica.mutators == {"create", "finish", "clear", "guess_differently", *Todos.built_in}


def test_nothing_that_comes_after_the_end_is_taken():
    replica = in_state("live")

    step = replica.receive([FRAMES["bye"], FRAMES["delta"]])

    assert (step.ended, replica.cursor, step.based) == (FRAMES["bye"], 5, [])


def test_what_came_before_the_end_is_taken():
    replica = in_state("live")

    step = replica.receive([FRAMES["delta"], FRAMES["error"]])

    assert (replica.cursor, step.ended) == (6, FRAMES["error"])


# --- frames that fit together ---------------------------------------------------------------------------------------


def test_deltas_that_chain_are_taken_as_one():
    replica = in_state("live")

    step = replica.receive([m.Delta("e", 5, 6, rows(6)), m.Delta("e", 6, 9, rows(9)), m.Pong(9)])

    assert (replica.cursor, step.changed) == (9, {"todos": {"r6", "r9", "mine"}})
    assert len(step.based) == 2


def test_a_frame_that_is_missing_is_asked_for_at_once():
    """R3, C2."""
    replica = in_state("live")

    step = replica.receive([m.Delta("e", 5, 6, rows(6)), m.Delta("e", 7, 8, rows(8)), m.Delta("e", 8, 9, rows(9))])

    assert (replica.cursor, [(hello.version, hello.epoch) for hello in step.send]) == (6, [(6, "e")])
    assert "r8" not in rows_of(replica.view, "todos")


def test_a_frame_that_was_lost_is_noticed_by_a_pong():
    """R3, F18, C2."""
    replica = in_state("live")

    assert replica.receive([m.Pong(5)]).send == []
    assert [type(frame) for frame in replica.receive([m.Pong(6)]).send] == [m.Hello]


@pytest.mark.parametrize("between", [0, 1, 2])
def test_parts_count_only_when_their_end_is_here(between):
    """R8, C3."""
    replica = in_state("live")
    parts = [m.Part(rows(6)), m.Part(rows(7))]

    step = replica.receive([m.Begin("e", 5), *parts[:between]])
    assert (replica.cursor, step.changed, "r6" in rows_of(replica.view, "todos")) == (5, {}, False)

    step = replica.receive([*parts[between:], m.End(9, {"me": 1}, [m.Result("me", 1, "ok")])])
    assert (replica.cursor, step.changed) == (9, {"todos": {"r6", "r7", "mine"}})
    assert [(each.mid, each.value) for each in step.settled] == [(1, "ok")]
    assert len(step.based) == 1


@pytest.mark.parametrize("begin", [m.Begin("e", 5), m.Begin("e")], ids=["a delta", "a snapshot"])
def test_a_part_that_was_lost_is_noticed_at_the_end(begin):
    """R3, R8, F13."""
    replica = in_state("live")
    view = rows_of(replica.view, "todos")

    step = replica.receive([begin, m.Part(rows(6)), wired(m.End(7, parts=2))])

    assert [(hello.epoch, hello.version) for hello in step.send] == [("e", 5)]
    assert (rows_of(replica.view, "todos"), replica.link) == (view, Link.GREETING)
    step = replica.receive([welcome(), begin, m.Part(rows(6)), m.Part(rows(7)), m.End(7, parts=2)])
    assert (step.send, replica.cursor) == ([], 7)


def test_a_part_that_came_twice_is_noticed_at_the_end():
    """R3."""
    replica = in_state("live")

    step = replica.receive([m.Begin("e", 5), m.Part(rows(6)), m.Part(rows(6)), m.End(7, parts=1)])

    assert [type(frame) for frame in step.send] == [m.Hello]


def test_the_base_is_of_another_epoch_only_when_rows_of_it_are_here():
    """R10, C9. A line that is cut after the welcome leaves what was held before it."""
    replica = in_state("greeting")
    replica.receive([welcome(epoch="f")])
    assert replica.epoch == "e"
    replica.closed()
    assert (replica.opened("spare").send[0].epoch, replica.cursor) == ("e", 5)

    replica.receive([welcome(epoch="f"), m.Delta("f", 5, 6)])
    assert (replica.epoch, replica.cursor) == ("f", 6)


def test_parts_that_bring_a_table_make_it_with_their_end():
    """V6."""
    replica = in_state("live")
    spec = m.TableSpec("more", (m.Column("text", "text"),))

    replica.receive([m.Begin("e", 5, [spec]), m.Part([m.TableChange("more", ["text"], [[1, "a", "b"]])])])
    assert "more" not in replica.view.tables

    step = replica.receive([m.End(6)])
    assert (step.reset, rows_of(replica.view, "more")) == (True, {"a": {"text": "b"}})


def test_parts_that_begin_anew_forget_what_had_begun():
    """C3, F11."""
    replica = in_state("live")

    replica.receive([m.Begin("e", 5), m.Part(rows(6)), m.Begin("e", 5), m.Part(rows(7)), m.End(8)])

    assert {"r6", "r7"} & rows_of(replica.view, "todos").keys() == {"r7"}


def test_parts_are_forgotten_with_the_line():
    """C3."""
    replica = in_state("live")
    replica.receive([m.Begin("e", 5), m.Part(rows(6))])

    replica.closed()
    replica.opened("spare")
    step = replica.receive([welcome(), m.End(6)])

    assert [type(frame) for frame in step.send] == [m.Hello]
    assert replica.cursor == 5


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_snapshot_shows_nothing_before_it_is_whole(lost):
    """R4, R8. The old view stays until the end, and if the end never comes."""
    replica = in_state("live")
    old = rows_of(replica.view, "todos")
    replica.closed()
    replica.opened("spare")
    frames = [m.Begin("f"), m.Part(rows(6)), m.Part(rows(7)), m.End(9, {"me": 1})]
    replica.receive([welcome(epoch="f")])

    step = replica.receive(frames[:lost])
    assert rows_of(replica.view, "todos") == old
    assert (step.changed, step.reset, step.rebased) == ({}, False, False)

    step = replica.receive(frames[lost:])
    assert list(rows_of(replica.view, "todos")) == ["r6", "r7"]
    assert (step.changed, step.reset, step.rebased) == ({"todos": {"r1", "r6", "r7", "mine"}}, True, True)
    assert (replica.epoch, replica.cursor, replica.link) == ("f", 9, Link.LIVE)


def test_edits_go_on_while_a_snapshot_arrives():
    """R7."""
    replica = in_state("in a snapshot")

    replica.receive([m.Part(rows(6))])
    replica.mutate("create", {"id": "now", "text": "now"})
    assert list(rows_of(replica.view, "todos")) == ["r1", "mine", "now"]
    replica.receive([m.End(9)])

    assert list(rows_of(replica.view, "todos")) == ["r6", "mine", "now"]


# --- frames that fit nothing ----------------------------------------------------------------------------------------

BROKEN = [m.TableChange("nothing", [], [[1, "a"]])]


@pytest.mark.parametrize(
    "frames",
    [
        [m.Delta("e", 5, 6, BROKEN)],
        [m.Begin("e", 5), m.Part(BROKEN), m.End(6)],
        [m.Begin("e"), m.Part(BROKEN)],
        [m.Begin("e"), m.Part([], [m.TableSpec("todos", (m.Column("text", "integer"),))])],
    ],
    ids=["a delta", "a delta in parts", "a part of a snapshot", "a table of a snapshot"],
)
def test_rows_that_do_not_fit_are_asked_for_anew_all_of_them(frames):
    """R4. This copy is not what the room takes it for."""
    replica = in_state("live")
    view = rows_of(replica.view, "todos")

    step = replica.receive(frames)

    assert [(type(hello), hello.epoch, hello.version) for hello in step.send] == [(m.Hello, "", 0)]
    assert (replica.link, rows_of(replica.view, "todos")) == (Link.GREETING, view)
    replica.receive([welcome(), m.Begin("e"), m.Part(rows(6)), m.End(6)])
    assert list(rows_of(replica.view, "todos")) == ["r6", "mine"]


def test_a_snapshot_whose_tables_do_not_fit_is_asked_for_anew_too():
    replica = in_state("live")

    step = replica.receive([m.Begin("e", None, [m.TableSpec("todos", (m.Column("text", "integer"),))])])

    assert [type(frame) for frame in step.send] == [m.Hello]


def test_a_loop_of_resyncs_ends_with_an_error():
    """C2."""
    replica = in_state("live")

    for _ in range(MOST_RESYNCS):
        step = replica.receive([m.Delta("e", 99, 100)])
        assert step.failed is None
        replica.receive([welcome()])
    step = replica.receive([m.Delta("e", 99, 100), m.Peers({"you": m.Peer("you")})])

    assert isinstance(step.failed, ProtocolError)
    assert (step.failed.kind, step.send) == ("resync", [])
    assert not step.peers


@pytest.mark.parametrize("helps", [[m.Delta("e", 5, 5)], [m.Begin("e"), m.End(5)]], ids=["a delta", "a snapshot"])
def test_a_frame_that_helps_begins_the_count_anew(helps):
    replica = in_state("live")

    for _ in range(3 * MOST_RESYNCS):
        assert replica.receive([m.Delta("e", 99, 100)]).failed is None
        replica.receive([welcome(), *helps])

    assert replica.link is Link.LIVE


def test_a_new_line_begins_the_count_anew():
    replica = in_state("live")
    for _ in range(3 * MOST_RESYNCS):
        assert replica.receive([m.Delta("e", 99, 100)]).failed is None
        replica.closed()
        replica.opened("spare")
        replica.receive([welcome()])


# --- peers ----------------------------------------------------------------------------------------------------------


def test_peers_are_the_others():
    """R11, F14."""
    replica = in_state("greeting")

    step = replica.receive([welcome(peers={"me": m.Peer("ada"), "you": m.Peer("eve")})])
    assert (list(replica.peers), step.peers) == (["you"], True)

    step = replica.receive([m.Peers({"me": m.Peer("ada"), "bob": m.Peer("bob"), "you": None, "nobody": None})])
    assert (list(replica.peers), step.peers) == (["bob"], True)


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_edits_are_sent_once_per_connection_and_in_order():
    """C4."""
    replica = in_state("live")
    replica.mutate("finish", {"id": "mine"})

    (push,) = replica.outgoing()
    assert (push.epoch, [each.mid for each in push.mutations]) == ("e", [1, 2])
    assert replica.outgoing() == []

    replica.closed()
    replica.opened("spare")
    assert replica.outgoing() == []
    replica.receive([welcome(), m.Delta("e", 5, 5)])
    assert [[each.mid for each in push.mutations] for push in replica.outgoing()] == [[1, 2]]


@pytest.mark.parametrize("state", ["idle", "greeting", "welcomed"])
def test_nothing_is_sent_before_the_base_is_known(state):
    """C4. The first delta may say that the room has it already (R5)."""
    assert in_state(state).outgoing() == []


def test_pushes_keep_to_the_rooms_number_of_mutations():
    """L3."""
    replica = in_state("live")
    replica.limits = m.Limits(frame=1 << 20, mutations=3)
    for n in range(6):
        replica.mutate("create", {"id": f"a{n}", "text": ""})

    assert [[each.mid for each in push.mutations] for push in replica.outgoing()] == [[1, 2, 3], [4, 5, 6], [7]]


@both_formats
def test_pushes_keep_to_the_rooms_size_of_a_frame(format):
    replica = in_state("live")
    replica.limits = m.Limits(frame=1000, mutations=256)
    for n in range(20):
        replica.mutate("create", {"id": f"a{n}" * (1 + n % 7), "text": "é" * (n % 19)})

    pushes = replica.outgoing()

    assert [each.mid for push in pushes for each in push.mutations] == list(range(1, 22))
    assert len(pushes) > 3
    assert all(len(encode(push, format)) <= 1000 for push in pushes)


def test_a_push_of_many_numbers_keeps_to_the_size_in_messagepack_too():
    replica = Replica(Main, "me")
    replica.opened("spare")
    replica.receive(
        [
            welcome(Main),
            m.Begin("e", None, [m.TableSpec("t", tuple(m.Column(f"x{i}", "real") for i in range(20)))]),
            m.End(1),
        ]
    )
    replica.limits = m.Limits(frame=10_000, mutations=256)
    for n in range(20):
        columns = ["id", *(f"x{i}" for i in range(20))]
        args = {"table": "t", "columns": columns, "rows": [[f"{n}-{i}", *[0.5] * 20] for i in range(20)]}
        replica.mutate("insert_rows", args)

    assert all(len(encode(push, "msgpack")) <= 10_000 for push in replica.outgoing())


@pytest.fixture
def shed():
    """A replica with edits 1 and 3 small, 2 and 4 large, that comes back to a smaller limit; and the step."""
    replica = in_state("live")
    replica.mutate("create", {"id": "x" * 2000, "text": ""})
    replica.mutate("create", {"id": "small", "text": ""})
    replica.mutate("create", {"id": "y" * 2000, "text": ""})
    replica.closed()
    replica.opened("spare")
    step = replica.receive([wired(welcome(limits=m.Limits(frame=1000, mutations=256)))])
    return replica, step


def test_an_edit_made_under_a_larger_limit_blocks_no_later_one(shed):
    """R6. The server came back with a smaller limit: what it cannot take is settled here, and the rest goes on."""
    replica, step = shed

    assert [(each.mid, type(each.error)) for each in step.settled] == [(2, FrameTooLarge), (4, FrameTooLarge)]
    assert (step.renumbered, step.reset) == (True, True)
    assert list(rows_of(replica.view, "todos")) == ["r1", "mine", "small"]
    replica.receive([m.Delta("e", 5, 5)])
    (push,) = replica.outgoing()
    assert [(each.mid, each.args["id"]) for each in push.mutations] == [(1, "mine"), (2, "small")]
    assert replica.next_mid == 3


def test_an_edit_that_the_room_has_decided_is_not_too_large():
    """R6. It came through under the larger limit, and its answer is on the way."""
    replica = in_state("live")
    replica.mutate("create", {"id": "x" * 2000, "text": ""})
    replica.mutate("create", {"id": "small", "text": ""})
    replica.closed()
    replica.opened("spare")

    step = replica.receive([welcome(limits=m.Limits(frame=1000, mutations=256), last_mid=2)])
    assert (step.settled, step.renumbered) == ([], False)
    step = replica.receive([m.Delta("e", 5, 7, [], [], {"me": 2})])
    assert [each.mid for each in step.settled] == [1, 2]
    assert [[each.mid for each in push.mutations] for push in replica.outgoing()] == [[3]]


def test_edits_keep_their_numbers_when_all_of_them_fit():
    replica = in_state("greeting")
    just_enough = replica.pending[0].size

    step = replica.receive([welcome(limits=m.Limits(frame=just_enough, mutations=256))])

    assert (step.renumbered, [each.mutation.mid for each in replica.pending]) == (False, [1])


# --- a history that is not the one we knew --------------------------------------------------------------------------


@pytest.fixture
def rewound():
    """A replica with edit 1 tried, 2 and 3 not, that is told of another history; and the step."""
    replica = in_state("live")
    replica.outgoing()
    replica.mutate("create", {"id": "b", "text": "never sent"})
    replica.mutate("finish", {"id": "mine"})
    replica.closed()
    replica.opened("fresh")
    step = replica.receive([wired(welcome(known=False, reason="The room's file was deleted."))])
    return replica, step


def test_another_history_is_announced(rewound):
    """R10, C5."""
    _, step = rewound

    assert step.rewound == "The room's file was deleted."
    assert step.reset
    assert [(hello.client, hello.epoch, hello.version, hello.settled) for hello in step.send] == [("fresh", "", 0, 0)]


def test_what_the_lost_history_may_have_decided_is_unknown_and_can_be_made_again(rewound):
    """R6, R10, C5. It is not made again by itself: it might then have its effect twice."""
    _, step = rewound

    (settled,) = step.settled
    assert isinstance(settled.error, OutcomeUnknown)
    assert (settled.mid, settled.error.name, settled.error.args_of_mutation) == (
        1,
        "create",
        {"id": "mine", "text": "mine"},
    )
    assert "file was deleted" in str(settled.error)


def test_what_was_never_sent_is_made_under_the_new_id(rewound):
    """R5, R10, C5."""
    replica, _ = rewound

    assert [(each.mutation.mid, each.mutation.name, each.ticket) for each in replica.pending] == [
        (1, "create", 2), (2, "finish", 3),
    ]  # fmt: skip
    assert replica.next_mid == 3
    assert [each.shown for each in replica.pending] == [True, False]


def test_the_old_rows_stay_until_the_new_ones_are_whole(rewound):
    """R4, C5."""
    replica, _ = rewound
    assert list(rows_of(replica.view, "todos")) == ["r1", "b"]

    replica.receive([welcome(epoch="new"), m.Begin("new"), m.Part(rows(2))])
    assert list(rows_of(replica.view, "todos")) == ["r1", "b"]

    replica.receive([m.End(2)])
    assert list(rows_of(replica.view, "todos")) == ["r2", "b"]
    assert [(push.epoch, [each.mid for each in push.mutations]) for push in replica.outgoing()] == [("new", [1, 2])]


# --- with a real room -----------------------------------------------------------------------------------------------


@both_formats
def test_what_one_writes_the_other_sees(make_stage, format):
    stage = make_stage(party=Todos, format=format)
    ada, bob = stage.enter("ada"), stage.enter("bob")

    made = ada.mutate("create", id="1", text="feed the yeast")
    stage.rest()

    stage.assert_agreed(ada, bob)
    assert bob.rows() == {"1": {"text": "feed the yeast", "done": False}}
    assert ada.outcome(made) == "created by ada"


def test_the_two_formats_meet_in_one_room(make_stage):
    """S6."""
    stage = make_stage()
    ada, bob = stage.enter("ada", format="json"), stage.enter("bob", format="msgpack")
    columns = [
        {"name": "raw", "type": "bytes"}, {"name": "at", "type": "datetime"}, {"name": "any", "type": "json"},
        {"name": "x", "type": "real"}, {"name": "n", "type": "integer"},
    ]  # fmt: skip
    ada.mutate("create_table", name="todos", columns=columns)
    bytes_ = {"base64": "AP8="}
    ada.insert("1", raw=bytes_, at="2026-11-23T01:00:00+01:00", any={"a": [None]}, x=-0.0, n=2**63 - 1)
    stage.rest()
    bob.insert("2", raw=bytes_, at="2026-11-23", any=[1.5], x=1e300, n=-(2**63))
    stage.rest()

    stage.assert_agreed(ada, bob)
    assert ada.rows() == stage.rows() == bob.rows()
    assert ada.rows()["1"]["raw"] == b"\0\xff"


def test_the_room_may_decide_otherwise_than_was_guessed(make_stage):
    """R7, C1."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")

    ada.mutate("guess_differently", id="1")
    assert ada.rows()["1"]["text"] == "a guess"
    stage.rest()

    assert ada.rows()["1"]["text"] == "the truth"
    stage.assert_agreed()


def test_a_party_whose_code_is_not_here_is_played_along_with(make_stage):
    """C1."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada", party=type("Todos", (Party,), {}), typed=False)

    made = ada.mutate("create", id="1", text="somewhere")
    assert ada.rows() == {}
    refused = ada.mutate("finish", id="nobody")
    stage.rest()

    assert ada.outcome(made) == "created by ada"
    assert isinstance(ada.outcome(refused), MutationRejected)
    assert ada.rows() == stage.rows()
    with pytest.raises(MutationRejected, match="no mutator 'nothing'"):
        ada.mutate("nothing")


def test_a_frame_lost_on_the_way_is_asked_for_again(make_stage):
    """R3."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")

    ada.mutate("create", id="1", text="lost")
    ada.push()
    ada.carry_up()
    stage.turn()
    bob.owed()
    bob.down.clear()
    ada.mutate("create", id="2", text="arrives")
    stage.rest()

    stage.assert_agreed(ada, bob)


def test_the_last_frame_lost_is_noticed_by_a_heartbeat(make_stage):
    """R3."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    ada.mutate("create", id="1", text="lost")
    ada.push()
    ada.carry_up()
    stage.turn()
    bob.owed()
    bob.down.clear()
    stage.rest()
    assert bob.rows() == {}

    bob.up.append(encode(bob.replica.ping(), "json"))
    stage.rest()

    stage.assert_agreed(ada, bob)


def test_a_frame_told_twice_is_harmless(make_stage):
    """R3."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    ada.mutate("create", id="1", text="once")
    ada.push()
    ada.carry_up()
    stage.turn()
    frames = bob.owed()

    bob.down.extend(frames)
    stage.rest()

    stage.assert_agreed(ada, bob)


def test_a_barrier_comes_back_when_what_was_sent_before_it_is_here(make_stage):
    """F16."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    bob.mutate("create", id="0", text="theirs")
    bob.push()
    bob.carry_up()

    ada.mutate("create", id="1", text="mine")
    ada.push()
    ada.up.append(encode(m.Barrier(7), "json"))
    ada.carry_up()
    assert ada.owed() == []
    stage.rest()

    assert ada.barriers == [7]
    assert ada.rows() == stage.rows()


def test_seen_results_are_forgotten_by_the_room(make_stage):
    """C6."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")

    ada.mutate("create", id="1", text="a")
    stage.rest()
    ada.mutate("clear")
    stage.rest()

    assert stage.ledger.results("client = ?", ada.replica.client) == []


def test_a_kernel_that_knew_a_history_that_is_gone_makes_what_it_never_sent_again(make_stage):
    """R10."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    backup = stage.save("backup")
    ada.mutate("create", id="1", text="lost")
    stage.rest()
    ada.mutate("create", id="2", text="tried")
    ada.push()
    ada.cut()
    kept = ada.mutate("create", id="3", text="kept")
    stage.ledger.close()
    stage.restore(backup)

    ada.connect()
    stage.rest()

    assert list(stage.rows()) == ["3"]
    assert any("history was replaced" in step.rewound for step in ada.steps)
    assert [type(each.error) for each in ada.settled.values()][1:] == [OutcomeUnknown, type(None)]
    assert ada.outcome(kept) == "created by ada"
    assert ada.replica.client.startswith("spare-ada")
    stage.assert_agreed(ada)


def test_hello_is_what_the_decoder_of_the_room_reads():
    hello = in_state("live")._greet()

    assert decode_up(encode(hello, "msgpack"), "msgpack") == hello
