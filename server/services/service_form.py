"""The form of a service: its sections in the order a record meets them, what stands in them, and each fault at its
place. Pure; `server.services.fields` does the work, `server.services.forms` has the routes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from jobs.services.model import Run, Service
from jobs.services.notation import json_text, text_of_steps
from jobs.services.validate import DefinitionFaulty, Fault, read_service
from jobs.transform.functions import TRANSFORMS
from jobs.transform.model import Filter
from server.services import fields
from server.services.fields import Group, Item, Rows, Typed
from synctail.model.sync import Stored


class Section(NamedTuple):
    id: str
    title: str
    intro: str
    members: tuple[str, ...]


SECTIONS = (
    Section("general", "General", "", ("name", "id", "active", "notes")),
    Section("source", "Source", "Where the records come from.", ("source",)),
    Section("filters", "Filters", "A sync takes the records that pass all of them.", ("filters",)),
    Section(
        "script",
        "Script",
        "Python over the records of a page, in a process of its own. Leave it empty to go without.",
        ("script",),
    ),
    Section(
        "mapping",
        "Mapping",
        "What is pushed, member by member. Without a row, a record is pushed as it is.",
        ("mapping",),
    ),
    Section("lookups", "Lookup tables", "For the function lookup: it finds one value by another.", ("lookups",)),
    Section("destination", "Destination", "Where the records go.", ("destination",)),
    Section("schedule", "Schedule", "When it runs by itself. Leave it empty to run it only when asked.", ("trigger",)),
    Section(
        "store",
        "Store payloads",
        "Files that each sync keeps, linked in its log, for as long as the log is kept.",
        ("store",),
    ),
    Section("options", "Options", "", ("options",)),
)


class Shown(NamedTuple):
    """A section as it stands on the page. `faulty`: how many faults there are in it."""

    section: Section
    items: tuple[Item, ...]
    faulty: int


class Complaint(NamedTuple):
    """A fault in the summary: the input that it leads to, how that is called, and what is wrong."""

    path: str
    label: str
    says: str


class View(NamedTuple):
    sections: tuple[Shown, ...]
    complaints: tuple[Complaint, ...]


def sections() -> tuple[Section, ...]:
    """With one more for the members that belong to no section yet."""
    known = {name for section in SECTIONS for name in section.members}
    others = tuple(one.encode_name for one in fields.members(Service) if one.encode_name not in known)
    return (*SECTIONS, Section("more", "More", "", others)) if others else SECTIONS


def blank() -> Typed:
    """What stands in the form of a new service."""
    typed = {"active": "on", "trigger.timezone": "UTC"}
    for one in fields.members(Service):
        kinds = fields.structs(one.type)
        if one.required and kinds and "" not in kinds:
            typed[f"{one.encode_name}.kind"] = next(iter(kinds))
    return typed


def typed_of(service: Service) -> Typed:
    return fields.typed_of(msgspec.to_builtins(service), Service)


def definition_of(typed: Typed) -> tuple[dict[str, Any], list[Fault]]:
    """The definition, and every fault: of what cannot be read, and of what is read and wrong."""
    definition, faults = fields.definition_of(typed, Service)
    unread = [fault.path for fault in faults]
    try:
        read_service(definition)
    except DefinitionFaulty as faulty:
        # What could not be read is left out of the definition: that it is missing says nothing.
        faults += [fault for fault in faulty.faults if not fault.path.startswith(tuple(unread))]
    return definition, faults


def view(typed: Typed, faults: Sequence[Fault] = ()) -> View:
    members = {one.encode_name: one for one in fields.members(Service)}
    listed: list[tuple[Section, tuple[Item, ...]]] = []
    for section in sections():
        items = tuple(
            fields.item_of(
                typed,
                members[name].type,
                name,
                required=members[name].required,
                default=fields.default_of(members[name]),
            )
            for name in section.members
        )
        listed.append((section, items))
    marked, standing, elsewhere = fields.with_faults([one for _, items in listed for one in items], faults)
    by_path = {one.path: one for one in marked}
    shown = []
    for section, items in listed:
        roots = tuple(one.path for one in items)
        faulty = sum(1 for fault in standing if fault.path in roots or fault.path.startswith(_inside(roots)))
        shown.append(Shown(section, tuple(by_path[path] for path in roots), faulty))
    labels = dict(_labels(marked))
    complaints = [Complaint(fault.path, labels.get(fault.path, fault.path), fault.says) for fault in standing]
    complaints += [Complaint("", fault.path, fault.says) for fault in elsewhere]
    return View(tuple(shown), tuple(complaints))


def _inside(roots: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{root}{mark}" for root in roots for mark in ".[")


def _labels(items: Sequence[Item], before: str = "") -> Iterator[tuple[str, str]]:
    """How each input is called in the summary: `Mapping 3, Functions`."""
    for one in items:
        label = f"{before}{one.label}"
        yield one.path, label
        if isinstance(one, Group):
            if one.choice:
                yield one.choice.path, f"{before}{one.choice.label}"
            yield from _labels(one.items, f"{label}, ")
        elif isinstance(one, Rows):
            for number, row in enumerate(one.rows, 1):
                yield row.path, f"{label} {number}"
                yield from _labels(row.items, f"{label} {number}, ")


# --- a run that is otherwise ------------------------------------------------------------------------------------------


class RunSheet(Struct):
    """What the form of a run asks for."""

    filters: list[Filter] = []
    page_size: Annotated[int, Meta(ge=1, le=10_000)] = 100
    store: Stored = Stored()


_RUN_KEYS = {"page_size": "options.page_size"}


def run_typed_of(service: Service) -> Typed:
    sheet = RunSheet(service.filters, service.options.page_size, service.store)
    return fields.typed_of(msgspec.to_builtins(sheet), RunSheet)


def run_view(typed: Typed, faults: Sequence[Fault] = ()) -> tuple[dict[str, Item], tuple[Complaint, ...]]:
    items = [
        fields.item_of(
            typed,
            one.type,
            one.encode_name,
            key=_RUN_KEYS.get(one.encode_name, one.encode_name),
            default=fields.default_of(one),
        )
        for one in fields.members(RunSheet)
    ]
    marked, standing, elsewhere = fields.with_faults(items, faults)
    labels = dict(_labels(marked))
    complaints = [Complaint(fault.path, labels.get(fault.path, fault.path), fault.says) for fault in standing]
    complaints += [Complaint("", fault.path, fault.says) for fault in elsewhere]
    return {one.path: one for one in marked}, tuple(complaints)


def otherwise(run: Run, service: Service) -> Run:
    """Without what the service says itself."""
    return Run(
        filters=None if run.filters == service.filters else run.filters,
        page_size=None if run.page_size == service.options.page_size else run.page_size,
        store=None if run.store == service.store else run.store,
    )


# --- the table of functions -------------------------------------------------------------------------------------------


class Function(NamedTuple):
    name: str
    takes: str
    does: str
    example: str
    insert: str


def functions() -> tuple[Function, ...]:
    return tuple(
        Function(
            one.name,
            ", ".join(f"[{each.name}]" if each.optional else each.name + "…" * each.many for each in one.arguments),
            one.does,
            f"{json_text(one.example.value)} → {json_text(one.example.result)}",
            text_of_steps([[one.name, *one.example.arguments]]),
        )
        for one in TRANSFORMS.values()
    )
