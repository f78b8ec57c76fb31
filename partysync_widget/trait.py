"""
SyncedTable: a traitlet that gives a widget of your own a live table, in Python and in the browser.

::

    class Poll(anywidget.AnyWidget):
        votes = SyncedTable()
        _esm = '''
        async function render({ model, el, host, signal }) {
            const { exports: { table } } = await host.getWidget(model.get("votes"));
            const draw = () => { el.textContent = `${table.rows.size} votes`; };
            signal.addEventListener("abort", table.subscribe(draw));
            draw();
        }
        export default { render };
        '''

    Poll(votes=room.table("votes", choice=str))

What is synced is the name of the table's channel, a few bytes; the rows travel on the channel, once for all widgets.
"""

from __future__ import annotations

from typing import Any

import traitlets

from .channel import TableChannel
from .table import Table


class SyncedTable(traitlets.TraitType[Table | None, Table | None]):
    """Holds a Table, or None. In the browser ``host.getWidget(model.get(name))`` gives ``{exports: {table}}``."""

    info_text = "a PartySync table, as room.table(...) gives it, or None"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_value=None, allow_none=True, **kwargs)
        self.tag(sync=True, to_json=_refer, from_json=_resolve)

    def validate(self, obj: Any, value: Any) -> Table | None:
        if value is not None and not isinstance(value, Table):
            self.error(obj, value)
        return value


def _refer(table: Table | None, widget: object) -> str | None:
    return None if table is None else TableChannel.of(table, widget).reference


def _resolve(reference: object, _widget: object) -> Any:
    """A browser may only name a channel it was given; anything else fails in ``validate``, with a sentence."""
    table = TableChannel.referred(reference)
    return reference if table is None else table
