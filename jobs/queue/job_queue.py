"""RQ's queue of syncs and checks, made one way."""

from __future__ import annotations

import threading
from typing import Any

import redis
from rq import Queue
from rq.job import Job

QUEUE = "syncs"


class JobQueue(Queue):
    """Safe for the pool of threads that the server calls from, as RQ's own queue is not."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(QUEUE, connection=client, serializer="json")
        self._enqueueing = threading.Lock()

    def enqueue_call(self, *args: Any, **options: Any) -> Job:
        with self._enqueueing:
            return super().enqueue_call(*args, **options)
