"""The grid: a table to look at and to edit, and the first user of SyncedTable."""

from __future__ import annotations

import html
from itertools import islice
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from traitlets.utils.bunch import Bunch

from .channel import bundle
from .io_thread import Voice
from .trait import SyncedTable

if TYPE_CHECKING:
    from .audience import Changes
    from .table import Table

PREVIEW = 20  # rows in the plain table that stands in for the grid where no widget can run


class RecordsChange(Bunch):
    """A change of ``records`` whose ``new`` is built when somebody looks at it. ``old`` is not kept (Undefined)."""

    def __missing__(self, key: str) -> Any:
        if key != "new":
            raise KeyError(key)
        self["new"] = self["owner"].records
        return self["new"]


class Records(traitlets.TraitType[list[dict[str, Any]], list[dict[str, Any]]]):
    """The rows of the widget's table as a list of dicts, built when read. Only the table itself changes it."""

    def __init__(self) -> None:
        super().__init__(read_only=True)

    def get(self, obj: Any, cls: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002 - traitlets' signature
        return [] if obj.table is None else obj.table.records

    def set(self, obj: Any, value: Any) -> None:
        """Nothing to keep: ``hold_trait_notifications`` writes back what it has just read."""


class TableWidget(anywidget.AnyWidget):
    """The grid of ``table``. ``observe(fn, "records")`` hears of every change of its rows, on the kernel's loop."""

    _esm = bundle("grid.js")
    _css = bundle("grid.css")

    table = SyncedTable()
    records = Records()

    def __init__(self, table: Table | None = None, **kwargs: Any) -> None:
        self._subscription: Any = None
        self._notice_due = False
        self._voice = Voice()
        super().__init__(table=table, **kwargs)

    def observe(self, handler: Any, names: Any = traitlets.All, type: Any = "change") -> None:  # noqa: A002 - theirs
        """As in traitlets. What handlers of ``records`` print lands in the cell that registered the last of them."""
        self._voice = Voice()
        super().observe(handler, names, type)

    def close(self) -> None:
        self._unfollow()
        super().close()

    @traitlets.observe("table")
    def _follow(self, _change: Any) -> None:
        self._unfollow()
        if self.table is not None:
            self._subscription = self.table.follow(self._hear)
        self._notify()

    def _unfollow(self) -> None:
        subscription, self._subscription = getattr(self, "_subscription", None), None
        if subscription is not None:
            subscription.close()

    def _hear(self, changes: Changes) -> None:
        """On the I/O thread, which never touches a trait. While the kernel is busy one notice waits, not many."""
        if (changes.ids or changes.reset) and not self._notice_due and self.table is not None:
            self._notice_due = True
            self._voice.call(self._notify)

    def _notify(self) -> None:
        self._notice_due = False
        self.notify_change(RecordsChange(name="records", type="change", owner=self, old=traitlets.Undefined))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget; and a plain table, for GitHub, nbconvert and everywhere else where no widget runs."""
        made = super()._repr_mimebundle_(**kwargs)
        if made is None or self.table is None:
            return made
        representations, metadata = made
        rows = list(islice(self.table.values(), PREVIEW))
        names = ["id", *(column.name for column in self.table.columns)]
        more = len(self.table) - len(rows)
        plain, marked = as_text(names, rows, more), as_html(names, rows, more)
        return {**representations, "text/plain": f"{self.table!r}\n{plain}", "text/html": marked}, metadata


def as_text(names: list[str], rows: list[Any], more: int) -> str:
    cells = [names, *([shown(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([*lines, *([f"… and {more:,} more"] if more > 0 else [])])


def as_html(names: list[str], rows: list[Any], more: int) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(shown(row[name], 1_000))}</td>" for name in names) + "</tr>" for row in rows
    )
    foot = f"<p>… and {more:,} more rows</p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"


def shown(value: Any, width: int = 40) -> str:
    """A value on one line of at most ``width`` characters."""
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
