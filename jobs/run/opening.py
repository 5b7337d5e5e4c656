"""The first lines of a sync's log: what will happen, and what is different this time. Pure: texts, no log."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.services.model import RunOptions, Service
from jobs.transform import filters
from synctail.model.json_text import counted
from synctail.model.sync import Stored, Summary, Trigger

_BY = {
    Trigger.MANUAL: "by hand",
    Trigger.SCHEDULE: "by its schedule",
    Trigger.INBOUND: "by records that were posted",
    Trigger.RETRY: "as a retry",
}


def headlines(service: Service, run: RunOptions, summary: Summary, given: int | None) -> Iterator[str]:
    """`service`: as its definition says. `given`: so many records were handed in with the sync; None: it pulls."""
    now = run.applied_to(service)
    failed_before = given is not None and summary.trigger is Trigger.RETRY and run.filters == []
    retry = f" of {summary.retry_of}" if summary.retry_of else ""
    yield f"Sync of {service.name!r} started {_BY[summary.trigger]}{retry}"
    source = described(now.source) if given is None else _given(given, failed_before=failed_before)
    yield f"From {source} to {described(now.destination)}"
    if now.filters:
        yield f"Filters: {' and '.join(filters.words(one) for one in now.filters)}"
    steps = ["the script"] * bool(now.script) + [
        f"{len(now.mapping):,} mapped member{'s' * (len(now.mapping) != 1)}"
    ] * bool(now.mapping)
    if steps:
        yield f"On the way: {', then '.join(steps)}"
    yield f"Options: {', '.join(_options(now))}"
    if different := list(_different(service, run, failed_before=failed_before)):
        yield f"In this run only: {'; '.join(different)}"


def described(end: object) -> str:
    """A source or a destination: its kind, and where it is. The log masks passwords that an address holds."""
    kind = str(end.__struct_config__.tag)  # type: ignore[attr-defined]
    where = next((str(value) for name in ("place", "table", "path", "url") if (value := getattr(end, name, ""))), "")
    mode = getattr(end, "mode", "")
    return f"{kind} {where}".strip() + (f" ({mode})" if mode else "")


def _given(count: int, *, failed_before: bool) -> str:
    if failed_before:
        return f"{counted(count)} that failed before, as pulled then,"
    return f"{counted(count)} that {'was' if count == 1 else 'were'} posted"


def _options(service: Service) -> Iterator[str]:
    options = service.options
    yield f"pages of {options.page_size:,}"
    yield f"up to {options.max_attempts:,} attempts"
    yield f"at most {options.timeout_s:,} s"
    if options.max_failed is not None:
        yield f"at most {options.max_failed:,} failed records"
    yield "what an earlier sync pushed is skipped" if service.skips_seen else "all are pushed, also what was before"
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
