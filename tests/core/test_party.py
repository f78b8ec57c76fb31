"""Parties: what a class says of its rooms, and how a mutator takes its arguments."""

import datetime as dt
import decimal
import enum
import math
import uuid
from dataclasses import dataclass
from typing import Literal

import pytest

from partysync_widget.core.errors import MutationRejected, SchemaMismatch
from partysync_widget.core.messages import Column
from partysync_widget.core.party import ROW_MUTATORS, TABLE_MUTATORS, Main, Mutator, Party, kebab, mutator


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0


# --- a mutator and its arguments ------------------------------------------------------------------------------------


def create(tx, id: str, text: str = "", *, tags: list[str] | None = None):
    """Make one."""


CREATE = Mutator(create)


def test_a_mutator_is_called_as_its_function_and_says_what_it_does():
    assert (CREATE.name, CREATE.__doc__) == ("create", "Make one.")


def test_arguments_reach_the_function_with_their_defaults():
    assert CREATE.bound({"id": "a"}) == {"id": "a", "text": "", "tags": None}
    assert CREATE.bound({"id": "a", "text": "b", "tags": ["c"]}) == {"id": "a", "text": "b", "tags": ["c"]}


def test_a_boolean_may_be_0_or_1_as_in_a_column_and_as_web_pages_have_it():
    def mark(tx, done: bool, sure: bool | None = None, size: bool | int = 0, *, n: int = 0, many: list[bool] = ()):
        """Mark it."""

    bound = Mutator(mark).bound

    assert bound({"done": 1, "sure": 0}) == {"done": True, "sure": False, "size": 0, "n": 0, "many": ()}
    assert [type(value) for value in bound({"done": 0, "size": 1, "n": 1}).values()] == [
        bool, type(None), int, int, tuple,
    ]  # fmt: skip
    for wrong in (2, "1", 1.0, None):
        with pytest.raises(MutationRejected, match="done"):
            bound({"done": wrong})
    with pytest.raises(MutationRejected, match="got `int`"):
        bound({"done": True, "many": 1})


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({}, "id"),
        ({"id": 1}, "Expected `str`, got `int`"),
        ({"id": "a", "txt": "b"}, "txt"),
        ({"id": "a", "tags": "b"}, "tags"),
        ({"id": "a", "tags": [1]}, "tags"),
        ({"id": None}, "id"),
    ],
)
def test_a_wrong_call_is_refused_with_the_argument_and_how_it_is_called(args, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        CREATE.bound(args)

    assert refused.value.code == "bad-arguments"
    assert "create(" in refused.value.message
    assert "id: str" in refused.value.message


def test_the_usage_is_the_call_without_tx():
    assert CREATE.usage.startswith("create(id: str, text: str = ")
    assert "tx" not in CREATE.usage


def everything(
    tx,
    anything,
    at: dt.datetime,
    day: dt.date,
    colour: Colour,
    point: Point,
    size: Literal["S", "M"],
    price: decimal.Decimal,
    raw: bytes,
    later: "Later",
    key: uuid.UUID,
): ...


@dataclass
class Later:
    n: int


def test_arguments_travel_as_plain_data_and_arrive_as_what_they_are():
    """The function sees the same in the kernel and in the room."""
    mutator = Mutator(everything)
    args = {
        "anything": {"a": [1, None]}, "at": dt.datetime(2026, 11, 23, tzinfo=dt.UTC), "day": dt.date(2026, 11, 23),
        "colour": Colour.RED, "point": Point(1), "size": "M", "price": decimal.Decimal("1.50"), "raw": b"\0",
        "later": Later(3), "key": uuid.UUID(int=7),
    }  # fmt: skip

    plain = mutator.plain(args)

    assert plain["at"] == "2026-11-23T00:00:00Z"
    assert plain["point"] == {"x": 1, "y": 0}
    assert mutator.bound(plain) == args


@pytest.mark.parametrize(
    ("value", "code", "why"),
    [
        (object(), "bad-value", "is not plain data"),
        (math.nan, "bad-value", "nan"),
        (2**63, "bad-value", "64 bits"),
        ("\ud800", "bad-value", "surrogate"),
        ([[math.inf]], "bad-value", "inf"),
    ],
)
def test_a_value_that_cannot_travel_is_refused_before_it_does(value, code, why):
    with pytest.raises(MutationRejected, match=why) as refused:
        Mutator(everything).plain({"anything": value})

    assert refused.value.code == code


def test_a_wrong_call_is_refused_in_the_kernel_too():
    with pytest.raises(MutationRejected, match="id"):
        CREATE.plain({"text": "b"})


def recursive():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [recursive(), 10**5000], ids=["a circle", "5,001 digits"])
def test_a_strange_value_is_refused_like_any_other(value):
    with pytest.raises(MutationRejected):
        Mutator(everything).plain({"anything": value})


def test_the_shape_is_found_once():
    assert CREATE.shape is CREATE.shape


def by_position(tx, id, /): ...


@pytest.mark.parametrize(
    "function",
    [lambda: 0, lambda *rows: 0, lambda tx, *rows: 0, lambda tx, **values: 0, by_position],
    ids=["nothing", "only *args", "*args", "**kwargs", "by position only"],
)
def test_a_function_whose_arguments_have_no_names_is_no_mutator(function):
    with pytest.raises(TypeError, match="must be written as"):
        Mutator(function)


# --- a party --------------------------------------------------------------------------------------------------------


class TodoList(Party):
    schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, done INTEGER, due TEXT) STRICT"
    types = {"todos": {"done": bool, "due": dt.date}}

    @mutator
    def create(tx, id: str): ...


class Shared(TodoList):
    @mutator
    def share(tx, id: str, with_: str): ...


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Todos", "todos"), ("TodoList", "todo-list"), ("HTTPServer", "http-server"), ("Room2B", "room2-b"),
        ("my_party", "my-party"), ("A", "a"), ("ABC", "abc"),
    ],
)  # fmt: skip
def test_a_party_is_called_as_its_class_in_kebab_case(name, found):
    assert kebab(name) == found
    assert type(name, (Party,), {}).name == found


def test_a_party_may_have_a_name_of_its_own_and_its_subclass_has_another():
    named = type("TodoList", (Party,), {"name": "lists"})

    assert named.name == "lists"
    assert type("Special", (named,), {}).name == "special"


def test_a_partys_mutators_are_its_own_and_its_parents():
    assert list(TodoList.mutators) == ["create"]
    assert list(Shared.mutators) == ["create", "share"]
    assert Party.mutators == {}


def test_a_subclass_may_do_better_than_its_parent():
    class Better(TodoList):
        @mutator
        def create(tx, id: str, text: str): ...

    assert Better.mutators["create"] is not TodoList.mutators["create"]


def test_the_built_in_mutators_are_the_rows_unless_a_party_says_otherwise():
    assert TodoList.built_in == ROW_MUTATORS
    assert Main.built_in == (*ROW_MUTATORS, *TABLE_MUTATORS)
    assert type("Closed", (Party,), {"built_in": ()}).built_in == ()


def test_a_built_in_mutator_that_does_not_exist_is_refused():
    with pytest.raises(SchemaMismatch, match="truncate"):
        type("Wrong", (Party,), {"built_in": ("insert", "truncate")})


def test_a_mutator_that_is_built_in_already_is_refused():
    with pytest.raises(SchemaMismatch, match="'insert', which is built in"):
        type("Wrong", (Party,), {"insert": mutator(create_insert())})


def test_a_party_without_the_built_in_one_may_have_its_own():
    own = type("Own", (Party,), {"built_in": (), "insert": mutator(create_insert())})

    assert list(own.mutators) == ["insert"]


def create_insert():
    def insert(tx, id: str): ...

    return insert


def test_the_types_are_columns():
    assert TodoList.column_types() == {"todos": {"done": Column("done", "boolean"), "due": Column("due", "date")}}
    assert Main.column_types() == {}


def changed(**differences):
    own = {
        "schema": TodoList.schema,
        "types": TodoList.types,
        "name": "todo-list",
        "create": TodoList.mutators["create"],
    }
    return type("TodoList", (Party,), {**own, **differences})


def test_two_sides_with_the_same_class_have_one_fingerprint():
    assert changed().fingerprint() == TodoList.fingerprint()


def test_the_layout_of_the_schema_and_the_body_of_a_mutator_do_not_matter():
    """A bug may be mended on one side first."""

    def create(tx, id: str):
        tx.delete("todos", id)

    same = changed(schema=TodoList.schema.replace(" ", "\n   "), create=mutator(create))

    assert same.fingerprint() == TodoList.fingerprint()


@pytest.mark.parametrize(
    "difference",
    [
        {"schema": TodoList.schema.replace("due TEXT", "due TEXT, more TEXT")},
        {"types": {}},
        {"types": {"todos": {"done": bool, "due": dt.datetime}}},
        {"built_in": ()},
        {"name": "other"},
        {"create": mutator(create)},
        {"remove": Mutator(create)},
    ],
    ids=lambda each: next(iter(each)),
)
def test_whatever_both_sides_must_agree_on_changes_the_fingerprint(difference):
    assert changed(**difference).fingerprint() != TodoList.fingerprint()
