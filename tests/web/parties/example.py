"""The example of the ancestor, as a party: its actions are mutators, its times columns, its deletes soft."""

import partysync_widget as ps


class Todos(ps.Party):
    schema = """CREATE TABLE todos (
        id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, completed INTEGER NOT NULL DEFAULT 0,
        created_at TEXT, updated_at TEXT, deleted_at TEXT
    ) STRICT"""
    types = {"todos": {"completed": bool}}
    built_in = ()

    @ps.mutator
    def create(tx, id: str, text: str, completed: bool = False):
        tx.insert("todos", id=id, text=text, completed=completed)

    @ps.mutator
    def update(tx, id: str, text: str, completed: bool):
        tx.update("todos", id, text=text, completed=completed)

    @ps.mutator
    def delete(tx, id: str):
        tx.update("todos", id, deleted_at="2026-11-23 02:04:59")
