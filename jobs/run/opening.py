"""The first lines of a sync's log: what it will do, and how that differs from its service. Pure: returns texts."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.services.model import AnyDestination, AnySource, RunOptions, Service
from jobs.transform import filters
from synctail.model.json_text import counted
from synctail.model.sync import Stored, Summary, Trigger

_BY = {
    Trigger.MANUAL: "by hand",
    Trigger.SCHEDULE: "by its schedule",
    Trigger.INBOUND: "by records that were posted",
    Trigger.RETRY: "as a retry",
}


def opening_lines(service: Service, run: RunOptions, summary: Summary, records: int | None) -> Iterator[str]:
    """`service`: as defined. `records`: how many the sync takes in place of its source's; None: it pulls."""
    now = run.applied_to(service)
    failed_before = records is not None and summary.trigger is Trigger.RETRY and run.filters == []
    retry = f" of {summary.retry_of}" if summary.retry_of else ""
    yield f"Sync of {service.name!r} started {_BY[summary.trigger]}{retry}"
    source = _described(now.source) if records is None else _kept(records, failed_before=failed_before)
    yield f"From {source} to {_described(now.destination)}"
    if now.filters:
        yield f"Filters: {' and '.join(filters.describe(one) for one in now.filters)}"
    fields = f"{len(now.mapping):,} mapped field{'s' * (len(now.mapping) != 1)}"
    if now.script or now.mapping:
        yield f"Steps: {', then '.join(['the script'] * bool(now.script) + [fields] * bool(now.mapping))}"
    yield f"Options: {', '.join(_options(now))}"
    if different := list(_different(service, run, failed_before=failed_before)):
        yield f"In this run only: {'; '.join(different)}"


def _described(end: AnySource | AnyDestination) -> str:
    """The kind and place of a source or destination. The log masks passwords in its address."""
    mode = getattr(end, "mode", "")
    return f"{end.__struct_config__.tag} {end.place}" + (f" ({mode})" if mode else "")


def _kept(count: int, *, failed_before: bool) -> str:
    if failed_before:
        return f"{counted(count)} that failed before, as they were pulled,"
    return f"{counted(count)} that {'was' if count == 1 else 'were'} posted"


def _options(service: Service) -> Iterator[str]:
    options = service.options
    yield f"pages of {options.page_size:,}"
    yield f"up to {counted(options.max_attempts, 'attempt')}"
    yield f"time limit {options.timeout_s:,} s"
    if options.max_failed is not None:
        yield f"at most {options.max_failed:,} failed records"
    yield f"records that an earlier sync pushed are {'skipped' if service.skips_seen else 'pushed again'}"
    if stored := _stored(service.store):
        yield f"stores {stored}"


def _different(service: Service, run: RunOptions, *, failed_before: bool) -> Iterator[str]:
    if failed_before:
        yield "nothing is filtered: the records passed the filters before"
    elif run.filters is not None and run.filters != service.filters:
        was = f"the service's {len(service.filters):,}" if service.filters else "none"
        yield f"these filters in place of {was}" if run.filters else f"no filters in place of {was}"
    if run.page_size is not None and run.page_size != service.options.page_size:
        yield f"pages of {run.page_size:,}, not {service.options.page_size:,}"
    if run.store is not None and run.store != service.store:
        yield f"stores {_stored(run.store) or 'nothing'} in place of {_stored(service.store) or 'nothing'}"


def _stored(store: Stored) -> str:
    names = {"pull": "what is pulled", "script": "what the script returns", "push": "what is pushed"}
    return ", ".join(text for name, text in names.items() if getattr(store, name))
