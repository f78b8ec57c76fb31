"""
A line between kernels and a server that a test holds in its hand: it can be cut, held, and made to stutter.

And ``Stub``, a server that says what it was told to say, whatever it hears.
"""

import asyncio
import contextlib
import socket
import threading

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket


class Loop:
    """An event loop in a thread of its own, for the other side of a conversation."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(8)

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(8)


class Line:
    """A relay to ``port`` with an address of its own."""

    def __init__(self, port):
        self._port = port
        self._at = Loop()
        self._ends = set()
        self._open = asyncio.Event()
        self._open.set()
        self.slice = 1 << 16  # bytes passed on at a time
        self.connections = 0
        self._server = self._at.do(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self):
        """Reset every connection; what was on the way is lost."""
        self._at.do(self._cut())

    def hold(self):
        """Neither side hears of the other any more, and neither is told."""
        self._at.loop.call_soon_threadsafe(self._open.clear)

    def release(self):
        self._at.loop.call_soon_threadsafe(self._open.set)

    def close(self):
        self._server.close()
        self.release()
        self.cut()
        self._at.end()

    async def _cut(self):
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _relay(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(OSError):
            there, to_there = await asyncio.open_connection("127.0.0.1", self._port)
            self._ends |= {writer, to_there}
            for each in (writer, to_there):
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(self._pass_on(reader, to_there), self._pass_on(there, writer))
        writer.close()

    async def _pass_on(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(self.slice):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


class Stub:
    """A server that lets everybody in, says ``script`` and hears what it is told."""

    def __init__(self, script, *, subprotocol="partysync.v1+json"):
        self._at = Loop()
        self.script = list(script)
        self.subprotocol = subprotocol
        self.heard = []
        self._at.do(self._start())

    async def _start(self):
        self.socket = tornado.netutil.bind_sockets(0, "127.0.0.1")
        app = tornado.web.Application([(".*", _StubSocket, {"stub": self})], log_function=lambda _: None)
        self._server = tornado.httpserver.HTTPServer(app)
        self._server.add_sockets(self.socket)
        self.url = f"http://127.0.0.1:{self.socket[0].getsockname()[1]}"

    def close(self):
        self._at.do(self._stop())
        self._at.end()

    async def _stop(self):
        self._server.stop()
        await self._server.close_all_connections()


class _StubSocket(tornado.websocket.WebSocketHandler):
    def initialize(self, stub):
        self.stub = stub

    def select_subprotocol(self, subprotocols):
        return self.stub.subprotocol if self.stub.subprotocol in subprotocols else None

    def on_message(self, message):
        if not self.stub.heard:  # the hello
            for said in self.stub.script:
                if said is None:
                    self.close()
                else:
                    self.write_message(said, binary=isinstance(said, bytes))
        self.stub.heard.append(message)
