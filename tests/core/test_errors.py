"""The words in which things go wrong."""

import ast
import re
from pathlib import Path

import pytest

import partysync_widget
from partysync_widget.core import errors
from partysync_widget.core.errors import (
    FrameTooLarge,
    MutationRejected,
    NotConnected,
    OutcomeUnknown,
    PartySyncError,
    ProtocolError,
)

ROOT = Path(partysync_widget.__file__).parents[1]
LEAVES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PartySyncError)]


def sources():
    return [*ROOT.glob("partysync_widget/**/*.py"), *ROOT.glob("server/partysync_server/*.py")]


def first_arguments(*names):
    """The literal first argument of every call of one of ``names`` in our source."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=called, args=[ast.Constant(value=value), *_]):
                    if ast.unparse(called).split(".")[-1] in names:
                        yield value


def test_the_tree_at_the_head_of_the_module_is_the_tree():
    drawn = re.findall(r"(?m)^ +([│ ]*)[├└]── (\w+)", errors.__doc__)

    assert {name for _, name in drawn} == {leaf.__name__ for leaf in LEAVES} - {"PartySyncError"}
    assert [name for indent, name in drawn if indent] == ["FrameTooLarge"]
    assert FrameTooLarge.__base__ is ProtocolError
    assert {leaf.__base__ for leaf in LEAVES} <= {Exception, PartySyncError, ProtocolError}


def test_every_error_is_one_that_a_person_can_catch_by_one_name():
    assert all(issubclass(leaf, PartySyncError) for leaf in LEAVES)


def test_the_codes_are_those_that_are_used_and_no_others():
    """B4."""
    assert set(first_arguments("MutationRejected")) == MutationRejected.CODES


def test_a_rejection_says_its_sentence_and_keeps_its_code():
    error = MutationRejected("constraint", "Another row has this value already.")

    assert str(error) == error.message == "Another row has this value already."
    assert error.code == "constraint"


def test_a_protocol_error_says_its_sentence_and_keeps_its_kind():
    error = ProtocolError("bad-frame", "This frame cannot be read.")

    assert (str(error), error.message, error.kind) == ("This frame cannot be read.",) * 2 + ("bad-frame",)


def test_a_frame_that_is_too_large_says_both_sizes_and_what_to_do():
    error = FrameTooLarge(2_000_000, 1_048_576)

    assert error.kind == "too-large"
    assert "2,000,000 bytes" in str(error)
    assert "1,048,576" in str(error)
    assert "Split it" in str(error)


def test_an_unknown_outcome_keeps_the_mutation_so_that_it_can_be_made_again():
    error = OutcomeUnknown("The room's history was replaced.", "insert", {"table": "todos"})

    assert (error.name, error.args_of_mutation) == ("insert", {"table": "todos"})
    assert str(error) == "The room's history was replaced."


@pytest.mark.parametrize("kind", [NotConnected, errors.PermissionDenied, errors.SchemaMismatch, errors.StorageFailed])
def test_a_plain_leaf_is_its_sentence(kind):
    assert str(kind("What is wrong. What to do.")) == "What is wrong. What to do."
