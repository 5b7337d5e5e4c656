"""What is new in each watched sync: one broadcast per sync, shared by all its viewers.

The stream is the truth, pub/sub only the fast path. A viewer is a cursor: at the tail it gets the shared frame, behind
it reads the stream at its own pace and joins when it has caught up. Nothing here grows with a slow reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from redis.asyncio import ConnectionPool

from server.log.broadcast import Broadcast
from server.log.keeper import Keeper
from server.log.log_reader import LogReader
from server.log.subscriber import Subscriber
from server.log.summaries import Summaries
from server.log.viewers import Pace, Viewer
from server.web import errors
from synctail.model import keys


class Hub:
    """Keeps the broadcasts of what is watched. `run` must be going while it is used."""

    def __init__(self, pool: ConnectionPool, summaries: Summaries, log: LogReader) -> None:
        self._summaries = summaries
        self._log = log
        self._keepers: dict[str, Keeper] = {}
        """By channel."""
        self._tasks: dict[Keeper, asyncio.Task[None]] = {}
        self._pace = Pace()
        self._subscriber = Subscriber(pool)
        self._group: asyncio.TaskGroup | None = None
        self._dismissed = False

    async def run(self) -> None:
        """Until cancelled. A task in here that dies takes the process down: a deaf hub must not look healthy."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._subscriber.run(), name="subscriber")

    def dismiss(self) -> None:
        """The process is about to stop: disconnect all viewers, and accept no more."""
        self._dismissed = True
        for keeper in list(self._keepers.values()):
            keeper.broadcast.fail(errors.Restarting())

    @contextmanager
    def attach(self, sync_id: str, viewer: Viewer) -> Iterator[Broadcast]:
        """The broadcast of a sync, kept while it has viewers. Raises `Restarting`."""
        if self._dismissed:
            raise errors.Restarting
        channel = keys.live(sync_id)
        keeper = self._keepers.get(channel)
        # One that has failed is left to the viewers that were not told yet: a viewer that takes nothing would
        # otherwise keep all others from a Redis that is back.
        if keeper is None or keeper.broadcast.error:
            assert self._group, "the hub is not running"  # noqa: S101
            keeper = Keeper(Broadcast(sync_id, self._log, self._pace), self._summaries, self._log)
            self._keepers[channel] = keeper
            self._tasks[keeper] = self._group.create_task(keeper.run(), name=f"keeper-{sync_id}")
            self._subscriber.want(channel, keeper)
        broadcast = keeper.broadcast
        broadcast.viewers.add(viewer)
        try:
            yield broadcast
        finally:
            broadcast.detach(viewer)
            if not broadcast.viewers:
                broadcast.close()
                self._tasks.pop(keeper).cancel()
                if self._keepers.get(channel) is keeper:
                    del self._keepers[channel]
                    self._subscriber.drop(channel)

    async def follow(self, sync_id: str, viewer: Viewer, woken: asyncio.Event) -> AsyncGenerator[str]:
        """The frames of one viewer, from its cursor to the end of the sync; `beat` while there is nothing else.

        `woken` is set by the viewer's `wake`. Raises `SyncNotFound`, `SyncExpired`, or what the viewer fails with.
        """
        with self.attach(sync_id, viewer) as broadcast:
            while not viewer.done:
                woken.clear()
                async with aclosing(broadcast.due(viewer)) as frames:
                    async for text in frames:
                        yield text
                if not viewer.done and broadcast.park(viewer):
                    await woken.wait()
