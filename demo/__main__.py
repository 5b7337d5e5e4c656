"""What `make run` calls in the finished environment: checks, starts all, prints the sign-in link, ends all.

Every failure is one line that says what to do. It configures what it starts through the environment
alone, and changes no setting that is set there.
"""

from __future__ import annotations

import errno
import http.client
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from demo import valkey, warehouse
from demo.processes import Processes
from demo.services import demo_services, readdress, store_if_none
from demo.settings import SHOP_LATENCY_MS, SHOP_PORT, SHOP_TOKEN_VARIABLE, kept
from demo.valkey import ValkeyFailed
from server.settings import ADMIN_TOKEN, HIGHEST_PORT, HOST, PORT, RELOAD
from server.settings import SETTINGS as SERVER_SETTINGS
from synctail.connect import RedisOutOfReach, connect, wait_until_ready
from synctail.settings import DATA, FILES, REDIS_URL, SettingsError, load

REDIS_CHECK_SECONDS = 3.0
READY_SECONDS = 30.0
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what a browser opens instead


class StartFailed(Exception):
    """One line for the person who ran `make run`."""


class Left(Exception):
    """The person who started this pressed Ctrl-C."""


class Plan(NamedTuple):
    """The processes to start, and their environment."""

    data: Path
    host: str
    port: int
    shop_port: int
    redis_url: str
    own_redis: bool
    admin_token: str
    environ: Mapping[str, str]


def main(environ: Mapping[str, str]) -> int:
    # A list and no exception: that would be raised in the middle of a start.
    asked_to_leave: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: asked_to_leave.append(number))
    try:
        plan = make_plan(environ)
        check(plan)
        run(plan, asked_to_leave)
    except Left:
        print("Everything has stopped.", flush=True)
        return 0
    except (SettingsError, StartFailed, ValkeyFailed, RedisOutOfReach) as error:
        print(error, file=sys.stderr, flush=True)
    return 1


def make_plan(environ: Mapping[str, str]) -> Plan:
    """Read every setting before anything is made, then the data folder and the tokens in it."""
    settings = load(environ)
    host, port, shop_port = HOST.read(environ), PORT.read(environ), SHOP_PORT.read(environ)
    for other in (SHOP_LATENCY_MS, *SERVER_SETTINGS):
        other.read(environ)
    data = prepare_data(settings.data)
    own_redis = not environ.get(REDIS_URL.name, "").strip()
    redis_url = valkey.url(data) if own_redis else settings.redis_url
    admin_token = ADMIN_TOKEN.read(environ) or kept(data / "admin-token", lambda: f"st_{secrets.token_urlsafe(24)}")
    shop_token = environ.get(SHOP_TOKEN_VARIABLE) or kept(data / "shop-token", lambda: secrets.token_urlsafe(24))
    files = settings.files.resolve() if environ.get(FILES.name, "").strip() else data / "files"
    for_processes = {
        RELOAD.name: "1",
        **environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        HOST.name: host,
        PORT.name: str(port),
        SHOP_PORT.name: str(shop_port),
        REDIS_URL.name: redis_url,
        DATA.name: str(data),
        FILES.name: str(files),
        ADMIN_TOKEN.name: admin_token,
        SHOP_TOKEN_VARIABLE: shop_token,
    }
    return Plan(data, host, port, shop_port, redis_url, own_redis, admin_token, for_processes)


def check(plan: Plan) -> None:
    """Check everything that can be known before something is started."""
    if plan.port == plan.shop_port:
        raise StartFailed(
            f"PORT and SHOP_PORT are both {plan.port}. Choose another: PORT={plan.port % HIGHEST_PORT + 1} make run"
        )
    check_port(plan.host, plan.port, PORT.name)
    check_port("127.0.0.1", plan.shop_port, SHOP_PORT.name)
    if plan.own_redis:
        valkey.refuse_if_running(plan.data)
    else:
        with connect(plan.redis_url) as client:
            wait_until_ready(client, plan.redis_url, seconds=REDIS_CHECK_SECONDS)


def run(plan: Plan, asked_to_leave: list[int]) -> None:
    """Raises `Left` after Ctrl-C, and `StartFailed` if a process exits by itself."""
    processes = Processes()

    def pause() -> None:
        """Wait a moment, while there is reason to go on."""
        if asked_to_leave:
            print("\nStopping …", flush=True)
            raise Left
        if ended := processes.first_ended():
            raise StartFailed(f"{ended}, so everything was stopped. Its last lines above give the reason.")
        time.sleep(0.1)

    try:
        database = warehouse.prepare(plan.data)
        pause()
        processes.start(["redis"] * plan.own_redis + ["shop", "web", "worker", "worker2", "clock"], plan.environ)
        wait_for("Redis", lambda: redis_answers(plan.redis_url), pause)
        with connect(plan.redis_url) as client:  # closed again: the embedded server waits for its last client
            shop_url = f"http://127.0.0.1:{plan.shop_port}"
            services = demo_services(shop_url=shop_url, warehouse=database)
            if not store_if_none(client, services):
                readdress(client, services, shop_url=shop_url)
        wait_for("the web process", lambda: web_is_ready(plan), pause)
        print(banner(plan), flush=True)
        while True:
            pause()
    finally:
        processes.stop()


def wait_for(what: str, condition: Callable[[], bool], pause: Callable[[], None]) -> None:
    print(f"Waiting for {what} …", flush=True)
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise StartFailed(f"{what} did not start within {READY_SECONDS:.0f} seconds. The lines above may say why.")
        pause()


def redis_answers(url: str) -> bool:
    with connect(url) as client, suppress(RedisOutOfReach):
        wait_until_ready(client, url, seconds=0)
        return True
    return False


def web_is_ready(plan: Plan) -> bool:
    connection = http.client.HTTPConnection(ANY_HOST.get(plan.host, plan.host), plan.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def banner(plan: Plan) -> str:
    host, rule = ANY_HOST.get(plan.host, plan.host), "─" * 78
    address = f"http://{f'[{host}]' if ':' in host else host}:{plan.port}/sign-in#{plan.admin_token}"
    return f"\n{rule}\n  Synctail is running. Sign in here:\n\n      {address}\n\n  Ctrl-C stops everything.\n{rule}\n"


def check_port(host: str, port: int, variable: str) -> None:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family).close()
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        if number in (None, errno.EADDRNOTAVAIL):
            raise StartFailed(f"{HOST.name}: got {host!r}, which is not an address of this machine.") from None
        other = f"choose another: {variable}={port % HIGHEST_PORT + 1} make run"
        if number == errno.EADDRINUSE:
            raise StartFailed(f"Port {port} is in use. Stop what uses it, or {other}") from None
        raise StartFailed(f"Port {port} cannot be used: {os.strerror(number)}. You can {other}") from None


def prepare_data(data: Path) -> Path:
    """The data folder as an absolute path, accessible to its owner only."""
    data = data.resolve()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if data.stat().st_mode & 0o022:
            # It may be a shared folder such as /tmp, so we do not change its mode.
            raise StartFailed(f"{DATA.name}: others can write to {data}. Choose another folder, or: chmod 700 {data}")
        data.chmod(0o700)
    except OSError as error:
        raise StartFailed(f"{DATA.name}: {data} cannot be used as a folder: {error.strerror}") from None
    return data


if __name__ == "__main__":
    sys.exit(main(os.environ))
