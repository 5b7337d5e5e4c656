"""Waiting in tasks that others cancel, on Pythons and libraries that lose cancellations."""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """Raise `CancelledError` if this task was cancelled. Call it after awaiting redis-py.

    It sends through `asyncio.wait_for`, which until Python 3.12 swallows a cancellation that arrives as it finishes.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event. False: it did not come in time. As `wait_for`, but never swallows a cancellation."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
