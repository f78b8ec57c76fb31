"""
The shape of a database: what the SQL text of each of its tables, indexes, triggers and views says, layout left out.

SQLite keeps the text, and a change by ALTER TABLE is a change of it. So two databases of one shape are alike in all
that SQL can tell: columns in their order, types, defaults, CHECKs, collations, references.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import NamedTuple

import apsw

from partysync_widget.core.schema import RESERVED

_TOKEN = re.compile(
    r"""(?P<gap>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*')
    |"(?P<quoted>(?:[^"]|"")*)"|`(?P<ticked>(?:[^`]|``)*)`|\[(?P<bracketed>[^\]]*)\]
    |(?P<word>\w+|.)""",
    re.DOTALL | re.VERBOSE,
)


class Piece(NamedTuple):
    """A definition: what it says, and as which text it stands there."""

    tokens: tuple[str, ...]
    text: str


Shape = dict[tuple[str, str], list[Piece]]  # by type and name


def shape_of(connection: apsw.Connection) -> Shape:
    """All of a party's own in a database, in no order."""
    listing = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {
        (kind, name): pieces(sql) if kind == "table" else [piece(sql)]
        for kind, name, sql in listing
        if not name.startswith(("sqlite_", RESERVED))
    }


def pieces(sql: str) -> list[Piece]:
    """The statement that made a table: what stands before the columns, each of them, what stands after."""
    found, depth, begin = [], 0, 0
    for token in _TOKEN.finditer(sql):
        word = token["word"]
        depth += (word == "(") - (word == ")")
        if (word == "(" and depth == 1) or (word == "," and depth == 1) or (word == ")" and depth == 0):
            found.append(piece(sql[begin : token.start()]))
            begin = token.end()
    return [*found, piece(sql[begin:])]


def piece(sql: str) -> Piece:
    """A definition as one."""
    tokens = []
    for token in _TOKEN.finditer(sql):
        if token["text"] is not None:
            tokens.append(token["text"])
        elif token["gap"] is None:
            name = next(each for each in token.group("quoted", "ticked", "bracketed", "word") if each is not None)
            tokens.append(name.replace('""', '"').replace("``", "`").lower())
    return Piece(tuple(tokens), " ".join(sql.split()))


def difference(found: Shape, wanted: Shape) -> str:
    """The first thing in which they differ, as a sentence; empty if they are the same."""
    for kind, name in sorted(wanted.keys() - found.keys()):
        return f"the schema has the {kind} {name}, to which they do not lead"
    for kind, name in sorted(found.keys() - wanted.keys()):
        return f"they lead to the {kind} {name}, which the schema does not have"
    for (kind, name), pieces in found.items():
        others = wanted[kind, name]
        around = [(pieces[0], others[0]), (pieces[-1], others[-1])]
        for has, wants in [*zip_longest(pieces[1:-1], others[1:-1]), *around]:
            if has is None or wants is None or has.tokens != wants.tokens:
                says = [f"`{each.text}`" if each is not None else "nothing" for each in (has, wants)]
                order = ""
                if sorted(each.tokens for each in pieces) == sorted(each.tokens for each in others):
                    order = "; a column that was added stands last, so let it stand last in the schema too"
                return f"in the {kind} {name} they lead to {says[0]}, the schema says {says[1]}{order}"
    return ""
