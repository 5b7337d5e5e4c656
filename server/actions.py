"""What a person or a program may do to syncs: one way for the API and the pages. Who may is checked before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from jobs.enqueue import AlreadyRunning, NotRunning, Requests, ServiceInactive
from jobs.records import Summary, Trigger
from server import errors

if TYPE_CHECKING:
    from server.auth import Principal
    from server.store import Store


class Actions:
    """Raises `errors.ApiError`s."""

    def __init__(self, store: Store, requests: Requests) -> None:
        self._store = store
        self._requests = requests

    async def start(self, service_id: str) -> Summary:
        service = await self._store.service(service_id)
        try:
            return await run_in_threadpool(self._requests.start, service, Trigger.MANUAL)
        except ServiceInactive:
            raise errors.Conflict(f"The service {service_id!r} is not active. Activate it first.") from None
        except AlreadyRunning as running:
            raise errors.Conflict(
                f"The service {service_id!r} allows no overlap, and its sync {running.sync_id} has not ended. "
                "Wait for it, or stop it.",
                sync=running.sync_id,
            ) from None

    async def stop(self, sync_id: str, who: Principal) -> None:
        summary = await self._store.summary(sync_id)
        try:
            await run_in_threadpool(self._requests.stop, sync_id, who.name)
        except NotRunning:
            ended = await self._store.summary(summary.id)
            raise errors.Conflict(f"The sync has ended already: it is {ended.status}.") from None
