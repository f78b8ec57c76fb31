"""
A party that notices what must not be: a mutation that runs twice, one that runs out of turn.
"""

from partysync_widget.core.party import Party, mutator

REFUSED = 40  # every so many the room refuses one


class Tally(Party):
    """``entries`` says how often each was entered, ``people`` who entered one after a later one."""

    schema = """
    CREATE TABLE entries (
        id TEXT PRIMARY KEY NOT NULL, who TEXT NOT NULL, n INTEGER NOT NULL, times INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE people (id TEXT PRIMARY KEY NOT NULL, last INTEGER NOT NULL, disorder INTEGER NOT NULL) STRICT;
    """

    @mutator
    def enter(tx, who: str, n: int):
        tx.sql(
            "INSERT INTO entries (id, who, n, times) VALUES (?, ?, ?, 1) "
            "ON CONFLICT (id) DO UPDATE SET times = times + 1",
            f"{who}-{n}",
            who,
            n,
        )
        tx.sql(
            "INSERT INTO people (id, last, disorder) VALUES (?, ?, 0) "
            "ON CONFLICT (id) DO UPDATE SET disorder = disorder + (last >= excluded.last), last = excluded.last",
            who,
            n,
        )
        if n % REFUSED == 0 and not tx.guess:
            raise ValueError("every so many is refused")
        return n
