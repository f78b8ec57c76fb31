"""A room whose storage fails: what was acknowledged has its effect once (R9)."""

import pytest

from partysync_server.ledger import Ledger
from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode
from partysync_widget.core.errors import StorageFailed
from tests.stage import Todos


def reopen(stage):
    """The file is opened again, and the room asks it what has happened."""
    stage.ledger.close()
    stage.ledger = Ledger(stage.path, Todos, stage.ledger.epoch)
    stage.room.recover(stage.ledger)


@pytest.mark.parametrize("committed", [True, False])
def test_after_a_commit_of_unknown_outcome_every_mutation_has_its_effect_once(make_stage, committed):
    """R5, R9. The commit raised; the file says whether it happened."""
    stage = make_stage(party=Todos)
    ada, bob = stage.enter("ada"), stage.enter("bob")
    made = [ada.mutate("create", id="1", text="a"), ada.mutate("create", id="2", text="x"), bob.mutate("clear")]
    for kernel in (ada, bob):
        kernel.push()
        kernel.carry_up()

    stage.room.turn()
    if committed:
        stage.room.commit()
    reopen(stage)
    assert stage.room.waiting
    stage.rest()

    assert stage.ledger.version == len(made)
    assert [ada.outcome(made[0]), ada.outcome(made[1])] == ["created by ada"] * 2
    assert bob.outcome(made[2]) is None
    stage.assert_agreed(ada, bob)


def test_a_barrier_outlives_a_failed_turn(make_stage):
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    ada.mutate("create", id="1", text="a")
    ada.push()
    ada.up.append(encode(m.Barrier(1), "json"))
    ada.carry_up()

    stage.room.turn()
    reopen(stage)
    assert ada.owed() == []
    stage.rest()

    assert ada.barriers == [1]


def test_a_snapshot_begun_before_a_failed_turn_begins_anew(make_stage):
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    bob = stage.enter("bob", connected=False).connect()
    bob.carry_up()
    assert len(bob.owed()) == 2
    bob.carry_down()

    reopen(stage)
    ada.mutate("create", id="1", text="a")
    stage.rest()

    stage.assert_agreed(ada, bob)


def test_a_turn_that_the_disk_refuses_is_no_decision(make_stage):
    """R6, R9."""
    stage = make_stage(party=Todos)
    ada = stage.enter("ada")
    ada.mutate("create", id="1", text="a")
    ada.push()
    ada.carry_up()
    store = stage.ledger.store
    store.execute("CREATE TABLE _partysync_filler (x)")
    store.execute(f"PRAGMA max_page_count = {store.execute('PRAGMA page_count').get}")
    fill = [[f"f{n:04}", "x" * 19] for n in range(500)]
    ada.mutate("insert_rows", table="todos", columns=["id", "text"], rows=fill)
    ada.push()
    ada.carry_up()

    with pytest.raises(StorageFailed):
        stage.room.turn()
    reopen(stage)
    stage.rest()

    assert len(stage.rows()) == 501
    stage.assert_agreed(ada)
