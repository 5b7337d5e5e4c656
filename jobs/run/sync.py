"""One sync, page by page: pull, filter, skip what an earlier sync pushed, run the script, map, push, count.

It knows nothing of RQ or of endings.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass, replace

from jobs.connectors.base import Context, Destination, Page
from jobs.connectors.open import open_destination, open_source
from jobs.run.kept_records import Failures, KeptRecords
from jobs.run.pushed_before import PushedBefore
from jobs.services.model import Service
from jobs.transform.filters import Filters
from jobs.transform.mapping import Mapper, MappingFault
from jobs.transform.script import Script
from synctail.connect import PATIENCE_S
from synctail.log.payload_files import JSON, Payloads, as_array
from synctail.log.writer import LogWriter
from synctail.model.ids import utc_now
from synctail.model.json_text import Record, counted, reference
from synctail.model.sync import PayloadKind, Phase


class TooManyErrors(Exception):
    """More records failed than the service allows."""


class LogLost(Exception):
    """The sync can no longer write its log."""


class _NothingWritten(Exception):
    """No record could be written to a file that is replaced as a whole: it and the files read stay as they were."""


@dataclass
class Counts:
    """`pulled = pushed + skipped + filtered + failed + pending`, at every moment they are written."""

    pulled: int = 0
    pushed: int = 0
    skipped: int = 0
    filtered: int = 0
    failed: int = 0
    written: int = 0
    """Those of the pending records that are in a file which is not complete."""

    @property
    def done(self) -> int:
        """Records that need nothing more, or only that their file is completed."""
        return self.pushed + self.skipped + self.filtered + self.failed + self.written

    def arrived(self) -> Counts:
        """The counts once the file is complete: the written records are pushed."""
        return replace(self, pushed=self.pushed + self.written, written=0)

    def since(self, before: Counts) -> str:
        """What became of the records since `before`: `80 pushed, 20 skipped`."""
        then = asdict(before)
        changes = {name: count - then[name] for name, count in asdict(self).items() if name != "pulled"}
        return ", ".join(f"{count:,} {name}" for name, count in changes.items() if count) or "nothing to do"

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in asdict(self).items() if count or name != "written")


Pair = tuple[Record, Record]
"""A record as pulled, and as the script returned it."""


class Sync:
    """Runs one sync of `service`, whose filters and options are those of this sync.

    Args:
        records: taken in place of the source's, if there are any.
        uninterrupted: a context in which nothing interrupts.
    """

    def __init__(
        self,
        service: Service,
        context: Context,
        seen: PushedBefore,
        failures: Failures,
        payloads: Payloads,
        records: KeptRecords | None = None,
        uninterrupted: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._service = service
        self._context = context
        self._seen = seen
        self._failures = failures
        self._payloads = payloads
        self._records = records
        self._uninterrupted = uninterrupted
        self._log: LogWriter = context.log
        self._began = utc_now()
        self._filters = Filters(service.filters, self._began)
        self._mapper = Mapper(service.mapping, service.lookups)
        self._script: Script | None = None
        self._key = service.source.key
        self._page = ""
        """The name of the current page, used for its payloads and its records without a key."""
        self._pulled: list[Record] = []
        self._places: dict[int, int] = {}
        """The position of each pulled record in the page, by identity; filled when one is needed."""
        self.counts = Counts()

    def run(self) -> Counts:
        """Raises `ConnectorError` when a system fails, `TooManyErrors` when too many records fail, and `LogLost`."""
        began = time.monotonic()
        self._enter(Phase.PULL)
        try:
            with suppress(_NothingWritten), ExitStack() as stack:
                source = self._records or stack.enter_context(open_source(self._service, self._context))
                destination = stack.enter_context(open_destination(self._service, self._context))
                if self._service.script:
                    script = Script(self._service.script, self._log, key=self._key, name=self._name)
                    self._script = stack.enter_context(script)
                asked = time.monotonic()
                for number, page in enumerate(source.pages(), 1):
                    self._one_page(number, page, destination, time.monotonic() - asked)
                    self._enter(Phase.PULL)
                    asked = time.monotonic()
                self._complete(destination)
        finally:
            # Also when it breaks off in the middle of a page: the ending tells these counts.
            self._log.set(**asdict(self.counts))
            self._failures.warn_if_incomplete()
        took_s = time.monotonic() - began
        self._log.info(
            f"Everything is accounted for: {self.counts}; "
            f"{took_s:.1f} s, {self.counts.pulled / max(took_s, 0.001):,.0f} records per second"
        )
        return self.counts

    def _complete(self, destination: Destination) -> None:
        if self._service.all_or_nothing and self.counts.failed and not self.counts.written:
            # An empty file in place of yesterday's would be no copy of the source.
            text = f"{counted(self.counts.failed)} failed and none could be written: the file is left as it was"
            self._log.warning(text, phase=Phase.PUSH.value)
            raise _NothingWritten
        # A file must not appear after this sync was ended from outside, with a last line that says it is not there.
        if self._service.all_or_nothing and not self._log.flush(PATIENCE_S):
            raise LogLost("its log could not be written, so the file was not completed. Run it again")
        # Nor may it appear without being counted: a server may have renamed it while its answer is on the way.
        with self._uninterrupted():
            destination.complete()
            written, self.counts = self.counts.written, self.counts.arrived()
            if written:
                self._log.set(**asdict(self.counts))
                self._log.info(f"Pushed {counted(written)}: the file is complete", phase=Phase.PUSH.value)
            if self._service.skips_seen and self._service.all_or_nothing:
                self._seen.add_held()

    def _one_page(self, number: int, page: Page, destination: Destination, pulled_in_s: float) -> None:
        before, began = replace(self.counts), time.monotonic()
        self.counts.pulled += len(page.records)
        self._write_counts(page.total, Phase.FILTER)
        of = f" of {page.total:,}" if page.total is not None else ""
        self._log.info(
            f"Page {number}: {counted(len(page.records))} pulled in {_took(pulled_in_s)}, "
            f"{self.counts.pulled:,}{of} so far",
            phase=Phase.PULL.value,
        )
        self._page, self._pulled, self._places = f"page {number}", page.records, {}
        if page.raw is None:
            self._keep("pull", Phase.PULL, page.records)
        else:  # as it came over the wire
            self._payloads.keep("pull", self._page, page.type, page.raw, phase=Phase.PULL.value)
        try:
            fresh = self._unseen(self._wanted(page.records), page.pulled_at_ms)
            if fresh:
                self._push(self._scripted(fresh), destination)
        finally:
            self._failures.keep(page.pulled_at_ms)
        self._write_counts(page.total)
        self._log.info(f"Page {number} done in {_took(time.monotonic() - began)}: {self.counts.since(before)}")
        limit = self._service.options.max_failed
        if limit is not None and self.counts.failed > limit:
            raise TooManyErrors(f"{counted(self.counts.failed)} failed; the service allows {limit:,}")

    def _keep(self, kind: PayloadKind, phase: Phase, records: Iterable[Record]) -> None:
        if self._payloads.wants(kind):
            self._payloads.keep(kind, self._page, JSON, as_array(records), phase=phase.value)

    def _wanted(self, records: list[Record]) -> list[Record]:
        """The records that pass the filters."""
        if not self._service.filters:
            return records
        wanted: list[Record] = []
        stopped: Counter[str] = Counter()
        for record in records:
            by = self._filters.stopped_by(record)
            if by is None:
                wanted.append(record)
            else:
                stopped[by] += 1
        if stopped:
            self.counts.filtered += stopped.total()
            why = "; ".join(f"{count:,} not {words}" for words, count in stopped.most_common())
            self._log.info(f"{counted(stopped.total())} filtered: {why}", phase=Phase.FILTER.value)
        return wanted

    def _unseen(self, records: list[Record], pulled_at_ms: int) -> list[Record]:
        if not self._service.skips_seen or not records:
            return records
        fresh = self._left(records, self._seen.known(records), "pushed by an earlier sync")
        if pulled_at_ms:
            # An older form must not replace a newer one that was pushed while this one was kept.
            began_ms = int(self._began.timestamp() * 1000)
            overtaken = self._seen.overtaken(fresh, pulled_at_ms, began_ms)
            fresh = self._left(fresh, overtaken, "a later sync pushed a newer form")
        return fresh

    def _left(self, records: list[Record], skip: Sequence[bool], why: str) -> list[Record]:
        left = [record for record, skipped in zip(records, skip, strict=True) if not skipped]
        if count := len(records) - len(left):
            self.counts.skipped += count
            self._log.info(f"{counted(count)} skipped: {why}", phase=Phase.FILTER.value)
        return left

    def _scripted(self, records: list[Record]) -> list[Pair]:
        """The records that the script returned. Those it dropped count as filtered; if it broke, all have failed."""
        if self._script is None:
            return [(record, record) for record in records]
        self._enter(Phase.SCRIPT)
        outcome = self._script.run(records)
        self.counts.filtered += len(outcome.dropped)
        if outcome.fault:
            self.counts.failed += len(records)
            for record in records:
                self._failures.add(record)
        else:
            self._keep("script", Phase.SCRIPT, (made for _, made in outcome.kept))
        return outcome.kept

    def _push(self, records: list[Pair], destination: Destination) -> None:
        pulled, mapped = self._mapped(records)
        if not mapped:
            return
        self._enter(Phase.PUSH)
        self._keep("push", Phase.PUSH, mapped)
        pushed: list[Record] = []
        info, phase = self._log.info, Phase.PUSH.value
        waits = self._service.all_or_nothing
        did = "Wrote" if waits else "Pushed"
        try:
            for record, (_, refused) in zip(pulled, destination.push(mapped), strict=True):
                if refused is None:
                    name = self._name(record)
                    pushed.append(record)
                    self.counts.written += waits
                    self.counts.pushed += not waits
                    info(f"{did} {name}", phase, name)
                else:
                    self._fail(record, "Not pushed", refused, Phase.PUSH)
        finally:
            # Also when interrupted: a record that the log calls pushed is counted, and not pushed again.
            self._log.set(**asdict(self.counts))
            if self._service.skips_seen:
                (self._seen.hold if waits else self._seen.add)(pushed)

    def _mapped(self, records: list[Pair]) -> tuple[list[Record], list[Record]]:
        """The records as pulled and, in the same order, as mapped. Those that cannot be mapped fail."""
        if self._service.mapping and records:
            self._enter(Phase.MAP)
        pulled: list[Record] = []
        mapped: list[Record] = []
        for record, made in records:
            try:
                mapped.append(self._mapper.map(made))
                pulled.append(record)
            except MappingFault as fault:
                self._fail(record, "Not mapped", fault, Phase.MAP)
        return pulled, mapped

    def _fail(self, record: Record, what: str, why: object, phase: Phase) -> None:
        """Count and name a failed record, and keep it for a retry."""
        name = self._name(record)
        self.counts.failed += 1
        self._failures.add(record)
        self._log.error(f"{what} {name}: {why}", phase=phase.value, record=name)

    def _name(self, record: Record) -> str:
        """Its key, or else its position among the pulled records, which is the same in the payload of the page."""
        name = reference(record, self._key)
        if name:
            return name
        if not self._places:
            self._places = {id(one): place for place, one in enumerate(self._pulled, 1)}
        return f"{self._page}, record {self._places[id(record)]:,} (no {self._key})"

    def _enter(self, phase: Phase) -> None:
        self._log.set(phase=phase.value)

    def _write_counts(self, total: int | None, phase: Phase | None = None) -> None:
        progress = round(min(1.0, self.counts.done / total), 4) if total else None
        self._log.set(**asdict(self.counts), progress=progress, **({"phase": phase.value} if phase else {}))


def _took(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"
