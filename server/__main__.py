"""The web process: `python -m server`."""

from __future__ import annotations

import logging
import os
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from server.app import create_app
from server.settings import ServerSettings, load
from server.web.protocols import Http, Socket
from synctail.connect import RedisOutOfReach, connect, wait_until_ready
from synctail.settings import SettingsError

CLIENT_MESSAGE_BYTES = 16 * 1024
PING_EVERY_S = 60.0
"""Pings only find viewers that vanished. The `beat` every ten seconds keeps connections alive and costs less."""
GRACE_S = 3
KEEPALIVE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
"""Detects clients that vanished, even if nothing is sent to them for hours. TCP_USER_TIMEOUT (in ms, the others in s)
is how long sent data may stay unacknowledged, or wait for a reader that takes nothing."""


def listen(host: str, port: int) -> socket.socket:
    """Raises `SettingsError` if it cannot listen on the address."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=family, backlog=2048, reuse_port=False)
    except (OSError, UnicodeError) as error:  # UnicodeError: an impossible host name
        # asyncio and socket append the address, which our message already has
        why = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
        raise SettingsError(f"Cannot listen on port {port} of {host}: {why}. Set PORT or HOST to another.") from None
    for name, value in KEEPALIVE.items():
        # Connections inherit the options of the listening socket. macOS has only the first.
        if hasattr(socket, name):
            bound.setsockopt(
                socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP, getattr(socket, name), value
            )
    return bound


def configure(settings: ServerSettings) -> uvicorn.Config:
    """No frame compression: it costs fifty times as much as the frame. No access log: pages poll."""
    return uvicorn.Config(
        create_app(settings),
        http=Http,
        ws=Socket,
        ws_per_message_deflate=False,
        ws_max_size=CLIENT_MESSAGE_BYTES,
        ws_ping_interval=PING_EVERY_S,
        timeout_graceful_shutdown=GRACE_S,
        access_log=False,
        forwarded_allow_ips=list(settings.proxies),
        log_level="warning",
        lifespan="on",
        server_header=False,
    )


def allow_many_connections() -> None:
    """Raises the limit of open files to the maximum: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS reports an infinite limit, then refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server(uvicorn.Server):
    """Ends responses that follow a log before uvicorn stops, which would wait for them and then complain."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        dismiss: Callable[[], None] = self.config.app.state.dismiss  # type: ignore[union-attr]
        dismiss()
        await super().shutdown(sockets)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        settings = load(os.environ)
        bound = listen(settings.host, settings.port)
        with connect(settings.jobs.redis_url) as client:
            wait_until_ready(client, settings.jobs.redis_url)
    except (SettingsError, RedisOutOfReach) as error:
        sys.exit(str(error))
    allow_many_connections()
    print(f"Synctail listens on http://{settings.host}:{settings.port}", flush=True)  # noqa: T201
    Server(configure(settings)).run(sockets=[bound])


if __name__ == "__main__":
    main()
