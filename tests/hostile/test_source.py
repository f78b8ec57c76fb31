"""
What our own source never does: run text as a program, read what only a friend may have written, put values into SQL.

R13. Each exception stands here with its reason.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("partysync_widget/**/*.py"), *ROOT.glob("server/partysync_server/**/*.py")])
FRONT = sorted(
    path
    for folder in ("js", "notebooks")
    for suffix in ("ts", "tsx", "js", "mjs", "ipynb")
    for path in (ROOT / folder).glob(f"**/*.{suffix}")
    if not {"node_modules", "test"} & set(path.parts)
)

MODULES = {
    "pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "marshal",
    "shelve",
    "jsonpickle",
    "joblib",
    "yaml",
    "imp",
    "ctypes",
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
ATTRIBUTES = {"os.system", "os.popen", "subprocess.getoutput", "tempfile.mktemp", "ssl._create_unverified_context"}
ALLOWED = {("server/partysync_server/bench/process.py", "ctypes")}  # so that what it starts ends with it

# Where SQL is put together: names are looked up and quoted there, and values are parameters.
SQL_MADE = {
    "partysync_widget/core/schema.py",
    "partysync_widget/core/store.py",
    "partysync_widget/core/stored_table.py",
    "partysync_widget/query.py",
    "server/partysync_server/bench/bare.py",  # a table of its own, and a pragma
    "server/partysync_server/ledger.py",  # a condition of our own words
    "server/partysync_server/pages.py",  # the same
    "server/partysync_server/records.py",  # columns of the party, quoted
    "server/partysync_server/room_file.py",  # a level, out of our own words
}
SQL = re.compile(
    r"\b(SELECT\b.*\bFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\b.*\bSET|DELETE\s+FROM|CREATE\s+(TEMP\s+)?(TABLE|TRIGGER|INDEX|VIEW)"
    r"|DROP\s+(TABLE|TRIGGER|INDEX)|ALTER\s+TABLE|PRAGMA)\b",
    re.DOTALL,
)
MARKUP = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|srcdoc|createContextualFragment)\b"
    r"|\beval\s*\(|\bnew Function\b|javascript:|\bsetHTMLUnsafe\b|\bDOMParser\b"
)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def faults(text):
    """What is wrong in a source, as ``(line, what)``."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names if name.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), level=0) if module.split(".")[0] in MODULES:
                yield node.lineno, module
            case ast.Call(func=ast.Name(id=called)) if called in CALLS:
                yield node.lineno, called
            case ast.Attribute() if ast.unparse(node) in ATTRIBUTES:
                yield node.lineno, ast.unparse(node)
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield node.value.lineno, "shell=True"
            case _:
                pass


def made_sql(text):
    """Lines where SQL is put together: with an f-string, ``+``, ``%`` or ``format``."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.JoinedStr(values=values) if any(isinstance(each, ast.FormattedValue) for each in values):
                words = "".join(str(each.value) for each in values if isinstance(each, ast.Constant))
            case ast.BinOp(op=ast.Add() | ast.Mod(), left=ast.Constant(value=str(words))):
                pass
            case ast.Call(func=ast.Attribute(attr="format", value=ast.Constant(value=str(words)))):
                pass
            case _:
                continue
        if SQL.search(words):
            yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_source_runs_text_or_reads_objects(path):
    found = [each for each in faults(path.read_text()) if (name_of(path), each[1]) not in ALLOWED]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_sql_is_put_together_where_names_are_quoted_and_nowhere_else(path):
    """R13."""
    if name_of(path) not in SQL_MADE:
        assert list(made_sql(path.read_text())) == []


@pytest.mark.parametrize("path", FRONT, ids=name_of)
def test_front_end_text_is_text(path):
    """No markup is ever made of a value."""
    assert [match[0] for match in MARKUP.finditer(path.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from yaml import load",
        "eval('1')",
        "exec(x)",
        "import os\nos.system('x')",
        "run(x, shell=True)",
    ],
)
def test_the_gate_sees_what_it_looks_for(text):
    assert list(faults(text))


@pytest.mark.parametrize(
    "text",
    [
        "f'SELECT * FROM {t}'",
        "'DELETE FROM ' + t",
        "'UPDATE %s SET x = 1' % t",
        "'DROP TABLE {}'.format(t)",
        "f'PRAGMA {x}'",
    ],
)
def test_the_gate_sees_sql_that_is_put_together(text):
    assert list(made_sql(text)) == [1]


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 60
    assert len(FRONT) > 20
