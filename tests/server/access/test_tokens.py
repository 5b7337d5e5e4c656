"""Access tokens: made by administrators, shown once, and over when they are removed or expire."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import redis

from server.access.auth import token_hash
from synctail.model import keys
from tests.kit.support import ADMIN_TOKEN, until


def make(web: httpx2.Client, **wanted: Any) -> dict[str, Any]:
    answer = web.post("/api/tokens", json={"name": "grafana", "role": "viewer", **wanted})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_token_is_shown_once_and_works(web: httpx2.Client, client: redis.Redis) -> None:
    made = make(web, role="operator")
    token = made.pop("token")
    assert {made["name"], made["role"], made["created_by"]} == {"grafana", "operator", "tests"}
    assert client.exists(keys.token(token_hash(token)))
    listed = web.get("/api/tokens")
    assert made in listed.json()
    assert token not in listed.text
    own = web.get("/api/tokens/self", headers={"Authorization": f"Bearer {token}"})
    assert (own.status_code, own.json()) == (200, made)


@pytest.mark.slow
def test_a_token_expires_by_itself(web: httpx2.Client) -> None:
    made = make(web, expires="1s")
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert web.get("/api/tokens/self", headers=bearer).status_code == 200
    assert made["expires_at"].endswith("Z")
    until(lambda: web.get("/api/tokens/self", headers=bearer).status_code == 401, "it is over")
    assert [one["name"] for one in web.get("/api/tokens").json()] == ["tests"]


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_token_is_removed_by_its_id_or_its_name(web: httpx2.Client, by: str) -> None:
    made = make(web, name="a tökén % of ours")
    assert web.delete(f"/api/tokens/{quote(made[by])}").status_code == 204
    assert web.get("/api/tokens/self", headers={"Authorization": f"Bearer {made['token']}"}).status_code == 401
    assert web.delete(f"/api/tokens/{quote(made[by])}").status_code == 404


def test_a_token_cannot_remove_itself(web: httpx2.Client, client: redis.Redis) -> None:
    answer = web.delete("/api/tokens/tests")
    assert answer.status_code == 409
    assert "locked out" in answer.json()["detail"]
    assert client.exists(keys.token(token_hash(ADMIN_TOKEN)))


def test_two_tokens_cannot_have_one_name(web: httpx2.Client, client: redis.Redis) -> None:
    make(web)
    answer = web.post("/api/tokens", json={"name": "grafana", "role": "viewer"})
    assert answer.status_code == 409
    for number in (1, 2):  # made by hand
        client.hset(keys.token(token_hash(f"st_{number}")), mapping={"name": "twins", "role": "viewer"})
    assert web.delete("/api/tokens/twins").status_code == 409


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        ({"name": "", "role": "root", "expires": "soon"}, ["name", "role", "expires"]),
        ({"name": "x" * 61, "role": "viewer"}, ["name"]),
        ({"name": "a\x1b[31m", "role": "viewer"}, ["name"]),
        ({"name": "0123456789ab", "role": "viewer"}, ["name"]),
        ({"name": "a/b", "role": "viewer"}, ["name"]),
        ({"name": "x"}, ["role"]),
    ],
)
def test_what_is_wrong_with_a_token_is_named(web: httpx2.Client, wanted: dict[str, Any], paths: list[str]) -> None:
    answer = web.post("/api/tokens", json=wanted)
    assert answer.status_code == 422
    assert [one["path"] for one in answer.json()["errors"]] == paths
    assert web.post("/api/tokens", content=b"{").status_code == 400
    assert web.post("/api/tokens", json={"name": "x", "role": "viewer", "more": 1}).status_code == 400


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_administrators_see_and_make_tokens(web: httpx2.Client, role: str) -> None:
    bearer = {"Authorization": f"Bearer {make(web, role=role)['token']}"}
    assert web.get("/api/tokens", headers=bearer).status_code == 403
    assert web.post("/api/tokens", headers=bearer, json={"name": "x", "role": "admin"}).status_code == 403
    assert web.delete("/api/tokens/tests", headers=bearer).status_code == 403
    assert web.get("/api/tokens/self", headers=bearer).json()["role"] == role
