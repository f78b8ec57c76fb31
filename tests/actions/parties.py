"""Parties that act by themselves. What they do in the world outside is a line in a file, or a wait for one."""

import asyncio
import datetime as dt
import os
from pathlib import Path

from partysync_widget import Party, mutator

TODOS = """CREATE TABLE todos (
    id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, completed INTEGER NOT NULL DEFAULT 0
) STRICT"""


def outside(name):
    """A file of the world outside, where the test looks."""
    return Path(os.environ["PARTYSYNC_TEST_OUTSIDE"]) / name


def note(name, line):
    """Done outside: what no transaction takes back."""
    with outside(name).open("a") as file:
        file.write(f"{line}\n")


async def opened(name):
    """Until the test has made this file."""
    while not outside(name).exists():  # noqa: ASYNC110  # it is another process that makes it
        await asyncio.sleep(0.005)


class Todos(Party):
    """The ancestor's fixture, as its SyncServer has it: everything goes through ``on_action``."""

    schema = TODOS
    types = {"todos": {"completed": bool}}

    def on_action(self, channel, action):
        payload = action["payload"]
        match action["type"]:
            case "create":
                return self.sql(
                    "INSERT INTO todos (id, text, completed) VALUES (?, ?, ?) RETURNING *",
                    payload["id"], payload["text"], payload["completed"],
                )  # fmt: skip
            case "update":
                return self.sql(
                    "UPDATE todos SET text = ?, completed = ? WHERE id = ? RETURNING *",
                    payload["text"], payload["completed"], payload["id"],
                )  # fmt: skip
            case "delete":
                return self.sql("DELETE FROM todos WHERE id = ? RETURNING *", payload["id"])
            case "two":
                self.sql("INSERT INTO todos (id, text) VALUES ('a', 'a'), ('b', 'b')")
                return [{"id": "b"}]
            case "who":
                self.sql("INSERT INTO todos (id, text) VALUES (?, ?)", payload, f"{self.user} {self.role} {self.room}")
                return None
            case "fails after its SQL":
                self.sql("INSERT INTO todos (id, text) VALUES ('half', 'half')")
                raise ValueError(payload)
            case "sql":
                return self.sql(payload)
            case "says":
                return payload
            case other:
                raise ValueError(f"There is no action {other}.")

    @mutator
    def shout(tx, id: str):
        row = tx.get("todos", id)
        tx.update("todos", id, text=row["text"].upper())


class Slow(Party):
    """Its actions wait for the world."""

    schema = TODOS
    types = {"todos": {"completed": bool}}
    action_seconds = float(os.environ.get("PARTYSYNC_TEST_SECONDS", "30"))

    def __init__(self):
        self.at_once = self.most = 0

    async def on_action(self, channel, action):
        payload = action["payload"]
        note("begun", payload["id"])
        match action["type"]:
            case "create":
                if gate := payload.get("gate"):
                    await opened(gate)
                self.sql("INSERT INTO todos (id, text) VALUES (?, ?)", payload["id"], payload["text"])
                return self.sql("SELECT * FROM todos WHERE id = ?", payload["id"])
            case "rest":
                await asyncio.sleep(payload["seconds"])
                self.sql("INSERT INTO todos (id, text) VALUES (?, 'x')", payload["id"])
            case "split":
                self.sql("INSERT INTO todos (id, text) VALUES (?, 'before')", payload["id"])
                await asyncio.sleep(0)
                self.sql("UPDATE todos SET text = 'after' WHERE id = ?", payload["id"])
            case "nothing":
                await asyncio.sleep(0)
                return "nothing was done"
            case "fails":
                await asyncio.sleep(0)
                raise ValueError(payload["id"])
            case "in a task":
                await asyncio.create_task(self.add(payload["id"]))
            case "in a thread":
                await asyncio.to_thread(self.sql, "INSERT INTO todos (id, text) VALUES ('x', 'y')")
            case "for ever":
                await asyncio.Event().wait()
            case "stubborn":
                try:
                    await asyncio.Event().wait()
                finally:
                    note("begun", "cancelled")
                    self.sql("INSERT INTO todos (id, text) VALUES ('stubborn', 'x')")
            case "endless":
                await asyncio.sleep(0)
                self.sql("INSERT INTO todos (id, text) VALUES ('endless', 'x')")
                self.sql(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                    "INSERT INTO todos SELECT i, 'x', 0 FROM n"
                )
            case "step":
                await asyncio.sleep(0)
                self.at_once += 1
                self.most = max(self.most, self.at_once)
                self.sql("INSERT INTO todos (id, text) VALUES (?, ?)", payload["id"], str(self.most))
                self.at_once -= 1
        return None

    async def add(self, id):
        self.sql("INSERT INTO todos (id, text) VALUES (?, 'by a task')", id)

    @mutator
    def never_ends(tx):
        tx.insert("todos", id="never", text="x")
        tx.sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO todos SELECT i, 'x', 0 FROM n"
        )

    @mutator
    def add_now(tx, id: str):
        tx.insert("todos", id=id, text="at once")


Slow.mutation_seconds = 0.3


class Diary(Party):
    """Begins by itself, and goes on when its alarm says so."""

    schema = """CREATE TABLE days (id TEXT PRIMARY KEY NOT NULL, text TEXT, n INTEGER NOT NULL DEFAULT 0) STRICT"""

    def on_start(self):
        if outside("no start").exists():
            raise ValueError("not today")
        self.sql("INSERT INTO days (id, text) VALUES ('start', ?) ON CONFLICT (id) DO UPDATE SET n = n + 1", self.room)

    def on_action(self, channel, action):
        match action["type"]:
            case "wake":
                self.set_alarm(dt.timedelta(seconds=action["payload"]))
            case "wake and fail":
                self.set_alarm(dt.timedelta(seconds=action["payload"]))
                raise ValueError("no")
            case "when":
                return self.get_alarm()
            case "sleep on":
                self.delete_alarm()
            case "badly":
                self.set_alarm(action["payload"])
        return self.get_alarm()

    async def on_alarm(self):
        note("rang", self.room)
        if outside("fail").exists():
            raise ValueError("not yet")
        await asyncio.sleep(0)
        self.sql("INSERT INTO days (id, text) VALUES ('alarm', ?) ON CONFLICT (id) DO UPDATE SET n = n + 1", self.user)
        if outside("again").exists():
            self.set_alarm(dt.timedelta(seconds=0.05))


class Silent(Party):
    """Its alarm does nothing."""

    schema = TODOS

    def on_start(self):
        if not outside("set").exists():
            outside("set").touch()
            self.set_alarm(dt.timedelta(seconds=0))

    def on_alarm(self):
        note("rang", self.room)
