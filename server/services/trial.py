"""Tries a record on filters and a mapping, never on a script: in a process of its own, at most two at once, each for a
few seconds."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.web import bodies, errors
from server.web.routing import DEFINITION_BYTES, HttpRoute, Role

AT_ONCE = 2
WAITING = 20  # more would wait longer than people do
WITHIN_S = 5.0
ROOT = Path(__file__).parents[2]
NOTHING_SAID = "exceeded the time or memory of a trial. Try a smaller record or fewer functions."


class Trials:
    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[HttpRoute]:
        return [HttpRoute("POST /api/try", self.attempt, role=Role.OPERATOR, body_bytes=DEFINITION_BYTES)]

    async def attempt(self, request: Request) -> Response:
        answer = await self.run(await bodies.read(request, object, 'Send {"record": {…}, "mapping": […]}.'))
        if "errors" in answer:
            raise errors.DefinitionRefused.of((one["path"], one["says"]) for one in answer["errors"])
        return bodies.answer(answer)

    async def run(self, body: object) -> dict[str, Any]:
        """The result of `jobs.services.trial`. Raises `Busy`."""
        if self._waiting >= WAITING:
            raise errors.Busy("Too many records are being tried at once. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._turns:
                return await _in_a_process(msgspec.json.encode(body))
        finally:
            self._waiting -= 1


async def _in_a_process(body: bytes) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jobs.services.trial"),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(body), WITHIN_S)
    except TimeoutError:
        said = b""
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if not said:
        return {"errors": [{"path": "record", "says": NOTHING_SAID}]}
    return cast("dict[str, Any]", msgspec.json.decode(said))
