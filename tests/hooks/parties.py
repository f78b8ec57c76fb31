"""Parties with hooks, for tests: each hook leaves a trace that a page can see."""

import asyncio
import contextlib
import json
import threading
import time

from partysync_widget import MutationRejected, Party, Response

ROWS = "CREATE TABLE log (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT"


class Lobby(Party):
    """Tells everybody who comes, goes and says what; and keeps a log of it."""

    schema = ROWS

    async def get_connection_tags(self, connection):
        await asyncio.sleep(float(connection.query.get("tagging", 0)))
        return [connection.role, *connection.query.get("tags", "").split()]

    def on_connect(self, connection):
        if connection.query.get("name") == "nobody":
            raise MutationRejected("forbidden", "Say who you are: add ?name= to the address.")
        connection.set_state({"name": connection.query.get("name", "?"), "said": 0})
        self.broadcast(f"{connection.state['name']} came", exclude=[connection.id])
        connection.send(json.dumps({"you": connection.id, "role": connection.role, "tags": list(connection.tags)}))

    def on_message(self, connection, message):
        if isinstance(message, bytes):
            connection.send(message[::-1])
            return
        verb, _, rest = message.partition(" ")
        if verb in ("say", "who", "state", "fill", "tell", "flood", "undone", "kick", "wrong"):
            getattr(self, f"do_{verb}")(connection, rest)
        else:
            self.do_say(connection, message)

    def do_say(self, connection, text):
        state = connection.state
        connection.set_state({**state, "said": state["said"] + 1})
        self.sql("INSERT INTO log (id, text) VALUES (?, ?)", f"{connection.id}-{state['said']}", text)
        self.broadcast(f"{state['name']}: {text}", exclude=connection)

    def do_who(self, connection, tag):
        connection.send(json.dumps([each.state["name"] for each in self.connections(tag or None)]))

    def do_state(self, connection, _):
        connection.send(json.dumps(connection.state))

    def do_fill(self, connection, size):
        connection.set_state("x" * int(size))

    def do_tell(self, connection, rest):
        tag, _, text = rest.partition(" ")
        self.broadcast(text, tag=tag)

    def do_flood(self, connection, count):
        for n in range(int(count)):
            self.broadcast(f"{n} ".ljust(10_000, "x"), exclude=connection)
        connection.send("flooded")

    def do_undone(self, connection, _):
        self.sql("INSERT INTO log (id, text) VALUES ('undone', 'x')")
        self.broadcast("this is never told")
        raise MutationRejected("no", "It was undone.")

    def do_kick(self, connection, name):
        for each in self.connections():
            if each.state["name"] == name:
                each.close("You were asked to leave.")

    def do_wrong(self, connection, _):
        self.broadcast({"not": "text"})

    def on_close(self, connection):
        self.sql("INSERT INTO log (id, text) VALUES (?, 'left')", f"{connection.id}-left")
        self.broadcast(f"{(connection.state or {'name': '?'})['name']} left")
        connection.send("nobody hears this")


class Patient(Party):
    """Its hooks are ``async``, and one of them takes its time."""

    schema = ROWS

    async def on_message(self, connection, message):
        if message == "wait":
            await asyncio.sleep(0.3)
        connection.send(f"heard {message}")


class Broken(Party):
    """Whatever it is asked for goes wrong, as said in the address."""

    schema = ROWS

    def _fail(self, hook, connection):
        wanted = connection.query.get("fail", "")
        if hook in wanted.split():
            kind = connection.query.get("with", "ValueError")
            raise {
                "ValueError": ValueError,
                "SystemExit": SystemExit,
                "KeyboardInterrupt": KeyboardInterrupt,
                "StopIteration": StopIteration,
                "CancelledError": asyncio.CancelledError,
            }[kind]("a secret of its own")

    def get_connection_tags(self, connection):
        self._fail("tags", connection)
        return {"none": 7, "many": ["x"] * 10, "long": ["x" * 300]}.get(connection.query.get("tags"), [])

    def on_connect(self, connection):
        self._fail("connect", connection)

    def on_message(self, connection, message):
        self._fail("message", connection)
        connection.send(f"fine {message}")

    def on_close(self, connection):
        self._fail("close", connection)

    def on_request(self, request):
        self._fail("request", request)
        return (
            {"value": object(), "status": Response("x", 999), "split": Response("", headers={"X": "a\r\nb"})}[
                request.query.get("answer")
            ]
            if "answer" in request.query
            else "fine"
        )


class Api(Party):
    """What a room answers to plain HTTP."""

    schema = ROWS

    def on_request(self, request):
        match request.query.get("do"):
            case "add":
                self.sql("INSERT INTO log (id, text) VALUES (?, ?)", request.json()["id"], request.json()["text"])
                self.broadcast(f"added {request.json()['id']}")
                return Response({"rows": self.sql("SELECT count(*) AS n FROM log")[0]["n"]}, status=201)
            case "twice":
                self.sql("INSERT INTO log (id, text) VALUES ('a', 'x')")
                self.sql("INSERT INTO log (id, text) VALUES ('a', 'x')")
            case "nothing":
                return None
            case "bytes":
                return Response(b"\0\1", headers={"Content-Type": "image/png", "Cache-Control": "max-age=5"})
            case "missing":
                return Response("There is no such thing.", status=404)
            case "refuse":
                raise MutationRejected("too-late", "It is too late for that.")
        return {"method": request.method, "role": request.role, "user": request.user, "headers": dict(request.headers),
                "query": dict(request.query), "body": request.text()}  # fmt: skip


class SlowApi(Party):
    """Takes its time, and keeps nobody else."""

    schema = ROWS
    action_seconds = 1.0

    async def on_request(self, request):
        await asyncio.sleep(float(request.query.get("seconds", "0")))
        return "there it is"


class Instances(Party):
    """Counts how often it has begun, in its instance and in a table."""

    schema = ROWS

    def __init__(self):
        self.heard = 0

    def on_start(self):
        self.sql("INSERT INTO log (id, text) VALUES (?, 'began')", f"start-{time.time_ns()}")

    def on_connect(self, connection):
        connection.set_state({"since": "the beginning"})

    def get_connection_tags(self, connection):
        return ["watching"]

    def on_message(self, connection, message):
        self.heard += 1
        if message == "alarm":
            self.set_alarm(time.time() + 3)
        self.broadcast(json.dumps({"heard": self.heard, "state": connection.state, "said": message}), tag="watching")

    def on_alarm(self):
        self.broadcast("the alarm")


class Mirror(Party):
    """Copies a table of another room, which its first message names."""

    schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT"

    def __init__(self):
        self.source = None

    def on_message(self, connection, message):
        how = json.loads(message)
        if how.get("verb") == "edit":
            self.source.table("todos").update(how["id"], text=how["text"]).result(8)
            connection.send("edited")
            return
        began = time.monotonic()
        if "plain" in how:
            import partysync_widget as ps

            self.source = ps.connect(how["room"], url=how["url"], token=how["token"])
        else:
            self.source = self.connect(how["room"], **how.get("how", {}))
        todos = self.source.table("todos")
        todos.observe(self.changed)
        self.copy()
        connection.send(json.dumps({"mirrors": self.source.name, "took": time.monotonic() - began}))

    def changed(self, change):
        """In a thread of the client's."""
        self.broadcast("seen")
        self.soon(self.copy)

    def copy(self):
        records = self.source.table("todos").records
        self.sql(
            "DELETE FROM todos WHERE id NOT IN (SELECT value FROM json_each(?))", json.dumps([r["id"] for r in records])
        )
        for row in records:
            self.sql(
                "INSERT INTO todos (id, text) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET text = excluded.text "
                "WHERE text IS NOT excluded.text", row["id"], row["text"],
            )  # fmt: skip
        self.broadcast(f"copied {len(records)} in {threading.current_thread().name.split('-')[1]}")


class Holder(Party):
    """Holds its room, or waits for another, in every place where that can be asked for."""

    schema = ROWS
    mutation_seconds = 0.5

    def on_message(self, connection, message):
        how = json.loads(message)
        if how["do"] == "hold":
            self.sql("INSERT INTO log (id, text) VALUES ('held', 'x')")
            self.broadcast("it holds")
            time.sleep(2)
            with contextlib.suppress(MutationRejected):
                self.broadcast("it was undone")
            self.sql("INSERT INTO log (id, text) VALUES ('later', 'x')")
        elif how["do"] == "count":
            connection.send("counted")
        elif how["do"] == "connect after sql":
            self.sql("INSERT INTO log (id, text) VALUES ('before', 'x')")
            self.connect("other")
        elif how["do"] == "connect to itself":
            self.connect(self.room, party="holder")
        elif how["do"] == "connect to nobody":
            self.connect("other", url=how["url"], token="x", timeout=2)

    def on_action(self, channel, action):
        if action["type"] == "connect":
            self.connect("other")
        self.sql("INSERT INTO log (id, text) VALUES (?, 'x')", action["payload"]["id"])
        return self.sql("SELECT * FROM log WHERE id = ?", action["payload"]["id"])


class Quits(Party):
    """Raises what would end a server, where nobody has asked it."""

    schema = ROWS

    def on_message(self, connection, message):
        if message == "soon":
            self.soon(self.quit)
        elif message == "alarm":
            self.set_alarm(time.time())
        else:
            connection.send(message)

    def quit(self):
        raise SystemExit("of its own")

    def on_alarm(self):
        self.delete_alarm()
        raise SystemExit("of its own")


class Careful(Party):
    """Begins slowly, and decides nothing before that; or not at all, the second time."""

    schema = ROWS

    def __init__(self):
        self.ready = False

    async def on_start(self):
        self.soon(self.note)
        await asyncio.sleep(0.3)
        if self.sql("SELECT count(*) AS n FROM log WHERE id = 'never again'")[0]["n"]:
            raise RuntimeError("a secret of its own")
        self.ready = True

    def note(self):
        """A turn of its own, while it begins."""
        self.sql("INSERT INTO log (id, text) VALUES ('noted', 'x') ON CONFLICT DO NOTHING")

    def on_action(self, channel, action):
        if not self.ready:
            raise MutationRejected("early", "It came before the beginning.")
        self.sql("INSERT INTO log (id, text) VALUES (?, 'x')", action["payload"]["id"])

    def on_message(self, connection, message):
        connection.send(f"{message}: {self.ready}")
