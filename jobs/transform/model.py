"""The parts of a definition that say what happens to a record: filters, script, mapping. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """Which records a sync takes. `field` is JMESPath; a time in `value` may be relative: `-90s`, `-1h`, `-1mo`."""

    field: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains", "starts", "matches", "exists"]
    value: Any = None


class ScriptText(Struct, frozen=True, forbid_unknown_fields=True):
    """A function `handle(records, log)` that returns records. `timeout_s` is for each batch."""

    code: str
    language: Literal["python"] = "python"
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30


class MappedField(Struct, frozen=True, forbid_unknown_fields=True):
    """One member of what is pushed. `from` is JMESPath, empty for the whole record; `with` the functions it goes
    through, each a list of the function's name and its arguments."""

    to: Annotated[str, Meta(min_length=1)]
    from_: str = msgspec.field(default="", name="from")
    with_: list[list[Any]] = msgspec.field(default_factory=list, name="with")
