"""Each notebook runs from top to bottom in a kernel of its own, against a server that the first of them starts."""

import contextlib
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@contextlib.contextmanager
def running(name, environment):
    """A notebook that has run; its kernel lives until the block ends."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    client = NotebookClient(notebook, kernel_name="python3", timeout=60)
    with client.setup_kernel(env=environment):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        yield client


def ask(client, code):
    """The repr of the code's last line, once everything decided has arrived."""
    cell = nbformat.v4.new_code_cell(f"room.sync(10)\n{code}")
    client.nb.cells.append(cell)
    client.execute_cell(cell, len(client.nb.cells) - 1)
    return next(output["data"]["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


def test_two_notebooks_share_the_penguins(isolated):
    """R2, R5: all birds arrive once, and an edit on either side is on the other."""
    with running("penguins-a.ipynb", isolated) as a, running("penguins-b.ipynb", isolated) as b:
        assert ask(a, "len(penguins)") == "345"  # 344 of the data set, and B's emperor
        assert ask(a, "penguins.records") == ask(b, "penguins.records")
        assert ask(b, "penguins[next(iter(penguins))]['body_mass_g']") == "3800.0"  # as A measured it
        assert ask(a, "[row['island'] for row in penguins.records if row['species'] == 'Emperor']") == "['Snow Hill']"


def test_a_notebook_run_twice_does_not_fill_the_table_twice(isolated):
    with running("penguins-a.ipynb", isolated), running("penguins-a.ipynb", isolated) as again:
        assert ask(again, "len(penguins)") == "344"


def test_the_tour_of_todos(isolated):
    with running("todos.ipynb", isolated) as todos:
        assert ask(todos, "sorted(row['text'].split()[0] for row in todos.records if not row['done'])") == (
            "['clean', 'label', 'water', 'written']"
        )


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)

    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert "widgets" not in notebook.metadata
