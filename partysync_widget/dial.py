"""
Dialling: opens the WebSocket of a room, or says in a sentence why not.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from .core.errors import NotConnected, PartySyncError, PermissionDenied, ProtocolError, SchemaMismatch
from .servers import Server

CONNECT_SECONDS = 10.0
MAX_FRAME = 64 << 20  # bytes from the server
NEAR = re.compile(r"localhost|127\.[\d.]+|::1")  # hosts to which bytes cost less than to compress them


def offers(url: str) -> list[str]:
    """The sub-protocols to offer to a server there, the one that is wanted most first."""
    near = ["partysync.v1+json", "partysync.v1+msgpack"]
    return near if NEAR.fullmatch(urlsplit(url).hostname or "") else ["partysync.v1+deflate", *near]


async def dial(
    server: Server, party: str, room: str, on_message: Callable[[str | bytes | None], None], *, party_hint: str = ""
) -> WebSocketClientConnection:
    """The open socket. ``on_message`` gets every message, and None when it is closed.

    Raises NotConnected, PermissionDenied or ProtocolError with what to do.
    """
    headers = {"Authorization": f"Bearer {server.token}"}
    if party_hint:
        headers["X-PartySync-Party"] = party_hint
    url = server.websocket(party, room)
    request = HTTPRequest(
        url,
        headers=headers,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=CONNECT_SECONDS,
        # Tornado's own was made when it was imported; SSL_CERT_FILE may have been set in a cell since.
        ssl_options=ssl.create_default_context() if url.startswith("wss:") else None,
    )
    opening = asyncio.ensure_future(
        websocket_connect(request, on_message_callback=on_message, max_message_size=MAX_FRAME, subprotocols=offers(url))
    )
    try:
        socket = await asyncio.wait_for(asyncio.shield(opening), CONNECT_SECONDS)
    except asyncio.CancelledError:
        opening.add_done_callback(_let_go)
        raise
    except HTTPClientError as error:
        raise _refusal(error, server.url) from None
    except ssl.SSLCertVerificationError as error:
        raise NotConnected(
            f"This machine does not trust the certificate of {server.url} ({error.verify_message}). If it is one of "
            f"your own authority, set SSL_CERT_FILE to the authority's certificate, a PEM file, and connect again."
        ) from None
    except (OSError, TimeoutError, WebSocketError) as error:
        opening.add_done_callback(_let_go)  # it may open yet
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        raise NotConnected(
            f"There is no room server at {server.url} ({why}). Start one with `partysync serve`, or leave url out."
        ) from None
    if socket.protocol is not None:
        socket.protocol.set_nodelay(True)
    return socket


def _refusal(error: HTTPClientError, url: str) -> PartySyncError:
    """The server's sentence, if it sent one."""
    try:
        said = json.loads(error.response.body if error.response else b"")
        kind, message = said["error"], said["message"]
    except (ValueError, KeyError, TypeError):
        return NotConnected(f"{url} answers {error.code} and is no room server, or an older one. Check the address.")
    if error.code == 403:
        return PermissionDenied(message)
    if kind == "schema":
        return SchemaMismatch(message)
    return NotConnected(message) if kind == "storage" else ProtocolError(kind, message)


def _let_go(opening: asyncio.Future[WebSocketClientConnection]) -> None:
    """A socket that nobody waits for any more is closed as soon as it is open; one left open stays for ever."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
