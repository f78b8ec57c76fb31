"""
Roles: what somebody may do in one room. Each may do what those before it may.

::

    viewer  reads, and changes nothing
    editor  calls the mutators that ask for nobody higher
    owner   calls all of them, and decides who else comes in
"""

from __future__ import annotations

from typing import Literal

Role = Literal["viewer", "editor", "owner"]

ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")


def reaches(role: str, wanted: str) -> bool:
    """Whether ``role`` is ``wanted`` or higher. Nobody's role is the empty one, which reaches nothing."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(wanted)


def article(role: str) -> str:
    """``role`` in a sentence: *an editor*, *a viewer*."""
    return f"{'a' if role == 'viewer' else 'an'} {role}"
