"""NDJSON files: complete or untouched, and never outside the folder that is theirs."""

from __future__ import annotations

import json
import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import pytest

from jobs.connectors import ConnectorError, Record
from jobs.connectors.file import FileWriter
from jobs.records import FileDestination

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Interrupted(Exception):
    """Whatever ends a sync early."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def writer(folder: Path, path: str = "orders.ndjson", mode: Literal["replace", "append"] = "replace") -> FileWriter:
    return FileWriter(FileDestination(path=path, mode=mode), folder)


def write(to: FileWriter, *records: Record) -> None:
    with to:
        assert [outcome.refused for outcome in to.push(records)] == [None] * len(records)


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
    assert read(folder / "orders.ndjson") == [{"id": 2}]


def test_what_is_interrupted_leaves_the_old_file_and_no_temporary_one(folder: Path) -> None:
    write(writer(folder), {"id": 1})
    interrupt(writer(folder), {"id": 2})
    assert read(folder / "orders.ndjson") == [{"id": 1}]
    assert [path.name for path in folder.iterdir()] == ["orders.ndjson"]


def test_what_is_interrupted_the_first_time_leaves_nothing(folder: Path) -> None:
    interrupt(writer(folder))
    assert list(folder.iterdir()) == []


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
        writer(folder, path.format(outside=outside), mode)
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
        writer(folder, path)


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
    with ten_bytes(), pytest.raises(ConnectorError, match=r"orders\.ndjson cannot be written: File too large"):
        write(writer(folder, mode=mode), *({"id": number} for number in range(10)))
    assert [path.name for path in folder.iterdir()] == (["orders.ndjson"] if mode == "append" else [])
