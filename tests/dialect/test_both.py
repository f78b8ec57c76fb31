"""
Kernels and pages in one room: the same rows, the same order, each told in its own words.
"""

import json
import random

import pytest

import partysync_widget as ps
from partysync_widget import Party, mutator
from tests.dialect.parties import Todos
from tests.dialect.reader import Reader
from tests.dialect.tab import Screen, Tab


@pytest.fixture
def kernel(server, tab):
    """A notebook in the room that ``tab`` opens."""
    with ps.connect(tab.room, url=server.url, token=server.token, party=Todos) as room:
        yield room


def test_a_page_and_a_kernel_see_each_others_edits(kernel, tab, wait_until):
    """R2. Through the party's own mutators."""
    page, screen = tab("page"), Screen()
    todos = kernel.table("todos")

    page.result("create", {"id": "by-page", "text": "milk", "completed": 0})
    wait_until(lambda: "by-page" in todos)
    assert (todos["by-page"]["text"], todos["by-page"]["completed"]) == ("milk", False)

    kernel.mutate("create", id="by-kernel", text="eggs", completed=True).result(8)
    screen.see(page.hear())
    assert screen.shown == {"by-kernel": ("eggs", 1)}

    kernel.mutate("delete", id="by-page").result(8)
    (record,) = page.hear()["payload"]
    assert (record[:3], record[-1] is None) == (["by-page", "milk", 0], False)


def test_a_row_that_a_kernel_edits_in_its_grid_reaches_a_page_that_was_closed_though_it_has_no_new_updated_at(
    server, wait_until
):
    """R4. The ancestor's own times say nothing of it: the built-in mutators do not know them."""
    with ps.connect("notes", url=server.url, token=server.token) as room:
        notes = room.table("todos", text=str, created_at=str, updated_at=str, deleted_at=str)
        notes.insert(id="t1", text="old", updated_at="2026-01-01 00:00:00").result(8)
        with Tab(server, "/parties/main/notes", "page") as page:
            assert page.rows()["t1"] == ["t1", "old", None, "2026-01-01 00:00:00", None]
            newest = page.newest
        notes.update("t1", text="new").result(8)
        with Tab(server, "/parties/main/notes", "reloaded") as page:
            assert page.rows(since=newest)["t1"][1] == "new"


def test_people_in_notebooks_see_that_a_page_is_there_and_that_it_goes(kernel, tab, wait_until):
    """R11."""
    page = tab("page")
    wait_until(lambda: [peer["name"] for peer in kernel.peers] == ["a web page"])
    page.close()
    wait_until(lambda: kernel.peers == [])


def test_a_kernel_knows_which_rows_a_page_has_written(make_stage):
    """V8. So that its grid shows whose they are."""
    stage = make_stage(party=Todos)
    page, ada = Reader(stage, "page"), stage.enter("ada")

    page.act("create", {"id": "t1", "text": "x", "completed": 0})
    stage.turn()

    (frame,) = [json.loads(raw) for raw in stage.room.frames(ada.session)]
    assert frame["tables"][0]["by"] == [page.session.client]
    assert "results" not in frame


def test_kernels_are_told_nothing_of_a_pages_ids(make_stage):
    """R13. Neither its connection id nor those of its actions, with which another could pass for it."""
    stage = make_stage(party=Todos)
    page, ada = Reader(stage, "its-connection-id"), stage.enter("ada")

    page.act("create", {"id": "t1", "text": "x", "completed": 0}, id="the-id-of-its-action")
    page.act("nothing", {}, id="the-id-of-another")
    stage.turn()

    said = b"".join(stage.room.frames(ada.session)).decode()
    assert "its-connection-id" not in said
    assert "the-id-of" not in said


class School(Party):
    """Something hidden in it."""

    schema = """
        CREATE TABLE students (id TEXT PRIMARY KEY NOT NULL, name TEXT, mark INTEGER, town TEXT) STRICT;
        CREATE TABLE exams (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT;
    """
    seen_by = {"exams": "owner", "students.mark": "owner"}

    @mutator
    def enrol(tx, id: str, mark: int):
        tx.insert("students", id=id, name=id, mark=mark, town="x")
        tx.insert("exams", id=id, text="secret")


def test_what_is_hidden_from_a_role_is_hidden_from_its_pages(make_stage):
    """R13, A3. A column is null, and the others stay in their places; a table is not there."""
    stage = make_stage(party=School)
    owner, editor = (
        Reader(stage, "owner", channel="students"),
        Reader(stage, "editor", role="editor", channel="students"),
    )
    owner.act("enrol", {"id": "ann", "mark": 1}, channel="students")
    stage.turn()

    (update,) = editor.hear()
    assert update["payload"][0][:4] == ["ann", "ann", None, "x"]
    assert owner.hear()[0]["result"][0][:4] == ["ann", "ann", 1, "x"]
    assert editor.sync(None, "students")[0]["payload"][0][:4] == ["ann", "ann", None, "x"]
    (refused,) = editor.sync(None, "exams")
    assert refused["error"] == ["There is no channel 'exams' in this room. It has: students."]
    (unknown,) = editor.sync(None, "nosuch")
    assert unknown["error"] == ["There is no channel 'nosuch' in this room. It has: students."]

    editor.act("enrol", {"id": "ben", "mark": 2}, channel="exams")
    editor.act("update", {"id": "ann", "values": {"mark": 6}}, id="y", channel="students")
    stage.turn()
    assert [frame["type"] for frame in editor.hear()] == ["error", "error"]
    assert owner.hear() == []


@pytest.mark.parametrize("seed", range(4))
def test_whoever_comes_and_goes_all_end_the_same(server, tab, seed, wait_until):
    """R2, R4, R5. Three tabs whose lines are cut at any moment, a kernel that edits meanwhile; nobody asks again."""
    dice = random.Random(seed)
    room_name = f"{tab.room}-{seed}"
    tabs, screens = {}, {}
    for name in ("ann", "ben", "cleo"):
        tabs[name], screens[name] = tab(name, room=room_name), Screen()
        tabs[name].sync()
    with ps.connect(room_name, url=server.url, token=server.token, party=Todos) as room:
        for n in range(120):
            name, id = dice.choice([*tabs]), f"t{dice.randrange(8)}"
            what = dice.choice(["create", "update", "update", "delete", "forget", "cut", "kernel"])
            if what == "cut":
                tabs[name].close()
                tabs[name] = tab(name, room=room_name)
            elif what == "kernel":
                room.mutate("update", id=id, text=f"kernel {n}", completed=bool(n % 2))
            else:
                payload = {"id": id, "text": f"{name} {n}", "completed": n % 2}
                tabs[name].act(what, {"id": id} if what in ("delete", "forget") else payload)
            if dice.random() < 0.2:
                for frame in tabs[name].rest():
                    screens[name].see(frame)
        room.sync(8)
        room.mutate("create", id="last", text="last", completed=False).result(8)
        truth = {
            row["id"]: (row["text"], int(row["completed"]))
            for row in room.table("todos").records
            if row["deleted_at"] is None
        }
        for name, each in tabs.items():
            while "last" not in screens[name].shown:
                screens[name].see(each.hear())

    assert [*screens.values()] == [screen for screen in screens.values() if screen.shown == truth], (
        truth,
        {name: screen.shown for name, screen in screens.items()},
    )
