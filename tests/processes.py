"""The processes of this machine, as Linux tells of them in /proc."""

from pathlib import Path


def processes():
    """The number of each, at this moment."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def told_of(pid, what):
    """A file of a process in /proc, as bytes; empty for one that has ended, or that is nobody's business.

    Whoever looks while it ends is told that there is no such file, or no such process (``ESRCH``, which ``Path.exists``
    and ``Path.glob`` raise), by whichever step of the way came too late.
    """
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""
