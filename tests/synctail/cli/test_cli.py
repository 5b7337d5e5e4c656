"""The command `synctail`, against a real server: what it shows, how it ends, and that nothing acts on a terminal."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import redis
from click.testing import CliRunner, Result

from jobs.queue.requests import Requests
from jobs.services.model import RunOptions, decode_service
from jobs.services.toml import write_services
from jobs.transform.model import Filter
from server.access.auth import token_hash
from synctail.cli import show
from synctail.cli.__main__ import synctail
from synctail.cli.client import Client
from synctail.cli.follow import Follower
from synctail.cli.settings import Target, find
from synctail.cli.show import Trouble
from synctail.model import keys
from synctail.model.sync import Status, Stored, Trigger
from tests.kit.following import Logs
from tests.kit.support import ADMIN_TOKEN, ROOT, service, store

HOSTILE = "\x1b]8;;http://evil\x1b\\ red \x1b[31m \x9b31m \u202e turned"


@pytest.fixture
def invoke(web: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a sub-command as an administrator of the server of the tests."""
    monkeypatch.setenv("SYNCTAIL_URL", str(web.base_url))
    monkeypatch.setenv("SYNCTAIL_TOKEN", ADMIN_TOKEN)

    def run(*arguments: str, **more: Any) -> Result:
        return CliRunner().invoke(synctail, arguments, **more)

    return run


def acts_on_a_terminal(text: str) -> bool:
    return any(not (one.isprintable() or one in "\n\t") for one in text)


# --- services ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_services_are_applied_listed_shown_exported_and_removed(
    invoke: Callable[..., Result], client: redis.Redis, tmp_path: Path
) -> None:
    file = tmp_path / "services.toml"
    file.write_text(write_services([service("a", name=HOSTILE), service("b")]))
    dry = invoke("services", "apply", "--dry-run", str(file))
    assert (dry.exit_code, client.hlen(keys.SERVICES)) == (0, 0)
    assert "a: would be created" in dry.output
    assert '+id = "a"' in dry.output
    assert invoke("services", "apply", str(file)).output == "a: created\nb: created\n"
    changed = write_services([service("b", notes="new")])
    again = invoke("services", "apply", "--dry-run", "-", input=changed)
    assert '+notes = "new"' in again.output
    assert "  -" not in again.output.replace("--- now", "")
    listed = invoke("services", "list")
    assert listed.output.splitlines()[0].split() == ["SERVICE", "NAME", "ACTIVE", "SCHEDULE", "LAST", "SYNC", "STATUS"]
    assert not acts_on_a_terminal(listed.output)
    assert 'id = "b"' in invoke("services", "show", "b").output
    exported = invoke("services", "export").stdout_bytes
    assert exported == write_services([service("a", name=HOSTILE), service("b")]).encode()
    assert json.loads(invoke("services", "list", "--json").output)[0]["id"] in "ab"
    assert invoke("services", "remove", "b", input="n\n").exit_code == 1
    assert client.hexists(keys.SERVICES, "b")
    assert invoke("services", "remove", "b", "--yes").exit_code == 0
    assert not client.hexists(keys.SERVICES, "b")


def test_what_is_exported_is_applied_as_the_same(
    invoke: Callable[..., Result], client: redis.Redis, tmp_path: Path
) -> None:
    one = service(filters=[Filter("x", "in", [None, "5", 5])], lookups={"t": {"a": None}})
    store(client, one)
    target = tmp_path / "out.toml"
    assert invoke("services", "export", "orders", "-o", str(target)).exit_code == 0
    client.delete(keys.SERVICES)
    assert invoke("services", "apply", str(target)).output == "orders: created\n"
    stored = client.hget(keys.SERVICES, "orders")
    assert isinstance(stored, bytes)
    assert decode_service("orders", stored) == one


def test_every_fault_of_a_file_is_a_line_of_its_own(invoke: Callable[..., Result]) -> None:
    wrong = 'id = "Not One"\nname = "x"\nwhat = 1\n[source]\nkind = "htp"\n'
    answer = invoke("services", "apply", "-", input=wrong)
    assert answer.exit_code == 2
    lines = answer.stderr.splitlines()
    assert lines[0] == "synctail: Invalid definition."
    assert {line.split(":")[0].strip() for line in lines[1:]} == {"id", "what", "source.kind", "destination"}
    assert invoke("services", "apply", "/nowhere/x.toml").exit_code == 2


# --- syncs ------------------------------------------------------------------------------------------------------------


def test_a_sync_is_started_otherwise(invoke: Callable[..., Result], client: redis.Redis) -> None:
    store(client, service())
    answer = invoke("run", "orders", "--filter", "total >= 10", "--page-size", "7", "--store", "pull,push")
    assert answer.exit_code == 0, answer.output
    run = client.get(keys.run(answer.output.strip()))
    assert isinstance(run, bytes)
    wanted = RunOptions(filters=[Filter("total", ">=", 10)], page_size=7, store=Stored(pull=True, push=True))
    assert json.loads(run) == json.loads(msgspec.json.encode(wanted))
    assert invoke("run", "orders", "--filter", "total").exit_code == 2
    assert "takes pull, script, push" in invoke("run", "orders", "--store", "everything").stderr
    assert "is not JMESPath" in invoke("run", "orders", "--filter", "a( = 1").stderr


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.COMPLETED, 0), (Status.COMPLETED_WITH_ERRORS, 3), (Status.FAILED, 1), (Status.STOPPED, 4)],
)
def test_a_log_is_followed_to_its_end_and_the_exit_code_tells_how_it_ended(
    invoke: Callable[..., Result], logs: Logs, status: Status, code: int
) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.info("one")
        story.warning(HOSTILE)
        story.info("two\nlines")
        logs.end(story, status)
    answer = invoke("tail", sync_id)
    assert answer.exit_code == code
    assert [line.split()[-1] for line in answer.stdout.splitlines()] == ["one", "turned", "two", "lines", "end"]
    assert not acts_on_a_terminal(answer.output)
    assert "\\x1b[31m" in answer.stdout
    assert "4 lines." in answer.stderr
    lines = [json.loads(line) for line in invoke("tail", sync_id, "--ndjson", "--after", "1").stdout.splitlines()]
    assert [line["n"] for line in lines] == [2, 3, 4]
    assert lines[0]["text"] == HOSTILE, "JSON says it exactly"
    assert not acts_on_a_terminal(invoke("tail", sync_id, "--ndjson").stdout)


def test_a_part_of_an_id_is_enough_where_it_fits_one(invoke: Callable[..., Result], logs: Logs) -> None:
    first, _ = logs.written(2), logs.written(2)
    assert invoke("tail", f"…{first[-8:].lower()}").exit_code == 0
    several = invoke("tail", first[:4])
    assert several.exit_code == 2
    assert "Several syncs" in several.stderr
    assert "No sync has" in invoke("tail", "ZZZZZZ").stderr
    assert "not a sync id" in invoke("stop", "../x").stderr


def test_syncs_are_listed_stopped_and_tried_again(
    invoke: Callable[..., Result], client: redis.Redis, requests: Requests
) -> None:
    store(client, service())
    sync = requests.start(service(), Trigger.MANUAL)
    assert [one["id"] for one in json.loads(invoke("syncs", "--json", "--status", "queued").output)] == [sync.id]
    assert "queued" in invoke("syncs", "--service", "orders").output
    assert "takes one of" in invoke("syncs", "--status", "odd").stderr
    assert invoke("stop", sync.id).output == f"Asked {sync.id} to stop. It is stopped.\n"
    assert invoke("stop", sync.id).exit_code == 2
    again = invoke("retry", sync.id)
    assert again.exit_code == 0, again.stderr
    assert client.hget(keys.summary(again.output.strip()), "retry_of") == sync.id.encode()
    assert "No record of this sync failed" in invoke("retry", sync.id, "--only", "failed").stderr


def test_all_payloads_are_listed_however_many_there_are(
    invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [{"n": n, "kind": "pull", "name": f"page {n}", "bytes": 5} for n in range(1, 6)]

    def get(_: Client, path: str, after: int, limit: int) -> list[dict[str, object]]:
        assert path.endswith("/payloads")
        return kept[after : after + limit]

    monkeypatch.setattr(Client, "get", get)
    for limit in (2, 5, 9):
        monkeypatch.setattr("synctail.cli.syncs.LISTED", limit)
        assert "page 5" in invoke("payloads", "0" * 26).output


# --- following through bad times --------------------------------------------------------------------------------------


class Doorway:
    """A way to the server that lets through so many bytes, and is cut then; it `refuses` websockets if told to."""

    def __init__(self, port: int, *, bytes_each: int, refuses: bool = False) -> None:
        self._port = port
        self._bytes_each = bytes_each
        self._refuses = refuses
        self._bound = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._bound.getsockname()[1]}"
        self.cuts = 0
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while self._open:
                near, _ = self._bound.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as far:
            asked = near.recv(65536)
            if b"Upgrade: websocket" in asked and self._refuses:
                near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            far.sendall(asked)
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
            # More each time: a single frame may be larger than what came through before.
            left = self._bytes_each * (self.cuts + 1) if b"Upgrade: websocket" in asked else 2**40
            while left > 0 and (said := far.recv(min(left, 65536))):
                near.sendall(said)
                left -= len(said)
            self.cuts += left <= 0
            for one in (near, far):  # closing alone would wait for the thread that reads
                one.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while said := near.recv(65536):
                far.sendall(said)

    def close(self) -> None:
        self._open = False
        self._bound.close()


@contextmanager
def doorway(web: httpx2.Client, **how: Any) -> Iterator[Doorway]:
    door = Doorway(int(web.base_url.port or 0), **how)
    try:
        yield door
    finally:
        door.close()


def followed(url: str, sync_id: str, after: int = 0) -> list[int]:
    connected = Client(Target(url, ADMIN_TOKEN, "the test"))
    try:
        frames = list(Follower(connected, sync_id, after, sleep=lambda _seconds: None).frames())
    finally:
        connected.close()
    assert frames[-1]["type"] == "end"
    return [line["n"] for frame in frames if frame["type"] == "lines" for line in frame["lines"]]


def test_a_connection_that_is_cut_again_and_again_costs_no_line_and_doubles_none(
    web: httpx2.Client, logs: Logs, capsys: pytest.CaptureFixture[str]
) -> None:
    sync_id = logs.written(2000, size=100)
    with doorway(web, bytes_each=50_000) as door:
        assert followed(door.url, sync_id) == list(range(1, 2001))
        assert door.cuts >= 2
    assert "continuing after line" in capsys.readouterr().err


def test_where_no_websocket_can_be_had_it_is_polled(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(50)
    with doorway(web, bytes_each=0, refuses=True) as door:
        assert followed(door.url, sync_id, after=10) == list(range(11, 51))


def test_a_token_that_is_revoked_ends_it_with_a_sentence(web: httpx2.Client, logs: Logs, client: redis.Redis) -> None:
    client.hset(keys.token(token_hash("st_short-lived")), mapping={"name": "x", "role": "viewer"})
    sync_id = logs.written(2)

    class Revoked(Client):
        """Is taken away its token as soon as it has found the sync."""

        def get(self, path: str, **params: Any) -> Any:
            found = super().get(path, **params)
            client.delete(keys.token(token_hash("st_short-lived")))
            return found

    connected = Revoked(Target(str(web.base_url), "st_short-lived", "the test"))
    with pytest.raises(Trouble, match="closed the log"):
        list(Follower(connected, sync_id).frames())
    connected.close()


# --- tokens, the doctor, and what is refused --------------------------------------------------------------------------


def test_a_token_is_made_listed_and_removed(invoke: Callable[..., Result], client: redis.Redis) -> None:
    made = invoke("token", "create", "--name", "grafana", "--expires", "1h")
    token = made.stdout.strip()
    assert client.exists(keys.token(token_hash(token)))
    assert "shown this once" in made.stderr
    assert "grafana" in invoke("token", "list").output
    assert token not in invoke("token", "list", "--json").output
    assert invoke("token", "remove", "grafana").exit_code == 0
    assert invoke("token", "remove", "grafana").exit_code == 2
    assert "expires: takes a duration" in invoke("token", "create", "--name", "x", "--expires", "soon").stderr


def test_the_doctor_finds_what_is_well(invoke: Callable[..., Result]) -> None:
    answer = invoke("doctor")
    assert answer.exit_code == 0, answer.output
    assert [line.split()[:2] for line in answer.output.splitlines()] == [
        ["✓", one] for one in ("server", "redis", "token", "workers", "websocket")
    ]


def test_the_doctor_says_what_to_do(invoke: Callable[..., Result], client: redis.Redis, requests: Requests) -> None:
    sync = requests.start(service(), Trigger.MANUAL)
    client.hset(keys.summary(sync.id), "queued_at", "2026-01-01T00:00:00.000Z")
    waiting = invoke("doctor")
    assert waiting.exit_code == 1
    assert "Start python -m jobs.worker" in waiting.output
    nobody = invoke("doctor", env={"SYNCTAIL_TOKEN": "st_unknown"})
    assert nobody.exit_code == 1
    assert "is unknown" in nobody.output
    nowhere = invoke("doctor", env={"SYNCTAIL_URL": "http://127.0.0.1:1"})
    assert nowhere.exit_code == 1
    assert "make run" in nowhere.output


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [("maxmemory", "100kb", "full"), ("maxmemory-policy", "allkeys-lru", "noeviction")],
)
def test_the_doctor_says_what_is_wrong_with_redis(
    invoke: Callable[..., Result], client: redis.Redis, option: str, value: str, says: str
) -> None:
    client.config_set("maxmemory", "1gb")
    client.config_set(option, value)
    try:
        answer = invoke("doctor")
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)
    assert answer.exit_code == 1
    assert re.search(rf"✕ redis .*{says}", answer.output), answer.output
    assert "✓ token" in answer.output, "what can still be seen is looked at"


def test_what_the_api_refuses_is_one_sentence_and_exit_code_2(invoke: Callable[..., Result]) -> None:
    for arguments, says in (
        (("run", "ghost"), "There is no service 'ghost'"),
        (("tail", "0" * 26), "only for a limited time"),
        (("services", "show", "../x"), "no service"),
    ):
        answer = invoke(*arguments)
        assert answer.exit_code == 2, answer.output
        assert answer.stdout == ""
        assert len(answer.stderr.splitlines()) == 1
        assert says in answer.stderr or "kept for a limited time" in answer.stderr
    unknown = invoke("syncs", env={"SYNCTAIL_TOKEN": ""})
    assert (unknown.exit_code, "No token" in unknown.stderr or "is unknown" in unknown.stderr) == (2, True)


def test_the_token_of_this_machine_is_sent_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("st_of-this-machine\n")
    here = {"SYNCTAIL_DATA": str(tmp_path)}
    assert find(here).token == "st_of-this-machine"
    assert find({**here, "SYNCTAIL_URL": "https://elsewhere.example"}).token == ""
    assert find({**here, "SYNCTAIL_TOKEN": "st_other"}).token == "st_other"
    for wrong in ("ftp://x", "localhost:8000", "http://", "http://x:port"):
        with pytest.raises(Trouble, match="takes an address"):
            find({"SYNCTAIL_URL": wrong})
    with pytest.raises(Trouble, match="without spaces"):
        find({"SYNCTAIL_TOKEN": "two words"})


def test_colours_are_only_for_a_terminal_and_text_is_made_safe() -> None:
    assert show.safe(HOSTILE).isprintable()
    assert "\x9b" not in show.as_json({"text": HOSTILE})
    assert json.loads(show.as_json({"text": HOSTILE})) == {"text": HOSTILE}
    assert show.log_line({"text": "\ud800", "time": "t", "level": "info"}).isprintable()


def test_it_runs_by_its_name_from_any_folder(web: httpx2.Client, tmp_path: Path) -> None:
    """As `make` puts it there; where the project is has a space in its name."""
    project, elsewhere = tmp_path / "the project", tmp_path / "elsewhere"
    for folder in (project / ".venv/bin", project / ".tools", elsewhere):
        folder.mkdir(parents=True)
    python = project / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error "$@"\n')
    python.chmod(0o755)
    makefile = (ROOT / "Makefile").read_text()
    (project / "Makefile").write_text(makefile)
    version = re.search(r"^UV_VERSION := (\S+)", makefile, re.MULTILINE)
    assert version
    (project / f".tools/uv-{version[1]}").touch()
    (project / "synctail").symlink_to(ROOT / "synctail")
    subprocess.run(["make", ".venv/bin/synctail"], cwd=project, check=True, capture_output=True)

    (elsewhere / "cli.py").write_text("raise SystemExit('what lies here is not the command')")
    environ = {**os.environ, "SYNCTAIL_URL": str(web.base_url), "SYNCTAIL_TOKEN": ADMIN_TOKEN}
    command = [str(project / ".venv/bin/synctail"), "syncs"]
    answer = subprocess.run(command, cwd=elsewhere, env=environ, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr == "No sync within the retention matches.\n"
