"""``partysync share``: links without a notebook."""

import pytest

import partysync_widget as ps

COMMAND = "import sys; from partysync_server.cli import main; main(sys.argv[1:])"


@pytest.fixture
def partysync(run_python, monkeypatch, server):
    """Run the command to its end, as whoever has the server's token; what it said."""
    monkeypatch.setenv("PARTYSYNC_TOKEN", server.token)
    return lambda *arguments, **how: run_python(COMMAND, *arguments, **how)


def test_it_prints_a_link_that_lets_in_as_what_it_says(partysync, server, enter):
    room = enter()
    room.table("todos", text=str)

    said = partysync("share", room.name, "--url", server.url, "--role", "editor", "--note", "Ben", "--expires", "60")

    with ps.connect(said.strip()) as guest:
        assert (guest.name, guest.role) == (room.name, "editor")
    (line,) = [each for each in room.people() if each.kind == "link"]
    assert (line.note, line.expired) == ("Ben", False)
    assert line.expires is not None


def test_it_prints_the_address_of_a_page_and_no_link_where_there_is_none(partysync, start_server, server, enter):
    showing = start_server("--pages")

    said = partysync("share", "wall", "--url", showing.url, "--page", "todos")
    assert said.startswith(f"{showing.url}/pages/main/wall/todos#")
    room = enter()
    said = partysync("share", room.name, "--url", server.url, "--page", "todos", code=1)

    assert said.endswith("Serve it with `partysync serve --pages`; a Jupyter has none.\n")
    assert [each for each in room.people() if each.kind == "link"] == []


@pytest.mark.parametrize("rooms", [[], ["a", "b"]])
def test_it_wants_one_room(partysync, rooms):
    assert partysync("share", *rooms, code=1).startswith("partysync: Say which room: `partysync share ROOM`")


def test_it_starts_no_server(partysync):
    """One that nobody could reach would have the link's room."""
    said = partysync("share", "x", code=1)

    assert said == "partysync: No server runs here. Start one with `partysync serve`, or say --url.\n"
