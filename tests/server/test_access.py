"""Access: what was shared with whom, kept durably, told to nobody, and good for no longer than was said (R13)."""

import asyncio
import hashlib
import stat

import pytest

from partysync_server.access import Access, Share, digest
from partysync_server.parties import Parties
from partysync_server.principal import OPERATOR, Principal
from partysync_server.rooms import Rooms
from partysync_server.session import Session
from partysync_widget.core import messages as m
from partysync_widget.core.errors import StorageFailed
from partysync_widget.core.party import Main


class Nowhere:
    """A wire that leads nowhere, and says when it is closed."""

    def __init__(self):
        self.closed = asyncio.Event()

    def send(self, frame):
        pass

    def close(self):
        self.closed.set()


NOW = 1_000_000.0
ANN = Principal("hub:ann", account="ann", groups=frozenset({"class"}))


@pytest.fixture
def access(tmp_path):
    made = Access(tmp_path / "access.sqlite")
    yield made
    made.close()


def share(id, kind, subject, role, *, room="r", expires=None, party="main"):
    return Share(id, party, room, kind, subject, role, "", "the owner", NOW, expires)


def role(access, who, *, room="r", now=NOW, party="main"):
    return access.standing(who, party, room, now=now).role


def test_nobody_may_enter_a_room_that_was_not_shared(access):
    assert role(access, ANN) == role(access, Principal("somebody")) == ""
    assert role(access, OPERATOR) == "owner"


@pytest.mark.parametrize(
    ("kind", "subject", "may"),
    [
        ("user", "ann", True),
        ("user", "bob", False),
        ("user", "", False),
        ("group", "class", True),
        ("group", "others", False),
        ("everyone", "", True),
        ("link", "ann", False),
    ],
)
def test_a_share_is_for_whom_it_names_in_the_room_it_names(access, kind, subject, may):
    access.put(share("s1", kind, subject, "editor"))

    assert role(access, ANN) == ("editor" if may else "")
    assert role(access, ANN, room="another") == role(access, ANN, party="another") == ""
    assert role(access, Principal("somebody, without an account")) == ""


def test_the_highest_of_several_roles_counts(access):
    access.put(share("s1", "everyone", "", "viewer"))
    access.put(share("s2", "user", "ann", "owner", expires=NOW + 10))
    access.put(share("s3", "group", "class", "editor"))

    assert access.standing(ANN, "main", "r", now=NOW) == access.standing(ANN, "main", "r", now=NOW + 9.9)
    assert access.standing(ANN, "main", "r", now=NOW).until == NOW + 10
    assert role(access, ANN, now=NOW + 10) == "editor"


def test_a_door_may_know_a_role_of_its_own(access):
    assert role(access, Principal("jupyter:ann", account="ann", role="viewer")) == "viewer"
    access.put(share("s1", "user", "ann", "editor"))
    assert role(access, Principal("jupyter:ann", account="ann", role="viewer")) == "editor"


def test_a_link_opens_its_room_until_it_expires(access):
    access.put(share("s1", "link", digest("the token"), "viewer", expires=NOW + 10))

    assert access.by_token("the token", now=NOW + 9).id == "s1"
    assert access.by_token("the token", now=NOW + 10) is None
    assert access.by_token("another", now=NOW) is access.by_token("", now=NOW) is None
    assert access.by_token(digest("the token"), now=NOW) is None
    guest = Principal("link:s1", link="s1")
    assert (role(access, guest), role(access, guest, room="another")) == ("viewer", "")
    assert role(access, guest, now=NOW + 10) == ""


def test_no_token_is_in_the_file_which_only_its_owner_reads(access, tmp_path):
    access.put(share("s1", "link", digest("a-token-that-no-log-may-hold"), "viewer"))

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a-token-that-no-log-may-hold" not in kept
    assert hashlib.sha256(b"a-token-that-no-log-may-hold").hexdigest().encode() in kept
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_second_share_with_the_same_user_replaces_the_first(access):
    first = access.put(share("s1", "user", "ann", "editor"))
    second = access.put(share("s2", "user", "ann", "viewer"))

    assert first.id == second.id == "s1"
    assert [each.role for each in access.shares("main", "r")] == ["viewer"]


def test_the_first_who_comes_owns_a_room_that_nobody_has(access):
    assert access.claim("main", "r", "ann", now=NOW)
    assert not access.claim("main", "r", "bob", now=NOW)

    assert (role(access, ANN), role(access, Principal("hub:bob", account="bob"))) == ("owner", "")


@pytest.mark.parametrize(("wanted", "taken"), [("s1", ["s1"]), ("ann", ["s1"]), ("s2", ["s2"]), ("", []), ("x", [])])
def test_what_is_revoked_is_gone(access, wanted, taken):
    access.put(share("s1", "user", "ann", "editor"))
    access.put(share("s2", "link", digest("t"), "viewer"))
    access.put(share("s3", "user", "ann", "editor", room="another"))

    assert [each.id for each in access.revoke("main", "r", wanted)] == taken

    left = {each.id for each in (*access.shares("main", "r"), *access.shares("main", "another"))}
    assert left == {"s1", "s2", "s3"} - set(taken)


def test_a_deleted_room_is_shared_with_nobody(access):
    access.put(share("s1", "user", "ann", "editor"))

    access.forget("main", "r")

    assert access.shares("main", "r") == []


def test_what_was_shared_outlives_the_server(access, tmp_path):
    """R9."""
    access.put(share("s1", "user", "ann", "editor"))
    access.close()

    again = Access(tmp_path / "access.sqlite")
    assert role(again, ANN) == "editor"
    again.close()


def test_a_file_that_is_none_is_said_so(tmp_path):
    (tmp_path / "access.sqlite").write_bytes(b"this is no database at all" * 100)

    with pytest.raises(StorageFailed, match="access.sqlite, which says who may enter, failed"):
        Access(tmp_path / "access.sqlite")


def test_a_session_whose_share_is_revoked_may_nothing_from_then_on(access, tmp_path):
    """R13, A4, A5. Also what it has pushed and nobody decided; who was given another role is asked to come again."""

    async def story():
        rooms = Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 20, 256), idle=60)
        place = await rooms.open(Main, "r")
        sessions = {id: Session(Principal(f"link:{id}", link=id), "json", "editor") for id in ("gone", "less", "same")}
        for id, session in sessions.items():
            access.put(share(id, "link", digest(id), "viewer" if id == "less" else "editor"))
            place.join(session, Nowhere())
        access.revoke("main", "r", "gone")

        await place.reconsider(place.here())

        roles = {id: session.role for id, session in sessions.items()}
        ends = {id: type(session.ended) for id, session in sessions.items()}
        await rooms.close(m.Bye("The end."))
        return roles, ends

    roles, ends = asyncio.run(story())

    assert roles == {"gone": "", "less": "viewer", "same": "editor"}
    assert ends == {"gone": m.Error, "less": m.Bye, "same": type(None)}


def test_a_room_whose_file_is_gone_becomes_nobody_elses(access, tmp_path):
    """R13. Whoever comes first to a room that is not there owns it; one that should be there is no such room."""

    async def story():
        def begun():
            return Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 20, 256), idle=60)

        rooms = begun()
        await rooms.open(Main, "r")
        await rooms.close(m.Bye("The end."))
        rooms.path(Main, "r").unlink()
        rooms = begun()
        mallory = Principal("user:mallory", account="mallory", makes=True)
        role = (await rooms.standing(mallory, Main, "r")).role
        with pytest.raises(StorageFailed, match="is gone"):
            await rooms.open(Main, "r")
        return role, (await rooms.standing(mallory, Main, "r")).role, (await rooms.standing(mallory, Main, "new")).role

    assert asyncio.run(story()) == ("", "", "owner")


def test_access_that_is_lost_on_the_way_in_is_lost(access, tmp_path):
    """R13. Between the door and the room."""

    async def story():
        rooms = Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 20, 256), idle=60)
        place = await rooms.open(Main, "r")
        session = Session(Principal("link:gone", link="gone"), "json", "owner")
        wire = Nowhere()
        place.join(session, wire)
        await asyncio.wait_for(wire.closed.wait(), 8)
        await rooms.close(m.Bye("The end."))
        return session

    session = asyncio.run(story())

    assert (session.role, session.ended.kind) == ("", "forbidden")


def test_a_disk_that_fails_puts_nobody_out(access, tmp_path):
    """And ends no server: it is asked again a second later."""

    async def story():
        rooms = Rooms(tmp_path / "rooms", Parties(), access, limits=m.Limits(1 << 20, 256), idle=60)
        place = await rooms.open(Main, "r")
        session = Session(Principal("link:s1", link="s1"), "json", "viewer", until=NOW)
        place.room.join(session)
        place.wires[session] = Nowhere()
        access.close()
        await rooms.expire()
        ended = session.ended
        await rooms.close(m.Bye("The end."))
        return ended

    assert asyncio.run(story()) is None
