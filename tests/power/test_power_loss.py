"""
R9: what was acknowledged survives power loss, and no turn is there in part, wherever the plug is pulled.

Long: PARTYSYNC_PROOF=1, or PARTYSYNC_POWER_IMAGES=50000.
"""

import pytest

from tests.power.ledgers import Careless
from tests.power.losses import pull
from tests.proof import extent, note


@pytest.mark.timeout(1800)  # the long way
def test_nothing_acknowledged_is_lost_wherever_the_power_goes(caplog):
    """R8, R9: also when it goes again while the room is opened. The witness is right in each picture."""
    found = pull(extent("power_images", 1500, 50_000))

    note(
        "power loss",
        crash_images=found.images,
        in_the_middle_of_an_opening=found.again,
        mutations_acknowledged=found.acked,
        lost=found.wrong["lost"],
        torn=found.wrong["torn"],
        corrupt=found.wrong["corrupt"],
    )
    assert not found.wrong, found.first
    assert not caplog.text
    assert found.again > found.images / 200


@pytest.mark.timeout(1800)  # the long way
def test_who_does_not_wait_for_the_disk_loses_whole_turns():
    """R9: the control arm. ``durability="process"`` is `synchronous=NORMAL`; what is left is whole all the same."""
    found = pull(extent("power_control_images", 300, 2000), party=Careless)

    note("power loss, NORMAL (a control arm)", crash_images=found.images, lost=found.wrong["lost"])
    assert found.wrong["lost"] > found.images / 10
    assert set(found.wrong) == {"lost"}, found.first


@pytest.mark.timeout(1800)  # the long way
def test_a_disk_that_lies_is_found_out():
    """R9: the other control arm. A harness that finds nothing here would find nothing anywhere."""
    found = pull(extent("power_control_images", 300, 2000), lies=True)

    note(
        "power loss, a lying disk (a control arm)",
        crash_images=found.images,
        lost=found.wrong["lost"],
        corrupt_or_torn=found.wrong["corrupt"] + found.wrong["torn"],
    )
    assert found.wrong["lost"] > found.images / 10
    assert found.wrong["corrupt"] + found.wrong["torn"] > 0
