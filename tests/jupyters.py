"""Real Jupyter Servers with the extension, in a home of their own, and real kernels of theirs."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "jupyter-config" / "partysync_server.json"
JUPYTER_TOKEN = "the-token-of-jupyter-itself"
PASSWORD = "correct horse"
SECONDS = 60  # for Jupyter or a kernel to start, on a machine that does much else

# How Jupyter itself lets people in, as its configuration file says it.
MODES = {
    "token": {"IdentityProvider": {"token": JUPYTER_TOKEN}},
    "none": {"IdentityProvider": {"token": ""}},
}


def settings(mode):
    if mode == "password":
        from jupyter_server.auth.security import passwd

        return {
            "ServerApp": {
                "allow_unauthenticated_access": False
            },  # Jupyter's stricter way; the others have its usual one
            "IdentityProvider": {"token": ""},
            "PasswordIdentityProvider": {"hashed_password": passwd(PASSWORD)},
        }
    return MODES[mode]


class Jupyter:
    """One Jupyter Server. ``folder`` is a home: servers that share one are of one user."""

    def __init__(self, folder, environment, port, mode="token", **more):
        self.port, self.mode = port, mode
        self.url = f"http://127.0.0.1:{port}/base/"
        self.token = JUPYTER_TOKEN if mode == "token" else ""
        self.log_file = folder / f"jupyter-{port}.log"
        self._runtime = Path(environment["JUPYTER_RUNTIME_DIR"])
        self.kernels = []
        config = folder / f"config-{port}"
        (config / "jupyter_server_config.d").mkdir(parents=True)
        (config / "jupyter_server_config.d" / SHIPPED.name).write_text(SHIPPED.read_text())
        said = {
            "ServerApp": {
                "port": port, "port_retries": 0, "ip": "127.0.0.1", "base_url": "/base/", "open_browser": False,
                "allow_root": True, "root_dir": str(folder),
                "jpserver_extensions": {"jupyterlab": False, "notebook": False, "notebook_shim": False},
            },
        }  # fmt: skip
        for part in (settings(mode), more):
            for name, values in part.items():
                said.setdefault(name, {}).update(values)
        (config / "jupyter_server_config.json").write_text(json.dumps(said))
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", "--log-level=DEBUG"],
                env={**environment, "JUPYTER_CONFIG_DIR": str(config)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip

    @property
    def file(self):
        return self._runtime / f"partysync-{self.process.pid}.json"

    def said(self):
        """What stands in its runtime file."""
        return json.loads(self.file.read_text())

    @property
    def log(self):
        return self.log_file.read_text()

    def wait(self, for_what="partysync_server | extension was successfully started"):
        """Until it has said so; the extension says it when its rooms are open, or it knows who has them."""
        deadline = time.monotonic() + SECONDS
        while for_what not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def ask(self, method, path, body=None):
        """Jupyter's REST API, as its owner."""
        request = urllib.request.Request(
            self.url + path, None if body is None else json.dumps(body).encode(), method=method
        )
        for name, value in self.credentials().items():
            request.add_header(name, value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=SECONDS) as answer:
            return json.loads(answer.read() or b"null")

    def credentials(self):
        """Headers that Jupyter lets in."""
        return {"Authorization": f"token {self.token}"} if self.token else {}

    def kernel(self):
        """A kernel that this server has started."""
        with self.log_in():
            made = self.ask("POST", "api/kernels", {"name": "python3"})
        self.kernels.append(KernelOf(self._runtime / f"kernel-{made['id']}.json"))
        return self.kernels[-1]

    @contextlib.contextmanager
    def log_in(self):
        """For the time of the block, ``credentials`` are good for requests that change something, too."""
        if self.token:
            yield
            return
        cookies = self.cookies()
        xsrf = dict(part.split("=", 1) for part in cookies.split("; "))["_xsrf"]
        self.credentials = lambda: {"Cookie": cookies, "X-XSRFToken": xsrf}
        try:
            yield
        finally:
            del self.credentials

    def cookies(self):
        """What a browser has after logging in with the password, if there is one."""
        import http.cookiejar

        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
        with contextlib.suppress(urllib.error.HTTPError):  # without authentication it leads to a page that is not there
            opener.open(self.url + "login", timeout=SECONDS).close()
        if self.mode == "none":
            return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
        xsrf = next(cookie.value for cookie in jar if cookie.name == "_xsrf")
        body = urllib.parse.urlencode({"password": PASSWORD, "_xsrf": xsrf}).encode()
        opener.open(self.url + "login?next=/base/api", body, timeout=SECONDS).close()
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)

    def stop(self, number=signal.SIGTERM):
        for kernel in self.kernels:
            kernel.client.stop_channels()
        self.kernels = []
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)


class KernelOf:
    """A kernel of a Jupyter Server, spoken to past it."""

    def __init__(self, file):
        from jupyter_client import BlockingKernelClient

        self.client = BlockingKernelClient(connection_file=str(file))
        self.client.load_connection_file()
        self.client.start_channels()
        self._wait()

    def _wait(self):
        """Until it answers. To the client a heart that is a second late has stopped: on a busy machine, ask again."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return self.client.wait_for_ready(timeout=deadline - time.monotonic())
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise

    def run(self, code):
        """What the code printed, or the assertion that it raised, with its traceback."""
        said = []

        def hear(message):
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, output_hook=hear, allow_stdin=False, timeout=SECONDS)["content"]
        assert reply["status"] == "ok", "\n".join(reply["traceback"])
        return "".join(said).strip()
