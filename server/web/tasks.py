"""What asyncio leaves to the caller: a cancellation that a library swallowed."""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """To be called after redis-py was awaited by a task that others cancel: it sends through `asyncio.wait_for`, which
    until Python 3.12 swallows a cancellation that comes in the moment in which it is done."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
