"""
Parties that a server has: ``main``, those it was started with, and, on a person's own server, those a kernel names.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any
from urllib.parse import unquote

from partysync_widget.core.errors import PartySyncError
from partysync_widget.core.party import Main, Party, kebab


class Parties:
    """Party classes by name."""

    def __init__(self, *, imports: bool = False, restart: str = "Restart the server.") -> None:
        self._imports = imports
        self.restart = restart  # what to do when a party's file has changed, for the person who reads it
        self._found: dict[str, type[Party]] = {Main.name: Main}

    def load(self, path: str) -> type[Party]:
        """Import ``module:Class`` and serve it. Raises PartySyncError with what is wrong with it."""
        module, _, name = path.partition(":")
        found: Any
        try:
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception as error:  # noqa: BLE001  # a module may raise what it likes while it is imported
            raise PartySyncError(
                f"The party {path} cannot be loaded: {type(error).__name__}: {error}. "
                f"Write it as module:Class, importable where the server runs."
            ) from None
        if not (isinstance(found, type) and issubclass(found, Party) and found is not Party):
            raise PartySyncError(f"--party {path} is not a subclass of partysync_widget.Party.")
        self._found[found.name] = found
        return found

    def find(self, name: str, hint: str = "") -> type[Party] | None:
        """The party called ``name``.

        ``hint`` is where a kernel has it from, ``module:Class;folder``: this user's own server imports it, which gives
        the kernel nothing that it could not do itself.
        """
        if name not in self._found and self._imports and hint:
            path, _, folder = unquote(hint).partition(";")
            if folder not in sys.path:
                sys.path.append(folder)
            self.load(path)
        return self._found.get(name)

    def called(self, name: str) -> str:
        """The name of the party that the ancestor's clients mean: they may say ``TodoList`` for ``todo-list``."""
        return kebab(name) if name not in self._found and kebab(name) in self._found else name

    def names(self) -> list[str]:
        return sorted(self._found)
