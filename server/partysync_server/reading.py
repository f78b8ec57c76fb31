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
        end = self._at + n
        if end > len(self._ahead):
            await self._read_on(n)
            end = n
        data = self._ahead[self._at : end]
        self._at = end
        self._wire_bytes_in += n
        return data

    async def _read_on(self, n: int) -> None:
        """Until there are so many, from the beginning of what is ahead."""
        self._ahead, self._at = self._ahead[self._at :], 0
        while (missing := n - len(self._ahead)) > 0:
            if missing > AHEAD:
                self._ahead += await self.stream.read_bytes(missing)
            else:
                self._ahead += await self.stream.read_bytes(AHEAD, partial=True)
