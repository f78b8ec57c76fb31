"""The grid: a table to look at and to edit, and the first user of SyncedTable."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from traitlets.utils.bunch import Bunch

from .channel import bundle
from .io_thread import Voice
from .marimo_cells import end_with_cell
from .preview import Preview
from .trait import SyncedTable

if TYPE_CHECKING:
    from .audience import Changes
    from .table import Table


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
    """The grid of ``table``. ``observe(fn, "records")`` hears of every change of its rows, on the kernel's loop.

    ``arrangement`` is how its columns are arranged, and follows what a person does: ``order``, ``hidden`` (lists of
    names), ``widths`` (px by name), ``sort`` (``[["n", True]]``: by n, descending), ``filters`` (what is typed above a
    column, by name), ``search``. All of it is optional.
    """

    _esm = bundle("grid.js")
    _css = bundle("grid.css")

    table = SyncedTable()
    records = Records()
    arrangement = traitlets.Dict().tag(sync=True)
    preview = traitlets.Dict(default_value=None, allow_none=True, read_only=True).tag(sync=True)

    def __init__(self, table: Table | None = None, **kwargs: Any) -> None:
        self._subscription: Any = None
        self._notice_due = False
        self._voice = Voice()
        self._key = secrets.token_hex(4)
        super().__init__(table=table, **kwargs)
        end_with_cell(self)

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

    def _look(self) -> Preview | None:
        """The first rows as they are now; the browser shows them until it has heard from the table."""
        made = None if self.table is None else Preview.of(self.table, key=self._key)
        self.set_trait("preview", None if made is None else made.for_browser())
        return made

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget; and a plain table, for GitHub, nbconvert and everywhere else where no widget runs."""
        preview = self._look()
        made = super()._repr_mimebundle_(**kwargs)
        if made is None or preview is None:
            return made
        representations, metadata = made
        plain = f"{self.table!r}\n{preview.as_text()}"
        return {**representations, "text/plain": plain, "text/html": preview.as_html()}, metadata

    def _display_(self) -> Any:
        """What marimo shows. What it would make of a bare widget it keeps for ever, and with it the whole session."""
        import marimo

        return marimo.ui.anywidget(self)

    def _ipython_display_(self) -> None:
        """Two outputs: the first rows as plain HTML, which step aside for the grid, and the grid.

        For a widget whose kernel is gone JupyterLab shows an error and no plain table: so that is an output of its own.
        """
        from IPython.display import display

        made = self._repr_mimebundle_()
        if made is None or self.table is None:
            display({"text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]
            return
        representations, metadata = made
        aside = {name: representations.pop(name) for name in ("text/html", "text/plain")}
        display(aside, raw=True)  # type: ignore[no-untyped-call]
        # No words for the grid: where it cannot be (an untrusted notebook, GitHub), the rows stand right above it.
        display({**representations, "text/plain": ""}, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
