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
"""It only finds viewers who have vanished: all hear a beat every ten seconds, which costs less than a ping."""
GRACE_S = 3
KEEPALIVE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
"""A client that vanished without a word is noticed, also where nothing is sent to it for hours. The last in ms, the
others in s: that much may be sent without an answer, or wait for a reader that takes nothing."""


def listen(host: str, port: int) -> socket.socket:
    """Raises `SettingsError` when the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=family, backlog=2048, reuse_port=False)
    except (OSError, UnicodeError) as error:  # the latter: a name that no host can have
        # asyncio and socket add the address to the system's words; the line has it already
        why = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
        raise SettingsError(f"Port {port} on {host} cannot be had: {why}. Set PORT or HOST to another.") from None
    for name, value in KEEPALIVE.items():
        # On the socket that listens: the system gives it to each connection. macOS knows the first only.
        if hasattr(socket, name):
            bound.setsockopt(
                socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP, getattr(socket, name), value
            )
    return bound


def configure(settings: ServerSettings) -> uvicorn.Config:
    """Without compression of frames: it costs fifty times the frame. Without an access log: pages poll."""
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
    """As many open files as the system lets this process have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS calls its limit infinite, and then refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server(uvicorn.Server):
    """uvicorn ends websockets when it stops; answers that follow a log would have it wait, and then complain."""

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
    print(f"Synctail listens at http://{settings.host}:{settings.port}", flush=True)  # noqa: T201
    Server(configure(settings)).run(sockets=[bound])


if __name__ == "__main__":
    main()
