"""
Parties: what the rooms of one kind have in common, their tables and their mutators.

A party is one small class. Its code runs twice, in the kernel as a guess and in the room as the truth, so a mutator
takes everything it needs as arguments (ids, times, random numbers) and touches nothing but ``tx``.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from .codec import plain
from .columns import column
from .errors import MutationRejected, SchemaMismatch
from .hosted import Hosted
from .messages import Column
from .migration import Migration
from .roles import ROLES, Role, article, reaches
from .sight import Sight

Durability = Literal["power", "process"]

ROW_MUTATORS = ("insert", "insert_rows", "update", "upsert", "delete", "put_back", "batch")
TABLE_MUTATORS = ("create_table", "add_column")
ACT = "act"  # the mutation as which an action travels to the party's on_action


class Mutator:
    """A named function that changes rows, and the shape of its arguments."""

    def __init__(self, function: Callable[..., Any], *, role: str = "editor") -> None:
        self.function = function
        self.role = role  # who may call it, and whoever is higher
        self.name = function.__name__
        self.__doc__ = function.__doc__
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in parameters):
            raise TypeError(
                f"The mutator {self.name} must be written as `def {self.name}(tx, first: str, …)`: tx, then arguments "
                f"by name, no *args and no **kwargs."
            )
        self._parameters = parameters[1:]
        self._shape: type[msgspec.Struct] | None = None
        self._booleans: frozenset[str] = frozenset()  # arguments that may be 0 or 1; known with the shape

    @property
    def shape(self) -> type[msgspec.Struct]:
        """The arguments as a struct; made late, so that annotations may name classes defined below the party."""
        if self._shape is None:
            mine = {p.name: p.annotation for p in self._parameters if p.annotation is not p.empty}
            hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=mine), self.function.__globals__)
            fields: list[Any] = [
                (p.name, hints.get(p.name, Any))
                if p.default is p.empty
                else (p.name, hints.get(p.name, Any), p.default)
                for p in self._parameters
            ]
            self._shape = msgspec.defstruct(self.name, fields, kw_only=True, forbid_unknown_fields=True)
            self._booleans = frozenset(name for name, hint in hints.items() if _takes_no_number_but_a_boolean(hint))
        return self._shape

    @property
    def usage(self) -> str:
        """How it is called: its name and its arguments."""
        return f"{self.name}({', '.join(map(str, self._parameters))})".replace("'", "")

    def plain(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """``args`` as they travel: checked against the shape, datetimes and the like as text.

        Raises MutationRejected('bad-arguments') with the argument and what it should be.
        """
        made: dict[str, Any] = plain(dict(args))
        self.bound(made)
        return made

    def bound(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments from the wire as the function takes them. A boolean may be 0 or 1, as in a column."""
        try:
            shape, given = self.shape, args if type(args) is dict else dict(args)
            if loose := [name for name in self._booleans if type(given.get(name)) is int and given[name] in (0, 1)]:
                given = {**given, **{name: bool(given[name]) for name in loose}}
            struct = msgspec.convert(given, shape)
        except msgspec.ValidationError as error:
            raise MutationRejected("bad-arguments", f"{self.usage} was called wrongly: {error}.") from None
        return msgspec.structs.asdict(struct)


def mutator(function: Callable[..., Any] | None = None, *, role: Literal["editor", "owner"] = "editor") -> Any:
    """Mark a function in the body of a Party as one of its mutators: ``def name(tx, argument: type, …)``.

    ``@mutator(role="owner")`` lets only owners of a room call it. It changes rows with ``tx.sql``, ``tx.insert``,
    ``tx.update``, ``tx.upsert``, ``tx.delete``, reads with ``tx.sql`` and ``tx.get``, and refuses by raising. What it
    returns is the receipt's result, in the room's version.
    """
    if role not in ("editor", "owner"):
        raise SchemaMismatch(f"A mutator asks for the role editor or owner, not {role!r}: viewers change nothing.")
    return Mutator(function, role=role) if function is not None else functools.partial(Mutator, role=role)


class Party(Hosted):
    """A kind of room. Subclass it, write ``schema`` and mutators; and hooks, if its rooms are to act by themselves.

    ``schema``      CREATE TABLE statements; each table STRICT, with ``id TEXT PRIMARY KEY NOT NULL``.
    ``migrations``  what has changed in it since its first version, so that older rooms follow: ``(Migration(…), …)``.
    ``types``       what SQL cannot say: ``{"todos": {"done": bool, "due": datetime.date}}``.
    ``built_in``    which built-in mutators its rooms take; ``()`` leaves only the party's own.
    ``seen_by``     what not everybody is shown: ``{"grades": "owner", "students.email": "editor"}``, a table or a
                    column, and the role from which on it is.
    ``mutation_seconds``  of work after which the room stops a mutation's SQL, and rejects it.
    ``action_seconds``    after which a hook that still awaits something is given up.
    ``keep_deleted``  seconds for which a room keeps a deleted row of a table that has a column ``deleted_at``.
    ``durability``  "power": an accepted mutation survives power loss; "process": only the end of the process.
    """

    name: ClassVar[str] = ""  # the class's name in kebab-case, unless set
    schema: ClassVar[str] = ""
    migrations: ClassVar[tuple[Migration, ...]] = ()
    types: ClassVar[dict[str, dict[str, Any]]] = {}
    built_in: ClassVar[tuple[str, ...]] = ROW_MUTATORS
    seen_by: ClassVar[dict[str, Role]] = {}
    durability: ClassVar[Durability] = "power"
    mutation_seconds: ClassVar[float] = 10.0
    action_seconds: ClassVar[float] = 30.0
    keep_deleted: ClassVar[float] = 86_400.0
    mutators: ClassVar[dict[str, Mutator]] = {}
    _bare: ClassVar[type[Party]]

    def __init_subclass__(cls) -> None:
        if "name" not in cls.__dict__:
            cls.name = kebab(cls.__name__)
        if unknown := set(cls.built_in) - {*ROW_MUTATORS, *TABLE_MUTATORS}:
            raise SchemaMismatch(f"{cls.__name__}.built_in names {sorted(unknown)}, which are not built in.")
        given: Any = cls.migrations
        if not isinstance(given, tuple) or not all(isinstance(each, Migration) for each in given):
            raise SchemaMismatch(f"{cls.__name__}.migrations is a tuple of Migration(…), the oldest first.")
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Mutator)}
        for name in own:
            if name in cls.built_in:
                raise SchemaMismatch(f"{cls.__name__} has a mutator {name!r}, which is built in. Give it another name.")
        cls.mutators = {**cls.mutators, **own}
        if ACT in own:
            raise SchemaMismatch(f"{cls.__name__} has a mutator {ACT!r}, as which actions travel. Rename it.")
        for name, role in cls.seen_by.items():
            if role not in ROLES:
                raise SchemaMismatch(
                    f"{cls.__name__}.seen_by has the role {role!r} for {name!r}. Write one of {', '.join(ROLES)}."
                )

    @classmethod
    def column_types(cls) -> dict[str, dict[str, Column]]:
        """``types`` as columns."""
        return {
            table: {name: column(kind, name=name) for name, kind in kinds.items()} for table, kinds in cls.types.items()
        }

    @classmethod
    def sight(cls, role: str) -> Sight:
        """What of its tables ``role`` is shown."""
        tables: set[str] = set()
        columns: dict[str, set[str]] = {}
        for name, wanted in cls.seen_by.items():
            table, _, column = name.partition(".")
            if reaches(role, wanted):
                continue
            if column:
                columns.setdefault(table, set()).add(column)
            else:
                tables.add(table)
        return Sight(frozenset(tables), {table: frozenset(names) for table, names in columns.items()})

    @classmethod
    def acts(cls) -> bool:
        """Whether it has ``on_action(self, channel, action)``, for what none of its mutators is called."""
        return callable(getattr(cls, "on_action", None))

    @classmethod
    def role_for(cls, name: str) -> str:
        """The role from which on somebody may call the mutator ``name``."""
        own = cls.mutators.get(name)
        return own.role if own is not None else "editor"

    @classmethod
    def require(cls, role: str, name: str) -> None:
        """Raise MutationRejected('forbidden') unless ``role`` may call the mutator ``name``."""
        if role == "owner" or reaches(role, wanted := cls.role_for(name)):
            return
        if not reaches(role, "editor"):
            text = f"You are a viewer of this room, and viewers change nothing, so {name} was refused."
        else:
            text = f"{name} is for {article(wanted)} of this room, and you are {article(role)} of it."
        raise MutationRejected("forbidden", f"{text} An owner can change that with room.share.")

    @classmethod
    def takes(cls, role: str) -> list[str]:
        """Names of the mutators that somebody of this role may call."""
        names = (*cls.mutators, *cls.built_in, *([ACT] if cls.acts() else []))
        return [name for name in names if reaches(role, cls.role_for(name))]

    @classmethod
    def declared_schema(cls) -> str:
        """The schema and the types, as one text without its layout: a room's file keeps what it was made by."""
        types = [repr((table, sorted(kinds.items()))) for table, kinds in sorted(cls.column_types().items())]
        return "\n".join([" ".join(cls.schema.split()), *types])

    @classmethod
    def schema_version(cls) -> int:
        """Which version of its schema this is: 1, and one more for each migration."""
        return 1 + len(cls.migrations)

    @classmethod
    def keeps_clients(cls, since: int) -> bool:
        """Whether a kernel that has version ``since`` of the schema can go on with this one."""
        return all(migration.keeps_clients for migration in cls.migrations[since - 1 :])

    @classmethod
    def bare(cls) -> type[Party]:
        """The same party without tables of its own: for a copy whose tables are as the room says, not as the class."""
        if "_bare" not in cls.__dict__:
            less = {"schema": "", "migrations": (), "types": {}, "seen_by": {}}
            cls._bare = type(cls.__name__, (cls,), {"name": cls.name, **less})
        return cls._bare

    @classmethod
    def fingerprint(cls) -> str:
        """A short hash of what the two sides must agree on: the schema and the mutators' names and arguments."""
        text = [cls.name, cls.declared_schema(), repr(sorted(cls.built_in))]
        text += [f"{name}{inspect.signature(each.function)}" for name, each in sorted(cls.mutators.items())]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


class Main(Party):
    """The party of a room that nobody declared one for: its tables are made from notebooks."""

    name = "main"
    built_in = ROW_MUTATORS + TABLE_MUTATORS


def _takes_no_number_but_a_boolean(hint: Any) -> bool:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = set(typing.get_args(hint)) if union else {hint}
    return bool in kinds and not {int, float} & kinds


def kebab(name: str) -> str:
    """``TodoList`` as ``todo-list``, the form a party has in a URL."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).replace("_", "-").lower()
