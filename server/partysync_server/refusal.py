"""
Refusals: answers to requests that are not let in, each with a sentence for the person at the other end.
"""

from __future__ import annotations

import tornado.web

SENTENCES = {
    400: "This request cannot be read.",
    404: "There is nothing here.",
    405: "This address takes no such request.",
    500: "The room server made a mistake; its log has the details.",
}


class Refused(tornado.web.HTTPError):
    """A request that is refused. ``after``: seconds to wait before asking again, if that would help."""

    def __init__(self, status: int, kind: str, message: str, *, after: float | None = None) -> None:
        super().__init__(status, reason=kind)
        self.kind = kind
        self.message = message
        self.after = after


def explain(status: int, error: object) -> dict[str, str]:
    """The body of an answer that is no success."""
    if isinstance(error, Refused):
        return {"error": error.kind, "message": error.message}
    return {"error": "error", "message": SENTENCES.get(status, SENTENCES[500])}
