"""The Tornado room server of PartySync. It loads neither anywidget nor IPython."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Asked by Jupyter Server, which alone has what ``jupyter`` needs."""
    from .jupyter import PartySyncExtension  # noqa: PLC0415  # servers without Jupyter import this package too

    return [{"module": "partysync_server.jupyter", "app": PartySyncExtension}]
