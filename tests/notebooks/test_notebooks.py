"""Each notebook runs from top to bottom in a kernel of its own, against a server that the first of them starts."""

import ast
import contextlib
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
EVERY = pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)


RECORD_UPDATES = """
from IPython.display import DisplayHandle
updates = []
DisplayHandle.update = lambda handle, shown: updates.append(shown)
"""  # nbclient drops what a kernel displays between cells


@contextlib.contextmanager
def running(name, environment, before=""):
    """A notebook that has run, in its own folder as Lab runs it; its kernel lives until the block ends."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    folder = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=60, resources=folder)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    environment = {**environment, "PYTHONDONTWRITEBYTECODE": "1"}
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


def outputs(client, kind):
    return [each for cell in client.nb.cells for each in cell.get("outputs", []) if each.output_type == kind]


def printed(client):
    """What it printed, line by line."""
    return "".join(each.text for each in outputs(client, "stream")).splitlines()


def results(client):
    """What its cells gave, as text."""
    return [each.data["text/plain"] for each in outputs(client, "execute_result")]


def test_the_first_table(isolated):
    with running("01-first-table.ipynb", isolated) as first:
        said = printed(first)
        assert said[:2] == [
            "count takes a whole number within 64 bits, not 'a few' (str).",
            "place takes one of 'garden', 'roof', 'pond', not 'moon' (str).",
        ]
        assert re.fullmatch(r"There is no row '\w+' in sightings\. It may have been deleted.*", said[2])
        assert len(said) == 3
        assert "[{'bird': 'mallard', 'birds': 6},\n {'bird': 'robin', 'birds': 5}" in "\n".join(results(first))
        assert ask(first, "[(row['bird'], row['count']) for row in sightings.records]") == (
            "[('robin', 4), ('mallard', 6), ('jackdaw', 2), ('robin', 1)]"
        )
        assert ask(first, "sightings[receipt.id]['seen'].tzinfo is not None and receipt.done()") == "True"


def test_a_notebook_can_be_run_again(isolated):
    for name in ("01-first-table.ipynb", "05-your-own-party.ipynb"):
        with running(name, isolated), running(name, isolated) as again:
            assert ask(again, "room.pending") == "0"


def test_two_notebooks_share_the_penguins(isolated):
    """R2, R5: all birds arrive once, and an edit on either side is on the other."""
    with running("02-two-kernels-a.ipynb", isolated) as a, running("02-two-kernels-b.ipynb", isolated) as b:
        assert ask(a, "len(penguins)") == "345"  # 344 of the data set, and B's emperor
        assert ask(a, "penguins.records") == ask(b, "penguins.records")
        assert ask(b, "penguins[next(iter(penguins))]['body_mass_g']") == "3800.0"  # as A measured it
        assert ask(a, "[row['island'] for row in penguins.records if row['species'] == 'Emperor']") == "['Snow Hill']"


def test_notebook_b_may_come_first(isolated):
    with running("02-two-kernels-b.ipynb", isolated) as b:
        assert ask(b, "len(penguins)") == "345"


def test_a_notebook_run_twice_does_not_fill_the_table_twice(isolated):
    with running("02-two-kernels-a.ipynb", isolated), running("02-two-kernels-a.ipynb", isolated) as again:
        assert ask(again, "len(penguins)") == "344"


def test_the_dashboard_follows_what_another_process_writes(isolated):
    with running("03-live-dashboard.ipynb", isolated, RECORD_UPDATES) as dashboard:
        drawn = ast.literal_eval(ask(dashboard, "drawn"))
        assert drawn[-1] == 344  # the last state is always drawn,
        assert len({n for n in drawn if 0 < n < 344}) >= 5  # many on the way are,
        assert len(drawn) <= 25  # and no more than the rests between them allow in about seven seconds
        assert ask(dashboard, "len(next(iter(chart.chart.to_dict()['datasets'].values())))") == "344"
        assert ask(dashboard, "updates[-1]['nests'].to_dict()") == "{'Adelie': 152, 'Chinstrap': 68, 'Gentoo': 124}"


def test_how_sync_works(isolated):
    """R1, R3, R4, R6, R7: what the text says of each output is so."""
    with running("04-how-sync-works.ipynb", isolated) as lesson:
        versions, ann_away, ben, ann_back, agreed, figs, rye, forgotten, tombstone, decisions, *_ = results(lesson)
        assert versions == "(3, 3)"
        base, pending, view = re.split(r"\npending\n|\nview\n", ann_away)
        assert base.startswith("list, base at version 3\n")
        assert "rye" not in base
        assert [line.split("(")[0].strip() for line in pending.splitlines()] == ["4: update", "5: insert"]
        assert "rye" in view
        assert "figs" not in view
        assert ben.startswith("list, base at version 5\n")
        assert "pending\n    (none)\n" in ben
        assert ann_back.startswith("list, base at version 7\n")
        assert re.search(r"milk +milk +corner shop +True", ann_back)  # a column of each
        assert agreed == "True"
        assert (figs, rye) == ("False", "(False, False)")
        assert (forgotten, tombstone) == ("[]", "[('figs', 1)]")
        assert decisions == "3"
        assert printed(lesson) == [
            "meanwhile: green tea / black tea",
            "in the end: green tea / green tea",
            "Ann still sees them: {'id': 'figs', 'what': 'figs', 'shop': 'market', 'bought': False}",
            "unknown-row - There is no row 'figs' in list. It may have been deleted; insert it again if it is missed.",
            "Ann gets ['milk'] and notes 09:00:00",
            "Ann gets []",
            "There is a row with this id in list already. Update it, or use another.",
        ]


def test_a_party_of_ones_own(isolated):
    """R6, R7: the guess, the truth in its place, and rules that nobody gets around."""
    with running("05-your-own-party.ipynb", isolated) as party:
        assert printed(party) == [
            "entry 1 in the log, 950 ml left",
            "Ann's guess: entry 2, 750 ml left",
            "Ben's guess: entry 2, 650 ml left",
            "The truth: Ann's is entry 2, Ben's 3",
            "450 ml left",
            "The table's rule is not kept: a bottle holds no less than nothing.",
            "Ben's guess: 20 ml left",
            "The table's rule is not kept: a bottle holds no less than nothing.",
            "The truth: 30 ml left",
            "The room has no mutator 'update'. It has: stock, take.",
        ]
        assert "False" in results(party)  # his entry is not in the log
        assert ask(party, "[(row['number'], row['ml'], row['who']) for row in log.records]") == (
            "[(1, 50, 'ann'), (2, 200, 'ann'), (3, 300, 'ben'), (4, 70, 'ann')]"
        )


def test_a_widget_of_ones_own(isolated):
    """What its browser side does is in test_own_widget.py."""
    with running("06-your-own-widget.ipynb", isolated) as board:
        assert results(board)[-1] == "[{'lane': 'done', 'tasks': 1}, {'lane': 'to do', 'tasks': 2}]"
        assert ask(board, "lanes[bread]") == "'done'"  # as the observer heard it
        mimes = [each.data for kind in ("execute_result", "display_data") for each in outputs(board, kind)]
        assert sum("application/vnd.jupyter.widget-view+json" in data for data in mimes) == 2  # the board, the grid


def test_a_todo_list(isolated):
    """R7. That its page shows the same is in tests/e2e/test_todo.py."""
    with running("07-todo.ipynb", isolated) as lesson:
        made, changed = results(lesson)[-2:]
        assert made == "['Buy milk', 'Feed the yeast', 'Pour plates']"
        assert changed == "[('Buy milk', True), ('Feed the yeast, twice', False)]"
        assert printed(lesson) == ["The table's rule is not kept: a todo has 1 to 200 characters."]
        assert ask(lesson, "(room.pending, plates in todos)") == "(0, False)"


@EVERY
def test_notebooks_are_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)

    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert "widgets" not in notebook.metadata


@EVERY
def test_the_guide_names_each_notebook_and_each_leads_on(path):
    assert f"../notebooks/{path.name}" in (ROOT / "docs" / "index.md").read_text()
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert "://" in target or (NOTEBOOKS / target).exists(), f"{path.name} links to {target}"
