"""
Plays a vector to the replica of a kernel: a conversation, and after each step what must be seen.

A vector is a JSON file beside this one. ``js/web/test/vectors.test.ts`` plays the same files to the replica of a page,
so the two cannot drift apart. A step has one of

    {"open": {"line": 1, "spare": "me-2"}}     a connection is open
    {"close": true}                            it is cut
    {"receive": [frame, …]}                    frames come
    {"mutate": [name, args]}                   an edit is made

and ``expect``, what is then so; what is empty is left out of it.
"""

import base64
import json
from pathlib import Path

import msgspec

from partysync_widget.core.codec import decode_down, encode
from partysync_widget.core.errors import FrameTooLarge, MutationRejected, OutcomeUnknown
from partysync_widget.core.party import Main, Party, mutator
from partysync_widget.core.replica import Replica

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.json"))


class Todos(Party):
    """Of the vectors with ``"party": "todos"``; vectors.test.ts has the same mutators."""

    schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, done INTEGER) STRICT"
    types = {"todos": {"done": bool}}  # as every party has it

    @mutator
    def toggle(tx, id: str):
        tx.update("todos", id, done=not tx.get("todos", id)["done"])

    @mutator
    def append(tx, id: str, text: str):
        row = tx.get("todos", id)
        if row is None:
            raise MutationRejected("unknown-row", f"There is no row {id}.")
        tx.update("todos", id, text=row["text"] + text)


PARTIES = {"main": Main, "todos": Todos}


def load(path):
    return json.loads(path.read_text())


class Player:
    def __init__(self, vector):
        party = PARTIES[vector.get("party", "main")]
        self.replica = Replica(party, "me", user="Me", typed=party is not Main)

    def play(self, step):
        """What is so after it, in the words of ``expect``."""
        replica, sent, seen = self.replica, [], {}
        kind, what = next((each, step[each]) for each in ("open", "close", "receive", "mutate") if each in step)
        steps = []
        match kind:
            case "open":
                steps.append(replica.opened(what["spare"], what["line"]))
            case "close":
                steps.append(replica.closed())
            case "receive":
                steps += [replica.receive([self.frame(each)]) for each in what]
            case "mutate":
                try:
                    steps.append(replica.mutate(*what)[1])
                except MutationRejected as error:
                    seen["refused"] = error.code
                except FrameTooLarge as error:
                    seen["refused"] = error.kind
        for each in steps:
            sent += each.send
            if each.rewound:
                seen["rewound"] = each.rewound
            if each.failed is not None:
                seen["failed"] = each.failed.kind
            if each.ended is not None:
                seen["ended"] = msgspec.to_builtins(each.ended)["type"]
        sent += replica.outgoing()
        seen |= {
            "link": replica.link.value,
            "client": replica.client,
            "epoch": replica.epoch,
            "version": replica.cursor if replica.epoch else 0,
            "sent": [self.said(frame) for frame in sent],
            "columns": {name: entry.names for name, entry in replica.view.tables.items()},
            "rows": {name: self.rows(name) for name in replica.view.tables if replica.view.count(name)},
            "pending": [[each.mutation.mid, each.mutation.name] for each in replica.pending],
            "touched": {name: sorted(ids) for name, ids in replica.pending_rows().items()},
            "changed": {name: sorted(ids) for name, ids in self.changed(steps).items()},
            "settled": [self.outcome(settled) for each in steps for settled in each.settled],
            "barriers": [barrier.n for each in steps for barrier in each.barriers],
            "peers": {client: peer.name for client, peer in replica.peers.items()},
            "drafts": [[client, draft.key] for (client, _), draft in replica.drafts.items()],
        }
        if replica.party is not Main:
            del seen["columns"]  # a page has none before it is told, a class has them from the first
        return {key: value for key, value in seen.items() if value or key == "version"}

    def frame(self, plain):
        if plain["type"] == "welcome":
            plain = {**plain, "party": self.replica.party.fingerprint()}
        return decode_down(json.dumps(plain).encode(), "json")

    @staticmethod
    def said(frame):
        plain = json.loads(encode(frame, "json"))
        if plain["type"] == "hello":  # a page has no class of the party
            plain.pop("party", None)
            plain.pop("schema", None)
        return plain

    def rows(self, table):
        rows = self.replica.view.rows(table)
        return [[base64.b64encode(each).decode() if isinstance(each, bytes) else each for each in row] for row in rows]

    @staticmethod
    def changed(steps):
        found = {}
        for step in steps:
            for table, ids in step.changed.items():
                found.setdefault(table, set()).update(ids)
        return found

    @staticmethod
    def outcome(settled):
        match settled.error:
            case None:
                return [settled.mid, settled.value]
            case OutcomeUnknown():
                return [settled.mid, None, "unknown"]
            case FrameTooLarge(kind=code) | MutationRejected(code=code):
                return [settled.mid, None, code]
