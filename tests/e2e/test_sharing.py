"""A room that is shared by a link, as both sides see it: a guest who reads, and is put out."""

import re
import secrets

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SOON = 10_000  # ms
LIVE = 60_000


def test_a_viewer_follows_and_has_nothing_to_edit_until_put_out(notebook):
    """R13. The link goes from hand to hand in a file: what a cell prints stays in its notebook."""
    name, file = f"shared-{secrets.token_hex(4)}", f"link-{secrets.token_hex(4)}"
    enter = f"import partysync_widget as ps\nroom = ps.connect({name!r}, user='Ada')\n"
    share = f"share = room.share('viewer', expires=3600)\n_ = open({file!r}, 'w').write(share.link)\nshare"
    owner = notebook(
        f"{enter}todos = room.table('todos', text=str)\n_ = todos.upsert('r1', text='one').result(10)\n{share}", "todos"
    )
    owner.run_all()
    expect(owner.grid.locator(".ps-status")).to_have_text("live", timeout=LIVE)
    follow = f"import partysync_widget as ps\nroom = ps.connect(open({file!r}).read(), user='Ada')\n"
    guest = notebook(f"{follow}todos = room.table('todos')", "todos")
    guest.run_all()
    expect(guest.cell("r1", "text")).to_have_text("one", timeout=LIVE)

    for button in (".ps-add", ".ps-undo", ".ps-redo", ".ps-duplicate", ".ps-delete"):
        expect(owner.grid.locator(button)).to_be_visible()
        expect(guest.grid.locator(button)).to_be_hidden()
    guest.cell("r1", "text").dblclick()
    guest.page.keyboard.type("scribble")
    guest.page.keyboard.press("Enter")
    owner.run("todos.update('r1', text='two').result(10)")
    expect(guest.cell("r1", "text")).to_have_text("two", timeout=SOON)
    assert "scribble" not in owner.run("print(todos.records, room.pending)")
    assert "viewer | Ada (guest)" in guest.run("print(room.role, '|', room.user)")
    guest.screenshot("a-viewer")

    owner.run("room.revoke(share)")
    expect(guest.grid.locator(".ps-status")).to_have_attribute("title", re.compile("taken back"), timeout=SOON)
    guest.save()
    owner.save()
    token = (guest.file.parent / file).read_text().partition("#")[2]
    assert token
    assert not [path for path in (owner.file, guest.file) if token in path.read_text()]
