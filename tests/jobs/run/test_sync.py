"""One sync's way without Redis and workers: counts that add up with every word it says, and phases that are true."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.connectors.base import ConnectorError, Context, Outcome, Page
from jobs.run import sync as module
from jobs.run.kept_records import Failures, KeptRecords
from jobs.run.sync import Counts, LogLost, Sync, TooManyErrors
from jobs.services.model import FileDestination, Options
from jobs.transform.model import Filter, MappedField
from synctail.log.payload_files import PayloadLimit, Payloads
from synctail.log.writer import LogWriter
from synctail.model.json_text import Record
from synctail.model.sync import Stored
from tests.kit.support import service


class Log:
    """What was logged and set, in its order."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.phases: list[str] = []
        self.counts = Counts()
        self.heard = True

    def info(self, text: str, phase: str | None = None, record: str | None = None) -> None:
        del phase, record
        self.texts.append(text)

    warning = error = info

    def set(self, **fields: Any) -> None:
        if "phase" in fields and self.phases[-1:] != [fields["phase"]]:
            self.phases.append(fields["phase"])
        if "pulled" in fields:
            self.counts = Counts(**{name: fields[name] for name in Counts().__dict__})
            assert 0 <= self.counts.done <= self.counts.pulled
            assert self.counts.written >= 0

    def flush(self, _: float) -> bool:
        return self.heard


class Memory:
    """Knows every record that says so; keeps what fails."""

    def __init__(self) -> None:
        self.pushed: list[Record] = []
        self.held: list[Record] = []
        self.failed: list[Record] = []
        self.kept: list[Record] = []

    def known(self, records: Sequence[Record]) -> list[bool]:
        return [record["fate"] == "seen" for record in records]

    def overtaken(self, records: Sequence[Record], *_: int) -> list[bool]:
        return [record["fate"] == "overtaken" for record in records]

    def remember(self, records: Sequence[Record]) -> None:
        self.pushed += records

    def hold(self, records: Sequence[Record]) -> None:
        self.held += records

    def add_held(self) -> None:
        self.pushed += self.held

    def keep(self, _: int = 0) -> None:
        self.kept += self.failed
        self.failed.clear()

    def warn_if_incomplete(self) -> None: ...


class Way:
    """A source of pages and a destination that refuses, or breaks at, what says so."""

    def __init__(self, pages: list[list[str]], **more: Any) -> None:
        self.log, self.memory = Log(), Memory()
        self.completed = False
        self.records = [[{"id": n, "fate": fate} for n, fate in enumerate(page)] for page in pages]
        nobody = cast("Any", None)
        limit = PayloadLimit(0, 0)
        self.payloads = Payloads(nobody, "", 1, nobody, Stored(), limit=limit, ttl_ms=1)
        self.service = service(
            filters=[Filter("fate", "!=", "filtered")],
            mapping=[MappedField("id", "id"), MappedField("fate", "fate", [["null_if", "unmappable"], ["required"]])],
            **{"destination": AT_ONCE, **more},
        )

    def pages(self) -> Iterator[Page]:
        total = sum(map(len, self.records))
        yield from (Page(page, total, pulled_at_ms=1) for page in self.records)

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        for record in records:
            if record["fate"] == "breaks":
                raise ConnectorError("the system broke")
            yield Outcome(record, "no" if record["fate"] == "refused" else None)

    def complete(self) -> None:
        self.completed = True

    def run(self) -> Sync:
        memory = self.memory
        remembering = type(
            "Seeing",
            (),
            {
                "known": memory.known,
                "overtaken": memory.overtaken,
                "add": memory.remember,
                "hold": memory.hold,
                "add_held": memory.add_held,
            },
        )
        keeping = type(
            "Keeping",
            (),
            {"add": memory.failed.append, "keep": memory.keep, "warn_if_incomplete": memory.warn_if_incomplete},
        )
        context = Context(log=cast("LogWriter", self.log), secrets={}, files=Path(), page_size=10, max_attempts=1)
        seen, failures, kept = cast("Any", remembering), cast("Failures", keeping), cast("KeptRecords", self)
        sync = Sync(self.service, context, seen, failures, self.payloads, kept)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "open_destination", lambda *_: nullcontext(self))
            try:
                sync.run()
            except (ConnectorError, TooManyErrors, LogLost) as error:
                self.log.texts.append(f"broke off: {error}")
        return sync


FATES = ["pushed", "filtered", "seen", "overtaken", "unmappable", "refused", "breaks"]


AT_ONCE, ALL_OR_NOTHING = FileDestination(path="x", mode="append"), FileDestination(path="{time}.json")


@given(
    st.lists(st.lists(st.sampled_from(FATES), max_size=6), max_size=5),
    st.none() | st.integers(0, 3),
    st.sampled_from([AT_ONCE, ALL_OR_NOTHING]),
)
@example([["refused", "unmappable"]], None, ALL_OR_NOTHING)
def test_the_counts_add_up_with_every_word_and_each_record_has_one_fate(
    pages: list[list[str]], max_failed: int | None, destination: FileDestination
) -> None:
    way = Way(pages, options=Options(max_failed=max_failed), destination=destination)
    counts = way.run().counts
    assert way.log.counts == counts, "what was set last is what was counted"
    fates = [fate for page in pages for fate in page]
    broke_off = [text for text in way.log.texts if text.startswith("broke off")]
    assert len(way.memory.kept) == counts.failed
    assert len(way.memory.pushed) == counts.pushed
    named = [text for text in way.log.texts if text.startswith(("Not pushed", "Not mapped"))]
    assert len(named) == counts.failed
    told = [text.split()[0] for text in way.log.texts if re.match(r"(Wrote|Pushed) \d+$", text)]
    assert told == ["Pushed" if destination is AT_ONCE else "Wrote"] * (counts.pushed + counts.written)
    left = "the file is left as it was" in "\n".join(way.log.texts)
    assert left == (destination is ALL_OR_NOTHING and not broke_off and counts.failed > 0 and counts.pushed == 0)
    assert way.completed == (not broke_off and not left)
    assert (counts.written if way.completed or destination is AT_ONCE else counts.pushed) == 0
    if not broke_off:
        assert counts.pulled == counts.done == len(fates)
        assert counts.failed == fates.count("unmappable") + fates.count("refused")
        assert counts.skipped == fates.count("seen") + fates.count("overtaken")
        assert counts.filtered == fates.count("filtered")


def test_phases_follow_what_is_done() -> None:
    way = Way([["pushed"], ["filtered"], ["seen"]])
    way.run()
    assert way.log.phases == ["pull", "filter", "map", "push", "pull", "filter", "pull", "filter", "pull"]


def test_each_page_says_what_became_of_it_and_how_long_it_took() -> None:
    way = Way([["pushed", "refused", "filtered"], ["seen"]])
    way.run()
    said = [text for text in way.log.texts if text.startswith("Page")]
    assert [text.split(" in ")[0] for text in said] == [
        "Page 1: 3 records pulled",
        "Page 1 done",
        "Page 2: 1 record pulled",
        "Page 2 done",
    ]
    assert said[1].endswith(" ms: 1 pushed, 1 filtered, 1 failed")
    assert said[2].endswith(" ms, 4 of 4 so far")
    assert way.log.texts[-1].startswith(
        "Everything is accounted for: 4 pulled, 1 pushed, 1 skipped, 1 filtered, 1 failed; 0.0 s, "
    )
    assert way.log.texts[-1].endswith(" records per second")


@pytest.mark.parametrize(("fate", "remembered"), [("pushed", [0, 0]), ("breaks", [])])
def test_what_was_pushed_to_a_file_that_is_not_completed_is_not_remembered(fate: str, remembered: list[int]) -> None:
    way = Way([["pushed"], [fate]], destination=ALL_OR_NOTHING)
    way.run()
    assert [record["id"] for record in way.memory.pushed] == remembered


def test_records_without_a_key_are_named_by_their_place_among_those_that_were_pulled() -> None:
    way = Way([["pushed"], ["filtered", "seen", "pushed", "refused", "unmappable"]])
    second = way.records[1]
    del second[2]["id"]
    second[3]["id"], second[4]["id"] = None, ""
    way.run()
    named = [text.partition(":")[0] for text in way.log.texts if text.startswith(("Pushed", "Not "))]
    assert named == [
        "Pushed 0",
        "Not mapped page 2, record 5 (no id)",
        "Pushed page 2, record 3 (no id)",
        "Not pushed page 2, record 4 (no id)",
    ]


def test_records_in_a_file_are_pending_until_it_is_complete_and_then_pushed_in_one_step() -> None:
    way = Way([["pushed", "seen"], ["pushed", "refused"]], destination=ALL_OR_NOTHING)
    seen: list[tuple[int, int, bool]] = []
    take = way.log.set

    def watched(**fields: Any) -> None:
        take(**fields)
        if "pulled" in fields:
            seen.append((fields["written"], fields["pushed"], way.completed))

    way.log.set = watched  # type: ignore[method-assign]
    counts = way.run().counts
    assert (counts.pushed, counts.written, counts.done) == (2, 0, 4)
    assert {(written, pushed) for written, pushed, complete in seen if not complete} == {(0, 0), (1, 0), (2, 0)}
    assert {(written, pushed) for written, pushed, complete in seen if complete} == {(0, 2)}
    assert [text for text in way.log.texts if text.startswith(("Wrote", "Pushed"))] == [
        "Wrote 0",
        "Wrote 0",
        "Pushed 2 records: the file is complete",
    ]
    assert "1 skipped, 1 written" in next(text for text in way.log.texts if text.startswith("Page 1 done"))


def test_a_sync_that_breaks_off_says_what_it_wrote_and_that_nothing_was_pushed() -> None:
    way = Way([["pushed", "seen"], ["pushed", "breaks"]], destination=ALL_OR_NOTHING)
    counts = way.run().counts
    assert (counts.pulled, counts.pushed, counts.written, counts.skipped) == (4, 0, 2, 1)
    assert way.log.counts == counts
    assert not way.completed


def test_a_sync_whose_log_cannot_be_written_completes_no_file() -> None:
    way = Way([["pushed"]], destination=ALL_OR_NOTHING)
    way.log.heard = False
    counts = way.run().counts
    assert not way.completed
    assert (counts.pushed, counts.written) == (0, 1)
    assert "the file was not completed" in way.log.texts[-1]
