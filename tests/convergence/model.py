"""
A room as one would write it in an afternoon: dicts, one mutation after the other, every version kept.

No SQLite, no frames, no clients' state. What the mutators and the SQL of ``workshop`` mean is written down a second
time here, and the real thing must agree with it, row by row and version by version.
"""

import base64
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.convergence.workshop import TOTAL, Main, Workshop

Row = tuple[Any, ...]  # (position, id, value …), as a store gives it


class Column(NamedTuple):
    name: str
    type: str = "text"
    required: bool = False
    default: Any = None


class Table(NamedTuple):
    columns: tuple[Column, ...]
    rows: dict[str, Row]  # never changed in place


State = dict[str, Table]

KINDS: dict[str, Any] = {"text": str, "boolean": bool, "integer": int, "real": float, "bytes": dict}
_BORN = {
    "accounts": [Column("balance", "integer", required=True)],
    "logs": [Column("lines", required=True)],
    "counters": [Column("n", "integer", required=True)],
    "items": [Column("code"), Column("qty", "integer", required=True)],
    "parts": [Column("item", required=True), Column("name")],
    "deaths": [Column("n", "integer", required=True)],
}
BLANK: dict[str, State] = {
    Main.name: {},
    Workshop.name: {name: Table(tuple(columns), {}) for name, columns in _BORN.items()},
}


class Refused(Exception):
    """The mutation has no effect, for this reason."""


def execute(state: State, name: str, args: dict[str, Any], *, ruled: bool) -> tuple[State, Any]:
    """The state after one mutation, and what it returned; Refused with the code. ``state`` stays as it is.

    ``ruled`` is false for a kernel that knows the columns, and nothing of the party's own rules.
    """
    draft = Draft(state, ruled=ruled)
    value = getattr(draft, name)(**args)
    return draft.tables, value


def stored(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


class Draft:
    """A state while a mutation runs. Public methods are the mutators."""

    def __init__(self, state: State, *, ruled: bool) -> None:
        self.tables = dict(state)
        self._ruled = ruled
        self._mine: set[str] = set()

    # --- built in -------------------------------------------------------------------------------------------------

    def insert(self, table: str, id: str, values: dict[str, Any]) -> None:
        columns = self._columns(table, values)
        if any(c.required and c.default is None and values.get(c.name) is None for c in columns):
            raise Refused("missing-value")
        self._insert(table, id, values)

    def insert_rows(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
        known = self._columns(table, columns)
        if any(c.required and c.default is None and c.name not in columns for c in known):
            raise Refused("missing-value")
        given = [dict(zip(columns, row, strict=True)) for row in rows]
        for values in given:
            self._columns(table, values)
        for values in given:
            self._insert(table, values["id"], values)

    def update(self, table: str, id: str, values: dict[str, Any]) -> None:
        columns = self._columns(table, values)
        if id not in self.tables[table].rows:
            raise Refused("unknown-row")
        position, _, *old = self.tables[table].rows[id]
        new = [stored(values[c.name]) if c.name in values else v for c, v in zip(columns, old, strict=True)]
        self._put(table, (position, id, *new), was=id)

    def upsert(self, table: str, id: str, values: dict[str, Any]) -> None:
        self._columns(table, [])
        (self.update if id in self.tables[table].rows else self.insert)(table, id, values)

    def delete(self, table: str, id: str) -> None:
        self._columns(table, [])
        self._kill(table, id)

    def batch(self, steps: list[tuple[str, dict[str, Any]]]) -> list[Any]:
        return [getattr(self, name)(**args) for name, args in steps]

    def create_table(self, name: str, columns: list[dict[str, Any]]) -> None:
        table = Table(tuple(Column(**column) for column in columns), {})
        if name not in self.tables:
            self.tables[name] = table
        elif self.tables[name].columns != table.columns:
            raise Refused("table-exists")

    def add_column(self, table: str, column: dict[str, Any]) -> None:
        new, columns = Column(**column), self._columns(table, [])
        if new in columns:
            return
        if any(c.name == new.name for c in columns):
            raise Refused("bad-name")
        rows = self.tables[table].rows
        if new.required and new.default is None and rows:
            raise Refused("missing-value")
        grown = {id: (*row, stored(new.default)) for id, row in rows.items()}
        self.tables[table] = Table((*columns, new), grown)

    # --- the workshop's own ---------------------------------------------------------------------------------------

    def open_accounts(self, ids: list[str]) -> None:
        for id in ids:
            self.insert("accounts", id, {"balance": TOTAL // len(ids)})

    def transfer(self, source: str, target: str, amount: int) -> int:
        def move(id: str, by: int) -> None:
            (position, _, balance) = self.tables["accounts"].rows[id]
            self._put("accounts", (position, id, balance + by), was=id)

        if source not in self.tables["accounts"].rows:
            raise Refused("mutator-raised")
        move(source, -amount)
        if target not in self.tables["accounts"].rows:
            raise Refused("mutator-raised")
        move(target, amount)
        return self.tables["accounts"].rows[source][2]

    def append(self, log: str, line: str) -> int:
        return self._add("logs", log, f"{line};").count(";")

    def increment(self, id: str) -> None:
        self._add("counters", id, 1)

    def grab(self, item: str, amount: int) -> int:
        row = self.tables["items"].rows.get(item)
        if row is None or row[3] < amount:
            raise Refused("mutator-raised")
        self._put("items", (*row[:3], row[3] - amount), was=item)
        return row[3] - amount

    def replace_item(self, id: str, code: str, qty: int) -> None:
        self._check("items", (0, id, code, qty))
        position = self._next("items")  # SQLite takes the place before it makes room
        for other in [*self._with_code(code), id]:
            self._kill("items", other)
        self._rows("items")[id] = (position, id, code, qty)

    def claim_item(self, id: str, code: str) -> None:
        if id not in self.tables["items"].rows and not self._with_code(code):
            self._insert("items", id, {"code": code, "qty": 1})

    def steal_code(self, id: str, code: str) -> None:
        if (row := self.tables["items"].rows.get(id)) is not None:
            for other in self._with_code(code):
                if other != id:
                    self._kill("items", other)
            self._put("items", (row[0], id, code, row[3]), was=id)

    def rename_item(self, id: str, to: str) -> None:
        if (row := self.tables["items"].rows.get(id)) is not None:
            self._put("items", (row[0], to, *row[2:]), was=id)
            for part in [part for part in self.tables["parts"].rows.values() if part[2] == id]:
                self._rows("parts")[part[1]] = (*part[:2], to, part[3])

    def purge(self, below: int) -> None:
        for row in sorted(self.tables["items"].rows.values()):
            if row[3] < below:
                self._kill("items", row[1])

    # --- what SQLite does -----------------------------------------------------------------------------------------

    def _columns(self, table: str, named: Any) -> tuple[Column, ...]:
        if table not in self.tables:
            raise Refused("unknown-table")
        columns = self.tables[table].columns
        kinds = {"id": "text"} | {column.name: column.type for column in columns}
        for name in named:
            if name not in kinds:
                raise Refused("unknown-column")
            if isinstance(named, dict) and not isinstance(named[name], KINDS[kinds[name]] | None):
                raise Refused("bad-value")
        return columns

    def _rows(self, table: str) -> dict[str, Row]:
        """The table's rows, to be changed."""
        if table not in self._mine:
            self.tables[table] = self.tables[table]._replace(rows=dict(self.tables[table].rows))
            self._mine.add(table)
        return self.tables[table].rows

    def _next(self, table: str) -> int:
        return max((row[0] for row in self.tables[table].rows.values()), default=0) + 1

    def _with_code(self, code: Any) -> list[str]:
        return [row[1] for row in self.tables["items"].rows.values() if row[2] == code and code is not None]

    def _insert(self, table: str, id: str, values: dict[str, Any]) -> None:
        columns = self.tables[table].columns
        row = (self._next(table), id, *(stored(values.get(c.name, c.default)) for c in columns))
        self._put(table, row, was=None)

    def _add(self, table: str, id: str, what: Any) -> Any:
        row = self.tables[table].rows.get(id)
        new = (self._next(table), id, what) if row is None else (row[0], id, row[2] + what)
        self._rows(table)[id] = new
        return new[2]

    def _put(self, table: str, row: Row, *, was: str | None) -> None:
        """A row in the place of the one called ``was``."""
        if row[1] != was and row[1] in self.tables[table].rows:
            raise Refused("constraint")
        if table == "items" and self._ruled and set(self._with_code(row[2])) - {was}:
            raise Refused("constraint")
        self._check(table, row)
        rows = self._rows(table)
        if was is not None and was != row[1]:
            del rows[was]
        rows[row[1]] = row

    def _check(self, table: str, row: Row) -> None:
        columns = self.tables[table].columns
        wrong = any(c.required and value is None for c, value in zip(columns, row[2:], strict=True))
        if self._ruled:
            wrong = wrong or (table == "accounts" and row[2] < 0)
            wrong = wrong or (table == "items" and not 0 <= row[3] <= 9)
            wrong = wrong or (table == "parts" and row[2] not in self.tables["items"].rows)
        if wrong:
            raise Refused("constraint")

    def _kill(self, table: str, id: str) -> None:
        if self._rows(table).pop(id, None) is not None and table == "items" and self._ruled:
            self._add("deaths", id, 1)
            for part in [row[1] for row in self.tables["parts"].rows.values() if row[2] == id]:
                self._kill("parts", part)


class Outcome(NamedTuple):
    """What became of one mutation."""

    version: int
    value: Any
    code: str | None


@dataclass
class History:
    """One line of versions: what each was, and who was decided by it."""

    states: list[State]
    log: list[tuple[str, int, int]] = field(default_factory=list)  # (client, mid, edit) of version 1, 2, 3 …
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)  # that its file has had, each with the version it began at
    durable: int = 0  # COMMIT has returned up to here; nothing beyond it may be told

    @property
    def version(self) -> int:
        return len(self.log)

    def decide(self, client: str, mid: int, edit: int, name: str, args: dict[str, Any]) -> None:
        """R1, R5, R6: the next of its client takes the next version, whatever becomes of it; any other is nothing."""
        if mid != self.last.get(client, 0) + 1:
            return
        state, value, code = self.states[-1], None, None
        try:
            state, value = execute(state, name, args, ruled=True)
        except Refused as why:
            code = str(why)
        self.states.append(state)
        self.log.append((client, mid, edit))
        self.outcomes[client, mid] = Outcome(len(self.log), value, code)
        self.last[client] = mid

    def truncate(self, version: int) -> None:
        """What was not durable has not been."""
        while self.version > version:
            client, mid, _ = self.log.pop()
            self.states.pop()
            del self.outcomes[client, mid]
            self.last[client] = mid - 1

    def until(self, version: int) -> "History":
        """The same, as a copy of the file had it."""
        copy = History(list(self.states), list(self.log), dict(self.outcomes), dict(self.last), dict(self.epochs))
        copy.truncate(version)
        return copy

    def holds(self, epoch: str, version: int) -> bool:
        """R10: whether it contains that version of that epoch. An epoch ends where the next begins."""
        if epoch not in self.epochs:
            return False
        names = list(self.epochs)
        later = names[names.index(epoch) + 1 :]
        return version <= (self.epochs[later[0]] if later else self.durable)

    def since(self, base: int, version: int) -> tuple[dict[str, int], dict[tuple[str, int], Outcome]]:
        """What was decided after ``base``: how far each client got, and the outcomes that are worth a line."""
        decided = self.log[base:version]
        outcomes = {(client, mid): self.outcomes[client, mid] for client, mid, _ in decided}
        worth = {name: outcome for name, outcome in outcomes.items() if (outcome.value, outcome.code) != (None, None)}
        return {client: mid for client, mid, _ in decided}, worth
