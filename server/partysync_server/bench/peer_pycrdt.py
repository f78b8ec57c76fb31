"""
pycrdt-websocket as Jupyter's own collaboration runs it: a Tornado handler before its rooms, and its SQLite store.

``python -m partysync_server.bench.peer_pycrdt PORT FILE``.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import tornado.httpserver
import tornado.web
import tornado.websocket


def application(file: str, server_kind: Any, room_kind: Any, store_kind: Any) -> tuple[Any, tornado.web.Application]:
    class Store(store_kind):  # type: ignore[misc]
        db_path = file

    class Server(server_kind):  # type: ignore[misc]
        async def get_room(self, name: str) -> Any:
            if name not in self.rooms:
                self.rooms[name] = room_kind(ready=self.rooms_ready, ystore=Store(name), log=self.log)
            await self.start_room(self.rooms[name])
            return self.rooms[name]

    rooms = Server(auto_clean_rooms=False)

    class Socket(tornado.websocket.WebSocketHandler):
        """What ``YDocWebSocketHandler`` of jupyter-server-ydoc is, without Jupyter."""

        task: asyncio.Task[None]

        def initialize(self) -> None:
            self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        def open(self, *_args: str, **_kwargs: str) -> None:
            self.set_nodelay(True)
            self.task = asyncio.create_task(rooms.serve(self))

        def on_message(self, message: str | bytes) -> None:
            self.queue.put_nowait(message.encode() if isinstance(message, str) else message)

        def on_close(self) -> None:
            self.queue.put_nowait(None)

        async def send(self, message: bytes) -> None:
            with contextlib.suppress(tornado.websocket.WebSocketClosedError):
                _ = self.write_message(message, binary=True)

        async def recv(self) -> bytes:
            message = await self.queue.get()
            if message is None:
                raise StopAsyncIteration
            return message

        def __aiter__(self) -> Socket:
            return self

        async def __anext__(self) -> bytes:
            return await self.recv()

        @property
        def path(self) -> str:
            return self.request.path

    return rooms, tornado.web.Application([("/.*", Socket)], websocket_max_message_size=256 << 20)


async def serve(port: int, file: str) -> None:
    from pycrdt.store import SQLiteYStore  # noqa: PLC0415  # a peer: in the extra `bench`
    from pycrdt.websocket import WebsocketServer  # noqa: PLC0415  # likewise
    from pycrdt.websocket.yroom import YRoom  # noqa: PLC0415  # likewise

    rooms, app = application(file, WebsocketServer, YRoom, SQLiteYStore)
    async with rooms:
        tornado.httpserver.HTTPServer(app).listen(port, "127.0.0.1", backlog=1024)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
