"""
The convergence test is worth what it notices: each rule taken out of the code is noticed within some seeds.

A test that passes says nothing of itself. These do: with every rule all stories are whole, without one they are not.
"""

import itertools

import pytest

from tests.convergence import stories
from tests.convergence.kernel_faults import KERNEL_FAULTS
from tests.convergence.room_faults import ROOM_FAULTS

WITHIN = 100  # seeds; most faults are noticed within ten


def told():
    return itertools.chain(stories.PAST, range(WITHIN))


@pytest.mark.parametrize("plant", [*ROOM_FAULTS, *KERNEL_FAULTS], ids=lambda plant: plant.__name__)
def test_a_missing_rule_is_noticed(plant, monkeypatch):
    plant(monkeypatch)

    assert any(map(stories.tell, told())), f"In {WITHIN} stories nobody noticed this fault: {plant.__doc__}"


def test_two_kernels_with_one_id_are_noticed():
    """R5: an id belongs to one live object."""
    assert any(stories.tell(seed, shared_id=True) for seed in told())


def test_with_every_rule_nothing_is_noticed():
    """R1 to R10: the very seeds that find the faults find nothing else."""
    assert stories.first_broken(told()) == ""
