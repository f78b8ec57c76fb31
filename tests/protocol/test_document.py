"""What docs/protocol.md says of frames, errors and limits is what the code has."""

from partysync_widget.core import messages as m
from partysync_widget.core.errors import MutationRejected
from tests.protocol import document
from tests.protocol.shape import describe


def test_the_tables_of_the_document_are_the_structs():
    written = {name: fields for (_, name), fields in document.fields().items()}
    frames = describe(m.Up, m.Down)
    directions = [*frames.pop("up"), *frames.pop("down")]
    wanted = {
        name: {field: type_ for field, type_ in fields.items() if field != "type" or name == "Column"}
        for name, fields in frames.items()
    }
    assert written.pop("barrier")  # twice: up and down

    assert {rule for rule, _ in document.fields() if rule} == {f"F{n}" for n in range(1, len(directions) + 1)}
    assert written == {name: fields for name, fields in wanted.items() if name != "barrier"}
    assert document.fields()["F6", "barrier"] == document.fields()["F16", "barrier"] == wanted["barrier"]


def test_the_document_has_every_kind_of_error_and_every_code():
    rules = document.rules()
    kinds = [rules[f"E{n}"].split("`")[1] for n in range(1, 11)]
    codes = document.text().partition("**B4 ")[2].partition(";")[0]

    assert sorted(kinds) == sorted(describe(m.Up, m.Down)["error"]["kind"].replace('"', "").split())
    assert {code for code in MutationRejected.CODES if f"`{code}`" in codes} == MutationRejected.CODES
    assert codes.count("`") == 2 * (len(MutationRejected.CODES) + 1)


def test_the_document_names_the_version_and_the_limits():
    text = document.text()

    assert f"Version {m.PROTOCOL}." in text
    for number in (m.PRESENCE_BYTES, m.DRAFT_BYTES, m.MOST_DRAFTS):
        assert f" {number}" in text
