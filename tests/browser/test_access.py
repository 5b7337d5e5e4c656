"""Signing in and out, losing a session, doing without JavaScript, without a mouse, without a wide screen."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis
from playwright.sync_api import Page, expect

from jobs.services.model import Options
from jobs.services.store import Services
from server.access.auth import COOKIE, token_hash
from synctail.model import keys
from synctail.model.sync import Status
from tests.kit.browser import OwnSync, Visits, axe, shows
from tests.kit.support import ADMIN_TOKEN, Process, service, store, until

REFUSED = "status of 401"
CLIENT_TOKEN = "st_a-token-that-will-be-removed"


@pytest.fixture
def stranger(visits: Visits) -> Page:
    return visits.stranger()


@pytest.fixture
def guest(client: redis.Redis, visits: Visits) -> Page:
    """Somebody signed in by a token of their own, which can be taken away."""
    client.hset(keys.token(token_hash(CLIENT_TOKEN)), mapping={"name": "guest", "role": "operator"})
    return visits.signed_in(CLIENT_TOKEN)


def take_the_token_away(client: redis.Redis) -> None:
    client.delete(keys.token(token_hash(CLIENT_TOKEN)))


# --- in and out ---------------------------------------------------------------------------------------------------


def test_the_link_signs_in_and_leaves_no_token_behind(stranger: Page) -> None:
    asked: list[str] = []
    stranger.on("request", lambda request: asked.append(request.url))
    stranger.goto(f"/sign-in#{ADMIN_TOKEN}")
    stranger.wait_for_url("**/services")
    expect(stranger.get_by_role("heading", name="Services", exact=True)).to_be_visible()
    assert ADMIN_TOKEN not in stranger.content()
    assert ADMIN_TOKEN not in stranger.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert [url for url in asked if ADMIN_TOKEN in url.partition("#")[0]] == []
    history = stranger.context.new_cdp_session(stranger).send("Page.getNavigationHistory")
    assert ADMIN_TOKEN not in str(history)
    assert history["entries"][-1]["url"].endswith("/services")


def test_the_form_signs_in(stranger: Page) -> None:
    stranger.goto("/sign-in")
    stranger.get_by_label("Access token").fill(ADMIN_TOKEN)
    stranger.keyboard.press("Enter")
    stranger.wait_for_url("**/services")
    expect(stranger.get_by_role("banner")).to_contain_text("tests admin")


@pytest.mark.parametrize("way", ["form", "link"])
def test_a_wrong_token_is_called_unknown(visits: Visits, stranger: Page, way: str) -> None:
    visits.forgive(REFUSED)
    if way == "link":
        stranger.goto("/sign-in#st_a-wrong-token")
    else:
        stranger.goto("/sign-in")
        stranger.get_by_label("Access token").fill("st_a-wrong-token")
        stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_have_text(re.compile("Unknown token"))
    assert "wrong-token" not in stranger.url
    expect(stranger.get_by_label("Access token")).to_have_value("")
    stranger.get_by_label("Access token").fill(ADMIN_TOKEN)
    stranger.get_by_role("button", name="Sign in").click()
    stranger.wait_for_url("**/services")


def test_a_page_asked_for_without_a_session_comes_after_signing_in(stranger: Page, own_sync: OwnSync) -> None:
    own_sync.write(3)
    stranger.goto(f"/services/orders?status=running&q={own_sync.id[-4:]}")
    expect(stranger).to_have_url(re.compile("/sign-in"))
    stranger.get_by_label("Access token").fill(ADMIN_TOKEN)
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger).to_have_url(re.compile(rf"/services/orders\?status=running&q={own_sync.id[-4:]}$"))
    expect(stranger.get_by_label("Status")).to_have_value("running")
    expect(stranger.locator("[data-live] tr[data-row]")).to_have_count(1)


def test_signing_out_ends_the_session_also_for_the_back_button(page: Page) -> None:
    page.goto("/services")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto("/services")
    expect(page).to_have_url(re.compile("/sign-in"))


# --- pages of other sites -----------------------------------------------------------------------------------------


def test_a_form_on_a_page_of_another_origin_changes_nothing(visits: Visits, page: Page, client: redis.Redis) -> None:
    """On the same machine, so of the same site: the browser sends the cookie along."""
    store(client, service())
    visits.forgive("status of 403")
    page.goto("/services/orders")
    action = page.evaluate("() => new URL('/services/orders/deactivate', location).href")
    form = f'<form method="post" action="{action}"><button>Win a prize</button></form>'
    page.route("http://127.0.0.1:9999/", lambda route: route.fulfill(content_type="text/html", body=form))
    page.goto("http://127.0.0.1:9999/")
    with page.expect_response(action) as sent:
        page.get_by_role("button", name="Win a prize").click()
    assert COOKIE in sent.value.request.all_headers()["cookie"]
    assert sent.value.status == 403
    expect(page.locator("main")).to_contain_text("Pages of http://127.0.0.1:9999 may not change anything here.")
    assert Services(client).read("orders").active

    page.goto("/services")
    page.get_by_label("Menu of Orders").click()
    page.get_by_role("button", name="Deactivate").click()
    page.wait_for_url("**/services/orders")
    assert not Services(client).read("orders").active


# --- a session that ends ------------------------------------------------------------------------------------------


def test_an_open_log_says_signed_out_when_its_socket_must_come_back(
    guest: Page, client: redis.Redis, own_sync: OwnSync
) -> None:
    guest.add_init_script("""
        window.sockets = [];
        window.WebSocket = class extends WebSocket {
          constructor(...given) { super(...given); window.sockets.push(this); }
        };
    """)
    own_sync.write(10)
    guest.goto(own_sync.path)
    expect(guest.locator("#connection")).to_have_text("Live")
    shows(guest, *range(1, 11))
    take_the_token_away(client)
    expect(guest.get_by_text("at last contact")).to_be_hidden()
    guest.evaluate("() => window.sockets.at(-1).close()")
    expect(guest.locator("#connection")).to_have_text("Signed out")
    shows(guest, *range(1, 11))
    expect(guest.get_by_text("at last contact")).to_be_visible()

    guest.get_by_role("link", name="Sign in").click()
    guest.get_by_label("Access token").fill(ADMIN_TOKEN)
    guest.get_by_role("button", name="Sign in").click()
    expect(guest).to_have_url(re.compile(f"{own_sync.path}$"))
    expect(guest.locator("#connection")).to_have_text("Live")


def test_an_open_log_that_polls_says_signed_out(
    visits: Visits, guest: Page, client: redis.Redis, own_sync: OwnSync
) -> None:
    visits.forgive(REFUSED)
    guest.add_init_script("window.WebSocket = function () { throw new Error('blocked') }")
    guest.clock.install()
    guest.goto(own_sync.path)
    guest.clock.fast_forward(1_500)
    expect(guest.locator("#connection")).to_have_text("Polling every 5 s")
    take_the_token_away(client)
    guest.clock.fast_forward(5_000)
    expect(guest.locator("#connection")).to_have_text("Signed out")
    expect(guest.get_by_role("link", name="Sign in")).to_be_visible()


def test_an_open_list_says_signed_out(guest: Page, client: redis.Redis) -> None:
    guest.clock.install()
    guest.goto("/services")
    take_the_token_away(client)
    guest.clock.fast_forward(5_000)
    expect(guest.locator("#refresh-state")).to_have_text("Signed out. Sign in")
    guest.locator("#refresh-state").get_by_role("link").click()
    expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_viewer_sees_the_log_and_no_button_that_would_change_something(
    client: redis.Redis, visits: Visits, own_sync: OwnSync
) -> None:
    client.hset(keys.token(token_hash(CLIENT_TOKEN)), mapping={"name": "reader", "role": "viewer"})
    page = visits.signed_in(CLIENT_TOKEN)
    own_sync.write(5)
    for address in ("/services", "/services/orders", own_sync.path):
        page.goto(address)
        expect(page.get_by_role("banner")).to_contain_text("reader")
        for name in ("Run", "Run again", "Stop"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    page.locator("#L5").wait_for()


# --- without JavaScript -------------------------------------------------------------------------------------------


def test_without_javascript_a_service_is_run_and_its_last_500_lines_are_read(
    visits: Visits, client: redis.Redis, worker: Process, shop: str, shop_auth: Any
) -> None:
    del worker
    customers = service("customers", url=f"{shop}/customers", records="customers", auth=shop_auth)
    store(client, customers)
    page = visits.stranger(java_script_enabled=False)
    page.goto("/services")
    page.get_by_label("Access token").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Menu of Customers").click()
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/syncs/*")
    # What looks for text does not look into <noscript>.
    expect(page.locator("#connection noscript")).to_be_visible()
    assert page.locator("#connection noscript").text_content() == "The last 500 lines"
    expect(page.get_by_role("button", name="Auto-refresh")).to_have_count(0)

    def ended() -> bool:
        with page.expect_navigation():
            page.locator(".toolbar noscript a").click()
        return page.locator("#sync-head .status").inner_text() == "Completed"

    until(ended, "the page says that the sync has completed")
    shown = [int(text) for text in page.locator(".line .n").all_inner_texts()]
    last = int(client.hget(keys.summary(page.url.rsplit("/", 1)[-1]), "last") or 0)
    assert last > 500
    assert shown == list(range(last - 499, last + 1))
    assert page.locator(f"#L{last} .text").text_content() == "Completed: 500 pushed, 0 skipped"
    expect(page.locator(f"#L{last}")).to_be_visible()
    expect(page.locator("#log-empty")).to_be_hidden()


def test_without_javascript_the_look_is_switched_and_the_syncs_are_narrowed(visits: Visits, own_sync: OwnSync) -> None:
    own_sync.write(1)
    page = visits.signed_in(java_script_enabled=False, color_scheme="light")
    page.goto("/services/orders")
    page.get_by_label("Appearance").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_url("**/services/orders")
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 18, 19)")
    page.get_by_label("Status", exact=True).select_option("Failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No sync matches")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("row", name=re.compile("(today)"))).to_be_visible()
    page.get_by_label(f"Menu of sync {own_sync.id[-8:]}").click()
    page.get_by_role("link", name="More details").click()
    page.wait_for_url(f"**{own_sync.path}")


def test_a_link_to_a_line_of_an_expired_log_says_which_one_is_gone(page: Page, visits: Visits) -> None:
    visits.forgive("410")
    page.goto("/syncs/01ARZ3NDEKTSV4RRFFQ69G5FAV#L1200-L1240")
    expect(page.get_by_text("This link pointed to lines 1,200 to 1,240, which expired with the log.")).to_be_visible()


# --- light and dark -----------------------------------------------------------------------------------------------


def test_the_look_follows_the_switch_at_once_and_on_every_page_after(page: Page, client: redis.Redis) -> None:
    store(client, service("orders"))
    page.emulate_media(color_scheme="light")
    page.goto("/services")
    body = page.locator("body")
    light, dark = "rgb(246, 247, 247)", "rgb(15, 18, 19)"
    expect(body).to_have_css("background-color", light)
    page.get_by_label("Appearance").click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    expect(body).to_have_css("background-color", dark)
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.goto("/services/orders")
    expect(body).to_have_css("background-color", dark)
    page.emulate_media(color_scheme="dark")
    page.get_by_label("Appearance").click()
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Light", exact=True).click()
    expect(body).to_have_css("background-color", light)
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="System").click()
    expect(body).to_have_css("background-color", dark)


# --- every page ---------------------------------------------------------------------------------------------------


@pytest.fixture
def everywhere(client: redis.Redis, own_sync: OwnSync) -> list[str]:
    """The address of every page there is, with something long on each."""
    long = "a-very-long-path-without-a-single-space-in-it/" * 5
    store(
        client,
        service("w" * 60, name="W" * 80, url=f"http://127.0.0.1:9/{long}", notes="n" * 300),
        service("idle", name="Switched off", active=False, options=Options(overlap=True)),
    )
    own_sync.write(200)
    own_sync.say("x" * 6_000, "A sentence of several words. " * 20, long, level="error", phase="filter")
    own_sync.say("It is slow", level="warning", record="r" * 200)
    own_sync.writer.set(pulled=1_234_567, pushed=1_000_000, skipped=200_000, failed=4, progress=0.62)
    own_sync.writer.flush()
    return [
        "/sign-in",
        "/services",
        "/services/orders",
        "/services/orders?status=failed&q=" + long,
        f"/services/{'w' * 60}",
        "/services/idle",
        own_sync.path,
        "/nowhere/" + long,
    ]


def test_at_360_pixels_no_page_is_wider_than_the_screen(
    visits: Visits, everywhere: list[str], own_sync: OwnSync
) -> None:
    visits.forgive("status of 404")
    page = visits.signed_in(viewport={"width": 360, "height": 740})
    for address in [*everywhere, f"{own_sync.path}?ended"]:
        if address.endswith("?ended"):
            own_sync.end(Status.COMPLETED_WITH_ERRORS)
        page.goto(address)
        if address.startswith(own_sync.path):
            page.locator("#L204").wait_for()
        for menu in page.locator("details > summary").all():
            menu.click()
            assert_fits(page, address)
            page.keyboard.press("Escape")
        assert_fits(page, address)


def test_at_360_pixels_the_words_for_the_connection_are_whole(visits: Visits, own_sync: OwnSync) -> None:
    page = visits.signed_in(viewport={"width": 360, "height": 740})
    page.add_init_script("window.WebSocket = function () { throw new Error('blocked') }")
    page.clock.install()
    page.goto(own_sync.path)
    page.clock.fast_forward(1_500)
    words = page.locator("#connection .words")
    expect(words).to_have_text("Polling every 5 s")
    assert words.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    out = page.get_by_role("button", name="Sign out").bounding_box()
    assert out is not None
    assert out["height"] < 30, "its words stand on one line"


def assert_fits(page: Page, address: str) -> None:
    wide = page.evaluate("""() => [...document.querySelectorAll("body *")]
        .filter((one) => !one.closest(".unseen, .skip") && one.getBoundingClientRect().right > innerWidth + 0.5)
        .map((one) => one.outerHTML.slice(0, 120))""")
    assert wide == [], address
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, address


def test_text_stands_out_from_its_ground_in_light_and_dark(page: Page, own_sync: OwnSync) -> None:
    own_sync.write(3)
    own_sync.say("Refused", level="error")
    own_sync.say("Slow", level="warning")
    page.goto(own_sync.path)
    page.locator("#L5").wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRASTS) == []


# Text whose contrast is under 4.5 : 1 (WCAG 2, AA), as far as plain colours can tell.
CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !one.checkVisibility() || one.closest("noscript, svg, .skip, .unseen")) continue;
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) weak.push(`${contrast.toFixed(2)} ${one.outerHTML.slice(0, 100)}`);
  }
  return weak;
}"""


def test_axe_finds_nothing_on_any_page_in_any_look(
    visits: Visits, client: redis.Redis, everywhere: list[str], own_sync: OwnSync
) -> None:
    visits.forgive("status of 404")
    page = visits.signed_in()
    page.set_content("<button></button>")
    assert any("button-name" in fault for fault in axe(page, "dark")), "it speaks up where there is a fault"
    client.hset(keys.summary(own_sync.id), "retry_of", own_sync.id)
    for address in [one for one in everywhere if one != own_sync.path and "wwww" not in one]:
        page.goto(address)
        page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert axe(page) == [], address


def test_no_page_breaks_its_own_policy_or_the_console(visits: Visits, page: Page, everywhere: list[str]) -> None:
    visits.forgive("status of 404")
    for address in everywhere:
        answer = page.goto(address)
        assert answer is not None
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        # Where rows stand is written by a script, which a policy without `unsafe-inline` allows; markup may not.
        inline = "[style]:not(#log-space, #log-rows), [onclick], style"
        assert page.evaluate("(inline) => document.querySelectorAll(inline).length", inline) == 0
        assert " style=" not in answer.text()


def test_the_menu_is_reached_opened_and_closed_by_keys_alone(page: Page, client: redis.Redis) -> None:
    store(client, service("orders"), service("customers"))
    page.goto("/services")
    summary = page.get_by_label("Menu of Customers")
    for _ in range(20):
        page.keyboard.press("Tab")
        if summary.evaluate("(one) => one === document.activeElement"):
            break
    expect(summary).to_be_focused()
    menu = page.locator("details.menu", has=summary)
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="View logs")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("button", name="Run")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="View logs")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/customers")


def test_the_first_tab_leads_past_the_header(page: Page) -> None:
    page.goto("/services")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
