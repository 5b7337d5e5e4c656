"""JSON over HTTP, page by page, with the server's own wishes (429, `Retry-After`) honoured."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import httpx2
import jmespath
from jmespath.exceptions import JMESPathError

from jobs.connectors.base import ConnectorError, Context, Page, Unreachable
from jobs.connectors.http_client import Answer, HttpClient, origin, shown, shown_origin, whole_number
from jobs.connectors.pace import Pace
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import HttpSource
from synctail.model.json_text import Record, as_json, counted
from synctail.model.sync import Phase

EMPTY_PAGES = 100
"""So many pages without a record, one after the other, are taken for paging that never ends."""


_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")


class _Got(NamedTuple):
    """`content`: the whole of the answer, decoded."""

    answer: Answer
    content: Any
    records: list[Record]


class HttpReader:
    def __init__(self, source: HttpSource, context: Context) -> None:
        self._source = source
        self._paging = source.paging
        self._keep_raw = context.keep_raw
        self._page_size = source.paging.size or context.page_size
        self._client = HttpClient(source.url, source.auth, context, what="this source")
        self._first = httpx2.URL(source.url)
        self._pace = Pace(source.rate_per_s)
        self._retries = Retries(context, Phase.PULL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def pages(self) -> Iterator[Page]:
        url: httpx2.URL | None = self._start()
        watch = _Watch()
        pulled = 0
        while url is not None:
            watch.asks(url)
            got = self._get(url)
            watch.got(url, got.records)
            total = self._total(got)
            pulled += len(got.records)
            yield self._page(got, total)
            url = self._next(got, url, total, pulled)

    def check(self) -> str:
        try:
            got = self._get(self._start())
            return f"answered {got.answer.status_line} with {counted(len(got.records))}"
        finally:
            self._client.close()

    def _start(self) -> httpx2.URL:
        url = self._first
        if self._paging.style != "none" and self._paging.size_name:
            url = url.copy_merge_params({self._paging.size_name: str(self._page_size)})
        if self._paging.style == "page":
            url = url.copy_set_param(self._paging.param_name, str(self._paging.first))
        return url

    # --- from page to page ----------------------------------------------------------------------------------------

    def _next(self, got: _Got, url: httpx2.URL, total: int | None, pulled: int) -> httpx2.URL | None:  # noqa: PLR0911
        match self._paging.style:
            case "link":
                link = self._found(got) if self._paging.next else got.answer.links.get("next", {}).get("url")
                return self._joined(url, link) if link else None
            case "cursor":
                cursor = self._found(got)
                if not cursor:
                    return None
                if cursor.startswith(("http://", "https://")):
                    return self._joined(url, cursor)
                return url.copy_set_param(self._paging.param_name, cursor)
            case "page":
                complete = total is not None and pulled >= total
                if not got.records or complete or (self._paging.next and not self._found(got)):
                    return None
                number = int(url.params[self._paging.param_name]) + 1
                return url.copy_set_param(self._paging.param_name, str(number))
            case "none":
                return None

    def _found(self, got: _Got) -> str:
        """What the answer holds at `next`; empty where that is nothing."""
        value = _search(self._paging.next, got.content)
        if value is None or value is False or value == "":
            return ""
        if not isinstance(value, str | int):
            raise ConnectorError(
                f"{shown(got.answer.url)} holds {value!r:.100} at {self._paging.next!r}: no next page."
            )
        return str(value)

    def _joined(self, url: httpx2.URL, link: str) -> httpx2.URL:
        try:
            joined = url.join(link)
        except httpx2.InvalidURL as error:
            raise ConnectorError(f"{shown(url)} names a next page that is no address: {error}.") from None
        if origin(joined) != self._client.origin:
            raise ConnectorError(
                f"The next page is said to be at {shown_origin(joined)}, not at {shown_origin(self._first)}: "
                "credentials are not sent to another server. Check the source's address."
            )
        return joined

    # --- one page -------------------------------------------------------------------------------------------------

    def _get(self, url: httpx2.URL) -> _Got:
        try:
            answer = self._retries(lambda: self._try(url))
        except Transient as error:
            raise Unreachable(f"{shown(url)} {self._retries.failed_with(error)}.") from None
        if not answer.ok:
            moved = answer.headers.get("Location", "")
            hint = f" (to {moved[:200]}). Write that address into the service" if moved else ""
            raise ConnectorError(f"{shown(answer.url)} answered {answer.status_line}{hint}{answer.words()}")
        content = self._content(answer)
        return _Got(answer, content, self._records(answer, content))

    def _try(self, url: httpx2.URL) -> Answer:
        self._pace.turn()
        return self._client.ask("GET", url, whole=True)

    def _content(self, answer: Answer) -> Any:
        if answer.status == httpx2.codes.NO_CONTENT:
            return None
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            start = answer.body[:200].decode("utf-8", "replace")
            raise ConnectorError(f"{shown(answer.url)} did not answer with JSON, but: {start!r}") from None

    def _records(self, answer: Answer, content: Any) -> list[Record]:
        if answer.status == httpx2.codes.NO_CONTENT:
            return []
        wanted = self._source.records
        found = content
        if wanted:
            # A member is taken by its name also where that is no expression: `my-orders`.
            named = isinstance(content, dict) and wanted in content
            found = content[wanted] if named else _search(wanted, content)
            if found is None and not named:
                raise ConnectorError(f"The answer of {shown(answer.url)} has no member {wanted!r}.")
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            raise ConnectorError(f"{shown(answer.url)}: expected a list of objects under {wanted or 'the top'!r}.")
        return found

    def _total(self, got: _Got) -> int | None:
        if not self._paging.total:
            return whole_number(got.answer.headers.get("X-Total-Count", ""))
        total = _search(self._paging.total, got.content)
        return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None

    def _page(self, got: _Got, total: int | None) -> Page:
        if not self._keep_raw:
            return Page(got.records, total)
        given = got.answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        media_type = given if _MEDIA_TYPE.fullmatch(given) else "application/json"
        return Page(got.records, total, got.answer.body, media_type)


class _Watch:
    """Notices paging that never ends. What it remembers of a page is 16 bytes."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._last = b""
        self._empty = 0

    def asks(self, url: httpx2.URL) -> None:
        mark = _digest(str(url).encode())
        if mark in self._seen:
            raise ConnectorError(f"{shown(url)} comes up as a next page again: the paging of this source never ends.")
        self._seen.add(mark)

    def got(self, url: httpx2.URL, records: list[Record]) -> None:
        mark = _digest(as_json(records)) if records else b""
        if records and mark == self._last:
            raise ConnectorError(
                f"{shown(url)} answered with the very records of the page before: the source does not take what names "
                "the page, and its paging never ends. Check 'paging'."
            )
        self._empty = 0 if records else self._empty + 1
        if self._empty >= EMPTY_PAGES:
            raise ConnectorError(f"{shown(url)} is the {EMPTY_PAGES}th page without a record: the paging never ends.")
        self._last = mark


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _search(expression: str, content: Any) -> Any:
    try:
        return jmespath.search(expression, content)
    except JMESPathError:  # a function that does not take what the answer holds there, or a name that is no expression
        return None
