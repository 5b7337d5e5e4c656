"""The parts of a definition that say what happens to a record: filters, script, mapping. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from synctail.model.about import about

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains", "starts", "matches", "exists"]

_SCRIPT = "def handle(records, log):\n    return records"


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """Which records a sync takes."""

    field: Annotated[str, about("Field", "JMESPath: a name, or a path such as customer.country.", "updated_at")]
    op: Annotated[Operator, about("Operator", "How to compare.")]
    value: Annotated[
        Any, about("Value", 'Text, number, list such as ["open", "paid"], or time before the start: -1h, -7d.', "-1h")
    ] = None


class ScriptText(Struct, frozen=True, forbid_unknown_fields=True):
    """A function `handle(records, log)` that returns records: see `jobs.transform.script`."""

    code: Annotated[
        str, about("Code", "handle(records, log) returns the records to continue with.", _SCRIPT, "text/x-python")
    ]
    language: Annotated[Literal["python"], about("Language", "The language of the script.")] = "python"
    timeout_s: Annotated[float, Meta(gt=0, le=3600), about("Time limit", "Seconds per page of records.", 30)] = 30


class MappedField(Struct, frozen=True, forbid_unknown_fields=True):
    """One field of what is pushed. `with`: functions, each a list of its name and its arguments."""

    to: Annotated[str, Meta(min_length=1), about("To", "Name of the field. A dot nests it in an object.", "email")]
    from_: Annotated[str, about("From", "JMESPath into the record. Empty: the whole record.", "customer.email")] = (
        msgspec.field(default="", name="from")
    )
    with_: Annotated[
        list[list[Any]], about("Functions", "Applied to the value from left to right.", [["trim"], ["lower"]])
    ] = msgspec.field(default_factory=list, name="with")
