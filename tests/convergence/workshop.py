"""
The party of the simulation: a rule of every kind that SQL and a mutator can have, on few rows, so that edits collide.
"""

import functools

from partysync_widget.core.party import ROW_MUTATORS, TABLE_MUTATORS, Main, Party, mutator

__all__ = ["TOTAL", "Main", "Stranger", "Workshop"]

TOTAL = 60  # what the accounts hold together, from their opening to the end


class Workshop(Party):
    """CHECK, UNIQUE, a foreign key that cascades both ways, a user's trigger, REPLACE, and mutators that raise."""

    built_in = ROW_MUTATORS + TABLE_MUTATORS
    schema = """
        CREATE TABLE accounts (
            id TEXT PRIMARY KEY NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0)
        ) STRICT;
        CREATE TABLE logs (id TEXT PRIMARY KEY NOT NULL, lines TEXT NOT NULL) STRICT;
        CREATE TABLE counters (id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL) STRICT;
        CREATE TABLE items (
            id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, qty INTEGER NOT NULL CHECK (qty BETWEEN 0 AND 9)
        ) STRICT;
        CREATE TABLE parts (
            id TEXT PRIMARY KEY NOT NULL,
            item TEXT NOT NULL REFERENCES items (id) ON DELETE CASCADE ON UPDATE CASCADE,
            name TEXT
        ) STRICT;
        CREATE TABLE deaths (id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL) STRICT;
        CREATE TRIGGER items_die AFTER DELETE ON items BEGIN
            INSERT INTO deaths (id, n) VALUES (OLD.id, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1;
        END;
    """

    @classmethod
    @functools.cache
    def fingerprint(cls) -> str:
        """The same at every call, and otherwise a tenth of a run."""
        return super().fingerprint()

    @mutator
    def open_accounts(tx, ids: list[str]):
        for id in ids:
            tx.insert("accounts", id=id, balance=TOTAL // len(ids))

    @mutator
    def transfer(tx, source: str, target: str, amount: int):
        """Writes before it looks, so that a refusal has something to take back."""
        if tx.get("accounts", source) is None:
            raise LookupError(source)
        tx.sql("UPDATE accounts SET balance = balance - ? WHERE id = ?", amount, source)
        if tx.get("accounts", target) is None:
            raise LookupError(target)
        tx.sql("UPDATE accounts SET balance = balance + ? WHERE id = ?", amount, target)
        return tx.get("accounts", source)["balance"]

    @mutator
    def append(tx, log: str, line: str):
        tx.sql(
            "INSERT INTO logs (id, lines) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET lines = lines || excluded.lines",
            log,
            f"{line};",
        )
        return tx.get("logs", log)["lines"].count(";")

    @mutator
    def increment(tx, id: str):
        tx.sql("INSERT INTO counters (id, n) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1", id)

    @mutator
    def grab(tx, item: str, amount: int):
        """Raises when there is too little left, so a guess that was right can be wrong in a replay."""
        row = tx.get("items", item)
        if row is None or row["qty"] < amount:
            raise ValueError(f"there is too little of {item}")
        tx.update("items", item, qty=row["qty"] - amount)
        return row["qty"] - amount

    @mutator
    def replace_item(tx, id: str, code: str, qty: int):
        tx.sql("INSERT OR REPLACE INTO items (id, code, qty) VALUES (?, ?, ?)", id, code, qty)

    @mutator
    def claim_item(tx, id: str, code: str):
        tx.sql("INSERT OR IGNORE INTO items (id, code, qty) VALUES (?, ?, 1)", id, code)

    @mutator
    def steal_code(tx, id: str, code: str):
        tx.sql("UPDATE OR REPLACE items SET code = ? WHERE id = ?", code, id)

    @mutator
    def rename_item(tx, id: str, to: str):
        tx.sql("UPDATE items SET id = ? WHERE id = ?", to, id)

    @mutator
    def purge(tx, below: int):
        tx.sql("DELETE FROM items WHERE qty < ?", below)


class Stranger(Party):
    """The same party in a kernel that does not have its class: only what is built in can be guessed."""

    name = Workshop.name
