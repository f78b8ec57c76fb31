"""
A stranger can write a client: one that was written from docs/protocol.md alone, against a real server.

Whatever it does here that does not work is missing from the document, or wrong in it.
"""

import ast
import sys

import pytest

pytest.importorskip("websockets")

from tests.protocol.document import ROOT
from tests.protocol.newcomer import Ended

COLUMNS = [{"name": "text", "type": "text", "required": True}, {"name": "done", "type": "boolean"}]
ALL_TYPES = {
    "text": ("Zoë 🐟", "Zoë 🐟"),
    "integer": (2**63 - 1, 2**63 - 1),
    "real": (0.1, 0.1),
    "boolean": (True, 1),
    "json": ({"a": [1, None]}, '{"a":[1,null]}'),
    "datetime": ("2026-11-23T05:05:06+01:00", "2026-11-23T04:05:06.000000Z"),
    "date": ("2026-11-23", "2026-11-23"),
    "choice": ("low", "low"),
    "bytes": ({"base64": "AP8="}, "AP8="),
}


@pytest.fixture
def ada(newcomer):
    """In a room with a table of todos and one row."""
    ada = newcomer("Ada")
    ada.mutate("create_table", name="todos", columns=COLUMNS)
    ada.mutate("insert", table="todos", id="a1", values={"text": "feed the yeast"})
    return ada.until(lambda: not ada.pending)


def same(*people):
    first, *others = people
    return all((each.version, each.base, each.columns) == (first.version, first.base, first.columns) for each in others)


def ask(who, n, what, /, **args):
    """The answer to a question (F7, F17)."""
    who.say("ask", n=n, what=what, args=args)
    who.until(lambda: (who.heard[-1]["type"], who.heard[-1].get("n")) == ("answer", n))
    return who.heard[-1]


def test_it_knows_nothing_of_ours():
    """What it imports is a WebSocket library and Python's own."""
    tree = ast.parse((ROOT / "tests/protocol/newcomer.py").read_text())
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }

    assert names - sys.stdlib_module_names == {"websockets"}


def test_it_joins_writes_and_is_seen(ada, newcomer, enter, room_name):
    """R1, R2, F1, F2, F9, F10, B1. Another newcomer has it, and so has a kernel."""
    ben = newcomer("Ben")
    table = enter(room_name).table("todos", text=str, done=bool)

    ben.mutate("insert", table="todos", id="b1", values={"text": "prune", "done": True})
    shown = ben.view("todos")
    ben.until(lambda: not ben.pending)
    ada.until(lambda: ada.version == 3)
    table.room.sync(8)

    assert shown == ada.view("todos") == ben.view("todos")
    assert list(shown) == ["a1", "b1"]
    assert same(ada, ben)
    assert table.records == [
        {"id": "a1", "text": "feed the yeast", "done": None},
        {"id": "b1", "text": "prune", "done": True},
    ]
    assert [peer["name"] for peer in ada.peers.values()] == ["Ada", "Ben", table.room.user]


def test_its_guess_is_there_at_once_and_goes_with_the_delta(ada):
    """R7, C1, C2."""
    ada.mutate("update", table="todos", id="a1", values={"done": 1})
    assert ada.view("todos")["a1"]["done"] == 1
    assert ada.base["todos"]["a1"][1]["done"] is None

    ada.until(lambda: not ada.pending)

    assert ada.base["todos"]["a1"] == (1, {"text": "feed the yeast", "done": 1})


def test_it_catches_up_after_a_cut_and_sends_what_waits(ada, newcomer):
    """R4, R5, H4, H6, C4. Deletions included; and what was on its way when the line was cut is made once."""
    ben = newcomer("Ben")
    ada.mutate("insert", table="todos", id="a2", values={"text": "sent, and the line is cut"})
    ada.cut()
    ada.mutate("insert", table="todos", id="a3", values={"text": "made while away"})
    ben.until(lambda: ben.version == 3)
    ben.mutate("delete", table="todos", id="a1")
    ben.mutate("insert", table="todos", id="b1", values={"text": "meanwhile"})
    ben.until(lambda: not ben.pending)
    ada.heard.clear()

    ada.open().until(lambda: not ada.pending)
    ben.until(lambda: ben.version == ada.version)

    welcome, delta, *_ = ada.heard
    assert (delta["type"], delta["base"], delta["tables"][0]["gone"]) == ("delta", 2, ["a1"])
    assert welcome["last_mid"] == 3
    assert list(ada.view("todos")) == ["a2", "b1", "a3"]
    assert ada.version == 6
    assert same(ada, ben)


def test_a_rejection_says_why_takes_a_version_and_blocks_nothing(ada):
    """R1, R6, F3, C6."""
    wrong = ada.mutate("update", table="todos", id="nowhere", values={"done": True})
    right = ada.mutate("update", table="todos", id="a1", values={"done": True})

    ada.until(lambda: not ada.pending)

    code, message = ada.outcomes[wrong]
    assert (code, message.endswith(".")) == ("unknown-row", True)
    assert ada.outcomes[right] is None
    assert ada.version == 4


def test_the_reason_of_a_rejection_is_told_again_to_whoever_was_cut(ada, newcomer):
    """R6, F9, F13, C4. It pushes once more, and hears the first decision; with nothing in its hands as well."""
    watcher = newcomer("watcher")
    wrong = ada.mutate("update", table="todos", id="nowhere", values={"done": True})
    ada.cut()
    watcher.until(lambda: watcher.version == 3)

    ada.epoch = ""  # it has forgotten the rows, and gets a snapshot
    ada.open().until(lambda: not ada.pending)

    assert ada.outcomes[wrong][0] == "unknown-row"
    assert ada.last_mid == wrong
    assert ada.version == 3


def test_another_history_is_announced(ada, newcomer, start_server):
    """R10, H7, C5, C9. Not by a restart; by a file that is gone."""
    server = start_server()
    eve = newcomer("Eve", at=server)
    eve.mutate("create_table", name="todos", columns=COLUMNS)
    eve.until(lambda: not eve.pending)
    watcher = newcomer("who has written nothing", at=server)
    client, epoch = eve.client, eve.epoch
    server.stop()
    with pytest.raises((Ended, EOFError)):
        eve.until(lambda: False)
    eve.cut()

    server.start()
    eve.open().until(lambda: eve.live)
    assert (eve.resets, eve.client, eve.version) == ([], client, 1)
    assert eve.talking != epoch

    server.stop()
    for file in server.files("*"):
        file.unlink()
    server.start()
    eve.cut()
    eve.mutate("create_table", name="todos", columns=COLUMNS)  # never sent
    eve.open().until(lambda: not eve.pending)

    assert len(eve.resets) == 1
    assert eve.resets[0].endswith(".")
    assert (eve.version, eve.outcomes[1], eve.client == client) == (1, None, False)
    assert list(eve.columns) == ["todos"]
    watcher.cut()
    watcher.open().until(lambda: watcher.live)
    assert (len(watcher.resets), same(eve, watcher)) == (1, True)


def test_a_snapshot_and_a_large_delta_come_in_parts(ada, newcomer):
    """R8, F11, F12, F13, S9, C3."""
    ben = newcomer("Ben")
    rows = [[f"r{n}", "x" * 300] for n in range(3_000)]
    ada.mutate("insert_rows", table="todos", columns=["id", "text"], rows=rows)
    sizes = set()
    while ben.version == 2:
        ben.hear()
        sizes.add(len(ben.base["todos"]))
    ada.until(lambda: not ada.pending)
    cleo = newcomer("Cleo")

    assert sizes == {1, 3_001}
    assert same(ada, ben, cleo)
    kinds = [frame["type"] for frame in ben.heard if frame["type"] != "peers"]
    begin, parts = kinds.index("begin", 2), kinds.count("part")
    assert kinds[begin:] == ["begin", *["part"] * (parts - 1), "end"]
    assert parts > 3
    snapshot = [frame["type"] for frame in cleo.heard]
    assert snapshot[:3] == ["welcome", "begin", "part"]
    assert snapshot[-1] == "end"


@pytest.mark.parametrize("lost", ["delta", "part"])
def test_a_lost_frame_is_noticed_and_asked_for(ada, newcomer, lost):
    """R3, H8, F8, F13, F18. A delta by the next pong; a part by the end, which counts them."""
    ben = newcomer("Ben")
    ben.lose = lambda frame: frame["type"] == lost and not ben.gone.append(frame)
    ben.gone = []
    size = 1 if lost == "delta" else 3_000
    ada.mutate("insert_rows", table="todos", columns=["id", "text"], rows=[[f"r{n}", "x" * 300] for n in range(size)])
    ada.until(lambda: not ada.pending)
    while not ben.gone:
        ben.hear()
    ben.lose = lambda _frame: False

    ben.say("ping", version=ben.version)
    ben.until(lambda: ben.version == ada.version)

    assert same(ada, ben)
    assert ben.resyncs == 0
    assert [frame["type"] for frame in ben.heard].count("welcome") == 2


def test_every_type_of_column_arrives_as_the_document_says(ada, newcomer):
    """V1 to V4, V6, B3."""
    ada.mutate("create_table", name="zoo", columns=[{"name": "text", "type": "text"}])
    for name in list(ALL_TYPES)[1:]:
        choices = {"choices": ["low", "high"], "default": "high"} if name == "choice" else {}
        ada.mutate("add_column", table="zoo", column={"name": name, "type": name, **choices})
    ada.mutate("insert", table="zoo", id="1", values={name: said for name, (said, _) in ALL_TYPES.items()})
    ada.mutate("insert", table="zoo", id="2", values={})
    ada.until(lambda: not ada.pending)

    assert [ada.outcomes[mid] for mid in sorted(ada.outcomes)] == [None] * 13
    stored = {name: stored for name, (_, stored) in ALL_TYPES.items()}
    assert ada.base["zoo"] == {"1": (1, stored), "2": (2, {**dict.fromkeys(ALL_TYPES), "choice": "high"})}
    assert ada.base["zoo"]["1"][1]["boolean"] is not True
    assert same(ada, newcomer("Ben"))


def test_every_mutator_that_is_built_in_takes_what_the_document_says(ada):
    """B1, B2, V7."""
    calls = {
        "insert": {"table": "todos", "id": "1", "values": {"text": "a"}},
        "insert_rows": {"table": "todos", "columns": ["id", "text"], "rows": [["2", "b"], ["3", "c"]]},
        "update": {"table": "todos", "id": "1", "values": {"text": "A"}},
        "upsert": {"table": "todos", "id": "4", "values": {"text": "d"}},
        "delete": {"table": "todos", "id": "2"},
        "put_back": {"table": "todos", "rows": [["1", {"text": "a"}, {"text": "A"}, None]]},
        "batch": {"steps": [["delete", {"table": "todos", "id": "3"}], ["delete", {"table": "todos", "id": "none"}]]},
    }
    made = {name: ada.mutate(name, **args) for name, args in calls.items()}
    ada.until(lambda: not ada.pending)
    assert [ada.outcomes[mid] for mid in made.values()] == [None, None, None, None, None, 1, [None, None]]
    assert {id: row["text"] for id, row in ada.view("todos").items()} == {"a1": "feed the yeast", "1": "a", "4": "d"}

    for name, args in calls.items():
        more, less = {**args, "more": 1}, dict(list(args.items())[1:])
        for wrong in (more, less):
            mid = ada.mutate(name, **wrong)
            ada.until(lambda: not ada.pending)
            assert ada.outcomes[mid][0] == "bad-arguments"
    assert ada.mutators == [*calls, "create_table", "add_column"]


def test_it_sees_who_is_where_and_is_seen(ada, enter, room_name, wait_until):
    """F4, F14. By a kernel; and hears when that has left."""
    room = enter(room_name, user="kim")
    room.present(mood="fine")
    ada.until(lambda: any(peer.get("state") == {"mood": "fine"} for peer in ada.peers.values()))
    ada.say("presence", state={"mood": "hungry"})
    wait_until(lambda: [peer.get("mood") for peer in room.peers] == ["hungry"], what="what Ada shows")

    room.close()
    ada.until(lambda: [peer["name"] for peer in ada.peers.values()] == ["Ada"])


def test_a_draft_ends_in_the_delta_that_has_its_row(ada, newcomer):
    """R11, D1, D2, F5, F15."""
    ben = newcomer("Ben")
    ada.say("draft", key="k", table="todos", rows={"a1": {"text": "feed the y"}})
    ada.say("draft", key="k", table="todos", rows={"a1": {"text": "fed"}}, mid=3)
    ben.until(lambda: any(draft.get("mid") == 3 for draft in ben.drafts.values()))
    version = ben.version
    ada.mutate("update", table="todos", id="a1", values={"text": "fed"})

    while ben.drafts:
        assert ben.base["todos"]["a1"][1]["text"] == "feed the yeast"
        ben.hear()

    assert ben.version == version + 1
    assert ben.base["todos"]["a1"][1]["text"] == "fed"


def test_barriers_and_questions_are_answered(ada):
    """F6, F7, F16, F17, A6."""
    ada.mutate("update", table="todos", id="a1", values={"done": True})
    ada.say("barrier", n=7)
    ada.until(lambda: ada.heard[-1]["type"] == "barrier")
    assert ada.heard[-1] == {"type": "barrier", "n": 7, "version": 3}
    assert not ada.pending

    shared = ask(ada, 1, "share", role="viewer", note="the class")["value"]
    assert shared.keys() == {"share", "token", "at", "pages"}
    assert [line["kind"] for line in ask(ada, 2, "people")["value"]] == ["link", "server"]
    assert [line["id"] for line in ask(ada, 3, "revoke", who=shared["share"]["id"])["value"]] == [shared["share"]["id"]]
    assert ask(ada, 4, "revoke", who="nobody").keys() == {"type", "n", "code", "message"}


def test_a_viewer_reads_and_is_refused(ada, newcomer):
    """A1, A2, A5, A6, D7, S2. Until what let it in is taken back."""
    shared = ask(ada, 1, "share", role="viewer")["value"]
    viewer = newcomer("Vi", enter=False)
    viewer.headers["Authorization"] = f"Bearer {shared['token']}"
    viewer.open().until(lambda: viewer.live)
    assert (viewer.role, viewer.mutators, viewer.base) == ("viewer", [], ada.base)

    viewer.say("presence", state={"mood": "fine"})
    viewer.say("draft", key="k", table="todos", rows={"a1": None})
    assert ask(viewer, 1, "share")["code"] == "forbidden"
    mid = viewer.mutate("delete", table="todos", id="a1")
    viewer.until(lambda: not viewer.pending)
    assert viewer.outcomes[mid][0] == "forbidden"

    ask(ada, 2, "revoke", who=shared["share"]["id"])
    with pytest.raises(Ended) as ended:
        viewer.until(lambda: False)
    assert (ended.value.frame["kind"], ended.value.frame["retry"]) == ("forbidden", "never")
    ada.until(lambda: viewer.client not in ada.peers)
    told = [peer for frame in ada.heard if frame["type"] == "peers" for peer in frame["peers"].values()]
    assert told == [{"name": "Vi (guest)", "role": "viewer"}, None]
    assert [frame for frame in ada.heard if frame["type"] == "drafts"] == []
