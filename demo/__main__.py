"""`make run`, once the environment is installed: checks, starts everything, prints the sign-in link, stops everything.

Every failure is one line that says what to do. The launcher configures its processes only through the environment, and
never overrides a setting it was given.
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
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from demo import valkey, warehouse
from demo.processes import Processes
from demo.services import demo_services, readdress, store_if_none
from demo.settings import SHOP_LATENCY_MS, SHOP_PORT, SHOP_TOKEN_VARIABLE
from demo.valkey import ValkeyFailed
from server.settings import ADMIN_TOKEN, HIGHEST_PORT, HOST, PORT, RELOAD
from server.settings import SETTINGS as SERVER_SETTINGS
from synctail.connect import RedisOutOfReach, connect, wait_until_ready
from synctail.settings import DATA, FILES, REDIS_URL, SettingsError, load

PROCFILE = Path(__file__).resolve().parent.parent / "Procfile.dev"
REDIS_CHECK_SECONDS = 3.0
REDIS_READY_SECONDS = 30.0
WEB_READY_SECONDS = 30.0
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what a browser opens instead


class StartFailed(Exception):
    """One line for the person who ran `make run`."""


class Left(Exception):
    """Someone pressed Ctrl-C."""


class Signals:
    """Counts stop signals. A counter, not an exception, which could arrive in the middle of a start."""

    def __init__(self) -> None:
        self.requests = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.requests += 1


@dataclass(frozen=True)
class Plan:
    """The processes to start, and their environment."""

    data: Path
    host: str
    port: int
    shop_port: int
    redis_url: str
    own_redis: bool
    admin_token: str
    environ: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        return [*(["redis"] if self.own_redis else []), "shop", "web", "worker", "worker2", "clock"]

    @property
    def address(self) -> str:
        host = ANY_HOST.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def main(environ: Mapping[str, str]) -> int:
    signals = Signals()
    try:
        plan = make_plan(environ)
        check(plan)
        run(plan, signals)
    except Left:
        print("Everything has stopped.", flush=True)
        return 0
    except (SettingsError, StartFailed, ValkeyFailed, RedisOutOfReach) as error:
        print(error, file=sys.stderr, flush=True)
    return 1


def make_plan(environ: Mapping[str, str]) -> Plan:
    """Reads every setting first; then creates the data folder and the tokens in it."""
    settings = load(environ)
    host, port, shop_port = HOST.read(environ), PORT.read(environ), SHOP_PORT.read(environ)
    for other in (SHOP_LATENCY_MS, *SERVER_SETTINGS):
        other.read(environ)
    data = prepare_data(settings.data)
    own_redis = not environ.get(REDIS_URL.name, "").strip()
    redis_url = valkey.url(data) if own_redis else settings.redis_url
    admin_token = ADMIN_TOKEN.read(environ) or kept(data / "admin-token", lambda: f"st_{_random()}")
    files = settings.files.resolve() if environ.get(FILES.name, "").strip() else data / "files"
    return Plan(
        data=data,
        host=host,
        port=port,
        shop_port=shop_port,
        redis_url=redis_url,
        own_redis=own_redis,
        admin_token=admin_token,
        environ={
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
            SHOP_TOKEN_VARIABLE: environ.get(SHOP_TOKEN_VARIABLE) or kept(data / "shop-token", _random),
        },
    )


def check(plan: Plan) -> None:
    """Checks everything that can be checked before the start."""
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


def run(plan: Plan, signals: Signals) -> None:
    """Raises `Left` after Ctrl-C, and `StartFailed` if a process exits by itself."""
    database = warehouse.prepare(plan.data)
    if signals.requests:
        raise Left
    processes = Processes(PROCFILE, plan.names, plan.environ)
    try:
        go_on = Watch(processes, signals)
        wait_for("Redis", lambda: redis_answers(plan.redis_url), REDIS_READY_SECONDS, go_on)
        with connect(plan.redis_url) as client:  # closed again: Valkey waits for its last client
            shop_url = f"http://127.0.0.1:{plan.shop_port}"
            services = demo_services(shop_url=shop_url, warehouse=database)
            if not store_if_none(client, services):
                readdress(client, services, shop_url=shop_url)
        wait_for("the web process", lambda: web_is_ready(plan), WEB_READY_SECONDS, go_on)
        print(banner(plan), flush=True)
        while True:
            go_on.pause()
    finally:
        processes.stop()


class Watch:
    """Pauses briefly, again and again, until Ctrl-C or until a process exits."""

    def __init__(self, processes: Processes, signals: Signals) -> None:
        self._processes = processes
        self._signals = signals

    def pause(self) -> None:
        if self._signals.requests:
            print("\nStopping …", flush=True)
            raise Left
        if not self._processes.running:
            ended = self._processes.first_ended or "The process runner ended"
            raise StartFailed(f"{ended}, so everything was stopped. Its last lines above give the reason.")
        time.sleep(0.1)


def wait_for(what: str, condition: Callable[[], bool], seconds: float, go_on: Watch) -> None:
    print(f"Waiting for {what} …", flush=True)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StartFailed(f"Gave up waiting for {what} after {seconds:.0f} seconds. The lines above may say why.")
        go_on.pause()


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
    lines = ("Synctail is running. Sign in here:", "", f"    {plan.address}/sign-in#{plan.admin_token}", "")
    rule = "─" * 78
    return "\n".join(("", rule, *(f"  {line}".rstrip() for line in (*lines, "Ctrl-C stops everything.")), rule, ""))


def check_port(host: str, port: int, variable: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (socket.gaierror, UnicodeError):
        raise StartFailed(f"{HOST.name}: got {host!r}, which is not an address of this machine.") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise StartFailed(f"{HOST.name}: got {host!r}, which is not an address of this machine.") from None
        other = f"choose another: {variable}={port % HIGHEST_PORT + 1} make run"
        if error.errno == errno.EADDRINUSE:
            raise StartFailed(f"Port {port} is in use. Stop what uses it, or {other}") from None
        raise StartFailed(f"Port {port} cannot be used: {error.strerror}. You can {other}") from None


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


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text in the file; the first start creates it, readable by its owner only."""
    with suppress(FileNotFoundError):
        if text := path.read_text(encoding="utf-8").strip():
            return text
    text = make()
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    unfinished.replace(path)
    return text


def _random() -> str:
    return secrets.token_urlsafe(24)


if __name__ == "__main__":
    sys.exit(main(os.environ))
