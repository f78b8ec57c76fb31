"""
Runs: mutations that share a savepoint end as if each had one of its own (R1, R6, R8).

The slow model is the same ledger with one mutation in a turn, each by its mutator and in a savepoint of its own.
"""

import random

import pytest

from partysync_server import ledger as module
from partysync_server.ledger import Ledger, Verdict
from partysync_widget.core import messages as m
from partysync_widget.core.party import Party, mutator

SEEDS = range(16)


class Shelf(Party):
    """Refusals of every kind: by a rule, by the mutator, and by what it wrote and no frame can carry."""

    durability = "process"  # nobody pulls the plug here
    schema = """CREATE TABLE books (
        id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL CHECK (n < 90), weight REAL, title TEXT
    ) STRICT"""

    @mutator
    def put(tx, id: str, n: int):
        tx.insert("books", id=id, n=n)

    @mutator
    def add(tx, id: str, n: int):
        tx.sql("UPDATE books SET n = n + ? WHERE id = ?", n, id)
        row = tx.get("books", id)
        if row is None:
            raise LookupError(id)
        return row["n"]

    @mutator
    def press(tx, id: str):
        tx.sql("UPDATE books SET weight = 9e999 WHERE id = ?", id)

    @mutator
    def garble(tx, id: str):
        tx.sql("UPDATE books SET title = CAST(x'ff' AS TEXT) WHERE id = ?", id)

    @mutator
    def count(tx):
        return tx.sql("SELECT count(*) AS n, total(n) AS sum FROM books")[0]


def mutations(seed):
    """A few hundred, of two clients."""
    chance, last = random.Random(seed), {"ann": 0, "bob": 0}
    refusals, plain = chance.choice((0.0, 0.02, 0.3)), chance.choice((0.1, 0.5, 0.9))
    for _ in range(300):
        client = chance.choice(("ann", "bob"))
        last[client] += 1
        id = f"book-{chance.randrange(30)}"
        if chance.random() < plain:
            yield client, m.Mutation(last[client], *edit(chance, id, refusals))
            continue
        if chance.random() < refusals:
            name, args = chance.choice([("press", {"id": id}), ("garble", {"id": id}), ("put", {"id": id, "n": 95})])
        else:
            name, args = chance.choice(
                [("put", {"id": f"{id}-{sum(last.values())}", "n": 1}), ("add", {"id": id, "n": 1}), ("count", {})]
            )
        yield client, m.Mutation(last[client], name, args)


def edit(chance, id, refusals):
    """One that is a single statement. With a table of 30 ids some are refused, for the row is there or is not."""
    n = 95 if chance.random() < refusals else chance.randrange(9)  # 95 is against the rule
    return chance.choice(
        [
            ("insert", {"table": "books", "id": id, "values": {"n": n}}),
            ("update", {"table": "books", "id": id, "values": {"n": n}}),
            ("delete", {"table": "books", "id": id}),
        ]
    )


def decided(ledger, turns, *, alone=False):
    """All that can be seen of a ledger after these turns."""
    for turn in turns:
        ledger.begin()
        if alone:
            ledger._wary = len(turn)
        assert {ledger.decide(client, client, mutation) for client, mutation in turn} == {Verdict.DECIDED}
        ledger.seal()
        ledger.commit()
    rows = list(ledger.store.rows("books"))
    stamps = ledger.store.execute("SELECT tbl, id, version, dead FROM _partysync_rows ORDER BY tbl, id").fetchall()
    seen = (ledger.version, ledger.rejected, rows, stamps, ledger.acks(0), ledger.results("true"))
    ledger.close()
    return seen


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_ends_as_if_each_mutation_had_a_turn_of_its_own(tmp_path, seed):
    """R1, R6, R8."""
    chance, wanted = random.Random(f"turns {seed}"), list(mutations(seed))
    turns, rest = [], wanted
    while rest:
        size = chance.choice((1, 7, module.RUN - 1, module.RUN, module.RUN + 1, 300))
        turns.append(rest[:size])
        rest = rest[size:]

    alone = decided(Ledger(tmp_path / "alone" / "room.db", Shelf, "e"), [[each] for each in wanted], alone=True)
    together = decided(Ledger(tmp_path / "together" / "room.db", Shelf, "e"), turns)

    assert together == alone


def test_a_run_that_is_undone_takes_nothing_else_with_it(tmp_path):
    """R6: results that a client has seen are forgotten in the same turn, and stay so."""
    ledger = Ledger(tmp_path / "rooms" / "room.db", Shelf, "e")
    ledger.begin()
    ledger.decide("ann", "ann", m.Mutation(1, "count", {}))
    ledger.seal()
    ledger.commit()
    ledger.begin()
    ledger.decide("ann", "ann", m.Mutation(2, "put", {"id": "a", "n": 1}))
    ledger.decide("ann", "ann", m.Mutation(3, "press", {"id": "a"}))  # noticed when the run ends
    ledger.forget_results("ann", 1)
    ledger.seal()
    ledger.commit()

    assert [(each.mid, each.code) for each in ledger.results("true")] == [(3, "bad-value")]
    assert [row[1:4] for row in ledger.store.rows("books")] == [("a", 1, None)]
    ledger.close()
