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
        self._relays = {}  # the two ends of each, and whether anything passes
        self._held = False
        self.slice = 1 << 16  # bytes passed on at a time
        self.connections = 0
        self.passed = 0  # bytes, both ways
        self._server = self._at.do(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self):
        """Reset every connection; what was on the way is lost."""
        self._at.do(self._cut(silent=False))

    def cut_silent(self):
        """Reset the connections that are silent."""
        self._at.do(self._cut(silent=True))

    def hold(self):
        """Neither side hears of the other any more, and neither is told, nor who comes later."""
        self._at.do(self._let(pass_=False))

    def silence(self):
        """The same, for the connections there are; later ones pass."""
        self._at.do(self._let(pass_=False))
        self._held = False

    def release(self):
        self._at.do(self._let(pass_=True))

    def close(self):
        self._at.do(self._close())
        self._at.end()

    async def _close(self):
        self._server.close()
        await self._let(pass_=True)
        await self._cut(silent=False)

    async def _let(self, *, pass_):
        self._held = not pass_
        for passes in self._relays.values():
            passes.set() if pass_ else passes.clear()

    async def _cut(self, *, silent):
        for ends, passes in list(self._relays.items()):
            if not (silent and passes.is_set()):
                for end in ends:
                    end.transport.abort()
                passes.set()
                del self._relays[ends]

    async def _relay(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(OSError):
            there, to_there = await asyncio.open_connection("127.0.0.1", self._port)
            for each in (writer, to_there):
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            passes = self._relays[writer, to_there] = asyncio.Event()
            if not self._held:
                passes.set()
            await asyncio.gather(self._pass_on(reader, to_there, passes), self._pass_on(there, writer, passes))
            self._relays.pop((writer, to_there), None)
        writer.close()

    async def _pass_on(self, reader, writer, passes):
        with contextlib.suppress(OSError):
            while data := await reader.read(self.slice):
                await passes.wait()
                self.passed += len(data)
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
