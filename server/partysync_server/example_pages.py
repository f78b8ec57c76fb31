"""
Examples: pages of the kind that people write for a party of their own, beside those that show any table.

::

    GET /examples/todo           asks for the link of a room
    GET /examples/todo/<room>    notebooks/todo.py, as the ancestor's example looks

Each is a shell with a bundle of its own (``js/examples``), and goes by the rules of ``page_handlers``.
"""

from __future__ import annotations

from .gate import Gate
from .page_handlers import Shell


class TodoPage(Shell):
    """A todo list, drawn by React."""

    bundle = "todo"
    title = "Todo App"


ROUTES: list[tuple[str, type[Gate]]] = [
    (r"/examples/(todo)", TodoPage),
    (r"/examples/(todo)/([^/]+)", TodoPage),
]
