"""The todo page as the server shows it: who comes in, where the token is, what is a guess, how soon others see."""

import itertools
import secrets
import statistics
from pathlib import Path

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

import partysync_widget as ps  # noqa: E402  # needs what was just asked for
from tests.conftest import Server  # noqa: E402
from tests.e2e.todos import InNotebook, OnPage, environment  # noqa: E402
from tests.web.conftest import built  # noqa: E402

__all__ = ["built"]

pytestmark = pytest.mark.e2e

SOON = 10_000  # ms
AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
FRAME = 1000 / 60  # ms
FRAMES = 2.0  # from an edit in one place to the frame that shows it in another, in the median: the goal
TIMES = 4.0  # what the same edit takes to its own tab's frame: that much is allowed where the machine itself is slow
EDITS = 12  # of a round, each way
ROUNDS = 6  # at most: the first that is good enough is the last

words = itertools.count(1)


@pytest.fixture(scope="module")
def server(built, tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("todo"), "--party", "todo:Todos", "--pages", environment=environment())
    yield made
    made.stop()


@pytest.fixture
def owner(server):
    with ps.connect(f"todo-{secrets.token_hex(4)}", url=server.url, token=server.token, party="todos") as room:
        yield room


@pytest.fixture
def tab(browser, server, owner):
    """Open a tab of one person's browser: ``tab("viewer")``. No page may want what its policy forbids."""
    context = browser.new_context(viewport={"width": 640, "height": 560})
    opened, complaints = [], []
    context.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)

    def tab(role="editor"):
        opened.append(OnPage(server, context, owner.share(role).link))
        return opened[-1]

    tab.context = context
    yield tab
    for each in opened:
        each.close()
    context.close()
    assert complaints == []


def test_a_link_is_taken_out_of_the_address_and_a_reload_still_opens_the_room(tab, owner, server):
    """S2, R13: no token in the address, the history, what other tabs see, or the server's log."""
    one = tab()
    one.add("feed the yeast")
    expect(one.page.locator(".todo-text")).to_have_text(["feed the yeast"])

    one.page.reload()

    expect(one.page.locator(".todo-text")).to_have_text(["feed the yeast"], timeout=SOON)
    [token] = one.page.evaluate("Object.values(sessionStorage)")
    token = token.removeprefix("#")
    assert one.page.url == f"{one.line.url}/examples/todo/{owner.name}"
    assert one.page.evaluate("history.length") <= 2  # about:blank, and this
    assert one.page.evaluate("document.referrer + document.cookie + JSON.stringify(localStorage)") == "{}"
    other = tab.context.new_page()
    other.goto(one.page.url)
    expect(other.get_by_label("The link of a room")).to_be_visible()
    assert token not in server.log


def test_whoever_has_no_link_in_hand_is_asked_for_it(tab, owner, server):
    page = tab.context.new_page()
    page.goto(f"{server.url}/examples/todo")
    field = page.get_by_label("The link of a room")
    for wrong, why in [
        (f"{server.url}/parties/main/x#token", "This is a room of main, and this page is for rooms of todos."),
        (f"{server.url}/parties/todos/x", "The part behind # is missing."),
        ("no link", "is no address of a room"),
    ]:
        field.fill(wrong)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text(why)

    field.fill(owner.share("editor").link)
    page.keyboard.press("Enter")

    expect(page.locator("[role=status]")).to_have_attribute("data-status", "live", timeout=SOON)
    assert page.url == f"{server.url}/examples/todo/{owner.name}"


def test_an_entry_is_half_seen_until_the_room_has_decided_it(tab, owner, wait_until):
    """R5, R7: what was sent into a line that is dead is sent again. Clearing the browser takes nothing away."""
    one = tab()
    one.add("before")
    wait_until(one.settled)

    one.line.hold()
    one.add("meanwhile")
    one.entry("before").get_by_role("checkbox").click()
    for text in ("before", "meanwhile"):
        expect(one.entry(text)).to_have_css("opacity", "0.5")
    one.line.cut()
    one.line.release()

    for text in ("before", "meanwhile"):
        expect(one.entry(text)).to_have_css("opacity", "1", timeout=SOON)
    wait_until(lambda: [(row["text"], row["completed"]) for row in owner.table("todos").records] == [
        ("before", True), ("meanwhile", False)
    ])  # fmt: skip
    one.page.on("dialog", lambda dialog: dialog.accept())
    with one.page.expect_event("load"):  # the page begins anew, and has the list from the room
        one.page.get_by_role("button", name="Clear Local Data").click()
    expect(one.page.locator(".todo-text")).to_have_text(["before", "meanwhile"], timeout=SOON)


def test_what_is_refused_is_taken_back_with_the_reason(tab, owner):
    """R6, R13: by the table's rule, and by the role; who is put out is told so."""
    one, guest = tab(), tab("viewer")
    one.add("x" * 201)
    expect(one.page.get_by_role("alert")).to_contain_text("a todo has 1 to 200 characters")
    expect(one.page.locator(".todo-item")).to_have_count(0)
    one.page.get_by_role("button", name="Dismiss").click()
    expect(one.page.get_by_role("alert")).to_have_count(0)

    guest.add("by a viewer")
    expect(guest.page.get_by_role("alert")).to_contain_text("viewers change nothing")
    expect(guest.page.locator(".todo-item")).to_have_count(0)
    [viewer] = [person for person in owner.people() if person.role == "viewer"]
    owner.revoke(viewer.id)
    expect(guest.page.get_by_role("alert")).to_contain_text("taken back", timeout=SOON)
    assert guest.page.evaluate("sessionStorage.length") == 0


def test_axe_finds_no_violation(tab, wait_until):
    """With an entry, one that is ticked, and a refusal."""
    one = tab()
    one.add("open")
    one.add("ticked")
    one.entry("ticked").get_by_role("checkbox").click()
    one.add("x" * 201)
    expect(one.page.get_by_role("alert")).to_be_visible()
    wait_until(one.settled)
    client = tab.context.new_cdp_session(one.page)  # what it runs is no script of the page
    client.send("Runtime.evaluate", {"expression": AXE.read_text()})

    found, passed = one.page.evaluate(
        """() => axe.run().then(({violations, passes}) => [
            violations.map(({id, nodes}) => [id, nodes.map((node) => node.html + node.failureSummary)]), passes.length,
        ])"""
    )

    assert found == []
    assert passed > 10  # it has looked


# When a text was painted, by the clock of this machine: in the first task after the frame that drew it.
WATCH = """() => {
    window.painted = new Map();
    const told = new MessageChannel();
    told.port1.onmessage = ({data}) => {
        for (const text of data) painted.set(text, performance.timeOrigin + performance.now());
        window.expected?.();
    };
    new MutationObserver((changes) => {
        const items = changes.flatMap(({addedNodes}) => [...addedNodes]);
        const texts = items.map((item) => item.querySelector("span").textContent);
        requestAnimationFrame(() => told.port2.postMessage(texts));
    }).observe(document.querySelector("ul"), {childList: true});
    addEventListener("keydown", ({key}) => {
        if (key === "Enter") window.entered = performance.timeOrigin + performance.now();
    }, true);
}"""
PAINTED = """(text) => new Promise((done, fail) => {
    setTimeout(fail, 10_000, new Error(`${text} is not to be seen.`));
    window.expected = () => painted.has(text) && done(painted.get(text));
    window.expected();
})"""
NOTE = """
seen = {}
def note(changes):
    now = time.time() * 1000
    for row in todos.rows_of(changes.ids).values():
        seen.setdefault(row[2], now)
following = todos.follow(note)
"""
MAKE = "(time.time() * 1000, room.mutate('create', id=str(time.time()), text='{}'))[0]"
# How long this page's frames are, while nothing happens in it.
BEAT = """() => new Promise((done) => {
    const times = [];
    const frame = (now) => times.push(now) < 31 ? requestAnimationFrame(frame) : done((times[30] - times[0]) / 30);
    requestAnimationFrame(frame);
})"""


def typed(one, other, notebook):
    """From Enter in a tab: milliseconds to its own frame, to that of another tab, and to the kernel's rows; medians."""
    entered, drawn = {}, {}
    for _ in range(EDITS):
        word = f"todo {next(words)}"
        one.locator(".todo-input").click()
        one.keyboard.type(word)
        one.keyboard.press("Enter")
        drawn[word] = other.evaluate(PAINTED, word)
        entered[word] = one.evaluate("entered")
    heard = notebook.kernel.ask("(room.sync(8), seen)[1]")
    own = one.evaluate("Object.fromEntries(painted)")
    return [statistics.median(at[word] - entered[word] for word in entered) for at in (own, drawn, heard)]


def called(other, notebook):
    """From a call in the kernel to the frame of a tab; the median."""
    waits = []
    for _ in range(EDITS):
        word = f"todo {next(words)}"
        began = notebook.kernel.ask(MAKE.format(word))
        waits.append(other.evaluate(PAINTED, word) - began)
    return statistics.median(waits)


@pytest.mark.alone
def test_an_edit_in_one_tab_is_in_another_and_in_a_kernel_within_a_frame_or_two(tab, owner, server):
    """From the key to the screen. The best round counts: what else runs here can only add time.

    It is held to the goal, or, where the machine is too busy for that, to a multiple of what the tab itself takes.
    """
    notebook = InNotebook(server, owner.name)
    try:
        notebook.kernel.run(NOTE)
        one = tab().page
        with tab.context.expect_page() as opened:  # of the tabs of one window only that in front is drawn
            one.evaluate("() => { open('about:blank', '', 'popup') }")
        other = opened.value
        other.goto(owner.share("editor").link.replace("/parties/todos/", "/examples/todo/"))
        other.wait_for_selector("[role=status][data-status=live]", state="attached")
        for page in (one, other):
            page.evaluate(WATCH)

        goal = allowed = float("inf")  # times of it, at best
        rounds = iter(range(1 + ROUNDS))  # the first warms up
        while allowed > 1 and (n := next(rounds, None)) is not None:
            beat = max(other.evaluate(BEAT), FRAME)
            at_home, on_screen, in_kernel = typed(one, other, notebook)
            back = called(other, notebook)
            print(
                f"\nFrom Enter in a tab: {at_home:.1f} ms to its own frame, {on_screen:.1f} to that of another tab, "
                f"{in_kernel:.1f} to a kernel's rows; from a call there {back:.1f} to a tab's frame, "
                f"of {beat:.1f}"
            )
            if n:
                worst = max(on_screen, in_kernel, back)
                goal = min(goal, worst / (FRAMES * beat))
                allowed = min(allowed, worst / max(FRAMES * beat, TIMES * at_home))
        print(f"The goal is {FRAMES:.0f} frames: {'reached' if goal <= 1 else 'NOT reached'}")
        assert allowed <= 1
    finally:
        notebook.close()
