"""A service and its parts, as structs. Frozen and pure: no I/O, no clock of its own.

Their JSON is stored, and is the public shape of the API.
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
from synctail.model.about import about
from synctail.model.sync import Stored


def _named(title: str, example: str) -> Meta:
    return about(title, "Name of a secret. The worker reads its value from its environment.", {"secret": example})


ServiceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
SecretName = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,62}\Z")]
HttpUrl = Annotated[str, Meta(pattern=r"^https?://")]
Text = Annotated[str, Meta(min_length=1)]
Character = Annotated[str, Meta(min_length=1, max_length=1)]
Positive = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=1, le=10_000)]
Batch = Annotated[int, Meta(ge=2, le=10_000)]
Count = Annotated[int, Meta(ge=0)]
PerSecond = Annotated[float, Meta(ge=0.01, le=10_000)]


class Secret(Struct, frozen=True, forbid_unknown_fields=True):
    """Names a secret. The worker reads its value from `SYNCTAIL_SECRET_<name>`; the value is never stored."""

    secret: Annotated[SecretName, about("Name")]


class BearerAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="bearer"):
    """A token in the header Authorization."""

    token: Annotated[Secret, _named("Secret with the token", "SHOP_TOKEN")]


class BasicAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="basic"):
    """A user name and a password in the header Authorization."""

    user: Annotated[str, about("User", "The name to sign in with.", "reader")]
    password: Annotated[Secret, _named("Secret with the password", "SHOP_PASSWORD")]


class HeaderAuth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="header"):
    """A secret value in a header of your choice."""

    name: Annotated[str, about("Header", "The name of the header.", "X-Api-Key")]
    value: Annotated[Secret, _named("Secret with the value", "SHOP_KEY")]


HttpAuth = BearerAuth | BasicAuth | HeaderAuth
Auth = Annotated[HttpAuth | None, about("Authentication", "How to sign in. Secrets are named, never entered.")]
RequestsPerS = Annotated[PerSecond | None, about("Requests per second", "Maximum. Empty: no limit.", 10)]
Key = Annotated[str, about("Key", "The field that identifies a record from sync to sync.", "id")]
Table = Annotated[Text, about("Table", "An existing table. Fields without a column are left out.", "orders")]
DatabaseUrl = Annotated[
    str, about("Database URL", "For SQLAlchemy, without a password.", "postgresql+psycopg://reader@host/shop")
]
Schema = Annotated[str, about("Schema", "The table's schema. Empty: the default of the database.", "public")]
Password = Annotated[Secret | None, _named("Secret with the password", "SHOP_PASSWORD")]


class Paging(Struct, frozen=True, forbid_unknown_fields=True):
    """How one page leads to the next.

    `link` follows `Link: <…>; rel="next"` (RFC 8288), or the URL that the response holds at `next`. `page` counts
    `param` up from `first`, until a page is empty, `next` finds nothing or the total is reached. `cursor` puts what the
    response holds at `next` into `param`, until there is nothing. With `none` one response holds everything.
    """

    style: Annotated[Literal["link", "page", "cursor", "none"], about("Style", "How the next page is found.")] = "link"
    param: Annotated[
        str | None, about("Parameter", "Query parameter of the page number or cursor. Empty: page or cursor.", "page")
    ] = None
    """With `link`, the parameter of the page's size: its name before there was `size_param`."""
    size: Annotated[Size | None, about("Page size", "Records per page. Empty: as in the options.", 100)] = None
    size_param: Annotated[str | None, about("Size parameter", "Parameter of the page size. Empty: limit.", "limit")] = (
        None
    )
    """An empty text, which no form makes: no parameter carries the size."""
    next: Annotated[str, about("Next page", "JMESPath to the next cursor or URL in the response.", "meta.next")] = ""
    total: Annotated[str, about("Total", "JMESPath to the total. Empty: the header X-Total-Count.", "meta.total")] = ""
    first: Annotated[Count, about("First page", "The number of the first page.", 1)] = 1

    @property
    def size_name(self) -> str:
        if self.size_param is not None:
            return self.size_param
        return self.param if self.style == "link" and self.param else "limit"

    @property
    def param_name(self) -> str:
        return self.param or self.style


class HttpSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """JSON over HTTP: any REST API."""

    url: Annotated[HttpUrl, about("URL", "Where to read the list of records.", "https://api.example.com/orders")]
    records: Annotated[str, about("Records in", "Member or JMESPath. Empty: the whole response.", "orders")] = ""
    key: Key = "id"
    paging: Annotated[Paging, about("Paging", "How one page leads to the next.")] = Paging()
    auth: Auth = None
    rate_per_s: RequestsPerS = None

    @property
    def place(self) -> str:
        return _place(self.url)


class HttpDestination(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """Sends records as JSON."""

    url: Annotated[HttpUrl, about("URL", "Where to send records. {…} inserts a field.", "https://example.com/orders")]
    method: Annotated[Literal["POST", "PUT", "PATCH"], about("Method", "The HTTP method.")] = "POST"
    batch: Annotated[Batch | None, about("Batch", "Records per request, as a list. Empty: one by one.", 50)] = None
    records: Annotated[str, about("Records in", "Member that holds a batch. Empty: the whole body.", "orders")] = ""
    auth: Auth = None
    concurrency: Annotated[int, Meta(ge=1, le=32), about("Concurrency", "Maximum number of requests at once.", 4)] = 4
    rate_per_s: RequestsPerS = None
    idempotency: Annotated[
        bool, about("Idempotency key", "Send an Idempotency-Key with each record, the same for every attempt.")
    ] = False

    @property
    def place(self) -> str:
        return _place(self.url)


class SqlSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sql"):
    """Rows of a table or of a query. It only reads."""

    url: DatabaseUrl
    table: Annotated[str, about("Table", "An existing table. Empty: use the query.", "orders")] = ""
    query: Annotated[
        str,
        about("Query", "With :name for each parameter.", "SELECT * FROM orders WHERE shop = :shop", "application/sql"),
    ] = ""
    params: Annotated[dict[str, Any], about("Parameters", "The values of the query's parameters.", {"shop": 7})] = {}
    key: Key = "id"
    password: Password = None
    schema: Schema = ""

    @property
    def place(self) -> str:
        return f"table {self.table}" if self.table else "a query"


class InboundSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="inbound"):
    """Records that other systems post to this service."""

    records: Annotated[str, about("Records in", "JMESPath to the list or record. Empty: the body.", "orders")] = ""
    key: Key = "id"

    @property
    def place(self) -> str:
        return "what is posted"


class SqlDestination(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sql"):
    """Rows of an existing table of SQLite or PostgreSQL."""

    url: DatabaseUrl
    table: Table
    key: Annotated[str, about("Key", "The column that identifies a row.", "id")] = "id"
    mode: Annotated[Literal["insert", "upsert"], about("Mode", "What to do if the key exists.")] = "upsert"
    password: Password = None
    schema: Schema = ""

    @property
    def place(self) -> str:
        return f"table {self.table}"


FileFormat = Literal["csv", "json", "ndjson", "xml"]
_ENDINGS: dict[str, FileFormat] = {"csv": "csv", "json": "json", "ndjson": "ndjson", "jsonl": "ndjson", "xml": "xml"}


class Layout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file holds records."""

    format: Annotated[FileFormat | None, about("Format", "Empty: by the path's ending.")] = None
    records: Annotated[str, about("Records in", "JSON: path to the list. Written XML: root element.", "orders")] = ""
    element: Annotated[str, about("Element", "XML: the element of a record.", "record")] = "record"
    encoding: Annotated[str, about("Encoding", "The text encoding of the file.", "utf-8")] = "utf-8"
    delimiter: Annotated[Character, about("Delimiter", "CSV: the character between fields.", ",")] = ","
    columns: Annotated[
        list[Text],
        about("Columns", "CSV: fields in order. Empty: as in the header or the first batch.", ["id", "total"]),
    ] = []

    @property
    def file_format(self) -> FileFormat:
        return self.format or _ENDINGS.get(self.place.rpartition(".")[2].lower(), "ndjson")

    @property
    def place(self) -> str:
        return str(getattr(self, "path", ""))


After = Annotated[
    Literal["keep", "delete", "move"], about("Afterwards", "What to do with the files after a completed sync.")
]
MoveTo = Annotated[Text, about("Move to", "A folder next to each file.", "done")]
_WRITTEN = "Where to write the file. {time} inserts the time of the sync, for a new file each time."


class FileSource(Layout, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """Files below SYNCTAIL_FILES on the worker's machine."""

    path: Annotated[Text, about("Path", "May contain *, ?, […] and **. Read in order of name.", "in/orders-*.csv")]
    key: Key = "id"
    after: After = "keep"
    move_to: MoveTo = "done"


class FileDestination(Layout, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """A file below SYNCTAIL_FILES on the worker's machine.

    `replace`: the file holds this sync's records, complete or not at all. `append` adds to it (CSV and NDJSON).
    """

    path: Annotated[str, about("Path", _WRITTEN, "out/orders.ndjson")]
    mode: Annotated[Literal["replace", "append"], about("Mode", "What to do with an existing file.")] = "replace"


class Sftp(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server, and how to sign in: with a private key (and its passphrase), a password, or both."""

    host: Annotated[Text, about("Host", "The server's name or address.", "sftp.example.com")]
    user: Annotated[Text, about("User", "The name to sign in with.", "reader")]
    port: Annotated[int, Meta(ge=1, le=65535), about("Port", "The server's port.", 22)] = 22
    password: Password = None
    private_key: Annotated[Secret | None, _named("Secret with the private key", "SFTP_KEY")] = None
    passphrase: Annotated[Secret | None, _named("Secret with the private key's passphrase", "SFTP_PASSPHRASE")] = None
    host_key: Annotated[str, about("Host key", "ssh-ed25519 AAAA… or SHA256:…. Empty: known_hosts.", "SHA256:…")] = ""

    @property
    def place(self) -> str:
        return f"{self.host}:{super().place}"


class SftpSource(Sftp, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sftp"):
    """Files on a server, over SSH."""

    path: Annotated[Text, about("Path", "May contain *, ?, […] in its last part. Read in order of name.", "out/*.csv")]
    key: Key = "id"
    after: After = "keep"
    move_to: MoveTo = "done"


class SftpDestination(Sftp, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sftp"):
    """A file on a server, over SSH: complete, or as it was before."""

    path: Annotated[Text, about("Path", _WRITTEN, "in/orders.csv")]


AnySource = HttpSource | SqlSource | FileSource | SftpSource | InboundSource
AnyDestination = HttpDestination | SqlDestination | FileDestination | SftpDestination


def _place(url: str) -> str:
    """Without scheme, user and query, which may hold secrets."""
    rest = url.rpartition("://")[2].partition("?")[0]
    return rest.rpartition("@")[2]


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    """When a service starts by itself.

    `schedule` is five cron fields, read as Debian's cron reads them. A start at a fixed time that clocks skip comes
    right after, and one that they show twice comes once; with `*` at the start of the minute or the hour, starts follow
    real time.
    """

    schedule: Annotated[
        str, about("Cron expression", "Minute, hour, day, month, weekday. Empty: only on request.", "*/15 * * * *")
    ] = ""
    timezone: Annotated[str, about("Time zone", "The time zone of the expression.", "Europe/London")] = "UTC"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"timezone: got {self.timezone!r}; takes a name such as 'Europe/London'") from None

    @property
    def fault(self) -> str:
        """Why `schedule` cannot be read, or never comes due; empty if it can be. Such a service is never due.

        No error: an earlier version may have stored it, and the service must still be shown, run and corrected.
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
    if len(text) > 200:  # a list of all sixty minutes has 169
        return "takes at most 200 characters"
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


_FILTERS = about("Filters", "A sync takes the records that pass every filter.")
_PAGE_SIZE = about("Page size", "Records per request.", 100)
_STORE = about("Store payloads", "Files to keep of each sync, linked in its log, for as long as the log is kept.")


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """How the syncs of a service run."""

    page_size: Annotated[Size, _PAGE_SIZE] = 100
    max_attempts: Annotated[int, Meta(ge=1, le=20), about("Attempts", "Maximum attempts per request.", 4)] = 4
    overlap: Annotated[bool, about("Overlap", "Start a sync while another one of this service runs.")] = False
    concurrency: Annotated[
        int, Meta(ge=1, le=1000), about("Syncs at once", "Maximum if they may overlap. Each worker runs one.", 4)
    ] = 4
    max_failed: Annotated[Count | None, about("Failures allowed", "Maximum per sync. Empty: no limit.", 50)] = None
    timeout_s: Annotated[Positive, about("Time limit", "Seconds per sync.", 3600)] = 3600
    unseen_only: Annotated[bool, about("Only new records", "Skip records unchanged since they were pushed.")] = True

    @property
    def at_once(self) -> int:
        """How many syncs of the service may run at the same time."""
        return self.concurrency if self.overlap else 1


class RunOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one sync does differently from its service. Null: as the service."""

    filters: Annotated[list[Filter] | None, _FILTERS] = None
    page_size: Annotated[Size | None, _PAGE_SIZE] = None
    store: Annotated[Stored | None, _STORE] = None

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

    id: Annotated[ServiceId, about("ID", "The name in URLs and commands. Cannot be changed.", "orders-to-warehouse")]
    name: Annotated[str, about("Name", "The name on pages and in lists.", "Orders to warehouse")]
    active: Annotated[bool, about("Active", "An inactive service runs neither by hand nor on its schedule.")] = True
    notes: Annotated[str, about("Notes", "Where the data comes from, whom to ask.", media="text/plain")] = ""
    source: Annotated[AnySource, about("Source", "Where the records come from.")]
    filters: Annotated[list[Filter], _FILTERS] = []
    script: Annotated[ScriptText | None, about("Script", "Python for each page of records, in its own process.")] = None
    mapping: Annotated[list[MappedField], about("Mapping", "The fields to push. Empty: the record as it is.")] = []
    lookups: Annotated[dict[str, dict[str, Any]], about("Lookup tables", "Tables for the function lookup.")] = {}
    destination: Annotated[AnyDestination, about("Destination", "Where the records go.")]
    trigger: Annotated[Schedule, about("Schedule", "When the service runs by itself. Empty: only on request.")] = (
        Schedule()
    )
    store: Annotated[Stored, _STORE] = Stored()
    options: Annotated[Options, about("Options", "Limits, attempts and overlap.")] = Options()

    @property
    def makes_anew(self) -> bool:
        """Does each sync put its own records in place of all that were there?"""
        return self.all_or_nothing and "{time}" not in getattr(self.destination, "path", "")

    @property
    def all_or_nothing(self) -> bool:
        """Is what a sync pushes there only when all of it is?"""
        end = self.destination
        return isinstance(end, SftpDestination) or (isinstance(end, FileDestination) and end.mode == "replace")

    @property
    def skips_seen(self) -> bool:
        """Does a sync leave out what an earlier one pushed? Never where the destination is made anew each time."""
        return self.options.unseen_only and not self.makes_anew


class Checked(Struct, frozen=True):
    """How one end of a service was found. `reason`: what was seen, or what to do."""

    state: Literal["operational", "unreachable", "authentication failed", "misconfigured"]
    reason: str


class ServiceCheck(Struct, frozen=True, kw_only=True):
    """The last check of a service's connections, of the last hour. All but `service` are null if there was none.

    `asked_at` and `checked_at` are RFC 3339; the former is what the caller that asked for the check got."""

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


# msgspec reads a struct's annotations at its first use; two threads that do so at the same time crash the process
# (0.22). So all are used here, while there is one thread.
for _one in (Service, RunOptions, Missed, ServiceCheck):
    msgspec.json.Decoder(_one)
