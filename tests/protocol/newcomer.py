"""
A client of somebody who has read docs/protocol.md and nothing else: a WebSocket library, JSON, and the rules by number.

It imports nothing of this project. Where the document leaves something open, so does this.
"""

import itertools
import json
import secrets
import urllib.parse

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

FRAME = 64 << 20  # S9
RESYNCS = 3  # C2


class Ended(Exception):
    """The room has said ``error`` or ``bye`` (F19, F20)."""

    def __init__(self, frame):
        super().__init__(frame.get("message") or frame["reason"])
        self.frame = frame


class Newcomer:
    """One client in one room. ``base`` is ``{table: {id: (position, {column: value})}}``."""

    lines = itertools.count(1)

    def __init__(self, server, room, *, token, party="main", name=""):
        path = f"/parties/{urllib.parse.quote(party, safe='')}/{urllib.parse.quote(room, safe='')}"  # S1
        self.url = server.replace("http", "ws", 1) + path
        self.headers = {"Authorization": f"Bearer {token}"}  # S2
        self.name = name
        self.client = secrets.token_hex(8)  # H3
        self.epoch, self.version, self.sight = "", 0, ""
        self.columns, self.base = {}, {}
        self.pending, self.settled = [], 0
        self.outcomes = {}  # mid -> value, or (code, message)
        self.resets = []  # reasons
        self.peers, self.drafts = {}, {}
        self.heard = []  # every frame, as it came
        self.lose = lambda _frame: False  # a test's: frames that get lost on the way
        self.live, self.socket = False, None

    # --- the line -----------------------------------------------------------------------------------------------------

    def open(self):
        dial = connect(
            self.url,
            subprotocols=["partysync.v1+json"],  # S5
            additional_headers=self.headers,
            max_size=FRAME,
            proxy=None,
            open_timeout=8,
        )
        self.socket = dial.__enter__()
        self.line = next(self.lines)  # H4
        self.resyncs = 0
        self.hello()
        return self

    def say(self, kind, /, **fields):
        self.socket.send(json.dumps({"type": kind, **fields}))  # S6

    def hear(self):
        """Take one frame; what it was. None if the line is cut."""
        try:
            frame = json.loads(self.socket.recv(timeout=8))
        except ConnectionClosed:
            self.live = False
            return None
        if not self.lose(frame):
            self.heard.append(frame)
            self.take(frame)
        return frame

    def until(self, there):
        """Take frames until ``there()``."""
        while not there():
            if self.hear() is None:
                raise EOFError("the line is cut")
        return self

    def cut(self):
        """As a network does: nothing is said."""
        self.socket.socket.close()
        self.socket.close()
        self.live, self.drafts = False, {}

    def close(self):
        if self.socket is not None:
            self.socket.close()

    # --- what it says -------------------------------------------------------------------------------------------------

    def hello(self):
        self.live, self.welcomed, self.begun = False, False, None
        held = {"epoch": self.epoch, "version": self.version, "sight": self.sight} if self.epoch else {}
        self.say(
            "hello", protocol=1, client=self.client, name=self.name, line=self.line, settled=self.settled, **held
        )  # F1; no party: any class will do (H5)

    def mutate(self, name, /, **args):
        """Make an edit; its mid."""
        mid = (self.pending[-1]["mid"] if self.pending else self.settled) + 1
        self.pending.append({"mid": mid, "name": name, "args": args, "tried": False})
        if self.live:
            self.push(self.pending[-1:])
        return mid

    def push(self, mutations):
        most = self.limits["mutations"]  # L3
        for start in range(0, len(mutations), most):
            some = mutations[start : start + most]
            said = [{key: each[key] for key in ("mid", "name", "args")} for each in some]
            self.say("push", epoch=self.talking, mutations=said)  # F2
            for each in some:
                each["tried"] = True

    def view(self, table):
        """Base with pending replayed (C1), in order: ``{id: {column: value}}``. It knows three mutators."""
        rows = dict(self.base.get(table, {}))
        for each in self.pending:
            args = each["args"]
            if args.get("table") != table:
                continue
            match each["name"]:
                case "insert":
                    last = max((position for position, _ in rows.values()), default=0)
                    rows[args["id"]] = (last + 1, {**dict.fromkeys(self.columns[table]), **args["values"]})
                case "update" if args["id"] in rows:
                    position, values = rows[args["id"]]
                    rows[args["id"]] = (position, {**values, **args["values"]})
                case "delete":
                    rows.pop(args["id"], None)
        return {id: values for id, (_, values) in sorted(rows.items(), key=lambda item: item[1][0])}  # V2

    # --- what it hears ------------------------------------------------------------------------------------------------

    def take(self, frame):
        kind = frame["type"]
        if kind in ("error", "bye"):
            raise Ended(frame)
        if kind == "peers":  # F14
            for client, peer in frame["peers"].items():
                self.peers[client] = peer
                if peer is None:
                    del self.peers[client]
                    self.drop(lambda name, _draft, client=client: name[0] == client)  # C8
        elif kind == "drafts":
            self.told(frame["drafts"])
        elif kind == "welcome":
            self.welcome(frame)
        elif not self.welcomed:
            pass  # of the conversation before (H8)
        elif kind == "delta":
            fits = self.begun is None and (frame["epoch"], frame["base"]) == (self.talking, self.version)
            self.advance(frame, frame.get("tables", []), frame.get("schema", [])) if fits else self.resync()
        elif kind == "begin" and frame["epoch"] == self.talking and frame.get("base") in (None, self.version):
            self.begun, self.parts = frame, []
        elif kind == "part" and self.begun is not None:
            self.parts.append(frame)
        elif kind == "end" and self.begun is not None:
            self.end(frame)
        elif kind not in ("barrier", "answer") and (kind, frame.get("version", 0)) != ("pong", self.version):
            self.resync()  # R3

    def resync(self):
        self.resyncs += 1
        assert self.resyncs <= RESYNCS, "the room's frames do not fit"
        self.hello()

    def welcome(self, frame):
        assert frame["protocol"] == 1  # H2
        self.talking, self.limits, self.last_mid = frame["epoch"], frame["limits"], frame["last_mid"]
        self.shown = frame.get("sight", "")
        self.mutators, self.role = frame["mutators"], frame.get("role", "owner")
        self.peers = frame.get("peers", {})
        self.drafts = {}
        self.told(frame.get("drafts", {}))
        if frame.get("known", True):
            self.welcomed = True
            return
        self.resets.append(frame["reason"])  # H7, C5
        for each in self.pending:
            if each["tried"]:
                self.outcomes[each["mid"]] = ("unknown", frame["reason"])
        fresh = [each for each in self.pending if not each["tried"]]
        self.pending = [{**each, "mid": mid} for mid, each in enumerate(fresh, 1)]
        self.client, self.epoch, self.version, self.settled = secrets.token_hex(8), "", 0, 0
        self.hello()

    def end(self, frame):
        begun, parts = self.begun, self.parts
        self.begun = None
        if frame.get("parts", len(parts)) != len(parts):  # F13
            self.resync()
            return
        if begun.get("base") is None:
            self.columns, self.base = {}, {}
        tables = [change for part in parts for change in part["tables"]]
        schema = [spec for each in (begun, *parts) for spec in each.get("schema", [])]
        self.advance(frame, tables, schema)

    def advance(self, frame, tables, schema):
        """Rows, acks and results at once (R2, C2)."""
        for spec in schema:  # V6
            rows = self.base.setdefault(spec["name"], {})
            new = {
                column["name"]: column.get("default")
                for column in spec["columns"]
                if column["name"] not in self.columns.get(spec["name"], ())
            }
            self.columns[spec["name"]] = [column["name"] for column in spec["columns"]]
            for id, (position, values) in rows.items():
                rows[id] = (position, {**values, **new})
        for change in tables:
            rows = self.base[change["table"]]
            for id in change.get("gone", []):
                rows.pop(id, None)
            for position, id, *values in change.get("put", []):  # V1
                rows[id] = (position, dict(zip(change["columns"], values, strict=True)))
        self.epoch, self.version, self.sight = self.talking, frame["version"], self.shown
        self.settle(frame.get("acks", {}), frame.get("results", []))
        self.resyncs = 0
        if not self.live:
            self.live = True
            self.push(self.pending)  # C4

    def settle(self, acks, results):
        mine = {each["mid"]: each for each in results if each["client"] == self.client}
        done = acks.get(self.client, 0)
        for each in [each for each in self.pending if each["mid"] <= done]:
            result = mine.get(each["mid"], {})
            code = result.get("code")
            self.outcomes[each["mid"]] = result.get("value") if code is None else (code, result["message"])
        self.pending = [each for each in self.pending if each["mid"] > done]
        if done > self.settled:
            self.settled = done
            self.say("seen", mid=done)  # C6
        self.drop(lambda name, draft: 0 < draft.get("mid", 0) <= acks.get(name[0], 0))  # D2

    def told(self, drafts):
        for client, some in drafts.items():
            for draft in some:
                if draft.get("rows"):
                    self.drafts[client, draft["key"]] = draft  # D1
                else:
                    self.drafts.pop((client, draft["key"]), None)

    def drop(self, which):
        self.drafts = {name: draft for name, draft in self.drafts.items() if not which(name, draft)}
