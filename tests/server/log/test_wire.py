"""Frames from chunks, as pure functions: however a log is cut, its reader gets what it lacks, once and in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.log import wire
from synctail.log import lines
from synctail.model import keys

SYNC = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

texts = st.text(max_size=40) | st.sampled_from([",\n", '","\n', "\\", "</script>", "\u2028\x00", "x" * 300, "é🎈"])


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """The lines of a log, as the job encodes them."""
    extra: dict[str, Any] = draw(st.sampled_from([{}, {"record": ",\n", "fields": {",\n": [",\n"]}}]))
    written = draw(st.lists(texts, min_size=1, max_size=12))
    return [lines.encode_line(n, lines.Entry(1.5, "info", text, **extra)) for n, text in enumerate(written, 1)]


@st.composite
def chunked(draw: st.DrawFn) -> tuple[list[bytes], list[wire.Chunk]]:
    """A log, and the same in chunks."""
    log = draw(logs())
    cuts = sorted(draw(st.sets(st.integers(1, len(log)), max_size=8)) | {len(log)})
    chunks, first = [], 1
    for last in cuts:
        chunks.append(wire.Chunk(first, last, keys.SEPARATOR.join(log[first - 1 : last])))
        first = last + 1
    return log, chunks


def numbers(chunk: wire.Chunk) -> list[int]:
    return [line["n"] for line in json.loads(b"[" + chunk.body + b"]")]


def told(cursor: int, chunks: list[wire.Chunk]) -> list[wire.Frame]:
    """What a reader at `cursor` is told of all that is stored."""
    return list(wire.frames(SYNC, wire.spans(cursor, max([cursor, *(chunk.last for chunk in chunks)]), chunks)))


def spans(frames: list[wire.Frame]) -> list[dict[str, Any]]:
    """The frames parsed, checked to say of themselves what they are."""
    parsed = [json.loads(frame.text) for frame in frames]
    for frame, content in zip(frames, parsed, strict=True):
        assert (content["first"], content["last"], content["sync"]) == (frame.first, frame.last, SYNC)
        if content["type"] == "lines":
            assert [line["n"] for line in content["lines"]] == list(range(frame.first, frame.last + 1))
    return parsed


@given(logs(), st.integers(0, 50), st.data())
def test_a_chunk_cut_anywhere_is_the_list_cut_there(log: list[bytes], before: int, data: st.DataObject) -> None:
    chunk = wire.Chunk(before + 1, before + len(log), keys.SEPARATOR.join(log))
    cursor = data.draw(st.integers(0, chunk.last - 1))
    rest = chunk.cut(cursor, chunk.last)
    skipped = max(0, cursor - before)
    assert rest == wire.Chunk(before + skipped + 1, chunk.last, keys.SEPARATOR.join(log[skipped:]))
    last = data.draw(st.integers(rest.first, chunk.last + 5))
    begun = chunk.cut(cursor, last)
    kept = log[skipped : min(last, chunk.last) - before]
    assert begun == wire.Chunk(rest.first, min(last, chunk.last), keys.SEPARATOR.join(kept))


@given(chunked(), st.integers(0, 15))
def test_any_reader_of_any_partition_gets_exactly_the_lines_it_lacks(
    partition: tuple[list[bytes], list[wire.Chunk]], cursor: int
) -> None:
    log, chunks = partition
    found = told(cursor, chunks)
    got = [line for frame in spans(found) for line in frame["lines"]]
    assert got == [json.loads(line) for line in log[cursor:]]
    assert len(found) == (1 if cursor < len(log) else 0)


@pytest.mark.slow
@given(chunked(), st.integers(0, 15), st.data())
def test_lost_chunks_are_told_as_gaps_and_nothing_is_skipped_in_silence(
    partition: tuple[list[bytes], list[wire.Chunk]], cursor: int, data: st.DataObject
) -> None:
    log, chunks = partition
    kept = [chunk for chunk in chunks if data.draw(st.booleans())]
    held = {n for chunk in kept for n in range(chunk.first, chunk.last + 1)}
    last = max(held, default=0)
    at = cursor
    for frame in spans(told(cursor, kept)):
        span = range(frame["first"], frame["last"] + 1)
        assert frame["first"] == at + 1
        assert all((n in held) == (frame["type"] == "lines") for n in span)
        assert frame["type"] == "lines" or frame["why"]
        at = frame["last"]
    assert at == max(cursor, last)
    assert last <= len(log)


@pytest.mark.slow
@given(chunked(), st.integers(0, 15))
def test_chunks_that_come_twice_or_overlap_are_told_once(
    partition: tuple[list[bytes], list[wire.Chunk]], cursor: int
) -> None:
    log, chunks = partition
    whole = wire.Chunk(1, len(log), keys.SEPARATOR.join(log))
    found = spans(told(cursor, [*chunks, chunks[-1], whole]))
    assert [line["n"] for frame in found for line in frame["lines"]] == list(range(cursor + 1, len(log) + 1))


@pytest.mark.slow
@given(logs(), st.integers(0, 10**9))
def test_what_the_writer_stored_and_published_reads_as_it_was(log: list[bytes], before: int) -> None:
    encoding, body = lines.pack(keys.SEPARATOR.join(log))
    first, last = before + 1, before + len(log)
    chunk = wire.Chunk(first, last, keys.SEPARATOR.join(log))
    assert wire.chunk_from_entry(b"%d-%d" % (last, len(log)), {encoding.encode(): body}) == chunk
    message = b"%d-%d %s\n" % (first, last, encoding.encode()) + body
    assert wire.read_message(message) == (last, chunk, False)
    assert wire.read_message(message.replace(b"\n", b" +\n", 1)) == (last, chunk, True)


def test_a_message_may_say_only_that_something_is_new() -> None:
    assert wire.read_message(b"5-9 wake") == (9, None, True)
    assert wire.read_message(b"5-4 wake") == (4, None, True)


def test_large_bodies_are_compressed_and_read_again() -> None:
    encoding, body = lines.pack(lines.encode_lines(1, [lines.Entry(1.5, "info", "x" * 200)] * 500))
    assert encoding == "zstd"
    assert len(body) < 10_000
    assert numbers(wire.chunk_from_entry(b"500-500", {b"zstd": body})) == list(range(1, 501))
