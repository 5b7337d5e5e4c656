"""Known secrets never stand in what is logged: as they are, in an address, in JSON, within base64, in nested values."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from synctail.log.lines import readable
from synctail.log.masks import MASK, masker

SECRET = "s3cret/of+the shop?ä"
mask = masker([SECRET])

environment = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
secrets = st.text(st.characters(codec="utf-8"), min_size=4, max_size=40).filter(lambda s: len(s.strip()) >= 4)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        SECRET.replace("/", "\\/"),
        repr(SECRET)[1:-1],
    ],
)
def test_each_way_to_write_a_secret_is_masked(form: str) -> None:
    assert mask(f"before {form} after {form}") == f"before {MASK} after {MASK}"


@given(secrets, st.text(st.characters(codec="ascii"), max_size=10))
@settings(deadline=None)
def test_any_secret_is_masked_however_it_is_written(secret: str, around: str) -> None:
    hide = masker([secret])
    forms = (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret), repr(secret))
    for form in forms:
        masked = hide(f"{around} {form} {around}")
        assert MASK in masked
        assert form not in masked or form in f"{around}{MASK} "


@given(st.text(st.characters(codec="utf-8"), max_size=9), secrets, st.text(max_size=9).map(readable))
@settings(deadline=None)
def test_within_base64_of_a_longer_text_what_is_the_secret_s_alone_is_masked(
    before: str, secret: str, after: str
) -> None:
    assume(len(secret.encode()) >= 6)
    hide = masker([secret])
    whole = (before + secret + after).encode()
    for encoded in (base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()):
        assert MASK in hide(encoded)


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize("secret", ["the-token-of-the-shop", "???>>>~~~\xff\xfe", "0123456"])
def test_base64_gives_a_secret_away_at_no_offset(secret: str, offset: int) -> None:
    hide = masker([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        masked = hide(encode(b"u" * offset + secret.encode() + b":rest").decode())
        assert MASK in masked
        kept = [part for part in masked.split(MASK) if part]
        assert all(len(part) <= 12 for part in kept), "only the neighbours are left"


def test_basic_credentials_are_masked_as_they_are_sent() -> None:
    hide = masker(["the-token-of-the-shop"])
    for user in ("a", "an", "ana", "anna"):
        header = base64.b64encode(f"{user}:the-token-of-the-shop".encode()).decode()
        shown = hide(f"Authorization: Basic {header}")
        assert MASK in shown
        tail = shown.partition("Basic ")[2].partition(MASK)
        assert b"token" not in base64.b64decode(tail[0][: len(tail[0]) // 4 * 4])
        assert len(tail[2]) <= 4


def test_a_secret_with_both_kinds_of_quotes_is_masked_in_a_repr() -> None:
    secret = 'it\'s "so"'
    assert masker([secret])(f"{[secret]!r}") == f"['{MASK}']"


def test_nested_values_are_masked_in_keys_and_values() -> None:
    value = {"a": [f"x {SECRET}", {SECRET: {"deep": [SECRET]}}], "n": 1, "none": None, "yes": True}
    assert mask(value) == {"a": [f"x {MASK}", {MASK: {"deep": [MASK]}}], "n": 1, "none": None, "yes": True}
    assert value["n"] == 1
    assert SECRET in str(value), "the value itself is left as it was"


def test_the_longer_of_two_secrets_wins() -> None:
    assert masker(["shop", "shop-token"])("shop-token shop") == f"{MASK} {MASK}"


@pytest.mark.parametrize("short", ["", "a", "abc", " abc\n"])
def test_a_short_secret_is_ignored(short: str) -> None:
    text = "a abc is no secret"
    assert masker([short])(text) == text
    assert masker([short, "is no"])(text) == f"a abc {MASK} secret"


def test_without_secrets_nothing_changes() -> None:
    value = {"a": ["b"]}
    assert masker([])(value) is value


def test_a_line_break_at_the_end_belongs_to_the_file_it_was_read_from() -> None:
    assert masker(["the-token\n"])("Bearer the-token.") == f"Bearer {MASK}."


def test_a_secret_of_bytes_that_are_no_utf_8_is_masked_as_it_is_shown() -> None:
    raw = b"caf\xe9-token"
    secret = raw.decode("utf-8", "surrogateescape")  # as the environment gives it
    hide = masker([secret])
    for shown in (readable(raw), readable(secret)):
        assert hide(shown) == MASK


@given(st.lists(environment, max_size=3), st.text(st.characters()))
@settings(deadline=None)
def test_any_secrets_and_any_text_go_together(known: list[str], text: str) -> None:
    masked: Any = masker(known)(readable(text))
    assert isinstance(masked, str)


@given(st.text(st.characters(codec="utf-8", exclude_characters="the-okn"), max_size=200))
def test_a_text_without_the_secret_is_left_as_it_is(text: str) -> None:
    assert masker(["the-token"])(text) == text


@given(
    st.lists(secrets, min_size=1, max_size=3),
    st.lists(st.integers(min_value=0, max_value=7), max_size=12),
    st.lists(st.integers(min_value=1, max_value=60), min_size=1, max_size=5),
    st.binary(max_size=20),
)
@settings(deadline=None, max_examples=50)
def test_what_comes_in_pieces_is_masked_as_if_it_were_whole(
    known: list[str], choice: list[int], cuts: list[int], around: bytes
) -> None:
    hide = masker(known)
    one, two = known[0], known[-1]
    forms = [form.encode() for form in (one, quote(two), json.dumps(one), repr(two))]
    parts = [*forms, around, b" ", forms[0][:-1], forms[0][1:]]
    text = b"".join(parts[i] for i in choice)
    pieces: list[bytes] = []
    at = 0
    while at < len(text):
        pieces.append(text[at : at + cuts[len(pieces) % len(cuts)]])
        at += len(pieces[-1])
    assert b"".join(hide.stream(pieces)) == b"".join(hide.stream([text]))
    whole = text.decode("utf-8", "surrogateescape")
    assert b"".join(hide.stream([text])) == hide(whole).encode("utf-8", "surrogateescape")
