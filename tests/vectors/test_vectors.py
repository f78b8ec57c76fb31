"""The replica of a kernel answers every vector as it must. That of a page does in js/web/test/vectors.test.ts."""

import pytest

from tests.vectors.player import FILES, Player, load


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_kernel_answers_as_the_vector_says(path):
    vector = load(path)
    player = Player(vector)

    for number, step in enumerate(vector["steps"], 1):
        assert player.play(step) == step["expect"], f"{path.name}, step {number}: {vector['about']}"


def test_there_are_enough_of_them():
    assert len(FILES) >= 25
