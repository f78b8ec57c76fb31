"""
A preview: the first rows as plain text and plain HTML, for wherever no widget can run.
"""

from __future__ import annotations

import html
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from .table import Table

ROWS = 20
WIDTH, WIDEST = 40, 1_000  # characters of a value, in text and in HTML

# JupyterLab and Notebook 7: the plain rows go when the grid is there, and while it is not, what stands in its place
# ("model not found", in a notebook whose kernel is gone) stays out of sight. The rule needs no script.
_STYLE = """<style>
.jp-OutputArea-child:has(.partysync-preview):has(+ .jp-OutputArea-child .ps-table) { display: none; }
.jp-OutputArea-child:has(.partysync-preview) + .jp-OutputArea-child:not(:has(.ps-table)) { display: none; }
</style>"""


@dataclass(frozen=True)
class Preview:
    """The first rows of a table as they were at one moment; ``more`` is how many there are beyond them."""

    columns: list[str]
    rows: list[list[Any]]
    more: int
    key: str = field(default_factory=lambda: secrets.token_hex(4))  # by it the grid finds its previews, and hides them

    @classmethod
    def of(cls, table: Table, **key: str) -> Self:
        rows = table.first(ROWS)
        names = ["id", *(column.name for column in table.columns)] if table.exists else ["id"]
        more = len(table) - len(rows) if table.exists else 0
        return cls(names, [[row[name] for name in names] for row in rows], more, **key)

    def for_browser(self) -> dict[str, Any]:
        """As the grid's JavaScript takes it (js/src/grid/preview.ts)."""
        rows = [[shown(value) for value in row] for row in self.rows]
        return {"key": self.key, "columns": self.columns, "rows": rows, "more": self.more}

    def as_text(self) -> str:
        cells = [self.columns, *([shown(value) for value in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join([*lines, *([f"… and {self.more:,} more"] if self.more > 0 else [])])

    def as_html(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(shown(value, WIDEST))}</td>" for value in row) + "</tr>"
            for row in self.rows
        )
        foot = f"<p>… and {self.more:,} more rows</p>" if self.more > 0 else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"
        return f'<div class="partysync-preview" data-key="{self.key}">{_STYLE}{table}</div>'


def shown(value: Any, width: int = WIDTH) -> str:
    """A value on one line of at most ``width`` characters."""
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
