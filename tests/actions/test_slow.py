"""An ``on_action`` that is ``async``: it takes its time, and nobody else's; its SQL is one decision all the same."""

import time

import pytest

from partysync_widget.core.errors import MutationRejected
from tests.actions.parties import Slow
from tests.dialect.tab import Tab


def begun(world, *ids):
    """Whether the actions about these have begun, and no others: in this order."""
    return lambda: world.noted("begun") == [*ids]


def test_others_go_on_at_full_speed_beside_an_action_that_waits(come, world, wait_until):
    """R1, R12: their edits are decided, and told to everybody, its author included."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")
    slow = ann.act("todos", "create", {"id": "slow", "text": "at last", "gate": "gate"})
    wait_until(begun(world, "slow"))

    began = time.monotonic()
    for n in range(200):
        bob.mutate("add_now", id=f"b{n}").result(8)
    took = time.monotonic() - began

    ann_sees = wait_until(lambda: len(ann.table("todos")) == 200)
    assert ann_sees
    assert not slow.done()
    assert took < 8, "Each is a turn and a sync of the disk, and waits for nothing else."
    world.open("gate")
    assert slow.result(8) == [{"id": "slow", "text": "at last", "completed": 0}]
    bob.sync(8)
    assert bob.table("todos")["slow"]["text"] == "at last"


def test_the_edits_of_one_client_keep_their_order_behind_its_action(house, come, world, wait_until):
    """R5, B5: what it sends later waits, and is decided in order."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")
    first = ann.act("todos", "create", {"id": "1", "text": "x", "gate": "gate"})
    later = [
        ann.mutate("add_now", id="2"),
        ann.act("todos", "create", {"id": "3", "text": "x"}),
        ann.mutate("add_now", id="4"),
    ]
    wait_until(begun(world, "1"))
    bob.mutate("add_now", id="of bob").result(8)

    assert not any(each.done() for each in (first, *later))
    world.open("gate")
    for each in (first, *later):
        each.result(8)

    bob.sync(8)
    assert [row["id"] for row in bob.table("todos").records] == ["of bob", "1", "2", "3", "4"]
    assert world.noted("begun") == ["1", "3"]
    assert "a session was ended" not in house.log, "They wait, and are not sent away to come again."


def test_actions_of_several_people_wait_beside_each_other(come, world, wait_until):
    """The one that is ready first is decided first."""
    people = [come(Slow, user=name) for name in ("ann", "bob", "cy")]
    waiting = [
        each.act("todos", "create", {"id": f"{n}", "text": "x", "gate": f"gate {n}"}) for n, each in enumerate(people)
    ]
    wait_until(lambda: sorted(world.noted("begun")) == ["0", "1", "2"])

    for n in (2, 0, 1):
        world.open(f"gate {n}")
        waiting[n].result(8)

    people[0].sync(8)
    assert [row["id"] for row in people[0].table("todos").records] == ["2", "0", "1"]


def test_sql_that_an_await_splits_is_refused_and_nothing_of_it_stays(come):
    """R8."""
    ann = come(Slow)

    with pytest.raises(MutationRejected, match="split awaited something after its SQL") as refused:
        ann.act("todos", "split", {"id": "a"}).result(8)

    assert refused.value.code == "bad-sql"
    ann.mutate("add_now", id="b").result(8)
    assert [row["id"] for row in ann.table("todos").records] == ["b"]


@pytest.mark.parametrize("where", ["in a task", "in a thread"])
def test_sql_outside_of_the_hook_itself_is_refused(come, where):
    """R8: nobody would know to which decision it belongs."""
    ann = come(Slow)

    with pytest.raises(MutationRejected, match="asked for outside of it"):
        ann.act("todos", where, {"id": "a"}).result(8)

    assert ann.table("todos").records == []


def test_an_action_without_sql_is_decided_too(come):
    """R6."""
    ann = come(Slow)

    assert ann.act("todos", "nothing", {"id": "a"}).result(8) == "nothing was done"
    with pytest.raises(MutationRejected, match="fails raised ValueError: a"):
        ann.act("todos", "fails", {"id": "a"}).result(8)


def test_an_action_has_so_much_time_and_no_more(serve, enter, monkeypatch, world):
    """R6: it is refused with a sentence, also one that would rather not end, and the next is decided."""
    monkeypatch.setenv("PARTYSYNC_TEST_SECONDS", "0.2")
    ann = enter("r", at=serve(), party=Slow)

    for kind in ("for ever", "stubborn"):
        with pytest.raises(MutationRejected, match=f"{kind} was given up after 0.2 s") as refused:
            ann.act("todos", kind, {"id": "a"}).result(8)
        assert refused.value.code == "too-slow"

    ann.mutate("add_now", id="b").result(8)
    assert [row["id"] for row in ann.table("todos").records] == ["b"]
    assert world.noted("begun")[-1] == "cancelled"


def test_sql_of_an_action_that_never_ends_is_stopped_as_a_mutators_is(come):
    """R6: and what others did in the same turn is decided all the same."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")

    endless = ann.act("todos", "endless", {"id": "a"})
    for n in range(20):
        bob.mutate("add_now", id=f"b{n}")

    with pytest.raises(MutationRejected, match="endless was stopped after 0.3 s"):
        endless.result(8)
    bob.sync(8)
    assert [row["id"] for row in bob.table("todos").records] == [f"b{n}" for n in range(20)]


def test_an_action_in_a_turn_that_another_took_along_is_decided_all_the_same(come):
    """R5, R6: it cannot be run twice, so it is begun anew; its SQL stays once."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")

    for n in range(5):
        made = [ann.act("todos", "create", {"id": f"{n} {m}", "text": "x"}) for m in range(5)]
        stopped = bob.mutate("never_ends")
        for each in made:
            each.result(20)
        with pytest.raises(MutationRejected, match="never_ends was stopped"):
            stopped.result(20)

    bob.sync(8)
    assert [row["id"] for row in bob.table("todos").records] == [f"{n} {m}" for n in range(5) for m in range(5)]


@pytest.mark.parametrize("stays", [True, False])
def test_whoever_may_change_nothing_any_more_is_refused_when_it_is_decided(
    house, come, enter, world, wait_until, stays
):
    """A2: the role counts at the decision, also of who has left; who waits for the next turn is not held up by it."""
    ann = come(Slow, user="ann")
    share = ann.share("editor")
    guest = enter(share.link, at=house, party=Slow, url=None, token=None)
    waits = guest.act("todos", "create", {"id": "g", "text": "x", "gate": "gate"})
    wait_until(begun(world, "g"))

    if not stays:
        guest.close()
        wait_until(lambda: house.sessions() == 1)
    ann.revoke(share)
    wait_until(lambda: guest.status == ("failed" if stays else "closed"))
    world.open("gate")

    assert ann.act("todos", "create", {"id": "a", "text": "x"}).result(8)
    ann.sync(8)
    assert [row["id"] for row in ann.table("todos").records] == ["a"]
    assert not waits.done() or waits._future.exception()


def test_a_viewer_acts_on_nothing(house, come, enter, world):
    """R13: refused in the kernel, and in the room, where nothing is begun."""
    ann = come(Slow, user="ann")
    link = ann.share("viewer").link
    guest = enter(link, at=house, party=Slow, url=None, token=None)
    guest.sync(8)

    with pytest.raises(MutationRejected, match="viewers change nothing"):
        guest.act("todos", "create", {"id": "g", "text": "x"})
    page = Tab(house, f"/parties/slow/{ann.name}", token=link.partition("#")[2])
    try:
        [why] = page.result("create", {"id": "g", "text": "x"})
    finally:
        page.close()

    assert "viewers change nothing" in why
    assert world.noted("begun") == []


def test_a_room_stays_open_for_an_action_though_everybody_has_left(serve, enter, world, wait_until):
    """R6: what was sent is decided."""
    server = serve("--idle-room", "0.1")
    ann = enter("r", at=server, party=Slow)
    ann.act("todos", "create", {"id": "slow", "text": "x", "gate": "gate"})
    wait_until(begun(world, "slow"))
    ann.close()
    other = enter("other", at=server, party=Slow)
    other.mutate("add_now", id="x").result(8)
    other.close()
    wait_until(
        lambda: len(server.files("*.db-wal")) == 1, what="The other room, which nothing keeps open, being closed"
    )

    world.open("gate")

    wait_until(lambda: not server.files("*.db-wal"))
    again = enter("r", at=server, party=Slow)
    again.sync(8)
    assert [row["id"] for row in again.table("todos").records] == ["slow"]
    assert world.noted("begun") == ["slow"]


def test_steps_of_a_party_run_one_at_a_time(come):
    """Its ``self`` needs no locks, whoever acts."""
    people = [come(Slow, user=f"p{n}") for n in range(4)]
    made = [each.act("todos", "step", {"id": f"{n} {m}"}) for m in range(20) for n, each in enumerate(people)]
    for each in made:
        each.result(20)

    people[0].sync(8)
    assert {row["text"] for row in people[0].table("todos").records} == {"1"}


def test_a_barrier_of_its_author_waits_for_an_action_and_that_of_others_does_not(come, world, wait_until):
    """R2, B5: ``sync`` is for what one has sent oneself."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")
    slow = ann.act("todos", "create", {"id": "slow", "text": "x", "gate": "gate"})
    wait_until(begun(world, "slow"))

    bob.mutate("add_now", id="b")
    bob.sync(8)
    ann_waits = ann.connection.barrier()
    bob.mutate("add_now", id="c")
    bob.sync(8)

    assert not ann_waits.done()
    world.open("gate")
    ann_waits.result(8)
    assert slow.done()


def test_others_are_shown_an_action_as_its_authors_and_undecided(come, world, wait_until):
    """R11, D8: as a draft of the row that it is about, which ends in the delta that carries the row."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")
    slow = ann.act("todos", "create", {"id": "slow", "text": "at last", "gate": "gate"})

    def drafts():
        with bob.connection.lock:
            return [draft.rows for _, draft in bob.connection.replica.drafts_of("todos")]

    wait_until(lambda: drafts() == [{"slow": {"text": "at last"}}])
    assert "slow" not in bob.table("todos")
    world.open("gate")
    slow.result(8)
    bob.sync(8)
    assert drafts() == []
    assert bob.table("todos")["slow"]["text"] == "at last"


def test_an_action_is_decided_though_its_author_has_gone(come, world, wait_until):
    """R6: and the room stays open for it."""
    ann, bob = come(Slow, user="ann"), come(Slow, user="bob")
    ann.act("todos", "create", {"id": "slow", "text": "x", "gate": "gate"})
    wait_until(begun(world, "slow"))
    ann.close()

    world.open("gate")

    wait_until(lambda: "slow" in bob.table("todos"))
    assert world.noted("begun") == ["slow"]


def test_an_action_that_is_sent_again_while_it_waits_runs_once(come, world, wait_until):
    """R5: the line was cut and mended, and nothing is begun twice."""
    ann = come(Slow, user="ann")
    slow = ann.act("todos", "create", {"id": "slow", "text": "x", "gate": "gate"})
    wait_until(begun(world, "slow"))

    ann.offline()
    ann.online()
    later = ann.mutate("add_now", id="later")
    wait_until(lambda: ann.status == "live")
    world.open("gate")

    slow.result(8)
    later.result(8)
    assert world.noted("begun") == ["slow"]
    assert [row["id"] for row in ann.table("todos").records] == ["slow", "later"]


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_an_action_that_a_server_took_down_with_it_is_run_again(house, come, world, wait_until, how):
    """R5, R6: nothing of it was kept, its client sends it again; what it did outside is done twice."""
    ann = come(Slow, user="ann")
    slow = ann.act("todos", "create", {"id": "slow", "text": "x", "gate": "gate"})
    later = ann.mutate("add_now", id="later")
    wait_until(begun(world, "slow"))

    getattr(house, how)()
    house.start()

    wait_until(begun(world, "slow", "slow"), 20)
    world.open("gate")
    slow.result(20)
    later.result(20)
    assert [row["id"] for row in ann.table("todos").records] == ["slow", "later"]


def test_an_action_that_was_decided_is_not_run_again_after_a_kill(house, come, world):
    """R5, R9."""
    ann = come(Slow, user="ann")
    ann.act("todos", "create", {"id": "a", "text": "x"}).result(8)

    house.kill()
    house.start()

    ann.mutate("add_now", id="b").result(20)
    assert world.noted("begun") == ["a"]
    assert [row["id"] for row in ann.table("todos").records] == ["a", "b"]


def test_a_page_waits_for_its_own_actions_and_for_nobody_elses(tab, world, wait_until):
    """R5: in the ancestor they ran into each other (fault g1)."""
    ann, bob = tab("slow", "r", "a"), tab("slow", "r", "b")
    for each in (ann, bob):
        each.rows()
    ann.act("create", {"id": "1", "text": "x", "gate": "gate"}, id="one")
    ann.act("create", {"id": "2", "text": "x"}, id="two")
    wait_until(begun(world, "1"))

    assert bob.result("create", {"id": "b", "text": "x"})[0][0] == "b"
    world.open("gate")

    answered = []
    while len(answered) < 2:
        heard = ann.hear()
        answered += [heard["id"]] if heard.get("type") == "success" else []
    assert answered == ["one", "two"]
    assert list(bob.rows()) == ["b", "1", "2"]


def test_a_page_that_comes_back_and_sends_it_again_has_it_run_once(tab, world, wait_until):
    """R5, fault e2: the same id under the same ``_pk``, while the first still waits."""
    ann = tab("slow", "r", "a")
    ann.rows()
    ann.act("create", {"id": "1", "text": "x", "gate": "gate"}, id="one")
    wait_until(begun(world, "1"))
    ann.close()

    back = tab("slow", "r", "a")
    back.act("create", {"id": "1", "text": "x", "gate": "gate"}, id="one")
    world.open("gate")

    while (heard := back.hear()).get("id") != "one":
        pass
    assert [record[0] for record in heard["result"]] == ["1"]
    assert world.noted("begun") == ["1"]
