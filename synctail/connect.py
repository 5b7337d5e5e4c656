"""One Redis client, made one way, and one clear line when Redis cannot be reached."""

from __future__ import annotations

import logging
import time

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

SAY_AFTER_S = 3.0
"""A Redis that is started together with us is there by then, mostly."""

_log = logging.getLogger("synctail.redis")


class RedisOutOfReach(Exception):
    """One line for the person who starts the process."""


def connect(url: str, *, patient: bool = False) -> redis.Redis:
    """A client that never retries by itself: a retried write could be done twice, so whoever calls decides.

    With `patient=True` each call is tried for about a minute: for RQ, which does not expect Redis to go away.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.1, cap=2), 40) if patient else Retry(NoBackoff(), 0)
    return redis.Redis.from_url(
        url,
        retry=retry,
        socket_timeout=5,
        socket_connect_timeout=3,
        health_check_interval=15,
    )


def wait_until_ready(client: redis.Redis, url: str, *, seconds: float = 10, say_after_s: float = SAY_AFTER_S) -> None:
    """Raises `RedisOutOfReach` when Redis has not answered within `seconds`; it may still be starting or loading."""
    began = time.monotonic()
    said = False
    while True:
        try:
            client.ping()
        except RedisError as error:
            waited = time.monotonic() - began
            if waited > seconds:
                raise RedisOutOfReach(
                    f"Redis is out of reach at {without_password(url)}: {str(error).rstrip('.')}. "
                    "Start it, or set REDIS_URL to one that answers."
                ) from None
            if waited > say_after_s and not said:
                said = True
                _log.warning("Waiting for Redis at %s, %.0f s at most", without_password(url), seconds)
            time.sleep(0.1)
        else:
            return


def without_password(url: str) -> str:
    """The address as it may be printed."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


PATIENCE_S = 120.0
"""How long a sync waits for a Redis that is away."""


def patiently(within_s: float = PATIENCE_S) -> Retrying:
    """Retries, with backoff, of calls that may be repeated, while Redis is away."""
    return Retrying(
        retry=retry_if_exception_type(RedisError),
        stop=stop_after_delay(within_s),
        wait=wait_exponential_jitter(multiplier=0.1, max=0.5, jitter=0.2),
        reraise=True,
    )
