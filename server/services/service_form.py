"""The form of a service: its sections in the order a record meets them, and each fault at its input. Pure;
`server.services.fields` does the work, `server.services.forms` has the routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from jobs.services.model import RunOptions, Service
from jobs.services.notation import json_text, text_of_steps
from jobs.services.shapes import members
from jobs.services.validate import DefinitionFaulty, Fault, read_service
from jobs.transform.functions import TRANSFORMS
from server.services import fields
from server.services.fields import Complaint, Item, Typed

SECTIONS = {
    "general": ("name", "id", "active", "notes"),
    "source": ("source",),
    "filters": ("filters",),
    "script": ("script",),
    "mapping": ("mapping",),
    "lookups": ("lookups",),
    "destination": ("destination",),
    "schedule": ("trigger",),
    "store": ("store",),
    "options": ("options",),
}
"""The members in each, by the id that it has on the page."""


class Section(NamedTuple):
    """A section on the page. `faulty`: the number of faults in it."""

    id: str
    title: str
    intro: str
    items: list[Item]
    faulty: int


class View(NamedTuple):
    sections: list[Section]
    complaints: list[Complaint]


def typed_of(service: Service) -> Typed:
    return fields.typed_of(msgspec.to_builtins(service), Service)


def definition_of(typed: Typed) -> tuple[dict[str, Any], list[Fault]]:
    """The definition, and every fault: of what cannot be read, and of what is read and wrong."""
    definition, faults = fields.definition_of(typed, Service)
    unread = tuple(fault.path for fault in faults)
    try:
        read_service(definition)
    except DefinitionFaulty as faulty:
        # What could not be read is left out of the definition: that it is missing says nothing.
        faults += [fault for fault in faulty.faults if not fault.path.startswith(unread)]
    return definition, faults


def view(typed: Typed, faults: Sequence[Fault] = ()) -> View:
    by_name = {one.path: one for one in fields.items_of(typed, Service)}
    complaints = fields.put_faults([by_name[name] for names in SECTIONS.values() for name in names], faults)
    sections = []
    for section, names in SECTIONS.items():
        inside = [by_name[name] for name in names]
        faulty = sum(len(one.faults) for _, one in fields.each(inside))
        about = members(Service)[names[0]]
        title, intro = (about.title, about.description) if len(names) == 1 else (section.capitalize(), "")
        sections.append(Section(section, title, intro, inside, faulty))
    return View(sections, complaints)


# --- a run with other options -----------------------------------------------------------------------------------------


def run_typed_of(service: Service) -> Typed:
    run = RunOptions(filters=service.filters, page_size=service.options.page_size, store=service.store)
    return fields.typed_of(msgspec.to_builtins(run), RunOptions)


def run_view(typed: Typed, faults: Sequence[Fault] = ()) -> tuple[dict[str, Item], list[Complaint]]:
    items = fields.items_of(typed, RunOptions)
    complaints = fields.put_faults(items, faults)
    return {one.path: one for one in items}, complaints


def otherwise(run: RunOptions, service: Service) -> RunOptions:
    """Without what the service says itself."""
    return RunOptions(
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
            one.takes,
            one.does,
            f"{json_text(one.example.value)} → {json_text(one.example.result)}",
            text_of_steps([[one.name, *one.example.arguments]]),
        )
        for one in TRANSFORMS.values()
    )
