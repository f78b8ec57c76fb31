"""
Edits as people make them: at random, on few rows, mostly possible and sometimes not.
"""

import base64
from random import Random
from typing import Any

from partysync_widget.core.party import Main, Party

Edit = tuple[str, dict[str, Any]]

ITEMS = [f"item-{n}" for n in range(5)]
PARTS = [f"part-{n}" for n in range(6)]
ACCOUNTS = ["anna", "bo", "chen"]
CODES = ["A", "B", "C", "Ω", None]
EXTRA = ["notes", "plates"]  # tables that people make
ROWS = [f"row-{n}" for n in range(6)]

COLUMNS: list[dict[str, Any]] = [
    {"name": "text", "type": "text"},
    {"name": "done", "type": "boolean", "default": False},
    {"name": "size", "type": "real"},
    {"name": "count", "type": "integer", "required": True},
    {"name": "count", "type": "integer", "required": True, "default": 7},
    {"name": "blob", "type": "bytes"},
    {"name": "text", "type": "integer"},  # clashes with the other
]


def value(random: Random, kind: str) -> Any:
    """A value of that type, the odd ones among them."""
    match kind:
        case "boolean":
            return random.random() < 0.5
        case "integer":
            return random.choice((0, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63)))
        case "real":
            return random.choice((0.5, 3.0, -1e300, 0.1, None))
        case "bytes":
            return {"base64": base64.b64encode(random.randbytes(random.randint(0, 5))).decode()}
        case _:
            return random.choice(("", "yeast", "a\nb", "naïve 🧬", "'; DROP TABLE items; --", None, "x" * 90))


def setup(party: type[Party]) -> list[Edit]:
    """What the first person there does."""
    columns = [{"name": "text", "type": "text"}, {"name": "n", "type": "integer"}]
    if party is Main:
        return [("create_table", {"name": "notes", "columns": columns})]
    return [("open_accounts", {"ids": ACCOUNTS})]


def last(party: type[Party]) -> Edit:
    """One that is always possible."""
    if party is Main:
        return "upsert", {"table": "notes", "id": "last", "values": {}}
    return "increment", {"id": "last"}


def edit(random: Random, party: type[Party], columns: dict[str, dict[str, str]], label: str, number: int) -> Edit:
    """One edit by ``label``, who sees tables with these columns and their types."""
    if party is Main or random.random() < 0.25:
        return _declared(random, columns)
    if random.random() < 0.4:
        return _of_rows(random)
    if random.random() < 0.1:
        return "batch", {"steps": [list(_of_rows(random)), list(_of_rows(random))]}
    item, other, code = random.choice(ITEMS), random.choice(ITEMS), random.choice(CODES[:-1])
    one, two = random.choice(ACCOUNTS), random.choice([*ACCOUNTS, "nobody"])
    return random.choice(
        (
            ("transfer", {"source": one, "target": two, "amount": random.randint(0, 25)}),
            ("transfer", {"source": one, "target": two, "amount": random.randint(0, 9)}),
            ("append", {"log": random.choice(("log", "diary")), "line": f"{label}{number}"}),
            ("increment", {"id": f"own-{label}"}),
            ("increment", {"id": "shared"}),
            ("grab", {"item": item, "amount": random.randint(1, 3)}),
            ("replace_item", {"id": item, "code": code, "qty": random.randint(0, 9)}),
            ("claim_item", {"id": item, "code": code}),
            ("steal_code", {"id": item, "code": code}),
            ("rename_item", {"id": item, "to": other}),
            ("purge", {"below": random.randint(0, 3)}),
        )
    )


def goes_on(random: Random, party: type[Party], name: str) -> bool:
    """Whether one more like it follows, as in a burst that the room decides as one."""
    return party is Main and name in ("insert", "update", "delete") and random.random() < 0.6


def alike(random: Random, args: dict[str, Any], columns: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What differs from these arguments in a row and its values alone."""
    made = {**args, "id": random.choice(ROWS)}
    if "values" in args:
        made["values"] = {name: value(random, columns[args["table"]][name]) for name in args["values"]}
    return made


def _of_rows(random: Random) -> Edit:
    """Something built in, on the tables that the party has."""
    item, part = random.choice(ITEMS), random.choice(PARTS)
    one: dict[str, Any] = {"code": random.choice(CODES), "qty": random.choice((1, 5, 9, 10))}
    two: dict[str, Any] = {"item": item, "name": value(random, "text")}
    some: dict[str, Any] = random.choice((one, {"qty": random.randint(0, 9)}, {"code": random.choice(CODES)}, {}))
    return random.choice(
        (
            ("insert", {"table": "items", "id": item, "values": one}),
            ("upsert", {"table": "items", "id": item, "values": one}),
            ("update", {"table": "items", "id": item, "values": some}),
            ("delete", {"table": "items", "id": item}),
            ("insert", {"table": "parts", "id": part, "values": two}),
            ("insert_rows", {"table": "parts", "columns": ["item", "id"], "rows": [[item, id] for id in PARTS[::3]]}),
            ("update", {"table": "parts", "id": part, "values": {"item": item}}),
            ("delete", {"table": "parts", "id": part}),
        )
    )


def _declared(random: Random, columns: dict[str, dict[str, str]]) -> Edit:
    """Something built in, on the tables that people make."""
    table = random.choice(EXTRA)
    kinds = columns.get(table)
    if kinds is None or random.random() < 0.05:
        chosen = random.sample(COLUMNS[:-2], random.randint(1, 3))
        return "create_table", {"name": table, "columns": [column for column in chosen if column != COLUMNS[4]]}
    if random.random() < 0.08:
        return "add_column", {"table": table, "column": random.choice(COLUMNS)}
    id = random.choice(ROWS)
    values = {name: value(random, kind) for name, kind in kinds.items()}
    some = dict(random.sample(sorted(values.items(), key=lambda pair: pair[0]), random.randint(0, len(values))))
    rows = [[id, *values.values()] for id in random.sample(ROWS, 2)]
    return random.choice(
        (
            ("insert", {"table": table, "id": id, "values": values}),
            ("insert", {"table": table, "id": id, "values": some}),
            ("upsert", {"table": table, "id": id, "values": values}),
            ("update", {"table": table, "id": id, "values": some}),
            ("delete", {"table": table, "id": id}),
            ("insert_rows", {"table": table, "columns": ["id", *values], "rows": rows}),
        )
    )
