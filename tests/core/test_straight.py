"""
Straight edits do what their mutators do, or leave it to them.

The slow model is the mutator, on a store of its own.
"""

import random

import apsw
import pytest

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected
from partysync_widget.core.party import Main, Party
from partysync_widget.core.sight import EVERYTHING, Sight
from partysync_widget.core.store import Store
from partysync_widget.core.straight import series, statement

COLUMNS = [
    m.Column("text", "text", required=True),
    m.Column("n", "integer", default=7),
    m.Column("done", "boolean"),
    m.Column("kind", "choice", choices=("low", "high")),
    m.Column("blob", "bytes"),
    m.Column("any", "json"),
    m.Column("day", "date"),
]
GOOD = {
    "text": ["a", "ü", ""],
    "n": [1, -1, 2.0, None],
    "done": [True, 0, None],
    "kind": ["low", None],
    "blob": [{"base64": "AA=="}, None],
    "any": [{"a": [1]}, "x", None],
    "day": ["2026-11-27", None],
}
BAD = ["NUL \0", "\ud800", 1.5, 2, "tomorrow", {"base64": "!"}, [], {"x": 1}, 1 << 70, "other", True]
IDS = ["a", "b", "c", "", None, 1, "NUL \0", ["a"]]


@pytest.fixture
def two():
    """The same store twice."""
    made = []
    for _ in range(2):
        store = Store.memory(Main)
        store.create_table(m.TableSpec("t", tuple(COLUMNS)))
        store.savepoint("turn")
        made.append(store)
    yield made
    for store in made:
        store.close()


def arguments(chance):
    """A mutation as somebody might make it: most are fine, some are wrong in one way or another."""
    name = chance.choice(["insert", "update", "delete"])
    id = chance.choice(IDS[:3]) if chance.random() < 0.85 else chance.choice(IDS)
    names = chance.sample(list(GOOD), chance.randint(0, 4))
    values = {each: chance.choice(GOOD[each]) if chance.random() < 0.95 else chance.choice(BAD) for each in names}
    if name == "insert" and chance.random() < 0.9:
        values.setdefault("text", "a")
    args = {"table": "t", "id": id, **({} if name == "delete" else {"values": values})}
    if chance.random() < 0.1:
        wrong = [
            ("table", "u"),
            ("table", []),
            ("values", None),
            ("values", []),
            ("values", {"nothing": 1}),
            ("more", 1),
        ]
        args = {**args, **dict([chance.choice(wrong)])}
    if chance.random() < 0.03 and isinstance(args.get("values"), dict):
        args["values"]["id"] = "z"
    return name, args


def everything(store):
    stamps = store.execute("SELECT tbl, id, version, dead FROM _partysync_rows ORDER BY tbl, id").fetchall()
    return store.rows("t"), stamps


def mutate(store, name, args):
    """As the mutator does it; whether it was accepted."""
    store.savepoint("mutation")
    try:
        store.run(name, args)
    except MutationRejected:
        store.undo("mutation")
        return False
    finally:
        store.release("mutation")
    return True


@pytest.mark.parametrize("seed", range(30))
def test_what_has_a_statement_does_by_it_what_its_mutator_does(two, seed):
    """R1, R7: the same rows and stamps, and refused where the mutator refuses."""
    chance, (slow, quick), straight = random.Random(seed), two, 0
    for version in range(1, 200):
        name, args = arguments(chance)
        slow.version = quick.version = version
        accepted = mutate(slow, name, args)
        found = statement(quick.tables, name, args)
        if found is None:
            assert mutate(quick, name, args) == accepted
        else:
            straight += 1
            quick.savepoint("mutation")
            try:
                quick.write(found)
                assert accepted, (name, args)
            except (MutationRejected, apsw.ConstraintError):
                quick.undo("mutation")
                assert not accepted, (name, args)
            quick.release("mutation")
        assert everything(quick) == everything(slow), (name, args)
    assert straight > 100


def bursts(chance):
    """Mutations as somebody makes them one after the other: mostly like the one before, on other rows."""
    name, args, made = "", {}, []
    for mid in range(1, chance.randint(2, 12)):
        if not name or chance.random() < 0.3:
            name, args = arguments(chance)
            args = {**args, "table": "t"} if chance.random() < 0.9 else args
        else:
            args = {**args, "id": chance.choice([*IDS[:3], "d", "e", "f"])}
            if chance.random() < 0.5 and isinstance(args.get("values"), dict):
                args["values"] = {each: chance.choice(GOOD.get(each, [1])) for each in args["values"]}
        made.append(m.Mutation(mid, name, args))
    return made


@pytest.mark.parametrize("seed", range(30))
def test_a_series_does_what_its_mutators_do_one_after_the_other_or_nothing(two, seed):
    """R1, R7: the same rows, each stamped with the version of its own mutation; refused if the mutator of one is."""
    chance, (slow, quick), version, lengths = random.Random(f"series {seed}"), two, 1, []
    for _ in range(60):
        burst = bursts(chance)
        found = series(quick.tables, burst[0], burst[1:])
        assert (found is None) == (statement(quick.tables, burst[0].name, burst[0].args) is None)
        length = len(found.values) if found is not None else 1
        accepted = []
        for number, mutation in enumerate(burst[:length], version):
            slow.version = number
            accepted.append(mutate(slow, mutation.name, mutation.args))
        if found is None:
            quick.version = version
            assert mutate(quick, burst[0].name, burst[0].args) == accepted[0]
        else:
            lengths.append(length)
            quick.savepoint("series")
            try:
                quick.write_series(found, version)
                assert all(accepted), burst
            except (MutationRejected, apsw.ConstraintError):
                quick.undo("series")
                assert not all(accepted), burst
                for number, mutation in enumerate(burst[:length], version):
                    quick.version = number
                    mutate(quick, mutation.name, mutation.args)
            quick.release("series")
        assert everything(quick) == everything(slow), burst
        version += length
    assert max(lengths) > 4


def test_a_series_is_as_long_as_its_mutations_are_alike(two):
    """R7: whatever is not just like the first is for another step."""

    args = {"table": "t", "id": "a", "values": {"text": "a", "kind": "low"}}

    def insert(**how):
        return m.Mutation(how.pop("mid", 3), "insert", {**args, **how})

    others = [
        m.Mutation(3, "update", args),
        insert(mid=2),
        insert(mid=4),
        insert(table="u"),
        insert(more=1),
        insert(id=""),
        insert(id=7),
        insert(id="NUL \0"),
        insert(values={"text": "a"}),
        insert(values={"kind": "low", "text": "high"}),
        insert(values=["text", "kind"]),
        insert(values={"text": None, "kind": "low"}),
        insert(values={"text": "a", "kind": "other"}),
        m.Mutation(3, "insert", {"table": "t", "values": args["values"], "key": "a"}),
    ]
    for other in others:
        behind = iter([insert(mid=2, id="b", values={"text": "b", "kind": None}), other, insert(mid=4, id="c")])
        found = series(two[0].tables, insert(mid=1), behind)
        assert [row[-1] for row in found.values] == ["a", "b"], other
        assert next(behind).args["id"] == "c"
    assert series(two[0].tables, insert(id=""), [insert()]) is None


def test_an_update_in_a_series_that_finds_no_row_refuses_all_of_it(two):
    """R7."""
    store = two[0]
    store.run("insert", {"table": "t", "id": "a", "values": {"text": "a"}})

    def burst(*ids):
        args = [{"table": "t", "id": id, "values": {"n": 1}} for id in ids]
        first, *others = [m.Mutation(mid, "update", each) for mid, each in enumerate(args)]
        return series(store.tables, first, others)

    store.write_series(burst("a", "a", "a"), 5)
    with pytest.raises(MutationRejected, match="not there"):
        store.write_series(burst("a", "b", "a"), 8)


@pytest.mark.parametrize(
    "how",
    [{"role": "viewer"}, {"role": ""}, {"sight": Sight(frozenset({"t"}))}, {"name": "upsert"}],
    ids=["a viewer", "nobody", "something is hidden", "another mutator"],
)
def test_what_may_be_refused_is_left_to_the_mutator(two, how):
    """R13."""
    args = {"table": "t", "id": "a", "values": {"text": "a"}}
    plain = {"name": "insert", "role": "editor", "sight": EVERYTHING}

    def straight(name, role, sight):
        return two[0].straight(name, args, role=role, sight=sight)

    def burst(name, role, sight):
        return two[0].series(m.Mutation(1, name, args), [m.Mutation(2, name, args)], role=role, sight=sight)

    for way in (straight, burst):
        assert way(**plain) is not None
        assert way(**{**plain, **how}) is None


RULES = {
    "a trigger": "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, n INTEGER) STRICT; "
    "CREATE TRIGGER rule AFTER INSERT ON t BEGIN UPDATE t SET n = 1 WHERE id = NEW.id; END;",
    "a foreign key": "CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL) STRICT; "
    "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, u TEXT REFERENCES u (id)) STRICT",
}


@pytest.mark.parametrize("schema", RULES.values(), ids=RULES)
def test_where_one_row_changes_another_nothing_is_straight(schema):
    """R8."""
    store = Store.memory(type("Ruled", (Party,), {"schema": schema}))

    assert not store.plain
    assert store.straight("delete", {"table": "t", "id": "a"}, role="owner", sight=EVERYTHING) is None
    store.close()


def test_a_table_that_is_made_or_taken_back_is_looked_at_again():
    """R8."""
    store = Store.memory(Main)
    assert not store.plain
    store.savepoint("mutation")
    store.create_table(m.TableSpec("t", tuple(COLUMNS)))
    assert store.plain
    store.undo("mutation")

    assert not store.plain
    store.close()
