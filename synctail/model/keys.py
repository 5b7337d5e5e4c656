"""Every Redis key, channel and how long it lives: drawn once, here.

| key                 | type    | holds                                                   | lives                    |
| ------------------- | ------- | ------------------------------------------------------- | ------------------------ |
| `sync:{ID}`         | hash    | the summary, the writer's fence (`attempt`, `last`,     | the retention after its  |
|                     |         | `beat`, `stop`), and how many records it was `given`    | end; refreshed till then |
|                     |         | and has `kept` of those that failed                     |                          |
| `sync:{ID}:log`     | stream  | chunks: entry `<last line>-<number of lines>`, with the | as its summary           |
|                     |         | body in one field, `json` or `zstd`                     |                          |
| `sync:{ID}:live`    | channel | `<first>-<last> json|zstd[ +]\\n<body>`, `+` where the   |                          |
|                     |         | summary changed; `<first>-<last> wake` where the body   |                          |
|                     |         | is large, or only the summary changed                   |                          |
| `sync:{ID}:run`     | string  | what this sync does otherwise than its service (JSON)   | as its summary           |
| `sync:{ID}:given`   | list    | batches of records that it works on in place of its     | as its summary; till its |
|                     |         | source's (JSON, zstd): posted, or failed in another     | end when none failed     |
| `sync:{ID}:failed`  | list    | batches of the records that failed, as they were pulled | as its summary           |
| `sync:{ID}:payloads` | hash   | payload number to its description (JSON)                | as its summary           |
| `sync:{ID}:pieces`  | hash    | `N:I` to piece I (from 0) of payload N (zstd)           | as its summary           |
| `syncs`             | zset    | ids of all syncs by the time they were asked for (ms)   | trimmed by the clock     |
| `service:ID:syncs`  | zset    | the same for one service                                | trimmed by the clock     |
| `service:ID:turns`  | hash    | place (0, 1 …) to the sync that has it: as many places  | 30 days                  |
|                     |         | as syncs of the service may run at once                 |                          |
| `service:ID:waiting` | list   | posted syncs that wait for a place, the oldest first    | 30 days                  |
| `service:ID:missed` | list    | the last scheduled starts that were left out (JSON)     | 7 days                   |
| `clock:looked`      | string  | when a clock last looked what is due (ms)               | 7 days                   |
| `service:ID:due:S`  | string  | the claim on the start that was due at S (Unix time)    | one hour                 |
| `service:ID:check`  | string  | what the last check of its connections found (JSON)     | one hour                 |
| `service:ID:check:asked` | string | when the check that is under way was asked for       | one minute               |
| `service:ID:seen`   | hash    | a record's key to its newest fingerprint (digests)      | 30 days, and a cap       |
| `service:ID:seen:times` | zset | the same keys by the time they were pushed (ms)        | 30 days, and a cap       |
| `service:{ID}:day:D` | hash   | what its syncs that ended on day D (UTC) moved, in all  | 35 days                  |
| `service:{ID}:day:D:counted` | set | the ids of those syncs, so that none counts twice  | a week after the lists   |
| `services`          | hash    | service id to definition (JSON)                         | until removed            |
| `signed-out:ID`     | string  | a browser session that was ended before its time        | as long as the session   |
| `token:HASH`        | hash    | an access token's name and role, under its SHA-256      | its expiry, if it has one|

A sync's keys share the hash tag `{ID}`, so one script call touches one slot of a Redis Cluster; so do the two of a day.
"""

from __future__ import annotations

from datetime import timedelta

SERVICES = "services"
SYNCS = "syncs"
CLOCK_LOOKED = "clock:looked"

WITHOUT_TTL = ("services", "token:", "rq:")
"""Prefixes of the keys that may live without an expiry: what people made, and RQ's own book-keeping."""

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
"""Between the lines of a chunk's body. JSON text has no raw newline, so it occurs nowhere else."""

INLINE_LIMIT_BYTES = 64 * 1024
"""A body up to this size travels in the pub/sub message; a larger one is fetched from the stream."""

PIECE_BYTES = 256 * 1024
"""Of a payload each piece but the last has this size, before it is compressed: where a byte is found is arithmetic."""


def summary(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}"


def log(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:log"


def live(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:live"


def run(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:run"


def given(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:given"


def failed(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:failed"


def kept_beside(sync_id: str) -> tuple[str, ...]:
    """What a sync keeps besides its log and its payloads."""
    return run(sync_id), given(sync_id), failed(sync_id)


def payloads(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:payloads"


def pieces(sync_id: str) -> str:
    return f"sync:{{{sync_id}}}:pieces"


def written(sync_id: str) -> list[str]:
    """What a sync writes while it runs, the summary first and then the log: each append gives all of it one end."""
    return [summary(sync_id), log(sync_id), payloads(sync_id), pieces(sync_id)]


def service_syncs(service_id: str) -> str:
    return f"service:{service_id}:syncs"


def service_turns(service_id: str) -> str:
    return f"service:{service_id}:turns"


def service_waiting(service_id: str) -> str:
    return f"service:{service_id}:waiting"


def service_missed(service_id: str) -> str:
    return f"service:{service_id}:missed"


def service_due(service_id: str, due_epoch_s: int) -> str:
    return f"service:{service_id}:due:{due_epoch_s}"


def service_check(service_id: str) -> str:
    return f"service:{service_id}:check"


def service_check_asked(service_id: str) -> str:
    return f"service:{service_id}:check:asked"


def service_seen(service_id: str) -> str:
    return f"service:{service_id}:seen"


def service_seen_times(service_id: str) -> str:
    return f"service:{service_id}:seen:times"


def service_day(service_id: str, day: str) -> str:
    return f"service:{{{service_id}}}:day:{day}"


def service_day_counted(service_id: str, day: str) -> str:
    return f"service:{{{service_id}}}:day:{day}:counted"


def signed_out(session_id: str) -> str:
    return f"signed-out:{session_id}"


def token(sha256_hex: str) -> str:
    return f"token:{sha256_hex}"


def index_ttl(retention: timedelta) -> timedelta:
    """How long an index of syncs outlives the last sync that was added to it."""
    return retention + timedelta(days=7)
