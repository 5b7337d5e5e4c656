"""Who may come in: tokens, browser sessions, and that no route was left open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import redis
from itsdangerous import URLSafeTimedSerializer
from websockets.exceptions import ConnectionClosedError

from demo import valkey
from server import settings
from server.access.auth import COOKIE, token_hash
from server.web.routing import OPEN, SocketRoute
from synctail.connect import connect
from synctail.model import keys
from tests.kit.following import BEARER, Logs, Reader, open_socket
from tests.kit.routes import app, asks, table
from tests.kit.support import ADMIN_TOKEN, OWN_PAGE, PATIENCE_S, Process, free_port, service, store, until

HTML = {"Accept": "text/html,application/xhtml+xml"}
OTHER_TOKEN = "st_of-somebody-else"


@pytest.fixture
def browser(web: httpx2.Client) -> httpx2.Client:
    """A client without a bearer token, which keeps cookies and asks for pages."""
    del web.headers["Authorization"]
    web.headers.update({**HTML, **OWN_PAGE})
    return web


def sign_in(browser: httpx2.Client, token: str = ADMIN_TOKEN, **more: str) -> httpx2.Response:
    return browser.post("/sign-in", data={"token": token, **more})


def signed_in(browser: httpx2.Client) -> bool:
    return browser.get("/services").status_code == 200


# --- nothing is open ------------------------------------------------------------------------------------------------


def test_what_is_open_is_what_the_contract_names() -> None:
    opened = {route.path for route in table() if route.role is OPEN}
    assert opened == {"/healthz", "/readyz", "/sign-in", "/static/{path:path}"}


def test_every_other_route_is_closed_to_who_has_no_token(web: httpx2.Client) -> None:
    del web.headers["Authorization"]
    closed = [route for route in table() if route.role is not OPEN]
    assert len(closed) > 20
    for method, path in (ask for route in closed for ask in asks(route)):
        program = web.request(method, path)
        assert program.status_code == 401, (method, path)
        assert program.headers["www-authenticate"].startswith("Bearer")
        person = web.request(method, path, headers=HTML)
        if method in ("GET", "HEAD"):
            assert person.status_code == 303, (method, path)
            assert person.headers["location"] == f"/sign-in?next={path}"
        else:
            assert person.status_code == 401, (method, path)


def test_every_websocket_is_closed_to_who_has_no_token(web: httpx2.Client) -> None:
    sockets = [route for route in app().routes if isinstance(route, SocketRoute)]
    assert [route.path for route in sockets] == ["/api/syncs/{sync}/live"], "a new one needs its own test"
    with open_socket(web, "x", additional_headers={}) as socket:
        with pytest.raises(ConnectionClosedError):
            socket.recv(timeout=PATIENCE_S)
        assert socket.close_code == 4401


def test_unknown_paths_are_closed_too_and_open_ones_open_nothing_else(web: httpx2.Client) -> None:
    del web.headers["Authorization"]
    for path in ("/nothing", "/api", "/healthz/x", "/sign-in/x", "/STATIC/app.css", "//healthz"):
        assert web.get(path).status_code == 401, path
    for path in ("/healthz", "/readyz", "/sign-in", "/static/css/app.css"):
        assert web.get(path).status_code == 200, path
    for path in ("/static/../server/access/auth.py", "/static/%2e%2e/pyproject.toml", "/static/..%2fpyproject.toml"):
        answer = web.get(path)
        assert answer.status_code in (401, 404), path
        assert "synctail" not in answer.text.lower() or answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        f"Basic {ADMIN_TOKEN}",
        f"Bearer {ADMIN_TOKEN}x",
        f"Bearer {ADMIN_TOKEN[:-1]}",
        f"Bearer {token_hash(ADMIN_TOKEN)}",
        "Bearer *",
        "Bearer \xff",
        ADMIN_TOKEN,
    ],
)
def test_only_the_whole_token_is_a_token(web: httpx2.Client, header: str) -> None:
    answer = web.get("/api/services", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert "is not known, or has expired" in answer.json()["detail"]


def test_a_bearer_token_is_taken_whatever_the_case_of_its_scheme(web: httpx2.Client) -> None:
    assert web.get("/api/services", headers={"Authorization": f"bEaReR  {ADMIN_TOKEN}"}).status_code == 200


# --- browser sessions -----------------------------------------------------------------------------------------------


def test_who_signs_in_gets_a_cookie_that_scripts_and_other_sites_cannot_use(browser: httpx2.Client) -> None:
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/services")
    cookie = answer.headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "secure" not in attributes
    assert ADMIN_TOKEN not in cookie
    assert signed_in(browser)


def test_behind_tls_the_cookie_is_for_tls_only(browser: httpx2.Client) -> None:
    answer = browser.post("/sign-in", data={"token": ADMIN_TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_only_the_proxies_that_are_named_say_that_there_is_tls(environ: dict[str, str], client: redis.Redis) -> None:
    del client
    own = {**environ, "PORT": str(free_port()), "FORWARDED_ALLOW_IPS": "10.0.0.0/8, 192.0.2.1"}
    with (
        Process("server", own, ready="Synctail listens"),
        httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}") as browser,
    ):
        answer = browser.post("/sign-in", data={"token": ADMIN_TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 303
    assert "secure" not in answer.headers["set-cookie"].lower()


def test_the_session_serves_websockets_too(browser: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(2)
    sign_in(browser)
    reader = Reader(sync_id)
    with open_socket(browser, sync_id, additional_headers={"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}) as socket:
        assert reader.listen(socket) == 1000
    assert reader.numbers == [1, 2]


@pytest.mark.parametrize("token", ["", "st_wrong", ADMIN_TOKEN + "x", "*", "ü", "x" * 3000])
def test_a_wrong_token_is_told_and_opens_nothing(browser: httpx2.Client, token: str) -> None:
    answer = sign_in(browser, token, next="/services/orders")
    assert answer.status_code == 401
    assert "not known" in answer.text
    assert "set-cookie" not in answer.headers
    assert 'value="/services/orders"' in answer.text
    assert token not in answer.text or not token.startswith("st_")
    assert not signed_in(browser)


def test_a_token_copied_with_spaces_around_it_is_taken(browser: httpx2.Client) -> None:
    assert sign_in(browser, f"  {ADMIN_TOKEN}\n").status_code == 303


def test_bodies_that_are_no_sign_in_are_refused_and_not_read(browser: httpx2.Client) -> None:
    assert sign_in(browser, "x" * 5000).status_code == 400
    assert browser.post("/sign-in").status_code in (400, 401)
    assert browser.post("/sign-in", content=iter([b"token=x"])).status_code == 400
    odd = {"Content-Type": "multipart/form-data; boundary=b; charset=utf-7"}
    body = b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n+2AA-\r\n--b--\r\n'
    assert browser.post("/sign-in", content=body, headers=odd).status_code == 401
    assert browser.post("/sign-in", files={"token": b"x"}).status_code == 400


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
    ],
)
def test_the_way_after_signing_in_never_leads_elsewhere(browser: httpx2.Client, target: str) -> None:
    assert sign_in(browser, next=target).headers["location"] == "/services"
    shown = browser.get("/sign-in", params={"next": target}).text
    assert "evil.example" not in shown
    assert "javascript:" not in shown


def test_who_is_sent_to_sign_in_comes_back_to_where_they_were_going(browser: httpx2.Client) -> None:
    wanted = "/services/orders?status=failed&q=a%26b"
    to = browser.get(wanted).headers["location"]
    assert urlsplit(to).path == "/sign-in"
    [target] = parse_qs(urlsplit(to).query)["next"]
    assert sign_in(browser, next=target).headers["location"] == wanted


def test_signing_out_ends_the_session(browser: httpx2.Client) -> None:
    sign_in(browser)
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert not signed_in(browser)


def test_a_token_that_is_revoked_ends_its_sessions(client: redis.Redis, browser: httpx2.Client) -> None:
    key = keys.token(token_hash(OTHER_TOKEN))
    client.hset(key, mapping={"name": "ana", "role": "viewer"})
    sign_in(browser, OTHER_TOKEN)
    assert "ana" in browser.get("/services").text
    client.delete(key)
    assert not signed_in(browser)


def test_a_session_that_was_tampered_with_is_none(browser: httpx2.Client) -> None:
    sign_in(browser)
    good = browser.cookies[COOKIE]
    forged = URLSafeTimedSerializer("another key", salt="synctail-session").dumps(
        {"t": token_hash(ADMIN_TOKEN), "c": "x"}
    )
    for bad in (good[:-1], good + "x", "A" + good[1:], good.rpartition(".")[0], str(forged), "", "x", "."):
        assert browser.get("/services", headers={"Cookie": f"{COOKIE}={bad}"}).status_code == 303
    assert browser.get("/services", headers={"Cookie": f"{COOKIE}={good}"}).status_code == 200


def test_a_session_of_the_version_before_goes_on_and_can_be_ended(
    environ: dict[str, str], client: redis.Redis, browser: httpx2.Client
) -> None:
    key = settings.load(environ).session_key
    cookie = URLSafeTimedSerializer(key, salt="synctail-session").dumps({"t": token_hash(ADMIN_TOKEN), "c": "its-id"})
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    assert browser.get("/services", headers=headers).status_code == 200
    assert browser.post("/sign-out", headers=headers).status_code == 303
    assert client.exists(keys.signed_out("its-id"))
    assert browser.get("/services", headers=headers).status_code == 303


def test_a_header_that_is_wrong_is_not_made_good_by_a_cookie(browser: httpx2.Client) -> None:
    sign_in(browser)
    wrong = {"Authorization": "Bearer st_wrong", "Accept": "*/*"}
    assert browser.get("/api/services", headers=wrong).status_code == 401


# --- what is kept ---------------------------------------------------------------------------------------------------


def everything_in(client: redis.Redis) -> bytes:
    """All keys and all values of Redis."""
    found = []
    for key in cast("list[bytes]", client.keys("*")):
        kind = cast("bytes", client.type(key)).decode()
        readers: dict[str, Callable[[bytes], Any]] = {
            "string": client.get,
            "hash": client.hgetall,
            "list": lambda name: client.lrange(name, 0, -1),
            "set": client.smembers,
            "zset": lambda name: client.zrange(name, 0, -1),
            "stream": client.xrange,
        }
        value = readers[kind](key)
        found.append(key + repr(value).encode())
    return b"\n".join(found)


def test_tokens_are_stored_nowhere_in_clear(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    sign_in(browser)
    assert browser.post("/services/orders/run").status_code == 303
    browser.get("/api/services", headers={"Authorization": f"Bearer {OTHER_TOKEN}"})
    logs.written(2, of=service("other"))
    kept = everything_in(client)
    assert b"token:" in kept
    assert ADMIN_TOKEN.encode() not in kept
    assert OTHER_TOKEN.encode() not in kept
    assert browser.cookies[COOKIE].encode() not in kept


@contextmanager
def own_web(environ: dict[str, str], data: Path, url: str, **more: str) -> Iterator[tuple[Process, httpx2.Client]]:
    own = {**environ, "REDIS_URL": url, "PORT": str(free_port()), "SYNCTAIL_DATA": str(data), **more}
    with (
        Process("server", own, ready="Synctail listens") as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{own['PORT']}", timeout=PATIENCE_S) as http,
    ):
        until(lambda: http.get("/healthz").status_code == 200, "the web process answers")
        yield process, http


def test_without_a_known_admin_token_one_is_made_and_shown_once(environ: dict[str, str], tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    try:
        with own_web(environ, tmp_path, server.url, SYNCTAIL_ADMIN_TOKEN="") as (process, http):
            [token] = re.findall(r"st_[\w-]+", process.output)
            headers = {"Authorization": f"Bearer {token}"}
            assert http.get("/api/services", headers=headers).status_code == 200
            assert http.get("/api/services", headers=BEARER).status_code == 401
            with connect(server.url) as client:
                assert token.encode() not in everything_in(client)
        with own_web(environ, tmp_path, server.url, SYNCTAIL_ADMIN_TOKEN="") as (process, http):
            assert "st_" not in process.output
            assert http.get("/api/services", headers=headers).status_code == 200
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
        assert not kept
        assert (tmp_path / "session-key").stat().st_mode & 0o777 == 0o600
    finally:
        server.stop()
