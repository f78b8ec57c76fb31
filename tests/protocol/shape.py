"""
The shape of the frames: what every struct that travels is called, holds and allows, as text that can be compared and
hashed.

It does not depend on the order of structs, fields or choices, on docstrings or on names of Python's: only what another
implementation would see is in it.
"""

import hashlib
import json
import re
from pathlib import Path

import msgspec.inspect as mi

from partysync_widget.core import messages as m

SOURCE = Path(m.__file__)
VERSION_LINE = re.compile(r"^#   (\d+)  ([0-9a-f]{16})  (.+)$", re.MULTILINE)


def describe(up, down):
    """Every struct that is reached from the frames, by tag or name, and who says what.

    ``{name: {field: "type = default"}, "up": {tag: "frame"}, "down": …}``
    """
    found = {}
    for direction, union in (("up", up), ("down", down)):
        info = mi.type_info(union)
        _visit(info, found)
        found[direction] = {each.tag: "frame" for each in getattr(info, "types", [info])}
    return found


def digest(description):
    """Short, and another one for another description."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pinned(source=None):
    """The versions beside PROTOCOL, oldest first: ``{version: (hash, what changed)}``."""
    text = SOURCE.read_text() if source is None else source
    return {int(version): (digest, changed) for version, digest, changed in VERSION_LINE.findall(text)}


def complaint(found, version, history):
    """What to do if frames of the hash ``found`` are not those of ``version`` in ``history``; empty if they are."""
    if version != max(history, default=0):
        return f"PROTOCOL is {version}, and the last version listed above it in core/messages.py is {max(history)}."
    if history[version][0] == found:
        return ""
    return (
        f"The frames are not those of protocol {version} any more: their hash is {found}, not {history[version][0]}. "
        f"A side that speaks version {version} does not know of the change. Take it back, or make it version "
        f"{version + 1}: raise PROTOCOL in core/messages.py, add the line `#   {version + 1}  {found}  what changed` "
        f"above it, describe it in docs/protocol.md, and type `python -m tests.protocol.record`."
    )


def _visit(type_, found):
    match type_:
        case mi.Metadata():
            _visit(type_.type, found)
        case mi.UnionType():
            for each in type_.types:
                _visit(each, found)
        case mi.StructType():
            _struct(type_, found)
        case mi.ListType() | mi.VarTupleType():
            _visit(type_.item_type, found)
        case mi.DictType():
            _visit(type_.value_type, found)


def _struct(type_, found):
    name = type_.tag or type_.cls.__name__
    if name in found:
        return
    fields = found[name] = {}
    if type_.tag is not None:
        fields[type_.tag_field] = json.dumps(type_.tag)
    if type_.array_like or type_.forbid_unknown_fields:
        fields["*"] = f"array_like={type_.array_like} forbid_unknown_fields={type_.forbid_unknown_fields}"
    for field in type_.fields:
        fields[field.encode_name] = written(field.type) + _default(field)
        _visit(field.type, found)


def _default(field):
    if field.required:
        return ""
    default = field.default if field.default is not mi.NODEFAULT else field.default_factory()
    return f" = {json.dumps(default)}"


NAMES = {
    mi.AnyType: "any",
    mi.NoneType: "null",
    mi.BoolType: "boolean",
    mi.BytesType: "bytes",
}


def written(type_):
    """A type as the document writes it."""
    match type_:
        case mi.Metadata():
            return written(type_.type)
        case mi.IntType():
            return _ranged({(None, None): "integer", (0, 2**53): "count", (1, 2**53): "mid"}, type_, type_.ge, type_.le)
        case mi.StrType():
            return _ranged({(None, None): "text", (None, 256): "name"}, type_, type_.min_length, type_.max_length)
        case mi.FloatType():
            return _ranged({(None, None): "number"}, type_, type_.ge, type_.le)
        case mi.LiteralType():
            return " ".join(sorted(json.dumps(value) for value in type_.values))
        case mi.UnionType():
            return " or ".join(sorted((written(each) for each in type_.types), key=lambda text: (text == "null", text)))
        case mi.ListType() | mi.VarTupleType():
            return f"list{_length(type_)} of {_inside(type_.item_type)}"
        case mi.DictType():
            key = written(type_.key_type)
            return f"map{'' if key == 'text' else f' by {key}'}{_length(type_)} of {_inside(type_.value_type)}"
        case mi.StructType():
            return type_.tag or type_.cls.__name__
        case _:
            return NAMES[type(type_)]


def _inside(type_):
    return f"({written(type_)})" if isinstance(type_, mi.UnionType) else written(type_)


def _ranged(names, type_, least, most):
    """The name for a range; whatever else bounds the type is spelt out."""
    rest = {
        name: getattr(type_, name)
        for name in ("gt", "lt", "multiple_of", "pattern")
        if getattr(type_, name, None) is not None
    }
    known = names.get((least, most))
    base = known or f"{names[None, None]}({least}…{most})"
    return base + (f" {rest}" if rest else "")


def _length(type_):
    if type_.min_length is None and type_.max_length is None:
        return ""
    return f"({type_.min_length}…{type_.max_length})"
