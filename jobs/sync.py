"""One sync's way: pull a page, filter it, skip what an earlier sync pushed; script, map and push the rest; count.

Knows no RQ and no endings.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

from jobs.connectors import Context, Destination, Page, Record, open_destination, open_source, reference
from jobs.filters import Filters
from jobs.mapping import Mapper, MappingFault
from jobs.records import Phase, Service, utc_now
from jobs.script import Script

if TYPE_CHECKING:
    from jobs.logwriter import LogWriter
    from jobs.seen import Seen


class TooManyErrors(Exception):
    """More records failed than the service allows."""


@dataclass
class Counts:
    """`pulled = pushed + skipped + filtered + failed + pending`, at every moment they are written."""

    pulled: int = 0
    pushed: int = 0
    skipped: int = 0
    filtered: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in asdict(self).items())


class Pair(NamedTuple):
    """A record as it was pulled, and what the script made of it."""

    pulled: Record
    made: Record


class Sync:
    def __init__(self, service: Service, context: Context, seen: Seen) -> None:
        self._service = service
        self._context = context
        self._seen = seen
        self._log: LogWriter = context.log
        self._filters = Filters(service.filters, utc_now())
        self._mapper = Mapper(service.mapping, service.lookups)
        self._script: Script | None = None
        self._key = service.source.key
        self.counts = Counts()

    def run(self) -> Counts:
        """Raises `ConnectorError` when a system fails, `TooManyErrors` when too many records do."""
        started = time.monotonic()
        self._log.set(phase=Phase.PULL.value)
        with ExitStack() as stack:
            source = stack.enter_context(open_source(self._service, self._context))
            destination = stack.enter_context(open_destination(self._service, self._context))
            if self._service.script:
                self._script = stack.enter_context(Script(self._service.script, self._log, key=self._key))
            for number, page in enumerate(source.pages(), 1):
                self._one_page(number, page, destination)
        took = time.monotonic() - started
        self._log.info(f"All {self.counts.pulled:,} records are accounted for: {self.counts}; {took:.1f} s")
        return self.counts

    def _one_page(self, number: int, page: Page, destination: Destination) -> None:
        self.counts.pulled += len(page.records)
        self._write_counts(page.total, phase=Phase.PULL)
        of = f" of {page.total:,}" if page.total is not None else ""
        self._log.info(
            f"Page {number}: {len(page.records):,} records pulled, {self.counts.pulled:,}{of} so far",
            phase=Phase.PULL.value,
        )
        fresh = self._unseen(self._wanted(page.records))
        if fresh:
            self._push(self._scripted(fresh), destination)
        self._write_counts(page.total, phase=Phase.PUSH if fresh else Phase.PULL)
        limit = self._service.options.max_failed
        if limit is not None and self.counts.failed > limit:
            raise TooManyErrors(f"{self.counts.failed:,} records failed; the service allows {limit:,}")

    def _wanted(self, records: list[Record]) -> list[Record]:
        """Those that pass the filters."""
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
            self._log.info(f"{stopped.total():,} records filtered: {why}", phase=Phase.FILTER.value)
        return wanted

    def _unseen(self, records: list[Record]) -> list[Record]:
        if not self._service.skips_seen:
            return records
        known = self._seen.known(records)
        fresh = [record for record, seen in zip(records, known, strict=True) if not seen]
        skipped = len(records) - len(fresh)
        if skipped:
            self.counts.skipped += skipped
            self._log.info(f"{skipped:,} records skipped: an earlier sync pushed them", phase=Phase.FILTER.value)
        return fresh

    def _scripted(self, records: list[Record]) -> list[Pair]:
        """What the script made of them: what it dropped is filtered, and where it broke all have failed."""
        if self._script is None:
            return [Pair(record, record) for record in records]
        self._log.set(phase=Phase.SCRIPT.value)
        outcome = self._script.run(records)
        if outcome.fault:
            self.counts.failed += len(records)
        self.counts.filtered += len(outcome.dropped)
        return [Pair(pulled, made) for pulled, made in outcome.kept]

    def _push(self, records: list[Pair], destination: Destination) -> None:
        pushed: list[Record] = []
        pulled, mapped = self._mapped(records)
        if not mapped:
            return
        try:
            for record, (_, refused) in zip(pulled, destination.push(mapped), strict=True):
                name = reference(record, self._key)
                if refused is None:
                    pushed.append(record)
                    self.counts.pushed += 1
                    self._log.info(f"Pushed {name}", phase=Phase.PUSH.value, record=name)
                else:
                    self.counts.failed += 1
                    self._log.error(f"Not pushed {name}: {refused}", phase=Phase.PUSH.value, record=name)
        finally:
            # Also when it is interrupted in between: what a line says was pushed is counted, and is not pushed again.
            self._log.set(**asdict(self.counts))
            if self._service.skips_seen:
                self._seen.add(pushed)

    def _mapped(self, records: list[Pair]) -> tuple[list[Record], list[Record]]:
        """Records as they were pulled and, side by side, as they are pushed; those that cannot be mapped fail."""
        pulled: list[Record] = []
        mapped: list[Record] = []
        for record, made in records:
            try:
                mapped.append(self._mapper.map(made))
                pulled.append(record)
            except MappingFault as fault:
                self.counts.failed += 1
                name = reference(record, self._key)
                self._log.error(f"Not mapped {name}: {fault}", phase=Phase.MAP.value, record=name)
        return pulled, mapped

    def _write_counts(self, total: int | None, *, phase: Phase) -> None:
        done = self.counts.pushed + self.counts.skipped + self.counts.filtered + self.counts.failed
        progress = round(min(1.0, done / total), 4) if total else None
        self._log.set(**asdict(self.counts), phase=phase.value, progress=progress)
