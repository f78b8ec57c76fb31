"""A page's client and a kernel's in one room of a real server: what one does the other shows, over cuts and crashes."""

import random

import pytest

from tests.conftest import names
from tests.web.conftest import PARTIES, Threw


@pytest.fixture
def name():
    return f"web-{next(names)}"


@pytest.fixture
def room(enter, name):
    return enter(name)


@pytest.fixture
def todos(room):
    return room.table("todos", text=str, done=bool)


def texts(rows):
    return [row["text"] for row in rows]


def test_each_shows_what_the_other_does(todos, visit, name, wait_until):
    todos.insert(id="k", text="from the kernel", done=True).result(8)
    page = visit(name)

    assert page.rows() == [{"id": "k", "text": "from the kernel", "done": True}]
    made = page.do("insert", table="todos", values={"text": "from the page", "done": False})
    assert page.result(made) == {"value": None}
    wait_until(lambda: made["id"] in todos)
    todos.update(made["id"], done=True)
    todos.delete("k")

    wait_until(lambda: page.rows() == [{"id": made["id"], "text": "from the page", "done": True}])


def test_an_edit_shows_at_once_and_never_flickers(todos, visit, name):
    """R2."""
    page = visit(name)
    page.do("watch", table="todos", column="text")

    made = page.do("insert", table="todos", values={"text": "one"})
    assert texts(page.rows()) == ["one"]
    page.result(made)
    page.do("sync")

    assert page.do("watched") == [[], ["one"]]


def test_what_the_room_refuses_is_taken_back_with_its_reason(todos, visit, line, name, wait_until):
    """R6."""
    todos.insert(id="a", text="milk").result(8)
    page = visit(name, at=line.url)
    page.do("offline")
    todos.delete("a").result(8)
    edit = page.do("update", table="todos", id="a", values={"text": "oat milk"})
    assert texts(page.rows()) == ["oat milk"]

    page.do("online")
    said = page.result(edit)

    assert (said["error"], said["code"]) == ("MutationRejected", "unknown-row")
    assert page.rows() == []


def test_what_the_table_forbids_is_refused_to_the_caller(todos, visit, name):
    """R7."""
    page = visit(name)

    with pytest.raises(Threw, match="takes true or false") as refused:
        page.do("insert", table="todos", values={"text": "x", "done": "yes"})

    assert refused.value.code == "bad-value"
    assert page.look("pending") == 0


@pytest.mark.parametrize("how", ["cut", "hold"])
def test_a_line_that_is_cut_or_dead_is_mended_and_nothing_is_lost_or_doubled(todos, visit, line, name, how, wait_until):
    """R5, C7."""
    page = visit(name, at=line.url)
    page.do("insert", table="todos", values={"id": "a", "text": "before"})
    page.do("sync")

    getattr(line, how)()
    edits = [page.do("insert", table="todos", values={"id": f"p{n}", "text": f"page {n}"}) for n in range(20)]
    for n in range(20):
        todos.insert(id=f"k{n}", text=f"kernel {n}")
    if how == "hold":
        wait_until(lambda: page.look("status") != "live", what="noticing a dead line")
        line.silence()
        line.release()

    assert [page.result(edit) for edit in edits] == [{"value": None}] * 20
    page.do("sync")
    assert page.rows() == todos.records
    assert len(todos) == 41


def test_a_server_that_was_killed_is_found_again(start_server, enter, visit, name, wait_until):
    """R9, R10."""
    server = start_server()
    todos = enter(name, at=server).table("todos", text=str)
    page = visit(name, at=server.url)
    page.result(page.do("insert", table="todos", values={"text": "kept"}))

    server.kill()
    edit = page.do("insert", table="todos", values={"text": "made meanwhile"})
    server.start()

    assert page.result(edit) == {"value": None}
    wait_until(lambda: texts(todos.records) == ["kept", "made meanwhile"])


def test_the_ancestors_actions_are_mutators_and_its_booleans_numbers(on_path, start_server, enter, visit, wait_until):
    """Its pages say ``completed: 0``. Mutators of a party may be called as built-in ones are: the room decides."""
    on_path(PARTIES)
    import example

    server = start_server("--party", "example:Todos")
    todos = enter("todos", at=server, party=example.Todos).table("todos")
    page = visit("todos", at=server.url, party="todos")

    def act(name, **args):
        assert page.result(page.do("mutate", name=name, args=args)) == {"value": None}

    act("create", id="a", text="milk", completed=0)
    act("update", id="a", text="oat milk", completed=1)

    wait_until(lambda: "a" in todos and todos["a"]["completed"])
    assert (todos["a"]["text"], todos["a"]["completed"]) == ("oat milk", True)
    page.do("sync")
    assert page.rows()[0]["text"] == "oat milk"
    act("delete", id="a")
    wait_until(lambda: "a" not in todos)
    page.do("sync")
    assert page.rows() == []


def test_people_see_each_other_and_what_they_type(todos, enter, visit, name, wait_until):
    """R11."""
    page = visit(name, user="Ada")
    kernel = enter(name, user="Ben")
    wait_until(lambda: any(peer["name"].startswith("Ben") for peer in page.look("peers")))
    wait_until(lambda: any(peer["name"].startswith("Ada") for peer in kernel.peers))

    page.do("draft", key="k", table="todos", rows={"a": {"text": "mil"}})

    other = visit(name)
    wait_until(lambda: [draft["rows"] for draft in other.look("drafts")] == [{"a": {"text": "mil"}}])
    page.close()
    wait_until(lambda: other.look("drafts") == [])


def test_many_rows_come_in_parts_and_large_numbers_whole(enter, visit, name):
    """R8, S7."""
    numbers = enter(name).table("numbers", n=int)
    numbers.insert_many([{"id": f"r{n}", "n": 2**60 + n} for n in range(20_000)]).result(8)
    page = visit(name)

    assert page.do("count", table="numbers") == 20_000
    assert page.do("cell", table="numbers", id="r19999", column="n") == str(2**60 + 19_999)


@pytest.mark.parametrize("seed", [11, None])
def test_whatever_happens_all_end_equal(room, todos, enter, visit, line, name, seed, wait_until):
    """R1, R2, R5."""
    seed = seed or random.randrange(2**31)
    print(f"seed {seed}")
    chance = random.Random(seed)
    other = enter(name)
    others = other.table("todos", text=str, done=bool)
    pages = [visit(name, at=line.url), visit(name)]

    for n in range(120):
        id = f"r{chance.randrange(12)}"
        page = chance.choice(pages)
        verb = chance.choice(["insert", "update", "update", "delete"])
        values = {"text": f"t{n}", "done": chance.random() < 0.5}
        try:
            if verb == "insert":
                page.do("insert", table="todos", values={"id": id, **values})
            elif verb == "update":
                page.do("update", table="todos", id=id, values=values)
            else:
                page.do("delete", table="todos", id=id)
        except Threw as error:  # the row is there already, or not
            if error.code not in {"constraint", "unknown-row"}:
                raise
        if chance.random() < 0.5:
            table = chance.choice([todos, others])
            if (mine := f"r{chance.randrange(12)}") in table:
                table.update(mine, text=f"k{n}")
            else:
                table.insert(id=mine, text=f"k{n}", done=False)
        match chance.randrange(20):
            case 0:
                line.cut()
            case 1:
                pages[1].do("offline")
            case 2:
                pages[1].do("online")
            case 3:
                other.offline()
            case 4:
                other.online()
    pages[1].do("online")
    other.online()
    for page in pages:
        page.do("sync")
    other.sync(8)
    room.sync(8)

    wait_until(lambda: others.records == todos.records)
    for page in pages:
        wait_until(lambda page=page: page.rows() == todos.records, what=f"the same rows everywhere, seed {seed}")
        assert page.look("pending") == 0
