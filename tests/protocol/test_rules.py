"""Every rule of docs/protocol.md is held by a test that cites it, and no test cites a rule that is not there."""

import pytest

from tests.protocol import citations as module
from tests.protocol.citations import cited, in_python, in_typescript
from tests.protocol.document import rules


@pytest.fixture(scope="module")
def found():
    return module.citations()


def test_every_rule_has_a_test(found):
    tests, _ = found
    alone = [f"{id} {says}" for id, says in rules().items() if id not in tests]

    assert not alone, (
        "These rules of docs/protocol.md have no test that cites them. Write one, or cite the rule at the beginning of "
        "the docstring of the test that holds it:\n" + "\n".join(alone)
    )


def test_every_citation_is_of_a_rule(found):
    _, places = found
    unknown = {id: names for id, names in places.items() if id not in rules()}

    assert not unknown, f"docs/protocol.md has no such rules: {unknown}"


def test_the_promises_are_all_there_and_every_frame_has_a_number():
    ids = list(rules())

    assert ids[:13] == [f"R{n}" for n in range(1, 14)]
    assert [id for id in ids if id[0] == "F"] == [f"F{n}" for n in range(1, 21)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("R4.", {"R4"}),
        ("R4, H6. What was missed arrives.", {"R4", "H6"}),
        ("R1 to R3: all of them.", {"R1", "R2", "R3"}),
        ("E1 to E3, S9. Errors.", {"E1", "E2", "E3", "S9"}),
        ("What was missed arrives (R4), and more (F9, F10).", {"R4", "F9", "F10"}),
        ("A first line.\n\nS2. A second.", {"S2"}),
        ("Against R8 and R2, as ever.", {"R8", "R2"}),
        ("Press F2 to edit.", set()),
        ("F2 opens the editor.", set()),
        ("The cell A1, and E501 of ruff.", set()),
        ("E501.", set()),
        ("", set()),
    ],
)
def test_what_is_a_citation(text, ids):
    assert cited(text) == ids


PYTHON = '''
"""A module (S1)."""

def helper():
    """R9."""

def test_one():
    """R4."""
    assert True

@pytest.mark.parametrize("x", [
    1,  # E3
])
def test_other(x):
    pass
'''


def test_a_test_cites_what_it_and_its_module_say_and_a_helper_nothing():
    tests, everywhere = in_python(PYTHON)

    assert tests == {"test_one": {"R4", "S1"}, "test_other": {"E3", "S1"}}
    assert everywhere == {"R4", "R9", "E3", "S1"}


def test_a_test_of_the_browser_side_cites_in_its_name():
    source = 'it("waits (R4)", () => {\n  call(); // as ever (R11)\n});\nit("presses F2", () => {});'

    assert in_typescript(source) == {"waits (R4)": {"R4", "R11"}, "presses F2": set()}


def test_a_rule_that_is_there_twice_is_noticed():
    with pytest.raises(AssertionError, match="two rules S1"):
        rules("- **S1 One.** a\n- **S1 Again.** b\n")
