"""
Logs: one line for each thing that happens, for people or (``json``) for programs, and no secret in any of them.

Nothing of ours writes a token, a header, the query of an address or a row's value. The filter here is the second line
of defence: it puts ``…`` in the place of every secret that it knows, whoever wrote it, tracebacks included.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from collections.abc import Iterable
from typing import TextIO

# What we say of an event beside its sentence: the names under which `extra=` brings them.
FIELDS = (
    "event", "party", "room", "session", "person", "client", "reason", "status", "address", "new", "version",
    "url", "data", "seconds",
)  # fmt: skip
LIBRARIES = ("tornado.access", "tornado.application", "tornado.general", "asyncio")
AFTER_A_NAME = re.compile(
    r"(?i)(\b(?:bearer|token|access_token|authorization)\b\"?'?\s*[=: ]\s*\"?'?)(?:bearer\s+|token\s+)?[^\s\"'&,;]+"
)


class Discreet(logging.Formatter):
    """A formatter that knows secrets, and what a token mostly stands behind."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)  # one may be part of another

    def format(self, record: logging.LogRecord) -> str:
        text = self.line(record)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text if record.name == "partysync.server" else AFTER_A_NAME.sub(r"\1…", text)

    def line(self, record: logging.LogRecord) -> str:
        raise NotImplementedError

    def moment(self, record: logging.LogRecord) -> str:
        """As RFC 3339 has it."""
        return dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")

    def trouble(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class Text(Discreet):
    """``time LEVEL message key=value …``, and what went wrong below it."""

    def line(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items() if name != "event")
        head = f"{self.moment(record)} {record.levelname} {record.getMessage()}{fields}"
        return f"{head}\n{trouble}" if (trouble := self.trouble(record)) else head


class Json(Discreet):
    """One object on one line."""

    def line(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "time": self.moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if trouble := self.trouble(record):
            said["traceback"] = trouble
        return json.dumps(said, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}


def _shown(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


def configure(level: int | str, style: str, secrets: Iterable[str], stream: TextIO) -> logging.Handler:
    """Let our log, and those of the libraries below us, go to ``stream`` from ``level`` on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json(secrets) if style == "json" else Text(secrets))
    for name in ("partysync", *LIBRARIES):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)
    return handler
