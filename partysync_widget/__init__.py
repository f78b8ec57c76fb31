"""
PartySync for Jupyter: several people, several notebooks, several kernels, one table.

>>> import partysync_widget as ps
>>> room = ps.connect("genetics-101")
>>> todos = room.table("todos", text=str, done=bool)

Names are loaded when they are first used, so that a server process loads neither anywidget nor IPython.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .audience import Subscription
    from .core.columns import column
    from .core.errors import (
        MutationRejected,
        NotConnected,
        OutcomeUnknown,
        PartySyncError,
        PermissionDenied,
        ProtocolError,
        SchemaMismatch,
        StorageFailed,
    )
    from .core.migration import Migration
    from .core.party import Party, mutator
    from .core.response import Response
    from .dataframes import columns_of
    from .entrance import connect
    from .receipt import Receipt
    from .room import Room
    from .table import Table, TableChange
    from .throttle import throttled
    from .trait import SyncedTable
    from .widget import TableWidget

_HOMES = {
    "connect": "entrance",
    "Room": "room",
    "Table": "table",
    "TableChange": "table",
    "Receipt": "receipt",
    "Subscription": "audience",
    "throttled": "throttle",
    "SyncedTable": "trait",
    "TableWidget": "widget",
    "columns_of": "dataframes",
    "column": "core.columns",
    "Migration": "core.migration",
    "Party": "core.party",
    "mutator": "core.party",
    "Response": "core.response",
    "PartySyncError": "core.errors",
    "MutationRejected": "core.errors",
    "ProtocolError": "core.errors",
    "NotConnected": "core.errors",
    "PermissionDenied": "core.errors",
    "SchemaMismatch": "core.errors",
    "OutcomeUnknown": "core.errors",
    "StorageFailed": "core.errors",
}

__all__ = [
    "Migration",
    "MutationRejected",
    "NotConnected",
    "OutcomeUnknown",
    "Party",
    "PartySyncError",
    "PermissionDenied",
    "ProtocolError",
    "Receipt",
    "Response",
    "Room",
    "SchemaMismatch",
    "StorageFailed",
    "Subscription",
    "SyncedTable",
    "Table",
    "TableChange",
    "TableWidget",
    "__version__",
    "column",
    "columns_of",
    "connect",
    "mutator",
    "throttled",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(importlib.import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return __all__
