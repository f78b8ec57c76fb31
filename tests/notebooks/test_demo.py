"""``make demo`` without a browser: a JupyterLab of its own, both notebooks in its kernels, edits seen both ways."""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "notebooks" / "demo.py"


def test_the_demo_works_and_leaves_nothing_behind(isolated, tmp_path):
    room = tmp_path / "temporary"
    room.mkdir()

    answer = subprocess.run(
        [sys.executable, str(DEMO), "--check"],
        env={**isolated, "TMPDIR": str(room)}, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stderr
    assert "The demo works" in answer.stdout
    assert list(room.glob("partysync-demo-*")) == []
