"""In marimo a widget ends with its comm, which marimo closes without a word, and with the thread of its session."""

import threading

import pytest

from partysync_widget.marimo_cells import end_with_cell, in_marimo


class Comm:
    """As much of a comm of marimo's as is used."""

    __module__ = "marimo._plugins.ui._impl.comm"

    def __init__(self):
        self.closed = []

    def close(self, **options):
        self.closed.append(options)


class Widget:
    def __init__(self, comm):
        self.comm = comm
        self.closed = 0

    def close(self):
        self.closed += 1
        self.comm.close()


@pytest.fixture
def widget():
    made = Widget(Comm())
    end_with_cell(made)
    return made


def test_a_widget_ends_with_its_comm_once(widget):
    widget.comm.close(deleting=True)

    assert widget.closed == 1
    assert widget.comm.closed[0] == {"deleting": True}


def test_a_widget_that_is_closed_by_hand_is_closed(widget):
    widget.close()

    assert widget.closed
    assert widget.comm.closed


def test_a_session_that_ends_takes_its_widgets_along():
    made = []

    def session():
        made.append(Widget(Comm()))
        end_with_cell(made[0])

    thread = threading.Thread(target=session)
    thread.start()
    thread.join()

    assert made[0].closed


def test_in_jupyter_a_comm_is_left_as_it_is(todos):
    import partysync_widget as ps

    comm = ps.TableWidget(todos).comm

    assert "close" not in vars(comm)
    assert not in_marimo()
