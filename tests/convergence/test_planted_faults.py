"""
The convergence test is worth what it notices: each rule taken out of the code is noticed within some stories.

A test that passes says nothing of itself. These do: with every rule the same stories are whole (``test_convergence``),
without one they are not.
"""

import itertools

import pytest

from tests import proof
from tests.convergence import stories
from tests.convergence.catch_up_faults import CATCH_UP_FAULTS
from tests.convergence.ephemera_faults import EPHEMERA_FAULTS
from tests.convergence.kernel_faults import KERNEL_FAULTS
from tests.convergence.room_faults import ROOM_FAULTS

WITHIN = 500  # stories; most faults are noticed within ten
ALL = [*ROOM_FAULTS, *CATCH_UP_FAULTS, *EPHEMERA_FAULTS, *KERNEL_FAULTS]
FAULTS = {plant.__name__: plant for plant in ALL}


@pytest.fixture(scope="module")
def needed():
    """How many stories each fault needed; None: it was not found."""
    needed: dict[str, int | None] = {}
    yield needed
    found = {name: count for name, count in needed.items() if count is not None}
    hardest = max(found, key=lambda name: found[name], default="")
    proof.note(
        "planted faults", planted=len(needed), found=len(found), hardest=hardest, schedules_for_it=found.get(hardest)
    )
    print("\n".join(f"  {count:4}  {name}" for name, count in sorted(found.items(), key=lambda each: -each[1])))


def count(*, shared_id=False):
    """How many stories it takes until one is broken."""
    known = [] if proof.LONG else stories.PAST  # quicker; the long way says how hard it is without them
    seeds = itertools.chain(known, range(WITHIN))
    told = enumerate(itertools.islice(seeds, WITHIN), 1)
    return next((number for number, seed in told if stories.breaks(seed, shared_id=shared_id)), None)


@pytest.mark.parametrize("plant", FAULTS.values(), ids=FAULTS)
def test_a_missing_rule_is_noticed(plant, monkeypatch, needed):
    plant(monkeypatch)
    needed[plant.__name__] = count()

    assert needed[plant.__name__], f"In {WITHIN} stories nobody noticed this fault: {plant.__doc__}"


def test_two_kernels_with_one_id_are_noticed(needed):
    """R5: an id belongs to one live object."""
    needed["one_id_for_two"] = count(shared_id=True)

    assert needed["one_id_for_two"]


@pytest.mark.parametrize(("seed", "fault"), [(int(seed), fault) for seed, fault, *_ in stories.LINES])
def test_a_kept_seed_still_finds_what_it_is_kept_for(seed, fault, monkeypatch):
    """A seed is a story only as long as no draw is changed: who changes one looks for it anew, with this."""
    FAULTS[fault](monkeypatch)

    assert stories.breaks(seed), f"look for another one: PARTYSYNC_FAULT={fault}"
