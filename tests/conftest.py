"""Shared by all tests."""

import contextlib
import json
import os
import signal

import pytest


@pytest.fixture
def isolated(tmp_path):
    """The environment of a person who has nothing yet: programs started with it find no server but their own."""
    environment = {
        **os.environ,
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PARTYSYNC_DATA": str(tmp_path / "rooms"),
    }
    for name in ("PARTYSYNC_URL", "PARTYSYNC_TOKEN", "JPY_PARENT_PID"):
        environment.pop(name, None)
    yield environment
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # none was started, or it stopped by itself
        os.kill(json.loads((tmp_path / "runtime" / "partysync-local.json").read_text())["pid"], signal.SIGTERM)
