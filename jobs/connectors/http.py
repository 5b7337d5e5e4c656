"""Reads JSON over HTTP, page by page, at the rate that the server asks for."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2

from jobs.connectors.base import ConnectorError, Context, Page, Source
from jobs.connectors.http_client import Answer, HttpClient, origin, search, shown
from jobs.connectors.retries import Retries
from jobs.services.model import HttpSource
from synctail.model.json_text import Record, as_json, counted
from synctail.model.sync import Phase

EMPTY_PAGES = 100
"""After so many empty pages in a row, paging counts as endless."""

_WHOLE_NUMBER = re.compile("[0-9]{1,15}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")


class _Got(NamedTuple):
    """`content`: all of the answer, decoded."""

    answer: Answer
    content: Any
    records: list[Record]


class HttpReader(Source):
    def __init__(self, source: HttpSource, context: Context) -> None:
        self._source = source
        self._paging = source.paging
        self._context = context
        self._client = HttpClient(source.url, source, context, time.sleep)
        self._retries = Retries(context, Phase.PULL)

    def close(self) -> None:
        self._client.close()

    def pages(self) -> Iterator[Page]:
        url: httpx2.URL | None = self._start()
        watch = _Watch()
        pulled = 0
        while url is not None:
            watch.asks(url)
            got = self._get(url)
            watch.got(url, got.records)
            pulled += len(got.records)
            page = self._page(got)
            yield page
            url = self._next(got, url, complete=page.total is not None and pulled >= page.total)

    def _look(self) -> str:
        got = self._get(self._start())
        return f"answered {got.answer.status_line} with {counted(len(got.records))}"

    def _start(self) -> httpx2.URL:
        url = httpx2.URL(self._source.url)
        if self._paging.style != "none" and self._paging.size_name:
            url = url.copy_merge_params({self._paging.size_name: str(self._paging.size or self._context.page_size)})
        if self._paging.style == "page":
            url = url.copy_set_param(self._paging.param_name, str(self._paging.first))
        return url

    def _next(self, got: _Got, url: httpx2.URL, *, complete: bool) -> httpx2.URL | None:
        name = self._paging.param_name
        match self._paging.style:
            case "link":
                links = got.answer.response.links
                link = self._found(got) if self._paging.next else links.get("next", {}).get("url")
                return self._joined(url, link) if link else None
            case "cursor":
                cursor = self._found(got)
                if cursor.startswith(("http://", "https://")):
                    return self._joined(url, cursor)
                return url.copy_set_param(name, cursor) if cursor else None
            case "page":
                ended = not got.records or complete or (self._paging.next and not self._found(got))
                return None if ended else url.copy_set_param(name, str(int(url.params[name]) + 1))
            case "none":
                return None

    def _found(self, got: _Got) -> str:
        """What the answer has at `next`; empty for nothing."""
        value = search(self._paging.next, got.content)
        if value is None or value is False or value == "":
            return ""
        if not isinstance(value, str | int):
            where = f"{shown(got.answer.response.url)} has {value!r:.100} at {self._paging.next!r}"
            raise ConnectorError(f"{where}, which does not name a next page. Check 'paging'.")
        return str(value)

    def _joined(self, url: httpx2.URL, link: str) -> httpx2.URL:
        try:
            joined = url.join(link)
        except httpx2.InvalidURL as error:
            raise ConnectorError(f"{shown(url)} names a next page whose address is invalid: {error}.") from None
        if origin(joined) != self._client.origin:
            # In full: two origins often differ only in scheme or port.
            there, here = (f"{one.scheme}://{one.netloc.decode()}" for one in (joined, url))
            raise ConnectorError(
                f"The next page is at {there}, not at {here}: credentials are not sent to another server. "
                "Check the source's address."
            )
        return joined

    def _get(self, url: httpx2.URL) -> _Got:
        answer = self._retries(lambda: self._client.ask("GET", url, whole=True), shown(url))
        response = answer.response
        if not response.is_success:
            moved = response.headers.get("Location", "")
            hint = f" (to {moved[:200]}). Use that address in the service" if moved else ""
            raise ConnectorError(f"{shown(response.url)} answered {answer.status_line}{hint}{answer.words()}")
        if response.status_code == httpx2.codes.NO_CONTENT:
            return _Got(answer, None, [])
        try:
            content = json.loads(answer.body)
        except (ValueError, RecursionError):
            start = answer.body[:200].decode("utf-8", "replace")
            raise ConnectorError(f"{shown(response.url)} did not answer with JSON, but with {start!r}") from None
        return _Got(answer, content, self._records(shown(response.url), content))

    def _records(self, address: str, content: Any) -> list[Record]:
        wanted = self._source.records
        found = content
        if wanted:
            # A member may have a name that is no expression: `my-orders`.
            named = isinstance(content, dict) and wanted in content
            found = content[wanted] if named else search(wanted, content)
            if found is None and not named:
                raise ConnectorError(f"The answer from {address} has no member {wanted!r}.")
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            where = f"under {wanted!r}" if wanted else "at the top"
            raise ConnectorError(f"{address}: expected a list of objects {where}.")
        return found

    def _page(self, got: _Got) -> Page:
        headers = got.answer.response.headers
        if self._paging.total:
            found = search(self._paging.total, got.content)
            known = isinstance(found, int) and not isinstance(found, bool) and found >= 0
        else:
            found = headers.get("X-Total-Count", "")
            known = bool(_WHOLE_NUMBER.fullmatch(found))
        total = int(found) if known else None
        if not self._context.keep_raw:
            return Page(got.records, total)
        said = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        media_type = said if _MEDIA_TYPE.fullmatch(said) else "application/json"
        return Page(got.records, total, got.answer.body, media_type)


class _Watch:
    """Notices paging that never ends. It remembers 16 bytes of each page."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._last = b""
        self._empty = 0

    def asks(self, url: httpx2.URL) -> None:
        mark = _digest(str(url).encode())
        if mark in self._seen:
            raise ConnectorError(f"{shown(url)} was read before: the paging of this source never ends. Check 'paging'.")
        self._seen.add(mark)

    def got(self, url: httpx2.URL, records: list[Record]) -> None:
        mark = _digest(as_json(records)) if records else b""
        if records and mark == self._last:
            raise ConnectorError(
                f"{shown(url)} returned the same records as the page before: the source ignores the parameter that "
                "names the page, and its paging never ends. Check 'paging'."
            )
        self._empty = 0 if records else self._empty + 1
        if self._empty >= EMPTY_PAGES:
            raise ConnectorError(
                f"{shown(url)} is the {EMPTY_PAGES}th empty page in a row: the paging never ends. Check 'paging'."
            )
        self._last = mark


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
