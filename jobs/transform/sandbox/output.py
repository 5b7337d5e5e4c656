"""What comes out of a script: what it logs and prints, what it may return, and what went wrong in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

from jobs.transform.sandbox.messages import NAME, TEXT_LIMIT, Setup

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


DEEPEST = 100
"""Maximum nesting of lists and objects."""
INT_LIMIT_BITS = 2048


def a(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def problem(value: object) -> str | None:
    """Why JSON, or what reads it, could not carry a value: where in it, and what."""
    found = _fault(value, 0)
    if found is None:
        return None
    *path, what = found
    where = ".".join(path[:6]) + ("…" if len(path) > 6 else "")
    return f"{where}: {what}" if path else what


def _fault(value: object, depth: int) -> tuple[str, ...] | None:  # noqa: PLR0911 - one for each kind of value
    """The names on the way to what is wrong, and then what that is."""
    if value is None or isinstance(value, str | bool):
        return None
    if isinstance(value, int):
        return ("an integer that is far too large",) if value.bit_length() > INT_LIMIT_BITS else None
    if isinstance(value, float):
        return None if value - value == 0 else (f"{value} is not a number in JSON",)
    if not isinstance(value, dict | list | tuple):
        return (f"{a(value)}; it must be text, a number, true, false, None, a list or an object (a dict)",)
    if depth >= DEEPEST:
        return (f"lists and objects nested more than {DEEPEST} deep, or in a circle",)
    pairs: Iterable[tuple[object, object]] = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(value, dict) and not isinstance(name, str):
            return (f"the name of a member is {a(name)}; it must be text",)
        if found := _fault(inner, depth + 1):
            return (str(name)[:60], *found)
    return None


class Wrong(Exception):
    """The script is not what it must be, or did not return what it must."""


def describe(error: BaseException, setup: Setup) -> tuple[str, str]:
    """A sentence, and the traceback from the script's first line on."""
    if isinstance(error, Wrong):
        return str(error), ""
    try:
        return _traced(error, setup)
    except BaseException:  # noqa: BLE001 - no memory left, or a script that took Python apart
        return f"{type(error).__name__}, and it could not be described", ""


def _traced(error: BaseException, setup: Setup) -> tuple[str, str]:
    import linecache  # noqa: PLC0415 - slow to load, and rarely needed
    import traceback  # noqa: PLC0415

    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    linecache.cache[NAME] = (len(setup.code), None, setup.code.splitlines(keepends=True), NAME)
    place = ""
    for frame, line in traceback.walk_tb(trace):
        if frame.f_code.co_filename == NAME:
            place = f" (line {line} of the script)"
    what = traceback.format_exception_only(error)[-1].strip()[:TEXT_LIMIT]
    if isinstance(error, MemoryError):
        what += f": a script has {setup.memory_bytes >> 20:,} MiB"
    said = "".join(traceback.format_exception(type(error), error, trace)) if trace else ""
    return what + place, said[-TEXT_LIMIT:].rstrip()
