"""Sharing, with a real server: who is let in by a link, as what, for how long, and how it ends (R13)."""

import datetime as dt
import time

import pytest

import partysync_widget as ps
from partysync_widget.sharing import read_link


@pytest.fixture
def owner(enter):
    room = enter(user="ann")
    room.table("todos", text=str).insert(id="t1", text="feed the yeast").result(8)
    return room


@pytest.fixture
def follow(wait_until):
    """Enter by a link."""
    entered = []

    def enter(link, **how):
        entered.append(ps.connect(link, **how))
        return entered[-1]

    yield enter
    for room in entered:
        room.close()


def test_whoever_starts_the_server_owns_its_rooms(owner):
    assert (owner.role, owner.user) == ("owner", "ann")
    assert [(each.name, each.role, each.kind, each.here) for each in owner.people()] == [
        ("ann", "owner", "server", ("ann",))
    ]


@pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
def test_a_link_lets_in_as_what_it_says(owner, follow, wait_until, role):
    """R13, S2."""
    share = owner.share(role, note="for the class")
    guest = follow(share.link, user="ann")

    assert (guest.name, guest.role, guest.user) == (owner.name, role, "ann (guest)")
    assert guest.table("todos").records == [{"id": "t1", "text": "feed the yeast"}]
    wait_until(lambda: [(each["name"], each["role"]) for each in owner.peers] == [("ann (guest)", role)])
    if role == "viewer":
        with pytest.raises(ps.MutationRejected, match="You are a viewer of this room, and viewers change nothing"):
            guest.table("todos").insert(text="x")
        with pytest.raises(ps.MutationRejected, match="viewers change nothing"):
            guest.table("more", text=str)
    else:
        guest.table("todos").insert(id="t2", text="x").result(8)
        owner.sync(8)
        assert "t2" in owner.table("todos")
    line = next(each for each in owner.people() if each.id == share.id)
    assert (line.kind, line.role, line.note, line.here) == ("link", role, "for the class", ("ann (guest)",))


def test_only_an_owner_shares_and_revokes(owner, follow):
    """A6."""
    share = owner.share("editor")
    editor = follow(share.link)

    for attempt in (lambda: editor.share("owner"), lambda: editor.revoke(share)):
        with pytest.raises(
            ps.PermissionDenied, match="Only an owner of this room may .*, and you are an editor of it."
        ):
            attempt()
    assert {(each.name, each.id, each.kind) for each in editor.people()} == {("ann", "", ""), (editor.user, "", "")}


def test_a_link_is_good_for_its_room_and_no_other(owner, follow, server):
    """R13. Nor for what is the operator's; and a stranger learns not whether there is such a room."""
    link = read_link(owner.share("owner").link)

    for name in ("nobody-made-this", owner.name + "x"):
        with pytest.raises(ps.PermissionDenied, match=f"The link that you have is not for the room '{name}'"):
            ps.connect(name, url=link.url, token=link.token)
    assert not [path for path in server.files() if "nobody" in path.name]


def test_what_is_revoked_ends_within_a_second(owner, follow, wait_until):
    """A5. And nothing that was pushed by then is let in afterwards."""
    share = owner.share("editor")
    guests = [follow(share.link) for _ in range(3)]

    began = time.monotonic()
    owner.revoke(share)
    for guest in guests:
        wait_until(lambda guest=guest: guest.status == "failed")
    assert time.monotonic() - began < 1

    for guest in guests:
        assert "was taken back" in guest.trouble
        with pytest.raises(ps.NotConnected, match="taken back"):
            guest.table("todos").insert(text="late")
    with pytest.raises(ps.PermissionDenied, match="expired or was taken back"):
        ps.connect(share.link)
    assert owner.table("todos").records == [{"id": "t1", "text": "feed the yeast"}]


@pytest.mark.parametrize("expires", [0.7, dt.timedelta(seconds=0.7), "a moment"])
def test_a_link_expires_by_itself(owner, follow, wait_until, expires):
    if expires == "a moment":
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.7)
    share = owner.share("viewer", expires=expires)
    guest = follow(share.link)

    wait_until(lambda: guest.status == "failed")

    assert "has expired" in guest.trouble
    with pytest.raises(ps.PermissionDenied, match="expired"):
        ps.connect(share.link)
    assert next(each for each in owner.people() if each.id == share.id).expired


def test_shares_outlive_the_server(lone_server, enter, follow):
    """R9."""
    owner = enter("kept", at=lone_server)
    share, gone = owner.share("viewer"), owner.share("viewer")
    owner.revoke(gone)
    lone_server.kill()
    lone_server.start()

    assert follow(share.link).role == "viewer"
    with pytest.raises(ps.PermissionDenied):
        ps.connect(gone.link)


def test_a_link_is_shown_to_nobody_who_does_not_ask(owner):
    share = owner.share("viewer", expires=3600)

    for text in (repr(share), repr(owner.people()), repr(owner), repr(read_link(share.link))):
        assert share.token not in text
    assert "print(share.link) shows the link" in repr(share)
    assert str(owner.people()).splitlines()[0].split() == ["who", "role", "here", "until", "id"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"role": "admin"}, "room.share was called wrongly"),
        ({"expires": -1}, "room.share was called wrongly: Expected `float` > 0"),
        ({"user": "ann", "group": "class"}, "one at a time"),
        ({"note": "x" * 201}, "called wrongly"),
    ],
)
def test_a_share_that_cannot_be_is_refused_in_a_sentence(owner, how, message):
    with pytest.raises(ps.PartySyncError, match=message):
        owner.share(**how)


def test_nothing_to_revoke_is_said(owner):
    with pytest.raises(ps.PartySyncError, match="Nothing of this room is shared with 'bob'. room.people\\(\\) lists"):
        owner.revoke("bob")


@pytest.mark.parametrize("cut", ["#", "/parties/", "-of-"])
def test_half_a_link_is_said_to_be_half(owner, cut):
    link = owner.share("viewer").link

    with pytest.raises(ps.PartySyncError, match="This link is not whole|token is missing or wrong|is not for the room"):
        ps.connect(link.split(cut)[0] if cut != "-of-" else link.replace("-of-", "-"))


def test_a_room_that_is_cut_off_cannot_be_asked(owner):
    owner.offline()

    with pytest.raises(ps.NotConnected, match="cannot be asked: it is offline"):
        owner.share("viewer")
