"""The stage, for the tests in this folder."""

from tests.stage import make_stage, sql, stage

__all__ = ["make_stage", "sql", "stage"]
