"""The stage, and a room with callers, for the tests in this folder."""

from tests.server.callers import join, room
from tests.stage import make_stage, stage

__all__ = ["join", "make_stage", "room", "stage"]
