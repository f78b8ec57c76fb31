"""A web site of its own origin, as somebody else would run it, whose pages open rooms."""

import http.server
import subprocess
import threading
from pathlib import Path

from tests.web.conftest import node

JS = Path(__file__).parents[2] / "js"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript"}

BUNDLE = """
import { build } from "esbuild";
await build({
  stdin: { contents: process.env.SOURCE, loader: "jsx", resolveDir: process.cwd() }, outfile: process.env.OUT,
  bundle: true, format: "esm", jsx: "automatic", logLevel: "error", define: { "process.env.NODE_ENV": '"development"' },
});
"""


def bundle(source, file):
    """A script with all that it imports, from ``js/`` and what is installed there."""
    command = [node(), "--input-type=module", "-e", BUNDLE]
    subprocess.run(command, cwd=JS, env={"SOURCE": source, "OUT": str(file)}, check=True)


class Site:
    """The files of a folder, at ``url``."""

    def __init__(self, folder):
        class Handler(http.server.SimpleHTTPRequestHandler):
            extensions_map = TYPES

            def __init__(self, *args):
                super().__init__(*args, directory=folder)

            def log_message(self, *args):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
