"""The palette: colours that can be seen on any ground, and told apart by most eyes."""

from itertools import combinations

import pytest

from partysync_widget.palette import COLORS, pick

GROUNDS = ["#ffffff", "#111111"]
# How a colour looks without the one or the other receptor: Machado, Oliveira and Fernandes 2009, severity 1.
EYES = {
    "most": [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
}
TO_XYZ = [(0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041)]
WHITE = (0.95047, 1.0, 1.08883)


def linear(color):
    values = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def contrast(one, other):
    dark, light = sorted(times(TO_XYZ, linear(color))[1] for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(color, eye):
    seen = [min(max(value, 0), 1) for value in times(EYES[eye], linear(color))]
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (value / white for value, white in zip(times(TO_XYZ, seen), WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("color", COLORS)
def test_a_border_of_every_colour_is_seen_on_every_ground(color, ground):
    assert contrast(color, ground) >= 3


@pytest.mark.parametrize("eye", EYES)
def test_any_two_can_be_told_apart(eye):
    for one, other in combinations(COLORS, 2):
        apart = sum((a - b) ** 2 for a, b in zip(lab(one, eye), lab(other, eye), strict=True)) ** 0.5
        assert apart >= 15, (one, other)


def test_there_are_twelve_and_each_is_somebody_s():
    assert len(set(COLORS)) == 12
    assert {pick(f"client-{n}") for n in range(500)} == set(COLORS)


def test_a_person_keeps_their_colour():
    assert pick("9f86d081884c7d65") == pick("9f86d081884c7d65") == "#964b3c"
