"""Records sent over HTTP, by themselves or in batches, a few at a time. What comes back is told in order.

An answer of the 4xx refuses the record that it answers; one that may pass is tried again; when the credentials are
refused, the server cannot be reached, or fails record after record, the sync ends.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self
from urllib.parse import quote

import httpx2
import jmespath
from jmespath.exceptions import JMESPathError

from jobs.connectors.base import ConnectorError, Context, Outcome, Unreachable
from jobs.connectors.http_client import Answer, HttpClient, origin, shown
from jobs.connectors.pace import Pace
from jobs.connectors.retries import Retries, Transient
from jobs.services.model import HttpDestination
from synctail.model.json_text import Record, as_json
from synctail.model.sync import Phase

FAILING = 10
"""So many records that the server failed at, one after the other, are taken for a server that is broken."""
_HALVED = frozenset({400, 409, 413, 422})
"""An answer to a batch that may mean one record in it; any other means the request as a whole."""

FIELD = re.compile(r"\{([^{}]*)\}")


class _Over(Exception):
    """The sync has ended meanwhile: nobody waits for this."""


class _Refused(Exception):
    """This record, with the reason."""


class HttpWriter:
    def __init__(self, destination: HttpDestination, context: Context) -> None:
        self._destination = destination
        self._log = context.log
        self._sync_id = context.sync_id
        concurrency = destination.concurrency
        what = "this destination"
        plain = FIELD.sub("x", destination.url)
        self._client = HttpClient(plain, destination.auth, context, what=what, connections=concurrency)
        self._lock = threading.Lock()
        self._sending = 0
        self._over = threading.Event()
        self._pace = Pace(destination.rate_per_s, sleep=self._sleep)
        self._context = context
        self._failing = 0
        self._threads = ThreadPoolExecutor(concurrency, "synctail-http")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Who still waits for an answer is not waited for: the last one out closes the client.
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
                # No more at once than are sent at once: what an interrupt leaves without a line is few records.
                while len(waiting) < self._destination.concurrency and (part := next(rest, None)) is not None:
                    waiting.append(self._threads.submit(self._send, part))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

    def complete(self) -> None: ...

    def check(self) -> str:
        """The address is asked what it allows: `OPTIONS` changes nothing."""
        try:
            url = httpx2.URL(self._destination.url.split("{")[0])
            try:
                answer = self._client.ask("OPTIONS", url)
            except Transient as error:
                raise Unreachable(f"{shown(url)} failed with: {error}.") from None
            return f"answered {answer.status_line} to OPTIONS; nothing was sent"
        finally:
            self.__exit__()

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
        if answer.ok:
            return [Outcome(record) for record in records]
        reason = f"{answer.status_line}{answer.words()}"
        if len(records) > 1 and answer.status in _HALVED:
            middle = len(records) // 2
            self._log.warning(
                f"A batch of {len(records):,} was refused with {reason}. It is halved, to find those meant",
                phase=Phase.PUSH.value,
            )
            return [*self._sent(records[:middle]), *self._sent(records[middle:])]
        if not single and answer.status not in _HALVED:
            raise ConnectorError(f"{shown(url)} answered {reason}")
        return [Outcome(record, reason) for record in records]

    def _posted(self, url: httpx2.URL, content: bytes) -> Answer:
        """Raises `_Refused` when it failed `max_attempts` times."""
        if origin(url) != self._client.origin:  # no record chooses the server
            raise _Refused(f"its address leads to another server, {url.host}")
        headers = {"Content-Type": "application/json"}
        if self._destination.idempotency:
            headers["Idempotency-Key"] = hashlib.sha256(f"{self._sync_id}\n".encode() + content).hexdigest()[:32]

        def once() -> Answer:
            self._pace.turn()
            try:
                return self._client.ask(self._destination.method, url, content=content, headers=headers)
            except Transient as error:
                if error.wait_s:
                    self._pace.hold(error.wait_s)
                raise

        retries = Retries(self._context, Phase.PUSH, name=shown(url), sleep=self._sleep)
        try:
            answer = retries(once)
        except Transient as error:
            self._failing += 1
            said = f"it {retries.failed_with(error)}"
            if self._failing >= FAILING or not error.answered:
                raise Unreachable(f"{shown(url)}: {said}.") from None
            raise _Refused(said) from None
        self._failing = 0
        return answer

    def _list(self, records: Sequence[Record]) -> bytes:
        content = b"[" + b",".join(map(as_json, records)) + b"]"
        return (
            b"{" + as_json(self._destination.records) + b":" + content + b"}" if self._destination.records else content
        )

    def _sleep(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise _Over


def address(template: str, record: Record) -> str:
    """The address of one record. Raises `_Refused` where it lacks what the template names."""

    def value(match: re.Match[str]) -> str:
        try:
            found: Any = jmespath.search(match[1], record)
        except JMESPathError:
            found = None
        if found is None or isinstance(found, dict | list):
            text = ""
        else:
            text = found if isinstance(found, str) else as_json(found).decode()
        if not text or text in (".", ".."):
            raise _Refused(f"the address needs {match[1]!r}, and in this record that is {found!r:.100}")
        return quote(text, safe="", errors="replace")

    return FIELD.sub(value, template)
