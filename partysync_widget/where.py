"""
``partysync where``: which server a kernel started here would find, and why.
"""

from __future__ import annotations

import sys

from traitlets.config import Application

from ._version import __version__
from .core.errors import NotConnected
from .discovery import survey


class WhereApp(Application):
    """Say which server ``connect()`` would talk to. It starts none."""

    name = "partysync-where"
    description = "Say which server connect() would find from here, and why."
    version = __version__

    def start(self) -> None:
        """Print each place that is looked at, in order, and what is there."""
        try:
            findings = survey()
        except NotConnected as error:
            sys.stderr.write(f"partysync: {error}\n")
            self.exit(1)
            return
        for finding in findings:
            sys.stdout.write(f"{'→' if finding.taken else ' '} {finding.place}: {finding.found}\n")
