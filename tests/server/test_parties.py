"""The parties that a server has."""

import sys
import types
from urllib.parse import quote

import pytest

from partysync_server.parties import Parties
from partysync_widget.core.errors import PartySyncError
from partysync_widget.core.party import Main

CODE = """
from partysync_widget.core.party import Party
class Todos(Party): ...
class Outer:
    class Inner(Party):
        name = "inner"
nothing = 7
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module of parties in it, that is on no path."""
    (tmp_path / "my_parties.py").write_text(CODE)
    (tmp_path / "broken.py").write_text("def")
    (tmp_path / "raises.py").write_text("import nothing_of_this_name")
    (tmp_path / "fails.py").write_text("1 / 0")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("my_parties", "broken", "raises", "fails"):
        sys.modules.pop(name, None)


def test_a_server_has_main():
    assert Parties().names() == ["main"]
    assert Parties().find("main") is Main
    assert Parties().find("todos") is None


def test_a_party_is_served_by_its_name(folder):
    sys.path.append(str(folder))
    parties = Parties()

    loaded = parties.load("my_parties:Todos")
    parties.load("my_parties:Outer.Inner")

    assert parties.find("todos") is loaded
    assert parties.names() == ["inner", "main", "todos"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no_such_module:Todos", "No module named"),
        ("my_parties:Nothing", "Nothing"),
        ("my_parties:Todos.Nothing", "Nothing"),
        ("my_parties", "module:Class"),
        ("my_parties:", "module:Class"),
        (":Todos", "module:Class"),
        ("", "module:Class"),
        ("broken:Todos", "module:Class"),
        ("raises:Todos", "nothing_of_this_name"),
        ("fails:Todos", "division by zero"),
        ("my_parties:nothing", "not a subclass"),
        ("my_parties:Outer", "not a subclass"),
        ("builtins:int", "not a subclass"),
        ("partysync_widget.core.party:Party", "not a subclass"),
    ],
)
def test_a_party_that_cannot_be_loaded_is_refused_with_how_to_write_it(folder, path, why):
    sys.path.append(str(folder))

    with pytest.raises(PartySyncError, match=why) as refused:
        Parties().load(path)

    assert path in str(refused.value)


def test_a_persons_own_server_imports_what_their_kernel_names(folder):
    """S12."""
    parties = Parties(imports=True)

    found = parties.find("todos", quote(f"my_parties:Todos;{folder}"))

    assert found.name == "todos"
    assert sys.path.count(str(folder)) == 1
    assert parties.find("inner", quote(f"my_parties:Outer.Inner;{folder}")).name == "inner"
    assert sys.path.count(str(folder)) == 1


def test_a_party_that_is_known_is_not_imported_again(folder):
    parties = Parties(imports=True)

    assert parties.find("main", quote(f"broken:Main;{folder}")) is Main


def test_without_a_hint_nothing_is_imported():
    assert Parties(imports=True).find("todos") is None


def test_a_hint_of_another_party_does_not_pass_for_the_one_that_was_asked_for(folder):
    assert Parties(imports=True).find("other", quote(f"my_parties:Todos;{folder}")) is None


def test_a_shared_server_imports_nothing_that_a_kernel_names(folder, monkeypatch):
    """R13, S12."""
    monkeypatch.setitem(sys.modules, "my_parties", types.ModuleType("my_parties"))

    assert Parties().find("todos", quote(f"my_parties:Todos;{folder}")) is None
    assert str(folder) not in sys.path


def test_a_hint_that_does_not_work_is_a_sentence(folder):
    with pytest.raises(PartySyncError, match="elsewhere:Todos"):
        Parties(imports=True).find("todos", quote(f"elsewhere:Todos;{folder}"))
