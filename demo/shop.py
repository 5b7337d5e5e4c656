"""The demo shop (`python -m demo.shop`): a small HTTP server to pull from, with the quirks of real ones.

It requires a token, pages by `Link` header only, is a little slow, and sometimes answers 429. It owns HTTP and the time
of its creation (`DATA/shop.json`), and stores nothing else; `demo.goods` generates the records.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from demo.goods import Goods, all_goods
from demo.settings import SHOP_LATENCY_MS, SHOP_PORT, SHOP_TOKEN, SHOP_TOKEN_VARIABLE, kept
from synctail.model.ids import parse_rfc3339, rfc3339, utc_now
from synctail.settings import Settings, SettingsError, load

HOST = "127.0.0.1"
DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 1_000
TOO_MANY_EVERY = 23

ABOUT = """\
The demo shop of Synctail. Made-up data; nothing here is real.

GET /orders      about 20 new ones a minute; the newest 5,000 are listed, oldest first
GET /customers   500
GET /products    20,000

Authorization: Bearer TOKEN, the value of SYNCTAIL_SECRET_SHOP_TOKEN. ?limit=1..1000 (100).
The next page is in the Link header (rel="next"), the number of all records in X-Total-Count.
Every 23rd request is answered 429 with Retry-After. A few records are wrong on purpose.
"""


def create_app(
    *, token: str, born_at: datetime, latency: timedelta, now: Callable[[], datetime] = utc_now
) -> Starlette:
    """The shop as an ASGI application. `now` is the clock that decides how many orders there are."""
    authorization = f"Bearer {token}".encode()
    requests = 0

    def admit(request: Request) -> None:
        nonlocal requests
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), authorization):
            says = "a bearer token is needed: Authorization: Bearer TOKEN"
            raise HTTPException(401, says, {"WWW-Authenticate": "Bearer"})
        requests += 1
        if requests % TOO_MANY_EVERY == 0:
            raise HTTPException(429, "too many requests; come back in a second", {"Retry-After": "1"})

    def listing(goods: Goods) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            admit(request)
            limit = _limit(request)
            moment = now()
            last = goods.last(moment)
            number = _number(request, goods, last)
            # Pages are cut by record number, so new records are appended and move no page.
            start = goods.first(moment) if number is None else number
            end = min(start + limit - 1, last)
            await asyncio.sleep(latency.total_seconds())
            headers = {"X-Total-Count": str(last - goods.first(moment) + 1)}
            if end < last:
                cursor = base64.urlsafe_b64encode(f"{goods.name}:{end + 1}".encode()).decode().rstrip("=")
                following = request.url.include_query_params(limit=limit, cursor=cursor)
                headers["Link"] = f'<{following}>; rel="next"'
            return _json({goods.name: [goods.make(each) for each in range(start, end + 1)]}, headers=headers)

        return page

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
        return _json({"error": error.detail}, status=error.status_code, headers=error.headers)

    routes = [Route(f"/{goods.name}", listing(goods), methods=["GET"]) for goods in all_goods(born_at)]
    routes.append(Route("/", PlainTextResponse(ABOUT), methods=["GET"]))
    return Starlette(routes=routes, exception_handlers={HTTPException: refused})


def birth(data: Path) -> datetime:
    """When the shop in this folder was created: now, if it is new."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    stored = kept(data / "shop.json", lambda: msgspec.json.encode({"born_at": rfc3339(utc_now())}).decode())
    return parse_rfc3339(msgspec.json.decode(stored)["born_at"])


def main(environ: Mapping[str, str]) -> int:
    try:
        settings = load(environ)
        port, latency = SHOP_PORT.read(environ), SHOP_LATENCY_MS.read(environ)
        app = create_app(token=_token(settings), born_at=birth(settings.data), latency=latency)
        listener = _listen(port)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The demo shop is open at http://{HOST}:{port}", flush=True)
    with listener, suppress(KeyboardInterrupt):
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _token(settings: Settings) -> str:
    if token := settings.secrets.get(SHOP_TOKEN):
        return token
    raise SettingsError(f"{SHOP_TOKEN_VARIABLE}: not set; takes the token that the shop's clients must show")


def _listen(port: int) -> socket.socket:
    """Binds the port here, because uvicorn would log a failure in its own way."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SettingsError(
            f"The demo shop cannot listen on port {port}: {why}. Choose another with SHOP_PORT."
        ) from None


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise HTTPException(400, f"limit: got {text!r}; takes a whole number from 1 to {HIGHEST_LIMIT}")
    return int(text)


def _number(request: Request, goods: Goods, last: int) -> int | None:
    """The record number in the request's cursor; None without a cursor."""
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    with suppress(ValueError):
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        match = re.fullmatch(rf"{goods.name}:([1-9][0-9]{{0,9}})", text, re.ASCII)
        if match and int(match[1]) <= last:
            return int(match[1])
    raise HTTPException(400, f"cursor: got {cursor!r}; takes what a Link header of /{goods.name} announced")


def _json(content: object, *, status: int = 200, headers: Mapping[str, str] | None) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, headers=headers, media_type="application/json")


if __name__ == "__main__":
    sys.exit(main(os.environ))
