"""The frames a reader of one sync receives, and how they are built from stored chunks. Pure: bytes in, bytes out.

| frame | |
| --- | --- |
| `{"type": "lines", "sync", "first", "last", "lines": [...]}` | `first` is always the reader's cursor + 1 |
| `{"type": "summary", "sync", "summary": {...}}` | at the start, and when it changes |
| `{"type": "gap", "sync", "first", "last", "why"}` | lines that no longer exist; they are never skipped silently |
| `{"type": "rewind", "sync", "last", "why"}` | the reader's lines after `last` are not in the log |
| `{"type": "beat", "time", "last"}` | after 10 s without another frame |
| `{"type": "end", "sync", "last", "summary"}` | all lines have been sent |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple, cast

import msgspec
import zstandard

from synctail.model import keys
from synctail.model.sync import Summary

SUBPROTOCOL = "synctail.v1"
LARGEST_BODY_BYTES = 64 * 1024 * 1024

_encode = msgspec.json.encode
_decompressor = zstandard.ZstdDecompressor()


class Chunk(NamedTuple):
    """Lines `first` to `last` as the job encoded them: JSON objects joined by `keys.SEPARATOR`."""

    first: int
    last: int
    body: bytes

    def cut(self, after: int, until: int) -> Chunk:
        """The part after line `after`, up to and including line `until`."""
        first, last = max(self.first, after + 1), min(self.last, until)
        if (first, last) == (self.first, self.last):
            return self
        end = last + 1 - self.first
        lines = self.body.split(keys.SEPARATOR, end)[first - self.first : end]
        return Chunk(first, last, keys.SEPARATOR.join(lines))


def unpack(encoding: bytes, body: bytes) -> bytes:
    """The body of a chunk, uncompressed."""
    if encoding == b"zstd":
        return _decompressor.decompress(body, max_output_size=LARGEST_BODY_BYTES)
    return body


def chunk_from_entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Chunk:
    """A chunk from an entry of the stream, whose id is `<last line>-<number of lines>`."""
    last, _, count = entry_id.partition(b"-")
    [(encoding, body)] = fields.items()
    return Chunk(int(last) - int(count) + 1, int(last), unpack(encoding, body))


def read_message(message: bytes) -> tuple[int, Chunk | None, bool]:
    """The number of the last line in the stream, the chunk it ends, and whether the summary changed in more than that.

    The chunk is None when it was too large to publish. Raises `ValueError` or `ZstdError` for a message of others.
    """
    head, _, body = message.partition(b"\n")
    span, encoding, *changed = head.split(b" ")
    first, _, last = span.partition(b"-")
    if encoding not in (b"json", b"zstd"):
        return int(last), None, True
    return int(last), Chunk(int(first), int(last), unpack(encoding, body)), bool(changed)


class Gap(NamedTuple):
    """Lines `first` to `last` no longer exist."""

    first: int
    last: int
    why: str


def spans(
    after: int, until: int, stored: Iterable[Chunk], *, lines: int | None = None, whole: bool = False
) -> list[Chunk | Gap]:
    """What a reader with line `after` gets of a log's chunks: all lines up to `until`, with a gap wherever lines are
    missing. This is the only place that decides what is missing.

    `stored`: the chunks, in order; `lines`: maximum lines, not counting gaps; `whole`: no chunk follows, so the rest up
    to `until` is a gap as well.
    """
    found: list[Chunk | Gap] = []
    cursor, left = after, until - after if lines is None else lines
    for chunk in stored:
        if cursor >= until or left <= 0:
            return found
        if chunk.last <= cursor:
            continue  # a duplicate
        if chunk.first > cursor + 1:
            found.append(Gap(cursor + 1, min(chunk.first - 1, until), "they were lost when Redis went back in time"))
            cursor = found[-1].last
        if chunk.first <= until:
            found.append(chunk.cut(cursor, min(until, cursor + left)))
            left -= found[-1].last - cursor
            cursor = found[-1].last
    if whole and cursor < until and left > 0:
        found.append(Gap(cursor + 1, until, "they are no longer kept"))
    return found


class Frame(NamedTuple):
    """The text of a `lines` or `gap` frame, which covers lines `first` to `last`."""

    first: int
    last: int
    text: str


def frames(sync_id: str, parts: Iterable[Chunk | Gap]) -> Iterator[Frame]:
    """The frames for what `spans` found. Consecutive chunks are joined."""
    for kind, run in groupby(parts, type):
        if kind is Chunk:
            yield lines_frame(sync_id, cast("list[Chunk]", list(run)))
        else:
            yield from (gap_frame(sync_id, *gap) for gap in cast("Iterator[Gap]", run))


def lines_frame(sync_id: str, run: list[Chunk]) -> Frame:
    first, last = run[0].first, run[-1].last
    body = keys.SEPARATOR.join(chunk.body for chunk in run)
    head = f'{{"type":"lines","sync":"{sync_id}","first":{first},"last":{last},"lines":['
    return Frame(first, last, f"{head}{body.decode()}]}}")


def body_of(lines_text: str) -> bytes:
    """The lines of a `lines` frame, as the body of a chunk."""
    return lines_text[lines_text.index("[") + 1 : -2].encode()


def gap_frame(sync_id: str, first: int, last: int, why: str) -> Frame:
    text = _encode({"type": "gap", "sync": sync_id, "first": first, "last": last, "why": why})
    return Frame(first, last, text.decode())


def rewind_frame(sync_id: str, last: int) -> str:
    why = "Redis went back in time, or these lines never existed"
    return _encode({"type": "rewind", "sync": sync_id, "last": last, "why": why}).decode()


def valid_cursor(cursor: int, summary: Summary, *, doubtful: bool = False) -> int:
    """The last line that a reader at `cursor` may keep: usually its cursor.

    A cursor beyond the end of an ended log means that Redis went back in time and the sync was ended without its
    writer, whose lines the reader has. Such an ending is one line, the last, and all lines before it are the writer's.
    While a sync runs, such a reader waits, as its writer sends the lost lines again, with the same numbers. `doubtful`:
    Redis went back while the reader was at this cursor, so its last line may differ from the line of that number in
    the log.
    """
    ahead = cursor > summary.lines or (doubtful and cursor == summary.lines)
    return max(0, summary.lines - 1) if ahead and summary.status.ended else cursor


def websocket_frame(text: str) -> bytes:
    """A text frame as it is sent, unmasked and in one piece (RFC 6455, 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def summary_frame(summary: Summary) -> str:
    return _encode({"type": "summary", "sync": summary.id, "summary": summary}).decode()


def end_frame(summary: Summary) -> str:
    return _encode({"type": "end", "sync": summary.id, "last": summary.lines, "summary": summary}).decode()


def beat_frame(time: str, last: int) -> str:
    return _encode({"type": "beat", "time": time, "last": last}).decode()
