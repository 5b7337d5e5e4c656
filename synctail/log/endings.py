"""What the ending of a sync consists of, and how to write one when the sync's own job cannot.

An ending fences every other writer in the same step, so exactly one ending wins.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import cast

from synctail.log import lines
from synctail.log.appender import Appender
from synctail.log.day_totals import DayTotals
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.json_text import counted
from synctail.model.sync import Level, Reason, Status


def ending_fields(status: Status, reason: Reason | None, retention: timedelta) -> dict[str, str]:
    """The last fields of the summary. The sync's log and files live for `retention` from now on."""
    ended = utc_now()
    fields = {
        "status": status.value,
        "reason": reason.value if reason else "",
        "ended_at": rfc3339(ended),
        "expires_at": rfc3339(ended + retention),
        "phase": "",
    }
    if status in (Status.COMPLETED, Status.COMPLETED_WITH_ERRORS):
        fields["progress"] = "1.0"
    return fields


def last_line(text: str, written: int) -> str:
    """`text`, plus how many records were written to a file that was not completed."""
    if not written:
        return text
    was, are = ("was", "it is") if written == 1 else ("were", "they are")
    return f"{text.rstrip('.')}. {counted(written)} {was} written to a file that was not completed: {are} not there"


def end_sync(
    appender: Appender, sync_id: str, *, status: Status, reason: Reason, text: str, retention: timedelta
) -> bool:
    """Write the last line and the ending from outside the sync's job. False: it has already ended, or is gone."""
    level = Level.WARNING if status is Status.STOPPED else Level.ERROR
    counter = f"{level.value}s"
    stored = cast("list[bytes | None]", appender.client.hmget(keys.summary(sync_id), ["written", counter]))
    written, so_far = (int(one or 0) for one in stored)
    line = lines.encode_line(0, lines.Entry(time.time(), level.value, last_line(text, written)))
    fields = {**ending_fields(status, reason, retention), counter: str(so_far + 1)}
    ended = appender.end(sync_id, line, fields).verdict == "ok"
    if ended:
        DayTotals(appender.client, retention).count(sync_id)
    return ended
