"""What a script says: its `log`, and what it prints. Both become lines."""

from __future__ import annotations

import io
from collections.abc import Callable

from jobs.transform.sandbox.messages import TEXT_LIMIT

TYPE_CHECKING = False  # `typing` itself takes as long to load as much of the rest
if TYPE_CHECKING:
    from typing_extensions import Buffer

MARK_ROOM = 64
"""Bytes kept free for the note that a line was cut."""

Say = Callable[..., None]
"""`say(level, text, record)`: sends a line to the worker."""


class Log:
    """What a script gets as `log`: `log("…")`, `log.warning("…")`; `record=` names the record that a line is about."""

    def __init__(self, say: Say, key: str) -> None:
        self._say = say
        self._key = key

    def __call__(self, text: object, record: object = None) -> None:
        self._put("info", text, record)

    info = __call__

    def debug(self, text: object, record: object = None) -> None:
        self._put("debug", text, record)

    def warning(self, text: object, record: object = None) -> None:
        self._put("warning", text, record)

    def error(self, text: object, record: object = None) -> None:
        self._put("error", text, record)

    def _put(self, level: str, text: object, record: object) -> None:
        name = record.get(self._key) if isinstance(record, dict) else record
        self._say(level, str(text), None if name is None else str(name)[:TEXT_LIMIT])


def cut(text: str) -> str:
    """Short enough not to be cut again, with a note of what is missing, as in `synctail.log.lines.cut`."""
    if len(text) * 4 <= TEXT_LIMIT:
        return text
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= TEXT_LIMIT:
        return text
    kept = raw[: TEXT_LIMIT - MARK_ROOM].decode("utf-8", "ignore")
    return f"{kept} … [cut: {len(raw) - len(kept.encode()):,} bytes more]"


class Printed(io.RawIOBase):
    """What is printed becomes lines, a long one in pieces."""

    def __init__(self, say: Say, level: str) -> None:
        self._say = say
        self._level = level
        self.name = level
        self._begun = b""

    def as_text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self, "utf-8", errors="backslashreplace", newline="\n", write_through=True)

    def writable(self) -> bool:
        return True

    def write(self, printed: Buffer) -> int:
        added = bytes(printed)
        *whole, begun = (self._begun + added).split(b"\n")
        while len(begun) >= TEXT_LIMIT:
            whole.append(begun[:TEXT_LIMIT])
            begun = begun[TEXT_LIMIT:]
        self._begun = begun
        for line in whole:
            self._say(self._level, line.decode("utf-8", "backslashreplace"))
        return len(added)

    def end(self) -> None:
        """End the line that has been begun."""
        if self._begun:
            self.write(b"\n")
