"""TableWidget on a real room: records that follow, on the right loop and no oftener than needed; the fallback."""

import asyncio
import threading

import pytest
import traitlets
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output

import partysync_widget as ps
from partysync_widget.channel import TableChannel
from partysync_widget.io_thread import Voice
from partysync_widget.table import Table


@pytest.fixture
def watch(monkeypatch):
    """Counts how often records are built."""
    built = []
    records = Table.records.fget
    monkeypatch.setattr(Table, "records", property(lambda table: built.append(table) or records(table)))
    return built


async def until(there):
    async with asyncio.timeout(10):
        while not there():  # noqa: ASYNC110 - what is waited for is a plain callback of traitlets
            await asyncio.sleep(0.01)


async def all_told():
    """Whatever was said to this loop before has been heard."""
    done = asyncio.Event()
    Voice().call(done.set)
    await asyncio.wait_for(done.wait(), 10)


def test_it_refers_to_the_channel_of_its_table(todos):
    widget = ps.TableWidget(todos)

    assert widget.comm.state()["table"] == TableChannel.of(todos).reference
    assert "records" not in widget.comm.state()


def test_records_are_a_list_of_dicts_now(todos):
    widget = ps.TableWidget(todos)
    todos.insert(id="a", text="milk", done=False)

    assert widget.records == [{"id": "a", "text": "milk", "done": False}]
    assert type(widget.records) is list


def test_records_cannot_be_assigned(todos):
    with pytest.raises(Exception, match="read-only"):
        ps.TableWidget(todos).records = []


def test_a_widget_without_a_table_has_no_records():
    assert ps.TableWidget().records == []


def test_observers_hear_of_every_change_on_the_loop_of_the_kernel(enter, todos):
    elsewhere = enter().table("todos")

    async def cell():
        widget, heard = ps.TableWidget(todos), []
        widget.observe(lambda change: heard.append((change["new"], threading.current_thread())), "records")
        todos.insert(id="a", text="mine", done=False)
        await until(lambda: heard and heard[-1][0] == [{"id": "a", "text": "mine", "done": False}])
        elsewhere.insert(id="b", text="theirs", done=True)
        await until(lambda: [row["id"] for row in heard[-1][0]] == ["a", "b"])
        return heard

    assert {thread for _, thread in asyncio.run(cell())} == {threading.current_thread()}


def test_a_busy_kernel_is_told_once_of_many_changes(room, todos):
    async def cell():
        widget, heard = ps.TableWidget(todos), []
        await asyncio.sleep(0)
        widget.observe(lambda change: heard.append(len(change["new"])), "records")
        for n in range(50):
            todos.insert(text=f"{n}").result(10)  # the loop is busy all the while
        await until(lambda: heard and heard[-1] == 50)
        return heard

    assert len(asyncio.run(cell())) <= 2


def test_records_are_not_built_when_nobody_looks(todos, watch):
    async def cell():
        widget, heard = ps.TableWidget(todos), []
        widget.observe(lambda _change: heard.append(1), "records")  # hears, and does not look
        todos.insert(text="milk")
        await until(lambda: heard)

    asyncio.run(cell())

    assert watch == []


def test_records_of_another_table_follow_that_table(room, todos):
    other = room.table("other", text=str)

    async def cell():
        widget, heard = ps.TableWidget(todos), []
        widget.observe(lambda change: heard.append(change["new"]), "records")
        widget.table = other
        assert heard[-1] == []
        other.insert(id="b", text="of the other").result(10)
        await all_told()
        assert heard[-1] == [{"id": "b", "text": "of the other"}]
        before = len(heard)
        todos.insert(text="no longer ours").result(10)
        await all_told()
        return heard[before:]

    assert asyncio.run(cell()) == []


def test_a_closed_widget_follows_no_more(todos):
    async def cell():
        widget, heard = ps.TableWidget(todos), []
        widget.observe(heard.append, "records")
        widget.close()
        todos.insert(text="milk").result(10)
        await all_told()
        return heard

    assert asyncio.run(cell()) == []


def test_where_no_widget_runs_there_is_a_plain_table_of_the_first_rows(todos):
    for n in range(30):
        todos.insert(id=f"r{n:02}", text=f"<script>alert({n})</script>", done=False)
    representations, _ = ps.TableWidget(todos)._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in representations
    marked, plain = representations["text/html"], representations["text/plain"]
    assert "<script" not in marked
    assert "&lt;script&gt;alert(19)" in marked
    assert "alert(20)" not in marked + plain
    assert "10 more" in marked
    assert "10 more" in plain
    assert "r19" in plain


def test_the_plain_table_of_an_empty_table_has_its_columns(todos):
    representations, _ = ps.TableWidget(todos)._repr_mimebundle_()

    assert "<th>text</th>" in representations["text/html"]
    assert "id  text  done" in representations["text/plain"]


# --- shown in a cell ------------------------------------------------------------------------------------------------


@pytest.fixture
def shown():
    """What a cell shows: the mime bundles of its outputs."""
    InteractiveShell.instance()

    def show(thing):
        with capture_output() as captured:
            display(thing)
        return [output.data for output in captured.outputs]

    yield show
    InteractiveShell.clear_instance()


VIEW = "application/vnd.jupyter.widget-view+json"


def test_it_is_two_outputs_the_first_rows_and_the_grid(todos, shown):
    """JupyterLab shows an error for a widget whose kernel is gone: the plain rows are an output of their own."""
    todos.insert(id="a", text="milk", done=False)
    widget = ps.TableWidget(todos)
    aside, grid = shown(widget)

    assert set(aside) == {"text/html", "text/plain"}
    assert "milk" in aside["text/html"]
    assert "milk" in aside["text/plain"]
    assert set(grid) == {VIEW, "text/plain"}
    assert grid[VIEW]["model_id"] == widget.model_id
    assert grid["text/plain"] == ""  # the rows stand above it


def test_the_grid_knows_which_plain_rows_are_its_own(todos, shown):
    """It hides them when it is there, and shows the same until it has heard from the table."""
    todos.insert(id="a", text="milk", done=False)
    widget = ps.TableWidget(todos)
    aside, _ = shown(widget)
    preview = widget.comm.state()["preview"]

    assert f'data-key="{preview["key"]}"' in aside["text/html"]
    assert (preview["columns"], preview["rows"], preview["more"]) == (
        ["id", "text", "done"], [["a", "milk", "False"]], 0,
    )  # fmt: skip


def test_each_showing_has_the_rows_as_they_are_then(todos, shown):
    widget = ps.TableWidget(todos)
    first, _ = shown(widget)
    todos.insert(id="a", text="milk")
    second, _ = shown(widget)

    assert "milk" not in first["text/html"]
    assert "milk" in second["text/html"]
    assert [row[1] for row in widget.comm.state()["preview"]["rows"]] == ["milk"]


def test_a_table_shown_in_a_cell_is_its_one_grid(todos, shown):
    _, first = shown(todos)
    _, second = shown(todos)

    assert first[VIEW] == second[VIEW]
    todos._grid().close()
    _, third = shown(todos)
    assert third[VIEW]["model_id"] != first[VIEW]["model_id"]


def test_a_widget_without_a_table_is_one_plain_output(shown):
    (only,) = shown(ps.TableWidget())

    assert set(only) == {"text/plain"}
    assert "TableWidget" in only["text/plain"]


def test_a_preview_is_taken_when_it_is_shown_and_not_before(todos):
    """A widget made in a cell costs no look at the rows, and nobody but it sets the trait."""
    widget = ps.TableWidget(todos)
    assert widget.preview is None

    with pytest.raises(traitlets.TraitError, match="read-only"):
        widget.preview = {}


def test_how_columns_are_arranged_is_python_s_and_the_browser_s(todos):
    widget = ps.TableWidget(todos, arrangement={"sort": [["text", True]]})
    assert widget.comm.state()["arrangement"] == {"sort": [["text", True]]}

    widget.set_state({"arrangement": {"hidden": ["done"], "widths": {"text": 200}}})
    assert widget.arrangement == {"hidden": ["done"], "widths": {"text": 200}}
    assert ps.TableWidget(todos).arrangement == {}
