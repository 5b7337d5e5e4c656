"""The poll: a log over plain HTTP, as the very frames that a websocket would have carried. Also ranges of lines, and
what a search finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from server.log import query, wire
from server.log.log_reader import LogReader
from server.log.search import Search
from server.log.summaries import Summaries
from server.web import errors, params
from server.web.routing import HttpRoute, Role
from synctail.model.sync import Summary

POLLED = 1000
POLLED_AT_MOST = 5000


@dataclass
class Poll:
    _summaries: Summaries
    _log: LogReader
    _search: Search

    def routes(self) -> list[HttpRoute]:
        return [HttpRoute("GET /api/syncs/{sync}/log", self.lines, role=Role.VIEWER)]

    async def lines(self, request: Request) -> Response:
        """What a reader at `after` lacks, as frames, and the log's last line and status; a range of lines; or what a
        search finds."""
        if wanted := query.asked(request.query_params):
            return await self._search.answer(request, wanted)
        after, limit, last = _asked(request.query_params)
        # The summary first: the lines that it counts are then in the stream for sure.
        summary = await self._summaries.get(request.path_params["sync"])
        tag = params.tag_of(f"{after} {limit} {last} {wire.summary_frame(summary)}".encode())
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if params.not_modified(request.headers, tag):
            return Response(status_code=304, headers=headers)
        frames = [frame async for frame in self._frames(summary, after, limit, last)]
        body = f'{{"frames":[{",".join(frames)}],"last":{summary.lines},"status":"{summary.status}"}}'
        return Response(body, media_type="application/json", headers=headers)

    async def _frames(self, summary: Summary, cursor: int, limit: int, last: int | None) -> AsyncIterator[str]:
        """A range has lines and gaps only: it says nothing of how far its reader follows."""
        until = summary.lines
        if last is not None:
            until = min(last, until)
        else:
            yield wire.summary_frame(summary)
            if (valid := wire.valid_cursor(cursor, summary)) < cursor:
                yield wire.rewind_frame(summary.id, valid)
                cursor = valid
        if cursor < until:
            found = await self._log.read(summary.id, cursor, until, lines=limit)
            for frame in wire.frames(summary.id, found):
                yield frame.text
                cursor = frame.last
        if last is None and summary.status.ended and cursor >= summary.lines:
            yield wire.end_frame(summary)


def _asked(query: QueryParams) -> tuple[int, int, int | None]:
    """The lines after the first, at most the second; of a range, those up to the third. Raises `BadRequest`."""
    if not query.get("first") and not query.get("last"):
        after = params.whole_number(query, "after", default=0)
        return after, params.whole_number(query, "limit", default=POLLED, least=1, most=POLLED_AT_MOST), None
    for one, other in (("first", "last"), ("last", "first")):
        if not query.get(one):
            raise errors.BadRequest(f"{one}: is missing; a range takes both first and last, and got {other}")
    for name in ("after", "limit"):
        if name in query:
            says = f"does not go with first and last; a range ends at {POLLED_AT_MOST:,} lines"
            raise errors.BadRequest(f"{name}: {says}")
    first = params.whole_number(query, "first", default=1, least=1)
    return first - 1, POLLED_AT_MOST, params.whole_number(query, "last", default=first, least=first)
