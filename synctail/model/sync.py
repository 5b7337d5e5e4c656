"""A sync and what belongs to it: summary, lines, payload files, days. Frozen and pure: no I/O, no clock.

The JSON of these structs is the public shape of the API; the strings of the enums are stored and must not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from synctail.model.about import about


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


class Reason(StrEnum):
    """Why a sync failed or was stopped."""

    ERROR = "error"
    TIMEOUT = "timeout"
    KILLED = "killed"
    LOST = "lost"
    STOPPED_BY_USER = "stopped_by_user"
    TOO_MANY_ERRORS = "too_many_errors"


class Trigger(StrEnum):
    MANUAL = "manual"
    SCHEDULE = "schedule"
    INBOUND = "inbound"
    RETRY = "retry"


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Phase(StrEnum):
    PULL = "pull"
    FILTER = "filter"
    SCRIPT = "script"
    MAP = "map"
    PUSH = "push"


class Summary(Struct, frozen=True, kw_only=True):
    """One sync: its status, times and counts.

    Times are RFC 3339 in UTC with milliseconds. At every moment
    `pulled = pushed + skipped + filtered + failed + pending`; when a sync has completed, nothing is pending.
    `written` counts those of the pending ones that are in a file which is there only once it is complete.
    `lines` is the number of the last line; `progress` runs from 0 to 1, or is null where the total is not known.
    """

    id: str
    service: str
    status: Status
    reason: Reason | None = None
    trigger: Trigger = Trigger.MANUAL
    queued_at: str
    started_at: str | None = None
    ended_at: str | None = None
    pulled: int = 0
    pushed: int = 0
    skipped: int = 0
    filtered: int = 0
    failed: int = 0
    written: int = 0
    lines: int = 0
    warnings: int = 0
    errors: int = 0
    phase: Phase | None = None
    progress: float | None = None
    expires_at: str | None = None
    retry_of: str | None = None
    retried_by: str | None = None
    """The newest retry of this sync."""

    @property
    def pending(self) -> int:
        """Records pulled and not yet accounted for."""
        return self.pulled - self.pushed - self.skipped - self.filtered - self.failed


def summary_from_hash(stored: Mapping[bytes, bytes]) -> Summary:
    """A summary from the fields of its Redis hash, in which an absent value is an absent or empty field."""
    fields: dict[str, str] = {k.decode(): v.decode() for k, v in stored.items() if v}
    fields["lines"] = fields.get("last", "0")
    return msgspec.convert(fields, Summary, strict=False)


class Day(Struct, frozen=True, kw_only=True):
    """What the syncs of a service that ended on one day (UTC) moved, all together.

    `syncs` counts them, `failed_syncs` those whose status is `failed`; the other fields count records, and
    `pulled = pushed + skipped + filtered + failed`, plus what a sync left pending that did not complete.
    """

    day: str
    """`2026-01-31`"""
    syncs: int = 0
    failed_syncs: int = 0
    pulled: int = 0
    pushed: int = 0
    skipped: int = 0
    filtered: int = 0
    failed: int = 0

    def plus(self, summary: Summary) -> Day:
        """The same day with one sync more."""
        return Day(day=self.day, **{name: getattr(self, name) + more for name, more in day_counts(summary).items()})


def day_counts(summary: Summary) -> dict[str, int]:
    """What one sync adds to its day."""
    return {
        "syncs": 1,
        "failed_syncs": int(summary.status is Status.FAILED),
        "pulled": summary.pulled,
        "pushed": summary.pushed,
        "skipped": summary.skipped,
        "filtered": summary.filtered,
        "failed": summary.failed,
    }


def day_from_hash(day: str, stored: Mapping[bytes, bytes]) -> Day:
    return msgspec.convert({"day": day, **{k.decode(): v.decode() for k, v in stored.items()}}, Day, strict=False)


PayloadKind = Literal["pull", "script", "push"]


class Payload(Struct, frozen=True, kw_only=True):
    """A stored file of a sync: what was pulled, what the script returned, what was pushed.

    `n` counts 1, 2, 3 … within its sync; `bytes` is the size of what is served, not of what is kept (compressed), and
    `sha256` its digest in hex. `expires_at` is null while the sync runs: a payload lives for the retention after its
    sync has completed.
    """

    n: int
    kind: PayloadKind
    name: str
    type: str
    bytes: int
    sha256: str
    expires_at: str | None = None


class Line(Struct, frozen=True, omit_defaults=True):
    """One numbered line of a log. `n` counts 1, 2, 3 … without holes; `record` names the record it speaks of."""

    n: int
    time: str
    level: str
    text: str
    phase: str | UnsetType = UNSET
    record: str | UnsetType = UNSET
    fields: dict[str, Any] | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType = UNSET
    """`n`, `kind`, `name` and `bytes` of a `Payload`; when it expires, the summary says."""


class Stored(Struct, frozen=True, forbid_unknown_fields=True):
    """Which payload files a sync keeps."""

    pull: Annotated[bool, about("Pull", "Each page as the source sent it.")] = False
    script: Annotated[bool, about("Script", "The records that the script returned.")] = False
    push: Annotated[bool, about("Push", "The records as they were pushed.")] = False


# msgspec reads a struct's annotations when it first meets it, and two threads that meet it at the same time crash the
# process (0.22). So all of them are met here, while there is one thread.
for _one in (Summary, Day, Payload, Stored):
    msgspec.json.Decoder(_one)
