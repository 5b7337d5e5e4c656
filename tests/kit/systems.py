"""Systems that tests sync with: private PostgreSQL and OpenSSH servers, started for the first test that needs one.

The machine's own services are not touched. Everything is in a temporary folder and ends with the session.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from jobs.services.model import Secret, SftpDestination, SftpSource
from tests.kit.support import free_port, until

DATABASE_PASSWORD = "the-password-of-the-database"


def _program(name: str, *folders: str) -> str:
    places = [str(path.parent) for folder in folders for path in sorted(Path("/").glob(f"{folder}/{name}"))]
    found = shutil.which(name, path=os.pathsep.join([*reversed(places), os.environ.get("PATH", "")]))
    assert found, f"{name} is missing; tests/install-systems.sh installs it"
    return found


def _user() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    names = [name for name in ("postgres", "nobody") if _known(name)]
    return {"user": names[0], "group": pwd.getpwnam(names[0]).pw_gid, "extra_groups": []}


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


class Postgres(NamedTuple):
    folder: Path

    @property
    def url(self) -> str:
        """The address of a user without a password."""
        return self.address("postgres")

    def address(self, user: str) -> str:
        """`guarded` needs `DATABASE_PASSWORD`."""
        return f"postgresql+psycopg://{user}@/postgres?host={self.folder}"

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last statement, where it has some."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            for statement in statements:
                rows = connection.execute(statement)
            return rows.fetchall() if rows.description else []


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    as_user = _user()
    bin_folder = "usr/lib/postgresql/*/bin"
    # Short: a socket's path has 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        if as_user:
            shutil.chown(folder, as_user["user"])
        data = folder / "data"
        options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]
        made = subprocess.run(
            [_program("initdb", bin_folder), "-D", str(data), *options],
            capture_output=True,
            cwd=folder,
            check=False,
            **as_user,
        )
        assert made.returncode == 0, made.stderr.decode()
        (data / "pg_hba.conf").write_text("local all guarded scram-sha-256\nlocal all all trust\n")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "20",
            "autovacuum": "off",
        }
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [_program("postgres", bin_folder), "-D", str(data), *(f"--{k}={v}" for k, v in settings.items())],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=folder,
                **as_user,
            )
        server = Postgres(folder)
        until(lambda: _answers(server, process), "PostgreSQL answers")
        server.run(f"CREATE ROLE guarded LOGIN PASSWORD '{DATABASE_PASSWORD}'")
        yield server
    finally:
        if process:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(server: Postgres, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (server.folder / "log").read_text()
    try:
        return bool(server.run("SELECT true"))
    except psycopg.OperationalError:
        return False


@pytest.fixture(scope="session")
def postgres_session() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres(postgres_session: Postgres) -> Postgres:
    """An empty database of a real PostgreSQL."""
    postgres_session.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT ALL ON SCHEMA public TO PUBLIC")
    return postgres_session


# --- OpenSSH ------------------------------------------------------------------------------------------------------


class SftpServer(NamedTuple):
    """`files` is an empty folder. The user is the one that runs the tests, with the key `SFTP_KEY` in `secrets`."""

    port: int
    host_key: str
    secrets: dict[str, str]
    files: Path
    process: subprocess.Popen[bytes]

    def source(self, path: str, **more: Any) -> SftpSource:
        """`path` below `files`."""
        return SftpSource(path=str(self.files / path), **{**self._sign_in(), **more})

    def destination(self, path: str, **more: Any) -> SftpDestination:
        return SftpDestination(path=str(self.files / path), **{**self._sign_in(), **more})

    def drop(self) -> None:
        """End all connections, but not the server."""
        for pid in _descendants(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _sign_in(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "host_key": self.host_key,
            "private_key": Secret("SFTP_KEY"),
        }


def _descendants(pid: int) -> list[int]:
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(one for child in children for one in _descendants(child))]


_SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp
"""


@contextmanager
def sftp_server() -> Iterator[SftpServer]:
    folder = Path(tempfile.mkdtemp(prefix="sshd-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        for name in ("host", "user"):
            subprocess.run(
                [_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)],
                check=True,
            )
        port = free_port()
        (folder / "config").write_text(_SSHD.format(port=port, folder=folder))
        if os.geteuid() == 0:  # an empty folder that sshd needs
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [_program("sshd", "usr/sbin"), "-D", "-e", "-f", str(folder / "config")],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        files = folder / "files"
        files.mkdir()
        secrets = {"SFTP_KEY": (folder / "user").read_text()}
        server = SftpServer(port, (folder / "host.pub").read_text().strip(), secrets, files, process)
        until(lambda: _listens(server, folder), "sshd listens")
        yield server
    finally:
        if process:
            process.terminate()
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(server: SftpServer, folder: Path) -> bool:
    assert server.process.poll() is None, (folder / "log").read_text()
    return "Server listening" in (folder / "log").read_text()


@pytest.fixture(scope="session")
def sftp_session() -> Iterator[SftpServer]:
    with sftp_server() as server:
        yield server


@pytest.fixture
def sftp(sftp_session: SftpServer) -> SftpServer:
    """A real OpenSSH server, with an empty folder."""
    shutil.rmtree(sftp_session.files)
    sftp_session.files.mkdir()
    return sftp_session
