"""One HTTP exchange: credentials, time-outs, a bound on the answer's size, and what may be tried again.

Redirects are not followed, and nothing is sent to another origin than that of the address.
"""

from __future__ import annotations

import base64
import math
import re
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import NamedTuple

import httpx2

from jobs.connectors.base import ConnectorError, Context, NotSignedIn
from jobs.connectors.retries import Transient
from jobs.services.model import BasicAuth, BearerAuth, HeaderAuth, HttpAuth

ANSWER_BYTES = 32 * 1024 * 1024
"""The largest answer that is read."""
WORDS_BYTES = 64 * 1024
"""Of an answer that is only quoted, as much is read."""
WORDS = 300
"""And as many characters are quoted."""
LONGEST_S = 300.0
"""One answer may take so long, whatever it sends meanwhile."""
_GZIP = 31  # for zlib: with gzip's header
_CHUNK = 64 * 1024


class Answer(NamedTuple):
    url: httpx2.URL
    status: int
    reason: str
    headers: httpx2.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def status_line(self) -> str:
        return f"{self.status} {self.reason}".strip()

    @property
    def links(self) -> Mapping[str | None, Mapping[str, str]]:
        return httpx2.Response(200, headers=self.headers).links

    def words(self) -> str:
        """What it says, as a part of a sentence."""
        text = " ".join(self.body[: WORDS * 8].decode("utf-8", "replace").split())
        return f": {text[:WORDS]}{'…' if len(text) > WORDS else ''}" if text else ""


class HttpClient:
    def __init__(
        self,
        url: str,
        auth: HttpAuth | None,
        context: Context,
        *,
        what: str,
        connections: int = 1,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`what` is asked, as in "the source"."""
        self._what = what
        self._longest_s = min(longest_s, 10 * context.patience_s)
        try:
            self.origin = origin(httpx2.URL(url))
        except httpx2.InvalidURL as error:
            raise ConnectorError(f"The address of {what} cannot be used: {error}.") from None
        try:
            self._client = httpx2.Client(
                timeout=context.patience_s,
                verify=_tls(),
                headers=_headers(auth, context),
                limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            )
        except UnicodeEncodeError:
            raise ConnectorError(f"The credentials of {what} hold characters that a header cannot carry.") from None

    def close(self) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        url: httpx2.URL,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        whole: bool = False,
    ) -> Answer:
        """`whole`: the answer's body is wanted, not only its first words. Raises `Transient` for what may pass,
        `NotSignedIn`, and `ConnectorError` for what cannot be asked or is too large."""
        try:
            request = self._client.build_request(method, url, content=content, headers=dict(headers or {}))
            answer = self._client.send(request, stream=True)
            try:
                return self._answered(answer, whole=whole)
            finally:
                answer.close()
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
            raise ConnectorError(f"{url} cannot be asked: {error}.") from None
        except httpx2.RequestError as error:
            raise Transient(_fault(error)) from None

    def _answered(self, answer: httpx2.Response, *, whole: bool) -> Answer:
        until = time.monotonic() + self._longest_s
        limit = ANSWER_BYTES if whole and answer.is_success else WORDS_BYTES
        body = bytearray()
        for chunk in _unpacked(answer):
            body += chunk
            if len(body) > limit:
                if limit == WORDS_BYTES:
                    break
                raise ConnectorError(
                    f"{answer.url} answered with more than {limit // 1024 // 1024} MiB. Ask for smaller pages."
                )
            if time.monotonic() > until:
                raise Transient(f"the answer took longer than {self._longest_s:g} s")
        found = Answer(answer.url, answer.status_code, answer.reason_phrase, answer.headers, bytes(body))
        if found.status in (408, 425, 429) or found.status >= 500:
            raise Transient(found.status_line, _retry_after(answer.headers), answered=True)
        if found.status in (401, 403):
            raise NotSignedIn(
                f"{found.url} answered {found.status_line}{found.words()}. Check the credentials of {self._what}."
            )
        return found


@cache
def _tls() -> ssl.SSLContext:
    """Made once: it reads all the certificates there are."""
    return httpx2.create_ssl_context()


def _unpacked(answer: httpx2.Response) -> Iterator[bytes]:
    """The body in pieces of bounded size, however well it was compressed."""
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity":
        yield from answer.iter_raw()  # as they come: gathered, a slow answer would not be seen to be slow
        return
    if coding != "gzip":
        raise ConnectorError(f"{answer.url} answered in the coding {coding[:40]!r}, and only gzip was asked for.")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for chunk in answer.iter_raw():
            rest = chunk
            while rest:
                yield unpacker.decompress(rest, _CHUNK)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
        if not unpacker.eof:
            raise Transient("the answer breaks off")
    except zlib.error as error:
        raise Transient(f"the answer is no gzip: {error}") from None


def origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def shown_origin(url: httpx2.URL) -> str:
    """As one writes it: two often differ only in scheme or port."""
    return f"{url.scheme}://{url.netloc.decode()}"


def shown(url: httpx2.URL) -> str:
    """The address as it may be printed."""
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


def whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _fault(error: httpx2.RequestError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return str(error) or type(error).__name__


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3); None where the header is absent or neither."""
    text = headers.get("Retry-After", "")
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _headers(auth: HttpAuth | None, context: Context) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    match auth:
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
