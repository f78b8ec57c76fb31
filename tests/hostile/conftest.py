"""The stage, for the tests in this folder."""

from tests.stage import make_stage, stage

__all__ = ["make_stage", "stage"]
