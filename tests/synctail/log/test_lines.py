"""Whatever a job logs becomes a line: valid, on one line, bounded, and masked before it is cut."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.log import wire
from synctail.log import lines
from synctail.log.masks import MASK, NO_MASK, Masker, masker
from synctail.model import keys
from synctail.model.ids import parse_rfc3339
from tests.kit.support import PATIENCE_S

LARGEST_BYTES = 6 * lines.FIELDS_LIMIT_BYTES  # JSON may write six bytes for one

anything = st.one_of(
    st.text(st.characters()),  # lone surrogates and control characters too
    st.binary(),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
)
hostile = st.recursive(
    anything,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(st.characters()), st.binary(), st.integers(), st.none()), inner, max_size=5),
    ),
    max_leaves=15,
)


class Silent:
    """An object without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Strange(str):
    """A string that says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\ud800"


def encode(text: Any, extra: dict[str, Any] | None = None, mask: Masker = NO_MASK) -> dict[str, Any]:
    """The line, checked to be what every line must be."""
    raw = lines.encode_line(7, lines.Entry(1_767_225_600.5, "info", text, **(extra or {})), mask)
    assert b"\n" not in raw
    assert b"\r" not in raw
    assert len(raw) < LARGEST_BYTES
    line: dict[str, Any] = json.loads(raw.decode("utf-8", "strict"))
    json.dumps(line, ensure_ascii=False).encode()
    assert set(line) - {"phase", "record", "fields"} == {"n", "time", "level", "text"}
    assert (line["n"], line["time"], line["level"]) == (7, "2026-01-01T00:00:00.500Z", "info")
    assert isinstance(line["text"], str)
    return line


@given(anything)
def test_anything_becomes_a_line(text: object) -> None:
    line = encode(text)
    assert line["text"] == lines.readable(text)


@given(st.text())
def test_a_text_that_utf_8_can_carry_is_kept_as_it_is(text: str) -> None:
    assert encode(text)["text"] == text


@given(hostile, anything, anything)
@settings(deadline=None)
def test_any_fields_become_a_part_of_the_line(value: Any, phase: Any, record: Any) -> None:
    line = encode("x", {"phase": phase, "record": record, "fields": {"value": value}})
    assert isinstance(line.get("phase", ""), str)
    assert isinstance(line.get("record", ""), str)
    assert (phase is None) == ("phase" not in line)
    assert (record is None) == ("record" not in line)
    assert set(line["fields"]) == {"value"}


names = st.one_of(st.none(), st.text(st.characters(), max_size=600))
entries = st.builds(
    lines.Entry,
    at=st.floats(0, 4_000_000_000),
    level=st.sampled_from(["info", "error"]),
    text=st.one_of(st.text(st.characters(), max_size=200), st.sampled_from(["a s3cret-value", "x" * 5000, "é" * 9000])),
    phase=names,
    record=names,
    fields=st.one_of(st.none(), st.dictionaries(st.text(), hostile, max_size=2)),
)


@pytest.mark.slow
@given(st.integers(1, 10**7), st.lists(entries, min_size=1, max_size=8), st.booleans())
@settings(deadline=None)
def test_lines_encoded_together_are_what_they_are_one_by_one(
    first: int,
    given: list[lines.Entry],
    has_secrets: bool,  # noqa: FBT001
) -> None:
    mask = masker(["s3cret-value"] if has_secrets else [])

    body = lines.encode_lines(first, given, mask)
    assert body.split(keys.SEPARATOR) == [lines.encode_line(n, entry, mask) for n, entry in enumerate(given, first)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"\xff caf\xc3\xa9", "\\xff café"),
        ("\ud800 half", "\\ud800 half"),
        (Silent(), "<Silent without a text: RuntimeError>"),
        (Strange("x"), "\\ud800"),
        (ValueError("wrong"), "wrong"),
        (None, "None"),
    ],
    ids=["bytes", "half a pair", "no text", "another text", "an error", "none"],
)
def test_what_is_no_text_is_made_readable(text: object, shown: str) -> None:
    assert encode(text)["text"] == shown


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**70,
        10**5000,
        {1, 2},
        Silent(),
        Strange("x"),
        datetime.now(UTC),
        {(1, 2): {None: b"\xff"}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_does_not_know_do_not_break_a_line(value: Any) -> None:
    encode("x", {"fields": {"value": value}})


def test_values_that_hold_themselves_end_somewhere() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = [circle, circle]
    wide: list[Any] = []
    wide.extend([wide] * 50)
    encode("x", {"fields": circle})
    encode("x", {"fields": {"wide": wide}})


@given(st.sampled_from(["a", "ä", "€", "😀", "\x00", "\ud800", '"']), st.integers(0, 40_000))
@settings(deadline=None)
def test_a_huge_text_is_cut_with_a_mark_and_bounded(character: str, length: int) -> None:
    whole = lines.readable(character * length)
    text = encode(character * length)["text"]
    size = len(whole.encode())
    if size <= lines.TEXT_LIMIT_BYTES:
        assert text == whole
        return
    kept, mark, said = text.partition(" … [cut: ")
    assert mark
    assert whole.startswith(kept)
    assert lines.TEXT_LIMIT_BYTES - 4 < len(kept.encode()) <= lines.TEXT_LIMIT_BYTES
    assert said == f"{size - len(kept.encode()):,} bytes more]"


def test_a_name_that_is_too_long_is_cut_as_well() -> None:
    line = encode("x", {"record": "r" * 5000, "phase": "p" * 5000})
    assert line["record"] == "r" * 1024 + " … [cut: 3,976 bytes more]"
    assert line["phase"].endswith("bytes more]")


@pytest.mark.parametrize("fields", [{"a": "x" * 100_000}, {str(n): "x" * 50 for n in range(5000)}], ids=["one", "many"])
def test_fields_that_are_too_large_are_replaced_by_a_note(fields: dict[str, Any]) -> None:
    line = encode("x", {"fields": fields})
    assert list(line["fields"]) == ["cut"]
    assert "bytes of fields were too large to keep" in line["fields"]["cut"]


def test_a_secret_at_the_cut_is_masked_first() -> None:
    secret = "the-token-of-the-shop"
    text = "x" * (lines.TEXT_LIMIT_BYTES - 10) + secret
    line = encode(text, {"record": secret, "fields": {secret: [secret.encode()]}}, masker([secret]))
    assert "the-token" not in json.dumps(line)
    assert line["fields"] == {MASK: [MASK]}
    assert line["record"] == MASK


@given(st.floats(0, 4_000_000_000))
def test_times_are_rfc_3339_with_milliseconds(at: float) -> None:
    shown = lines.timestamp(at)
    assert len(shown) == 24
    assert abs(parse_rfc3339(shown).timestamp() - at) < 0.0011


def test_times_are_right_from_many_threads() -> None:
    once = threading.Barrier(8)

    def make(thread: int) -> list[tuple[int, str]]:
        once.wait(PATIENCE_S)
        return [(at, lines.timestamp(at)) for at in range(thread, 8_000, 8)]

    with ThreadPoolExecutor(8) as threads:
        made = [pair for one in threads.map(make, range(8)) for pair in one]
    assert all(parse_rfc3339(shown).timestamp() == at for at, shown in made)


@given(st.lists(st.text(st.characters(), max_size=3000), min_size=1, max_size=20))
@settings(deadline=None)
def test_what_is_packed_is_unpacked(texts: list[str]) -> None:
    encoded = [lines.encode_line(n, lines.Entry(0, "info", text)) for n, text in enumerate(texts, 1)]
    encoding, body = lines.pack(keys.SEPARATOR.join(encoded))
    raw = wire.unpack(encoding.encode(), body)
    assert raw.split(keys.SEPARATOR) == encoded
    assert (encoding == "zstd") == (len(raw) >= lines.COMPRESS_FROM_BYTES)
    assert [line["text"] for line in json.loads(b"[" + raw + b"]")] == [lines.readable(text) for text in texts]
