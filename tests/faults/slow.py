"""A party that takes its time."""

import time

import partysync_widget as ps

SECONDS = 0.04


class Slow(ps.Party):
    schema = "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, size INTEGER NOT NULL) STRICT"

    @ps.mutator
    def note(tx, id: str, text: str):
        time.sleep(SECONDS)
        tx.sql("INSERT INTO notes (id, size) VALUES (?, ?)", id, len(text))
