"""A web server in the test's own process, so that a test can shorten its times and inspect it."""

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
from server.web.protocols import Http, Socket
from tests.kit.following import BEARER
from tests.kit.support import http_client, until


class Serving(NamedTuple):
    web: httpx2.Client
    server: uvicorn.Server

    def connections(self) -> list[Any]:
        """The protocol of each open connection."""
        return list(self.server.server_state.connections)


@contextmanager
def serving(environ: dict[str, str], protocol: str = "", *, buffer: int = 0, **times: float) -> Iterator[Serving]:
    """Run a server with the settings of `environ`.

    Args:
        environ: The settings.
        protocol: The name of one of uvicorn's own websocket protocols, in place of ours.
        buffer: How many bytes the system keeps for a reader that does not take them; 0: as many as it likes.
        times: How long `Socket` and `Http` wait, by the names of their attributes.
    """
    assert times.keys() <= set(dir(Http)), "a time that no protocol has"
    config = configure(settings.load(environ))
    config.http = type("Http", (Http,), times)
    config.ws = protocol or type("Socket", (Socket,), times)
    bound = sockets.create_server(("127.0.0.1", 0))
    if buffer:
        bound.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, buffer)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        until(lambda: server.started, "the server has started")
        with http_client(f"http://127.0.0.1:{bound.getsockname()[1]}", headers=BEARER) as web:
            yield Serving(web, server)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
