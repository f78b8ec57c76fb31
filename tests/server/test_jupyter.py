"""
At home in Jupyter: `jupyter server` alone is enough, whatever lets people in there; and nobody else gets in.

Real Jupyter Servers, real kernels.
"""

import itertools
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import partysync_widget as ps
from tests.conftest import free_port, home, stop_own_server
from tests.jupyters import JUPYTER_TOKEN, Jupyter
from tests.processes import processes, told_of
from tests.server.stranger import JSON, Stranger, hello, sentence
from tests.server.test_page_tokens import offer

pytest.importorskip("jupyter_server")

MOUNT = "/base/partysync"
ENTER = """
import partysync_widget as ps
room = ps.connect({name!r}, timeout=30)
table = room.table("t", who=str)
print(room.connection.url)
"""


class Home:
    """A user's home, and the Jupyter Servers that run in it."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, **home(folder)}
        self.started = []
        for name in ("JUPYTER_TOKEN", "JUPYTER_CONFIG_PATH"):
            self.environment.pop(name, None)

    def begin(self, mode="token", **settings):
        self.started.append(Jupyter(self.folder, self.environment, free_port(), mode, **settings))
        return self.started[-1]

    def start(self, mode="token", **settings):
        return self.begin(mode, **settings).wait()

    def databases(self):
        return sorted((self.folder / "rooms").rglob("*.db"))

    def end(self):
        for server in self.started:
            server.stop()
        stop_own_server(self.folder)


@pytest.fixture
def user(tmp_path):
    made = Home(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A server of each mode, with a room in it, for all tests that leave it alone."""
    made = {}

    def get(mode):
        if mode not in made:
            made[mode] = Home(tmp_path_factory.mktemp(mode))
            made[mode].start(mode)
        return made[mode]

    yield get
    for each in made.values():
        each.end()


@pytest.fixture
def jupyter(homes, request):
    return homes(request.param).started[0]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def meet(one, other, name="x"):
    """Two kernels in one room; each sees what the other does. The address of their server."""
    urls = {kernel.run(ENTER.format(name=name)) for kernel in (one, other)}
    one.run("table.insert(id='one', who='one').result(10)")
    other.run("table.insert(id='other', who='other').result(10)")
    for kernel in (one, other):
        assert kernel.run("room.sync(10); print(sorted(table))") == "['one', 'other']"
    (url,) = urls
    return url


# --- it works ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["token", "password", "none"])
def test_two_kernels_share_a_room_with_no_configuration(homes, how):
    """And one server. R13: whatever it writes is for its user alone; the secret is in no log and no process list."""
    user = homes(how)
    jupyter = user.started[0]

    assert meet(jupyter.kernel(), jupyter.kernel()) == jupyter.said()["url"]

    assert [path.name for path in (user.folder / "runtime").glob("partysync-*.json")] == [jupyter.file.name]
    assert mode(jupyter.file) == 0o600
    assert {mode(path) for path in (user.folder / "rooms").rglob("*.db*")} == {0o600}
    secret = jupyter.said()["token"]
    holders = [path for path in user.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert holders == [jupyter.file]
    for pid in processes():
        assert secret.encode() not in told_of(pid, "cmdline") + told_of(pid, "environ")
    assert "Traceback" not in jupyter.log


def test_the_end(user, wait_until):
    """The address is withdrawn, what was decided is folded into the files, the folder is free."""
    jupyter = user.start()
    jupyter.kernel().run(ENTER.format(name="x") + "table.insert(who='me').result(10)")
    assert (user.folder / "rooms" / "server.owner").exists()

    assert jupyter.stop() == 0

    assert not list((user.folder / "runtime").glob("partysync-*"))
    assert not list(user.folder.rglob("*-wal"))
    assert not (user.folder / "rooms" / "server.owner").exists()
    assert "Traceback" not in jupyter.log


def test_the_folder_is_the_users_choice(user):
    """And a party that is configured is served."""
    (user.folder / "chosen.py").write_text(
        "import partysync_widget as ps\n"
        "class Chosen(ps.Party): schema = 'CREATE TABLE a (id TEXT PRIMARY KEY NOT NULL) STRICT'\n"
    )
    user.environment["PYTHONPATH"] = os.pathsep.join([str(user.folder), user.environment.get("PYTHONPATH", "")])
    jupyter = user.start(PartySyncExtension={"data": str(user.folder / "here"), "party": ["chosen:Chosen"]})

    with ps.connect("x", url=jupyter.said()["url"], token=jupyter.said()["token"], party="chosen") as room:
        assert room.tables == ["a"]
    assert [path.parent for path in user.folder.rglob("*.db")] == [user.folder / "here" / "rooms" / "chosen"]


RULES = """
import partysync_widget as ps
class Todos(ps.Party):
    schema = "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL) STRICT"
    @ps.mutator
    def create(tx, id: str):
        tx.sql("INSERT INTO todos (id) VALUES (?)", id)
        return "made"
"""


def test_a_party_of_a_file_beside_the_notebook_just_works(homes):
    """The server imports what its own kernels name, and nothing that somebody names who has only logged in."""
    user = homes("password")
    jupyter = user.started[0]
    hint = f"beside_notebook:Todos;{user.folder}"
    path = f"{MOUNT}/parties/todos/never-made"
    (user.folder / "beside_notebook.py").write_text(RULES)

    with knock(jupyter, path, {"Cookie": jupyter.cookies(), "X-PartySync-Party": hint}) as stranger:
        assert (stranger.status, json.loads(stranger.body)["error"]) == (404, "unknown-party")
    said = jupyter.kernel().run(
        f"import sys; sys.path.insert(0, {str(user.folder)!r})\n"
        f"import beside_notebook, partysync_widget as ps\n"
        f"rules = ps.connect('rules', party=beside_notebook.Todos)\n"
        f"print(rules.mutate('create', id='1').result(10))"
    )

    assert said == "made"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "/proc/nothing"}, "Cannot keep rooms in /proc/nothing: .*Use another PartySyncExtension.data."),
        ({"party": ["nowhere:Todos"]}, "The party nowhere:Todos cannot be loaded: .*No module named 'nowhere'."),
    ],
)
def test_jupyter_starts_without_rooms_it_cannot_have(user, settings, message):
    jupyter = user.start(PartySyncExtension=settings)

    assert re.search(message, jupyter.log)
    assert "Traceback" not in jupyter.log
    assert not jupyter.file.exists()


# --- one folder, one owner --------------------------------------------------------------------------------------------


def test_a_server_that_was_started_before_keeps_the_rooms_until_it_ends(user, wait_until, run_python):
    """``connect`` has started one; Jupyter comes later, points to it, and takes over when it has gone."""
    program = ENTER.format(name="x") + "table.insert(id='before', who='script').result(10)"
    local = run_python(program, environment=user.environment).strip()
    jupyter = user.start()
    kernel = jupyter.kernel()

    assert kernel.run(ENTER.format(name="x") + "print(sorted(table))") == f"{local}\n['before']"
    pid = json.loads((user.folder / "runtime" / "partysync-local.json").read_text())["pid"]
    assert (jupyter.said()["url"], jupyter.said()["owner"]) == (local, pid)
    assert mode(jupyter.file) == 0o600
    with Stranger(jupyter, f"{MOUNT}/parties/main/x") as stranger:
        assert (stranger.status, json.loads(stranger.body)["error"]) == (503, "storage")

    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: jupyter.file.exists() and "owner" not in jupyter.said(), 20)
    assert kernel.run("table.insert(who='later').result(30); room.sync(20); print(len(table))") == "2"


def test_two_jupyter_servers_have_one_owner_and_the_other_takes_over(user, wait_until):
    """Also after kill -9, with an edit made in between."""
    first = user.start()
    second = user.start("none")
    kernel = second.kernel()
    assert meet(first.kernel(), kernel) == first.said()["url"]
    assert second.said()["owner"] == first.process.pid

    first.stop(signal.SIGKILL)
    kernel.run("receipt = table.insert(id='between', who='second')")

    assert kernel.run("receipt.result(40); room.sync(20); print(sorted(table))") == "['between', 'one', 'other']"
    wait_until(lambda: kernel.run("print(room.status)") == "live", 20)
    url = kernel.run("print(room.connection.url)")
    wait_until(lambda: second.file.exists() and second.said()["url"] == url, 20, "pointing to the new owner")


def test_a_server_that_was_started_by_hand_is_named_and_how_to_reach_it(user, start_server):
    """It has told nobody its token, so nobody can be pointed to it."""
    by_hand = start_server()
    jupyter = user.begin(PartySyncExtension={"data": str(by_hand.data)}).wait()
    taken = f"{by_hand.data} is in use by the partysync server with process id {by_hand.process.pid}."

    assert taken in jupyter.log
    assert "set PARTYSYNC_URL and PARTYSYNC_TOKEN" in jupyter.log
    assert not jupyter.file.exists()
    with Stranger(jupyter, f"{MOUNT}/parties/main/x") as stranger:
        assert stranger.status == 503
        assert taken in json.loads(stranger.body)["message"]


def test_kernels_that_start_a_server_while_jupyter_starts_one_end_with_one(user, wait_until):
    """Six, who all want the same room at once."""
    go = user.folder / "go"
    program = (
        f"import os, sys, time\nimport partysync_widget as ps\nprint('ready', flush=True)\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.001)\n"
        f"room = ps.connect('race', timeout=60)\nroom.table('t', x=int).insert(x=1).result(60)\n"
        f"print(room.connection.url, flush=True)\nsys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": user.environment}
    kernels = [subprocess.Popen([sys.executable, "-c", program], **pipes) for _ in range(6)]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    jupyter = user.begin()
    wait_until(lambda: "partysync_server | extension was successfully linked" in jupyter.log, 60)
    go.touch()
    urls = {kernel.stdout.readline().strip() for kernel in kernels}
    jupyter.wait()
    for kernel in kernels:
        kernel.communicate()

    (url,) = urls
    wait_until(lambda: jupyter.file.exists() and jupyter.said()["url"] == url)
    with ps.connect("race", url=url, token=jupyter.said()["token"]) as room:
        assert len(room.table("t")) == 6


# --- nobody else ------------------------------------------------------------------------------------------------------

# Every address of the mount, as it is asked for. A new route gets a line here.
ADDRESSES = {
    r"/partysync/parties/([^/]+)/([^/]+)": f"{MOUNT}/parties/main/never-made",
    r"/partysync/health": f"{MOUNT}/health",
}
WRONG = {
    "none": {"Authorization": ""},
    "empty": {"Authorization": "Bearer "},
    "wrong": {"Authorization": "Bearer wrong"},
    "wrong, as Jupyter has it": {"Authorization": "token wrong"},
    "longer": {"Authorization": "Bearer {secret}x"},
    "shorter": {"Authorization": "Bearer {shorter}"},
    "another scheme": {"Authorization": "Basic {secret}"},
    "a cookie": {"Authorization": "", "Cookie": "username-127-0-0-1-{port}=2|1:0|10:1|1:x|1:x|1"},
    "our secret where Jupyter's belongs": {"Authorization": "token {secret}"},
}
FOREIGN = {
    "another site": {"Origin": "http://evil.example"},
    "null": {"Origin": "null"},
    "prefix": {"Origin": "http://127.0.0.1:{port}.evil.example"},
    "suffix": {"Origin": "http://evil-127.0.0.1:{port}"},
    "user": {"Origin": "http://127.0.0.1:{port}@evil.example"},
    "path": {"Origin": "http://evil.example/127.0.0.1:{port}"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "no port": {"Origin": "http://127.0.0.1"},
    "rebound": {"Host": "evil.example", "Origin": "http://evil.example"},
    "rebound, with the port": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "a host that begins well": {"Host": "localhost.evil.example"},
    "a host, and no origin": {"Host": "evil.example"},
}


def knock(jupyter, path, headers, **how):
    """Ask, with what the headers leave open filled in."""
    secret = jupyter.said()["token"]
    filled = {
        name: value.format(port=jupyter.port, secret=secret, shorter=secret[:-1]) for name, value in headers.items()
    }
    return Stranger(jupyter, path, **{"Authorization": "", **filled}, **how)


def refused(stranger, user, *, errors):
    said = json.loads(stranger.body)
    return stranger.status == 403 and said["error"] in errors and sentence(said["message"])


def test_every_address_has_a_row():
    from partysync_server.mount import routes

    assert {pattern for pattern, *_ in routes(None)} == set(ADDRESSES)


@pytest.mark.parametrize("jupyter", ["token", "password"], indirect=True)
@pytest.mark.parametrize("upgrade", [True, False], ids=["socket", "http"])
@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("path", ADDRESSES.values())
def test_who_shows_nothing_or_the_wrong_thing_is_refused(jupyter, headers, path, upgrade):
    """R13. No room is made for them."""
    with knock(jupyter, path, headers, upgrade=upgrade) as stranger:
        assert refused(stranger, jupyter, errors={"token"}), (stranger.status, stranger.body)
    assert not list(jupyter.log_file.parent.rglob("never-made*"))


@pytest.mark.parametrize("jupyter", ["password", "none"], indirect=True)
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("path", ADDRESSES.values())
def test_a_hostile_page_in_the_browser_of_somebody_who_is_logged_in_is_refused(jupyter, headers, path):
    """R13. Cross-site, DNS rebinding, and names that only look right."""
    with knock(jupyter, path, {"Cookie": jupyter.cookies(), **headers}) as stranger:
        assert refused(stranger, jupyter, errors={"origin", "token"}), (stranger.status, stranger.body)
    assert not list(jupyter.log_file.parent.rglob("never-made*"))


@pytest.mark.parametrize("jupyter", ["token", "password", "none"], indirect=True)
@pytest.mark.parametrize("headers", (WRONG | FOREIGN).values(), ids=WRONG | FOREIGN)
@pytest.mark.parametrize("path", ["/parties/main/never-made", "/health", "/nothing"])
def test_the_rooms_own_port_is_for_kernels_that_have_the_secret(jupyter, headers, path):
    """R13. Whether or not Jupyter itself asks who it is; not even a browser that had the secret."""
    port = int(jupyter.said()["url"].rpartition(":")[2])
    door = SimpleNamespace(port=port, token="", said=jupyter.said)
    with knock(door, path, headers) as stranger:
        assert refused(stranger, jupyter, errors={"token", "browser", "host"}), (stranger.status, stranger.body)


@pytest.mark.parametrize("jupyter", ["token", "password", "none"], indirect=True)
def test_who_belongs_here_gets_in(jupyter):
    """Or what is refused above proves nothing: our secret, Jupyter's token, its own pages."""
    good = [{"Authorization": "Bearer {secret}"}, {"Authorization": "Bearer {secret}", "Origin": "http://evil.example"}]
    if jupyter.token:
        good += [{"Authorization": f"Bearer {JUPYTER_TOKEN}"}, {"Authorization": f"token {JUPYTER_TOKEN}"}]
    else:
        good += [{"Cookie": jupyter.cookies(), "Origin": "http://127.0.0.1:{port}"}]
    for headers in good:
        with knock(jupyter, f"{MOUNT}/parties/main/x", headers) as stranger:
            assert stranger.status == 101, (headers, stranger.body)
            stranger.frame(hello(f"client-{good.index(headers)}"))
            assert stranger.hear()["type"] == "welcome"
        with knock(jupyter, f"{MOUNT}/health", headers, upgrade=False) as stranger:
            assert json.loads(stranger.body)["partysync"] == ps.__version__


@pytest.mark.parametrize("jupyter", ["token"], indirect=True)
def test_a_kernel_from_anywhere_uses_jupyters_address_and_token(jupyter):
    """S1. What a gateway's kernels are told to set. Frames cross from Jupyter's loop to the rooms' and back."""
    there = ps.connect("far", url=f"http://127.0.0.1:{jupyter.port}{MOUNT}", token=JUPYTER_TOKEN)
    here = ps.connect("far", url=jupyter.said()["url"], token=jupyter.said()["token"])
    table = there.table("t", x=int, text=str)
    table.insert_many([{"id": f"r{n}", "x": n, "text": "x" * 200} for n in range(5000)])
    there.sync(20)
    here.sync(20)
    here.table("t").update("r0", x=-1).result(10)
    there.sync(10)

    assert there.table("t").records == here.table("t").records
    assert table["r0"]["x"] == -1
    there.offline()
    table.insert(id="later", x=1)
    there.online()
    there.sync(20)  # the same client, on a new line: it is still the same person
    for room in (there, here):
        room.close()


@pytest.mark.parametrize("jupyter", ["token"], indirect=True)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{MOUNT}/parties/zoo/x", 404),
        (f"{MOUNT}/parties/main/" + "x" * 201, 404),
        (f"{MOUNT}/parties/main/%00", 404),
        (f"{MOUNT}/parties/main/a/b", 404),
        (f"{MOUNT}/nothing", 404),
    ],
)
def test_addresses_that_are_no_room(jupyter, path, status):
    with knock(jupyter, path, {"Authorization": f"Bearer {JUPYTER_TOKEN}"}) as stranger:
        assert stranger.status == status


def test_a_secret_is_good_for_one_run(user):
    """Expired: that of the server which ran before on the same folder and port."""
    jupyter = user.start()
    old = jupyter.said()["token"]
    jupyter.stop()
    again = user.start()

    for server, path in ((again, f"{MOUNT}/health"), (None, "/health")):
        port = server.port if server else int(again.said()["url"].rpartition(":")[2])
        with Stranger(SimpleNamespace(port=port, token=old), path) as stranger:
            assert stranger.status == 403
    assert old != again.said()["token"]


@pytest.mark.parametrize("jupyter", ["password"], indirect=True)
def test_a_link_opens_its_room_at_the_mount_and_nothing_else(jupyter, wait_until):
    """R13. Without Jupyter's login; and not when it was taken back, or has expired."""
    said = jupyter.said()
    with ps.connect("shared", url=said["url"], token=said["token"]) as room:
        good, revoked, expired = room.share("viewer"), room.share("owner"), room.share("owner", expires=0.01)
        room.revoke(revoked)
    wait_until(lambda: time.time() > expired.expires.timestamp())

    with knock(jupyter, f"{MOUNT}/parties/main/shared", {"Authorization": f"Bearer {good.token}"}) as guest:
        guest.frame(hello("guest"))
        assert guest.hear()["role"] == "viewer"
    elsewhere = (f"{MOUNT}/parties/main/another", *ADDRESSES.values())
    for path, upgrade in itertools.product(elsewhere, (True, False)):
        with knock(jupyter, path, {"Authorization": f"Bearer {good.token}"}, upgrade=upgrade) as guest:
            assert refused(guest, jupyter, errors={"role"}), (guest.status, guest.body)
    shared = (f"{MOUNT}/parties/main/shared", *ADDRESSES.values())
    for token, path, upgrade in itertools.product((revoked.token, expired.token), shared, (True, False)):
        with knock(jupyter, path, {"Authorization": f"Bearer {token}"}, upgrade=upgrade) as guest:
            assert refused(guest, jupyter, errors={"token"}), (guest.status, guest.body)


@pytest.mark.parametrize("jupyter", ["token"], indirect=True)
def test_a_page_speaks_the_ancestors_dialect_at_the_mount_if_it_is_jupyters_own(jupyter):
    """R13, S3, S5. With a link's token in its address, or as Jupyter lets it in; from elsewhere with neither."""
    said = jupyter.said()
    with ps.connect("wall", url=said["url"], token=said["token"]) as room:
        room.table("todos", text=str).insert(id="t1", text="x").result(8)
        link = room.share("editor")
    own, foreign = {"Origin": "http://127.0.0.1:{port}"}, {"Origin": "http://evil.example"}
    path = f"{MOUNT}/parties/Main/wall?token={link.token}"
    for address, headers in [
        (path, own),
        (path, {}),
        (f"{MOUNT}/parties/main/wall?token={JUPYTER_TOKEN}", own),
        (f"{MOUNT}/parties/main/wall", {"Authorization": f"Bearer {link.token}"}),
    ]:
        with knock(jupyter, address, headers, subprotocol=None) as page:
            assert page.status == 101, (address, page.body)
            page.frame('{"channel": "todos", "sync": true, "from": null}')
            assert page.hear()["payload"][0][:2] == ["t1", "x"]

    ours = {"subprotocol": f"{JSON}, {offer(link.token)}"}  # the same of a page that talks our own protocol
    with knock(jupyter, f"{MOUNT}/parties/main/wall", own, **ours) as page:
        page.frame(hello("a-page"))
        assert page.hear()["role"] == "editor"

    for address, headers, how in [
        (f"{MOUNT}/parties/main/wall", foreign, ours),
        (f"{MOUNT}/parties/main/another", own, ours),
        (path, foreign, {"subprotocol": None}),
        (path, {"Host": "evil.example"}, {"subprotocol": None}),
        (path, own, {}),
        (path.replace("wall", "another"), own, {"subprotocol": None}),
        (path.replace(link.token, "wrong"), own, {"subprotocol": None}),
        (f"{MOUNT}/health?token={link.token}", own, {"subprotocol": None, "upgrade": False}),
    ]:
        with knock(jupyter, address, headers, **how) as page:
            assert refused(page, jupyter, errors={"origin", "token", "role"}), (address, headers, page.body)
    assert link.token not in jupyter.log


def test_jupyters_authorizer_decides_who_may_write(user):
    """And kernels, who have the secret, are none of its business: they run as the user anyway."""
    (user.folder / "denying.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "class Denying(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return (action, resource) != ('write', 'partysync')\n"
    )
    user.environment["PYTHONPATH"] = os.pathsep.join([str(user.folder), user.environment.get("PYTHONPATH", "")])
    jupyter = user.start(ServerApp={"authorizer_class": "denying.Denying"})

    for path in ADDRESSES.values():
        with knock(jupyter, path, {"Authorization": f"Bearer {JUPYTER_TOKEN}"}) as stranger:
            assert refused(stranger, jupyter, errors={"role"}), (stranger.status, stranger.body)
    with knock(jupyter, f"{MOUNT}/parties/main/x", {"Authorization": "Bearer {secret}"}) as stranger:
        assert stranger.status == 101
