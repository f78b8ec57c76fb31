"""A party whose rows make sense only together: what one purse loses, another gains (R8)."""

import partysync_widget as ps

PURSES, COINS = 20, 100  # coins in each, to begin with
TOTAL = PURSES * COINS


class Purse(ps.Party):
    schema = "CREATE TABLE purses (id TEXT PRIMARY KEY NOT NULL, coins INTEGER NOT NULL, moves INTEGER NOT NULL) STRICT"

    @ps.mutator
    def fill(tx):
        for n in range(PURSES):
            tx.sql("INSERT INTO purses (id, coins, moves) VALUES (?, ?, 0)", f"p{n}", COINS)

    @ps.mutator
    def move(tx, purses: list[str]):
        """One coin from the first to each of the others."""
        giver, *takers = purses
        for taker in takers:
            tx.sql("UPDATE purses SET coins = coins + 1, moves = moves + 1 WHERE id = ?", taker)
        tx.sql("UPDATE purses SET coins = coins - ?, moves = moves + 1 WHERE id = ?", len(takers), giver)
