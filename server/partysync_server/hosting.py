"""
Hosting: the rooms' own thread and event loop inside another program, which is a Jupyter Server.

::

    claim the folder ──taken──▶ point to whoever has it ──it ended──▶ claim again …
          └──────────▶ serve at a loopback port of its own ──▶ end

A folder has one owner. Who finds it taken writes the owner's address into its own runtime file, so that its kernels
talk to the owner, and takes over when the owner ends. The host's event loop carries none of this.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from partysync_widget.core import messages as m
from partysync_widget.core.errors import PartySyncError, StorageFailed

from .parties import Parties
from .runtime import describe, owners, runtime_file, write_private
from .serving import Listening, Serving
from .visit import PING_SECONDS

POLL_SECONDS = 0.5  # between looks whether the owner of the folder has gone
ANSWER_SECONDS = 2.0  # for an owner to answer
END_SECONDS = 8.0  # for the thread to say goodbye to everybody and end

T = TypeVar("T")


class Hosting:
    """See the module. Made, started and stopped by the host; ``call`` crosses over to the rooms."""

    def __init__(
        self,
        folder: Path,
        parties: Parties,
        *,
        limits: m.Limits,
        idle: float,
        ping: float = PING_SECONDS,
        log: logging.Logger,
    ) -> None:
        self.folder = folder
        self.parties = parties
        self.limits = limits
        self.idle = idle
        self.ping = ping  # as PING_SECONDS
        self.settled: Future[None] = Future()  # it has the rooms, or knows who has, or why neither
        self.serving: Serving | None = None  # while it has the rooms
        self.trouble = ""  # why it has not
        self.loop: asyncio.AbstractEventLoop | None = None
        self._log = log  # the host's
        self._pid = os.getpid()
        self._file = runtime_file()
        self._written: dict[str, Any] | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, name="partysync-rooms", daemon=True)

    def start(self) -> None:
        atexit.register(self._withdraw)  # a host that is not stopped in order
        self._thread.start()

    def stop(self) -> None:
        """Close the rooms and wait for the end. May be called from any thread but its own, and twice."""
        if self._thread.ident is None:
            return  # never started
        self._withdraw()
        with contextlib.suppress(FutureTimeout):  # it is just beginning
            self.settled.result(END_SECONDS)
        if self.loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(END_SECONDS)
        self._withdraw()
        atexit.unregister(self._withdraw)

    async def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine where the rooms are, and wait for it on the caller's own loop."""
        if self.loop is None or self.loop.is_closed():
            raise PartySyncError("The rooms are closed.")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), self.loop))

    # --- in its thread ------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            asyncio.run(self._live())
        except PartySyncError as error:
            self._log.error("PartySync: %s", error)
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001  # it is logged, and the host goes on without rooms
            self._log.exception("PartySync: the rooms' thread has ended.")
            self.trouble = self.trouble or str(error)
        finally:
            self._settle()

    async def _live(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        while not self._stop.is_set():
            try:
                at = Listening(ping=self.ping)
                serving = Serving(self.folder, self.parties, at=at, limits=self.limits, idle=self.idle)
            except StorageFailed as error:
                await self._point(str(error))
                self._settle()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), POLL_SECONDS)
            else:
                await self._serve(serving, self._stop)

    async def _serve(self, serving: Serving, stop: asyncio.Event) -> None:
        try:
            self._announce(describe(serving.url, serving.token, self.folder))
            self.serving, self.trouble = serving, ""
            self._log.info("PartySync: rooms in %s at %s", self.folder, serving.url)
            self._settle()
            while await serving.tend(stop):
                pass
        finally:
            self.serving = None
            self._withdraw()
            await serving.end()

    async def _point(self, taken: str) -> None:
        """Write down who has the rooms; ``taken`` says so in a sentence."""
        for description in owners(self.folder):
            if self._written is not None and description["token"] == self._written["token"]:
                return  # still the same
            if await _answers(description):
                self._announce({**describe("", "", self.folder), **_address(description), "owner": description["pid"]})
                self.trouble = (
                    f"The rooms in {self.folder} are kept by the server with process id {description['pid']}."
                )
                self._log.info("PartySync: %s Kernels use that one.", self.trouble)
                return
        self._withdraw()
        if taken != self.trouble:
            self._log.warning(
                "PartySync: %s Or set PARTYSYNC_URL and PARTYSYNC_TOKEN to what it says of itself.", taken
            )
        self.trouble = taken

    def _announce(self, description: dict[str, Any]) -> None:
        try:
            write_private(self._file, description)
        except OSError as error:
            raise PartySyncError(f"Cannot write {self._file}: {error.strerror}. Kernels will not find it.") from None
        self._written = description

    def _withdraw(self) -> None:
        if os.getpid() != self._pid:
            return  # a fork of the host, which ends and has not been asked
        self._written = None
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)


def _address(description: dict[str, Any]) -> dict[str, str]:
    return {"url": str(description["url"]), "token": str(description["token"])}


async def _answers(description: dict[str, Any]) -> bool:
    """Whether the server that wrote this runs."""
    client: AsyncHTTPClient = SimpleAsyncHTTPClient(force_instance=True)
    request = HTTPRequest(
        f"{description['url']}/health",
        headers={"Authorization": f"Bearer {description['token']}"},
        connect_timeout=ANSWER_SECONDS,
        request_timeout=ANSWER_SECONDS,
    )
    try:
        return "partysync" in json.loads((await client.fetch(request)).body)
    except Exception:  # noqa: BLE001  # whatever it is, no server of ours answers there
        return False
    finally:
        client.close()
