"""JSON over HTTP: pages of records, with the server's own wishes (429, `Retry-After`) honoured."""

from __future__ import annotations

import base64
import math
import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

import httpx2
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from jobs.connectors import ConnectorError, Context, Page, Record
from jobs.records import BasicAuth, BearerAuth, HeaderAuth, HttpSource, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 30.0
LONGEST_WAIT_S = 300.0
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Transient(Exception):
    """Worth another try, after `wait_s` where the server said so."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class HttpReader:
    def __init__(self, source: HttpSource, context: Context) -> None:
        self._source = source
        self._log = context.log
        self._page_size = context.page_size
        self._attempts = context.max_attempts
        try:
            self._first = httpx2.URL(source.url)
        except httpx2.InvalidURL as error:
            raise ConnectorError(f"The source's address cannot be used: {error}.") from None
        self._origin = _origin(self._first)
        try:
            self._client = httpx2.Client(timeout=TIMEOUT_S, headers=_headers(source, context))
        except UnicodeEncodeError:
            raise ConnectorError("The source's credentials hold characters that a header cannot carry.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def pages(self) -> Iterator[Page]:
        url: httpx2.URL | None = self._first
        if self._source.paging.style == "link":
            url = self._first.copy_merge_params({self._source.paging.param: str(self._page_size)})
        seen: set[str] = set()
        while url is not None:
            if str(url) in seen:
                raise ConnectorError(f"{url} names itself as its next page: the paging of this source never ends.")
            seen.add(str(url))
            answer = self._get(url)
            yield Page(self._records(answer), _total(answer))
            url = self._next(answer) if self._source.paging.style == "link" else None

    def _next(self, answer: httpx2.Response) -> httpx2.URL | None:
        link = answer.links.get("next", {}).get("url")
        if not link:
            return None
        try:
            url = answer.url.join(link)
        except httpx2.InvalidURL as error:
            raise ConnectorError(f"{answer.url} names a next page that is no address: {error}.") from None
        if _origin(url) != self._origin:
            raise ConnectorError(
                f"The next page is said to be at {_shown(url)}, not at {_shown(self._first)}: "
                "credentials are not sent to another server. Check the source's address."
            )
        return url

    def _get(self, url: httpx2.URL) -> httpx2.Response:
        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            before_sleep=self._say_retry,
            reraise=True,
        )
        try:
            return retrying(self._try, url)
        except _Transient as error:
            raise ConnectorError(f"{url} failed {self._attempts} times, last with: {error}.") from None

    def _try(self, url: httpx2.URL) -> httpx2.Response:
        try:
            answer = self._client.get(url)
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
            raise ConnectorError(f"{url} cannot be asked: {error}.") from None
        except httpx2.RequestError as error:
            raise _Transient(str(error) or type(error).__name__) from None
        if answer.status_code in TRANSIENT:
            raise _Transient(_status(answer), _retry_after(answer))
        if answer.status_code in (401, 403):
            raise ConnectorError(f"{url} answered {_status(answer)}. Check the credentials of this source.")
        if not answer.is_success:
            raise ConnectorError(f"{url} answered {_status(answer)}: {answer.text[:500]}")
        return answer

    def _say_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0
        self._log.warning(
            f"{error}: attempt {state.attempt_number} of {self._attempts}, next one in {wait_s:.1f} s",
            phase=Phase.PULL.value,
        )

    def _records(self, answer: httpx2.Response) -> list[Record]:
        try:
            found: Any = answer.json()
        except (ValueError, RecursionError):
            raise ConnectorError(f"{answer.url} did not answer with JSON, but: {answer.text[:200]!r}") from None
        if self._source.records:
            if not isinstance(found, dict) or self._source.records not in found:
                raise ConnectorError(f"The answer of {answer.url} has no member {self._source.records!r}.")
            found = found[self._source.records]
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            raise ConnectorError(
                f"{answer.url}: expected a list of objects under {self._source.records or 'the top'!r}."
            )
        return found


def _wait(state: RetryCallState) -> float:
    """What the server asked for; else 0.5 s, 1 s, 2 s … with jitter, so that many readers do not come back as one."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, _Transient) else None
    if asked is not None:
        return min(asked, LONGEST_WAIT_S)
    backoff = min(0.5 * 2.0 ** (state.attempt_number - 1), 30.0)
    return backoff * random.uniform(0.5, 1.5)  # noqa: S311


def _retry_after(answer: httpx2.Response) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3); None where the header is absent or neither."""
    text = answer.headers.get("Retry-After", "")
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _total(answer: httpx2.Response) -> int | None:
    text = answer.headers.get("X-Total-Count", "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _status(answer: httpx2.Response) -> str:
    return f"{answer.status_code} {answer.reason_phrase}".strip()


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _shown(url: httpx2.URL) -> str:
    """The origin as one writes it: two often differ only in scheme or port."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _headers(source: HttpSource, context: Context) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    match source.auth:
        case BearerAuth(token):
            headers["Authorization"] = f"Bearer {context.secret(token.secret)}"
        case BasicAuth(user, password):
            pair = f"{user}:{context.secret(password.secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        case HeaderAuth(name, value):
            headers[name] = context.secret(value.secret)
        case None:
            pass
    return headers
