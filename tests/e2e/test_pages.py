"""Pages of their own, in a real browser: a wall that only looks, one that edits, and how each of them ends."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

import partysync_widget as ps  # noqa: E402
from tests import hubs  # noqa: E402
from tests.conftest import Server, home  # noqa: E402  # needs what was just asked for
from tests.e2e.test_accessible import AXE  # noqa: E402

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PARTIES = Path(__file__).with_name("parties")
SOON = 10_000  # ms
AT_ONCE = 1_000  # ms, as docs/sharing.md promises of what is revoked


@pytest.fixture(scope="session")
def bundled():
    """The bundles as their sources are now."""
    subprocess.run([sys.executable, str(ROOT / "hatch_build.py")], check=True, cwd=ROOT)


@pytest.fixture(scope="module")
def pages_server(bundled, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("pages"), "--pages")
    yield server
    server.stop()


@pytest.fixture
def name():
    return f"wall-{secrets.token_hex(4)}"


@pytest.fixture
def room(enter, pages_server, name):
    return enter(name, at=pages_server, user="Ada")


@pytest.fixture
def todos(room):
    table = room.table("todos", text=str, done=bool, n=int)
    table.insert_many([{"id": f"r{i}", "text": f"row {i}", "done": False, "n": i} for i in range(30)]).result(8)
    return table


@pytest.fixture
def wall(browser):
    """Open a page by its link. What goes wrong in it fails the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    errors = []

    def open_(url, *, page=None):
        page = page or context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        page.goto(url)
        return page

    yield open_
    context.close()
    assert errors == []


def cell(page, row, column):
    return page.locator(f'[role=row][data-id="{row}"] [role=gridcell][data-column="{column}"]')


def light(page):
    return page.locator(".pw-light")


def test_a_viewer_sees_what_a_kernel_does_and_can_change_nothing(room, todos, wall, wait_until):
    """R2, R13."""
    page = wall(room.share("viewer").page_url("todos"))

    expect(cell(page, "r3", "text")).to_have_text("row 3", timeout=SOON)
    expect(light(page)).to_have_text("live, read-only")
    expect(page).to_have_title(f"{room.name} · todos")
    todos.update("r3", text="from the kernel")
    todos.delete("r4")
    todos.insert(id="new", text="made just now").result(8)
    expect(cell(page, "r3", "text")).to_have_text("from the kernel")
    expect(cell(page, "r4", "text")).to_have_count(0)
    expect(page.locator(".pw-changed")).to_contain_text("last change")
    expect(page.get_by_role("img", name="Ada")).to_be_visible()
    cell(page, "r3", "text").dblclick()
    expect(page.locator(".ps-editor")).to_have_count(0)
    expect(page.get_by_role("button", name="Add row")).to_be_hidden()
    wait_until(lambda: [each["name"] for each in room.peers] == ["a page (guest)"])


def test_how_the_columns_stand_stays_over_a_reload(room, todos, wall):
    page = wall(room.share("viewer").page_url("todos"))
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)

    for _ in range(2):
        page.locator('[role=columnheader][data-column="n"]').click()
    expect(page.locator("[role=row][data-id]").first).to_have_attribute("data-id", "r29")
    page.reload()

    expect(page.locator("[role=row][data-id]").first).to_have_attribute("data-id", "r29", timeout=SOON)


def test_an_editor_edits_a_cell_and_the_kernel_sees_it(room, todos, wall, wait_until):
    """R2, R5, R6: and takes it back again."""
    page = wall(room.share("editor").page_url("todos").replace("/todos#", "/todos?name=Lab+wall#"))
    expect(cell(page, "r3", "text")).to_have_text("row 3", timeout=SOON)

    cell(page, "r3", "text").dblclick()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("from the wall")
    page.keyboard.press("Enter")

    expect(cell(page, "r3", "text")).to_have_text("from the wall")
    wait_until(lambda: todos["r3"]["text"] == "from the wall")
    expect(page.locator(".ps-pending")).to_have_count(0)
    assert [each["name"] for each in room.peers] == ["Lab wall (guest)"]
    page.get_by_role("button", name="Undo").click()
    wait_until(lambda: todos["r3"]["text"] == "row 3")
    expect(cell(page, "r3", "text")).to_have_text("row 3")


def test_a_link_that_is_taken_back_closes_its_page_at_once(room, todos, wall):
    """R13: nothing of the room is in sight then, and no reload brings it back."""
    share = room.share("viewer")
    page = wall(share.page_url("todos"))
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)

    room.revoke(share)

    expect(page.get_by_role("alert")).to_contain_text("was taken back", timeout=AT_ONCE)
    expect(page.get_by_role("alert")).to_contain_text("Open the new link here.")
    assert "row 3" not in page.content()
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("opened by its link")
    page.evaluate("(url) => { location.href = url }", room.share("viewer").page_url("todos"))  # only its # differs
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)


def test_a_link_that_expired_while_nobody_looked_says_so(room, todos, wall, wait_until):
    share = room.share("viewer", expires=0.05)
    wait_until(lambda: [each.expired for each in room.people() if each.id == share.id] == [True])

    page = wall(share.page_url("todos"))

    expect(page.get_by_role("alert")).to_contain_text("it has expired, or was taken back", timeout=SOON)


def test_a_wall_outlives_reloads_and_restarts_of_its_server(bundled, start_server, enter, wall):
    """R4, R9. The rows stay in sight meanwhile, and it says that they may be old."""
    server = start_server("--pages")
    room = enter("wall", at=server)
    todos = room.table("todos", text=str)
    todos.insert(id="a", text="one").result(8)
    page = wall(room.share("viewer").page_url("todos"))
    expect(cell(page, "a", "text")).to_have_text("one", timeout=SOON)

    page.reload()
    expect(cell(page, "a", "text")).to_have_text("one", timeout=SOON)
    server.stop()
    expect(light(page)).to_contain_text("not live since", timeout=SOON)
    expect(cell(page, "a", "text")).to_have_text("one")
    server.start()

    expect(light(page)).to_have_text("live, read-only", timeout=SOON)
    todos.update("a", text="two")
    expect(cell(page, "a", "text")).to_have_text("two", timeout=SOON)


def test_a_page_that_its_server_has_outgrown_loads_itself_anew(room, todos, wall):
    """C2. By itself, and with the link that it has."""
    page = wall("about:blank")
    page.clock.install()
    others = []

    def of_another_day(socket):
        there = socket.connect_to_server()
        others.append(socket.url)
        if len(others) == 1:
            there.on_message(lambda said: socket.send(said.replace('"protocol":1', '"protocol":2')))

    page.route_web_socket("**/parties/**", of_another_day)
    page.goto(room.share("viewer").page_url("todos"))
    expect(page.get_by_role("alert")).to_contain_text("The server speaks protocol 2", timeout=SOON)

    page.clock.run_for(61_000)

    expect(cell(page, "r3", "text")).to_have_text("row 3", timeout=SOON)


def test_what_a_role_is_not_shown_is_on_no_page(bundled, start_server, on_path, enter, wall):
    """R13. A hidden table is as one that is not there."""
    on_path(PARTIES)
    server = start_server("--pages", "--party", "school:School")
    room = enter("class", at=server, party="school")
    room.mutate("enrol", id="a", name="Ann", address="12 Hidden Lane").result(8)
    share = room.share("viewer")

    page = wall(share.page_url())
    expect(page.get_by_role("listitem")).to_have_text(["students 1 row"], timeout=SOON)
    page.get_by_role("link", name="students").click()
    expect(cell(page, "a", "name")).to_have_text("Ann")
    expect(page.get_by_role("columnheader", name="address")).to_have_count(0)
    assert "Hidden Lane" not in page.content()
    page.goto(share.page_url("exams").partition("#")[0])

    expect(page.locator(".pw-missing")).to_contain_text("The room has no table “exams”, or this link does not show it.")
    expect(page.locator(".ps-grid")).to_be_hidden()


def test_a_table_that_is_made_later_is_shown_then(room, wall):
    page = wall(room.share("viewer").page_url("later"))
    expect(page.locator(".pw-missing")).to_contain_text("It will be here when it is made.", timeout=SOON)

    room.table("later", text=str).insert(id="a", text="here").result(8)

    expect(cell(page, "a", "text")).to_have_text("here")
    expect(page.locator(".pw-missing")).to_be_hidden()


def test_the_token_is_nowhere_but_in_its_tab(room, todos, wall, pages_server):
    """S2: not in the address, the history, a referrer, a request, or the log."""
    share = room.share("viewer")
    asked = []
    page = wall("about:blank")
    page.on("request", lambda request: asked.append((request.url, request.headers, request.post_data)))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(share.page_url("todos"))
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)
    page.get_by_role("link", name=room.name).click()
    page.get_by_role("link", name="todos").click()
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)
    page.go_back()
    page.go_back()
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)

    assert share.token not in page.url
    sent = [each for each in asked if "#" not in str(each[0])]  # the browser's own first request is shown with its #
    assert len(sent) > 5
    assert share.token not in str(sent)
    assert page.evaluate("document.referrer") == ""
    assert share.token not in page.content()
    assert share.token not in pages_server.log
    assert page.context.cookies() == []


@pytest.mark.skipif(bool(hubs.missing()), reason=hubs.missing() or "there is a Hub")
def test_behind_a_proxy_and_below_a_path_it_is_the_same(bundled, tmp_path, wall):
    """S3. A Hub's: what the page loads, and its socket, are below the Hub's own address."""
    hub = hubs.Hub(tmp_path, {**os.environ, **home(tmp_path)}, {"ann": []}, "--pages", "--public-url={url}")
    try:
        with ps.connect("class", url=hub.url, token=hub.token_of("ann")) as room:
            todos = room.table("todos", text=str)
            todos.insert(id="a", text="one").result(8)
            share = room.share("editor")
            assert share.page_url("todos").startswith(f"{hub.url}/pages/main/class/todos#")
            page = wall(share.page_url())
            page.get_by_role("link", name="todos").click(timeout=SOON)
            expect(cell(page, "a", "text")).to_have_text("one", timeout=SOON)

            todos.update("a", text="two").result(8)

            expect(cell(page, "a", "text")).to_have_text("two")
            assert share.token not in hub.log
    finally:
        hub.stop()


def test_a_hundred_thousand_rows_are_a_window(enter, pages_server, name, wall):
    """R12. Few of them are elements; sorting, search and the last row are there at once."""
    room = enter(name, at=pages_server)
    table = room.table("many", text=str, n=int)
    table.insert_many([{"id": f"r{i}", "text": f"row {i}", "n": -i} for i in range(100_000)]).result(60)
    page = wall(room.share("viewer").page_url("many"))

    expect(page.locator(".ps-count")).to_have_text("100,000 rows", timeout=60_000)
    assert page.locator("[role=row]").count() < 100
    page.locator(".ps-grid").focus()
    page.keyboard.press("ControlOrMeta+End")
    expect(cell(page, "r99999", "text")).to_be_visible()
    page.get_by_role("searchbox").fill("row 54321")
    expect(cell(page, "r54321", "text")).to_be_visible()
    table.update("r54321", text="row 54321, changed").result(8)
    expect(cell(page, "r54321", "text")).to_have_text("row 54321, changed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(room, todos, wall, scheme):
    """Of the whole page: the table, the list of tables, and the end."""
    share = room.share("editor")
    page = wall("about:blank")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")

    def violations():
        found, passed = page.evaluate(
            f"""async () => {{ {AXE.read_text()}; const {{violations, passes}} = await axe.run();
                return [violations.map(({{id, nodes}}) => [id, nodes.map((node) => node.html)]), passes.length]; }}"""
        )
        assert passed > 10  # it has looked
        return found

    page.goto(share.page_url("todos"))
    expect(cell(page, "r3", "text")).to_be_visible(timeout=SOON)
    assert violations() == []
    page.get_by_role("link", name=room.name).click()
    expect(page.get_by_role("link", name="todos")).to_be_visible(timeout=SOON)
    assert violations() == []
    room.revoke(share)
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations() == []
