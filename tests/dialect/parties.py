"""Parties for the tests of the dialect: the ancestor's todo fixture, as a class."""

from partysync_widget import Party, mutator


class Todos(Party):
    """`fixtures/todo-sync/src/server.ts`, with its SQL."""

    schema = """CREATE TABLE todos (
        id TEXT PRIMARY KEY NOT NULL,
        text TEXT NOT NULL,
        completed INTEGER NOT NULL,
        created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        updated_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        deleted_at TEXT DEFAULT NULL
    ) STRICT"""
    types = {"todos": {"completed": bool}}
    built_in = ()

    @mutator
    def create(tx, id: str, text: str, completed: bool):
        tx.sql("INSERT INTO todos (id, text, completed) VALUES (?, ?, ?)", id, text, completed)

    @mutator
    def update(tx, id: str, text: str, completed: bool):
        tx.sql(
            "UPDATE todos SET text = ?, completed = ?, updated_at = CURRENT_TIMESTAMP WHERE id = ?", text, completed, id
        )

    @mutator
    def delete(tx, id: str):
        tx.sql("UPDATE todos SET deleted_at = CURRENT_TIMESTAMP WHERE id = ?", id)

    @mutator
    def complain(tx, about: str):
        raise ValueError(about)

    @mutator
    def forget(tx, id: str):
        """The row itself, as the ancestor's alarm does."""
        tx.sql("DELETE FROM todos WHERE id = ?", id)


class TodoList(Party):
    """Found by either of its names."""

    schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, text TEXT) STRICT"
