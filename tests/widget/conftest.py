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
        return [
            (data["content"], json.loads(buffers[0]) if buffers else None)
            for msg_type, data, buffers in self.sent
            if msg_type == "comm_msg" and data.get("method") == "custom"
        ]

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
        self.wire.say({"k": "hello", "for": page})
        self.until(lambda page: page.ready)

    def edit(self, op, id, n=None, **values):
        n = n or f"{self.page}-{len(self.wire.sent)}-{op}-{id}"
        self.wire.say({"k": "edit", "n": n, "op": op, "id": id, "values": values})
        return n

    def until(self, there):
        self.wire.until(lambda: there(self.now))
        return self.now

    @property
    def now(self):
        """What the page shows, from all that was ever said."""
        return Page(self.page, self.wire.custom)

    def history(self):
        """What the page showed after each message; one page, as it goes on."""
        page = Page(self.page, [])
        for content, buffer in self.wire.custom:
            page.hear(self.page, content, buffer)
            yield page


class Page:
    def __init__(self, page, said):
        self.ready = False
        self.columns, self.rows, self.at, self.status = [], {}, {}, {}
        self.pending, self.took, self.refused, self.frames = set(), [], [], []
        self.parts, self.seq = [], None
        for content, buffer in said:
            self.hear(page, content, buffer)

    def hear(self, page, content, buffer):
        match content:
            case {"k": "snapshot", "for": None | str() as meant, "part": part, "of": of, "seq": seq}:
                if not self.ready and meant not in (None, page):
                    return
                assert self.seq in (None, seq, seq - 1)
                self.seq = seq
                if meant not in (None, page):
                    return
                self.parts = [*self.parts, buffer] if part else [buffer]
                assert len(self.parts) == part + 1
                if len(self.parts) == of:
                    self.load()
            case {"k": "delta", "seq": seq} if self.ready:
                assert seq == self.seq + 1
                self.seq = seq
                self.frames.append(buffer)
                self.apply(buffer)
            case {"k": "beat", "seq": seq} if self.ready:
                assert seq == self.seq

    def load(self):
        first = self.parts[0]
        self.columns, self.pending, self.status = first["columns"], set(first["pending"]), first["status"]
        self.rows, self.at, self.ready = {}, {}, True
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
        self.pending = (self.pending | set(delta["pending_on"])) - set(delta["pending_off"])
        self.took += delta["took"]
        self.refused += delta["refused"]
        self.status = delta["status"]

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
