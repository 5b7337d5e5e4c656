"""A page of another site cannot use a visitor's session to change anything (CSRF)."""

from __future__ import annotations

import httpx2
import pytest
from starlette.datastructures import Headers

from server.access.origins import SAFE_METHODS, Origins
from server.web.errors import Forbidden
from tests.kit.routes import asks, table
from tests.kit.support import ADMIN_TOKEN, OWN_PAGE

HOST = "sync.example.com"
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": f"https://evil.{HOST}"},
    {"Sec-Fetch-Site": "cross-site", "Origin": f"https://{HOST}"},
    {"Sec-Fetch-Site": "", "Origin": f"https://{HOST}"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": f"https://evil.{HOST}"},
    {"Origin": f"https://{HOST}.evil.example"},
    {"Origin": f"https://{HOST}:8443"},
    {"Origin": f"https://{HOST}@evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://["},
    {"Origin": HOST},
]
OWN = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://a-proxy-hides-this.example"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": f"https://{HOST}"},
    {"Origin": f"http://{HOST.upper()}"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://ops.example.com"},
    {"Origin": "https://ops.example.com"},
]
ATTACKS = [
    {},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": f"https://evil.{HOST}"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]
"""On each route: those of one kind differ in nothing but what the tests above have tried."""
ours = Origins(["https://ops.example.com"])


@pytest.mark.parametrize("said", FOREIGN, ids=str)
@pytest.mark.parametrize("session", [True, False])
def test_a_page_of_another_origin_changes_nothing(said: dict[str, str], session: bool) -> None:  # noqa: FBT001
    with pytest.raises(Forbidden, match="SYNCTAIL_ALLOWED_ORIGINS"):
        ours.check_change(Headers({"Host": HOST, **said}), session=session)


@pytest.mark.parametrize("said", OWN, ids=str)
def test_a_page_of_ours_or_one_that_is_allowed_does(said: dict[str, str]) -> None:
    ours.check_change(Headers({"Host": HOST, **said}), session=True)


def test_a_cookie_from_a_client_that_says_nothing_of_pages_is_refused() -> None:
    with pytest.raises(Forbidden, match="Bearer TOKEN"):
        ours.check_change(Headers({"Host": HOST}), session=True)
    ours.check_change(Headers({"Host": HOST}), session=False)


def test_no_host_is_the_host_of_no_page() -> None:
    for origin in ("null", "", "https://", f"https://{HOST}"):
        with pytest.raises(Forbidden):
            ours.check_change(Headers({"Origin": origin}), session=True)
        with pytest.raises(Forbidden):
            ours.check_socket(Headers({"Origin": origin}))


# --- the whole server -----------------------------------------------------------------------------------------------


CHANGES = [ask for route in table() if route.path != "/sign-in" for ask in asks(route) if ask[0] not in SAFE_METHODS]


@pytest.fixture
def browser(web: httpx2.Client) -> httpx2.Client:
    """A client that has signed in as admin, and says nothing of pages by itself."""
    assert web.post("/sign-in", data={"token": ADMIN_TOKEN}).status_code == 303
    del web.headers["Authorization"]
    return web


def test_the_table_has_what_changes_something() -> None:
    assert len(CHANGES) > 25
    assert {method for method, _ in CHANGES} == {"POST", "PUT", "DELETE"}


@pytest.mark.parametrize(("method", "path"), CHANGES, ids=str)
def test_a_foreign_page_uses_no_session(browser: httpx2.Client, method: str, path: str) -> None:
    for said in ATTACKS:
        refused = browser.request(method, path, headers=said)
        assert (refused.status_code, refused.json()["title"]) == (403, "Not allowed"), said
        assert "set-cookie" not in refused.headers
    own = f"http://{browser.base_url.host}:{browser.base_url.port}"
    for said in (OWN_PAGE, {"Origin": own}):
        assert browser.request(method, path, headers=said).status_code not in (401, 403), said
        browser.post("/sign-in", data={"token": ADMIN_TOKEN})  # where that was /sign-out


@pytest.mark.parametrize(("method", "path"), CHANGES, ids=str)
def test_a_bearer_token_is_sent_by_no_foreign_page(web: httpx2.Client, method: str, path: str) -> None:
    for said in ATTACKS:
        assert web.request(method, path, headers=said).status_code not in (401, 403), said


def test_a_foreign_page_cannot_sign_a_visitor_in(web: httpx2.Client) -> None:
    for said in ATTACKS[1:]:
        refused = web.post("/sign-in", data={"token": ADMIN_TOKEN}, headers=said)
        assert refused.status_code == 403, said
        assert "set-cookie" not in refused.headers


def test_what_only_reads_is_open_to_links_from_anywhere(browser: httpx2.Client) -> None:
    for said in ATTACKS:
        assert browser.get("/services", headers={"Accept": "text/html", **said}).status_code == 200
