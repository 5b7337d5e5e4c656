"""What the worker and a script's process say to each other: JSON, each message behind its length in four bytes.

| from the worker | |
| --- | --- |
| `{"code": …}` | `Setup`, once |
| `[record, …]` | a batch |

| from the process | |
| --- | --- |
| `["ready", missing]` | the names of walls that this system does not offer |
| `["line", level, text, record]` | a line for the log, and the name of the record it is about, or null |
| `["done", records, places]` | what the script returned, and the place of each in the batch, or null if it is new |
| `["fault", says, trace]` | in place of `done` |
| `["end", left_out, cpu_s]` | after each batch: lines not sent, and processor seconds used since the start |
"""

from __future__ import annotations

import json
import os
import struct

NAME = "<script>"
"""The script's file name in tracebacks."""
TEXT_LIMIT = 16 * 1024
"""Maximum bytes of a line."""
BROKEN_PIPE = 3
"""Exit status of a cage that cannot reach the worker."""


class Setup:
    """`without`: walls to leave out, for tests of the others. `key`: the source's. `folder`: empty, and removed at the
    end. Limits as in `jobs.transform.script.Limits`; `timeout_s` is for one batch, `cpu_s` for the whole process."""

    code: str
    key: str
    folder: str
    timeout_s: float
    cpu_s: int
    memory_bytes: int
    file_bytes: int
    output_bytes: int
    open_files: int
    lines: int
    without: list[str]

    def __init__(self, message: bytes) -> None:
        vars(self).update(json.loads(message))


def read_message(fd: int) -> bytes | None:
    """None when the other side has closed the pipe."""
    head = _read_exactly(fd, 4)
    return _read_exactly(fd, struct.unpack(">I", head)[0]) if head else None


def _read_exactly(fd: int, size: int) -> bytes | None:
    got = bytearray()
    while len(got) < size:
        piece = os.read(fd, min(size - len(got), 1 << 20))
        if not piece:
            return None
        got += piece
    return bytes(got)


def write_message(fd: int, body: bytes) -> None:
    left = memoryview(struct.pack(">I", len(body)) + body)
    while left:
        left = left[os.write(fd, left) :]
