"""What an operator has to know of Redis."""

from __future__ import annotations

from typing import Literal

from redis.asyncio import Redis

Condition = Literal["ok", "full", "evicts"]


async def condition(client: Redis) -> Condition:
    """ "full": Redis stores nothing new; "evicts": rather than be full, it drops logs, services and tokens.

    Raises `RedisError` when Redis is away.
    """
    async with client.pipeline(transaction=False) as pipe:
        pipe.ping()  # refused while it loads its file, as INFO is not
        pipe.info("memory")
        _, memory = await pipe.execute()
    limit = memory["maxmemory"]
    if not limit:
        return "ok"
    if memory["maxmemory_policy"] != "noeviction":
        return "evicts"
    return "full" if memory["used_memory"] - memory["mem_not_counted_for_evict"] > limit else "ok"
