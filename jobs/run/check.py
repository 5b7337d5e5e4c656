"""Checks whether a service's connections work, as an RQ job. Writes to no system, and takes `LONGEST_S` at most."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec

from jobs.connectors.base import ConnectorError, Context
from jobs.connectors.open import open_destination, open_source
from jobs.services.ends import passwords
from jobs.services.model import Checked, Service, ServiceCheck
from jobs.services.store import ServiceNotFound, Services
from synctail.connect import connect
from synctail.log.masks import masker
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.settings import Settings, load

PATIENCE_S = 6.0
LONGEST_S = 10.0
REASON = 500
"""Maximum characters of a reason."""

_logger = logging.getLogger("synctail")


def check_service(service_id: str, asked_at: str) -> None:
    """Check a service and store its `ServiceCheck` for an hour. Called by RQ."""
    settings = load(os.environ)
    client = connect(settings.redis_url)
    try:
        service = Services(client).read(service_id)
    except ServiceNotFound:
        return
    source, destination = check(service, settings)
    found = ServiceCheck(
        service=service_id, asked_at=asked_at, checked_at=rfc3339(utc_now()), source=source, destination=destination
    )
    with client.pipeline() as pipe:
        pipe.set(keys.service_check(service_id), msgspec.json.encode(found), px=keys.CHECK_TTL)
        pipe.delete(keys.service_check_asked(service_id))
        pipe.execute()


def check(service: Service, settings: Settings) -> tuple[Checked, Checked]:
    """Check source and destination at the same time, within `LONGEST_S`."""
    context = Context(
        log=cast("Any", _NoLog()),
        secrets=settings.secrets,
        files=settings.files,
        page_size=1,
        max_attempts=1,
        patience_s=PATIENCE_S,
    )
    mask = masker([*settings.secrets.values(), *passwords(service)])
    until = time.monotonic() + LONGEST_S
    found: dict[str, Checked] = {}

    def run(end: str, act: Callable[[], str]) -> None:
        try:
            found[end] = Checked("operational", act())
        except ConnectorError as error:
            found[end] = Checked(error.state, str(error))
        except Exception as error:
            _logger.exception("Unexpected: a fault in Synctail or one of its libraries")
            found[end] = Checked("misconfigured", f"{type(error).__name__}: {error}")

    def result(end: str) -> Checked:
        # One that takes too long is abandoned: the process ends soon after.
        threads[end].join(max(0.0, until - time.monotonic()))
        state = found.get(end) or Checked("unreachable", f"no answer within {LONGEST_S:.0f} s")
        reason = mask(state.reason)
        return Checked(state.state, reason if len(reason) <= REASON else f"{reason[:REASON]}…")

    acts: dict[str, Callable[[], str]] = {
        "source": lambda: open_source(service, context).check(),
        "destination": lambda: open_destination(service, context).check(),
    }
    threads = {end: threading.Thread(target=run, args=(end, act), daemon=True) for end, act in acts.items()}
    for thread in threads.values():
        thread.start()
    return result("source"), result("destination")


class _NoLog:
    """Drops what connectors log: a check tells everything in its reason."""

    def debug(self, *_: object, **__: object) -> None: ...

    info = warning = error = debug
