"""What `make run` starts, and what it says when it cannot: launcher, embedded Valkey, warehouse."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import stat
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from demo import goods, valkey, warehouse
from demo.processes import pass_on
from demo.services import demo_services, readdress, store_if_none
from demo.shop import birth
from jobs.services.model import HttpSource, Service
from synctail.connect import connect
from synctail.model import keys
from tests.kit.support import PATIENCE_S, Process, free_port, until

LEAVES_WITHIN_SECONDS = 20.0  # six, and a lot for a busy machine: what does not leave by itself stays for ever


def alive(environ_mark: str) -> list[tuple[int, str]]:
    """The processes that were started with that text in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if environ_mark.encode() in (folder / "environ").read_bytes():
                found.append((int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")))
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return found


class Run(Process):
    """One process on a data folder of its own. Whoever was started with that folder is ended with it."""

    def __init__(self, module: str, data: Path, environ: dict[str, str]) -> None:
        self.mark = f"SYNCTAIL_DATA={data}"
        super().__init__(module, {"SYNCTAIL_DATA": str(data), **environ})

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = LEAVES_WITHIN_SECONDS) -> int:
        try:
            return super().stop(number, seconds=seconds)
        finally:
            for pid, _ in alive(self.mark):  # a test that failed must not leave them to the next one
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def running(module: str, data: Path, **environ: object) -> Run:
    return Run(module, data, {name: str(value) for name, value in environ.items()})


@contextmanager
def taken_port() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield str(taken.getsockname()[1])


@pytest.mark.slow
def test_a_taken_port_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with taken_port() as port:
        other = str(int(port) % 65535 + 1)
        for variable, free in (("PORT", "SHOP_PORT"), ("SHOP_PORT", "PORT")):
            with running("demo", tmp_path, **{variable: port, free: free_port()}) as run:
                assert run.ends() == 1
                assert run.output == (
                    f"Port {port} is in use. Stop what uses it, or choose another: {variable}={other} make run\n"
                )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"PORT": "web"}, "PORT: got 'web'; takes a number from 1 to 65535\n"),
        ({"SHOP_PORT": "70000"}, "SHOP_PORT: got '70000'; takes a port from 1 to 65535"),
        ({"PORT": "8765", "SHOP_PORT": "8765"}, "PORT and SHOP_PORT are both 8765. Choose another: "),
        ({"HOST": "nowhere.invalid"}, "HOST: got 'nowhere.invalid', which is not an address of this machine."),
        ({"SYNCTAIL_RETENTION": "soon"}, "SYNCTAIL_RETENTION: got 'soon'; takes a duration"),
        ({"REDIS_URL": "mysql://x"}, "REDIS_URL: got 'mysql://x'; takes redis://"),
        ({"SYNCTAIL_ADMIN_TOKEN": "short"}, "SYNCTAIL_ADMIN_TOKEN: got a value of 5 characters; takes at least 16 "),
        ({"SYNCTAIL_DATA": "/dev/null"}, "SYNCTAIL_DATA: /dev/null cannot be used as a folder: "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_one_line(environ: dict[str, str], expected: str, tmp_path: Path) -> None:
    ports = {"PORT": free_port(), "SHOP_PORT": free_port()}
    with running("demo", tmp_path, **{**ports, **environ}) as run:
        assert run.ends() == 1
        assert run.output.count("\n") == 1, run.output
        assert run.output.startswith(expected)


@pytest.mark.slow
def test_a_redis_out_of_reach_is_one_line_within_seconds(tmp_path: Path) -> None:
    url = f"redis://:hush@127.0.0.1:{free_port()}/0"
    with running("demo", tmp_path, PORT=free_port(), SHOP_PORT=free_port(), REDIS_URL=url) as run:
        assert run.ends(seconds=PATIENCE_S) == 1
        assert run.output.count("\n") == 1, run.output
        assert run.output.startswith("Cannot reach Redis at redis://127.0.0.1:")
        assert "REDIS_URL" in run.output
        assert "hush" not in run.output


@pytest.mark.slow
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with running("demo", shared, PORT=free_port(), SHOP_PORT=free_port()) as run:
        assert run.ends() == 1
        assert run.output.startswith(f"SYNCTAIL_DATA: others can write to {shared}.")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o777


# --- the embedded Valkey --------------------------------------------------------------------------------


def put(url: str, name: str, value: str) -> None:
    with connect(url) as client:
        client.set(name, value)


def got(url: str, name: str) -> Any:
    with connect(url) as client:
        return client.get(name)


def test_valkey_keeps_its_data_over_a_stop_and_a_start(tmp_path: Path) -> None:
    for round_number in (1, 2, 3):
        server = valkey.start(tmp_path)
        try:
            if round_number > 1:
                assert got(server.url, "round") == str(round_number - 1).encode()
            put(server.url, "round", str(round_number))
        finally:
            server.stop()
    assert not stat.S_IMODE((tmp_path / "valkey").stat().st_mode) & 0o077


def test_a_stale_socket_does_no_harm(tmp_path: Path) -> None:
    server = valkey.start(tmp_path, extra=["--appendfsync", "always"])
    put(server.url, "a", "1")
    server.kill()
    assert valkey.socket_path(tmp_path).is_socket()
    again = valkey.start(tmp_path)
    try:
        assert got(again.url, "a") == b"1"
    finally:
        again.stop()


@pytest.mark.slow
def test_a_second_server_on_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    try:
        with running("demo.valkey", tmp_path) as second:
            assert second.ends() == 1
            folder = tmp_path / "valkey"
            assert second.output.startswith(f"A Valkey is already running on {folder} (process {server.process.pid}).")
            assert second.output.count("\n") == 1
        with running("demo", tmp_path, PORT=free_port(), SHOP_PORT=free_port()) as launcher:
            assert launcher.ends() == 1
            assert launcher.output == second.output
        put(server.url, "still", "here")
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(valkey.ValkeyFailed, match="did not start"):
        valkey.start(tmp_path, extra=["--no-such-option", "1"])
    valkey.refuse_if_running(tmp_path)


@pytest.mark.slow
def test_a_killed_wrapper_leaves_no_server_and_loses_nothing(tmp_path: Path) -> None:
    url = valkey.url(tmp_path)
    with running("demo.valkey", tmp_path) as first:
        first.wait_for("^Valkey answers at ")
        put(url, "a", "1")
        first.process.kill()
        first.ends()
    until(lambda: not alive(first.mark), "the server ends with its parent")
    with running("demo.valkey", tmp_path) as second:
        second.wait_for("^Valkey answers at ")
        assert got(url, "a") == b"1"
        second.process.send_signal(signal.SIGTERM)
        assert second.ends(seconds=LEAVES_WITHIN_SECONDS) == 0
    assert not alive(second.mark)


@pytest.mark.slow
def test_valkey_is_the_last_to_leave(tmp_path: Path) -> None:
    with running("demo.valkey", tmp_path) as run:
        run.wait_for("^Valkey answers at ")
        with connect(valkey.url(tmp_path)) as worker:
            worker.ping()
            run.process.send_signal(signal.SIGTERM)
            until(lambda: len(worker.client_list()) > 1, "it looks who is connected")
            worker.set("how-it-ended", "well")
        assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 0
    server = valkey.start(tmp_path)
    try:
        assert got(server.url, "how-it-ended") == b"well"
    finally:
        server.stop()


@pytest.mark.slow
def test_valkey_does_not_wait_for_ever_for_a_client(tmp_path: Path) -> None:
    with running("demo.valkey", tmp_path) as run, connect(valkey.url(tmp_path)) as client:
        run.wait_for("^Valkey answers at ")
        client.ping()
        asked_at = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 0
        assert time.monotonic() - asked_at > valkey.LAST_TO_LEAVE_SECONDS


def test_a_folder_with_a_path_too_long_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30) / "data"
    path = valkey.socket_path(data)
    assert not path.is_relative_to(tmp_path)
    assert path != valkey.socket_path(data.with_name("other"))
    server = valkey.start(data)
    try:
        put(server.url, "a", "1")
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        server.stop()
        path.unlink(missing_ok=True)
        path.parent.rmdir()


# --- the warehouse and the services ---------------------------------------------------------------------


def insert(database: sqlite3.Connection, table: str, record: dict[str, Any]) -> None:
    row = {k: msgspec.json.encode(v).decode() if isinstance(v, dict | list) else v for k, v in record.items()}
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def test_the_warehouse_refuses_wrong_records_in_readable_words(tmp_path: Path) -> None:
    warehouse.prepare(tmp_path)
    path = warehouse.prepare(tmp_path)  # a second time changes nothing
    born_at = birth(tmp_path)
    refusals = set()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        for number in range(1, 1_001):
            for table, record in (
                ("orders", goods.order(number, born_at)),
                ("products", goods.product(number, born_at)),
            ):
                try:
                    insert(database, table, record)
                except sqlite3.IntegrityError as error:
                    refusals.add(str(error))
    assert refusals == {
        "CHECK constraint failed: total_is_not_negative",
        "CHECK constraint failed: customer_has_an_email",
        "CHECK constraint failed: price_is_not_negative",
        "NOT NULL constraint failed: orders.status",
    }


def test_the_demo_services_are_stored_once_and_never_again(tmp_path: Path) -> None:
    services = demo_services(shop_url="http://127.0.0.1:8091", warehouse=tmp_path / "warehouse.db")
    server = valkey.start(tmp_path)
    try:
        with connect(server.url) as client:
            assert store_if_none(client, services)
            stored = client.hgetall(keys.SERVICES)
            assert [msgspec.json.decode(each, type=Service) for each in stored.values()] == services
            client.hdel(keys.SERVICES, "orders-to-warehouse")
            assert not store_if_none(client, services)
            assert client.hlen(keys.SERVICES) == len(services) - 1
    finally:
        server.stop()


def test_a_demo_service_follows_the_shop_to_another_port_and_nothing_else_changes(tmp_path: Path) -> None:
    old, new = (demo_services(shop_url=f"http://127.0.0.1:{p}", warehouse=tmp_path / "w.db") for p in (8091, 9000))
    orders, customers, products, *_ = old
    renamed = msgspec.structs.replace(orders, name="Renamed", active=False)
    elsewhere = msgspec.structs.replace(customers.source, url="http://127.0.0.1.shop.example:8091/customers")
    stored: dict[str, bytes] = {
        orders.id: msgspec.json.encode(renamed),
        customers.id: msgspec.json.encode(msgspec.structs.replace(customers, source=elsewhere)),
        products.id: b'{"id": "broken"',
        "mine": msgspec.json.encode(msgspec.structs.replace(orders, id="mine")),
    }
    server = valkey.start(tmp_path)
    try:
        with connect(server.url) as client:
            client.hset(keys.SERVICES, mapping=cast("Any", stored))
            readdress(client, new, shop_url="http://127.0.0.1:9000")
            moved = msgspec.structs.replace(renamed, source=new[0].source)
            assert client.hgetall(keys.SERVICES) == {
                name.encode(): value for name, value in {**stored, orders.id: msgspec.json.encode(moved)}.items()
            }
            client.delete(keys.SERVICES)
            readdress(client, new, shop_url="http://127.0.0.1:9000")
            assert not client.exists(keys.SERVICES)  # what people removed stays removed
    finally:
        server.stop()


def test_output_is_passed_on_but_for_advice_that_is_not_for_a_demo(capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        b"3288:M # WARNING Memory overcommit must be enabled! Without it, \xe2\x80\xa6\n",
        b"3288:M # WARNING something else\n",
        b"no text: \xff\n",
    ]
    pass_on("redis", said)
    lines = [line.partition(" ") for line in capsys.readouterr().out.splitlines()]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", time) for time, _, _ in lines)
    assert [line for _, _, line in lines] == [
        "redis   | 3288:M # WARNING something else",
        "redis   | no text: \ufffd",
    ]


# --- all of it ------------------------------------------------------------------------------------------


def ready(run: Run) -> str:
    """Waits for the sign-in link and gives the address without the token."""
    return run.wait_for(r"(http://127\.0\.0\.1:\d+)/sign-in#st_[\w-]{32}$")[1]


def status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:  # noqa: S310 - our own address
        return int(response.status)


@pytest.mark.slow
def test_make_run_starts_everything_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    ports = {"PORT": free_port(), "SHOP_PORT": free_port()}
    links = []
    for stop in (signal.SIGINT, signal.SIGTERM):
        with running("demo", tmp_path, **ports) as run:
            address = ready(run)
            assert address.endswith(f":{ports['PORT']}")
            assert status_of(f"{address}/readyz") == 200
            run.wait_for("Ctrl-C stops everything")
            links.append(run.wait_for(r"\S+/sign-in#\S+")[0])
            with connect(valkey.url(tmp_path)) as client:
                assert client.hlen(keys.SERVICES) == 5
            run.process.send_signal(stop)
            assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 0, run.output
            assert "Traceback" not in run.output
        assert alive(run.mark) == []
    assert links[0] == links[1]  # the second start finds the first one's token
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600


@pytest.mark.slow
def test_after_a_change_of_the_shops_port_the_stored_services_use_the_new_one(tmp_path: Path) -> None:
    for shop_port in (free_port(), free_port()):
        with running("demo", tmp_path, PORT=free_port(), SHOP_PORT=shop_port) as run:
            ready(run)
            with connect(valkey.url(tmp_path)) as client:
                for stored in cast("dict[bytes, bytes]", client.hgetall(keys.SERVICES)).values():
                    source = msgspec.json.decode(stored, type=Service).source
                    if isinstance(source, HttpSource):
                        assert source.url.startswith(f"http://127.0.0.1:{shop_port}/")
            run.process.send_signal(signal.SIGINT)
            assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 0, run.output
            assert "overcommit" not in run.output


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing_behind(tmp_path: Path) -> None:
    with running("demo", tmp_path, PORT=free_port(), SHOP_PORT=free_port()) as run:
        run.wait_for("^Waiting for Redis")
        run.process.send_signal(signal.SIGINT)
        assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 0, run.output
        assert "Traceback" not in run.output
    assert alive(run.mark) == []


@pytest.mark.slow
def test_when_one_process_dies_all_end_and_the_last_line_names_it(tmp_path: Path) -> None:
    with running("demo", tmp_path, PORT=free_port(), SHOP_PORT=free_port()) as run:
        ready(run)
        group = int(run.wait_for(r"clock +started \(pid=(\d+)\)")[1])
        os.killpg(group, signal.SIGKILL)
        assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 1
        assert run.output.splitlines()[-1].startswith("clock ended (SIGKILL), so everything was stopped.")
    assert alive(run.mark) == []


@pytest.mark.slow
def test_a_killed_launcher_leaves_nothing_behind(tmp_path: Path) -> None:
    with running("demo", tmp_path, PORT=free_port(), SHOP_PORT=free_port()) as run:
        ready(run)
        run.process.kill()
        run.process.wait()
        until(lambda: not alive(run.mark), "all processes end", seconds=LEAVES_WITHIN_SECONDS)


@pytest.mark.slow
def test_with_an_existing_redis_no_other_is_started(tmp_path: Path) -> None:
    server = valkey.start(tmp_path / "mine")
    try:
        ports = {"PORT": free_port(), "SHOP_PORT": free_port()}
        with running("demo", tmp_path / "data", REDIS_URL=server.url, **ports) as run:
            ready(run)
            run.process.send_signal(signal.SIGINT)
            assert run.ends(seconds=LEAVES_WITHIN_SECONDS) == 0, run.output
            assert "redis " not in run.output
        assert not (tmp_path / "data" / "valkey").exists()
        with connect(server.url) as client:
            assert client.hlen(keys.SERVICES) == 5
    finally:
        server.stop()
