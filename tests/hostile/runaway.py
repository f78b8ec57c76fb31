"""A party whose authors have made every mistake with SQL that does not end, or wants too much."""

import contextlib
import time
from pathlib import Path

from partysync_widget import Party, mutator

ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
THOUSAND = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000)"

# SQL that never ends. None of it is found out before it runs.
WITHOUT_END = {
    "a recursion": f"{ENDLESS} SELECT count(*) FROM n",
    "a recursion that is sorted": f"{ENDLESS} SELECT x % 7 AS y FROM n WHERE x < 0 ORDER BY y",
    "rows for ever": f"{ENDLESS} SELECT x FROM n WHERE x % 100000 = 0",
    "a product": f"{THOUSAND} SELECT count(*) FROM n a, n b, n c, n d",
    "a product with patterns": f"{THOUSAND} SELECT count(*) FROM n a, n b, n c WHERE a.x || b.x LIKE '%' || c.x",
    "a deep sum": f"{ENDLESS} SELECT sum(x) FROM n GROUP BY x < 0",
    "an insert": f"INSERT INTO t (id, x) {ENDLESS} SELECT 'k' || x, x FROM n",
    "an update": f"UPDATE t SET x = (SELECT count(*) FROM ({ENDLESS} SELECT x FROM n))",
    "a delete": f"DELETE FROM t WHERE (SELECT count(*) FROM ({ENDLESS} SELECT x FROM n)) > 0",
    "an upsert": f"INSERT INTO t (id, x) {ENDLESS} SELECT 'k' || x % 3, x FROM n WHERE true "
    "ON CONFLICT (id) DO UPDATE SET x = excluded.x",
    "a replace": f"REPLACE INTO t (id, x) {ENDLESS} SELECT 'k' || x % 3, x FROM n",
}

# SQL that is refused at once, because a limit says so; None: SQLite's own sentence of a limit, or of no such thing.
TOO_MUCH = {
    "a blob": "SELECT length(zeroblob(900000000) || 'x')",
    "a text by replace": "SELECT length(replace(hex(zeroblob(6000000)), '0', 'abcdefghij'))",
    "a printf": "SELECT length(printf('%.*c', 900000000, 'x'))",
    "a format with a width": "SELECT length(format('%900000000d', 1))",
    "a text from many rows": f"{THOUSAND} SELECT length(group_concat(hex(zeroblob(100000)))) FROM n",
    "an array from many rows": f"{THOUSAND} SELECT length(json_group_array(hex(zeroblob(100000)))) FROM n",
    "a pattern": "SELECT 'x' LIKE replace(hex(zeroblob(30000)), '0', '%a')",
    "a glob": "SELECT 'x' GLOB replace(hex(zeroblob(30000)), '0', '*a')",
    "a regexp": "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaa' REGEXP '(a+)+b'",
    "a deep expression": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "a deep sum": "SELECT " + "+".join("1" * 5000),
    "a deep nesting of functions": "SELECT " + "abs(" * 2000 + "1" + ")" * 2000,
    "many selects": " UNION ALL ".join(["SELECT 1"] * 200),
    "many arguments": f"SELECT json_array({', '.join('1' * 5000)})",
    "many columns": f"SELECT {', '.join('1' * 5000)}",
    "many tables": f"SELECT count(*) FROM {', '.join(['t'] * 100)}",
    "a long text of SQL": f"SELECT {'1 + ' * 10} {' ' * (2 << 20)} 1",
    "a number for a variable": "SELECT ?99999",
    "a nested json": "SELECT json(replace(hex(zeroblob(5000)), '0', '['))",
}


class Runaway(Party):
    schema = f"""
        CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, x INTEGER) STRICT;
        CREATE TABLE lit (id TEXT PRIMARY KEY NOT NULL, x INTEGER) STRICT;
        CREATE TABLE deep (id TEXT PRIMARY KEY NOT NULL, x INTEGER) STRICT;
        CREATE TRIGGER fuse AFTER INSERT ON lit BEGIN
            UPDATE t SET x = (SELECT count(*) FROM ({ENDLESS} SELECT x FROM n));
        END;
        CREATE TRIGGER deeper AFTER INSERT ON deep BEGIN
            INSERT INTO deep (id, x) VALUES (NEW.id || '.', NEW.x + 1);
        END;
    """
    mutation_seconds = 0.2

    @mutator
    def run_sql(tx, query: str):
        """It gives back how many rows there were."""
        return len(tx.sql(query))

    @mutator
    def one_after_another(tx):
        while True:
            tx.sql("SELECT 1")

    @mutator
    def again_and_again(tx, query: str):
        """Whatever it hears, it goes on, and writes."""
        with contextlib.suppress(BaseException):
            tx.sql(query)
        for write in (
            lambda: tx.insert("t", id="stolen", x=1),
            lambda: tx.sql("INSERT INTO t (id) VALUES ('stolen as well')"),
            lambda: tx.insert_rows("t", ["id"], [["stolen together"]]),
            lambda: tx.delete("t", "kept"),
        ):
            with contextlib.suppress(BaseException):
                write()

    @mutator
    def only_there(tx, query: str):
        """The kernel has nothing to stop."""
        return 0 if tx.guess else len(tx.sql(query))

    @mutator
    def returns(tx, size: int):
        return "x" * size

    @mutator
    def complains(tx, text: str, times: int):
        raise ValueError(text.encode().decode("unicode_escape") * times)

    @mutator
    def spin(tx, until: str):
        """Python that does not end, but for the test's sake."""
        while not tx.guess and not Path(until).exists():
            time.monotonic()
