"""Files: complete or untouched, read in order, and never outside the folder that is theirs."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from jobs.connectors.base import ConnectorError, Page
from jobs.connectors.file import FileReader, FileWriter
from jobs.connectors.folder import _descend
from jobs.services.model import FileDestination, FileSource
from synctail.model.json_text import Record
from tests.kit.connecting import Log, context


class Interrupted(Exception):
    """Whatever ends a sync early."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def writer(
    folder: Path, path: str = "orders.ndjson", mode: Literal["replace", "append"] = "replace", **more: Any
) -> FileWriter:
    return FileWriter(FileDestination(path=path, mode=mode, **more), context(files=folder))


def write(to: FileWriter, *records: Record) -> None:
    with to:
        assert [outcome.refused for outcome in to.push(records)] == [None] * len(records)
        to.complete()


def interrupt(to: FileWriter, *records: Record) -> None:
    """Push these, and leave with an exception."""
    with suppress(Interrupted), to:
        list(to.push(records))
        raise Interrupted


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_replaced_file_holds_the_new_records_and_nothing_else_is_left(folder: Path) -> None:
    write(writer(folder), {"id": 1}, {"id": 2})
    write(writer(folder), {"id": 3})
    assert read(folder / "orders.ndjson") == [{"id": 3}]
    assert [path.name for path in folder.iterdir()] == ["orders.ndjson"]
    assert (folder / "orders.ndjson").stat().st_mode & 0o777 == 0o644


def test_a_file_is_not_seen_before_it_is_complete(folder: Path) -> None:
    write(writer(folder), {"id": 1})
    with writer(folder) as to:
        list(to.push([{"id": 2}]))
        assert read(folder / "orders.ndjson") == [{"id": 1}]
        to.complete()
    assert read(folder / "orders.ndjson") == [{"id": 2}]


def test_what_is_interrupted_leaves_the_old_file_and_no_temporary_one(folder: Path) -> None:
    write(writer(folder), {"id": 1})
    interrupt(writer(folder), {"id": 2})
    assert read(folder / "orders.ndjson") == [{"id": 1}]
    assert [path.name for path in folder.iterdir()] == ["orders.ndjson"]


def test_what_is_interrupted_the_first_time_leaves_nothing(folder: Path) -> None:
    interrupt(writer(folder))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("path", ["orders.ndjson", "orders-{time}.ndjson"])
def test_what_a_killed_sync_left_behind_is_removed_by_the_next_one_and_what_another_writes_is_not(
    folder: Path, path: str
) -> None:
    killed = writer(folder, path)
    child = os.fork()
    if child == 0:  # ends as one that is killed: nothing is closed in order
        with killed:
            os._exit(0)
    os.waitpid(child, 0)
    [left] = folder.iterdir()
    write(writer(folder, path))
    assert left.exists(), "so young, it may be one that is just begun"
    with writer(folder, path) as other:
        for one in folder.iterdir():
            os.utime(one, (0, 0))
        write(writer(folder, path), {"id": 1})
        assert not left.exists()
        other.push([{"id": 2}])
        other.complete()
    assert not [one.name for one in folder.iterdir() if one.name.startswith(".")]


def test_a_sync_without_records_leaves_an_empty_file(folder: Path) -> None:
    write(writer(folder))
    assert (folder / "orders.ndjson").read_bytes() == b""


def test_appended_records_follow_what_is_there(folder: Path) -> None:
    for number in (1, 2):
        write(writer(folder, mode="append"), {"id": number})
    interrupt(writer(folder, mode="append"), {"id": 3})
    assert read(folder / "orders.ndjson") == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("text", ["two\nlines\r\u2028", "ä😀", "\ud800 half a pair", "\x00"], ids=ascii)
def test_any_record_is_one_line_and_comes_back_as_it_was(folder: Path, text: str) -> None:
    write(writer(folder), {"id": text, "nested": [{"a": None}, 1.5, 2**70]})
    [line] = (folder / "orders.ndjson").read_bytes().splitlines()
    assert json.loads(line) == {"id": text, "nested": [{"a": None}, 1.5, 2**70]}


def test_folders_on_the_way_are_made(folder: Path) -> None:
    write(writer(folder, "shop/2026/orders.ndjson"), {"id": 1})
    assert read(folder / "shop" / "2026" / "orders.ndjson") == [{"id": 1}]


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize(
    "path", ["../out.ndjson", "a/../../out.ndjson", "{outside}/out.ndjson", "", ".", "link/out.ndjson", "link.ndjson"]
)
def test_a_path_that_leads_out_is_refused(
    folder: Path, tmp_path: Path, path: str, mode: Literal["replace", "append"]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "link.ndjson").symlink_to(outside / "out.ndjson")
    with pytest.raises(ConnectorError, match="leads out of SYNCTAIL_FILES"):
        write(writer(folder, path.format(outside=outside), mode))
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "out.ndjson").exists()


def test_a_link_that_stays_inside_is_followed(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    write(writer(folder, "link/orders.ndjson"), {"id": 1})
    assert read(folder / "real" / "orders.ndjson") == [{"id": 1}]


@pytest.mark.parametrize("path", ["circle", "nul\0.ndjson"], ids=ascii)
def test_a_path_that_is_none_is_refused(folder: Path, path: str) -> None:
    (folder / "circle").symlink_to(folder / "circle")
    with pytest.raises(ConnectorError, match="cannot be used"):
        write(writer(folder, path))


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("path", ["a-folder", "a-file/orders.ndjson", "x" * 300])
def test_a_target_that_cannot_be_written_is_told_and_leaves_nothing(
    folder: Path, path: str, mode: Literal["replace", "append"]
) -> None:
    (folder / "a-folder" / "within").mkdir(parents=True)
    (folder / "a-file").touch()
    with pytest.raises(ConnectorError, match="cannot be written: "):
        write(writer(folder, path, mode), {"id": 1})
    assert sorted(one.name for one in folder.iterdir()) == ["a-file", "a-folder"]


@contextmanager
def ten_bytes() -> Iterator[None]:
    """Files grow no further than that, as on a full disk. Only around the call: the test's own output may be a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_file_that_cannot_grow_is_told(folder: Path, mode: Literal["replace", "append"]) -> None:
    with ten_bytes(), pytest.raises(ConnectorError, match=r"orders\.ndjson' cannot be written: File too large"):
        write(writer(folder, mode=mode), *({"id": number} for number in range(10)))
    assert [path.name for path in folder.iterdir()] == (["orders.ndjson"] if mode == "append" else [])


# --- other formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("o.csv", b"id,name\r\n1,Ana\r\n2,\r\n"),
        ("o.json", b'[\n{"id":1,"name":"Ana"},\n{"id":2}\n]\n'),
        ("o.ndjson", b'{"id":1,"name":"Ana"}\n{"id":2}\n'),
        (
            "o.xml",
            (
                b'<?xml version="1.0" encoding="UTF-8"?>\n<records>\n  <record><id>1</id><name>Ana</name></record>\n'
                b"  <record><id>2</id></record>\n</records>\n"
            ),
        ),
    ],
)
def test_a_file_is_written_in_the_format_of_its_name(folder: Path, path: str, holds: bytes) -> None:
    write(writer(folder, path), {"id": 1, "name": "Ana"}, {"id": 2})
    assert (folder / path).read_bytes() == holds


def test_a_csv_is_continued_with_the_columns_it_has(folder: Path) -> None:
    (folder / "o.csv").write_bytes(b"name,id\r\nAna,1\r\nBe")  # a sync was cut off
    with writer(folder, "o.csv", "append") as to:
        outcomes = list(to.push([{"id": 2, "name": "Bea"}, {"id": 3, "more": 1}]))
        to.complete()
    assert [outcome.refused for outcome in outcomes] == [
        None,
        "the file has no column 'more'. List all columns in 'columns'",
    ]
    assert (folder / "o.csv").read_bytes() == b"name,id\r\nAna,1\r\nBe\nBea,2\r\n"


def test_each_sync_has_its_own_file_where_the_path_holds_its_time(folder: Path) -> None:
    write(writer(folder, "out/orders-{time}.csv"), {"id": 1})
    [path] = (folder / "out").iterdir()
    assert re.fullmatch(r"orders-\d{8}T\d{6}Z\.csv", path.name)


def test_a_pipe_in_place_of_a_file_does_not_hang_the_sync(folder: Path) -> None:
    os.mkfifo(folder / "pipe.ndjson")
    with pytest.raises(ConnectorError, match=r"cannot be written|not a regular file"):
        write(writer(folder, "pipe.ndjson", "append"))
    with pytest.raises(ConnectorError, match="not a regular file"):
        read_all(folder, "pipe.ndjson")


def test_a_link_that_is_put_there_in_between_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """What `inside` resolved is opened name by name, and by then a link can only be a trap."""
    (folder / "trap").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        _descend(folder, ["trap"], make=False)


# --- as a source --------------------------------------------------------------------------------------------------


def reader(folder: Path, path: str, log: Log | None = None, **more: Any) -> FileReader:
    return FileReader(FileSource(path=path, **more), context(log, files=folder, page_size=2))


def read_all(folder: Path, path: str, log: Log | None = None, **more: Any) -> list[Page]:
    with reader(folder, path, log, **more) as opened:
        return list(opened.pages())


def ids(found: list[Page]) -> list[list[Any]]:
    return [[record["id"] for record in page.records] for page in found]


@pytest.mark.parametrize("path", ["o.csv", "o.json", "o.ndjson", "o.xml"])
def test_what_was_written_can_be_read(folder: Path, path: str) -> None:
    written = [{"id": f"{n}", "name": 'Ana, "Bea" <&>\n\u2028😀'} for n in range(3)]
    write(writer(folder, path), *written)
    found = read_all(folder, path)
    assert [record for page in found for record in page.records] == written
    assert [len(page.records) for page in found] == [2, 1]


def test_files_are_read_in_the_order_of_their_names_and_told(folder: Path) -> None:
    for name, number in (("b.ndjson", 2), ("a.ndjson", 1), (".hidden.ndjson", 3), ("c.csv", 4)):
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / name).write_text(f'{{"id":{number}}}\n')
    (folder / "in" / "folder.ndjson").mkdir()
    log = Log()
    assert ids(read_all(folder, "in/*.ndjson", log)) == [[1], [2]]
    assert log.said == [
        "Reading in/a.ndjson, 9 bytes",
        "Read in/a.ndjson: 1 record",
        "Reading in/b.ndjson, 9 bytes",
        "Read in/b.ndjson: 1 record",
    ]


def test_a_pattern_without_files_is_no_fault_and_a_missing_file_is(folder: Path) -> None:
    log = Log()
    assert read_all(folder, "in/*.csv", log) == []
    assert log.said == ["No file matches in/*.csv"]
    with pytest.raises(ConnectorError, match=r"There is no file 'in/o\.csv'"):
        read_all(folder, "in/o.csv")


@pytest.mark.parametrize("path", ["../*.csv", "/etc/*.csv", "a/../../*.csv", "../o.csv", "/etc/passwd", "link/o.csv"])
def test_a_source_s_path_that_leads_out_is_refused(folder: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "o.csv").write_text("id\n1\n")
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(ConnectorError, match="leads out of SYNCTAIL_FILES"):
        read_all(folder, path)


def test_a_link_out_is_left_out_of_what_a_pattern_finds(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("id\n1\n")
    (folder / "a.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "b.csv").write_text("id\n2\n")
    (folder / "c.csv").symlink_to("b.csv")
    log = Log()
    assert ids(read_all(folder, "*.csv", log)) == [["2"]]
    assert "Left out: The path 'a.csv' leads out" in log[0]


def test_what_is_broken_is_named_with_its_file_and_line(folder: Path) -> None:
    (folder / "o.csv").write_text("id,name\n1,Ana\n2,Bea\n3\n")
    opened = reader(folder, "o.csv").pages()
    assert [record["id"] for record in next(opened).records] == ["1", "2"]
    with pytest.raises(ConnectorError, match=r"o\.csv: line 4: expected 2 fields, got 1\."):
        next(opened)


def test_files_that_were_read_go_where_they_are_to_go_when_all_is_done(folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("id\n1\n")
    with reader(folder, "*.csv", after="move") as opened:
        list(opened.pages())
        assert sorted(one.name for one in folder.iterdir()) == ["a.csv", "b.csv"]
    assert [str(one.relative_to(folder)) for one in sorted(folder.rglob("*.csv"))] == ["done/a.csv", "done/b.csv"]
    (folder / "a.csv").write_text("id\n2\n")
    read_all(folder, "a.csv", after="move")
    assert len(list((folder / "done").iterdir())) == 3  # nothing there is written over
    assert (folder / "done" / "a.csv").read_text() == "id\n1\n"
    (folder / "a.csv").write_text("id\n3\n")
    read_all(folder, "a.csv", after="delete")
    assert not (folder / "a.csv").exists()


def test_files_stay_when_the_sync_fails_or_they_have_changed(folder: Path) -> None:
    (folder / "a.csv").write_text("id\n1\n")
    with suppress(Interrupted), reader(folder, "*.csv", after="delete") as opened:
        list(opened.pages())
        raise Interrupted
    assert (folder / "a.csv").exists()
    log = Log()
    with reader(folder, "*.csv", log, after="delete") as opened:
        list(opened.pages())
        (folder / "a.csv").write_text("id\n1\n2\n")
    assert (folder / "a.csv").exists()
    assert log == ["a.csv changed after it was read: it stays for the next sync"]


def test_checks_of_files_make_nothing(folder: Path) -> None:
    (folder / "a.csv").write_text("id\n1\n")
    (folder / "bad.csv").write_text("id,id\n")
    assert reader(folder, "*.csv").check() == "2 files; a.csv can be read"
    assert reader(folder, "x/*.csv").check() == "no file matches x/*.csv at present"
    with pytest.raises(ConnectorError, match="the header has the column 'id' twice"):
        reader(folder, "bad.csv").check()
    assert "can be written" in writer(folder, "new/o.csv").check()
    with pytest.raises(ConnectorError, match="is not a writable folder"):
        writer(folder, "a.csv/o.csv").check()
    assert sorted(one.name for one in folder.iterdir()) == ["a.csv", "bad.csv"]
