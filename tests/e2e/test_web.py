"""Pages with rooms of their own, in a real browser: two tabs and a kernel, reloads, a line that is cut."""

import secrets

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

from tests.client.line import Line  # noqa: E402  # needs what was just asked for
from tests.conftest import Server  # noqa: E402
from tests.e2e.site import JS, Site, bundle  # noqa: E402
from tests.web.conftest import built  # noqa: E402

__all__ = ["built"]

pytestmark = pytest.mark.e2e

SOON = 10_000  # ms

PAGE = """<!doctype html><meta charset="utf-8"><title>Rooms</title><main></main>
<script type="module">import { connect } from "/dist/index.js"; window.connect = connect; window.ready = true;</script>
<script type="module" src="/todos.js"></script>"""

# The ancestor's example, as short as it gets: a list at half opacity until it is settled, and a field for a new entry.
TODOS = """
import { createRoot } from "react-dom/client";
import { StrictMode, useState } from "react";
import { useSync, isOptimistic } from "./web/dist/react.js";

function Todos({ socket }) {
  const [text, setText] = useState("");
  const [todos, sendAction] = useSync("todos", socket);
  const add = (event) => {
    event.preventDefault();
    sendAction({ type: "insert", payload: { id: text, text } });
    setText("");
  };
  return <form onSubmit={add}>
    <input value={text} onChange={(event) => setText(event.target.value)} />
    <ul>{todos.map((todo) => <li key={todo[0]} style={{ opacity: isOptimistic(todo) ? 0.5 : 1 }}>{todo[1]}</li>)}</ul>
  </form>;
}
window.show = (socket) => {
  createRoot(document.querySelector("main")).render(<StrictMode><Todos socket={socket} /></StrictMode>);
};
"""


@pytest.fixture(scope="module")
def site(built, tmp_path_factory):
    """With that page, the package as it was built, and the list."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text(PAGE)
    (folder / "dist").symlink_to(JS / "web" / "dist")
    bundle(TODOS, folder / "todos.js")
    made = Site(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(site, tmp_path_factory):
    """It lets in the pages of that site."""
    made = Server(tmp_path_factory.mktemp("web"), "--origin", site.url)
    yield made
    made.stop()


@pytest.fixture
def line(server):
    """From the pages to the rooms."""
    made = Line(server.port)
    yield made
    made.close()


@pytest.fixture
def name():
    return f"web-{secrets.token_hex(4)}"


@pytest.fixture
def todos(enter, name):
    return enter(name).table("todos", text=str)


@pytest.fixture
def tab(browser, site, line, server, name):
    """Open a tab of one person's browser, with the hook on a page, or what ``connect`` gives as ``room``."""
    context = browser.new_context()

    def tab(*, hook=True, reload=None):
        page = reload or context.new_page()
        page.goto(f"{site.url}/")
        page.wait_for_function("window.ready && !!window.show")
        address = f"{line.url}/parties/main/{name}#{server.token}"
        if hook:
            page.evaluate("(address) => window.show(address)", address)
        else:
            page.evaluate(
                """async (address) => {
                    const room = window.room = window.connect(address, { keep: true });
                    window.texts = () => room.table('todos').rows.map((row) => row.text).join();
                    while (room.kept !== true && String(room.kept).includes('not open yet')) {
                        await new Promise((then) => room.subscribe(then));
                    }
                }""",
                address,
            )
        return page

    yield tab
    context.close()


def shown(page):
    return page.locator("li")


def test_two_tabs_and_a_kernel_follow_each_other(todos, tab, wait_until):
    """R2: what is typed in one is in the others."""
    one, two = tab(), tab()

    one.locator("input").fill("from a tab")
    one.keyboard.press("Enter")
    expect(shown(two)).to_have_text(["from a tab"], timeout=SOON)
    wait_until(lambda: [row["text"] for row in todos.records] == ["from a tab"])
    todos.insert(text="from the kernel")

    for page in (one, two):
        expect(shown(page)).to_have_text(["from a tab", "from the kernel"], timeout=SOON)
        expect(shown(page).first).to_have_css("opacity", "1")


def test_what_is_typed_while_the_line_is_down_shows_as_a_guess_and_outlives_a_reload(todos, tab, line, wait_until):
    """R5, R7: from this browser's IndexedDB, under its Web Locks."""
    page = tab()
    todos.insert(text="before").result(8)
    expect(shown(page)).to_have_text(["before"], timeout=SOON)

    line.hold()
    line.cut()
    page.locator("input").fill("meanwhile")
    page.keyboard.press("Enter")
    expect(shown(page)).to_have_text(["before", "meanwhile"], timeout=SOON)
    expect(shown(page).last).to_have_css("opacity", "0.5")
    page = tab(reload=page)
    expect(shown(page)).to_have_text(["before", "meanwhile"], timeout=SOON)
    expect(shown(page).last).to_have_css("opacity", "0.5")
    line.release()

    wait_until(lambda: [row["text"] for row in todos.records] == ["before", "meanwhile"])
    expect(shown(page).last).to_have_css("opacity", "1", timeout=SOON)


def test_a_second_tab_does_without_the_store_and_has_it_when_the_first_is_gone(todos, tab):
    """R5: two tabs are never one client."""
    todos.insert(text="one").result(8)
    first, second = tab(hook=False), tab(hook=False)

    assert first.evaluate("room.kept") is True
    assert second.evaluate("room.kept") == "Another page holds this room's store."
    for page in (first, second):
        page.wait_for_function("texts() === 'one'")
    first.close()
    again = tab(hook=False, reload=second)

    assert again.evaluate("room.kept") is True
    again.wait_for_function("texts() === 'one'")


def test_a_large_room_is_there_at_once_after_a_reload(enter, tab, name, line):
    """R4, from the copy in the browser."""
    table = enter(name).table("todos", text=str)
    table.insert_many([{"id": f"r{n}", "text": f"row {n}"} for n in range(20_000)]).result(8)
    page = tab(hook=False)
    page.wait_for_function("room.table('todos').size === 20000")
    page.evaluate("room.sync()")
    line.hold()
    line.cut()

    page = tab(hook=False, reload=page)

    page.wait_for_function("room.table('todos').size === 20000")
    assert page.evaluate("room.status") != "live"
    assert page.evaluate("room.table('todos').get('r19999').text") == "row 19999"
