"""A real JupyterHub with its real proxy, our service in it, and people who have accounts there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import free_port
from tests.jupyters import KernelOf

PROXY = Path(__file__).parents[1] / "js" / "node_modules" / ".bin" / "configurable-http-proxy"
SECONDS = 60  # for a Hub or a server of somebody's to start, on a machine that does much else
ADMIN = "the-token-of-whoever-runs-the-hub"
SCOPE = "access:services!service=partysync"
OTHER_SCOPE = "access:services!service=admin"


def missing():
    """Why there can be no Hub here; empty if there can."""
    try:
        import jupyterhub  # noqa: F401  # asked for its presence
    except ImportError:
        return "JupyterHub is not installed"
    if not shutil.which("node"):
        return "there is no node, which the Hub's proxy needs"
    return "" if PROXY.exists() else "the Hub's proxy is not installed: npm ci in js/"


class Hub:
    """One Hub. ``people`` maps each user to their groups; ``options`` are our service's, and may name its ``{url}``."""

    token = ""  # of nobody

    def __init__(self, folder, environment, people, *options):
        self.port, hub, proxy, self.service_port = (free_port() for _ in range(4))
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/base/services/partysync"
        self.data, self.log_file, self._runtime = folder / "hub-rooms", folder / "hub.log", folder / "runtime"
        groups = {}
        for name, of in people.items():
            for group in of:
                groups.setdefault(group, {"users": []})["users"].append(name)
        command = [sys.executable, "-m", "partysync_server", "hub", "--data", str(self.data), "--log-level=DEBUG"]
        command += [option.format(url=self.url) for option in options]
        said = {
            "JupyterHub": {
                "bind_url": f"{self.origin}/base/", "hub_bind_url": f"http://127.0.0.1:{hub}",
                "db_url": f"sqlite:///{folder}/hub.sqlite", "cookie_secret_file": str(folder / "cookie_secret"),
                "authenticator_class": "dummy", "spawner_class": "simple", "load_groups": groups,
                "services": [
                    {"name": "partysync", "url": f"http://127.0.0.1:{self.service_port}", "command": command,
                     "environment": {name: environment[name] for name in ("PYTHONPATH",) if name in environment}},
                    {"name": "admin", "api_token": ADMIN},
                    {"name": "ann-the-service", "api_token": "the-token-of-another-service"},
                ],
                "load_roles": [
                    {"name": "user", "scopes": ["self", SCOPE, OTHER_SCOPE]},
                    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", SCOPE]},
                    {"name": "admin-service", "services": ["admin"], "scopes": ["admin:users", "admin:servers",
                     "tokens", "admin:groups", "access:servers"]},
                    {"name": "other-service", "services": ["ann-the-service"], "scopes": [SCOPE]},
                ],
            },
            "ConfigurableHTTPProxy": {
                "command": [str(PROXY)], "api_url": f"http://127.0.0.1:{proxy}", "pid_file": str(folder / "proxy.pid"),
            },
            "DummyAuthenticator": {"allow_all": True},
            "Authenticator": {"allowed_users": list(people)},
            "SimpleLocalProcessSpawner": {"home_dir_template": str(folder / "{username}")},
            "Spawner": {
                "args": ["--allow-root"], "environment": {
                    "PARTYSYNC_URL": self.url, "JUPYTER_RUNTIME_DIR": str(self._runtime),
                    **{name: environment[name] for name in
                       ("PYTHONPATH", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR") if name in environment},
                },
            },
        }  # fmt: skip
        config = folder / "jupyterhub_config.json"
        config.write_text(json.dumps(said))
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(config)],
                env={**environment, "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        self.kernels = []
        try:
            self._wait()
            for name in people:
                self.ask("POST", f"users/{name}", fine=(201, 409))
        except BaseException:
            self.stop()
            raise

    @property
    def log(self):
        """All that the Hub, its proxy and the service have said."""
        return self.log_file.read_text()

    def _wait(self):
        deadline = time.monotonic() + SECONDS
        while "JupyterHub is now running" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def ask(self, method, path, body=None, *, fine=(200, 201, 202, 204)):
        """The Hub's REST API, as whoever runs it."""
        return ask(method, f"{self.origin}/base/hub/api/{path}", ADMIN, body, fine=fine)

    def token_of(self, name, *scopes):
        """One of this user's; with what a token of their server has, unless ``scopes`` are given."""
        return self.ask("POST", f"users/{name}/tokens", {"scopes": list(scopes or (SCOPE,))})["token"]

    def kernel(self, name):
        """A kernel in this user's own server, which is started."""
        self.ask("POST", f"users/{name}/server", fine=(201, 202))
        deadline = time.monotonic() + SECONDS
        while not self.ask("GET", f"users/{name}")["servers"].get("", {}).get("ready"):
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)
        made = ask("POST", f"{self.origin}/base/user/{name}/api/kernels", ADMIN, {"name": "python3"}, fine=(201,))
        self.kernels.append(KernelOf(self._runtime / f"kernel-{made['id']}.json"))
        return self.kernels[-1]

    def stop(self):
        """The servers, the service and the proxy end with it."""
        for kernel in self.kernels:
            kernel.client.stop_channels()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def ask(method, url, token, body=None, *, fine):
    """What a REST API answers."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)
    request.add_header("Authorization", f"token {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        if error.code not in fine:
            error.add_note(repr(error.read()[:500]))
            raise
        return None
