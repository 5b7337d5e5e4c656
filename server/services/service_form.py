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
from server.services import fields, schedules
from server.services.fields import Item, Typed

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

FUNCTIONS = [
    {
        "name": one.name,
        "takes": one.takes,
        "does": one.does,
        "example": f"{json_text(one.example.value)} → {json_text(one.example.result)}",
        "insert": text_of_steps([[one.name, *one.example.arguments]]),
    }
    for one in TRANSFORMS.values()
]


class Section(NamedTuple):
    """A section on the page. `faulty`: the number of faults in it."""

    id: str
    title: str
    intro: str
    items: list[Item]
    faulty: int


def typed_of(value: Service | RunOptions) -> Typed:
    return fields.typed_of(msgspec.to_builtins(value), type(value))


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


def view(typed: Typed, faults: Sequence[Fault] = ()) -> dict[str, Any]:
    """What the page shows of the inputs: `sections`, `complaints`, and when the schedule starts next."""
    by_name = {one.path: one for one in fields.items_of(typed, Service)}
    complaints = fields.put_faults([by_name[name] for names in SECTIONS.values() for name in names], faults)
    sections = []
    for section, names in SECTIONS.items():
        inside = [by_name[name] for name in names]
        faulty = sum(len(one.faults) for _, one in fields.each(inside))
        about = members(Service)[names[0]]
        title, intro = (about.title, about.description) if len(names) == 1 else (section.capitalize(), "")
        sections.append(Section(section, title, intro, inside, faulty))
    due = due_fault = None
    try:
        if schedule := typed.get("trigger.schedule"):
            due = schedules.read_back(schedule, typed.get("trigger.timezone", "UTC"))
    except DefinitionFaulty as faulty:
        due_fault = faulty.faults[0].says
    return {"sections": sections, "complaints": complaints, "due": due, "due_fault": due_fault}


# --- a run with other options -----------------------------------------------------------------------------------------


def options_of(service: Service) -> RunOptions:
    return RunOptions(filters=service.filters, page_size=service.options.page_size, store=service.store)


def otherwise(run: RunOptions, service: Service) -> RunOptions:
    """Without what the service says itself."""
    own, wanted = options_of(service), msgspec.structs.asdict(run)
    return RunOptions(**{name: value for name, value in wanted.items() if value != getattr(own, name)})
