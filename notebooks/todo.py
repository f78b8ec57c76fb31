"""The party of notebook 07: a todo list, that of this library's ancestor."""

from partysync_widget import Party, mutator


class Todos(Party):
    schema = """CREATE TABLE todos (
        id TEXT PRIMARY KEY NOT NULL,
        text TEXT NOT NULL
            CONSTRAINT "a todo has 1 to 200 characters" CHECK (length(text) BETWEEN 1 AND 200),
        completed INTEGER NOT NULL DEFAULT 0
    ) STRICT"""
    types = {"todos": {"completed": bool}}
    built_in = ()

    @mutator
    def create(tx, id: str, text: str, completed: bool = False) -> None:
        tx.insert("todos", id=id, text=text, completed=completed)

    @mutator
    def update(tx, id: str, text: str, completed: bool) -> None:
        tx.update("todos", id, text=text, completed=completed)

    @mutator
    def toggle(tx, id: str, completed: bool) -> None:
        """Tick it, or take the tick back: said in full, so that two who tick at once agree."""
        tx.update("todos", id, completed=completed)

    @mutator
    def delete(tx, id: str) -> None:
        tx.delete("todos", id)
