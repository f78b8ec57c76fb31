"""People who make entries in a tally, on a server of their own."""

import pytest

from tests.faults.people import TALLY, Person


@pytest.fixture
def tally_server(start_server, on_path):
    """Start a server that has the party ``Tally``."""
    on_path(TALLY.parent)
    return lambda *options, **how: start_server("--party", "tally:Tally", *options, **how)


@pytest.fixture
def come():
    """Let people come: ``come(server, "ann", "bob")``, each in a process of their own."""
    came = []

    def let(server, *names, url=None):
        people = [Person(server, who, url=url) for who in names]
        came.extend(people)
        return people

    yield let
    for person in came:
        person.end()
