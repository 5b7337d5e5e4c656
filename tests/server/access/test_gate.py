"""Each route is held to what the table says of it, before anything of it runs."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2
import pytest
import redis
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed

from server.access.auth import Auth, token_hash
from server.access.gate import Gate
from server.access.origins import Origins
from server.web.routing import OPEN, RECORDS_BYTES, HttpRoute, Role
from synctail.model import keys
from tests.kit.following import Logs, open_socket
from tests.kit.routes import app, asks, table
from tests.kit.support import PATIENCE_S

CLOSED = [route for route in table() if route.role is not OPEN]


@pytest.fixture
def tokens(client: redis.Redis) -> dict[Role, dict[str, str]]:
    """The headers of one who has the role and no more."""
    for role in Role:
        name = role.name.lower()
        client.hset(keys.token(token_hash(f"st_{name}")), mapping={"name": name, "role": name})
    return {role: {"Authorization": f"Bearer st_{role.name.lower()}"} for role in Role}


async def nothing(_request: Any) -> Response:
    return Response()


@pytest.mark.parametrize(
    "route", [Route("/open-door", nothing), WebSocketRoute("/open-door", nothing), Mount("/open-door", routes=[])]
)
def test_a_route_that_says_no_role_stops_the_start(route: BaseRoute) -> None:
    with pytest.raises(TypeError, match=r"/open-door.* says no role"):
        Gate(app(), [*table(), route], Auth(None, "k" * 16), Origins([]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="role"):
        HttpRoute("GET /open-door", nothing)  # type: ignore[call-arg]


@pytest.mark.slow
def test_each_route_takes_its_role_and_no_less(web: httpx2.Client, tokens: dict[Role, dict[str, str]]) -> None:
    assert {route.role for route in CLOSED} == set(Role)
    for route, (role, headers) in itertools.product(CLOSED, tokens.items()):
        assert route.role
        for method, path in asks(route):
            answer = web.request(method, path, headers=headers)
            assert (answer.status_code == 403) is (role < route.role), (method, path, role)
            if role < route.role and method != "HEAD":
                assert f"needs the role {route.role.name.lower()}; " in answer.json()["detail"]


def test_nothing_is_learned_without_a_token(web: httpx2.Client) -> None:
    del web.headers["Authorization"]
    for method, path in (("GET", "/nothing"), ("GET", "/services/"), ("PATCH", "/services"), ("OPTIONS", "/api/syncs")):
        assert web.request(method, path).status_code == 401, (method, path)
    assert web.post("/api/services", content=b"x" * 2_000_000).status_code == 401
    assert web.delete("/healthz").status_code == 405


def test_who_has_one_learns_what_is_not_there(web: httpx2.Client) -> None:
    assert web.get("/nothing").status_code == 404
    assert web.get("/services/").status_code == 307
    for method in ("PATCH", "OPTIONS"):
        answer = web.request(method, "/services")
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


def test_each_route_takes_a_body_as_large_as_it_says(web: httpx2.Client) -> None:
    for route in CLOSED:
        method, path = asks(route)[0]
        if method == "GET" or route.body_bytes == RECORDS_BYTES:  # the latter has a test of its own
            continue
        answer = web.request(method, path, content=b"x" * (route.body_bytes + 1))
        assert (answer.status_code, answer.json()["title"]) == (413, "Too large"), (method, path)
        assert f"{route.body_bytes // 1024:,} KiB" in answer.json()["detail"]


# --- websockets -----------------------------------------------------------------------------------------------------


def test_a_refused_websocket_speaks_what_its_client_offered(web: httpx2.Client, logs: Logs) -> None:
    """A browser fails a connection that picks none of its subprotocols, and so would never see the close code."""
    sync_id = logs.written(1)
    options: dict[str, Any] = {"additional_headers": {}, "subprotocols": ["synctail.v1"]}
    with open_socket(web, sync_id, **options) as socket:
        assert socket.subprotocol == "synctail.v1"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=PATIENCE_S)
        assert socket.close_code == 4401
