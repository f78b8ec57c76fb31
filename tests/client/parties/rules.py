"""A party for tests: one mutator for each thing that can happen."""

from pathlib import Path

import partysync_widget as ps


class Todos(ps.Party):
    schema = """CREATE TABLE todos (
        id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL CHECK (length(text) < 20), done INTEGER NOT NULL DEFAULT 0
    ) STRICT"""
    types = {"todos": {"done": bool}}

    @ps.mutator
    def create(tx, id: str, text: str):
        tx.insert("todos", id=id, text=text)
        return {"by": tx.user}

    @ps.mutator
    def finish(tx, id: str):
        row = tx.get("todos", id)
        if row["done"]:
            raise ValueError("it is done already")
        tx.update("todos", id, done=True)

    @ps.mutator
    def refuse(tx, id: str):
        tx.insert("todos", id=id, text="a guess")
        if not tx.guess:
            raise ValueError("the room knows better")

    @ps.mutator
    def wait(tx, id: str, pipe: str):
        """Writes a row, and in the room waits until somebody writes into a pipe."""
        tx.insert("todos", id=id, text="waits")
        if not tx.guess:
            Path(pipe).read_bytes()
