"""
A line: the client's end of one WebSocket as plain bytes, so cheap that a thousand of them fit beside the server.

Frames go out masked with zeros, which RFC 6455 allows and costs nothing; what comes in is cut into messages and handed
on as it is. No extensions are offered, so nobody compresses.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Mapping

READ = 1 << 18
ROOM = memoryview(bytearray(READ))  # for what is received; all lines are of one thread
CONNECT_SECONDS = 20.0

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Cut(Exception):
    """The other end has closed it, or would not open it."""


class Line:
    """See the module. Blocking until it is open, never afterwards."""

    def __init__(
        self, port: int, path: str, *, headers: Mapping[str, str] | None = None, subprotocol: str | None = None
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = 0  # bytes
        self._in = bytearray()
        self._need = 2  # bytes, before there can be another whole message
        self._out = bytearray()
        self._greet(port, path, {**(headers or {}), **({"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {})})
        self.socket.setblocking(False)  # noqa: FBT003  # the name of the thing is a bool

    def _greet(self, port: int, path: str, headers: Mapping[str, str]) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        head += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(READ)
            if not piece:
                raise Cut(f"The server closed the line instead of opening it: {answer[:200]!r}")
            answer += piece
        status, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in status.split(b"\r\n")[0]:
            raise Cut(f"The server said {status[:80]!r} {rest[:200]!r}")
        self._in += rest

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, payload: bytes, *, binary: bool = False, opcode: int = 0) -> None:
        """One message. Whatever the socket does not take now goes with ``flush``."""
        size = len(payload)
        head = bytearray([0x80 | (opcode or (BINARY if binary else TEXT))])
        if size < 126:
            head.append(0x80 | size)
        elif size < 1 << 16:
            head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
        self._out += head + b"\0\0\0\0" + payload
        self.flush()

    def flush(self) -> bool:
        """Send what waits; whether something still does."""
        while self._out:
            try:
                sent = self.socket.send(memoryview(self._out)[:READ])
            except BlockingIOError:
                return True
            except OSError as error:
                raise Cut(str(error)) from error
            del self._out[:sent]
        return False

    @property
    def waiting(self) -> int:
        """Bytes that the server has not taken yet."""
        return len(self._out)

    def receive(self) -> list[bytes]:
        """The messages that are there as a whole by now. Raises Cut at the end."""
        try:
            count = self.socket.recv_into(ROOM)
        except BlockingIOError:
            count = None
        except OSError as error:
            raise Cut(str(error)) from error
        if count is not None:
            if not count:
                raise Cut("The server has closed the line.")
            self.received += count
            self._in += ROOM[:count]
        return self._messages() if len(self._in) >= self._need else []

    def _messages(self) -> list[bytes]:
        found, at, buffer = [], 0, self._in
        self._need = 2
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1] & 0x7F, at + 2
            if size == 126:
                start += 2
                size = int.from_bytes(buffer[at + 2 : start], "big")
            elif size == 127:
                start += 8
                size = int.from_bytes(buffer[at + 2 : start], "big")
            if len(buffer) < start + size:
                self._need = start - at + size if len(buffer) >= start else start - at
                break
            opcode, payload = buffer[at] & 0xF, bytes(memoryview(buffer)[start : start + size])
            at = start + size
            if opcode == PING:
                self.send(payload, opcode=PONG)
            elif opcode == CLOSE:
                raise Cut(f"The server said goodbye: {payload[2:200]!r}")
            elif opcode != PONG:
                found.append(payload)
        if at:
            del buffer[:at]
        return found

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
