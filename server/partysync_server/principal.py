"""
A principal: somebody whom a door has recognised, by the server's secret, a link, Jupyter's login or a Hub's.
"""

from __future__ import annotations

from dataclasses import dataclass

OPERATOR_ID = "token"  # of everybody who shows a server's secret: they are this user, whichever server let them in


@dataclass(frozen=True)
class Principal:
    """Who comes, as far as the server vouches for it.

    ``id``        whose clients they are; nobody else may speak for those.
    ``account``   the name that a share goes by; empty for whoever has none.
    ``name``      how others see them; empty: they say it themselves.
    ``groups``    of the account.
    ``role``      what they have in every room, whatever was shared; empty: nothing.
    ``link``      the share whose token they showed: they may enter that room and nothing else.
    ``operator``  whether they could read the server's files anyway; no limit holds for them.
    ``makes``     whether a room that is not there may be made by coming, and is theirs then.
    """

    id: str
    account: str = ""
    name: str = ""
    groups: frozenset[str] = frozenset()
    role: str = ""
    link: str = ""
    operator: bool = False
    makes: bool = False


OPERATOR = Principal(OPERATOR_ID, role="owner", operator=True, makes=True)
