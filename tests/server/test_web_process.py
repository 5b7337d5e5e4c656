"""The web process: how it starts, how it says that it cannot, and how it lives without Redis."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx2
import pytest

from demo import valkey
from server.__main__ import main
from synctail.connect import RedisOutOfReach, connect, wait_until_ready
from tests.kit.following import BEARER
from tests.kit.support import PATIENCE_S, ROOT, Process, free_port, until


def last_words(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> str:
    """The one line with which a start in such an environment ends."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    line = ended.value.code  # a text: Python prints it, and exits with 1
    assert isinstance(line, str)
    assert "\n" not in line
    return line


@pytest.mark.slow
def test_a_port_in_use_is_said_in_one_line(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = subprocess.run(
            [sys.executable, "-m", "server"],
            cwd=ROOT,
            env={**os.environ, **environ, "PORT": port},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert process.returncode == 1
    assert not process.stdout
    [line] = process.stderr.splitlines()
    assert line == f"Cannot listen on port {port} of 127.0.0.1: Address already in use. Set PORT or HOST to another."


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
        ("FORWARDED_ALLOW_IPS", "proxy.example.com"),
        ("FORWARDED_ALLOW_IPS", "*, 10.0.0.1"),
    ],
)
def test_a_wrong_setting_is_said_in_one_line_that_names_it(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert name in last_words(monkeypatch, {**environ, "PORT": str(free_port()), name: value})


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PORT", "eighty", "PORT: got 'eighty'; takes a number from 1 to 65535"),
        ("PORT", "8_000", "PORT: got '8_000'; takes a number from 1 to 65535"),
        (
            "SYNCTAIL_ADMIN_TOKEN",
            "hunter2",
            "SYNCTAIL_ADMIN_TOKEN: got a value of 7 characters; takes at least 16 ASCII characters without spaces",
        ),
        (
            "SYNCTAIL_SESSION_KEY",
            "has a space in it, see",
            "SYNCTAIL_SESSION_KEY: got a value of 22 characters; takes at least 16 ASCII characters without spaces",
        ),
    ],
    ids=["a word", "almost a number", "a token", "a key"],
)
def test_the_line_says_what_is_taken_and_repeats_no_secret(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    assert last_words(monkeypatch, {**environ, name: value}) == line


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


@pytest.mark.slow
def test_without_redis_it_lives_says_so_and_comes_back(environ: dict[str, str], tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    try:
        own = {**environ, "REDIS_URL": server.url, "PORT": str(free_port())}
        with (
            Process("server", own, ready="Synctail listens") as process,
            httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}", timeout=PATIENCE_S) as http,
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


def test_waiting_for_redis_is_said(caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://ana:hunter2@127.0.0.1:{free_port()}/3"
    with connect(url) as client, pytest.raises(RedisOutOfReach):
        wait_until_ready(client, url, seconds=0.2, say_after_s=0)
    [said] = caplog.messages
    assert re.fullmatch(r"Waiting for Redis at redis://127\.0\.0\.1:[0-9]+/3, up to 0 s", said)


def test_a_redis_out_of_reach_is_said_in_one_line_without_its_password(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.__main__.wait_until_ready", partial(wait_until_ready, seconds=0.2))
    address = f"127.0.0.1:{free_port()}/3"
    with socket.create_server(("127.0.0.1", 0)) as bound:
        monkeypatch.setattr("server.__main__.listen", lambda *_: bound)
        line = last_words(monkeypatch, {**environ, "REDIS_URL": f"redis://ana:hunter2@{address}"})
    assert address in line
    assert "REDIS_URL" in line
    assert "hunter2" not in line
    assert ".." not in line
