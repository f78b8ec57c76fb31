"""A room server, rooms on it, and the other end of a widget's comm: what Jupyter and a browser would be."""

import itertools
import json
import subprocess
import sys
import threading

import comm
import comm.base_comm
import ipywidgets
import pytest

import partysync_widget as ps

SECONDS = 10  # to wait for anything here, at most

rooms = itertools.count()
numbers = itertools.count(1)  # of edits and questions


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address and the token of a server of our own."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "partysync_server", "serve", "--data", str(folder), "--token", "secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        yield {"url": url, "token": "secret"}
        process.terminate()


@pytest.fixture
def enter(server):
    """Enter a room, a new one for each test; every call is another person in it."""
    name, entered = f"room-{next(rooms)}", []

    def enter():
        entered.append(ps.connect(name, **server))
        return entered[-1]

    yield enter
    for room in entered:
        room.close()


@pytest.fixture
def room(enter):
    return enter()


@pytest.fixture
def todos(room):
    return room.table("todos", text=str, done=bool)


class Wire(comm.base_comm.BaseComm):
    """A comm whose messages are kept, in place of Jupyter's."""

    heard = threading.Condition()

    def __init__(self, *args, **kwargs):
        self.sent = []
        self.threads = []
        super().__init__(*args, **kwargs)

    def _reply_subshell_for(self, _content, _chosen):
        return "the main shell: behind the cell"

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        with self.heard:
            self.sent.append((msg_type, data, buffers or []))
            self.threads.append(threading.current_thread().name)
            self.heard.notify_all()

    def until(self, there, what="what the test waits for"):
        with self.heard:
            assert self.heard.wait_for(there, SECONDS), f"{what} did not happen within {SECONDS} s"

    @property
    def custom(self):
        """(content, buffer as JSON) of every custom message so far."""
        return self.custom_from(0)

    def custom_from(self, first):
        """The same, without the first so many."""
        with self.heard:
            said = [
                (data["content"], buffers)
                for msg_type, data, buffers in self.sent
                if msg_type == "comm_msg" and data.get("method") == "custom"
            ]
        return [(content, json.loads(buffers[0]) if buffers else None) for content, buffers in said[first:]]

    def say(self, content):
        """A custom message from the browser."""
        self.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def state(self):
        """The synced traits, as the browser has them: from comm_open and every update since."""
        state = {}
        for msg_type, data, _ in self.sent:
            if msg_type == "comm_open" or data.get("method") == "update":
                state.update(data["state"])
        return state


@pytest.fixture(autouse=True)
def jupyter(monkeypatch):
    """Comms go nowhere but here; widgets are closed when the test is over."""
    monkeypatch.setattr(comm, "create_comm", Wire)
    yield
    ipywidgets.Widget.close_all()


class Browser:
    """One page that shows a channel: as slow and obvious as js/src/feed.ts is quick. It checks the numbering."""

    def __init__(self, channel, page="page"):
        self.wire = channel.comm
        self.page = page
        self._begun = len(self.wire.custom)
        self._heard = self._begun
        self._shown = Page(page)
        self.wire.say({"k": "hello", "for": page})
        self.until(lambda page: page.ready)

    def edit(self, op, id, /, *, number=None, **values):
        """One change of one row; ``number`` is that of the edit, made up unless given."""
        return self.edits([(op, id, values)], number)

    def edits(self, changes, n=None, draft=None):
        """Several changes as one edit."""
        n = n or f"{self.page}-{next(numbers)}"
        said = [{"op": op, "id": id_, "values": values} for op, id_, values in changes]
        self.wire.say({"k": "edit", "n": n, "changes": said, **({"draft": draft} if draft else {})})
        return n

    def undo(self, *rows):
        """Put back ``(id, before, after, position)``."""
        n = f"{self.page}-{next(numbers)}"
        said = [{"op": "back", "id": id_, "before": old, "after": new, "at": at} for id_, old, new, at in rows]
        self.wire.say({"k": "edit", "n": n, "changes": said})
        return n

    def ask(self, view="v", first=0, count=50, **query):
        """Bring rows of a query into sight; the number of the question."""
        number = next(numbers)
        self.wire.say({"k": "window", "view": view, "ask": number, "query": query, "first": first, "count": count})
        return number

    def window(self, view="v", first=0, count=50, **query):
        """Ask, and wait for the answer: ids in sight."""
        number = self.ask(view, first, count, **query)
        return self.until(lambda page: page.asked.get(view, 0) >= number).sight[view]

    def until(self, there):
        self.wire.until(lambda: there(self.now))
        return self.now

    @property
    def now(self):
        """What the page shows, from all that was said since it was opened."""
        said = self.wire.custom_from(self._heard)
        self._heard += len(said)
        for content, buffer in said:
            self._shown.hear(content, buffer)
        return self._shown

    def history(self):
        """What the page showed after each message; one page, as it goes on."""
        page = Page(self.page)
        for content, buffer in self.wire.custom_from(self._begun):
            page.hear(content, buffer)
            yield page


class Page:
    def __init__(self, name):
        self.name = name
        self.ready = False
        self.whole = True
        self.columns, self.rows, self.at = [], {}, {}
        self.status, self.people, self.drafts, self.by = {}, [], [], {}
        self.pending, self.took, self.refused, self.frames = set(), [], [], []
        self.sight, self.size, self.first, self.asked = {}, {}, {}, {}  # by view
        self.parts = []
        self.last = None  # number of the last message of any kind
        self.seq = None  # number of the last that was taken

    def hear(self, content, buffer):
        seq = content["seq"]
        if content["k"] == "beat":
            assert self.last in (None, seq)
            return
        assert self.last is None or seq - self.last in (0, 1), "a number was left out, or told again"
        self.last = seq
        match content:
            case {"k": "snapshot", "for": meant, "part": part, "of": of}:
                if self.seq == seq:
                    return  # more of another page's
                if self.seq == seq - 1 and meant not in (None, self.name):
                    self.seq = seq
                    return
                self.parts = [*self.parts, buffer] if part else [buffer]
                if len(self.parts) == of:
                    assert part + 1 == of
                    self.seq = seq
                    self.load()
            case {"k": "delta"} if self.seq is not None:
                assert seq == self.seq + 1
                self.seq = seq
                self.frames.append(buffer)
                self.apply(buffer)

    def load(self):
        first = self.parts[0]
        self.columns, self.pending, self.whole = first["columns"], set(first["pending"]), first["whole"]
        self.rows, self.at, self.ready = {}, {}, True
        self.news(first)
        for part in self.parts:
            self.put(part)

    def put(self, block):
        names = [column["name"] for column in self.columns]
        for id_, at, *values in zip(block["ids"], block["at"], *block["cols"], strict=True):
            self.rows[id_] = dict(zip(names, values, strict=True))
            self.at[id_] = at

    def apply(self, delta):
        self.put(delta)
        for gone in delta["gone"]:
            self.rows.pop(gone, None)
            self.at.pop(gone, None)
        self.pending = (self.pending | set(delta["pending_on"])) - set(delta["pending_off"])
        self.took += delta["took"]
        self.refused += delta["refused"]
        self.by |= delta["by"]
        for window in delta["windows"]:
            view = window["view"]
            self.sight[view], self.size[view] = window["ids"], window["size"]
            self.first[view], self.asked[view] = window["first"], window["ask"]
        self.news(delta)

    def news(self, said):
        """What is said only when it has changed."""
        self.status = said.get("status", self.status)
        self.people = said.get("people", self.people)
        self.drafts = said.get("drafts", self.drafts)

    def seen(self, view="v"):
        """The rows in sight, in order, as the page knows them."""
        return [{"id": id_, **self.rows[id_]} for id_ in self.sight.get(view, []) if id_ in self.rows]

    @property
    def order(self):
        return sorted(self.rows, key=lambda id_: (self.at[id_], id_))

    def reason(self, n):
        """Why edit ``n`` was refused, or None."""
        return next((refusal["why"] for refusal in self.refused if refusal["n"] == n), None)

    @property
    def sum(self):
        return sum(row["money"] for row in self.rows.values())


@pytest.fixture
def browse():
    return Browser
