"""The hub in the test's own process: what happens while Redis is away."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from server.log import keeper
from server.log.summaries import Summaries
from server.log.tail import SUMMARY_EVERY_S
from server.log.viewers import Viewer
from server.web import errors
from synctail.log.appender import Appender
from synctail.model.sync import Summary
from synctail.settings import Settings
from tests.kit.following import Logs
from tests.kit.hubs import first_frames, running_hub


def test_a_viewer_that_takes_nothing_keeps_no_other_from_a_redis_that_is_back(
    config: Settings, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told to all while Redis was away is nothing for those who come after."""
    assert keeper.AWAY_S == 10
    monkeypatch.setattr(keeper, "AWAY_S", 0.1)
    sync_id = logs.start()
    away = True

    class Away(Summaries):
        async def get(self, sync_id: str) -> Summary:
            if away:
                raise RedisConnectionError("away")
            return await super().get(sync_id)

    async def come_back() -> None:
        nonlocal away
        async with running_hub(config, Away) as one, asyncio.timeout(10):
            told = asyncio.Event()
            stays = Viewer(0, told.set)
            with one.attach(sync_id, stays) as broadcast:
                assert broadcast.park(stays)
                await told.wait()
                assert broadcast.error
                away = False
                with one.attach(sync_id, Viewer(0, told.set)):
                    [frame] = await first_frames(one, sync_id, 1)
                [again] = await first_frames(one, sync_id, 1)
            assert frame["type"] == again["type"] == "summary"
            assert not one._keepers
            assert not one._tasks

    asyncio.run(come_back())


def test_a_viewer_that_comes_while_the_process_stops_is_sent_away_at_once(config: Settings, logs: Logs) -> None:
    sync_id = logs.start()

    async def come() -> None:
        async with running_hub(config) as one:
            one.dismiss()
            with pytest.raises(errors.Restarting):
                await first_frames(one, sync_id, 1)

    asyncio.run(come())


@pytest.mark.slow
def test_what_is_published_while_the_subscription_is_down_is_read_when_it_is_back(
    client: redis.Redis, config: Settings, appender: Appender, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the next line nor the next look is needed."""
    monkeypatch.setattr(keeper, "CHECK_EVERY_S", 60.0)
    sync_id = logs.start()
    claim = appender.claim(sync_id)

    async def listen() -> None:
        async with running_hub(config) as one, asyncio.timeout(10):
            woken = asyncio.Event()
            following = one.follow(sync_id, Viewer(0, woken.set), woken)
            async with aclosing(following):
                await anext(following)
                # Past the last look, which would find the line by itself.
                await asyncio.sleep(3 * SUMMARY_EVERY_S)
                client.client_kill_filter(_type="pubsub")
                line = b'{"n":1,"time":"","level":"info","text":"said meanwhile"}'
                appender.append(sync_id, attempt=claim.attempt, first=1, count=1, body=line)
                async for text in following:
                    if "said meanwhile" in text:
                        return

    asyncio.run(listen())
