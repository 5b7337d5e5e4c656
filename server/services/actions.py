"""What users can do to services and syncs, shared by the API and the pages. The caller checks permissions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from jobs.queue.requests import NoRetry, NotRunning, Only, Requests, ServiceInactive, TooManyWait
from jobs.queue.turns import AlreadyRunning
from jobs.services.model import InboundSource, RunOptions, Service
from jobs.services.store import ServiceExists, ServiceNotFound, Services
from jobs.services.validate import DefinitionFaulty, read, read_service
from server.access.auth import Principal
from server.log.summaries import Summaries
from server.services.reader import ServiceReader, no_service
from server.web import errors
from synctail.model.sync import Summary, Trigger


@dataclass
class Actions:
    """Raises `errors.ApiError`s."""

    _stored: ServiceReader
    _summaries: Summaries
    _requests: Requests
    _services: Services

    async def create(self, definition: object) -> Service:
        with refused_as(errors.DefinitionRefused):
            service = read_service(definition)
        try:
            await run_in_threadpool(self._services.create, service)
        except ServiceExists:
            raise errors.Conflict(
                f"The service {service.id!r} already exists. Choose another id, or replace it with PUT."
            ) from None
        return service

    async def replace(self, service_id: str, definition: object) -> Service:
        with refused_as(errors.DefinitionRefused):
            service = read_service(definition)
        if service.id != service_id:
            raise errors.DefinitionRefused(
                f"id: got {service.id!r}, but this is {service_id!r}. An id cannot be changed.",
                errors=[{"path": "id", "says": f"is {service_id!r} and cannot be changed"}],
            )
        try:
            await run_in_threadpool(self._services.replace, service)
        except ServiceNotFound:
            raise no_service(service_id) from None
        return service

    async def put(self, created: Sequence[Service], replaced: Sequence[Service]) -> None:
        """Stores all of them or none. They have been validated."""
        try:
            await run_in_threadpool(self._services.put, created, replaced)
        except (ServiceExists, ServiceNotFound) as error:
            raise errors.Conflict(
                f"The service {error} was created or removed in the meantime. Nothing was changed; apply again."
            ) from None

    async def remove(self, service_id: str) -> None:
        try:
            await run_in_threadpool(self._services.remove, service_id)
        except ServiceNotFound:
            raise no_service(service_id) from None

    async def start(self, service_id: str, run: RunOptions | None = None) -> Summary:
        """`run`: options for this sync only."""
        service = await self._stored.get(service_id)
        if isinstance(service.source, InboundSource):
            raise errors.Conflict(
                f"The service {service_id!r} pulls nothing. Its syncs start when records are posted to "
                f"/api/inbound/{service_id}."
            )
        with _refusals(service):
            return await run_in_threadpool(self._requests.start, service, Trigger.MANUAL, run)

    async def retry(self, sync_id: str, only: Only) -> Summary:
        """Runs the sync again, or only its failed records."""
        sync = await self._summaries.get(sync_id)
        service = await self._stored.get(sync.service)
        with _refusals(service):
            return await run_in_threadpool(self._requests.retry, service, sync, only)

    async def inbound(self, service: Service, records: Sequence[bytes]) -> Summary:
        """A sync of posted records, each as JSON."""
        with _refusals(service):
            return await run_in_threadpool(self._requests.post, service, records)

    async def stop(self, sync_id: str, who: Principal) -> None:
        summary = await self._summaries.get(sync_id)
        try:
            await run_in_threadpool(self._requests.stop, sync_id, who.name)
        except NotRunning:
            ended = await self._summaries.get(summary.id)
            raise errors.Conflict(f"The sync has already ended: it is {ended.status}.") from None


def checked_run(body: object) -> RunOptions:
    """Raises `errors.OptionsRefused` with every error."""
    with refused_as(errors.OptionsRefused):
        return read(body, RunOptions)


@contextmanager
def refused_as(error: type[errors.DefinitionRefused]) -> Iterator[None]:
    """Turns the errors of a definition into an error response."""
    try:
        yield
    except DefinitionFaulty as faulty:
        raise error.of(faulty.faults) from None


@contextmanager
def _refusals(service: Service) -> Iterator[None]:
    """Turns what keeps a sync from starting into a 409 with a sentence."""
    try:
        yield
    except ServiceInactive:
        raise errors.Conflict(f"The service {service.id!r} is inactive. Activate it first.") from None
    except AlreadyRunning as running:
        named, at_once = ", ".join(running.sync_ids), service.options.at_once
        if at_once == 1:
            why = f"allows no overlap, and its sync {running.sync_ids[0]} has not ended. Wait for it, or stop it."
        else:
            why = f"runs at most {at_once:,} syncs at once: {named}. Wait for one to end, or stop it."
        syncs = list(running.sync_ids)
        raise errors.Conflict(f"The service {service.id!r} {why}", sync=syncs[0], syncs=syncs) from None
    except TooManyWait:
        raise errors.Conflict(
            f"Too many posts are waiting for the service {service.id!r}. Post again in a while."
        ) from None
    except NoRetry as error:
        raise errors.Conflict(str(error)) from None
