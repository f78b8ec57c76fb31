"""A web server before a room server, as a proxy that serves pages: it passes on what a socket offers, token and all."""

import asyncio
import subprocess
from pathlib import Path

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from tests.client.line import Loop
from tests.web.conftest import node

ROOT = Path(__file__).parents[2]
SUBPROTOCOL = "partysync.v1+json"

PAGE = """<!doctype html><meta charset="utf-8"><title>Rooms</title><main></main>
<script type="module">import { connect } from "/dist/index.js"; window.connect = connect; window.ready = true;</script>
<script type="module" src="/todos.js"></script>"""

# The ancestor's example, as short as it gets: a list at half opacity until it is settled, and a field for a new entry.
TODOS = """
import { createRoot } from "react-dom/client";
import { StrictMode, useState } from "react";
import { useSync, isOptimistic } from "./web/dist/react.js";

function Todos({ socket }) {
  const [text, setText] = useState("");
  const [todos, sendAction] = useSync("todos", socket);
  const add = (event) => {
    event.preventDefault();
    sendAction({ type: "insert", payload: { id: text, text } });
    setText("");
  };
  return <form onSubmit={add}>
    <input value={text} onChange={(event) => setText(event.target.value)} />
    <ul>{todos.map((todo) => <li key={todo[0]} style={{ opacity: isOptimistic(todo) ? 0.5 : 1 }}>{todo[1]}</li>)}</ul>
  </form>;
}
window.show = (socket) => {
  createRoot(document.querySelector("main")).render(<StrictMode><Todos socket={socket} /></StrictMode>);
};
"""
BUNDLE = """
import { build } from "esbuild";
await build({
  stdin: { contents: process.env.TODOS, loader: "jsx", resolveDir: process.cwd() }, outfile: process.env.OUT,
  bundle: true, format: "esm", jsx: "automatic", logLevel: "error", define: { "process.env.NODE_ENV": '"development"' },
});
"""


class FrontDoor:
    """``url`` serves the page, its scripts, and the rooms of ``server``. ``shut`` lets no socket through."""

    def __init__(self, server, folder):
        js = ROOT / "js"
        subprocess.run(
            [node(), "--input-type=module", "-e", BUNDLE],
            cwd=js,
            env={"TODOS": TODOS, "OUT": str(folder / "todos.js")},
            check=True,
        )
        self.server = server
        self.shut = False
        self.sockets = set()
        self.application = tornado.web.Application(
            [
                (r"/", _Page),
                (r"/parties/.*", _Relay, {"door": self}),
                (r"/dist/(.*)", tornado.web.StaticFileHandler, {"path": str(js / "web" / "dist")}),
                (r"/(todos\.js)", tornado.web.StaticFileHandler, {"path": str(folder)}),
            ],
            log_function=lambda _: None,
        )
        self._at = Loop()
        self._at.do(self._start())

    async def _start(self):
        listening = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self._http = tornado.httpserver.HTTPServer(self.application)
        self._http.add_sockets(listening)
        self.url = f"http://127.0.0.1:{listening[0].getsockname()[1]}"

    def cut(self):
        """Every line, and until ``shut`` is false again nobody comes through."""
        self.shut = True
        self._at.do(self._cut())

    async def _cut(self):
        for each in list(self.sockets):
            each.close()

    def close(self):
        self._at.do(self._stop())
        self._at.end()

    async def _stop(self):
        self._http.stop()
        await self._cut()
        await self._http.close_all_connections()


class _Page(tornado.web.RequestHandler):
    def get(self):
        self.write(PAGE)


class _Relay(tornado.websocket.WebSocketHandler):
    there = None

    def initialize(self, door):
        self.door = door

    def prepare(self):
        if self.door.shut:
            raise tornado.web.HTTPError(503)

    def select_subprotocol(self, subprotocols):
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    async def open(self, *_args):
        self.door.sockets.add(self)
        there = self.door.server.url.replace("http", "ws", 1) + self.request.path
        offered = self.request.headers["Sec-WebSocket-Protocol"].replace(" ", "").split(",")
        self.there = await tornado.websocket.websocket_connect(there, subprotocols=offered)
        self._passing = asyncio.ensure_future(self._pass_on())

    async def _pass_on(self):
        while (message := await self.there.read_message()) is not None:
            await self.write_message(message)
        self.close()

    async def on_message(self, message):
        await self.there.write_message(message)

    def on_close(self):
        self.door.sockets.discard(self)
        if self.there is not None:
            self.there.close()
