"""Rooms as a service of a real JupyterHub: who comes, what is shared with them, and who is kept out (R13)."""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import partysync_widget as ps
from partysync_server.app import make_app
from partysync_server.door import Door
from partysync_server.gate import House
from partysync_server.quotas import Usage
from partysync_widget.core import messages as m
from tests import hubs
from tests.conftest import free_port, home
from tests.server.stranger import Stranger, hello, sentence

pytestmark = [
    pytest.mark.skipif(bool(hubs.missing()), reason=hubs.missing() or "there is a Hub"),
    pytest.mark.xdist_group("hub"),
]

PREFIX = "/base/services/partysync"
# Every address of the service, as it is asked for through the Hub's proxy. A new route gets a line here.
ADDRESSES = {
    PREFIX + r"/parties/([^/]+)/([^/]+)": PREFIX + "/parties/main/crawled",
    PREFIX + r"/health": PREFIX + "/health",
    PREFIX + r"/metrics": PREFIX + "/metrics",
    PREFIX + r"/rooms": PREFIX + "/rooms",
    PREFIX + r"/rooms/([^/]+)/([^/]+)/(backup|restore|delete)": PREFIX + "/rooms/main/crawled/backup",
    PREFIX + r"/pages/([^/]+)/([^/]+)": PREFIX + "/pages/main/crawled",
    PREFIX + r"/pages/([^/]+)/([^/]+)/([^/]+)": PREFIX + "/pages/main/crawled/todos",
    PREFIX + r"/examples/(todo)": PREFIX + "/examples/todo",
    PREFIX + r"/examples/(todo)/([^/]+)": PREFIX + "/examples/todo/crawled",
    PREFIX + r"/assets/([0-9a-f]+)/([a-z.-]+)": PREFIX + "/assets/0123456789abcdef/page.js",
    "anything else": PREFIX + "/nothing",
}
CREDENTIALS = (
    "none",
    "wrong",
    "no token at all",
    "without the scope",
    "another service's",
    "a service's",
    "taken back",
    "a link that was taken back",
    "the link of another room",
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    started = hubs.Hub(
        folder, {**os.environ, **home(folder)}, {"ann": ["class"], "bob": ["class"], "cat": [], "dan": []}
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def tokens(hub):
    """One for each user, good for rooms."""
    return {name: hub.token_of(name) for name in ("ann", "bob", "cat", "dan")}


@pytest.fixture
def enter(hub, tokens):
    """Enter a room through the Hub's proxy: ``enter("ann", "room")``."""
    entered = []

    def enter(who, room):
        entered.append(ps.connect(room, url=hub.url, token=tokens[who]))
        return entered[-1]

    yield enter
    for room in entered:
        room.close()


def past_the_proxy(hub):
    """The service's own port."""
    return SimpleNamespace(port=hub.service_port, token="")


def texts(room):
    return {row["text"] for row in room.table("todos", text=str).records}


@pytest.mark.parametrize("share", [{"user": "bob"}, {"group": "class"}], ids=["user", "group"])
def test_two_users_are_in_one_room_and_the_second_is_put_out_again(hub, enter, wait_until, share):
    """R13. Who made it owns it; nobody else is in until they are let in."""
    name = f"shared-{'-'.join(share)}"
    ann = enter("ann", name)
    ann.table("todos", text=str).insert(text="from ann").result(8)
    assert (ann.user, ann.role) == ("ann", "owner")
    with pytest.raises(ps.PermissionDenied, match=rf"no access to the room '{name}'.*user='bob'") as refused:
        enter("bob", name)
    assert sentence(str(refused.value))

    given = ann.share("editor", **share)
    bob = enter("bob", name)
    assert (bob.user, bob.role) == ("bob", "editor")
    bob.table("todos", text=str).insert(text="from bob").result(8)
    wait_until(lambda: texts(ann) == texts(bob) == {"from ann", "from bob"})
    with pytest.raises(ps.PermissionDenied, match="no access"):
        enter("cat", name)

    ann.revoke(given)
    begun = time.monotonic()
    wait_until(lambda: bob.status == "closed" or bob.trouble, what="the end of bob's session")
    assert time.monotonic() - begun < 1
    with pytest.raises(ps.PermissionDenied, match="no access"):
        enter("bob", name)
    assert ann.table("todos", text=str).insert(text="still here").result(8) is None


def test_a_link_lets_in_whoever_has_no_account(enter):
    """Its address is the service's, as it is reached through the proxy."""
    ann = enter("ann", "linked")
    with ps.connect(ann.share("viewer").link, user="eve") as guest:
        assert (guest.role, guest.user) == ("viewer", "eve (guest)")


def test_a_user_does_not_speak_for_another_ones_client(hub, tokens, enter):
    """R13."""
    enter("ann", "spoken").share("owner", user="bob")
    with (
        Stranger(hub, f"{PREFIX}/parties/main/spoken", token=tokens["ann"]) as ann,
        Stranger(hub, f"{PREFIX}/parties/main/spoken", token=tokens["bob"]) as bob,
    ):
        assert ann.frame(hello("anns-own")).hear()["type"] == "welcome"
        assert bob.frame(hello("anns-own")).hear()["kind"] == "forbidden"


def test_a_kernel_of_somebodys_own_server_is_who_the_hub_says(hub, enter, wait_until):
    """R13. Nothing but the room's name is typed there, and the token is shown nowhere."""
    kernel = hub.kernel("dan")
    kernel.run("import partysync_widget as ps; room = ps.connect('at-home')")
    assert kernel.run("print(room.user, room.role)") == "dan owner"
    kernel.run("room.share('editor', user='ann'); room.table('todos', text=str).insert(text='from dan').result(8)")

    ann = enter("ann", "at-home")
    wait_until(lambda: texts(ann) == {"from dan"})
    ann.table("todos", text=str).insert(text="from ann").result(8)
    kernel.run("room.sync()")
    assert kernel.run("print(sorted(row['text'] for row in room.table('todos', text=str).records))") == (
        "['from ann', 'from dan']"
    )

    where = kernel.run("from partysync_widget.where import WhereApp; WhereApp().start()")
    assert f"→ PARTYSYNC_URL: {hub.url}, a service of your Hub, with the token" in where
    secret = kernel.run("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])")
    assert len(secret) > 20
    for shown in (where, kernel.run("print(repr(room), room.people(), room.peers)"), hub.log):
        assert secret not in shown


# --- who is kept out --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bad(hub, tokens):
    with ps.connect("crawled", url=hub.url, token=tokens["ann"]) as room:
        room.table("todos", text=str)
        revoked = room.share("owner")
        room.revoke(revoked)
    with ps.connect("another", url=hub.url, token=tokens["ann"]) as room:
        other = room.share("viewer")
    back = hub.ask("POST", "users/ann/tokens", {"scopes": [hubs.SCOPE]})
    hub.ask("DELETE", f"users/ann/tokens/{back['id']}")
    return {
        "none": "",
        "wrong": "wrong",
        "no token at all": "tok\u00e9n\t\u0080",
        "without the scope": hub.token_of("ann", "read:users:name!user"),
        "another service's": hub.token_of("ann", hubs.OTHER_SCOPE),
        "a service's": "the-token-of-another-service",
        "taken back": back["token"],
        "a link that was taken back": revoked.token,
        "the link of another room": other.token,
    }


def test_every_route_has_a_row():
    house = House(SimpleNamespace(limits=m.Limits(1, 1)), "token", Door(), Usage())
    rules = make_app(house, PREFIX).wildcard_router.rules

    assert {rule.matcher.regex.pattern.rstrip("$") for rule in rules} == set(ADDRESSES) - {"anything else"}


@pytest.mark.parametrize("upgrade", [True, False], ids=["socket", "http"])
@pytest.mark.parametrize("address", ADDRESSES.values())
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_who_has_no_business_there_is_refused(hub, bad, credential, address, upgrade):
    """R13. Through the proxy, and past it at the service's own port."""
    shown = {"Authorization": f"Bearer {bad[credential]}" if bad[credential] else ""}
    past = past_the_proxy(hub)
    for door in (hub, past):
        with Stranger(door, address, upgrade=upgrade, **shown) as stranger:
            assert stranger.status == 403
            if door is past:
                assert sentence(json.loads(stranger.body)["message"])


@pytest.mark.parametrize("path", ["/parties/main/crawled", "/health", "/", f"{PREFIX}x/health"])
def test_nothing_is_beside_the_prefix(hub, tokens, path):
    past = past_the_proxy(hub)
    with Stranger(past, path, token=tokens["ann"], upgrade=False) as stranger:
        assert stranger.status == 404


def test_a_user_is_no_operator(hub, tokens):
    past = past_the_proxy(hub)
    with Stranger(past, f"{PREFIX}/health", token=tokens["ann"], upgrade=False) as stranger:
        assert (stranger.status, json.loads(stranger.body)["error"]) == (403, "role")


@pytest.mark.parametrize("header", [{"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Mode": "cors"}])
def test_a_page_in_a_browser_is_refused_whatever_it_shows(hub, tokens, header):
    with Stranger(hub, f"{PREFIX}/parties/main/crawled", token=tokens["ann"], **header) as page:
        assert page.status == 403


def test_the_log_holds_no_token(hub, tokens, bad):
    """Of nobody's: the Hub's log is read by others."""
    for token in (*tokens.values(), *bad.values()):
        assert token in ("", "wrong") or token not in hub.log
    assert f"Rooms at http://127.0.0.1:{hub.service_port}{PREFIX}\n" in hub.log
    for word in ("Traceback", "Token: "):
        assert word not in hub.log


# --- what it cannot begin with ----------------------------------------------------------------------------------------

GIVEN = {
    "JUPYTERHUB_SERVICE_NAME": "partysync",
    "JUPYTERHUB_SERVICE_PREFIX": f"{PREFIX}/",
    "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:1",
    "JUPYTERHUB_API_TOKEN": "secret-of-the-service",
    "JUPYTERHUB_API_URL": "http://127.0.0.1:1/hub/api",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({name: ""}, rf"{name} is not set. Put into jupyterhub_config.py: .*docs/hub.md") for name in GIVEN),
        ({"JUPYTERHUB_SERVICE_URL": "https://127.0.0.1:1"}, r"url is 'https://127.0.0.1:1'.*http://address:port"),
        ({"JUPYTERHUB_SERVICE_URL": "http://127.0.0.1"}, r"url is 'http://127.0.0.1'.*http://address:port"),
        ({"JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:x"}, r"url is 'http://127.0.0.1:x'.*http://address:port"),
        ({"JUPYTERHUB_SERVICE_URL": "http://192.0.2.1:1"}, r"Cannot listen on 192.0.2.1:1"),
    ],
    ids=str,
)
def test_what_it_cannot_begin_with_is_a_sentence(isolated, tmp_path, change, message):
    command = [sys.executable, "-m", "partysync_server", "hub", "--data", str(tmp_path / "rooms")]
    done = subprocess.run(
        command, env={**isolated, **GIVEN, **change}, capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-of-the-service" not in done.stderr + done.stdout


def test_a_hub_that_is_down_lets_nobody_in_and_says_so(isolated, tmp_path, wait_until):
    """R13."""
    port, prefix = free_port(), f"{PREFIX}/"
    command = [sys.executable, "-m", "partysync_server", "hub", "--data", str(tmp_path / "rooms")]
    said = {**GIVEN, "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}"}
    with subprocess.Popen(command, env={**isolated, **said}, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout.readline() == f"Rooms at http://127.0.0.1:{port}{PREFIX}\n"
            for path, upgrade in itertools.product((f"{prefix}parties/main/r", f"{prefix}health"), (True, False)):
                with Stranger(SimpleNamespace(port=port), path, token="anns", upgrade=upgrade) as ann:
                    assert (ann.status, json.loads(ann.body)["error"]) == (503, "hub")
                    assert sentence(json.loads(ann.body)["message"])
        finally:
            service.terminate()
    assert service.returncode == 0
    assert not list(tmp_path.rglob("*.db"))
