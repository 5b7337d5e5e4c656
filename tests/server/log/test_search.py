"""Finding lines in a log: what matches, in which order, how far it looked, and what it costs the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, cast

import httpx2
import msgspec
import pytest
import re2
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from server.log import query, wire
from server.log.outline import MOST_SECTIONS, Outline, Section
from server.log.query import Query
from server.log.search import SEARCHES_AT_ONCE, Search, Way
from server.log.terminal_text import shown
from server.web import errors
from synctail.model import keys
from synctail.model.sync import Line, Status, Summary
from tests.kit.following import Logs
from tests.kit.support import ROOT

SECTIONS: list[dict[str, Any]] = json.loads((ROOT / "tests" / "js" / "outline.json").read_text())


def body(*lines: Line | str) -> bytes:
    made = [one if isinstance(one, Line) else line(one) for one in lines]
    numbered = [msgspec.structs.replace(one, n=n) for n, one in enumerate(made, 1)]
    return keys.SEPARATOR.join(msgspec.json.encode(one) for one in numbered)


def line(text: str, level: str = "info", **about: Any) -> Line:
    return Line(0, "2026-01-31T09:30:00.000Z", level, text, **about)


def found(lines: Sequence[Line | str], q: str = "", **about: Any) -> list[int]:
    return [place + 1 for place in Query(q, **about).places(body(*lines))]


# --- what matches -------------------------------------------------------------------------------------------------


def test_a_text_is_found_whatever_its_case_unless_the_case_is_asked_for() -> None:
    lines = ["Order 7 PUSHED", "order 8 pushed", "nothing", "ÉTÉ", "été"]
    assert found(lines, "pushed") == [1, 2]
    assert found(lines, "pushed", case=True) == [2]
    assert found(lines, "Été") == [4, 5]
    assert found(lines, "ÉTÉ", case=True) == [4]


def test_a_text_is_no_pattern_and_what_json_escapes_is_found_as_it_was_written() -> None:
    lines = ['say "hi"\tC:\\new', "a+b", "aab", "two\nrows"]
    assert found(lines, '"hi"\tc:\\NEW') == [1]
    assert found(lines, "a+b") == [2]
    assert found(lines, "two\nrows", case=True) == [4]
    assert found(lines, "text") == []
    assert found(["the text"], "text") == [1]


def test_a_text_is_found_as_it_is_shown_and_not_in_what_a_terminal_obeys() -> None:
    lines = [
        "\x1b[31mfai\x1b[0mled",
        "31m",
        "10%\r100%",
        "old words\x1b[2K\rnew",
        "\x1b]8;;http://a\x07link\x1b]8;;\x07",
    ]
    assert found(lines, "failed") == [1]
    assert found(lines, "31m") == [2]
    assert found(lines, "10%") == []
    assert found(lines, "100%") == [3]
    assert found(lines, "old") == []
    assert found(lines, "http") == []
    assert found(lines, "^link$", pattern=True) == [5]


@settings(max_examples=60)
@given(st.text(max_size=20), st.lists(st.text(max_size=30), max_size=5), st.booleans())
def test_no_sieve_loses_a_text_that_is_there(q: str, texts: list[str], case: bool) -> None:  # noqa: FBT001
    if not q:
        return
    options = re2.Options()
    options.case_sensitive = case
    pattern = re2.compile(re2.escape(q), options)
    expected = [n for n, text in enumerate(texts, 1) if pattern.search(shown(text))]
    assert found(texts, q, case=case) == expected


@pytest.mark.parametrize("pattern", [r"^b$", r"\Ab", r"b\z", r"(?-m)^b$", r"a|^$", r"[^a]", r"\Bb", r"\s$", "(?s)a.b"])
@settings(max_examples=30)
@given(st.lists(st.text(alphabet="ab \n", max_size=6), max_size=6))
def test_no_sieve_loses_a_line_that_a_pattern_matches(pattern: str, texts: list[str]) -> None:
    options = re2.Options()
    compiled = re2.compile(f"(?m){pattern}", options)
    assert found(texts, pattern, pattern=True, case=True) == [n for n, t in enumerate(texts, 1) if compiled.search(t)]


def test_levels_phases_records_and_fields_are_matched_whole() -> None:
    lines = [
        line("one", phase="pull", record="7"),
        line("two", "error", phase="push", record="77", fields={"rows": 3, "to": {"table": "x"}, "ok": True}),
        line('"level":"error"', "warning", fields={"rows": "3", "took": 2.0}),
    ]
    assert found(lines, level=["error"]) == [2]
    assert found(lines, level=["error", "warning"]) == [2, 3]
    assert found(lines, phase=["pull", "push"]) == [1, 2]
    assert found(lines, phase=["-"]) == [3]
    assert found(lines, record=["7"]) == [1]
    assert found(lines, fields=[("rows", "3")]) == [2, 3]
    assert found(lines, fields=[("rows", "3"), ("ok", "true")]) == [2]
    assert found(lines, fields=[("took", "2")]) == [3]
    assert found(lines, fields=[("to", '{"table":"x"}')]) == [2]
    assert found(lines, "o", level=["info", "error"], exclude=["tw"]) == [1]
    assert found(lines, exclude=["^o", "w"], pattern=True) == [3]


@pytest.mark.parametrize(
    ("pattern", "says", "position"),
    [
        ("(", "missing )", 1),
        ("a(b(c)", "missing )", 2),
        ("a)b", "unexpected )", 2),
        ("a[bc", "missing ]", 2),
        ("[a(](", "missing )", 5),
        ("ab**", "bad repetition operator", 3),
        ("*a", "no argument for repetition", 1),
        (r"x\q", "invalid escape", 2),
        ("a{2000}", "invalid repetition size", 2),
        (r"(?=a)", "invalid perl operator", 1),
        (r"(?:\pL{1,200}){1,5}", "", None),
        ("((a{100}){100}){100}", "", None),
    ],
)
def test_a_wrong_pattern_is_refused_with_the_words_of_re2_and_the_place(
    pattern: str, says: str, position: int | None
) -> None:
    with pytest.raises(errors.PatternRefused) as refused:
        Query(pattern, pattern=True)
    assert says in str(refused.value.extra["says"])
    if position:
        assert refused.value.extra["position"] == position


def test_a_hostile_pattern_takes_no_time() -> None:
    lines = ["a" * 16_000 + "b"] * 200
    assert found(lines, "(a+)+$", pattern=True) == []
    assert found(lines, "(a|aa)*c", pattern=True) == []


def test_places_in_a_text_are_counted_as_a_page_counts_them() -> None:
    find = query.compiled("o+", case=False)
    assert query.spans(find, "foo Oh") == [(1, 3), (4, 5)]
    assert query.spans(find, "😀o 😀o") == [(2, 3), (6, 7)]
    assert query.spans(query.compiled("x*", case=True), "axx") == [(1, 3)]
    assert len(query.spans(query.compiled("a", case=True), "a" * 5000)) == query.MOST_SPANS


# --- the whole log ------------------------------------------------------------------------------------------------


@pytest.fixture
def long(logs: Logs) -> str:
    """20,000 lines and the last one. Each 5,000th is an error, each 4,000th speaks of a record."""
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for n in range(1, 20_001):
            if n % 5000 == 0:
                story.error(f"line {n} failed", phase="push")
            elif n % 4000 == 0:
                story.info(f"line {n}", phase="push", record=f"SO-{n}", fields={"thousand": n // 1000})
            else:
                story.info(f"line {n}", phase="pull" if n <= 10_000 else "push")
    return sync_id


def search(web: httpx2.Client, sync_id: str, **given: Any) -> dict[str, Any]:
    answer = web.get(f"/api/syncs/{sync_id}/log", params=given)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def numbers(told: dict[str, Any]) -> list[int]:
    return [one["n"] for one in told["matches"]]


def frames(web: httpx2.Client, sync_id: str, **given: Any) -> list[dict[str, Any]]:
    headers = {"Accept": "application/x-ndjson"}
    with web.stream("GET", f"/api/syncs/{sync_id}/log", params=given, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [msgspec.json.decode(one) for one in answer.iter_lines()]


def test_a_search_finds_every_line_in_either_order(web: httpx2.Client, long: str) -> None:
    told = search(web, long, q="line 1999")
    assert numbers(told) == [1999, *range(19_990, 20_000)]
    assert told["matches"][0]["text"] == "line 1999"
    assert told["searched"] == [1, 20_001]
    assert (told["more"], told["last"], told["status"], told["gaps"]) == (None, 20_001, "completed", [])
    assert numbers(search(web, long, q="line 1999", order="desc")) == [*range(19_999, 19_989, -1), 1999]
    assert numbers(search(web, long, q=r"^line 1\d{3}$", pattern="1", limit=5000)) == list(range(1000, 2000))
    assert numbers(search(web, long, record="SO-8000")) == [8000]
    assert numbers(search(web, long, **{"field.thousand": "12"})) == [12_000]


def test_more_than_the_limit_is_told_and_can_be_had(web: httpx2.Client, long: str) -> None:
    for order, cursor, expected in (
        ("asc", "after", [5000, 10_000, 15_000, 20_000]),
        ("desc", "before", [20_000, 15_000, 10_000, 5000]),
    ):
        got: list[int] = []
        more: dict[str, int] = {}
        for _ in range(4):
            told = search(web, long, level="error", order=order, limit=1, **more)
            got += numbers(told)
            more = {cursor: told["more"]}
        assert got == expected
        assert search(web, long, level="error", order=order, **more)["more"] is None


def test_a_search_keeps_to_its_bounds(web: httpx2.Client, long: str) -> None:
    told = search(web, long, level="error", after=5000, before=15_000)
    assert numbers(told) == [10_000]
    assert told["searched"] == [5001, 14_999]
    assert search(web, long, level="error", after=20_001)["searched"] is None


def test_a_stream_tells_what_it_found_and_how_far_it_came(web: httpx2.Client, long: str) -> None:
    told = frames(web, long, level="error", order="desc")
    assert [n for one in told if one["type"] == "matches" for n in one["numbers"]] == [20_000, 15_000, 10_000, 5000]
    *_, progress, done = told
    assert progress["type"] == "progress"
    assert (progress["first"], progress["last"]) == (1, 20_001)
    assert progress["time"] == web.get(f"/api/syncs/{long}/log?first=1&last=1").json()["frames"][0]["lines"][0]["time"]
    assert done == {"type": "done", "total": 4, "first": 1, "last": 20_001, "more": None, "status": "completed"}
    [matches, _, done] = frames(web, long, q="line", limit=3)
    assert (matches["numbers"], done["more"]) == ([1, 2, 3], 3)
    # Every line matches, and every line is told.
    assert sum(len(one["numbers"]) for one in frames(web, long, level="info") if one["type"] == "matches") == 19_997


def test_what_is_gone_is_told(web: httpx2.Client, logs: Logs, client: redis.Redis) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for n in range(1, 4):
            story.info(f"line {n}")
            assert story.flush()
    client.xdel(keys.log(sync_id), "2-1")
    told = search(web, sync_id, q="line")
    assert numbers(told) == [1, 3]
    [gap] = told["gaps"]
    assert (gap["first"], gap["last"]) == (2, 2)
    assert [one["first"] for one in frames(web, sync_id, q="line", order="desc") if one["type"] == "gap"] == [2]
    lines = [msgspec.json.decode(one) for one in web.get(f"/api/syncs/{sync_id}/log.ndjson?q=line").text.splitlines()]
    assert [one.get("n", one.get("type")) for one in lines] == [1, "gap", 3]


def test_lines_of_any_size_are_found_from_the_end(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        for n in range(1, 2001):
            story.info(f"line {n} {'x' * (15_000 if 500 < n < 700 else 3)}")
    told = frames(web, sync_id, q="line", order="desc")
    assert [n for one in told if one["type"] == "matches" for n in one["numbers"]] == list(range(2000, 0, -1))


def test_a_wrong_parameter_is_named(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(3)
    wrong: dict[str, dict[str, Any]] = {
        "order: got 'sideways'": {"q": "x", "order": "sideways"},
        "pattern: got 'yes'": {"q": "x", "pattern": "yes"},
        "q: got 1,001 characters": {"q": "x" * 1001},
        "level: got 'loud'; takes one of debug, info, warning, error": {"level": "loud"},
        "record: got 21 values": {"record": [str(n) for n in range(21)]},
        "limit: got '5001'": {"q": "x", "limit": "5001"},
        "first: a search takes after and before": {"q": "x", "first": "1"},
    }
    for says, asked in wrong.items():
        answer = web.get(f"/api/syncs/{sync_id}/log", params=asked)
        assert answer.status_code == 400
        assert says in answer.json()["detail"]


def test_a_wrong_pattern_is_answered_with_its_place(web: httpx2.Client, logs: Logs) -> None:
    long = logs.written(3)
    answer = web.get(f"/api/syncs/{long}/log", params={"q": "a(b", "pattern": "1"})
    assert answer.status_code == 422
    assert (answer.json()["position"], answer.json()["says"]) == (2, "missing ): a(b")
    assert web.get(f"/api/syncs/{long}/log.txt", params={"q": "(", "pattern": "1"}).status_code == 422
    assert web.post("/api/marks", json={"q": "(", "texts": []}).status_code == 422


def test_marks_are_where_a_pattern_matches(web: httpx2.Client) -> None:
    told = web.post("/api/marks", json={"q": "l+", "texts": ["Hello", "none", "😀LL"]}).json()
    assert told == {"marks": [[[2, 4]], [], [[2, 4]]]}
    assert web.post("/api/marks", json={"q": "", "texts": []}).status_code == 400
    assert web.post("/api/marks", json={"q": "x", "texts": [""] * 501}).status_code == 400
    assert web.post("/api/marks", content=b"{").status_code == 400


def test_only_users_who_may_read_may_search(web: httpx2.Client, logs: Logs) -> None:
    long = logs.written(3)
    for method, path in (
        ("GET", f"/api/syncs/{long}/log?q=x"),
        ("GET", f"/api/syncs/{long}/log/outline"),
        ("POST", "/api/marks"),
    ):
        assert web.request(method, path, headers={"Authorization": "Bearer nobody-knows-this"}).status_code == 401


class _Endless:
    """Reads a log that never ends."""

    async def read_counted(self, _sync: str, after: int, until: int) -> list[wire.Chunk]:
        return [wire.Chunk(after + 1, min(after + 100, until), body(*["x"] * min(100, until - after)))]


def test_an_abandoned_search_ends_and_too_many_are_refused() -> None:
    async def run() -> None:
        search = Search(cast("Any", None), cast("Any", _Endless()))
        way = Way(0, 2**40)
        walks = [search.walk("sync", Query("y"), way) for _ in range(SEARCHES_AT_ONCE)]
        for walk in walks:
            assert (await anext(walk)).hits == []
        with pytest.raises(errors.Busy):
            search.check_room()
        with pytest.raises(errors.Busy):
            await anext(search.walk("sync", Query("y"), way))
        await walks[0].aclose()
        search.check_room()
        for walk in walks:
            await walk.aclose()

    asyncio.run(run())


def test_a_search_that_takes_long_says_from_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr("server.log.search.SEARCH_S", 0.01)
        search = Search(cast("Any", None), cast("Any", _Endless()))
        summary = Summary(id="x", service="s", status=Status.RUNNING, queued_at="", lines=2**40)
        for way in (Way(0, 2**40), Way(0, 2**40, newest_first=True)):
            told = [msgspec.json.decode(one) async for one in search._frames(summary, Query("y"), way, 2**53)]
            done = told[-1]
            assert done["type"] == "done"
            assert done["more"] == (done["first"] if way.newest_first else done["last"])

    asyncio.run(run())


def test_what_was_found_can_be_downloaded(web: httpx2.Client, long: str) -> None:
    answer = web.get(f"/api/syncs/{long}/log.ndjson?level=error")
    assert [msgspec.json.decode(one)["n"] for one in answer.text.splitlines()] == [5000, 10_000, 15_000, 20_000]
    assert answer.headers["content-disposition"] == f'attachment; filename="orders-{long}-found.ndjson"'
    text = web.get(f"/api/syncs/{long}/log.txt?q=line&exclude=failed&after=9990").text.splitlines()
    assert len(text) == 20_000 - 9990 - 3
    assert text[0].endswith("line 9991")
    followed = web.get(f"/api/syncs/{long}/log.ndjson?level=error&follow=1").text.splitlines()
    assert [msgspec.json.decode(one)["n"] for one in followed] == [5000, 10_000, 15_000, 20_000]


# --- the outline --------------------------------------------------------------------------------------------------


def outlined(*lines: Line) -> Outline:
    outline = Outline()
    # One by one: an outline is the same however its lines were cut.
    for n, one in enumerate(lines, 1):
        outline.add([wire.Chunk(n, n, msgspec.json.encode(msgspec.structs.replace(one, n=n)))])
    return outline


def spans(outline: Outline) -> list[tuple[int, int, str]]:
    return [(one.first, one.last, one.phase) for one in outline.sections]


def test_sections_are_runs_of_a_phase_and_bridge_what_has_none() -> None:
    pull, push, none = line("a", phase="pull"), line("b", "error", phase="push"), line("c", "warning")
    outline = outlined(none, pull, pull, push, none, push, none, pull, none)
    assert spans(outline) == [(2, 3, "pull"), (4, 6, "push"), (8, 8, "pull")]
    assert [(one.errors, one.warnings) for one in outline.sections] == [(0, 0), (2, 1), (0, 0)]
    assert outline.levels == {"info": 3, "error": 2, "warning": 4}
    assert outline.phases == {"": 4, "pull": 3, "push": 2}
    assert spans(outlined(pull, *[none] * 30, pull)) == [(1, 1, "pull"), (32, 32, "pull")]


def of_phases(lines: list[tuple[int, str, str]]) -> list[wire.Chunk | wire.Gap]:
    parts: list[wire.Chunk | wire.Gap] = []
    for n, phase, level in lines:
        one = msgspec.structs.replace(line("x", level, phase=phase), n=n)
        parts.append(wire.Chunk(n, n, msgspec.json.encode(one)))
    return parts


@pytest.mark.parametrize("case", SECTIONS, ids=lambda case: case["says"])
def test_sections_are_the_same_here_and_on_the_page(case: dict[str, Any]) -> None:
    """static/find/outline.js is tried with the same, in tests/js/find/finder.test.js."""

    def short(one: Section | None) -> list[Any] | None:
        return [one.first, one.last, one.phase, one.errors, one.warnings] if one else None

    outline = Outline()
    outline.add(of_phases(case["lines"]))
    told = outline.told()
    assert [short(one) for one in told["sections"]] == case["sections"]
    assert short(told["loose"]) == case["loose"]
    outline.add(of_phases(case["later"]))
    assert [short(one) for one in outline.sections] == case["end"]


def test_sections_and_phases_are_bounded_and_the_cut_is_told() -> None:
    outline = Outline()
    texts = [line("x", phase=f"phase {n % 300}") for n in range(MOST_SECTIONS + 500)]
    outline.add([wire.Chunk(1, len(texts), body(*texts))])
    assert len(outline.sections) == MOST_SECTIONS
    assert outline.cut == MOST_SECTIONS + 1
    assert len(outline.phases) == 101
    assert sum(outline.phases.values()) == len(texts)


def test_an_outline_goes_on_with_its_log(web: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    path = f"/api/syncs/{sync_id}/log/outline"
    assert web.get(path).json() == {"upto": 0, "levels": {}, "phases": [], "sections": [], "loose": None, "cut": None}
    with logs.writing(sync_id) as story:
        story.info("one", phase="pull")
        assert story.flush()
        assert web.get(path).json()["upto"] == 1
        story.error("two", phase="pull")
        assert story.flush()
        told = web.get(path).json()
        assert (told["upto"], told["levels"]) == (2, {"info": 1, "error": 1})
        [section] = told["sections"]
        assert (section["first"], section["last"], section["phase"], section["errors"]) == (1, 2, "pull", 1)
    assert web.get(path).json()["levels"] == {"info": 2, "error": 1}


def test_an_outline_of_a_log_that_went_back_in_time_is_made_anew(
    web: httpx2.Client, logs: Logs, client: redis.Redis
) -> None:
    sync_id = logs.start()
    path = f"/api/syncs/{sync_id}/log/outline"
    with logs.writing(sync_id) as story:
        story.error("one")
        assert story.flush()
        assert web.get(path).json()["levels"] == {"error": 1}
        client.delete(keys.log(sync_id))
        client.hset(keys.summary(sync_id), "last", 0)
        assert web.get(path).json() == {
            "upto": 0,
            "levels": {},
            "phases": [],
            "sections": [],
            "loose": None,
            "cut": None,
        }


def test_a_moment_has_a_line(web: httpx2.Client, long: str) -> None:
    lines = [msgspec.json.decode(one) for one in web.get(f"/api/syncs/{long}/log.ndjson").text.splitlines()]
    for n in (1, 777, 12_345, 20_001):
        at = lines[n - 1]["time"]
        first = next(one["n"] for one in lines if one["time"] >= at)
        told = web.get(f"/api/syncs/{long}/log/outline", params={"at": at}).json()
        assert told == {"n": first, "time": at}
    assert web.get(f"/api/syncs/{long}/log/outline?at=2020-01-01T00:00:00Z").json()["n"] == 1
    assert web.get(f"/api/syncs/{long}/log/outline?at=2999-01-01T00:00:00Z").json()["n"] == 20_001
    assert web.get(f"/api/syncs/{long}/log/outline?at=noon").status_code == 400
