"""A hub in the test's own process, without a server around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from server import app
from server.log.hub import Hub
from server.log.log_reader import LogReader
from server.log.summaries import Summaries
from server.log.viewers import Viewer
from synctail import settings
from tests.kit.support import PATIENCE_S


@asynccontextmanager
async def running_hub(config: settings.Settings, summaries: type[Summaries] = Summaries) -> AsyncIterator[Hub]:
    redis_client = app._redis(config.redis_url)
    log = LogReader(redis_client, asyncio.Semaphore(app.READS_AT_ONCE))
    one = Hub(redis_client.connection_pool, summaries(redis_client, config.retention), log)
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0)
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE_S)
        await redis_client.aclose()
        assert task.cancelled()


async def first_frames(one: Hub, sync_id: str, count: int) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    woken = asyncio.Event()
    following = one.follow(sync_id, Viewer(0, woken.set), woken)
    async with asyncio.timeout(PATIENCE_S), aclosing(following):
        async for text in following:
            frame = json.loads(text)
            if frames or frame["type"] != "beat":  # where the first look takes long, beats come before it
                frames.append(frame)
            if len(frames) == count:
                break
    return frames
