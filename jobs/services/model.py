"""What Synctail speaks of: services, syncs, lines. Frozen and pure: no I/O, no clock of its own.

The JSON of these structs is the public shape of the API; the strings of the enums are stored and must not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import Meta, Struct

from jobs.transform.model import Filter, MappedField, ScriptText
from synctail.model.sync import Stored

# --- a service --------------------------------------------------------------------------------------------------

LONGEST_SCHEDULE = 200
"""Characters. A list of all sixty minutes has 169."""

ServiceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z", description="lower-case, digits and dashes")]
SecretName = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,62}\Z")]
Positive = Annotated[int, Meta(ge=1)]


class Secret(Struct, frozen=True, forbid_unknown_fields=True):
    """Names a secret; its value is read by the worker from `SYNCTAIL_SECRET_<name>` and never stored."""

    secret: SecretName


class BearerAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="bearer"):
    token: Secret


class BasicAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="basic"):
    user: str
    password: Secret


class HeaderAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="header"):
    name: str
    value: Secret


class Paging(Struct, frozen=True, forbid_unknown_fields=True):
    """How one page leads to the next.

    `link`: follow `Link: <…>; rel="next"` (RFC 8288), or the address that the answer holds at `next`. `page`: count
    `param` up from `first`, until a page is empty, `next` finds nothing or the total is reached. `cursor`: put what
    the answer holds at `next` into `param`, until there is nothing. `none`: one answer holds everything.
    """

    style: Literal["link", "page", "cursor", "none"] = "link"
    param: str | None = None
    """The query parameter of the page's number (default `page`) or of the cursor (default `cursor`). With `link`, that
    of the page's size: so it was called before there was `size_param`."""
    size: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """Records on a page; null: the service's `page_size`."""
    size_param: str | None = None
    """The query parameter that carries the size (default `limit`); empty: none does."""
    next: str = ""
    """JMESPath into the answer."""
    total: str = ""
    """JMESPath to the number of all records; empty: the header `X-Total-Count`, where there is one."""
    first: Annotated[int, Meta(ge=0)] = 1

    @property
    def size_name(self) -> str:
        if self.size_param is not None:
            return self.size_param
        return self.param if self.style == "link" and self.param else "limit"

    @property
    def param_name(self) -> str:
        return self.param or self.style


HttpUrl = Annotated[str, Meta(pattern=r"^https?://")]
HttpAuth = BearerAuth | BasicAuth | HeaderAuth
PerSecond = Annotated[float, Meta(ge=0.01, le=10_000)]
Text = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class HttpSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """JSON over HTTP. `records` names the member of the answer that holds the list, or is JMESPath to it; empty: the
    answer is the list. `rate_per_s`: requests a second, at most."""

    url: HttpUrl
    records: str = ""
    key: str = "id"
    paging: Paging = Paging()
    auth: HttpAuth | None = None
    rate_per_s: PerSecond | None = None

    @property
    def place(self) -> str:
        return _place(self.url)


class HttpDestination(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """Each record is sent by itself, or `batch` of them as a list, in the member `records` where that is named.

    `url` may name fields of the record, in JMESPath: `/orders/{id}`. `idempotency` adds an `Idempotency-Key`, the same
    for each attempt of one sync at one record."""

    url: HttpUrl
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    batch: Annotated[int, Meta(ge=2, le=10_000)] | None = None
    records: str = ""
    auth: HttpAuth | None = None
    concurrency: Annotated[int, Meta(ge=1, le=32)] = 4
    rate_per_s: PerSecond | None = None
    idempotency: bool = False

    @property
    def place(self) -> str:
        return _place(self.url)


class SqlSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sql"):
    """The rows of a `table`, or of a `query` with `:name` for each of its `params`. Only reads."""

    url: str
    table: str = ""
    query: str = ""
    params: dict[str, Any] = {}
    key: str = "id"
    password: Secret | None = None
    schema: str = ""

    @property
    def place(self) -> str:
        return f"table {self.table}" if self.table else "a query"


class InboundSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="inbound"):
    """What is posted to `/api/inbound/{service}`. `records`: JMESPath to the list in the body; empty: it is the list,
    or one record."""

    records: str = ""
    key: str = "id"

    @property
    def place(self) -> str:
        return "what is posted"


class SqlDestination(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sql"):
    """Rows of an existing table. `upsert` replaces the row that has the same key; `insert` refuses a second one."""

    url: str
    table: Text
    key: str = "id"
    mode: Literal["insert", "upsert"] = "upsert"
    password: Secret | None = None
    schema: str = ""

    @property
    def place(self) -> str:
        return f"table {self.table}"


FileFormat = Literal["csv", "json", "ndjson", "xml"]


class Layout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How records stand in a file. `format`: null: what the path ends with, or else NDJSON.

    `records`: of JSON, the member that holds the list (`data.orders` for one within another; empty: the file is the
    list); of XML to be written, the outermost element. `element`: of XML, a record's. `columns`: of CSV, its fields in
    their order; a file to be read then has no header.
    """

    format: FileFormat | None = None
    records: str = ""
    element: str = "record"
    encoding: str = "utf-8"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    columns: list[Text] = []

    @property
    def file_format(self) -> FileFormat:
        path: str = getattr(self, "path", "")
        return self.format or _ENDINGS.get(path.rpartition(".")[2].lower(), "ndjson")


_ENDINGS: dict[str, FileFormat] = {"csv": "csv", "json": "json", "ndjson": "ndjson", "jsonl": "ndjson", "xml": "xml"}


class FileSource(Layout, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """Files below `SYNCTAIL_FILES`. `path` may hold `*`, `?`, `[…]` and `**`; they are read in order of their names.

    `after`: what becomes of them when the sync has completed; `move_to`: into which folder, next to each."""

    path: Text
    key: str = "id"
    after: Literal["keep", "delete", "move"] = "keep"
    move_to: Text = "done"

    @property
    def place(self) -> str:
        return self.path


class FileDestination(Layout, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """A file below `SYNCTAIL_FILES`. `replace`: the file is this sync's records, complete or not at all; `append`: they
    are added to what is there (CSV and NDJSON). `{time}` in the path is the time of the sync: each has its own file."""

    path: str
    mode: Literal["replace", "append"] = "replace"

    @property
    def place(self) -> str:
        return self.path


class Sftp(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server, the files there, and how to sign in: a private key (and its `passphrase`), a password, or both.

    `host_key`: what the server must show, as in known_hosts (`ssh-ed25519 AAAA…`) or as a fingerprint (`SHA256:…`);
    empty: what the worker's own known_hosts says."""

    host: Text
    user: Text
    port: Port = 22
    password: Secret | None = None
    private_key: Secret | None = None
    passphrase: Secret | None = None
    host_key: str = ""


class SftpSource(Sftp, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sftp"):
    """Files of a server. `path` may hold `*`, `?` and `[…]` in its last part. `after` and `move_to` as of `file`."""

    path: Text
    key: str = "id"
    after: Literal["keep", "delete", "move"] = "keep"
    move_to: Text = "done"

    @property
    def place(self) -> str:
        return f"{self.host}:{self.path}"


class SftpDestination(Sftp, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sftp"):
    """A file of a server, complete or as it was before. `{time}` in the path is the time of the sync."""

    path: Text

    @property
    def place(self) -> str:
        return f"{self.host}:{self.path}"


AnySource = HttpSource | SqlSource | FileSource | SftpSource | InboundSource
AnyDestination = HttpDestination | SqlDestination | FileDestination | SftpDestination


def _place(url: str) -> str:
    """Without scheme, query and user, which may hold what is nobody's business."""
    rest = url.rpartition("://")[2].partition("?")[0]
    return rest.rpartition("@")[2]


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    """When a service starts by itself: five cron fields, read in `timezone`. Empty: only when asked.

    It is read as Debian's cron reads it. A start at a fixed time that clocks skip comes right after, and one that they
    show twice comes once; with `*` at the start of the minute or the hour, starts follow real time.
    """

    schedule: str = ""
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            msg = f"timezone: got {self.timezone!r}; takes a name such as 'Europe/London'"
            raise ValueError(msg) from None

    @property
    def fault(self) -> str:
        """Why `schedule` cannot be read, or never comes due; empty if it can be. Such a service is never due.

        `validate` refuses it. No error here: an earlier version may have stored it, and the service must still be
        shown, run by hand and corrected.
        """
        return _schedule_fault(self.schedule) if self.schedule else ""

    def due_after(self, moment: datetime) -> Iterator[datetime]:
        """The starts after `moment` (aware), in UTC, soonest first."""
        return (due for due in self._dues(moment) if due > moment)

    def due_until(self, moment: datetime) -> Iterator[datetime]:
        """The starts at or before `moment` (aware), in UTC, newest first."""
        return (due for due in self._dues(moment + timedelta(seconds=1), reverse=True) if due <= moment)

    def _dues(self, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        if self.schedule and not self.fault:
            local = start.astimezone(ZoneInfo(self.timezone))
            if reverse and local.fold:
                local += timedelta(hours=3)  # cronsim looks back by wall time: from after all that was shown twice
            for due in CronSim(self.schedule, local, reverse=reverse):
                yield due.astimezone(UTC)


@lru_cache(maxsize=1024)
def _schedule_fault(text: str) -> str:
    if len(text) > LONGEST_SCHEDULE:
        return f"takes at most {LONGEST_SCHEDULE} characters"
    takes = f"got {text!r}; takes five cron fields such as '*/15 * * * *'"
    if len(text.split()) != 5:
        return f"{takes}: wrong number of fields"
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return f"{takes}: {str(error).lower()}"
    except StopIteration:
        return f"{takes}: never due"
    return ""


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap`: may a sync start while another one of the service runs? Then `concurrency` says how many may run at
    once. `max_failed`: end the sync as failed when more records than this failed; null: never. `unseen_only`: skip
    records that an earlier sync already pushed."""

    page_size: Annotated[int, Meta(ge=1, le=10_000)] = 100
    max_attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    overlap: bool = False
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 4
    max_failed: Annotated[int, Meta(ge=0)] | None = None
    timeout_s: Positive = 3600
    unseen_only: bool = True

    @property
    def at_once(self) -> int:
        """How many syncs of the service may run at the same time."""
        return self.concurrency if self.overlap else 1


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one sync does otherwise than its service says; null: as the service says."""

    filters: list[Filter] | None = None
    page_size: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    store: Stored | None = None

    def applied_to(self, service: Service) -> Service:
        """The service as this one sync has it."""
        changes: dict[str, Any] = {}
        if self.filters is not None:
            changes["filters"] = self.filters
        if self.page_size is not None:
            changes["options"] = msgspec.structs.replace(service.options, page_size=self.page_size)
        if self.store is not None:
            changes["store"] = self.store
        return msgspec.structs.replace(service, **changes)


class Missed(Struct, frozen=True, kw_only=True):
    """A scheduled start that was left out: when it was due, and a sentence."""

    due_at: str
    because: str


class Service(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configured flow of records from a source to a destination."""

    id: ServiceId
    name: str
    active: bool = True
    notes: str = ""
    source: AnySource
    filters: list[Filter] = []
    script: ScriptText | None = None
    mapping: list[MappedField] = []
    lookups: dict[str, dict[str, Any]] = {}
    """Tables by name, for the function `lookup`."""
    destination: AnyDestination
    trigger: Schedule = Schedule()
    store: Stored = Stored()
    options: Options = Options()

    @property
    def makes_anew(self) -> bool:
        """Does each sync put its own records in place of all that were there?"""
        return self.all_or_nothing and "{time}" not in getattr(self.destination, "path", "")

    @property
    def all_or_nothing(self) -> bool:
        """Is what a sync pushes there only when all of it is?"""
        match self.destination:
            case FileDestination(mode="replace") | SftpDestination():
                return True
            case _:
                return False

    @property
    def skips_seen(self) -> bool:
        """Does a sync leave out what an earlier one pushed? Never where the destination is made anew each time."""
        return self.options.unseen_only and not self.makes_anew


class Checked(Struct, frozen=True):
    """How one end of a service was found. `reason`: what was seen, or what to do."""

    state: Literal["operational", "unreachable", "authentication failed", "misconfigured"]
    reason: str


class ServiceCheck(Struct, frozen=True, kw_only=True):
    """The last check of a service's connections, of the last hour; all but `service` null: there was none.

    `asked_at` and `checked_at` are RFC 3339; the former is the one that who asked was given."""

    service: str
    asked_at: str | None = None
    checked_at: str | None = None
    source: Checked | None = None
    destination: Checked | None = None


class Unreadable(ValueError):
    """A stored definition that is no service: written by hand, or by another version."""


def decode_service(service_id: str, stored: bytes) -> Service:
    """Raises `Unreadable`, with the reason."""
    try:
        service = msgspec.json.decode(stored, type=Service)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"The definition of {service_id!r} cannot be read: {error}") from None
    if service.id != service_id:
        raise Unreadable(f"The definition stored as {service_id!r} says that its id is {service.id!r}")
    return service


# msgspec reads a struct's annotations when it first meets it, and two threads that meet it at the same time crash the
# process (0.22). So all of them are met here, while there is one thread.
for _one in (Service, Run, Missed, ServiceCheck):
    msgspec.json.Decoder(_one)
