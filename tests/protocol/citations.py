"""
Which tests cite which rules of docs/protocol.md.

A test cites rules at the beginning of its docstring (``R4, H6. The rest in words``) or in brackets anywhere in it
(``(R8)``); so does the docstring of its module, for all of them; so does a comment beside a case of it (``# E3``). A
promise may also be named in the run of a sentence (``R1 to R10``). In TypeScript the name of a test does, or a comment.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict

from .document import ID, ROOT

LIST = rf"{ID}(?:(?:, | and | to ){ID})*"
_AT_FIRST = re.compile(rf"^\s*({LIST})(?=[.:,]|\s*$)", re.MULTILINE)
_IN_BRACKETS = re.compile(rf"\(({LIST})\)")
_PROMISE = re.compile(r"\bR[1-9][0-9]?\b(?: to R[1-9][0-9]?\b)?")
_MAYBE = re.compile(rf"#.*\b{ID}\b")
_SPAN = re.compile(r"([A-Z])(\d+) to \1(\d+)")
_TS_TEST = re.compile(r"""\b(?:it|test|describe)(?:\.each\(.*?\))?\(\s*(["'`])(.*?)\1""")
_TS_COMMENT = re.compile(r"//(.*)$", re.MULTILINE)


def cited(text):
    """The rules that a docstring, comment or name cites."""
    found = set()
    for part in [*_AT_FIRST.findall(text), *_IN_BRACKETS.findall(text), *_PROMISE.findall(text)]:
        found.update(re.findall(ID, part))
        for letter, first, last in _SPAN.findall(part):
            found.update(f"{letter}{number}" for number in range(int(first), int(last) + 1))
    return found


def citations(root=ROOT):
    """``{rule: [tests]}``, and all places where a rule is cited, in tests or in what they stand on."""
    tests, places = defaultdict(list), defaultdict(list)
    for path in sorted((root / "tests").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        of_tests, everywhere = in_python(path.read_text())
        if path.name.startswith("test_"):
            for test, rules in of_tests.items():
                for rule in rules:
                    tests[rule].append(f"{name}::{test}")
        for rule in everywhere:
            places[rule].append(name)
    for path in sorted((root / "js" / "test").rglob("*.ts")):
        name = path.relative_to(root).as_posix()
        for test, rules in in_typescript(path.read_text()).items():
            for rule in rules:
                tests[rule].append(f"{name}::{test}")
                places[rule].append(name)
    return tests, places


def in_python(source):
    """``{test: rules}`` of one file, the docstring of the module being every test's; and all rules cited in it."""
    tree, comments = ast.parse(source), _comments(source)
    module = cited(ast.get_docstring(tree) or "")
    everywhere, tests = module.union(*comments.values()), {}
    for node in _definitions(tree):
        own = cited(ast.get_docstring(node) or "")
        everywhere = everywhere | own
        if not isinstance(node, ast.ClassDef) and node.name.startswith("test_"):
            begin = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            beside = [rules for line, rules in comments.items() if begin <= line <= node.end_lineno]
            tests[node.name] = module.union(own, *beside)
    return tests, everywhere


def _definitions(node):
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _definitions(child)


def in_typescript(source):
    """``{test: rules}``; a comment counts for the test above it."""
    found = {match[2]: cited(match[2]) for match in _TS_TEST.finditer(source)}
    starts = [(match.start(), match[2]) for match in _TS_TEST.finditer(source)]
    for comment in _TS_COMMENT.finditer(source):
        above = [name for start, name in starts if start < comment.start()]
        if above:
            found[above[-1]] |= cited(comment[1])
    return found


def _comments(source):
    """``{line: rules}`` of the comments that cite any."""
    if not _MAYBE.search(source):  # to look at every token takes time
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = {each.start[0]: cited(each.string.lstrip("# ")) for each in tokens if each.type == tokenize.COMMENT}
    return {line: rules for line, rules in found.items() if rules}
