"""Every Redis key and channel, and how long each lives. The only place that names them.

| key                 | type    | holds                                                   | lives                    |
| ------------------- | ------- | ------------------------------------------------------- | ------------------------ |
| `sync:{ID}`         | hash    | the summary; the writer's fence (`attempt`, `last`,     | the retention after its  |
|                     |         | `beat`, `stop`); how many records it was `given`, and   | end; renewed until then  |
|                     |         | how many failed ones it `kept`                          |                          |
| `sync:{ID}:log`     | stream  | chunks: entry `<last line>-<number of lines>`, with the | like the summary         |
|                     |         | body in one field, `json` or `zstd`                     |                          |
| `sync:{ID}:live`    | channel | `<first>-<last> json|zstd[ +]\\n<body>`, `+` if the     |                          |
|                     |         | summary changed; `<first>-<last> wake` if the body is   |                          |
|                     |         | large or only the summary changed                       |                          |
| `sync:{ID}:run`     | string  | options that differ from the service's (JSON)           | like the summary         |
| `sync:{ID}:given`   | list    | batches of records that replace those of its source     | like the summary; until  |
|                     |         | (JSON, zstd): posted, or failed in another sync         | its end if none failed   |
| `sync:{ID}:failed`  | list    | batches of failed records, as they were pulled          | like the summary         |
| `sync:{ID}:payloads` | hash   | payload number to description (JSON)                    | like the summary         |
| `sync:{ID}:pieces`  | hash    | `N:I` to piece I (from 0) of payload N (zstd)           | like the summary         |
| `syncs`             | zset    | ids of all syncs by the time they were requested (ms)   | trimmed by the clock     |
| `service:ID:syncs`  | zset    | the same for one service                                | trimmed by the clock     |
| `service:ID:turns`  | hash    | slot (0, 1 …) to the sync that holds it: one slot for   | 30 days                  |
|                     |         | each sync of the service that may run at once           |                          |
| `service:ID:waiting` | list   | posted syncs that wait for a slot, oldest first         | 30 days                  |
| `service:ID:missed` | list    | the latest scheduled starts that were missed (JSON)     | 7 days                   |
| `clock:looked`      | string  | when a clock last looked for due starts (ms)            | 7 days                   |
| `service:ID:due:S`  | string  | the claim on the start due at S (Unix time)             | one hour                 |
| `service:ID:check`  | string  | the result of its last connection check (JSON)          | one hour                 |
| `service:ID:check:asked` | string | when the pending check was requested                | one minute               |
| `service:ID:seen`   | hash    | record key to newest fingerprint (digests)              | 30 days, and a cap       |
| `service:ID:seen:times` | zset | the same keys by the time they were pushed (ms)        | 30 days, and a cap       |
| `service:{ID}:day:D` | hash   | totals of its syncs that ended on day D (UTC)           | 35 days                  |
| `service:{ID}:day:D:counted` | set | ids of those syncs, so that none counts twice      | the retention and a week |
| `services`          | hash    | service id to definition (JSON)                         | until removed            |
| `signed-out:ID`     | string  | a browser session that was signed out                   | as long as the session   |
| `token:HASH`        | hash    | an access token's name and role, by its SHA-256         | until its expiry, if any |

The keys of a sync share the hash tag `{ID}`, so a script touches one slot of a Redis Cluster; so do the two of a day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

SERVICES = "services"
SYNCS = "syncs"
CLOCK_LOOKED = "clock:looked"

SEEN_TTL = timedelta(days=30)
SEEN_CAP = 1_000_000
TURN_TTL = timedelta(days=30)
MISSED_TTL = timedelta(days=7)
MISSED_CAP = 10
DUE_TTL = timedelta(hours=1)
CHECK_TTL = timedelta(hours=1)
CHECK_ASKED_TTL = timedelta(minutes=1)
DAY_TTL = timedelta(days=35)

SEPARATOR = b",\n"
"""Separates the lines of a chunk's body. JSON text has no raw newline, so it occurs nowhere else."""

INLINE_LIMIT_BYTES = 64 * 1024
"""A body up to this size is sent in the pub/sub message; a larger one is fetched from the stream."""

PIECE_BYTES = 256 * 1024
"""Size of every piece of a payload but the last, before compression, so that a byte's piece is arithmetic."""


def _key(pattern: str) -> Callable[[str], str]:
    """For the id, or the hash, that the pattern leaves open."""
    return pattern.format


summary = _key("sync:{{{}}}")
log = _key("sync:{{{}}}:log")
live = _key("sync:{{{}}}:live")
run = _key("sync:{{{}}}:run")
given = _key("sync:{{{}}}:given")
failed = _key("sync:{{{}}}:failed")
payloads = _key("sync:{{{}}}:payloads")
pieces = _key("sync:{{{}}}:pieces")
service_syncs = _key("service:{}:syncs")
service_turns = _key("service:{}:turns")
service_waiting = _key("service:{}:waiting")
service_missed = _key("service:{}:missed")
service_check = _key("service:{}:check")
service_check_asked = _key("service:{}:check:asked")
service_seen = _key("service:{}:seen")
service_seen_times = _key("service:{}:seen:times")
signed_out = _key("signed-out:{}")
token = _key("token:{}")


def service_due(service_id: str, due_epoch_s: int) -> str:
    return f"service:{service_id}:due:{due_epoch_s}"


def service_day(service_id: str, day: str) -> str:
    return f"service:{{{service_id}}}:day:{day}"


def service_day_counted(service_id: str, day: str) -> str:
    return f"{service_day(service_id, day)}:counted"


def kept_beside(sync_id: str) -> tuple[str, ...]:
    """The keys of a sync besides its log and its payloads."""
    return run(sync_id), given(sync_id), failed(sync_id)


def written(sync_id: str) -> list[str]:
    """The keys a sync writes while it runs, summary first, then the log: each append gives all of them the same TTL."""
    return [summary(sync_id), log(sync_id), payloads(sync_id), pieces(sync_id)]


def index_ttl(retention: timedelta) -> timedelta:
    """How long an index of syncs outlives the last sync that was added to it."""
    return retention + timedelta(days=7)
