"""Roles in a room: every frame of every role against every table, and what each role is shown of it (R13)."""

import itertools

import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.codec import decode_down, encode
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.roles import ROLES
from tests.core.test_roles import School
from tests.stage import rows_of

SHOWN = {
    "owner": {"students": ["name", "address", "grade"], "exams": ["answers"]},
    "editor": {"students": ["name", "address"]},
    "viewer": {"students": ["name"]},
}


@pytest.fixture
def stage(make_stage):
    """A school with an owner in it, a student and an exam."""
    made = make_stage(party=School)
    owner = made.enter("owner")
    owner.insert("s1", table="students", name="Ada", address="1 Main St", grade=1)
    owner.insert("e1", table="exams", answers="42")
    made.rest()
    return made


def truth(stage):
    return {table: rows_of(stage.ledger.store, table) for table in stage.ledger.store.tables}


def seen(kernel):
    """What its copy has: rows by table, and not a name more."""
    store = kernel.replica.view
    assert {name: entry.names for name, entry in store.tables.items()} == SHOWN[kernel.role]
    return {table: rows_of(store, table) for table in store.tables}


def shown(stage, role):
    """What a role is to have of the room's truth, made the slow way."""
    return {
        table: {id: {name: row[name] for name in columns} for id, row in truth(stage)[table].items()}
        for table, columns in SHOWN[role].items()
    }


def bytes_of(stage):
    """The room's file and its log."""
    copy = stage.save("copy")
    return [path.read_bytes() for path in sorted(stage.folder.glob(f"{copy.name}*"))]


# --- what leaves the room ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["json", "msgpack"])
@pytest.mark.parametrize("role", ROLES)
def test_each_role_holds_what_it_is_shown_however_it_is_told(stage, role, format):
    """R4, R13. By a snapshot, by deltas, by a catch-up, and by a catch-up in parts."""
    kernel = stage.enter("k", role=role, format=format)
    owner = stage.kernels[0]
    assert seen(kernel) == shown(stage, role)

    owner.insert("s2", table="students", name="Bob", address="2 Main St", grade=2)
    owner.update("s1", table="students", grade=6)
    owner.insert("e2", table="exams", answers="43")
    stage.rest()
    assert seen(kernel) == shown(stage, role)

    kernel.cut()
    owner.delete("e1", table="exams")
    owner.delete("s2", table="students")
    owner.insert("s3", table="students", name="Cat" * 200_000, grade=3)
    stage.rest()
    kernel.connect()
    stage.rest()
    assert seen(kernel) == shown(stage, role)
    assert kernel.replica.cursor == stage.ledger.version


def test_no_byte_for_a_lower_role_holds_what_is_hidden(stage):
    """R13, A3. Rows, schema, results of others, drafts and places."""
    owner, viewer = stage.kernels[0], stage.enter("viewer", role="viewer")
    heard = []
    viewer.carry_down = lambda: heard.extend(viewer.down) or viewer.down.clear()
    owner.up.append(b'{"type": "presence", "state": {"at": {"table": "exams", "id": "e1", "column": "answers"}}}')
    owner.up.append(b'{"type": "draft", "key": "c", "table": "students", "rows": {"s1": {"grade": "draft-42"}}}')
    owner.mutate("hand_in", id="the-seventh", answers="answer-42")
    owner.mutate("look_up", id="e1")
    owner.update("s1", table="students", address="secret-street")
    owner.mutate("batch", steps=[["put_back", {"table": "exams", "rows": []}]])
    stage.rest()
    viewer.cut()
    viewer.connect()
    stage.rest()

    said = b"".join(heard).decode()
    assert '"students"' in said
    for hidden in ("exams", "answer", "grade", "draft-42", "secret-street", "address", "seventh"):
        assert hidden not in said, hidden


def test_who_is_not_shown_everything_hears_of_their_own_results_only(stage):
    """R13. Of two with the same role, in one turn: what they are told is the same but for that."""
    both = [stage.enter(name, role="editor") for name in ("ann", "bob")]
    for kernel in both:
        kernel.up.append(encode(m.Push(stage.ledger.epoch, [m.Mutation(1, "look_up", {"id": "e1"})]), "json"))
        kernel.carry_up()
    stage.room.turn()
    stage.room.commit()
    stage.room.published()
    told = [[decode_down(frame, "json") for frame in kernel.owed()] for kernel in both]

    results = [[(each.client, each.code) for delta in frames for each in delta.results] for frames in told]
    assert results == [[(kernel.session.client, "forbidden")] for kernel in both]


def test_what_changes_while_a_snapshot_is_read_is_told_as_it_is_shown(stage):
    """R4, R13, A3. It comes in the last part."""
    owner, viewer = stage.kernels[0], stage.enter("viewer", role="viewer", connected=False)
    viewer.connect()
    viewer.carry_up()
    viewer.owed()
    owner.update("s1", table="students", grade=6, name="Ada L.")
    owner.insert("e2", table="exams", answers="43")
    owner.push()
    owner.carry_up()
    stage.turn()
    viewer.owed()
    stage.rest()

    assert seen(viewer) == shown(stage, "viewer")
    assert [step.failed or step.ended for step in viewer.steps if step.failed or step.ended] == []
    assert sum(isinstance(frame, m.Hello) for step in viewer.steps for frame in step.send) == 1


def test_who_has_another_role_now_holds_what_that_is_shown(stage):
    """R4, A4, H6. Up and down again; edits of its own that wait are decided by what it is then (R6)."""
    kernel = stage.enter("k", role="owner")
    for role in ("viewer", "editor", "owner", "viewer"):
        kernel.cut()
        kernel.role = role
        kernel.connect()
        stage.rest()
        assert seen(kernel) == shown(stage, role)

    kernel.cut()
    kernel.replica.role = "owner"
    kernel.replica.mutators = None
    waiting = kernel.update("s1", table="students", name="Eve")
    kernel.connect()
    stage.rest()
    assert kernel.outcome(waiting).code == "forbidden"
    assert seen(kernel) == shown(stage, "viewer")


def test_an_editor_calls_what_its_own_copy_cannot_guess(stage):
    """R7. The room has the table; the kernel waits for its word."""
    editor = stage.enter("editor", role="editor")

    made = editor.mutate("hand_in", id="e9", answers="43")
    assert not made.shown or editor.rows("students") == seen(editor)["students"]
    stage.rest()

    assert editor.outcome(made) == "editor"
    assert truth(stage)["exams"]["e9"] == {"answers": "43"}


# --- what comes in ----------------------------------------------------------------------------------------------------

TABLES = ("students", "exams", "nothing")
VERBS = {
    "insert": lambda table: {"table": table, "id": "new", "values": {}},
    "insert_rows": lambda table: {"table": table, "columns": ["id"], "rows": [["new"]]},
    "update": lambda table: {"table": table, "id": "s1", "values": {"name": "x"}},
    "upsert": lambda table: {"table": table, "id": "s1", "values": {"name": "x"}},
    "delete": lambda table: {"table": table, "id": "s1" if table == "students" else "e1"},
    "put_back": lambda table: {"table": table, "rows": [["s1", {"name": "x"}, {"name": "Ada"}, None]]},
    "batch": lambda table: {"steps": [["delete", {"table": table, "id": "s1" if table == "students" else "e1"}]]},
    "create_table": lambda table: {"name": table, "columns": [{"name": "x", "type": "text"}]},
    "add_column": lambda table: {"table": table, "column": {"name": "x", "type": "text"}},
    "rename": lambda _: {"id": "s1", "name": "x"},
    "hand_in": lambda _: {"id": "e1", "answers": "x"},
    "mark": lambda _: {"id": "s1", "grade": 6},
    "no such": lambda _: {},
}
# What becomes of each: the roles that change something by it, by table.
CHANGES = {
    "insert": {"students": ("owner", "editor")},
    "insert_rows": {"students": ("owner", "editor")},
    "update": {"students": ("owner", "editor")},
    "upsert": {"students": ("owner", "editor")},
    "delete": {"students": ("owner", "editor"), "exams": ("owner",)},
    "put_back": {"students": ("owner", "editor")},
    "batch": {"students": ("owner", "editor"), "exams": ("owner",)},
    "rename": dict.fromkeys(TABLES, ("owner", "editor")),
    "hand_in": dict.fromkeys(TABLES, ("owner", "editor")),
    "mark": dict.fromkeys(TABLES, ("owner",)),
}


@pytest.mark.parametrize(("role", "table", "verb"), list(itertools.product((*ROLES, ""), TABLES, VERBS)))
def test_a_push_changes_what_its_role_may_change(stage, role, table, verb):
    """R13, A2. Said by hand, past every check of the kernel; R6: whatever it is, it is decided, with a sentence."""
    before, specs = truth(stage), [entry.spec for entry in stage.ledger.store.tables.values()]
    kernel = stage.enter("k", role=role or "viewer")
    kernel.session.role = role
    mutation = m.Mutation(1, verb, VERBS[verb](table))

    stage.room.receive(kernel.session, m.Push(stage.ledger.epoch, [mutation]))
    stage.rest()

    changed = truth(stage) != before
    assert changed is (role in CHANGES.get(verb, {}).get(table, ()))
    assert [entry.spec for entry in stage.ledger.store.tables.values()] == specs
    assert stage.ledger.last_mid("client-k") == 1
    for result in stage.ledger.results("client = 'client-k'"):
        assert result.code is None or (len(result.message) > 15 and result.message.endswith("."))
        if role in ("", "viewer"):
            assert result.code in ("forbidden", "unknown-mutator")


UP = {
    "presence": m.Presence({"mood": "loud", "at": {"table": "students", "id": "s1", "column": "name"}}),
    "draft": m.Draft("c", "students", {"s1": {"name": "scrawl"}}),
    "seen": m.Seen(7),
    "barrier": m.Barrier(1),
    "ping": m.Ping(1),
    "ask": m.Ask(1, "share", {"role": "owner"}),
    "hello": m.Hello(m.PROTOCOL, "client-k"),
    "push": m.Push("another epoch", [m.Mutation(1, "rename", {"id": "s1", "name": "x"})]),
}


def test_every_frame_has_a_row():
    assert set(UP) == {frame.__struct_config__.tag for frame in m.Up.__args__}


@pytest.mark.parametrize("kind", UP)
def test_a_viewer_changes_nothing_by_any_frame(stage, kind):
    """R13, D7, A1. No row, no table, no version, no line of anybody else's, nothing of what the others are shown."""
    viewer, owner = stage.enter("k", role="viewer"), stage.kernels[0]
    stage.rest()
    file, peers, version = bytes_of(stage), dict(owner.replica.peers), stage.ledger.version

    stage.room.receive(viewer.session, UP[kind])
    stage.rest()

    assert (bytes_of(stage), stage.ledger.version) == (file, version)
    assert owner.replica.peers == (peers if viewer.session is not None else {})  # a wrong push ends its session
    assert (owner.replica.drafts, owner.session.ended) == ({}, None)


def test_what_was_pushed_before_its_role_was_taken_back_is_refused(stage):
    """R6, R13, A2. Decided by what the session may do when it is decided."""
    editor = stage.enter("editor", role="editor")
    made = editor.mutate("rename", id="s1", name="too late")
    editor.push()
    editor.carry_up()
    assert stage.room.waiting

    editor.session.role = ""
    stage.rest()

    assert isinstance(editor.outcome(made), MutationRejected)
    assert truth(stage)["students"]["s1"]["name"] == "Ada"
