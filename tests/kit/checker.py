"""The independent checker: compares what readers received with what was logged. It shares no code with the product.

It takes each reader's tape, the raw text of all frames in the order of arrival, and the truth: the text of every line,
in the order of logging. It counts what Synctail promises never to do, and works out the meaning of frames and each
reader's position by itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import redis
import zstandard


@dataclass(frozen=True)
class Truth:
    """What was logged: the text of line `n` is `texts[n - 1]`."""

    sync_id: str
    texts: Sequence[str]

    @property
    def last(self) -> int:
        return len(self.texts)

    def text(self, n: int) -> str | None:
        return self.texts[n - 1] if 1 <= n <= self.last else None


def spoken(sync_id: str, n: int) -> str:
    """The text of a producer's line. It contains the producer's own number for it."""
    return f"line {n} of {sync_id}"


@dataclass
class Tape:
    """All that one reader received, over any transport, in order."""

    after: int = 0
    heard: list[tuple[Literal["frame", "line", "finished"], str]] = field(default_factory=list)

    def frame(self, text: str) -> None:
        """A frame, of a websocket or of a poll's answer."""
        self.heard.append(("frame", text))

    def line(self, text: str) -> None:
        """A whole line of a download in NDJSON."""
        self.heard.append(("line", text))

    def finished(self) -> None:
        """A download that follows was complete: this is how it says that the sync has ended."""
        self.heard.append(("finished", ""))


@dataclass(frozen=True)
class Report:
    """Sums over all readers. All but the first two count faults."""

    readers: int = 0
    lines: int = 0
    missing: int = 0
    """Lines that a reader never got, and no `gap` named."""
    double: int = 0
    disordered: int = 0
    """Lines whose first arrival was after a later line."""
    wrong: int = 0
    """Lines with another text than was logged under their number."""
    gone: int = 0
    """Lines that a `gap` called lost."""
    taken_back: int = 0
    """Lines that a `rewind` took back from a reader."""
    endless: int = 0
    """Readers that were not told that the sync has ended."""
    false_ends: int = 0
    """Ends that do not name the last line, or came before it."""
    after_end: int = 0
    foreign: int = 0
    """Frames of another sync."""
    malformed: int = 0
    """Frames whose `first` and `last` are not those of their lines, or that are not frames."""

    @property
    def faults(self) -> dict[str, int]:
        """The counts that should be 0 and are not."""
        return {name: count for name, count in self._counts() if count and name not in ("readers", "lines")}

    def __add__(self, other: Report) -> Report:
        return Report(**{name: count + getattr(other, name) for name, count in self._counts()})

    def _counts(self) -> Iterator[tuple[str, int]]:
        for one in fields(self):
            yield one.name, getattr(self, one.name)


def check(truth: Truth, tapes: Iterable[Tape]) -> Report:
    return sum((_Listener(truth, tape).listen() for tape in tapes), Report())


class _Listener:
    def __init__(self, truth: Truth, tape: Tape) -> None:
        self._truth = truth
        self._tape = tape
        self._seen: set[int] = set()
        self._texts: list[tuple[int, str]] = []
        self._gone: set[int] = set()
        self._highest = tape.after
        self._ended = False
        self._faults: Counter[str] = Counter()

    def listen(self) -> Report:
        for kind, text in self._tape.heard:
            if self._ended:
                self._faults["after_end"] += 1
            if kind == "finished":
                self._end(self._highest)
                continue
            try:
                heard = json.loads(text)
                if kind == "line" and "type" not in heard:
                    self._line(heard)
                else:
                    self._frame(heard, stands_alone=kind == "frame")
            except (ValueError, KeyError, TypeError, AttributeError):
                self._faults["malformed"] += 1
        expected = set(range(self._tape.after + 1, self._truth.last + 1))
        return Report(
            readers=1,
            lines=len(self._seen),
            missing=len(expected - self._seen - self._gone),
            gone=len(self._gone),
            wrong=sum(text != self._truth.text(n) for n, text in self._texts),
            endless=int(not self._ended),
            **self._faults,
        )

    def _frame(self, frame: dict[str, Any], *, stands_alone: bool) -> None:
        kind = frame["type"]
        if stands_alone and kind != "beat" and frame["sync"] != self._truth.sync_id:
            self._faults["foreign"] += 1
        match kind:
            case "lines":
                numbers = [line["n"] for line in frame["lines"]]
                if not numbers or numbers != list(range(frame["first"], frame["last"] + 1)):
                    self._faults["malformed"] += 1
                for line in frame["lines"]:
                    self._line(line)
            case "gap":
                self._gone.update(range(frame["first"], frame["last"] + 1))
                self._highest = max(self._highest, frame["last"])
            case "end":
                self._end(frame["last"])
            case "rewind":
                self._take_back(frame["last"])
            case "summary" | "beat" | "error":
                pass
            case _:
                self._faults["malformed"] += 1

    def _line(self, line: dict[str, Any]) -> None:
        n = line["n"]
        self._texts.append((n, line["text"]))
        if n in self._seen or n <= self._tape.after:
            self._faults["double"] += 1
        elif n < self._highest:
            self._faults["disordered"] += 1
        self._seen.add(n)
        self._highest = max(self._highest, n)

    def _take_back(self, last: int) -> None:
        self._faults["taken_back"] += sum(n > last for n in self._seen)
        self._seen = {n for n in self._seen if n <= last}
        self._gone = {n for n in self._gone if n <= last}
        self._texts = [(n, text) for n, text in self._texts if n <= last]
        self._highest = min(self._highest, last)

    def _end(self, last: int) -> None:
        if last != self._truth.last or self._highest < last:
            self._faults["false_ends"] += 1
        self._ended = True


def stored_texts(client: redis.Redis, sync_id: str) -> list[str]:
    """The truth of a log whose lines are not known beforehand: what Redis holds in the end, decoded independently.

    Fails unless it is numbered 1, 2, 3 …
    """
    texts: list[str] = []
    entries: Any = client.xrange(f"sync:{{{sync_id}}}:log")
    for _, body in entries:
        [(encoding, packed)] = body.items()
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed) if encoding == b"zstd" else packed
        for line in json.loads(b"[" + plain + b"]"):
            texts.append(line["text"])
            assert line["n"] == len(texts), f"{sync_id}: line {line['n']} stands where {len(texts)} should"
    return texts
