"""What a person or a program may do to services and syncs: one way for the API and the pages. Who may is checked
before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool

from jobs.queue.requests import NoRetry, NotRunning, Only, Requests, ServiceInactive, TooManyWait
from jobs.queue.turns import AlreadyRunning
from jobs.services.model import InboundSource, RunOptions, Service
from jobs.services.store import ServiceExists, ServiceNotFound, Services
from jobs.services.validate import DefinitionFaulty, read, read_service
from server.access.auth import Principal
from server.log.summaries import Summaries
from server.services.reader import ServiceReader
from server.web import errors
from synctail.model.sync import Summary, Trigger


class Actions:
    """Raises `errors.ApiError`s."""

    def __init__(self, stored: ServiceReader, summaries: Summaries, requests: Requests, services: Services) -> None:
        self._stored = stored
        self._summaries = summaries
        self._requests = requests
        self._services = services

    async def create(self, definition: object) -> Service:
        with refused_as(errors.DefinitionRefused):
            service = read_service(definition)
        try:
            await run_in_threadpool(self._services.create, service)
        except ServiceExists:
            raise errors.Conflict(
                f"There is a service {service.id!r} already. Choose another id, or replace it with PUT."
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
            raise _no_service(service_id) from None
        return service

    async def put(self, created: Sequence[Service], replaced: Sequence[Service]) -> None:
        """All of them, or none. They are checked already."""
        try:
            await run_in_threadpool(self._services.put, created, replaced)
        except (ServiceExists, ServiceNotFound) as error:
            raise errors.Conflict(
                f"Somebody else has just created or removed the service {error}. Nothing was changed; apply it again."
            ) from None

    async def remove(self, service_id: str) -> None:
        try:
            await run_in_threadpool(self._services.remove, service_id)
        except ServiceNotFound:
            raise _no_service(service_id) from None

    async def start(self, service_id: str, run: RunOptions | None = None) -> Summary:
        """`run`: what this one sync does otherwise."""
        service = await self._stored.get(service_id)
        if isinstance(service.source, InboundSource):
            raise errors.Conflict(
                f"The service {service_id!r} pulls nothing: its syncs start when records are posted to "
                f"/api/inbound/{service_id}."
            )
        with _refusals(service):
            return await run_in_threadpool(self._requests.start, service, Trigger.MANUAL, run)

    async def retry(self, sync_id: str, only: Only) -> Summary:
        """The same sync again, or only the records of it that failed."""
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
            raise errors.Conflict(f"The sync has ended already: it is {ended.status}.") from None


def checked_run(given: object) -> RunOptions:
    """Raises `errors.OptionsRefused` with every fault."""
    with refused_as(errors.OptionsRefused):
        return read(given, RunOptions)


@contextmanager
def refused_as(error: type[errors.DefinitionRefused]) -> Iterator[None]:
    """Every fault of a definition, as an answer."""
    try:
        yield
    except DefinitionFaulty as faulty:
        raise error.of(faulty.faults) from None


@contextmanager
def _refusals(service: Service) -> Iterator[None]:
    """What keeps a sync of the service from starting, as 409 and a sentence."""
    try:
        yield
    except ServiceInactive:
        raise errors.Conflict(f"The service {service.id!r} is not active. Activate it first.") from None
    except AlreadyRunning as running:
        first, *more = running.sync_ids
        if service.options.at_once == 1:
            why = f"allows no overlap, and its sync {first} has not ended. Wait for it, or stop it."
        else:
            named = ", ".join(running.sync_ids)
            why = f"runs {service.options.at_once:,} syncs at once, and has {named}. Wait for one of them, or stop it."
        raise errors.Conflict(f"The service {service.id!r} {why}", sync=first, syncs=[first, *more]) from None
    except TooManyWait:
        raise errors.Conflict(
            f"So many posts wait for the service {service.id!r} that no more are taken. Post again in a while."
        ) from None
    except NoRetry as error:
        raise errors.Conflict(str(error)) from None


def _no_service(service_id: str) -> errors.ApiError:
    return errors.ServiceUnknown(f"There is no service {service_id!r}. GET /api/services lists them.")
