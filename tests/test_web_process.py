"""The web process: how it starts, how it says that it cannot, and how it lives without Redis."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from demo import valkey
from server.__main__ import main
from tests.following import BEARER
from tests.support import ROOT, Process, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator


def starting(environ: dict[str, str], **more: str) -> subprocess.Popen[str]:
    """`python -m server`, which is expected to end by itself."""
    ours = ("REDIS_URL", "SYNCTAIL_", "HOST", "PORT")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.Popen(
        [sys.executable, "-m", "server"],
        cwd=ROOT,
        env={**outside, **environ, "PORT": str(free_port()), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def one_line(process: subprocess.Popen[str]) -> str:
    """What a start that failed had to say: one line, and the exit code 1."""
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    [line] = output.splitlines()
    return line


@pytest.fixture(scope="module")
def out_of_reach(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Started before the other tests, because it tries for ten seconds."""
    with starting(environ, REDIS_URL=f"redis://ana:hunter2@127.0.0.1:{free_port()}/3") as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("out_of_reach")
def test_a_port_in_use_is_said_in_one_line(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with starting(environ, PORT=port) as process:
            line = one_line(process)
    assert port in line
    assert "PORT" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("HOST", "not-a-host.invalid"),
        ("HOST", "x" * 70),
        ("REDIS_URL", "http://127.0.0.1"),
        ("SYNCTAIL_RETENTION", "tomorrow"),
        ("SYNCTAIL_ADMIN_TOKEN", "short"),
        ("SYNCTAIL_SESSION_KEY", "has a space in it, see"),
        ("SYNCTAIL_ALLOWED_ORIGINS", "ops.example.com"),
        ("SYNCTAIL_ALLOWED_ORIGINS", "https://ops.example.com/path"),
        ("SYNCTAIL_DATA", "/proc/nowhere"),
    ],
)
def test_a_wrong_setting_is_said_in_one_line_that_names_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for known, given in {**environ, "PORT": str(free_port()), name: value}.items():
        monkeypatch.setenv(known, given)
    with pytest.raises(SystemExit) as ended:
        main()
    line = str(ended.value.code)  # what Python prints, and then exits with 1
    assert name in line
    assert "\n" not in line


def test_it_listens_on_this_machine_only(web_process: Process, environ: dict[str, str]) -> None:
    """Read from the kernel's own tables, for the sockets of that very process."""
    fds = Path(f"/proc/{web_process.process.pid}/fd")
    links = [str(link.readlink()) for link in fds.iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    listening = []
    for table in ("tcp", "tcp6"):
        rows = [row.split() for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        listening += [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
    assert listening == [f"0100007F:{int(environ['PORT']):04X}"]


def test_without_redis_it_lives_says_so_and_comes_back(environ: dict[str, str], tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    try:
        own = {**environ, "REDIS_URL": server.url, "PORT": str(free_port())}
        with (
            Process("server", own, ready="Synctail listens") as process,
            httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}", timeout=15) as http,
        ):
            until(lambda: http.get("/readyz").status_code == 200, "it is ready")
            server.stop()
            assert http.get("/healthz").json() == {"status": "ok"}
            for path in ("/readyz", "/api/services", "/services"):
                answer = http.get(path, headers=BEARER)
                assert answer.status_code == 503
                assert answer.headers["content-type"] == "application/problem+json"
                assert "Redis" in answer.json()["title"]
                assert int(answer.headers["retry-after"]) > 0
            page = http.get("/services", headers={**BEARER, "Accept": "text/html"})
            assert page.status_code == 503
            assert "Redis" in page.text
            assert http.get("/sign-in").status_code == 200
            assert http.post("/sign-in", data={"token": "st_any"}).status_code == 503
            server = valkey.start(tmp_path)
            until(lambda: http.get("/readyz").status_code == 200, "it is ready again")
            assert http.get("/api/services", headers=BEARER).status_code == 200
            assert "Traceback" not in process.output
            assert process.stop() in (0, -15)
    finally:
        server.stop()


def test_a_redis_out_of_reach_is_said_in_one_line_without_its_password(out_of_reach: subprocess.Popen[str]) -> None:
    line = one_line(out_of_reach)
    assert "127.0.0.1" in line
    assert "REDIS_URL" in line
    assert "hunter2" not in line
