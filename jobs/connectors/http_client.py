"""One HTTP exchange: credentials, time-outs, a limit on the size of the answer, and what is worth a retry.

Redirects are not followed, and nothing is sent to another origin than that of the address.
"""

from __future__ import annotations

import base64
import math
import ssl
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, NamedTuple

import httpx2
import jmespath
from jmespath.exceptions import JMESPathError

from jobs.connectors.base import ConnectorError, Context, NotSignedIn
from jobs.connectors.retries import Pace, Sleep, Transient
from jobs.services.model import BasicAuth, BearerAuth, HeaderAuth, HttpAuth, HttpDestination, HttpSource

ANSWER_BYTES = 32 * 1024 * 1024
"""Maximum size of an answer that is read as a whole."""
WORDS_BYTES = 64 * 1024
"""Maximum size that is read of an answer that is only quoted."""
WORDS = 300
"""Characters of it that are quoted."""
LONGEST_S = 300.0
"""Maximum time for one answer, however steadily it comes."""
_CHUNK = 64 * 1024


class Answer(NamedTuple):
    """`body`: of the response, which is closed, unpacked. Only its first words where not all of it was wanted."""

    response: httpx2.Response
    body: bytes

    @property
    def status_line(self) -> str:
        return f"{self.response.status_code} {self.response.reason_phrase}".strip()

    def words(self) -> str:
        """What it says, to go on a sentence with: `: no such order`."""
        text = " ".join(self.body[: WORDS * 8].decode("utf-8", "replace").split())
        return f": {text[:WORDS]}{'…' if len(text) > WORDS else ''}" if text else ""


class HttpClient:
    def __init__(self, url: str, definition: HttpSource | HttpDestination, context: Context, sleep: Sleep) -> None:
        """`url` names the only origin that is asked. `sleep`: as for `Retries`."""
        self._what = "this source" if isinstance(definition, HttpSource) else "this destination"
        connections = 1 if isinstance(definition, HttpSource) else definition.concurrency
        self._longest_s = min(LONGEST_S, 10 * context.patience_s)
        self._pace = Pace(definition.rate_per_s, sleep=sleep)
        try:
            self.origin = origin(httpx2.URL(url))
        except httpx2.InvalidURL as error:
            raise ConnectorError(f"The address of {self._what} cannot be used: {error}.") from None
        try:
            self._client = httpx2.Client(
                timeout=context.patience_s,
                verify=_tls(),
                headers=_headers(definition.auth, context),
                limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            )
        except UnicodeEncodeError:
            raise ConnectorError(
                f"The credentials of {self._what} contain characters that an HTTP header cannot carry."
            ) from None

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, url: httpx2.URL, *, whole: bool = False, **content: Any) -> Answer:
        """Waits for its turn. `whole`: read all of the body, not only its first words. `content`: `content`, `headers`.

        Raises `Transient` for what may pass, `NotSignedIn`, and `ConnectorError` for an address that cannot be used or
        an answer that is too large.
        """
        self._pace.turn()
        try:
            with self._client.stream(method, url, **content) as response:
                answer = Answer(response, self._read(response, whole=whole))
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
            raise ConnectorError(f"{url} cannot be used: {error}.") from None
        except httpx2.TimeoutException as error:
            raise Transient(f"no answer in time ({type(error).__name__})") from None
        except httpx2.RequestError as error:
            raise Transient(str(error) or type(error).__name__) from None
        status = response.status_code
        if status in (408, 425, 429) or status >= 500:
            wait_s = _retry_after(response.headers)
            self._pace.hold(wait_s or 0)
            raise Transient(answer.status_line, wait_s, answered=True)
        if status in (401, 403):
            said = f"{response.url} answered {answer.status_line}{answer.words()}"
            raise NotSignedIn(f"{said}. Check the credentials of {self._what}.")
        return answer

    def _read(self, response: httpx2.Response, *, whole: bool) -> bytes:
        until = time.monotonic() + self._longest_s
        limit = ANSWER_BYTES if whole and response.is_success else WORDS_BYTES
        body = bytearray()
        for chunk in _unpacked(response):
            body += chunk
            if len(body) > limit:
                if limit == WORDS_BYTES:
                    break
                most = f"{limit // 1024 // 1024} MiB"
                raise ConnectorError(f"{response.url} answered with more than {most}. Ask for smaller pages.")
            if time.monotonic() > until:
                raise Transient(f"the answer took longer than {self._longest_s:g} s")
        return bytes(body)


@cache
def _tls() -> ssl.SSLContext:
    """Made once: that reads all of the system's certificates."""
    return httpx2.create_ssl_context()


def _unpacked(response: httpx2.Response) -> Iterator[bytes]:
    """The body in chunks of bounded size, however well it was compressed."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity":
        yield from response.iter_raw()  # as they come: gathered, a slow answer would not be seen to be slow
        return
    if coding != "gzip":
        raise ConnectorError(f"{response.url} used the content encoding {coding[:40]!r}; only gzip is supported.")
    unpacker = zlib.decompressobj(31)  # with gzip's header
    try:
        for chunk in response.iter_raw():
            rest = chunk
            while rest:
                yield unpacker.decompress(rest, _CHUNK)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
        if not unpacker.eof:
            raise Transient("the answer ended early")
    except zlib.error as error:
        raise Transient(f"the answer is not valid gzip: {error}") from None


def origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def shown(url: httpx2.URL) -> str:
    """Without user and password."""
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


def search(expression: str, content: Any) -> Any:
    """What JMESPath finds; None also where a function does not fit what is there, or the text is no expression."""
    try:
        return jmespath.search(expression, content)
    except JMESPathError:
        return None


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
    return headers
