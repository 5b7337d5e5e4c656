"""The one way to create a Redis client, and one clear line when Redis cannot be reached."""

from __future__ import annotations

import logging
import time

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

SAY_AFTER_S = 3.0
"""A Redis that starts together with us is usually up by then."""

_log = logging.getLogger("synctail.redis")


class RedisOutOfReach(Exception):
    """One line for the person who starts the process."""


def connect(url: str, *, patient: bool = False) -> redis.Redis:
    """A client that does not retry: a retried write could be applied twice, so the caller decides.

    With `patient=True`, each call is retried for about a minute: for RQ, which does not expect Redis to go down.
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
    """Raises `RedisOutOfReach` if Redis does not answer within `seconds`; it may still be starting or loading."""
    began = time.monotonic()
    said = False
    while True:
        try:
            client.ping()
        except RedisError as error:
            waited = time.monotonic() - began
            if waited > seconds:
                raise RedisOutOfReach(
                    f"Cannot reach Redis at {without_password(url)}: {str(error).rstrip('.')}. "
                    "Start it, or set REDIS_URL to a running server."
                ) from None
            if waited > say_after_s and not said:
                said = True
                _log.warning("Waiting for Redis at %s, up to %.0f s", without_password(url), seconds)
            time.sleep(0.1)
        else:
            return


def without_password(url: str) -> str:
    """The address without its password, safe to print."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


PATIENCE_S = 120.0
"""How long a sync waits while Redis is down."""


def patiently(within_s: float = PATIENCE_S) -> Retrying:
    """Retries repeatable calls, with backoff, while Redis is down."""
    return Retrying(
        retry=retry_if_exception_type(RedisError),
        stop=stop_after_delay(within_s),
        wait=wait_exponential_jitter(multiplier=0.1, max=0.5, jitter=0.2),
        reraise=True,
    )
