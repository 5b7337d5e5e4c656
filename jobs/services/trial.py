"""One record through filters and a mapping, to see what comes of it. A process of its own: a few functions that each
double a text outgrow any machine, and a mapping that is tried must not take the server with it.

`python -m jobs.services.trial` reads a `Trial` as JSON from its input and writes `{"passes", "stopped_by", "result"}`
or `{"errors": [{"path", "says"}]}`. It runs no script, and gets no secrets.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

import msgspec
from msgspec import Struct

from jobs.services.validate import DefinitionFaulty, Fault, read
from jobs.transform import filters, mapping
from jobs.transform.model import Filter, MappedField
from synctail.model.ids import utc_now

MEMORY_BYTES = 512 * 1024 * 1024
CPU_S = 3
RESULT_BYTES = 256 * 1024


class Trial(Struct, frozen=True, forbid_unknown_fields=True):
    record: dict[str, Any]
    filters: list[Filter] = []
    mapping: list[MappedField] = []
    lookups: dict[str, dict[str, Any]] = {}


def attempt(body: object) -> dict[str, Any]:
    """What the module says its process writes."""
    try:
        trial = read(body, Trial)
    except DefinitionFaulty as faulty:
        return _errors(faulty.faults)
    stopped_by = filters.Filters(trial.filters, utc_now()).stopped_by(trial.record)
    if stopped_by is not None:
        return {"passes": False, "stopped_by": stopped_by, "result": None}
    found = []
    for index, one in enumerate(trial.mapping):  # one by one first, so that all that fail are named
        try:
            mapping.Mapper([one], trial.lookups).map(trial.record)
        except mapping.MappingFault as fault:
            found.append(Fault(f"mapping[{index}]", str(fault)))
    if found:
        return _errors(found)
    try:
        result = mapping.Mapper(trial.mapping, trial.lookups).map(trial.record)
    except mapping.MappingFault as fault:
        return _errors([Fault("mapping", str(fault))])
    return {"passes": True, "stopped_by": None, "result": result}


def _errors(found: list[Fault]) -> dict[str, Any]:
    return {"errors": [one._asdict() for one in found]}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    try:
        answer = msgspec.json.encode(attempt(msgspec.json.decode(sys.stdin.buffer.read())))
        if len(answer) > RESULT_BYTES:
            answer = msgspec.json.encode(_errors([Fault("mapping", f"makes more than {RESULT_BYTES // 1024} KiB")]))
    except MemoryError:
        answer = msgspec.json.encode(_errors([Fault("mapping", "takes more memory than there is for a trial")]))
    except RecursionError:
        answer = msgspec.json.encode(_errors([Fault("record", "is nested too deeply")]))
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
