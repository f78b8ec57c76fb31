"""The party of notebook 05: bottles in a laboratory, and who took what."""

from partysync_widget import Party, mutator


class Stockroom(Party):
    schema = """
        CREATE TABLE bottles (
            id TEXT PRIMARY KEY NOT NULL,
            label TEXT NOT NULL,
            ml INTEGER NOT NULL
                CONSTRAINT "a bottle holds no less than nothing" CHECK (ml >= 0)
        ) STRICT;
        CREATE TABLE log (
            id TEXT PRIMARY KEY NOT NULL,
            number INTEGER NOT NULL UNIQUE,
            bottle TEXT NOT NULL REFERENCES bottles (id),
            ml INTEGER NOT NULL
                CONSTRAINT "take more than nothing" CHECK (ml > 0),
            who TEXT NOT NULL
        ) STRICT;
    """
    built_in = ()

    @mutator
    def stock(tx, bottle: str, label: str, ml: int) -> None:
        """Put a bottle on the shelf, or a full one in its place."""
        tx.upsert("bottles", id=bottle, label=label, ml=ml)

    @mutator
    def take(tx, id: str, bottle: str, ml: int) -> int:
        """Take some, and enter it in the log under the next number."""
        tx.sql("UPDATE bottles SET ml = ml - ? WHERE id = ?", ml, bottle)
        [last] = tx.sql("SELECT coalesce(max(number), 0) AS number FROM log")
        number = last["number"] + 1
        tx.insert("log", id=id, number=number, bottle=bottle, ml=ml, who=tx.user)
        return number
