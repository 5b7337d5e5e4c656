"""Sends records over HTTP, one by one or in batches, several at a time. Outcomes come in the records' order.

A 4xx refuses the record that it answers; what may pass is retried. The sync ends when the credentials are refused, the
server cannot be reached, or it fails record after record.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import quote

import httpx2

from jobs.connectors.base import ConnectorError, Context, Destination, Outcome, Unreachable
from jobs.connectors.http_client import Answer, HttpClient, origin, search, shown
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import HttpDestination
from synctail.model.json_text import Record, as_json
from synctail.model.sync import Phase

FAILING = 10
"""After so many records in a row that the server failed at, it counts as broken."""
_SPLIT = frozenset({400, 409, 413, 422})
"""Answers to a batch that may be about one record in it. Any other is about the request as a whole."""

FIELD = re.compile(r"\{([^{}]*)\}")


class _Over(Exception):
    """The sync has ended; no one waits for this record."""


class _Refused(Exception):
    """This record, with the reason."""


class HttpWriter(Destination):
    def __init__(self, destination: HttpDestination, context: Context) -> None:
        self._destination = destination
        self._context = context
        self._client = HttpClient(FIELD.sub("x", destination.url), destination, context, self._sleep)
        self._lock = threading.Lock()
        self._sending = 0
        self._over = threading.Event()
        self._failing = 0
        self._threads = ThreadPoolExecutor(destination.concurrency, "synctail-http")

    def close(self) -> None:
        # Threads that still wait for an answer are not waited for: the last one closes the client.
        with self._lock:
            self._over.set()
            sending = self._sending
        self._threads.shutdown(wait=False, cancel_futures=True)
        if not sending:
            self._client.close()

    def push(self, records: Sequence[Record]) -> Iterator[Outcome]:
        batch = self._destination.batch or 1
        rest = (records[start : start + batch] for start in range(0, len(records), batch))
        waiting: deque[Future[list[Outcome]]] = deque()
        try:
            while True:
                # No more are begun than are sent at once: an interrupt leaves few records without a line.
                while len(waiting) < self._destination.concurrency and (part := next(rest, None)) is not None:
                    waiting.append(self._threads.submit(self._send, part))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

    def _look(self) -> str:
        """Asks with `OPTIONS` what the address allows, which changes nothing."""
        url = httpx2.URL(self._destination.url.split("{")[0])
        try:
            answer = self._client.ask("OPTIONS", url)
        except Transient as error:
            raise Unreachable(f"{shown(url)} failed: {error}.") from None
        return f"answered {answer.status_line} to OPTIONS; nothing was sent"

    # --- in the threads -------------------------------------------------------------------------------------------

    def _send(self, records: Sequence[Record]) -> list[Outcome]:
        with self._lock:
            if self._over.is_set():
                raise _Over
            self._sending += 1
        try:
            return self._sent(records)
        except httpx2.InvalidURL as error:
            return [Outcome(record, f"its address cannot be used: {error}") for record in records]
        finally:
            with self._lock:
                self._sending -= 1
                last = self._over.is_set() and not self._sending
            if last:
                self._client.close()

    def _sent(self, records: Sequence[Record]) -> list[Outcome]:
        single = self._destination.batch is None
        try:
            url = httpx2.URL(address(self._destination.url, records[0]) if single else self._destination.url)
            answer = self._posted(url, as_json(records[0]) if single else self._list(records))
        except _Refused as error:
            return [Outcome(record, str(error)) for record in records]
        if answer.response.is_success:
            return [Outcome(record) for record in records]
        reason = f"{answer.status_line}{answer.words()}"
        if not single and answer.response.status_code not in _SPLIT:
            raise ConnectorError(f"{shown(url)} answered {reason}")
        if len(records) == 1:
            return [Outcome(records[0], reason)]
        splitting = f"Splitting a batch of {len(records):,} to find the records that are refused: {reason}"
        self._context.log.warning(splitting, phase=Phase.PUSH.value)
        middle = len(records) // 2
        return [*self._sent(records[:middle]), *self._sent(records[middle:])]

    def _posted(self, url: httpx2.URL, content: bytes) -> Answer:
        """Raises `_Refused` when it failed `max_attempts` times."""
        if origin(url) != self._client.origin:  # no record chooses the server
            raise _Refused(f"its address leads to another server, {url.host}")
        headers = {"Content-Type": "application/json"}
        if self._destination.idempotency:
            seed = f"{self._context.sync_id}\n".encode() + content
            headers["Idempotency-Key"] = hashlib.sha256(seed).hexdigest()[:32]

        retries = Retries(self._context, Phase.PUSH, name=shown(url), sleep=self._sleep)
        try:
            answer = retries.attempt(
                lambda: self._client.ask(self._destination.method, url, content=content, headers=headers)
            )
        except Transient as error:
            self._failing += 1
            failed = retries.failed(error)
            if self._failing >= FAILING or not error.answered:
                raise Unreachable(f"{shown(url)} {failed}.") from None
            raise _Refused(failed) from None
        self._failing = 0
        return answer

    def _list(self, records: Sequence[Record]) -> bytes:
        content = b"[" + b",".join(map(as_json, records)) + b"]"
        member = self._destination.records
        return b"{" + as_json(member) + b":" + content + b"}" if member else content

    def _sleep(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise _Over


def address(template: str, record: Record) -> str:
    """The address for one record. Raises `_Refused` where the record lacks a field that the template names."""

    def value(match: re.Match[str]) -> str:
        found = search(match[1], record)
        text = found if isinstance(found, str) else as_json(found).decode()
        if found is None or isinstance(found, dict | list) or text in ("", ".", ".."):
            raise _Refused(f"the address needs {match[1]!r}, which is {found!r:.100} in this record")
        return quote(text, safe="", errors="replace")

    return FIELD.sub(value, template)
