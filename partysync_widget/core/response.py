"""
A response: what a party's ``on_request`` answers to whoever has asked its room by plain HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MOST_BYTES = 8 << 20  # of one body


class Response:
    """An answer to a request: ``Response("no such list", status=404)``.

    ``body``     text, bytes, or anything that JSON has; None is no body.
    ``status``   200 to 599; 204 where there is no body.
    ``headers``  by name; ``Content-Type`` is as the body says, unless it is among them.

    Raises TypeError or ValueError for what cannot be sent.
    """

    def __init__(self, body: Any = None, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        given: Any = status if status is not None else 204 if body is None else 200
        if type(given) is not int or not 200 <= given <= 599:
            raise ValueError(f"The status of a Response is 200 to 599, not {status!r}.")
        self.status: int = given
        self.headers = {str(name): str(value) for name, value in (headers or {}).items()}
        if any(set(text) & set("\r\n\0") for pair in self.headers.items() for text in pair):
            raise ValueError("A header of a Response has a line break in it.")
        self.body, kind = _written(body)
        if len(self.body) > MOST_BYTES:
            raise ValueError(f"A Response has {len(self.body):,} bytes, and {MOST_BYTES:,} at most are sent.")
        if kind and "content-type" not in map(str.lower, self.headers):
            self.headers["Content-Type"] = kind

    @classmethod
    def of(cls, value: Any) -> Response:
        """What ``on_request`` returned, as a response: one already, or the body of one."""
        return value if isinstance(value, cls) else cls(value)


def _written(body: Any) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), "application/octet-stream"
    return msgspec.json.encode(body), "application/json"
