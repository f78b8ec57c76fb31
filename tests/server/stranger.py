"""
A stranger on the server's port, who speaks HTTP and WebSocket by hand, and says whatever a test wants said.
"""

import base64
import contextlib
import json
import os
import socket
import struct

import pytest

TEXT, BINARY, CLOSE = 1, 2, 8
JSON, MSGPACK, DEFLATE = "partysync.v1+json", "partysync.v1+msgpack", "partysync.v1+deflate"


class Stranger:
    """One connection. ``status``, ``headers`` and ``body`` are of the answer to its request, if it made one."""

    def __init__(
        self, server, path=None, *, token=None, subprotocol=JSON, method="GET", upgrade=True, buffer=None, **headers
    ):
        self._socket = socket.socket()
        self._socket.settimeout(8)
        if buffer is not None:  # bytes that the system takes for it while it does not read
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.connect(("127.0.0.1", server.port))
        self._kept = b""
        self.status, self.headers, self.body = None, {}, b""
        if path is not None:
            asked = {"Host": f"127.0.0.1:{server.port}"}
            if upgrade:
                key = base64.b64encode(os.urandom(16)).decode()
                asked |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key}
                asked |= {"Sec-WebSocket-Version": "13"}
                if subprotocol:
                    asked["Sec-WebSocket-Protocol"] = subprotocol
            asked["Authorization"] = f"Bearer {server.token if token is None else token}"
            asked |= {name.replace("_", "-"): value for name, value in headers.items()}
            lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items() if value)]
            self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
            self._answer(body=method != "HEAD")

    def send(self, raw):
        """Bytes as they are. Who has been hung up on is not stopped by it."""
        with contextlib.suppress(OSError):
            self._socket.sendall(raw)

    def frame(self, payload, opcode=None, *, mask=True, first=0x80, length=None):
        """One frame; ``payload`` is text, bytes or what becomes JSON."""
        if not isinstance(payload, bytes | str):
            payload = json.dumps(payload)
        opcode = opcode if opcode is not None else TEXT if isinstance(payload, str) else BINARY
        payload = payload.encode(errors="surrogatepass") if isinstance(payload, str) else payload
        size = len(payload) if length is None else length
        head = bytes([first | opcode])
        bit = 0x80 if mask else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 1 << 16:
            head += bytes([bit | 126]) + struct.pack("!H", size)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", size)
        self.send(head + (b"\0\0\0\0" if mask else b"") + payload)
        return self

    def _read(self, count):
        while len(self._kept) < count:
            more = self._socket.recv(1 << 16)
            if not more:
                raise EOFError
            self._kept += more
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken

    def _answer(self, *, body):
        try:
            while b"\r\n\r\n" not in self._kept:
                more = self._socket.recv(1 << 16)
                if not more:
                    return
                self._kept += more
        except OSError:
            return
        head, _, self._kept = self._kept.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        if self.status != 101 and body:
            self.body = self._read(int(self.headers.get("content-length", 0)))

    def hear(self):
        """The next message: a frame of ours as a dict, raw bytes, or None when the server has closed the line."""
        try:
            first, second = self._read(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            payload = self._read(size)
        except (EOFError, ConnectionError):
            return None
        match first & 0x0F:
            case 1:
                return self.said(payload)
            case 2:
                return payload
            case 8:
                return None
            case _:
                return self.hear()

    def said(self, text):
        """A text message, as a test wants it."""
        return json.loads(text)

    def hear_all(self):
        """Everything until the server closes the line. That it does is part of what is tested."""
        heard = []
        while (message := self.hear()) is not None:
            heard.append(message)
        return heard

    def until_hung_up(self):
        """Say no more, and wait for the server to close the line, whatever it says before."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while self._socket.recv(1 << 16):
                pass

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def hello(client="stranger", **fields):
    return {"type": "hello", "protocol": 1, "client": client, **fields}


def sentence(text):
    return len(text) > 15 and text.endswith(".") and "Error" not in text


@pytest.fixture
def bystander(server, enter, wait_until):
    """Somebody who was there before and works on; and the server has had no mistake of its own, and told no secret."""
    before, sessions = len(server.log), server.sessions()
    table = enter("bystander").table("t", x=int)
    table.insert(x=1).result(8)
    yield
    assert table.insert(x=2).result(8) is None
    assert table.room.status == "live"
    said = server.log[before:]
    assert "Traceback" not in said
    assert server.token not in said
    wait_until(lambda: server.sessions() <= sessions + 2, what="the end of the strangers' sessions")
