"""
The todo example, three ways: a page of the server's, one that speaks the ancestor's dialect, and a notebook's kernel.

Each has a line of its own, which can be cut.
"""

import os
from pathlib import Path

import apsw

from tests.client.line import Line
from tests.kernels.kernel import Kernel

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# The page of another site. Its script is ancestor.js.
ANCESTOR = """<!doctype html><meta charset="utf-8"><title>The ancestor's dialect</title><ul></ul>
<script type="module" src="/ancestor.js"></script>"""

ENTER = """
import contextlib, time
import partysync_widget as ps
from todo import Todos
room = ps.connect({name!r}, party=Todos)
todos = room.table("todos")
todos
"""


def environment():
    """In which ``todo:Todos`` can be imported."""
    path = os.pathsep.join(filter(None, [str(NOTEBOOKS), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


class Cuttable:
    """What has a line of its own."""

    def __init__(self, server):
        self.line = Line(server.port)

    def cut(self):
        """From now on nothing passes, and what there was is reset."""
        self.line.hold()
        self.line.cut()

    def mend(self):
        self.line.release()


class InNotebook(Cuttable):
    """A kernel that has run the notebook's first cells."""

    def __init__(self, server, name):
        super().__init__(server)
        self.kernel = Kernel({**environment(), "PARTYSYNC_URL": self.line.url, "PARTYSYNC_TOKEN": server.token})
        self.kernel.run(ENTER.format(name=name))

    def do(self, mutator, **args):
        """What is gone meanwhile is no mistake of the caller's."""
        self.kernel.run(f"with contextlib.suppress(ps.MutationRejected): room.mutate({mutator!r}, **{args!r})")

    def create(self, id, text):
        self.do("create", id=id, text=text)

    def toggle(self, id, completed):
        self.do("toggle", id=id, completed=completed)

    def delete(self, id):
        self.do("delete", id=id)

    def settled(self):
        return self.kernel.ask("room.pending") == 0

    def rows(self):
        return [tuple(row) for row in self.kernel.ask("[[r['id'], r['text'], r['completed']] for r in todos.records]")]

    def close(self):
        self.kernel.close()
        self.line.close()


class OnPage(Cuttable):
    """The page of the server, as a person uses it."""

    def __init__(self, server, context, link):
        super().__init__(server)
        self.page = context.new_page()
        self.page.goto(link.replace(server.url, self.line.url).replace("/parties/todos/", "/examples/todo/"))
        self.page.wait_for_selector("[role=status][data-status=live]", state="attached")

    def entry(self, text):
        return self.page.locator(".todo-item").filter(has=self.page.get_by_text(text, exact=True))

    def add(self, text):
        self.page.locator(".todo-input").fill(text)
        self.page.keyboard.press("Enter")

    def create(self, id, text):
        """The id it mints by itself."""
        self.add(text)

    def toggle(self, id, completed):
        self._click(id, "input")

    def delete(self, id):
        self._click(id, "button")

    def _click(self, id, what):
        self.page.evaluate("(what) => document.querySelector(what)?.click()", f'[data-id="{id}"] {what}')

    def rows(self):
        found = self.page.locator(".todo-item").evaluate_all(
            """(items) => items.map((item) => [
                item.dataset.id, item.querySelector("span").textContent, item.querySelector("input").checked,
            ])"""
        )
        return [tuple(row) for row in found]

    def settled(self):
        """Whether nothing on it is a guess."""
        return not self.page.locator(".todo-item").evaluate_all("(all) => all.some((item) => item.style.opacity < 1)")

    def close(self):
        self.page.close()
        self.line.close()


class InDialect(Cuttable):
    """The page of another site, over the ancestor's own partysocket."""

    def __init__(self, server, context, site, name, token):
        super().__init__(server)
        self.page = context.new_page()
        self.page.goto(f"{site.url}/ancestor.html")
        self.page.wait_for_function("!!window.enter")
        host = self.line.url.partition("://")[2]
        self.page.evaluate("(place) => enter(place)", {"host": host, "room": name, "token": token})
        self.page.wait_for_function("frames_heard.some((frame) => frame.sync)")

    def cut(self):
        """What that client has sent into a line that is cut is lost, and it knows nothing of it: its own fault (e2)."""
        self.page.wait_for_function("settled()")
        super().cut()
        self.page.wait_for_function("socket.readyState !== WebSocket.OPEN")

    def do(self, action, **payload):
        self.page.evaluate("([action, payload]) => act(action, payload)", [action, payload])

    def create(self, id, text):
        self.do("create", id=id, text=text, completed=0)

    def toggle(self, id, completed):
        """As the ancestor's page does: the whole entry."""
        text = next((text for there, text, _ in self.rows() if there == id), "gone")
        self.do("update", id=id, text=text, completed=int(completed))

    def delete(self, id):
        self.do("delete", id=id)

    def rows(self):
        found = self.page.locator("li").evaluate_all(
            "(items) => items.map((item) => [item.dataset.id, item.textContent, item.dataset.completed === '1'])"
        )
        return [tuple(row) for row in found]

    def settled(self):
        return self.page.evaluate("settled()")

    def close(self):
        self.page.close()
        self.line.close()


def kept(server):
    """The rows in the file of the only room of a server that was stopped, in the order in which they came."""
    [file] = [path for path in server.files() if path.parent.name == "todos"]
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    rows = connection.execute("SELECT id, text, completed FROM todos ORDER BY rowid").fetchall()
    connection.close()
    return [(id, text, bool(completed)) for id, text, completed in rows]
