"""A web server inside the test's own process, so that a test can shorten its times and look into it."""

from __future__ import annotations

import socket as sockets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2
import uvicorn

from server import settings
from server.__main__ import configure
from server.web.protocols import Socket
from tests.kit.following import BEARER
from tests.kit.support import PATIENCE_S, until


class Serving(NamedTuple):
    web: httpx2.Client
    server: uvicorn.Server

    def connections(self) -> list[Any]:
        """The protocols of those who are connected."""
        return list(self.server.server_state.connections)


@contextmanager
def serving(environ: dict[str, str], protocol: Any = Socket, *, buffer: int = 0) -> Iterator[Serving]:
    """With the websocket protocol of the test's choice, and so much that the system holds of what is sent."""
    config = configure(settings.load(environ))
    config.ws = protocol
    bound = sockets.create_server(("127.0.0.1", 0))
    if buffer:
        bound.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, buffer)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        until(lambda: server.started, "the server has started")
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{bound.getsockname()[1]}", headers=BEARER, timeout=PATIENCE_S
        ) as web:
            yield Serving(web, server)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
