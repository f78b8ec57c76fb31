"""One todo list in a notebook, on our page and in the ancestor's dialect: edited at once, cut off in turn, equal."""

import random
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

import partysync_widget as ps  # noqa: E402  # needs what was just asked for
from tests.conftest import Server  # noqa: E402
from tests.e2e.site import Site, bundle  # noqa: E402
from tests.e2e.todos import ANCESTOR, InDialect, InNotebook, OnPage, environment, kept  # noqa: E402
from tests.web.conftest import built  # noqa: E402

__all__ = ["built"]

pytestmark = pytest.mark.e2e

NAME = "groceries"
SCRIPT = Path(__file__).with_name("ancestor.js")


@pytest.fixture
def site(tmp_path):
    """Of somebody else, with the page that speaks the dialect."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "ancestor.html").write_text(ANCESTOR)
    bundle(SCRIPT.read_text(), folder / "ancestor.js")
    made = Site(folder)
    yield made
    made.close()


@pytest.fixture
def server(built, site, tmp_path):
    """It shows pages, and lets in those of that site."""
    made = Server(
        tmp_path / "server", "--party", "todo:Todos", "--pages", "--origin", site.url, environment=environment()
    )
    yield made
    made.stop()


@pytest.fixture
def ways(server, site, browser):
    """A notebook's kernel, our page, the ancestor's."""
    windows = [browser.new_context() for _ in range(2)]  # of one window only the tab in front is drawn
    opened = [InNotebook(server, NAME)]
    with ps.connect(NAME, url=server.url, token=server.token, party="todos") as owner:
        share = owner.share("editor")
    opened += [
        OnPage(server, windows[0], share.link),
        InDialect(server, windows[1], site, NAME, share.token),
    ]
    yield opened
    for each in opened:
        each.close()
    for each in windows:
        each.close()


def test_they_edit_one_room_are_cut_off_in_turn_and_end_equal(ways, server, wait_until):
    """R4, R5, R6, R7: what each did alone is everywhere, once, and what was deleted meanwhile is nowhere."""
    notebook, page, dialect = ways

    def texts(way):
        return sorted(text for _, text, _ in way.rows())

    def agreed(*expected):
        wait_until(lambda: all(texts(each) == sorted(expected) for each in ways), what=f"{expected} on all three")

    notebook.do("create", id="k1", text="of the kernel")
    page.add("of the page")
    dialect.do("create", id="d1", text="of the dialect", completed=0)
    agreed("of the kernel", "of the page", "of the dialect")

    notebook.cut()
    notebook.do("create", id="k2", text="kernel alone")
    notebook.do("toggle", id="d1", completed=True)
    page.entry("of the kernel").get_by_role("button").click()
    dialect.do("create", id="d2", text="while the kernel is away", completed=0)
    wait_until(lambda: "while the kernel is away" in texts(page) and "of the kernel" not in texts(dialect))
    assert "of the kernel" in texts(notebook)
    assert "kernel alone" in texts(notebook)
    assert "kernel alone" not in texts(page)
    notebook.mend()
    agreed("of the page", "of the dialect", "kernel alone", "while the kernel is away")

    page.cut()
    page.add("page alone")
    page.entry("page alone").get_by_role("checkbox").click()
    page.entry("of the dialect").get_by_role("checkbox").click()  # off again
    page.entry("kernel alone").get_by_role("button").click()
    assert not page.settled()
    notebook.do("update", id="k2", text="renamed, and deleted elsewhere", completed=True)
    dialect.do("delete", id="d2")
    wait_until(lambda: "renamed, and deleted elsewhere" in texts(dialect) and len(texts(notebook)) == 3)
    assert "page alone" in texts(page)
    page.mend()
    agreed("of the page", "of the dialect", "page alone")

    dialect.cut()
    dialect.do("create", id="d3", text="dialect alone", completed=1)
    dialect.do("update", id="d1", text="of the dialect, renamed", completed=1)
    assert not dialect.settled()
    page.entry("of the page").get_by_role("button").click()
    notebook.do("create", id="k3", text="while the dialect is away")
    wait_until(lambda: "of the page" not in texts(notebook) and "while the dialect is away" in texts(page))
    assert "of the page" in texts(dialect)
    dialect.mend()
    agreed("of the dialect, renamed", "page alone", "dialect alone", "while the dialect is away")

    wait_until(lambda: page.settled() and dialect.settled())
    rows = notebook.rows()
    assert page.rows() == rows
    assert sorted(dialect.rows()) == sorted(rows)
    assert dialect.page.evaluate("errors_heard") == []
    server.stop()
    assert kept(server) == rows
    assert {text: completed for _, text, completed in rows} == {
        "of the dialect, renamed": True,
        "page alone": True,
        "dialect alone": True,
        "while the dialect is away": False,
    }


@pytest.mark.parametrize("seed", [7, 2026])
def test_they_end_equal_whatever_they_do(ways, server, wait_until, seed):
    """R1, R4, R5, R7: forty edits of whatever each of them sees, and now and then a line that is cut or mended."""
    chance = random.Random(seed)
    away = []
    for n in range(40):
        way = chance.choice(ways)
        match chance.choice(["edit", "edit", "edit", "edit", "cut", "mend"]):
            case "cut" if way not in away:
                way.cut()
                away.append(way)
            case "mend" if away:
                away.pop(0).mend()
            case _:
                rows = way.rows()
                id, _, completed = chance.choice(rows) if rows else ("", "", False)
                match chance.choice(["create", "create", "toggle", "delete"]) if rows else "create":
                    case "create":
                        way.create(f"{seed}-{n}", f"entry {n}")
                    case "toggle":
                        way.toggle(id, not completed)
                    case "delete":
                        way.delete(id)
    for way in away:
        way.mend()

    def one():
        return len({tuple(sorted(way.rows())) for way in ways}) == 1 and all(way.settled() for way in ways)

    wait_until(one, what="their being equal")
    rows = ways[0].rows()
    server.stop()
    assert kept(server) == rows
    assert rows
