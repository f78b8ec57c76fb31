"""
Reading ahead: a WebSocket's frames cut out of what has arrived.

::

    socket ─▶ Tornado's stream ─▶ all there is, at once ─▶ 2 bytes, 4 bytes, the payload; 2 bytes, …

Tornado asks its stream for the header of a frame, then for the mask, then for the payload, and each time pays for a
future. Here it asks what the stream gave last time, and only then the stream.
"""

from __future__ import annotations

from tornado.websocket import WebSocketProtocol13

AHEAD = 1 << 16  # bytes, as many as Tornado's stream itself takes from the socket at a time


class ReadingAhead(WebSocketProtocol13):
    """Tornado's protocol with all its checks, and fewer waits."""

    _ahead = b""
    _at = 0  # up to here it is used

    async def _read_bytes(self, n: int) -> bytes:
        while (missing := self._at + n - len(self._ahead)) > 0:
            self._ahead, self._at = self._ahead[self._at :], 0
            if missing > AHEAD:
                self._ahead += await self.stream.read_bytes(missing)
            else:
                self._ahead += await self.stream.read_bytes(AHEAD, partial=True)
        data = self._ahead[self._at : self._at + n]
        self._at += n
        if self._at == len(self._ahead):  # who waits for the next frame holds nothing of the last
            self._ahead, self._at = b"", 0
        self._wire_bytes_in += n
        return data
