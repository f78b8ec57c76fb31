"""
Asking: how the commands of the one who runs a server talk to it, over HTTP and with its own token.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from partysync_widget.core.errors import PartySyncError

ANSWER_SECONDS = 2.0  # for a server to say that it is there
WORK_SECONDS = 3_600.0  # for it to copy, check or replace a room
LEAST_TOKEN = 16  # characters


def read_token(file: str) -> str:
    """The token in a file that others cannot read. Raises PartySyncError."""
    path = Path(file).expanduser()
    try:
        status, text = path.stat(), path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise PartySyncError(f"Cannot read --token-file {path}: {why}.") from None
    if os.name == "posix" and status.st_mode & 0o007:
        raise PartySyncError(f"Everybody on this machine may read --token-file {path}. Type `chmod 600 {path}`.")
    if len(text) < LEAST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise PartySyncError(
            f"--token-file {path} holds no token: one line of at least {LEAST_TOKEN} letters and digits. "
            f"Type `openssl rand -hex 32 > {path}`."
        )
    return text


def answers(url: str, token: str) -> bool:
    """Whether a room server is there that takes this token for its own."""
    try:
        return "partysync" in ask(url, token, "/health", None, seconds=ANSWER_SECONDS)
    except PartySyncError:
        return False


def ask(
    url: str, token: str, path: str, body: dict[str, Any] | None, *, seconds: float = WORK_SECONDS
) -> dict[str, Any]:
    """What the server answers. Raises PartySyncError with its sentence."""
    import urllib.error  # noqa: PLC0415  # 18 of the 250 ms of imports of a server, which asks nobody
    import urllib.request  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        raise PartySyncError(f"An address begins with http:// or https://, not {url!r:.80}.")
    headers = {"Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the token goes to the server and no proxy
    try:
        with opener.open(urllib.request.Request(url + path, data, headers), timeout=seconds) as answer:  # noqa: S310  # the scheme is checked above
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as error:
        try:
            sentence = json.loads(error.read())["message"]
        except (ValueError, KeyError, TypeError, OSError):
            sentence = f"The server at {url} answers {error.code} and no more. Is it a room server of this version?"
        raise PartySyncError(sentence) from None
    except (OSError, ValueError) as error:
        raise PartySyncError(f"The server at {url} does not answer: {error}.") from None
