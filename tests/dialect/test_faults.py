"""
What the ancestor gets wrong on the wire, and the dialect does not.

Each test names a fault by its letter in the study of the ancestor, part 3, where it was shown by running it. The frames
are the same; ``Screen`` is what its unmodified hook would show of them.
"""

import json

import pytest

from tests.dialect.tab import Screen, Tab
from tests.server.stranger import sentence

COLUMNS = [{"name": "text", "type": "text"}, {"name": "done", "type": "boolean"}]


def table(tab, **how):
    """Two tabs in a room of ``main`` with a table."""
    ann = tab("ann", party="main", **how)
    ann.result("create_table", {"name": "todos", "columns": COLUMNS})
    return ann, tab("ben", party="main", **how)


def until(tab, screen, there):
    """Let the screen see what the tab hears, until it shows what is awaited; the tab waits for each frame itself."""
    while not there():
        screen.see(tab.hear())


# --- a: a delete never reaches a client that was away ----------------------------------------------------------------


@pytest.mark.parametrize("party", ["todos", "main"], ids=["kept with deleted_at", "gone from the table"])
def test_fault_a_a_delete_reaches_a_tab_that_was_closed(tab, party):
    """R4. It asks with the newest time it holds, and shows what the hook would show: no ghost."""
    if party == "main":
        ann, ben = table(tab)
        make = [("insert", {"id": id, "values": {"text": id}}) for id in ("t1", "t2")]
    else:
        ann, ben = tab("ann"), tab("ben")
        make = [("create", {"id": id, "text": id, "completed": 0}) for id in ("t1", "t2")]
    for action in make:
        ann.result(*action)
    screen = Screen()
    ann.sync()
    screen.see(ann.hear())
    newest = ann.newest
    ann.close()
    ben.result("delete", {"id": "t1"})

    again = tab("ann-reloaded", party=party)
    again.sync(since=newest)
    for frame in again.rest():
        screen.see(frame)

    assert screen.shown.keys() == {"t2"}


def test_fault_a_a_delete_that_does_not_touch_updated_at_reaches_it_too(tab, wait_until):
    """R4. As the ancestor's fixture deletes: the row keeps the time of its last update."""
    ann, ben = tab("ann"), tab("ben")
    ann.result("create", {"id": "t1", "text": "milk", "completed": 0})
    newest = ann.newest
    ann.close()
    ben.result("create", {"id": "clock", "text": "x", "completed": 0})
    wait_until(lambda: ben.result("update", {"id": "clock", "text": "x", "completed": 0}) and ben.newest > newest)
    later = ben.newest
    (deleted,) = ben.result("delete", {"id": "t1"})

    again = tab("ann-reloaded")
    again.sync(since=later)
    payload = again.hear()["payload"]

    assert deleted[-2] < later
    assert deleted in payload


# --- b: what happens in one second is lost ---------------------------------------------------------------------------


def test_fault_b_updates_of_the_same_second_are_not_lost(tab):
    """R4. The cursor is a time with steps of a second, so that second is told again."""
    ann, ben = tab("ann"), tab("ben")
    ann.result("create", {"id": "t1", "text": "first", "completed": 0})
    newest = ann.newest
    ann.close()
    for n in range(20):
        ben.result("update", {"id": "t1", "text": f"text {n}", "completed": 0})
        assert tab().rows(since=newest)["t1"][1] == f"text {n}"


def test_fault_b_nor_are_deletes_of_the_same_second(tab):
    """R4."""
    ann, ben = tab("ann"), tab("ben")
    for n in range(5):
        ann.result("create", {"id": f"t{n}", "text": "x", "completed": 0})
    newest = ann.newest
    for n in range(5):
        ben.result("delete", {"id": f"t{n}"})
        again = tab()
        again.sync(since=newest)
        deleted = {record[0] for record in again.hear()["payload"] if record[-1] is not None}
        assert {f"t{each}" for each in range(n + 1)} <= deleted


# --- c: the channel goes into SQL as it came -------------------------------------------------------------------------

HOSTILE = [
    "todos; DROP TABLE todos; --",
    "(SELECT key, value, 1, 1, 1, NULL AS deleted_at FROM _partysync_meta)",
    'todos" --',
    "todos WHERE 1=1 --",
    "main.todos",
    "_partysync_meta",
    "sqlite_schema",
    "TODOS",
    "",
    "todos\0",
    "x" * 300,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_fault_c_a_channel_with_sql_in_it_is_looked_up_and_not_found(tab, name):
    """R13. Asked for, or acted on."""
    ann = tab("ann")
    ann.result("create", {"id": "t1", "text": "milk", "completed": 0})

    for frame in (
        {"channel": name, "sync": True, "from": None},
        {"channel": name, "sync": True, "from": "2000-01-01 00:00:00"},
        {"id": "x", "channel": name, "rpc": True, "action": {"type": "delete", "payload": {"id": "t1"}}},
    ):
        ann.say(frame)
        heard = ann.hear()
        assert (heard["type"], heard["rpc"]) == ("error", True)
        assert sentence(heard["error"][0])
    assert ann.rest() == []
    assert ann.rows().keys() == {"t1"}


@pytest.mark.parametrize("since", ["x' OR 1=1 --", [1], {"a": 1}, "", True, "9999-99-99", 1e300, -5])
def test_fault_c_nor_does_a_from_that_is_no_time(tab, since):
    """R13. What such a tab holds is unknown: it is told everything."""
    ann = tab("ann")
    ann.result("create", {"id": "t1", "text": "milk", "completed": 0})

    assert ann.rows(since=since).keys() == {"t1"}


# --- e: nothing is asked again, and a retry runs twice ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["the line", "the server", "the server, by -9"])
def test_fault_e1_a_tab_whose_line_comes_back_is_told_what_it_missed(start_server, how):
    """R4. It asks for nothing: its connection id says who it is, and all since it first asked is told."""
    from tests.dialect.conftest import PARTIES

    server = start_server(*PARTIES)
    ann, ben = Tab(server, "/parties/todos/x", "ann"), Tab(server, "/parties/todos/x", "ben")
    for id in ("t1", "t2", "t3"):
        ben.result("create", {"id": id, "text": "old", "completed": 0})
    screen = Screen()
    ann.rest()
    ann.sync()
    screen.see(ann.hear())
    ann.close()
    ben.result("update", {"id": "t1", "text": "while it was away", "completed": 1})
    ben.result("delete", {"id": "t2"})
    if how != "the line":
        server.kill() if "9" in how else server.stop()
        server.start()

    again = Tab(server, "/parties/todos/x", "ann")
    until(again, screen, lambda: "t2" not in screen.shown)

    assert screen.shown == {"t1": ("while it was away", 1), "t3": ("old", 0)}


def test_fault_e1_and_hears_once_only_if_it_asks_by_itself(tab):
    """As an application does that works around the fault."""
    ann, ben = tab("ann"), tab("ben")
    ann.sync()
    ann.hear()
    ben.result("create", {"id": "t1", "text": "x", "completed": 0})
    ann.hear()
    ann.close()
    ben.result("create", {"id": "t2", "text": "y", "completed": 0})

    again = tab("ann")
    again.sync(since=ben.newest)
    assert [record[0] for record in again.hear()["payload"]][-1] == "t2"
    ben.result("create", {"id": "t3", "text": "z", "completed": 0})

    assert [record[0] for record in again.hear()["payload"]] == ["t3"]


@pytest.mark.parametrize("how", ["on the same line", "on another line", "after the server was killed"])
def test_fault_e2_an_action_that_is_sent_again_runs_once_and_has_the_same_answer(start_server, how):
    """R5. Also one that was refused, whatever has become possible since."""
    from tests.dialect.conftest import PARTIES

    server = start_server(*PARTIES)
    path = "/parties/todos/x"
    ann, ben = Tab(server, path, "ann"), Tab(server, path, "ben")
    made = ann.result("create", {"id": "t1", "text": "milk", "completed": 0}, id="again")
    refused = ann.result("create", {"id": "t1", "text": "milk", "completed": 0}, id="refused")
    if how != "on the same line":
        ann.close()
        if "killed" in how:
            server.kill()
            server.start()
            ben = Tab(server, path, "ben")
        ann = Tab(server, path, "ann")
    ben.rest()

    for _ in range(3):
        assert ann.result("create", {"id": "t1", "text": "milk", "completed": 0}, id="again") == made
        assert ann.result("create", {"id": "t1", "text": "milk", "completed": 0}, id="refused") == refused

    assert ben.rest() == []
    assert len(ben.rows()) == 1


def test_fault_e2_the_same_id_of_somebody_else_is_another_action(tab):
    """R5."""
    ann, ben = tab("ann"), tab("ben")

    assert ann.result("create", {"id": "t1", "text": "ann's", "completed": 0}, id="1")[0][1] == "ann's"
    assert ben.result("create", {"id": "t2", "text": "ben's", "completed": 0}, id="1")[0][1] == "ben's"
    assert ann.result("create", {"id": "t3", "text": "a number", "completed": 0}, id=1)[0][1] == "a number"
    assert len(ben.rows()) == 3


# --- f: an author that no longer listens is never told ---------------------------------------------------------------


def test_fault_f2_an_action_made_offline_shows_on_its_authors_screen_though_nobody_awaits_its_answer(tab):
    """What was queued while the line was down is told to its author as to everybody else."""
    ann = tab("ann")
    ann.sync()
    ann.hear()
    ann.close()

    again, screen = tab("ann"), Screen()
    again.act("create", {"id": "ghost", "text": "made offline", "completed": 0})

    while not screen.shown:
        frame = again.hear()
        if frame.get("type") != "success":  # its ten seconds are over
            screen.see(frame)
    assert screen.shown == {"ghost": ("made offline", 0)}


def test_an_author_that_listens_hears_of_its_action_once(tab):
    """R2. The row is in its success, and what others do to it afterwards is an update."""
    ann, ben = tab("ann"), tab("ben")

    assert ann.result("create", {"id": "t1", "text": "x", "completed": 0})[0][0] == "t1"
    assert ann.rest() == []
    ben.rest()
    ben.result("update", {"id": "t1", "text": "y", "completed": 0})

    assert [frame["type"] for frame in ann.rest()] == ["update"]


# --- g: orders -------------------------------------------------------------------------------------------------------


def test_fault_g1_one_clients_writes_keep_their_order(tab):
    """R1, R5. Sent without waiting for any."""
    ann, ben = tab("ann"), tab("ben")
    ann.result("create", {"id": "t1", "text": "v0", "completed": 0})
    ben.rest()

    ids = [ann.act("update", {"id": "t1", "text": f"v{n}", "completed": 0}) for n in range(1, 201)]

    heard = [ann.hear() for _ in ids]
    assert [frame["id"] for frame in heard] == ids
    assert heard[-1]["result"][0][1] == ann.rows()["t1"][1] == "v200"
    shown = [frame["payload"][0][1] for frame in ben.rest() if frame.get("broadcast")]
    assert shown == sorted(shown, key=lambda text: int(text[1:]))
    assert shown[-1] == "v200"


def test_fault_g2_everybody_ends_on_what_was_committed_last(tab):
    """R1."""
    tabs = [tab(f"tab-{n}") for n in range(4)]
    screens = [Screen() for _ in tabs]
    tabs[0].result("create", {"id": "t1", "text": "v0", "completed": 0})
    for turn in range(20):
        for n, each in enumerate(tabs):
            each.act("update", {"id": "t1", "text": f"{n}-{turn}", "completed": 0})
    for each, screen in zip(tabs, screens, strict=True):
        answers = 0
        while answers < 20:
            frame = each.hear()
            answers += frame.get("type") == "success"
            screen.see(frame)
    truth = tabs[0].rows()["t1"][1]

    for each, screen in zip(tabs, screens, strict=True):
        for frame in each.rest():
            screen.see(frame)
        assert screen.shown["t1"] == (truth, 0)


# --- j to o ----------------------------------------------------------------------------------------------------------


def test_fault_j_whoever_is_refused_is_told_in_a_sentence(tab):
    """R6. Not by what SQLite calls it."""
    ann = tab("ann")
    ann.result("create", {"id": "t1", "text": "x", "completed": 0})

    (said,) = ann.result("create", {"id": "t1", "text": "x", "completed": 0})

    assert sentence(said)
    assert "SQLITE" not in said


@pytest.mark.parametrize("how", ["close frame", "end of the line", "reset"])
def test_fault_k_a_writer_that_closes_its_tab_does_not_keep_its_writes_from_the_others(tab, how):
    """R6."""
    ben = tab("ben")
    for n in range(10):
        ann = tab(f"ann-{n}")
        ann.act("create", {"id": f"t{n}", "text": "x", "completed": 0})
        if how == "close frame":
            ann.frame(b"\x03\xe8", 8)
        elif how == "end of the line":
            ann.until_hung_up()
        ann.close()
        assert ben.hear()["payload"][0][0] == f"t{n}"


def test_fault_l_whoever_takes_anothers_connection_id_silences_nobody(tab):
    """R13."""
    ann, stranger, ben = tab("the-same"), tab("the-same"), tab("ben")

    ann.result("create", {"id": "t1", "text": "by ann", "completed": 0})
    assert stranger.hear()["payload"][0][1] == "by ann"
    stranger.result("update", {"id": "t1", "text": "by a stranger", "completed": 0})
    assert ann.hear()["payload"][0][1] == "by a stranger"
    stranger.close()
    ben.result("update", {"id": "t1", "text": "by ben", "completed": 0})
    assert ann.hear()["payload"][0][1] == "by ben"


@pytest.mark.parametrize("before", [True, False], ids=["was there before", "came meanwhile"])
def test_fault_l_nor_takes_away_what_the_other_has_missed(tab, before):
    """R13. Though both came by the same link, and chose the same id."""
    ann, ben, screen = tab("the-same"), tab("ben"), Screen()
    stranger = tab("the-same") if before else None
    ann.sync()
    ann.hear()
    ann.close()
    ben.result("create", {"id": "t1", "text": "missed", "completed": 0})
    stranger = stranger or tab("the-same")
    stranger.sync()
    stranger.hear()
    stranger.close()

    again = tab("the-same")
    until(again, screen, lambda: screen.shown)

    assert screen.shown == {"t1": ("missed", 0)}


def test_fault_m_an_unknown_action_is_told_to_its_author_alone(tab):
    """No success without a result, no update without a payload."""
    ann, ben = tab("ann"), tab("ben")

    (said,) = ann.result("frobnicate", {"id": "t1"})

    assert said == "The party 'todos' has no mutator 'frobnicate'. It has: create, update, delete, complain, forget."
    assert ben.rest() == []


def test_fault_n_a_refused_action_takes_nobody_along(tab):
    """R6. Those before it, after it and beside it are decided, and every socket stays open."""
    ann, ben = tab("ann"), tab("ben")
    for n in range(50):
        ann.act("complain", {"about": str(n)})
        ben.act("create", {"id": f"t{n}", "text": "x", "completed": 0})

    refused = []
    while len(refused) < 50:
        refused += [frame["error"] for frame in [ann.hear()] if frame["type"] == "error"]
    assert refused == [[f"complain raised ValueError: {n}"] for n in range(50)]
    assert len(ben.rows()) == 50


def test_fault_o_rows_keep_their_order_when_a_page_is_loaded_again(tab):
    """The hook sorts what it has kept by created_at: of a table that has none, that is the row's place."""
    ann, _ = table(tab)
    for id in "zmaqb":
        ann.result("insert", {"id": id, "values": {"text": id}})

    kept = sorted(ann.rows().values(), key=lambda record: record[-3])

    assert [record[0] for record in kept] == list("zmaqb")


def test_fault_y_a_deleted_id_can_be_used_again(tab):
    """Of a table whose rows are really gone."""
    ann, ben = table(tab)
    screen = Screen()
    ann.result("insert", {"id": "t1", "values": {"text": "old"}})
    ann.result("delete", {"id": "t1"})
    ann.result("insert", {"id": "t1", "values": {"text": "new"}})

    for frame in ben.rest():
        screen.see(frame)
    assert screen.shown == {"t1": ("new", None)}


# --- A: silence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    ["null", "42", '"x"', "[]", "true", "{}", b"\x01\x02\x03", "", "{oops", '{"channel":"nosuch","sync":true}',
     '{"sync":true}', '{"channel":{"a":1},"sync":true}', '{"id":"x","rpc":true}', '{"id":{"a":[1]},"action":1}',
     '{"id":99999999999999999999999,"channel":"todos"}', '{"channel":"todos","action":{"type":"create"},"id":null}',
     '{"id":"\\ud800","channel":"todos"}', json.dumps({"id": "x" * 400, "channel": "todos"})],
)  # fmt: skip
def test_fault_capital_a_nothing_goes_without_an_answer_and_nothing_closes_the_socket(tab, message):
    """A sync of an unknown channel, JSON null, a number, binary, and more of the kind."""
    ann = tab("ann")

    heard = ann.say(message).hear()

    assert heard["rpc"] is True
    assert heard["type"] in ("error", "exception")
    (said,) = heard[heard["type"] if heard["type"] == "exception" else "error"]
    assert sentence(said)
    assert ann.rows() == {}
