"""Files on a real OpenSSH server: who may sign in, what is read and written, and what happens when it goes away."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.connectors.base import ConnectorError, NotSignedIn, Page, Unreachable
from jobs.connectors.sftp import SftpReader, SftpWriter
from jobs.services.model import Secret, SftpDestination, SftpSource
from synctail.model.json_text import Record
from tests.kit.connecting import Log, context
from tests.kit.support import free_port
from tests.kit.systems import SftpServer


class Interrupted(Exception):
    """Whatever ends a sync early."""


def reader(sftp: SftpServer, source: SftpSource, log: Log | None = None, **more: Any) -> SftpReader:
    return SftpReader(source, context(log, **{"secrets": sftp.secrets, "page_size": 2, **more}))


def read(sftp: SftpServer, source: SftpSource, log: Log | None = None, **more: Any) -> list[Record]:
    with reader(sftp, source, log, **more) as opened:
        return records(opened.pages())


def records(pages: Iterator[Page]) -> list[Record]:
    return [record for page in pages for record in page.records]


def writer(sftp: SftpServer, to: SftpDestination, log: Log | None = None, **more: Any) -> SftpWriter:
    return SftpWriter(to, context(log, **{"secrets": sftp.secrets, **more}))


def write(sftp: SftpServer, to: SftpDestination, *records: Record, **more: Any) -> None:
    with writer(sftp, to, **more) as opened:
        assert [outcome.refused for outcome in opened.push(records)] == [None] * len(records)
        opened.complete()


def names(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("ending", ["csv", "json", "ndjson", "xml"])
def test_what_was_written_can_be_read(sftp: SftpServer, ending: str) -> None:
    records = [{"id": f"{n}", "name": "Ana ä\n"} for n in range(5)]
    write(sftp, sftp.destination(f"o.{ending}"), *records)
    assert names(sftp.files) == [f"o.{ending}"]
    assert read(sftp, sftp.source(f"o.{ending}")) == records


def test_a_file_is_not_seen_before_it_is_complete_and_takes_the_place_of_the_old_one(sftp: SftpServer) -> None:
    write(sftp, sftp.destination("o.ndjson"), {"id": 1})
    with writer(sftp, sftp.destination("o.ndjson")) as opened:
        list(opened.push([{"id": 2}]))
        assert (sftp.files / "o.ndjson").read_bytes() == b'{"id":1}\n'
        assert len(names(sftp.files)) == 2
        opened.complete()
    assert (sftp.files / "o.ndjson").read_bytes() == b'{"id":2}\n'
    assert names(sftp.files) == ["o.ndjson"]


def test_what_is_interrupted_leaves_the_old_file_and_no_other(sftp: SftpServer) -> None:
    write(sftp, sftp.destination("o.ndjson"), {"id": 1})
    with suppress(Interrupted), writer(sftp, sftp.destination("o.ndjson")) as opened:
        list(opened.push([{"id": 2}]))
        raise Interrupted
    assert (sftp.files / "o.ndjson").read_bytes() == b'{"id":1}\n'
    assert names(sftp.files) == ["o.ndjson"]


def test_files_of_a_pattern_are_read_in_order_and_then_moved_or_deleted(sftp: SftpServer) -> None:
    for name, number in (("b.csv", 2), ("a.csv", 1), ("c.txt", 3), (".d.csv", 4)):
        (sftp.files / name).write_text(f"id\n{number}\n")
    (sftp.files / "e.csv").mkdir()
    log = Log()
    assert read(sftp, sftp.source("*.csv", after="move"), log) == [{"id": "1"}, {"id": "2"}]
    assert names(sftp.files) == [".d.csv", "c.txt", "done/a.csv", "done/b.csv"]
    assert f"Moved {sftp.files}/a.csv to {sftp.files}/done/a.csv" in log.said
    (sftp.files / "a.csv").write_text("id\n5\n")
    assert read(sftp, sftp.source("*.csv", after="move")) == [{"id": "5"}]
    assert (sftp.files / "done" / "a.csv").read_text() == "id\n1\n"  # nothing there is written over
    assert len(names(sftp.files / "done")) == 3
    (sftp.files / "a.csv").write_text("id\n6\n")
    read(sftp, sftp.source("a.csv", after="delete"))
    assert not (sftp.files / "a.csv").exists()


def test_files_stay_where_the_sync_fails(sftp: SftpServer) -> None:
    (sftp.files / "a.csv").write_text("id\n1\n")
    with suppress(Interrupted), reader(sftp, sftp.source("*.csv", after="delete")) as opened:
        list(opened.pages())
        raise Interrupted
    assert names(sftp.files) == ["a.csv"]


def test_a_pattern_without_files_is_no_fault_and_a_missing_file_is(sftp: SftpServer) -> None:
    assert read(sftp, sftp.source("*.csv")) == []
    with pytest.raises(ConnectorError, match=r"There is no file '.*/o\.csv' on the server"):
        read(sftp, sftp.source("o.csv"))
    with pytest.raises(ConnectorError, match=r"There is no folder '.*/x' on the server"):
        read(sftp, sftp.source("x/*.csv"))
    with pytest.raises(ConnectorError, match=r"cannot be written: does the folder '.*/x' exist\?"):
        write(sftp, sftp.destination("x/o.csv"))


def test_what_is_broken_is_named_with_its_file_and_line(sftp: SftpServer) -> None:
    (sftp.files / "o.csv").write_text("id,name\n1,Ana\n2\n")
    with pytest.raises(ConnectorError, match=r"/o\.csv: line 3: expected 2 fields, got 1"):
        read(sftp, sftp.source("o.csv"))


# --- a server that goes away --------------------------------------------------------------------------------------


def test_reading_goes_on_where_the_connection_was_lost(sftp: SftpServer) -> None:
    lines = [f'{{"id": {n}, "text": "{"x" * 1000}"}}\n' for n in range(3000)]
    (sftp.files / "o.ndjson").write_text("".join(lines))
    log = Log()
    with reader(sftp, sftp.source("o.ndjson"), log, max_attempts=3, page_size=100) as opened:
        pages = opened.pages()
        found = [*next(pages).records]
        sftp.drop()
        found += records(pages)
    assert [record["id"] for record in found] == list(range(3000))
    assert len(log) == 1
    assert f"127.0.0.1:{sftp.port}: the connection was lost (" in log[0]
    assert log[0].endswith("(attempt 2 of 3)")


def test_writing_goes_on_where_the_connection_was_lost(sftp: SftpServer) -> None:
    log = Log()
    with writer(sftp, sftp.destination("o.ndjson"), log, max_attempts=3) as opened:
        list(opened.push([{"id": 1, "text": "x" * 100_000}]))
        sftp.drop()
        list(opened.push([{"id": 2, "text": "y" * 100_000}]))
        opened.complete()
    assert [record["id"] for record in read(sftp, sftp.source("o.ndjson"))] == [1, 2]
    assert names(sftp.files) == ["o.ndjson"]
    assert len(log) == 1


def test_a_file_that_changes_while_the_connection_is_lost_is_told(sftp: SftpServer) -> None:
    (sftp.files / "o.ndjson").write_text(f'{{"id": 1, "text": "{"x" * 1000}"}}\n' * 3000)
    with reader(sftp, sftp.source("o.ndjson"), page_size=100) as opened:
        pages = opened.pages()
        next(pages)
        (sftp.files / "o.ndjson").write_text('{"id": 1}\n')
        sftp.drop()
        with pytest.raises(ConnectorError, match=r"changed while it was read\. Run the sync again"):
            records(pages)


def test_a_server_that_is_not_there_is_told(sftp: SftpServer) -> None:
    with pytest.raises(Unreachable, match=r"failed: no connection: .*Unable to connect"):
        read(sftp, sftp.source("o.csv", port=free_port()), max_attempts=1)


def test_a_server_that_says_nothing_is_given_up(sftp: SftpServer) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Unreachable, match="failed: no connection: "),
    ):
        read(sftp, sftp.source("o.csv", port=silent.getsockname()[1]), max_attempts=1, patience_s=0.2)


def test_a_folder_that_takes_no_files_is_told(sftp: SftpServer) -> None:
    to = msgspec.structs.replace(sftp.destination("o.csv"), path="/proc/o.csv")
    with pytest.raises(ConnectorError, match=r"permission denied|cannot be written|Failure"):
        write(sftp, to, {"id": 1})


# --- who is who ---------------------------------------------------------------------------------------------------


def fingerprint(host_key: str) -> str:
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def test_a_host_key_may_be_a_fingerprint(sftp: SftpServer) -> None:
    write(sftp, sftp.destination("o.csv", host_key=fingerprint(sftp.host_key)), {"id": 1})


@pytest.mark.parametrize("other", ["key", "fingerprint", "unknown"])
def test_another_host_key_is_refused_before_anything_is_said(sftp: SftpServer, tmp_path: Path, other: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    key = (tmp_path / "k.pub").read_text()
    host_key = {"key": key, "fingerprint": fingerprint(key), "unknown": ""}[other]
    with pytest.raises(
        ConnectorError, match=r"presented the host key 'ssh-ed25519 .*', which is not the expected"
    ) as told:
        read(sftp, sftp.source("o.csv", host_key=host_key))
    assert sftp.host_key.split()[1] in str(told.value)


def test_another_key_or_password_is_refused(sftp: SftpServer, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    secrets = {"SFTP_KEY": (tmp_path / "k").read_text(), "PASSWORD": "not-this-one"}
    with pytest.raises(NotSignedIn, match=r"refused the user .*: Authentication failed"):
        read(sftp, sftp.source("o.csv"), secrets=secrets)
    with pytest.raises(NotSignedIn, match="Check the user, and the key or password"):
        read(sftp, sftp.source("o.csv", private_key=None, password=Secret("PASSWORD")), secrets=secrets)
    with pytest.raises(NotSignedIn, match="requires a password or a private key, and the service names neither"):
        read(sftp, sftp.source("o.csv", private_key=None))


def test_a_key_may_have_a_passphrase_and_stand_in_one_line(sftp: SftpServer, tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text(sftp.secrets["SFTP_KEY"])
    path.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "open sesame", "-f", str(path)], check=True)
    secrets = {"SFTP_KEY": path.read_text().replace("\n", "\\n"), "PHRASE": "open sesame", "OTHER": "x"}
    (sftp.files / "o.csv").write_text("id\n1\n")
    assert read(sftp, sftp.source("o.csv", passphrase=Secret("PHRASE")), secrets=secrets) == [{"id": "1"}]
    with pytest.raises(ConnectorError, match="The private key SFTP_KEY has a passphrase"):
        reader(sftp, sftp.source("o.csv"), secrets=secrets)
    with pytest.raises(ConnectorError, match="is not a readable private key, or the passphrase is wrong"):
        reader(sftp, sftp.source("o.csv", passphrase=Secret("OTHER")), secrets=secrets)
    with pytest.raises(ConnectorError, match="The secret SFTP_KEY is not set"):
        reader(sftp, sftp.source("o.csv"), secrets={})


# --- the check ----------------------------------------------------------------------------------------------------


def test_checks_make_nothing(sftp: SftpServer) -> None:
    (sftp.files / "o.csv").write_text("id\n1\n")
    assert reader(sftp, sftp.source("*.csv")).check() == f"1 file; {sftp.files}/o.csv can be read"
    assert writer(sftp, sftp.destination("new.csv")).check() == f"signed in; the folder '{sftp.files}' exists"
    with pytest.raises(ConnectorError, match="There is no folder"):
        writer(sftp, sftp.destination("x/new.csv")).check()
    with pytest.raises(ConnectorError, match="is not a folder"):
        writer(sftp, sftp.destination("o.csv/new.csv")).check()
    assert names(sftp.files) == ["o.csv"]
