"""
``partysync hub``: the room server as a service of a JupyterHub, below the Hub's own address.

The Hub starts it and says by the environment where it listens, below which path, and by which token it may ask who
somebody is. A kernel shows the token that the Hub gave to its server; the Hub says whose that is, which groups they are
in, and whether it may be used here. Nobody whom the Hub does not vouch for enters, except by a link.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tornado.web

from partysync_widget.core.errors import PartySyncError

from .cli import ServeApp
from .door import Door
from .gate import Introducer
from .principal import Principal
from .refusal import Refused
from .serving import Listening, Serving

try:
    from jupyterhub.services.auth import HubAuth  # type: ignore[import-untyped]  # it says nothing of its types
except ImportError:
    raise PartySyncError(
        'JupyterHub is not installed where `partysync hub` runs. Type `pip install "partysync-widget[hub]"` there.'
    ) from None

REMEMBER_SECONDS = 60  # for so long the Hub's word on a token holds
NEEDED = (
    "JUPYTERHUB_SERVICE_NAME",
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_SERVICE_URL",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_API_URL",
)


class Hub:
    """The Hub that has this service: it says whose a token is."""

    def __init__(self, name: str, *, api_url: str, api_token: str) -> None:
        self.access = f"access:services!service={name}"
        self._auth = HubAuth(api_url=api_url, api_token=api_token, cache_max_age=REMEMBER_SECONDS)

    async def introduce(self, token: str) -> Principal | None:
        """The user of the Hub who has this token; None for a stranger. Raises Refused."""
        try:
            model: dict[str, Any] | None = await self._auth.user_for_token(token, sync=False)
        except tornado.web.HTTPError as error:
            text = "The Hub does not say who you are: it is down, or busy. Try again, or tell its operator."
            raise Refused(503, "hub", text) from error
        if model is None:
            return None
        name = model["name"]
        if model.get("kind") != "user":  # a service may be called as a user is
            raise Refused(403, "token", f"The token is that of the Hub's service {name!r}; rooms are for its users.")
        if not self._auth.check_scopes({self.access}, model):
            text = (
                f"The Hub knows you as {name!r}, and this token is not good for rooms. Whoever runs the Hub gives the "
                f"scope {self.access} to the roles `user` and `server`."
            )
            raise Refused(403, "token", text)
        return Principal(f"hub:{name}", account=name, name=name, groups=frozenset(model["groups"]), makes=True)


class HubApp(ServeApp):
    """Serve rooms to the users of a JupyterHub."""

    name = "partysync-hub"
    description = "Serve rooms as a service of a JupyterHub, which starts it: `partysync hub --data DIR`."
    again = "Ask whoever runs the Hub to restart the service."

    async def _serve(self) -> None:
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            raise PartySyncError(
                f"`partysync hub` is started by a JupyterHub, and {' and '.join(missing)} is not set. Put into "
                f'jupyterhub_config.py: c.JupyterHub.services = [{{"name": "partysync", "url": '
                f'"http://127.0.0.1:8765", "command": ["partysync", "hub", "--data", "/srv/rooms"]}}]; '
                f"docs/hub.md has the roles that go with it."
            )
        self.ip, self.port = _listen(os.environ["JUPYTERHUB_SERVICE_URL"])
        await super()._serve()

    def _listening(self) -> Listening:
        """The Hub's proxy says by which names people come; ``--host`` narrows that."""
        prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"].rstrip("/")
        public = (self.public_url or os.environ.get("JUPYTERHUB_PUBLIC_URL", "")).rstrip("/")  # Hub 5, if it knows
        door = Door(self.host, self.origin, any_host=not self.host, pages=self._pages(public))
        return Listening(self.ip, self.port, public=public, prefix=prefix, ping=self.ping, door=door)

    def _introducer(self) -> Introducer:
        hub = Hub(
            os.environ["JUPYTERHUB_SERVICE_NAME"],
            api_url=os.environ["JUPYTERHUB_API_URL"],
            api_token=os.environ["JUPYTERHUB_API_TOKEN"],
        )
        return hub.introduce

    def _secrets(self) -> list[str]:
        return [*super()._secrets(), os.environ["JUPYTERHUB_API_TOKEN"]]

    def _announce(self, serving: Serving, folder: Path) -> None:
        """No token: this is the Hub's log, and a service whose own token was not given has none that anybody needs."""
        if self.runtime_file:
            super()._announce(serving, folder)
        else:
            sys.stdout.write(f"Rooms at {serving.url}\n")
            sys.stdout.flush()


def _listen(url: str) -> tuple[str, int]:
    """Address and port of what the Hub calls the service's url."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise PartySyncError(
        f"The service's url is {url!r}. Write it in jupyterhub_config.py as http://address:port; https, which the Hub "
        f"uses inside itself with internal_ssl, is not supported."
    )
